package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// full is a decision with one of everything.
func full() *decision.Decision {
	d := Submission(1, 1)
	d.Aliases = []record.Alias{{Name: "urn:mrn|1", Patient: "patient-000000", Source: "ehr"}}
	d.Keys = []record.Key{{Source: "ehr", Name: "k", Resource: d.Records[0].Resource}}
	d.Alerts = []alert.Alert{finding("a", "patient-000000", judge.High, monday)}
	d.Events = append(d.Events, event("opened", teamA))
	return d
}

// nothing says that a tenant has nothing at all.
func nothing(t testing.TB, s Store, tenant ref.Tenant) {
	t.Helper()
	d := full()
	view(t, s, tenant, func(r store.Reader) error {
		heads, err := r.Heads([]ref.Resource{d.Records[0].Unversioned()})
		if err != nil || len(heads) > 0 {
			t.Errorf("heads: %v, %v", heads, err)
		}
		patients, err := r.Patients([]string{d.Aliases[0].Name})
		if err != nil || len(patients) > 0 {
			t.Errorf("aliases: %v, %v", patients, err)
		}
		keys, err := r.Keys("ehr", []string{"k"})
		if err != nil || len(keys) > 0 {
			t.Errorf("keys: %v, %v", keys, err)
		}
		episodes, err := r.EpisodesAfter("", 9)
		if err != nil || len(episodes) > 0 {
			t.Errorf("episodes: %v, %v", episodes, err)
		}
		of := []ref.Episode{d.Episodes[0].Episode}
		facts, err := r.Facts(of)
		if err != nil || len(facts) > 0 {
			t.Errorf("facts: %v, %v", facts, err)
		}
		alerts, err := r.AlertsOf(of)
		if err != nil || len(alerts) > 0 {
			t.Errorf("alerts: %v, %v", alerts, err)
		}
		records, err := r.Search(record.Query{Type: d.Records[0].Type, Codes: d.Records[0].Codes, Max: 9})
		if err != nil || len(records) > 0 {
			t.Errorf("records: %v, %v", records, err)
		}
		extents, err := r.Extents()
		if err != nil || len(extents) > 0 {
			t.Errorf("extents: %v, %v", extents, err)
		}
		return nil
	})
}

func refused(t testing.TB, s store.Store, decisions ...*decision.Decision) {
	t.Helper()
	_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(decisions...) })
	failsWith(t, err, fault.Unprocessable)
}

var transactionPromises = []promise{
	{"an error from write is returned unchanged and leaves nothing", func(t *testing.T, e Engine) {
		s := e.Open(t)
		mine := errors.New("on second thoughts, no")
		moved, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
			if err := tx.Commit(full()); err != nil {
				t.Error(err)
			}
			return mine
		})
		if err != mine || moved != nil { //nolint:errorlint // the very same error is what is promised
			t.Errorf("got %v, %v; want the error itself", moved, err)
		}
		nothing(t, s, clinic)
		commit(t, s, clinic, full())
	}},
	{"a panic in write leaves nothing and the store usable", func(t *testing.T, e Engine) {
		s := e.Open(t)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = s.Update(t.Context(), clinic, func(tx store.Tx) error {
				if err := tx.Commit(full()); err != nil {
					t.Error(err)
				}
				panic("a defect")
			})
		}()
		nothing(t, s, clinic)
		commit(t, s, clinic, full())
	}},
	{"a write that commits nothing leaves nothing", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, write := range []func(store.Tx) error{
			func(store.Tx) error { return nil },
			func(tx store.Tx) error { return tx.Commit() },
			func(tx store.Tx) error { return tx.Commit(&decision.Decision{}, &decision.Decision{}) },
			func(tx store.Tx) error { _, err := tx.EpisodesAfter("", 1); return err },
		} {
			moved, err := s.Update(t.Context(), clinic, write)
			if err != nil || len(moved) > 0 {
				t.Errorf("moved %v, %v", moved, err)
			}
		}
		nothing(t, s, clinic)
	}},
	{"one bad decision fails all of its commit and nothing is half-written", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, "neighbour", full())
		twice := full()
		twice.Facts = append(twice.Facts, twice.Facts...)
		again := Submission(2, 2)
		again.Records = append(again.Records, again.Records...)
		for _, bad := range []*decision.Decision{twice, again} {
			good := Submission(7, 7)
			refused(t, s, good, bad, Submission(8, 7))
			nothing(t, s, clinic)
			view(t, s, clinic, func(r store.Reader) error {
				_, err := r.Record(good.Records[0].Resource)
				failsWith(t, err, fault.NotFound)
				return nil
			})
		}
		commit(t, s, clinic, full())
		refused(t, s, Submission(7, 7), full())
		same(t, "extents", extents(t, s, clinic, feed.All), []feed.Extent{{Feed: feed.All, First: 1, Last: 2}})
		same(t, "states", states(t, s, clinic, Submission(7, 7).Episodes[0].Episode)[Submission(7, 7).Episodes[0].Episode].Facts, int64(2))
	}},
	{"what write reads is what was committed before, and the same at the end", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, &decision.Decision{Episodes: []*episode.State{state("p1", 1, monday)}})
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
			read, err := tx.States([]ref.Episode{"p1"})
			if err != nil {
				return err
			}
			next := *read["p1"]
			next.Facts++
			return tx.Commit(&decision.Decision{Episodes: []*episode.State{&next}})
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "facts", states(t, s, clinic, "p1")["p1"].Facts, int64(2))
	}},
	{"a Tx commits once and is not read from afterwards", func(t *testing.T, e Engine) {
		s := e.Open(t)
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
			if err := tx.Commit(happened("e1")); err != nil {
				return err
			}
			failsWith(t, tx.Commit(happened("e2")), fault.Precondition)
			_, err := tx.EpisodesAfter("", 1)
			failsWith(t, err, fault.Precondition)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "events", len(since(t, s, feed.Cursor{Tenant: clinic, Feed: feed.All}, 9)), 1)
		var kept store.Reader
		view(t, s, clinic, func(r store.Reader) error { kept = r; return nil })
		_, err = kept.EpisodesAfter("", 1)
		failsWith(t, err, fault.Precondition)
	}},
	{"a view stays as it was while writers go on", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, happened("e1"))
		view(t, s, clinic, func(r store.Reader) error {
			before, err := r.Extents(feed.All)
			if err != nil {
				return err
			}
			commit(t, s, clinic, happened("e2"), full())
			after, err := r.Extents(feed.All)
			same(t, "extents", after, before)
			episodes, err2 := r.EpisodesAfter("", 9)
			same(t, "episodes", episodes, []ref.Episode{})
			return errors.Join(err, err2)
		})
	}},
	{"an error from a view is returned unchanged", func(t *testing.T, e Engine) {
		s := e.Open(t)
		mine := errors.New("enough")
		if err := s.View(t.Context(), clinic, func(store.Reader) error { return mine }); err != mine { //nolint:errorlint // the very same error is what is promised
			t.Errorf("got %v", err)
		}
	}},
	{"tenants never see one another", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, full())
		nothing(t, s, "clinic2")
		nothing(t, s, "Clinic")
		commit(t, s, "clinic2", full())
		same(t, "numbers of the other", extents(t, s, "clinic2"), extents(t, s, clinic))
		corrected := &decision.Decision{Superseded: []ref.Resource{full().Records[0].Resource}}
		newer := full().Records[0]
		newer.Version, newer.Codes = 2, nil
		corrected.Records = []record.Record{newer}
		commit(t, s, "clinic2", corrected)
		same(t, "facts of the first", len(facts(t, s, clinic, "patient-000000")["patient-000000"]), 1)
		same(t, "current version of the first", found(t, s, record.Query{Type: newer.Type, Codes: full().Records[0].Codes, Max: 3}),
			[]string{newer.ID + "/1"})
	}},
	{"a context that has ended stops a call before it writes", func(t *testing.T, e Engine) {
		s := e.Open(t)
		ctx := canceled(t)
		_, err := s.Update(ctx, clinic, func(tx store.Tx) error { return tx.Commit(full()) })
		failsWith(t, err, fault.Unavailable)
		failsWith(t, s.View(ctx, clinic, func(r store.Reader) error { _, err := r.Extents(); return err }), fault.Unavailable)
		_, err = s.Since(ctx, feed.Cursor{Tenant: clinic, Feed: feed.All}, 1)
		failsWith(t, err, fault.Unavailable)
		_, err = s.Hold(ctx, "relay")
		failsWith(t, err, fault.Unavailable)
		nothing(t, s, clinic)
		commit(t, s, clinic, full())
	}},
	{"a closed store says so", func(t *testing.T, e Engine) {
		s := e.Open(t)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(full()) })
		failsWith(t, err, fault.Unavailable)
		failsWith(t, s.View(t.Context(), clinic, func(r store.Reader) error { _, err := r.Extents(); return err }), fault.Unavailable)
		_, err = s.Hold(t.Context(), "relay")
		failsWith(t, err, fault.Unavailable)
	}},
	{"a fault tells neither statements nor values", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := full()
		d.Keys[0].Name = "secret-key-name"
		commit(t, s, clinic, d)
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(d) })
		failsWith(t, err, fault.Unprocessable)
		for _, secret := range []string{"secret-key-name", d.Records[0].ID, "INSERT", "insert", "patient-000000"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q gives away %q", err, secret)
			}
		}
	}},
}
