package postgres_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

// contents are all rows of all tables, and all columns, indexes, constraints and triggers, as text.
func contents(t *testing.T, url string) map[string]string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	ask := func(query string) []string {
		found, err := c.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	all := map[string]string{
		"columns": strings.Join(ask(`SELECT concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable, column_default)
			FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1`), "\n"),
		"indexes":  strings.Join(ask("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"), "\n"),
		"settings": strings.Join(ask("SELECT concat_ws(' ', relname, reloptions::text) FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"), "\n"),
		"triggers": strings.Join(ask("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"), "\n"),
	}
	for _, name := range ask("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1") {
		all["table "+name] = strings.Join(ask(`SELECT t::text FROM "`+name+`" t ORDER BY t::text COLLATE "C"`), "\n")
	}
	return all
}

// The way of deploy/README.md: pg_dump while the servers run, pg_restore into an empty database.
func TestADumpHoldsEveryRowAndARestoredDatabaseGoesOnWhereItStood(t *testing.T) {
	url, fresh := testbed.Database(t), testbed.Database(t)
	s := openAt(t, url)
	next := storetest.Fill(t, s, "clinic")
	dump := filepath.Join(t.TempDir(), "rapport.dump")
	if err := testbed.PostgresTool(t.Context(), "pg_dump", "--format=custom", "--no-owner", "--file="+dump, "--dbname="+url); err != nil {
		t.Fatal(err)
	}
	if err := testbed.PostgresTool(t.Context(), "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname="+fresh, dump); err != nil {
		t.Fatal(err)
	}
	want, got := contents(t, url), contents(t, fresh)
	if len(want) != len(got) {
		t.Errorf("%d tables became %d", len(want), len(got))
	}
	for name, rows := range want {
		if got[name] != rows {
			t.Errorf("%s differs:\n%s\n\n%s", name, rows, got[name])
		}
	}
	for _, name := range []string{
		"resource", "resource_code", "patient_alias", "idempotency_key", "fact", "episode", "alert", "alert_told", "event", "feed", "definition", "subscription",
	} {
		if want["table "+name] == "" {
			t.Errorf("%s holds nothing: it was not tried", name)
		}
	}
	again := openAt(t, fresh)
	before, after := committed(t, s, next), committed(t, again, next)
	if fmt.Sprint(before) != fmt.Sprint(after) || before[0].After < 2 {
		t.Errorf("the original goes on with %v, the restored one with %v", before, after)
	}
	_, err := again.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All, After: after[0].After + 1}, 10)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "last event") {
		t.Errorf("a cursor beyond the end: %v", err)
	}
}

func committed(t *testing.T, s storetest.Store, d *decision.Decision) []feed.Cursor {
	t.Helper()
	moved, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error { return tx.Commit(d) })
	if err != nil {
		t.Fatal(err)
	}
	return moved
}
