package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/rapport-health/rapport/services/store/sealed"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/store/storetest"
)

func openSealed(t testing.TB) storetest.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), sqlite.Options{
		Migrate: true, Master: storetest.MasterFile(t, sealed.NewMaster()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func TestSealedSQLiteKeepsThePromisesOfTheStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{Open: openSealed})
}

func TestSQLiteKeepsThePromisesOfSealing(t *testing.T) {
	storetest.RunSealed(t, storetest.SealedEngine{
		Place: func(t testing.TB) string { return filepath.Join(t.TempDir(), "clinic.db") },
		Open: func(t testing.TB, place string, m sealed.Master) (storetest.Sealable, error) {
			return sqlite.Open(t.Context(), place, sqlite.Options{Migrate: true, Master: m})
		},
		Beside: func(t testing.TB, place string, m sealed.Master) (storetest.Sealable, error) {
			return sqlite.OpenKeys(t.Context(), place, m)
		},
		Exec: func(t testing.TB, place, statement string) {
			db, err := sql.Open("sqlite", "file:"+place)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			done, err := db.Exec(statement)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := done.RowsAffected(); n == 0 || err != nil {
				t.Fatalf("%s: %d rows, %v", statement, n, err)
			}
		},
		Bytes: func(t testing.TB, place string) (all []byte) {
			for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
				part, err := os.ReadFile(place + suffix)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				all = append(all, part...)
			}
			return all
		},
	})
}

func BenchmarkSealedUpdate(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Store { return openSealed(b) })
}
