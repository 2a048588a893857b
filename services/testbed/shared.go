package testbed

import "sync"

// T is what is asked of a *testing.T, named here so that a benchmark program does not link the testing package.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(do func())
}

// M is what is asked of a *testing.M.
type M interface{ Run() int }

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
//	func TestMain(m M) { os.Exit(testbed.Main(m)) }
func Main(m M) int {
	bed.mu.Lock()
	bed.on = true
	bed.mu.Unlock()
	defer bed.stop()
	return m.Run()
}

// Database is the URL of a fresh, empty database for one test, on the server that all tests of the binary share.
// It is dropped when the test ends. A missing PostgreSQL fails the test.
func Database(t T) string {
	t.Helper()
	p, err := bed.start()
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	if p == nil {
		t.Fatalf("testbed.Database needs TestMain to call testbed.Main, so that the server is stopped")
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
