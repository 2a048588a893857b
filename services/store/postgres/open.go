// Package postgres is the store for several servers: PostgreSQL 15 or newer.
package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Options say how to open.
type Options struct {
	// Migrate brings an older schema, or an empty database, up to date; without it such a database is refused.
	Migrate bool
	// Connections is the most that are open at once, besides one for each lease held and each listener; 0 means what the url's
	// pool_max_conns says, or 16.
	Connections int
	// Master wraps the keys that rows are sealed with; nil seals nothing. A database that holds such keys is refused without it.
	Master sealed.Master
	// Keyless opens such a database without Master too, for what is not sealed: reading a sealed row fails with Precondition.
	Keyless bool
}

// Store is one PostgreSQL database. It answers store.Store, store.Directory, store.Retention, store.Doorbell
// and store.Definitions.
type Store struct {
	pool *pgxpool.Pool
	// box seals and opens; nil without a master key.
	box *sealed.Box
	// turns lets the writers of a tenant wait for one another here rather than each with a connection of its own.
	turns sync.Map

	// life ends with the store, and with it leases and listeners.
	life context.Context
	end  context.CancelFunc
	// mu orders the coming of guests (leases and listeners) and the closing.
	mu     sync.Mutex
	guests sync.WaitGroup
}

// session is set on every connection. Everything Rapport asks is a walk along an index, of known keys; the planner
// is kept from plans that read whole tables, which it would choose while a table is still small and its statistics
// are old. A server that stands still in mid-transaction loses it, and its tenant's writers go on.
var session = map[string]string{
	"application_name":                    "rapport",
	"timezone":                            "UTC",
	"enable_seqscan":                      "off",
	"enable_hashjoin":                     "off",
	"enable_mergejoin":                    "off",
	"jit":                                 "off",
	"idle_in_transaction_session_timeout": "15000",
	"tcp_keepalives_idle":                 "15",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
}

// Open connects to the database that url names. Errors: Unavailable when it cannot be reached; Precondition when it
// is older than PostgreSQL 15, not in UTF-8, or its schema is newer than this program, or older and Options.Migrate
// is not set; Invalid for a url that is none.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	config, err := configure(ctx, url)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Connections > 0:
		config.MaxConns = int32(min(o.Connections, 1<<15))
	case !strings.Contains(url, "pool_max_conns"):
		config.MaxConns = 16
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, broken(err, "connecting")
	}
	s := &Store{pool: pool}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if o.Migrate {
		_, _, err = migrate(ctx, pool)
	} else {
		err = checkSchema(ctx, pool)
	}
	if err == nil && (o.Master != nil || !o.Keyless) {
		err = s.unlock(ctx, o.Master)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// configure reads the url and looks at the server once.
func configure(ctx context.Context, url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The driver's own words can quote the password.
		return nil, fault.Newf(fault.Invalid, "value", "the PostgreSQL address is not of the form postgres://user@host:port/database")
	}
	config.AfterConnect = prepareRoom
	for name, value := range session {
		if _, said := config.ConnConfig.RuntimeParams[name]; !said {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config.Copy())
	if err != nil {
		return nil, broken(err, "connecting")
	}
	defer pool.Close()
	var version, encoding, durable string
	err = pool.QueryRow(ctx, `SELECT current_setting('server_version_num'), current_setting('server_encoding'),
		current_setting('synchronous_commit')`).Scan(&version, &encoding, &durable)
	if err != nil {
		return nil, broken(err, "connecting")
	}
	if n, err := strconv.Atoi(version); err != nil || n < 150000 {
		return nil, fault.Newf(fault.Precondition, "not-supported", "the server is older than PostgreSQL 15")
	}
	if encoding != "UTF8" {
		return nil, fault.Newf(fault.Precondition, "not-supported", "the database must be in UTF8, not %s", encoding)
	}
	if durable == "off" {
		// A submission is accepted only when it is on the disk, whatever the default of the database.
		config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	}
	return config, nil
}

// Close waits for what is under way and lets leases and listeners end.
func (s *Store) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.guests.Wait()
	s.pool.Close()
	return nil
}

// ready says whether the store is open and the caller still there.
func (s *Store) ready(ctx context.Context) error {
	if s.life.Err() != nil {
		return errClosed()
	}
	return fault.Wrap(fault.Unavailable, ctx.Err(), "using the store")
}

// enter lets in a guest that Close will wait for, and gives it a context that ends with the store.
func (s *Store) enter(ctx context.Context) (inside context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return nil, nil, err
	}
	s.guests.Add(1)
	inside, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.life, cancel)
	return inside, func() {
		stop()
		cancel()
		s.guests.Done()
	}, nil
}

func errClosed() error {
	return fault.Newf(fault.Unavailable, "transient", "the store is closed")
}

// turn waits until no other writer of the tenant in this server is at work.
func (s *Store) turn(ctx context.Context, t ref.Tenant) (done func(), err error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	at, _ := s.turns.LoadOrStore(t, make(chan struct{}, 1))
	turn := at.(chan struct{})
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-s.life.Done():
		return nil, errClosed()
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for the tenant's other writers")
	}
}
