package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/rapport-health/rapport/services/testbed"
)

// site is one server under test with the databases it stands on, all of them private to this run.
type site struct {
	// engine is `postgres` or `sqlite`, store what the server is told of it.
	engine, store string
	server        *child
	postgres      *testbed.Postgres
	redis         *testbed.Redis
	db            *database
	panel         *panel
	conns         []*grpc.ClientConn
	// folder holds what must not outlive the run.
	folder string
	// answered counts the responses that were acknowledged as scored.
	answered int
}

// Engines that can be measured.
const (
	Postgres = "postgres"
	SQLite   = "sqlite"
)

// callersPerConnection is how many concurrent callers share one connection, as the threads of one client would.
const callersPerConnection = 32

// siteOptions say what a site stands on.
type siteOptions struct {
	engine string
	// realRedis wants a redis-server; otherwise the server embeds its own.
	realRedis bool
	patients  int
	// profiled lets the server answer for profiles.
	profiled bool
	// ownBulk keeps what is exported in the folder of the run.
	ownBulk bool
}

// newSite starts the databases and the server. Nothing is left behind when it fails.
func newSite(ctx context.Context, command Command, o siteOptions) (*site, error) {
	s := &site{engine: o.engine, panel: newPanel(o.patients, time.Now())}
	err := s.open(ctx, command, o)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) open(ctx context.Context, command Command, o siteOptions) (err error) {
	if s.folder, err = os.MkdirTemp("", "rapport-bench-"); err != nil {
		return err
	}
	if err := s.openStore(); err != nil {
		return err
	}
	redis := "embedded"
	if o.realRedis {
		if s.redis, err = testbed.StartRedis(testbed.RedisOptions{}); err != nil {
			return needs("redis-server", err)
		}
		redis = s.redis.URL()
	}
	if s.server, err = newChild(command, "--store", s.store, "--redis", redis); err != nil {
		return err
	}
	if o.ownBulk {
		s.server.flags = append(s.server.flags, "--bulk-dir", s.bulkFolder())
	}
	if o.profiled {
		s.server.flags = append(s.server.flags, "--pprof", s.server.pprof)
	}
	if err := s.server.start(); err != nil {
		return err
	}
	if err := s.server.ready(ctx); err != nil {
		return err
	}
	s.db, err = openDatabase(s.store)
	return err
}

func (s *site) openStore() (err error) {
	if s.engine == SQLite {
		s.store = "sqlite:" + filepath.Join(s.folder, "rapport.db")
		return nil
	}
	if s.postgres, err = testbed.StartPostgres(testbed.PostgresOptions{Sync: true, Settings: postgresSettings()}); err != nil {
		return needs("PostgreSQL", err)
	}
	if err := s.postgres.Exec("CREATE DATABASE bench"); err != nil {
		return err
	}
	s.store = s.postgres.URL("bench")
	return nil
}

// postgresSettings are those that a first look at a small production server would set, and no more.
func postgresSettings() map[string]string {
	return map[string]string{"synchronous_commit": "on", "shared_buffers": "'256MB'", "max_wal_size": "'2GB'"}
}

// needs says how to go on without a program.
func needs(program string, err error) error {
	return fmt.Errorf("%s cannot be started: %w (`--store sqlite` needs no other program)", program, err)
}

// connections are n to the server; they stay for later phases.
func (s *site) connections(callers int) ([]*grpc.ClientConn, error) {
	n := (callers + callersPerConnection - 1) / callersPerConnection
	for len(s.conns) < n {
		conn, err := dial(s.server.grpc)
		if err != nil {
			return nil, err
		}
		s.conns = append(s.conns, conn)
	}
	return s.conns[:n], nil
}

// used is the processor time that everything took so far.
func (s *site) used() usage {
	u := usage{server: processorTime(s.server.pid()), self: ownTime()}
	if s.postgres != nil {
		u.postgres = processorTime(s.postgres.PID())
	}
	if s.redis != nil {
		u.redis = processorTime(s.redis.PID())
	}
	return u
}

// close ends everything and removes it.
func (s *site) close() {
	var errs []error
	for _, conn := range s.conns {
		errs = append(errs, conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.server != nil {
		s.server.close()
	}
	if s.redis != nil {
		s.redis.Stop()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
	errs = append(errs, os.RemoveAll(s.folder))
	_ = errors.Join(errs...) // the run is over; what is left lies in the system's temporary folder
}
