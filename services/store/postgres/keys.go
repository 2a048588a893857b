package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// unlock opens the data keys with the master key, and makes the first one where there is a master key for the first time.
func (s *Store) unlock(ctx context.Context, m sealed.Master) (err error) {
	s.box, err = sealed.Unlock(ctx, m, s)
	return err
}

// DataKeys are read on a connection of their own: whoever meets an unknown key in mid-view asks for them, and may hold the
// last connection of the pool.
func (s *Store) DataKeys(ctx context.Context) ([]store.DataKey, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, broken(err, "reading the data keys")
	}
	defer closeConn(conn)
	found, err := conn.Query(ctx, "SELECT id, master, wrapped, created_us FROM data_key ORDER BY id")
	if err != nil {
		return nil, broken(err, "reading the data keys")
	}
	keys, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (k store.DataKey, err error) {
		var created int64
		err = row.Scan(&k.ID, &k.Master, &k.Wrapped, &created)
		k.Created = rows.Time(created)
		return k, err
	})
	return keys, broken(err, "reading the data keys")
}

// KeepDataKey writes the next one. Of two servers that do so at once one is refused.
func (s *Store) KeepDataKey(ctx context.Context, k store.DataKey) error {
	if err := rows.CheckDataKey(k); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	done, err := s.pool.Exec(ctx, `INSERT INTO data_key (id, master, wrapped, created_us)
		SELECT $1::bigint, $2::text, $3::bytea, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
		WHERE (SELECT coalesce(max(id), 0) FROM data_key) = $1::bigint - 1 ON CONFLICT DO NOTHING`, int64(k.ID), k.Master, k.Wrapped)
	if err == nil && done.RowsAffected() == 0 {
		return rows.ErrKeyTaken()
	}
	return broken(err, "keeping a data key")
}

// RewrapDataKey compares and sets.
func (s *Store) RewrapDataKey(ctx context.Context, was, becomes store.DataKey) error {
	if err := rows.CheckDataKey(becomes); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	done, err := s.pool.Exec(ctx, "UPDATE data_key SET master = $3, wrapped = $4 WHERE id = $1 AND id = $5 AND wrapped = $2",
		int64(was.ID), was.Wrapped, becomes.Master, becomes.Wrapped, int64(becomes.ID))
	if err == nil && done.RowsAffected() == 0 {
		return rows.ErrKeyTaken()
	}
	return broken(err, "wrapping a data key anew")
}

// RefreshDataKeys reads them again.
func (s *Store) RefreshDataKeys(ctx context.Context) error { return s.box.Refresh(ctx) }

// Reseal reads a page beside all writers, and writes it in the turn of each tenant's writers.
func (s *Store) Reseal(ctx context.Context, after store.SealPlace, max int) (next store.SealPlace, done int, err error) {
	if s.box == nil {
		return after, 0, sealed.ErrNoMaster()
	}
	if after.Done {
		return after, 0, nil
	}
	if err := s.ready(ctx); err != nil {
		return after, 0, err
	}
	table := rows.SealedTables[after.Table]
	stale, last, full, err := s.stale(ctx, table, after.Key, max)
	if err != nil {
		return after, 0, err
	}
	if len(stale) > 0 {
		if done, err = s.replace(ctx, table, stale); err != nil {
			return after, 0, err
		}
	}
	return rows.Onward(after, last, full), done, nil
}

// stale are the rows of a page that are to be sealed anew, the key of its last row, and whether the page is full.
func (s *Store) stale(ctx context.Context, table rows.SealedTable, after []any, max int) (stale []rows.Stale, last []any, full bool, err error) {
	text, args := table.Look(rows.Postgres, after, s.box.Current(), max)
	n := 0
	found, err := s.pool.Query(ctx, text, args...)
	err = each(found, err, func(row pgx.Rows) error {
		values, err := row.Values()
		if err != nil {
			return err
		}
		n++
		last = values[:len(values)-1]
		column, _ := values[len(values)-1].([]byte)
		one, is, err := table.Anew(ctx, s.box, last, column)
		if is {
			stale = append(stale, one)
		}
		return err
	})
	return stale, last, n >= max, broken(err, "looking for rows to seal")
}

func (s *Store) replace(ctx context.Context, table rows.SealedTable, stale []rows.Stale) (done int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		done = 0
		var held ref.Tenant
		for i, one := range stale {
			// The rows come in the order of their tenants, so that two who seal anew never wait for each other.
			if i == 0 || one.Tenant != held {
				held = one.Tenant
				if _, err := tx.Exec(ctx, lockText, string(held)); err != nil {
					return err
				}
			}
			text, args := table.Replace(rows.Postgres, one)
			did, err := tx.Exec(ctx, text, args...)
			if err != nil {
				return err
			}
			done += int(did.RowsAffected())
		}
		return nil
	})
	return done, broken(err, "sealing rows anew")
}

var _ store.DataKeys = (*Store)(nil)
