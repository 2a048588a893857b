package postgres_test

import (
	"database/sql"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // The driver of database/sql, by which goose migrates.
	"github.com/pressly/goose/v3"

	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestADatabaseOfTheFirstSchemaIsMigratedWithWhatItHolds(t *testing.T) {
	url := testbed.Database(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, row := range storetest.EarlierRows(t) {
		_, err := db.Exec("INSERT INTO fact ("+storetest.EarlierColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)", row...)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range storetest.EarlierAlerts() {
		_, err := db.Exec("INSERT INTO alert ("+storetest.EarlierAlertColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", row...)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range storetest.EarlierRecordRows() {
		_, err := db.Exec("INSERT INTO resource ("+storetest.EarlierRecordColumns+`)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)`, row...)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	from, to, err := postgres.Migrate(t.Context(), url)
	if err != nil || from != 1 || to < 2 {
		t.Fatalf("migrated from %d to %d, %v", from, to, err)
	}
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
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
