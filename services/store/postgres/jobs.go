package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

const jobColumns = "tenant, id, kind, done, created_us, expires_us, version, data"

// alter runs a short transaction. Those of one name come one after another, across all servers.
func (s *Store) alter(ctx context.Context, doing, name string, change func(tx pgx.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", leaseKey(name)); err != nil {
			return err
		}
		return change(tx)
	})
	return broken(err, doing)
}

// AddJob counts and writes while no other server adds one to the tenant.
func (s *Store) AddJob(ctx context.Context, j store.Job, most int) error {
	if err := rows.CheckJob(j); err != nil {
		return err
	}
	return s.alter(ctx, "adding a job", "jobs of "+string(j.Tenant), func(tx pgx.Tx) error {
		running, same := 0, 0
		err := tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE kind = $2 AND NOT done), count(*) FILTER (WHERE id = $3)
			FROM job WHERE tenant = $1`, string(j.Tenant), j.Kind, j.ID).Scan(&running, &same)
		switch {
		case err != nil:
			return err
		case same > 0:
			return rows.ErrJobExists()
		case running >= most && !j.Done:
			return rows.ErrTooManyJobs(most)
		}
		_, err = tx.Exec(ctx, "INSERT INTO job ("+jobColumns+") VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
			string(j.Tenant), j.ID, j.Kind, j.Done, j.Created.UnixMicro(), rows.Expiry(j), blob(rows.SealJob(s.box, j)))
		return err
	})
}

// PutJob compares and sets.
func (s *Store) PutJob(ctx context.Context, j store.Job) (store.Job, error) {
	if err := s.ready(ctx); err != nil {
		return j, err
	}
	if rows.CheckJob(j) != nil {
		return j, rows.ErrNoJob()
	}
	done, err := s.pool.Exec(ctx, `UPDATE job SET done = $3, expires_us = $4, version = version + 1, data = $5
		WHERE tenant = $1 AND id = $2 AND version = $6`,
		string(j.Tenant), j.ID, j.Done, rows.Expiry(j), blob(rows.SealJob(s.box, j)), j.Version)
	if err != nil {
		return j, broken(err, "writing a job")
	}
	if done.RowsAffected() == 0 {
		if _, err := s.KeptJob(ctx, j.Tenant, j.ID); err != nil {
			return j, err
		}
		return j, rows.ErrJobMoved()
	}
	j.Version++
	return j, nil
}

// KeptJob reads one.
func (s *Store) KeptJob(ctx context.Context, t ref.Tenant, id string) (store.Job, error) {
	if err := s.ready(ctx); err != nil {
		return store.Job{}, err
	}
	if !rows.Storable(string(t)) || !rows.Storable(id) {
		return store.Job{}, rows.ErrNoJob()
	}
	found, err := s.pool.Query(ctx, "SELECT "+jobColumns+" FROM job WHERE tenant = $1 AND id = $2", string(t), id)
	if err != nil {
		return store.Job{}, broken(err, "reading a job")
	}
	kept, err := pgx.CollectExactlyOneRow(found, scanJob)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Job{}, rows.ErrNoJob()
	}
	if err == nil {
		err = rows.OpenJob(ctx, s.box, &kept)
	}
	return kept, broken(err, "reading a job")
}

func scanJob(row pgx.CollectableRow) (j store.Job, err error) {
	var created int64
	var expires *int64
	err = row.Scan(&j.Tenant, &j.ID, &j.Kind, &j.Done, &created, &expires, &j.Version, &j.Data)
	rows.JobTimes(&j, created, expires)
	return j, err
}

// JobsKept lists them.
func (s *Store) JobsKept(ctx context.Context, done bool) ([]store.Job, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	found, err := s.pool.Query(ctx, "SELECT "+jobColumns+" FROM job WHERE done = $1 ORDER BY created_us, tenant, id", done)
	if err != nil {
		return nil, broken(err, "listing jobs")
	}
	jobs, err := pgx.CollectRows(found, scanJob)
	for i := range jobs {
		if err == nil {
			err = rows.OpenJob(ctx, s.box, &jobs[i])
		}
	}
	return jobs, broken(err, "listing jobs")
}

// DropJob deletes one.
func (s *Store) DropJob(ctx context.Context, t ref.Tenant, id string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if !rows.Storable(string(t)) || !rows.Storable(id) {
		return rows.ErrNoJob()
	}
	done, err := s.pool.Exec(ctx, "DELETE FROM job WHERE tenant = $1 AND id = $2", string(t), id)
	if err == nil && done.RowsAffected() == 0 {
		return rows.ErrNoJob()
	}
	return broken(err, "dropping a job")
}

// KeepMoment writes while no other server keeps one of the tenant.
func (s *Store) KeepMoment(ctx context.Context, t ref.Tenant, at time.Time, seq int64) (time.Time, error) {
	ms := at.UnixMilli()
	err := s.alter(ctx, "keeping a moment", "moments of "+string(t), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO moment (tenant, at_ms, seq)
			SELECT $1, greatest($2, coalesce(max(at_ms) + 1, $2)), $3 FROM moment WHERE tenant = $1 RETURNING at_ms`,
			string(t), ms, seq).Scan(&ms)
	})
	return time.UnixMilli(ms).UTC(), err
}

// KeptMoment reads one.
func (s *Store) KeptMoment(ctx context.Context, t ref.Tenant, at time.Time) (seq int64, ok bool, err error) {
	if at.UnixMicro()%1000 != 0 || !rows.Storable(string(t)) {
		return 0, false, nil
	}
	if err := s.ready(ctx); err != nil {
		return 0, false, err
	}
	err = s.pool.QueryRow(ctx, "SELECT seq FROM moment WHERE tenant = $1 AND at_ms = $2", string(t), at.UnixMilli()).Scan(&seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return seq, err == nil, broken(err, "reading a moment")
}

var _ store.Jobs = (*Store)(nil)
