package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/rapport-health/rapport/services/store/storetest"
)

func TestAFileOfTheFirstSchemaIsMigratedWithWhatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clinic.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := newProvider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, row := range storetest.EarlierRows(t) {
		_, err := db.Exec("INSERT INTO fact ("+storetest.EarlierColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?)", row...)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range storetest.EarlierAlerts() {
		if _, err := db.Exec("INSERT INTO alert ("+storetest.EarlierAlertColumns+") VALUES (?,?,?,?,?,?,?,?,?,?)", row...); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range storetest.EarlierRecordRows() {
		_, err := db.Exec("INSERT INTO resource ("+storetest.EarlierRecordColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row...)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	from, to, err := Migrate(t.Context(), path)
	if err != nil || from != 1 || to < 2 {
		t.Fatalf("migrated from %d to %d, %v", from, to, err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Migrated(t, s)
}
