package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/store/storetest"
)

// contents are all rows of all tables, and all tables and indexes, as text.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := map[string]string{"schema": dump(t, db, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")}
	found, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		all[name] = dump(t, db, "SELECT * FROM "+name)
	}
	return all
}

func dump(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	found, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for found.Next() {
		if err := found.Scan(values...); err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, v := range values {
			line += fmt.Sprintf("%T %v|", *v.(*any), *v.(*any))
		}
		lines = append(lines, line+"\n")
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// clinical are the tables that Fill writes to.
var clinical = []string{
	"resource", "resource_code", "patient_alias", "idempotency_key", "fact", "episode", "alert", "alert_told", "event", "feed", "definition", "subscription",
}

func openAt(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func commit(t *testing.T, s *sqlite.Store, d *decision.Decision) []feed.Cursor {
	t.Helper()
	moved, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error { return tx.Commit(d) })
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

func TestACopyHoldsEveryRowAndARestoredDatabaseGoesOnWhereItStood(t *testing.T) {
	folder := t.TempDir()
	path, copied, restored := filepath.Join(folder, "clinic.db"), filepath.Join(folder, "copy.db"), filepath.Join(folder, "again.db")
	s := openAt(t, path)
	next := storetest.Fill(t, s, "clinic")
	schema, err := sqlite.Backup(t.Context(), path, copied)
	if err != nil || schema != sqlite.Schema() {
		t.Fatal(schema, err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := sqlite.Restore(t.Context(), copied, restored, false); err != nil {
		t.Fatal(err)
	}
	want, got := contents(t, path), contents(t, restored)
	if len(want) != len(got) {
		t.Errorf("%d tables became %d", len(want), len(got))
	}
	for name, rows := range want {
		if got[name] != rows {
			t.Errorf("%s differs", name)
		}
	}
	for _, name := range clinical {
		if want[name] == "" {
			t.Errorf("%s holds nothing: it was not tried", name)
		}
	}
	again := openAt(t, restored)
	before := commit(t, s, next)
	after := commit(t, again, next)
	if fmt.Sprint(before) != fmt.Sprint(after) || before[0].After < 2 {
		t.Errorf("the original goes on with %v, the restored one with %v", before, after)
	}
	_, err = again.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All, After: after[0].After + 1}, 10)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "last event") {
		t.Errorf("a cursor beyond the end: %v", err)
	}
}

func TestACopyMadeWhileOthersWriteIsOfOneMoment(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "clinic.db")
	s := openAt(t, path)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	begun := make(chan struct{})
	var once sync.Once
	for w := range 4 {
		writers.Go(func() {
			for n := w; ctx.Err() == nil; n += 4 {
				_, err := s.Update(ctx, "clinic", func(tx store.Tx) error { return tx.Commit(storetest.Submission(n, 50)) })
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				if n > 40 {
					once.Do(func() { close(begun) })
				}
			}
		})
	}
	<-begun
	for n := range 5 {
		copied := filepath.Join(folder, fmt.Sprintf("copy-%d.db", n))
		if _, err := sqlite.Backup(t.Context(), path, copied); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+copied+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		// Each submission has one resource, one fact and one event, and the feed counts them.
		if got := dump(t, db, `SELECT (SELECT count(*) FROM resource) = last AND (SELECT count(*) FROM fact) = last
			AND (SELECT count(*) FROM event) = last AND last > 10 FROM feed`); got != "int64 1|\n" {
			t.Errorf("copy %d: %s", n, got)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	writers.Wait()
}

func TestARestoreTakesNoChances(t *testing.T) {
	folder := t.TempDir()
	path, copied := filepath.Join(folder, "clinic.db"), filepath.Join(folder, "copy.db")
	s := openAt(t, path)
	storetest.Fill(t, s, "clinic")
	if _, err := sqlite.Backup(t.Context(), path, copied); err != nil {
		t.Fatal(err)
	}
	refused := func(name, from, to string, force bool, kind fault.Kind, says string) {
		t.Helper()
		if _, err := sqlite.Restore(t.Context(), from, to, force); fault.Of(err) != kind || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("in use", copied, path, true, fault.Unavailable, "another rapport is using")
	refused("itself", copied, copied, true, fault.Precondition, "itself")
	refused("not there", filepath.Join(folder, "none.db"), filepath.Join(folder, "x.db"), true, fault.Unavailable, "no readable")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	refused("there is one", copied, path, false, fault.Precondition, "--force")
	whole, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string][]byte{
		"cut off": whole[:len(whole)/2], "overwritten": append(append([]byte{}, whole[:8192]...), make([]byte, len(whole)-8192)...),
		"a letter": []byte("Dear colleague, thank you for the referral of this patient."), "nothing": nil,
	} {
		bad := filepath.Join(folder, "bad.db")
		if err := os.WriteFile(bad, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(name, bad, filepath.Join(folder, "fresh.db"), false, fault.Precondition, "")
		if _, err := os.Stat(filepath.Join(folder, "fresh.db")); err == nil {
			t.Errorf("%s: something was put in place", name)
		}
	}
	db, err := sql.Open("sqlite", "file:"+copied)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	refused("newer", copied, path, true, fault.Precondition, "newer")
	if _, err := sqlite.Backup(t.Context(), path, copied); fault.Of(err) != fault.Precondition {
		t.Errorf("a file that is there: %v", err)
	}
}

func TestAForcedRestoreLeavesNothingOfWhatWasThere(t *testing.T) {
	folder := t.TempDir()
	path, copied := filepath.Join(folder, "clinic.db"), filepath.Join(folder, "copy.db")
	s := openAt(t, path)
	next := storetest.Fill(t, s, "clinic")
	if _, err := sqlite.Backup(t.Context(), path, copied); err != nil {
		t.Fatal(err)
	}
	want := contents(t, copied)
	commit(t, s, next)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A server that was killed leaves its log behind.
	if err := os.WriteFile(path+"-wal", []byte("a log of another database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Restore(t.Context(), copied, path, true); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, path); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("the restored database is not the copy")
	}
}
