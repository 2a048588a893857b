package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

// What is asked or written must cost the same in a database of a hundred million records as in one of ten: so the
// server must look at about as many rows as it answers, also while its statistics still say that tables are empty.
func TestTheServerLooksAtNoMoreRowsThanItIsAskedFor(t *testing.T) {
	url := testbed.Database(t)
	const stored, patients = 4096, 500
	load(t, url, stored, patients)
	questions := plans(t, stored, patients)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			exec(t, url, "ANALYZE")
		}
		for _, q := range questions {
			if !analyzed && !q.always {
				continue
			}
			before := looked(t, url)
			asked, err := postgres.Open(t.Context(), url+"&application_name=asking", postgres.Options{})
			if err != nil {
				t.Fatal(err)
			}
			// More often than it takes until the server keeps a plan for any parameters.
			for range 8 {
				if err := q.do(asked); err != nil {
					t.Fatalf("%s: %v", q.what, err)
				}
			}
			if err := asked.Close(); err != nil {
				t.Fatal(err)
			}
			// 20 names at most, of whom each has 9 rows at most, looked at in index and table.
			if rows := looked(t, url) - before; rows > 8*20*9*2 {
				t.Errorf("%s looked at %d rows (statistics: %v)", q.what, rows, analyzed)
			}
		}
	}
}

// load fills all tables and lets no session linger whose counts would come in later.
func load(t *testing.T, url string, stored, patients int) {
	t.Helper()
	s, err := postgres.Open(t.Context(), url+"&application_name=asking", postgres.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < stored; n += 512 {
		var ds []*decision.Decision
		for i := range 512 {
			d := storetest.Submission(n+i, patients)
			d.Alerts = []alert.Alert{{ID: fmt.Sprint("a", n+i), Status: alert.Open, Patient: d.Episodes[0].Patient, Episode: d.Episodes[0].Episode, Due: d.Facts[0].At}}
			d.Aliases = []record.Alias{{Name: fmt.Sprint("n", n+i), Patient: "p", Source: "s"}}
			d.Keys = []record.Key{{Source: "s", Name: fmt.Sprint("k", n+i)}}
			ds = append(ds, d)
		}
		if err := write(t, s, "clinic", ds...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type plan struct {
	what string
	// always says that it must be good even before the server has statistics: group commit asks it.
	always bool
	do     func(storetest.Store) error
}

func plans(t *testing.T, stored, patients int) []plan {
	var heads []ref.Resource
	var of []ref.Episode
	var names, keys []string
	for i := range 20 {
		d := storetest.Submission(stored-1-i, patients)
		heads = append(heads, d.Records[0].Resource)
		of = append(of, d.Episodes[0].Episode)
		names, keys = append(names, fmt.Sprint("n", i)), append(keys, fmt.Sprint("k", i))
	}
	ask := func(read func(r store.Reader) error) func(storetest.Store) error {
		return func(s storetest.Store) error { return s.View(t.Context(), "clinic", read) }
	}
	typ, code := heads[0].Type, storetest.Submission(0, 1).Records[0].Codes
	next := stored
	return []plan{
		{"heads", true, ask(func(r store.Reader) error { _, err := r.Heads(heads); return err })},
		{"record", true, ask(func(r store.Reader) error { _, err := r.Record(heads[0].Unversioned()); return err })},
		{"version", true, ask(func(r store.Reader) error { _, err := r.Record(heads[0]); return err })},
		{"marked records", false, ask(func(r store.Reader) error { _, err := r.Search(record.Query{Type: typ, Key: 7, Max: 9}); return err })},
		{"versions of one", true, ask(func(r store.Reader) error {
			_, err := r.Versions(record.Past{Type: typ, ID: heads[0].ID, Max: 9})
			return err
		})},
		{"newest versions", false, ask(func(r store.Reader) error { _, err := r.Versions(record.Past{Type: typ, Max: 9}); return err })},
		{"types", false, ask(func(r store.Reader) error { _, err := r.Types(); return err })},
		{"patients", true, ask(func(r store.Reader) error { _, err := r.Patients(names); return err })},
		{"keys", true, ask(func(r store.Reader) error { _, err := r.Keys("s", keys); return err })},
		{"states", true, ask(func(r store.Reader) error { _, err := r.States(of); return err })},
		{"facts", true, ask(func(r store.Reader) error { _, err := r.Facts(of); return err })},
		{"taken from a resource", false, ask(func(r store.Reader) error {
			for _, h := range heads {
				if taken, err := r.TakenFrom(ref.SourceKey("clinic", h.Unversioned().String())); err != nil || len(taken) == 0 {
					return fmt.Errorf("%d facts, %w", len(taken), err)
				}
			}
			return nil
		})},
		{"taken in an episode", false, ask(func(r store.Reader) error {
			for _, e := range of {
				if _, err := r.TakenIn(e, fact.KindScores); err != nil {
					return err
				}
			}
			return nil
		})},
		{"a page of facts", false, ask(func(r store.Reader) error {
			_, err := r.FactsBy(of[0], fact.Page{Kinds: []fact.Kind{fact.KindScores}, After: &fact.Key{ID: "a"}, Newest: true, Max: 20})
			return err
		})},
		{"facts at a moment", false, ask(func(r store.Reader) error { _, err := r.FactsAt(of, time.Now()); return err })},
		{"patients after another", false, ask(func(r store.Reader) error {
			_, err := r.PatientsAfter("", []string{typ}, 20)
			return err
		})},
		{"alerts", true, ask(func(r store.Reader) error { _, err := r.AlertsOf(of); return err })},
		{"due", false, ask(func(r store.Reader) error {
			_, err := r.Due(time.Date(2026, 3, 9, 9, 1, 0, 0, time.UTC), 20)
			return err
		})},
		{"search", false, ask(func(r store.Reader) error {
			_, err := r.Search(record.Query{Type: typ, Max: 20})
			return err
		})},
		{"search by code", false, ask(func(r store.Reader) error {
			_, err := r.Search(record.Query{Type: typ, Codes: code, Max: 20})
			return err
		})},
		{"search by patient", false, ask(func(r store.Reader) error {
			_, err := r.Search(record.Query{Type: typ, Patient: ref.Patient(of[0]), Max: 20})
			return err
		})},
		{"search by patient and code", false, ask(func(r store.Reader) error {
			_, err := r.Search(record.Query{Type: typ, Patient: ref.Patient(of[0]), Codes: code, Max: 20})
			return err
		})},
		{"unused", false, ask(func(r store.Reader) error { _, err := r.Search(record.Query{Unused: true, Max: 20}); return err })},
		{"list alerts", false, ask(func(r store.Reader) error {
			_, err := r.ListAlerts(alert.Query{Statuses: []alert.Status{alert.Open}, Max: 20})
			return err
		})},
		{"alerts that are due", true, ask(func(r store.Reader) error {
			due, err := r.DueAlerts(storetest.Submission(10, patients).Facts[0].At, 10)
			if err == nil && len(due) != 10 {
				err = fmt.Errorf("%d are due", len(due))
			}
			return err
		})},
		{"told today", true, ask(func(r store.Reader) error {
			_, err := r.Told([]alert.Ration{{Team: "team:a", Role: "nurse", Day: 20_000}})
			return err
		})},
		{"since", true, func(s storetest.Store) error {
			_, err := s.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All, After: int64(stored / 2)}, 20)
			return err
		}},
		{"write", true, func(s storetest.Store) error {
			var ds []*decision.Decision
			for range 20 {
				ds = append(ds, storetest.Submission(next, patients))
				next++
			}
			return write(t, s, "clinic", ds...)
		}},
		{"correct", true, func(s storetest.Store) error {
			d := &decision.Decision{}
			for i := range 20 {
				next++
				r := storetest.Submission(i, patients).Records[0]
				r.Version = int64(next)
				d.Records, d.Superseded = append(d.Records, r), append(d.Superseded, r.Unversioned())
			}
			return write(t, s, "clinic", d)
		}},
	}
}

// looked is how many rows the server has looked at in the tables of the store, through indexes and without.
func looked(t *testing.T, url string) (rows int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	eventually(t, "waiting for the sessions to end", func() error {
		var sessions int
		// Their counts are added up when they end.
		err := c.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'asking'`).Scan(&sessions)
		if err == nil && sessions > 0 {
			err = fmt.Errorf("%d sessions at work", sessions)
		}
		return err
	})
	err = c.QueryRow(t.Context(), `SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables)
		+ (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes)`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
