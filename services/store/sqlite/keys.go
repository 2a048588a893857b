package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// OpenKeys opens the file beside the server that owns it, for store.DataKeys alone: with a master key its rows can be sealed
// anew while the server goes on. Update and what else writes fails with Precondition. Errors: as OpenReadOnly, and those of
// sealed.New.
func OpenKeys(ctx context.Context, path string, m sealed.Master) (*Store, error) {
	s, err := OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // it only looked whether the schema is right
		return nil, err
	}
	s = &Store{closed: make(chan struct{})}
	if err := s.connect(path, pageSize, 0); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.keeper, err = connect(ctx, s.db, append(slices.Clone(writePragmas), "secure_delete = ON", "busy_timeout = 0")...)
	if err == nil && m != nil {
		s.box, err = sealed.New(ctx, m, s)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// unlock opens the data keys with the master key, and makes the first one where there is a master key for the first time.
func (s *Store) unlock(ctx context.Context, m sealed.Master) (err error) {
	s.box, err = sealed.Unlock(ctx, m, s)
	return err
}

// DataKeys are read on a connection of their own: whoever meets an unknown key in mid-view asks for them.
func (s *Store) DataKeys(ctx context.Context) ([]store.DataKey, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	var found []store.DataKey
	all, err := s.db.QueryContext(ctx, "SELECT id, master, wrapped, created_us FROM data_key ORDER BY id")
	err = each(all, err, func(row *sql.Rows) error {
		var k store.DataKey
		var created int64
		err := row.Scan(&k.ID, &k.Master, &k.Wrapped, &created)
		k.Created = rows.Time(created)
		found = append(found, k)
		return err
	})
	return found, broken(err, "reading the data keys")
}

// KeepDataKey writes the next one.
func (s *Store) KeepDataKey(ctx context.Context, k store.DataKey) error {
	if err := rows.CheckDataKey(k); err != nil {
		return err
	}
	return s.keepKeys(ctx, func(c *conn) error {
		var last uint32
		err := c.query(ctx, func(row *sql.Rows) error { return row.Scan(&last) }, "SELECT coalesce(max(id), 0) FROM data_key")
		if err != nil {
			return err
		}
		if k.ID != last+1 {
			return rows.ErrKeyTaken()
		}
		return c.exec(ctx, `INSERT INTO data_key (id, master, wrapped, created_us)
			VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000000 AS INTEGER))`, int64(k.ID), k.Master, k.Wrapped)
	})
}

// RewrapDataKey compares and sets.
func (s *Store) RewrapDataKey(ctx context.Context, was, becomes store.DataKey) error {
	if err := rows.CheckDataKey(becomes); err != nil {
		return err
	}
	return s.keepKeys(ctx, func(c *conn) error {
		var wrapped []byte
		err := c.query(ctx, func(row *sql.Rows) error { return row.Scan(&wrapped) }, "SELECT wrapped FROM data_key WHERE id = ?1", int64(was.ID))
		if err != nil {
			return err
		}
		if !bytes.Equal(wrapped, was.Wrapped) || was.ID != becomes.ID {
			return rows.ErrKeyTaken()
		}
		return c.exec(ctx, "UPDATE data_key SET master = ?2, wrapped = ?3 WHERE id = ?1", int64(becomes.ID), becomes.Master, becomes.Wrapped)
	})
}

// keepKeys runs a short transaction of its own, on the writer of the server or on that of OpenKeys.
func (s *Store) keepKeys(ctx context.Context, write func(*conn) error) error {
	c := s.keeper
	if c == nil {
		if s.writer == nil {
			return errReadOnly()
		}
		var err error
		if c, err = s.take(ctx, s.writer, writePragmas); err != nil {
			return err
		}
		defer give(s.writer, c)
		if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
	} else {
		s.keeping.Lock()
		defer s.keeping.Unlock()
		if err := s.between(ctx, c); err != nil {
			return err
		}
		defer func() { _ = c.rollback() }() // what was committed has nothing to roll back
	}
	if err := write(c); err != nil {
		return broken(err, "keeping data keys")
	}
	return c.commit(ctx)
}

const (
	// knockEvery is how often a guest tries for the write lock: a busy server frees it for the blink of an eye only, which
	// SQLite's own waiting, with its ever longer pauses, would miss.
	knockEvery = time.Millisecond
	// knockLimit is how long it tries.
	knockLimit = time.Minute
)

// between takes the write lock between two commits of the server that owns the file.
func (s *Store) between(ctx context.Context, c *conn) error {
	ctx, cancel := context.WithTimeout(ctx, knockLimit)
	defer cancel()
	again := time.NewTicker(knockEvery)
	defer again.Stop()
	for {
		err := c.begin(ctx, "BEGIN IMMEDIATE")
		if fault.Of(err) != fault.Unavailable || err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		case <-s.closed:
			return errClosed()
		}
	}
}

// RefreshDataKeys reads them again.
func (s *Store) RefreshDataKeys(ctx context.Context) error { return s.box.Refresh(ctx) }

// Reseal reads a page beside all writers, and writes it in a transaction of its own.
func (s *Store) Reseal(ctx context.Context, after store.SealPlace, max int) (next store.SealPlace, done int, err error) {
	if s.box == nil {
		return after, 0, sealed.ErrNoMaster()
	}
	if after.Done {
		return after, 0, nil
	}
	table := rows.SealedTables[after.Table]
	stale, last, full, err := s.stale(ctx, table, after.Key, max)
	if err != nil {
		return after, 0, err
	}
	if len(stale) > 0 {
		err = s.keepKeys(ctx, func(c *conn) error {
			for _, one := range stale {
				text, args := table.Replace(rows.SQLite, one)
				if err := c.query(ctx, func(*sql.Rows) error { done++; return nil }, text, args...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return after, 0, err
	}
	return rows.Onward(after, last, full), done, nil
}

// stale are the rows of a page that are to be sealed anew, the key of its last row, and whether the page is full.
func (s *Store) stale(ctx context.Context, table rows.SealedTable, after []any, max int) (stale []rows.Stale, last []any, full bool, err error) {
	text, args := table.Look(rows.SQLite, after, s.box.Current(), max)
	n := 0
	found, err := s.db.QueryContext(ctx, text, args...)
	err = each(found, err, func(row *sql.Rows) error {
		values := make([]any, table.Columns())
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := row.Scan(into...); err != nil {
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

var _ store.DataKeys = (*Store)(nil)
