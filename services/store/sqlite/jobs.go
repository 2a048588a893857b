package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

const jobColumns = "tenant, id, kind, done, created_us, expires_us, version, data"

// alter runs a short transaction under the file's write lock.
func (s *Store) alter(ctx context.Context, doing string, change func(c *conn) error) error {
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
	if err := change(c); err != nil {
		return broken(err, doing)
	}
	return c.commit(ctx)
}

// AddJob counts and writes under the file's write lock.
func (s *Store) AddJob(ctx context.Context, j store.Job, most int) error {
	if err := rows.CheckJob(j); err != nil {
		return err
	}
	return s.alter(ctx, "adding a job", func(c *conn) error {
		if _, there, err := jobOf(ctx, c, j.Tenant, j.ID); err != nil || there {
			return orElse(err, rows.ErrJobExists())
		}
		running := 0
		err := c.query(ctx, func(row *sql.Rows) error { return row.Scan(&running) },
			"SELECT count(*) FROM job WHERE tenant = ?1 AND kind = ?2 AND NOT done", string(j.Tenant), j.Kind)
		if err != nil {
			return err
		}
		if running >= most && !j.Done {
			return rows.ErrTooManyJobs(most)
		}
		return c.exec(ctx, "INSERT INTO job ("+jobColumns+") VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)",
			string(j.Tenant), j.ID, j.Kind, j.Done, j.Created.UnixMicro(), rows.Expiry(j), blob(rows.SealJob(c.box, j)))
	})
}

// orElse is err, or what is wrong when there is none.
func orElse(err, wrong error) error {
	if err != nil {
		return err
	}
	return wrong
}

// PutJob compares and sets.
func (s *Store) PutJob(ctx context.Context, j store.Job) (store.Job, error) {
	err := s.alter(ctx, "writing a job", func(c *conn) error {
		before, there, err := jobOf(ctx, c, j.Tenant, j.ID)
		switch {
		case err != nil:
			return err
		case !there:
			return rows.ErrNoJob()
		case before.Version != j.Version:
			return rows.ErrJobMoved()
		}
		j.Version++
		return c.exec(ctx, "UPDATE job SET done = ?3, expires_us = ?4, version = ?5, data = ?6 WHERE tenant = ?1 AND id = ?2",
			string(j.Tenant), j.ID, j.Done, rows.Expiry(j), j.Version, blob(rows.SealJob(c.box, j)))
	})
	return j, err
}

// KeptJob reads one.
func (s *Store) KeptJob(ctx context.Context, t ref.Tenant, id string) (store.Job, error) {
	var kept store.Job
	var there bool
	err := s.view(ctx, func(c *conn) (err error) {
		kept, there, err = jobOf(ctx, c, t, id)
		return err
	})
	if err == nil && !there {
		err = rows.ErrNoJob()
	}
	return kept, broken(err, "reading a job")
}

func jobOf(ctx context.Context, c *conn, t ref.Tenant, id string) (kept store.Job, there bool, err error) {
	err = c.query(ctx, func(row *sql.Rows) error {
		there = true
		return scanJob(row, &kept)
	}, "SELECT "+jobColumns+" FROM job WHERE tenant = ?1 AND id = ?2", string(t), id)
	if err == nil && there {
		err = rows.OpenJob(ctx, c.box, &kept)
	}
	return kept, there, err
}

func scanJob(row *sql.Rows, j *store.Job) error {
	var created int64
	var expires *int64
	err := row.Scan(&j.Tenant, &j.ID, &j.Kind, &j.Done, &created, &expires, &j.Version, &j.Data)
	rows.JobTimes(j, created, expires)
	return err
}

// JobsKept lists them.
func (s *Store) JobsKept(ctx context.Context, done bool) (found []store.Job, err error) {
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			var j store.Job
			err := scanJob(row, &j)
			if err == nil {
				err = rows.OpenJob(ctx, c.box, &j)
			}
			found = append(found, j)
			return err
		}, "SELECT "+jobColumns+" FROM job WHERE done = ?1 ORDER BY created_us, tenant, id", done)
	})
	return found, broken(err, "listing jobs")
}

// DropJob deletes one.
func (s *Store) DropJob(ctx context.Context, t ref.Tenant, id string) error {
	return s.alter(ctx, "dropping a job", func(c *conn) error {
		if _, there, err := jobOf(ctx, c, t, id); err != nil || !there {
			return orElse(err, rows.ErrNoJob())
		}
		return c.exec(ctx, "DELETE FROM job WHERE tenant = ?1 AND id = ?2", string(t), id)
	})
}

// KeepMoment writes under the file's write lock.
func (s *Store) KeepMoment(ctx context.Context, t ref.Tenant, at time.Time, seq int64) (time.Time, error) {
	ms := at.UnixMilli()
	err := s.alter(ctx, "keeping a moment", func(c *conn) error {
		err := c.query(ctx, func(row *sql.Rows) error {
			var last sql.NullInt64
			err := row.Scan(&last)
			if last.Valid {
				ms = max(ms, last.Int64+1)
			}
			return err
		}, "SELECT max(at_ms) FROM moment WHERE tenant = ?1", string(t))
		if err != nil {
			return err
		}
		return c.exec(ctx, "INSERT INTO moment (tenant, at_ms, seq) VALUES (?1, ?2, ?3)", string(t), ms, seq)
	})
	return time.UnixMilli(ms).UTC(), err
}

// KeptMoment reads one.
func (s *Store) KeptMoment(ctx context.Context, t ref.Tenant, at time.Time) (seq int64, ok bool, err error) {
	if at.UnixMicro()%1000 != 0 {
		return 0, false, nil
	}
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			ok = true
			return row.Scan(&seq)
		}, "SELECT seq FROM moment WHERE tenant = ?1 AND at_ms = ?2", string(t), at.UnixMilli())
	})
	return seq, ok, broken(err, "reading a moment")
}

var _ store.Jobs = (*Store)(nil)
