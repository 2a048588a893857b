package postgres_test

import (
	"os"
	"sync"
	"testing"

	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }

// urls remembers where each store under test is.
var urls sync.Map

func open(t testing.TB) storetest.Store {
	t.Helper()
	return openAt(t, testbed.Database(t))
}

func openAt(t testing.TB, url string) storetest.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		urls.Delete(s)
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	urls.Store(s, url)
	return s
}

func another(t testing.TB, of storetest.Store) storetest.Store {
	t.Helper()
	url, ok := urls.Load(of)
	if !ok {
		t.Fatal("not a store of this test")
	}
	return openAt(t, url.(string))
}

func TestPostgreSQLKeepsThePromisesOfTheStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{Open: open, Another: another})
}
