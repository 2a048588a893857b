package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/storetest"
)

// What is asked or written must cost the same in a file of a hundred million records as in one of ten.
func TestNoStatementWalksThroughAWholeTable(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), Options{Migrate: true, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	doEverything(t, s)
	writer, reader := <-s.writer, <-s.readers
	defer func() { s.writer <- writer; s.readers <- reader }()
	checked := 0
	for _, c := range []*conn{writer, reader} {
		for text := range c.stmts {
			checked += check(t, c, text)
		}
	}
	for _, q := range []record.Query{
		{Type: "Goal"},
		{Type: "Goal", Patient: "p"},
		{Type: "Goal", Codes: []string{"a|b"}},
		{Type: "Goal", Patient: "p", Sieves: []int64{6, 8}},
		{Type: "Goal", Codes: []string{"|b"}},
		{Type: "Goal", Codes: []string{"a|b", "c|d"}},
		{Type: "Goal", Patient: "p", Codes: []string{"|b"}},
		{Unused: true},
		{Type: "Goal", Codes: []string{"a|b"}, Dates: []record.DateBound{{Op: "lt", From: time.Unix(0, 0), To: time.Unix(1, 0)}}},
		{Type: "Goal", Key: 7},
		{Type: "Goal", Key: 7, Until: new(int64(7)), After: record.Place{Resource: ref.Resource{Type: "Goal", ID: "g"}}},
		{Type: "Goal", Dates: []record.DateBound{{Op: "ge", From: time.Unix(0, 0), To: time.Unix(1, 0)}}},
	} {
		text, args := rows.Search(rows.SQLite, "clinic", q)
		checked += check(t, reader, text, args...)
	}
	for _, p := range []record.Past{{Type: "Goal"}, {Type: "Goal", ID: "g"}, {Type: "Goal", Above: new(int64(7))}, {Type: "Goal", After: record.Kept{Resource: ref.Resource{ID: "g"}}}} {
		text, args := rows.Versions(rows.SQLite, "clinic", p)
		checked += check(t, reader, text, args...)
	}
	text, args := rows.Marked(rows.SQLite, "clinic", 7, record.Marked{ID: "g"}, 9)
	checked += check(t, reader, text, args...)
	for _, q := range []alert.Query{{}, {Patient: "p"}, {Statuses: []alert.Status{alert.Open}}, {Rule: "r"}} {
		text, args := rows.ListAlerts(rows.SQLite, "clinic", q)
		checked += check(t, reader, text, args...)
		text, args = rows.CountAlerts(rows.SQLite, "clinic", q)
		checked += check(t, reader, text, args...)
	}
	if checked < 30 {
		t.Errorf("only %d statements were looked at", checked)
	}
}

// doEverything leaves every fixed statement in the connections that made it.
func doEverything(t *testing.T, s *Store) {
	t.Helper()
	d := storetest.Submission(1, 1)
	r := d.Records[0]
	r.Version = 2
	again := &decision.Decision{
		Records: []record.Record{r}, Superseded: []ref.Resource{r.Resource}, Aliases: []record.Alias{{Name: "n", Patient: "p", Source: "s"}},
		Keys: []record.Key{{Source: "s", Name: "k"}}, Alerts: []alert.Alert{{ID: "a", Status: alert.Open}},
		Told: []alert.Told{{Ration: alert.Ration{Team: "t", Role: "r", Day: 1}, Count: 1}},
	}
	for _, x := range []*decision.Decision{d, again} {
		if _, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error { return tx.Commit(x) }); err != nil {
			t.Fatal(err)
		}
	}
	err := s.View(t.Context(), "clinic", func(r store.Reader) error {
		of := []ref.Episode{"p"}
		for _, read := range []func() error{
			func() error { _, err := r.Heads([]ref.Resource{d.Records[0].Resource}); return err },
			func() error { _, err := r.Record(d.Records[0].Resource); return err },
			func() error { _, err := r.Record(d.Records[0].Unversioned()); return err },
			func() error { _, err := r.Patients([]string{"n"}); return err },
			func() error { _, err := r.Keys("s", []string{"k"}); return err },
			func() error { _, err := r.States(of); return err },
			func() error { _, err := r.Facts(of); return err },
			func() error { _, err := r.TakenFrom(1); return err },
			func() error { _, err := r.TakenIn("p", fact.KindScores); return err },
			func() error { _, err := r.Due(time.Now(), 9); return err },
			func() error { _, err := r.EpisodesAfter("", 9); return err },
			func() error { _, err := r.Types(); return err },
			func() error { _, err := r.PatientsAfter("", []string{"Goal"}, 9); return err },
			func() error { _, err := r.FactsAt(of, time.Unix(0, 0)); return err },
			func() error { _, err := r.AlertsOf(of); return err },
			func() error { _, err := r.Alert("a"); return err },
			func() error { _, err := r.DueAlerts(time.Now(), 9); return err },
			func() error { _, err := r.Told([]alert.Ration{{Team: "t", Role: "r", Day: 1}}); return err },
			func() error { _, err := r.Extents(); return err },
			func() error { _, err := r.Extents(feed.All); return err },
		} {
			if err := read(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unmarked(t.Context(), "clinic", 9); err != nil {
		t.Fatal(err)
	}
	if err := s.Mark(t.Context(), "clinic", d.Records); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All}, 9); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Trim(t.Context(), "clinic", time.Now().AddDate(100, 0, 0)); err != nil {
		t.Fatal(err)
	}
}

// check fails when the plan of a statement scans a table or sorts all that it found, and counts the statement.
func check(t *testing.T, c *conn, text string, args ...any) int {
	t.Helper()
	verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if verb == "BEGIN" || verb == "COMMIT" || verb == "ROLLBACK" || verb == "PRAGMA" {
		return 0
	}
	for len(args) < strings.Count(text, "?") {
		args = append(args, nil)
	}
	err := c.ask(t.Context(), func(r *sql.Rows) error {
		var id, parent, unused int
		var detail string
		if err := r.Scan(&id, &parent, &unused, &detail); err != nil {
			return err
		}
		// Listings read an index of the tenant in its order; nothing else may have no more than the tenant to go by.
		listing := strings.Contains(text, "ORDER BY") || strings.Contains(detail, " feed ")
		scans := strings.HasSuffix(detail, "(tenant=?)") && !listing
		scans = scans || strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "VIRTUAL TABLE") && !strings.Contains(detail, "CONSTANT ROW") &&
			!strings.HasPrefix(detail, "SCAN w") && !strings.Contains(detail, "-ROW VALUES")
		if scans || detail == "USE TEMP B-TREE FOR ORDER BY" {
			t.Errorf("%s\n\tin %s", detail, text)
		}
		return nil
	}, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Errorf("%v\n\tin %s", err, text)
	}
	return 1
}
