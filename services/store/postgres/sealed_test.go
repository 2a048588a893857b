package postgres_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sealed"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

// sealedEngine is PostgreSQL with one master key for every store of a test.
func sealedEngine(t testing.TB) storetest.Engine {
	m := storetest.MasterFile(t, sealed.NewMaster())
	at := func(t testing.TB, url string) storetest.Store {
		t.Helper()
		s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true, Master: m})
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
	return storetest.Engine{
		Open: func(t testing.TB) storetest.Store { return at(t, testbed.Database(t)) },
		Another: func(t testing.TB, of storetest.Store) storetest.Store {
			url, ok := urls.Load(of)
			if !ok {
				t.Fatal("not a store of this test")
			}
			return at(t, url.(string))
		},
	}
}

func TestSealedPostgreSQLKeepsThePromisesOfTheStore(t *testing.T) {
	storetest.Run(t, sealedEngine(t))
}

func TestPostgreSQLKeepsThePromisesOfSealing(t *testing.T) {
	at := func(t testing.TB, url string, m sealed.Master) (storetest.Sealable, error) {
		return postgres.Open(t.Context(), url, postgres.Options{Migrate: true, Master: m})
	}
	storetest.RunSealed(t, storetest.SealedEngine{
		Place: func(t testing.TB) string { return testbed.Database(t) }, Open: at, Beside: at,
		Exec: func(t testing.TB, url, statement string) {
			c, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(t.Context())
			done, err := c.Exec(t.Context(), statement)
			if err != nil || done.RowsAffected() == 0 {
				t.Fatalf("%s: %v, %v", statement, done, err)
			}
		},
		Bytes: func(t testing.TB, url string) []byte {
			dump := filepath.Join(t.TempDir(), "rapport.sql")
			if err := testbed.PostgresTool(t.Context(), "pg_dump", "--format=plain", "--file="+dump, "--dbname="+url); err != nil {
				t.Fatal(err)
			}
			all, err := os.ReadFile(dump)
			if err != nil {
				t.Fatal(err)
			}
			return all
		},
	})
}

func BenchmarkSealedUpdate(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Store { return sealedEngine(b).Open(b) })
}
