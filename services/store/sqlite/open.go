// Package sqlite is the store in one file, for one server: SQLite in WAL mode, every commit flushed to the disk.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	driver "modernc.org/sqlite"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Options say how to open. The zero value opens what is there and changes nothing about its schema.
type Options struct {
	// Migrate brings an older schema, or a new file, up to date; without it such a file is refused.
	Migrate bool
	// Readers is how many views run at once; 0 means twice the number of processors, at least 4.
	Readers int
	// Master wraps the keys that rows are sealed with; nil seals nothing. A database that holds such keys is refused without it.
	Master sealed.Master
}

// Store is one database file. It answers store.Store, store.Directory, store.Retention, store.Doorbell
// and store.Definitions.
type Store struct {
	// lock is held while the file is ours; nil when it was opened for reading only.
	lock *os.File
	db   *sql.DB
	// writer holds the one connection that writes, while nobody does. It is nil when opened for reading only.
	writer chan *conn
	// readers holds the connections that read, nil for those not made yet.
	readers chan *conn
	wal     *wal
	// box seals and opens; nil without a master key.
	box *sealed.Box
	// keeper is the connection of OpenKeys that writes, one at a time.
	keeper  *conn
	keeping sync.Mutex
	leases  leases
	bell    bell

	closing sync.Once
	closed  chan struct{}
}

var (
	readPragmas  = []string{"busy_timeout = 5000", "query_only = ON", "cache_size = -8192", "temp_store = MEMORY"}
	writePragmas = []string{
		"busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF",
		"cache_size = -32768", "temp_store = MEMORY", "wal_autocheckpoint = 0",
	}
)

// pageSize counts for a new file only. Two or three records fit a page of 8 kB; of smaller ones much stays empty, and
// of larger ones more is written for each index row.
const pageSize = "_pragma=page_size(8192)"

// Open opens or makes the file at path, and owns it until Close: a second server on it is refused, by a lock on
// path.lock. Errors: Unavailable when it is in use or cannot be opened; Precondition when its schema is newer than
// this program, or older and Options.Migrate is not set.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	lock, err := own(path)
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock, closed: make(chan struct{})}
	if err := keepPrivate(path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.open(ctx, path, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// keepPrivate makes a new file readable by its owner alone. SQLite gives its log and shared memory the same mode.
func keepPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "opening the database file")
	}
	return f.Close()
}

// OpenReadOnly opens the file for reading, also beside the server that owns it. Update and Trim fail with
// Precondition. Errors: as Open.
//
// Sealed rows are read with the master key, where one is given; without it, reading one fails with Precondition.
func OpenReadOnly(ctx context.Context, path string, master ...sealed.Master) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fault.Newf(fault.Unavailable, "not-found", "there is no readable database file at the path given")
	}
	s := &Store{closed: make(chan struct{})}
	err := s.connect(path, "mode=ro", 0)
	if err == nil {
		err = checkSchema(ctx, s.db)
	}
	for _, m := range master {
		if err == nil && m != nil {
			err = s.unlockIfSealed(ctx, m)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// unlockIfSealed makes no keys where there are none.
func (s *Store) unlockIfSealed(ctx context.Context, m sealed.Master) error {
	keys, err := s.DataKeys(ctx)
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.unlock(ctx, m)
}

func (s *Store) open(ctx context.Context, path string, o Options) error {
	if err := s.connect(path, pageSize, o.Readers); err != nil {
		return err
	}
	if o.Migrate {
		if _, _, err := migrate(ctx, s.db); err != nil {
			return err
		}
	} else if err := checkSchema(ctx, s.db); err != nil {
		return err
	}
	writer, err := connect(ctx, s.db, writePragmas...)
	if err != nil {
		return err
	}
	s.writer = make(chan *conn, 1)
	s.writer <- writer
	if err := s.unlock(ctx, o.Master); err != nil {
		return err
	}
	s.wal, err = watchWAL(ctx, s)
	return err
}

func (s *Store) connect(path, query string, readers int) error {
	full, err := filepath.Abs(path)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "finding the database file")
	}
	address := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(full), RawQuery: query}
	connector, err := driver.NewConnector(address.String())
	if err != nil {
		return fault.Wrap(fault.Internal, told(err), "naming the database file")
	}
	s.db = sql.OpenDB(connector)
	if readers <= 0 {
		readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	s.readers = make(chan *conn, readers)
	for range readers {
		s.readers <- nil
	}
	return nil
}

// Close waits for what is under way and lets the file go.
func (s *Store) Close() error {
	var errs []error
	s.closing.Do(func() {
		close(s.closed)
		s.leases.releaseAll()
		if s.wal != nil {
			s.wal.stop()
		}
		for range cap(s.readers) {
			errs = append(errs, (<-s.readers).close())
		}
		if s.writer != nil {
			errs = append(errs, (<-s.writer).close())
		}
		errs = append(errs, s.keeper.close())
		if s.db != nil {
			errs = append(errs, s.db.Close())
		}
		if s.lock != nil {
			errs = append(errs, s.lock.Close())
		}
	})
	return errors.Join(errs...)
}

// take gets a connection of a pool, making it when it is not there yet. Errors: Unavailable after Close or ctx.
func (s *Store) take(ctx context.Context, pool chan *conn, pragmas []string) (*conn, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	select {
	case c := <-pool:
		if c == nil {
			var err error
			if c, err = connect(ctx, s.db, pragmas...); err != nil {
				pool <- nil
				return nil, err
			}
		}
		c.box = s.box
		return c, nil
	case <-s.closed:
		return nil, errClosed()
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for a connection")
	}
}

// give returns a connection to its pool; one whose transaction could not be ended is thrown away instead.
func give(pool chan *conn, c *conn) {
	if err := c.rollback(); err != nil {
		_ = c.close() // It is broken already; a new one is made in its place.
		c = nil
	}
	pool <- c
}

func errClosed() error {
	return fault.Newf(fault.Unavailable, "transient", "the store is closed")
}
