package testbed

import (
	"sync"
	"testing"
)

// shared is the one PostgreSQL server of a test binary, started when the first test asks for it.
type shared struct {
	mu       sync.Mutex
	on       bool
	postgres *Postgres
	err      error
}

var bed shared

// Main runs a test binary's tests and then stops the server they shared. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }
func Main(m *testing.M) int {
	bed.mu.Lock()
	bed.on = true
	bed.mu.Unlock()
	defer bed.stop()
	return m.Run()
}

// Database is the URL of a fresh, empty database for one test, on the server that all tests of the binary share.
// It is dropped when the test ends. A missing PostgreSQL fails the test.
func Database(t testing.TB) string {
	t.Helper()
	p, err := bed.start()
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	if p == nil {
		t.Fatal("testbed.Database needs TestMain to call testbed.Main, so that the server is stopped")
	}
	return p.Fresh(t)
}

func (s *shared) start() (*Postgres, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on && s.postgres == nil && s.err == nil {
		s.postgres, s.err = StartPostgres(PostgresOptions{})
	}
	return s.postgres, s.err
}

func (s *shared) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postgres != nil {
		s.postgres.Stop()
	}
}
