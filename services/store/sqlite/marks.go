package sqlite

import (
	"context"
	"database/sql"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
)

func (r *reader) Marked(key int64, after record.Marked, max int) ([]record.Marked, error) {
	var found []record.Marked
	text, args := rows.Marked(rows.SQLite, r.tenant, key, after, max)
	return found, r.ask("reading marks", func(row *sql.Rows) error {
		var m record.Marked
		var at int64
		err := row.Scan(&at, &m.ID)
		m.At = rows.Time(at)
		found = append(found, m)
		return err
	}, text, args)
}

func (r *reader) Versions(p record.Past) ([]record.Kept, error) {
	var found []record.Kept
	text, args := rows.Versions(rows.SQLite, r.tenant, p)
	return found, r.ask("listing versions", func(row *sql.Rows) error {
		one := record.Kept{Resource: ref.Resource{Type: p.Type}}
		err := row.Scan(&one.ID, &one.Version, &one.Seq, &one.Current)
		found = append(found, one)
		return err
	}, text, args)
}

// Types leaps from one type to the next in the index.
func (r *reader) Types() ([]string, error) {
	var found []string
	for last, more := "", true; more; {
		more = false
		err := r.query("listing types", func(row *sql.Rows) error {
			more = true
			err := row.Scan(&last)
			found = append(found, last)
			return err
		}, "SELECT type FROM resource WHERE tenant = ?1 AND type > ?2 ORDER BY type LIMIT 1", last)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Unmarked reads on from where the last Mark ended.
func (s *Store) Unmarked(ctx context.Context, t ref.Tenant, max int) (found []record.Record, err error) {
	err = s.view(ctx, func(c *conn) error {
		r := &reader{ctx: ctx, c: c, tenant: t}
		found, err = r.records("looking for what is not marked", 0, r.query, "SELECT "+rows.Columns+` FROM resource r
			WHERE r.tenant = ?1 AND r.seq <= 0 AND r.seq > coalesce((SELECT f.seq FROM search_filled f WHERE f.tenant = ?1), ?2)
				AND `+rows.IsCurrent+" ORDER BY r.seq LIMIT ?3", rows.Never, limit(max))
		return err
	})
	return found, err
}

// Mark writes under the file's write lock.
func (s *Store) Mark(ctx context.Context, t ref.Tenant, of []record.Record) error {
	if s.writer == nil {
		return errReadOnly()
	}
	c, err := s.take(ctx, s.writer, writePragmas)
	if err != nil {
		return err
	}
	defer give(s.writer, c)
	if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	batch := &rows.Batch{}
	done := rows.Never
	for i := range of {
		batch.Marks = append(batch.Marks, rows.Marks(t, &of[i])...)
		done = max(done, of[i].Seq)
	}
	w := &writing{ctx: ctx, c: c, tenant: string(t), batch: batch}
	if err := w.marks(); err != nil {
		return broken(err, "marking")
	}
	err = c.exec(ctx, `INSERT INTO search_filled (tenant, seq) VALUES (?1, ?2)
		ON CONFLICT (tenant) DO UPDATE SET seq = max(seq, excluded.seq)`, string(t), done)
	if err != nil {
		return broken(err, "marking")
	}
	s.wal.add(w.bytes)
	return c.commit(ctx)
}
