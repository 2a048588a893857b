package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

func (r *reader) Marked(key int64, after record.Marked, max int) ([]record.Marked, error) {
	var found []record.Marked
	text, args := rows.Marked(rows.Postgres, r.tenant, key, after, max)
	err := r.ask("reading marks", question{text, args, func(row pgx.Rows) error {
		var m record.Marked
		var at int64
		err := row.Scan(&at, &m.ID)
		m.At = rows.Time(at)
		found = append(found, m)
		return err
	}})
	return found, err
}

func (r *reader) Versions(p record.Past) ([]record.Kept, error) {
	var found []record.Kept
	text, args := rows.Versions(rows.Postgres, r.tenant, p)
	err := r.ask("listing versions", question{text, args, func(row pgx.Rows) error {
		one := record.Kept{Resource: ref.Resource{Type: p.Type}}
		err := row.Scan(&one.ID, &one.Version, &one.Seq, &one.Current)
		found = append(found, one)
		return err
	}})
	return found, err
}

// Types leaps from one type to the next in the index.
func (r *reader) Types() ([]string, error) {
	var found []string
	err := r.query("listing types", func(row pgx.Rows) error {
		var typ string
		err := row.Scan(&typ)
		found = append(found, typ)
		return err
	}, `WITH RECURSIVE t AS (
			(SELECT type FROM resource WHERE tenant || '' = $1 ORDER BY type LIMIT 1)
			UNION ALL
			SELECT (SELECT r.type FROM resource r WHERE r.tenant || '' = $1 AND r.type > t.type ORDER BY r.type LIMIT 1)
			FROM t WHERE t.type IS NOT NULL
		) SELECT type FROM t WHERE type IS NOT NULL`)
	return found, err
}

// Unmarked reads on from where the last Mark ended.
func (s *Store) Unmarked(ctx context.Context, t ref.Tenant, max int) (found []record.Record, err error) {
	err = s.View(ctx, t, func(reading store.Reader) error {
		r, ok := reading.(*reader)
		if !ok {
			return errors.New("a View of this store reads otherwise") // cannot be
		}
		found, err = r.records("looking for what is not marked", 0, question{
			text: "SELECT " + rows.Columns + ` FROM resource r
				WHERE r.tenant = $1 AND r.seq <= 0 AND r.seq > coalesce((SELECT f.seq FROM search_filled f WHERE f.tenant = $1), $2)
					AND ` + rows.IsCurrent + " ORDER BY r.seq LIMIT $3",
			args: []any{string(t), rows.Never, limit(max)},
		})
		return err
	})
	return found, err
}

// Mark writes in a transaction of its own.
func (s *Store) Mark(ctx context.Context, t ref.Tenant, of []record.Record) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	w := writing{tenant: string(t)}
	var marks []rows.MarkRow
	done := rows.Never
	for i := range of {
		marks = append(marks, rows.Marks(t, &of[i])...)
		done = max(done, of[i].Seq)
	}
	w.marks(marks)
	w.questions = append(w.questions, question{text: `INSERT INTO search_filled (tenant, seq) VALUES ($1, $2)
		ON CONFLICT (tenant) DO UPDATE SET seq = greatest(search_filled.seq, excluded.seq)`, args: []any{string(t), done}})
	batch := &pgx.Batch{}
	for _, q := range w.questions {
		batch.Queue(q.text, q.args...)
	}
	return broken(s.pool.SendBatch(ctx, batch).Close(), "marking")
}
