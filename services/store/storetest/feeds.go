package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// inPlace are alerts in the order of alert.Place.
func inPlace(alerts []alert.Alert) []alert.Alert {
	sorted := slices.Clone(alerts)
	slices.SortFunc(sorted, func(a, b alert.Alert) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		if c := b.Effective.Compare(a.Effective); c != 0 {
			return c
		}
		return fact.Key{ID: a.ID}.Compare(fact.Key{ID: b.ID})
	})
	return sorted
}

func since(t testing.TB, s store.Store, after feed.Cursor, max int) []feed.Event {
	t.Helper()
	events, err := s.Since(t.Context(), after, max)
	if err != nil {
		t.Fatalf("reading after %+v: %v", after, err)
	}
	return events
}

func extents(t testing.TB, s store.Store, tenant ref.Tenant, of ...feed.Name) []feed.Extent {
	t.Helper()
	return ask(t, s, tenant, func(r store.Reader) ([]feed.Extent, error) { return r.Extents(of...) })
}

var (
	teamA = feed.Team("a")
	teamB = feed.Team("b")
)

var feedPromises = []promise{
	{"every event stands in All and once in each feed it names, numbered from 1", func(t *testing.T, e Engine) {
		s := e.Open(t)
		moved := commit(t, s, clinic, happened("e1", teamB, teamA), happened("e2"), happened("e3", feed.All, teamA, teamA))
		same(t, "moved", moved, []feed.Cursor{{Tenant: clinic, Feed: feed.All, After: 3}, {Tenant: clinic, Feed: teamA, After: 2}, {Tenant: clinic, Feed: teamB, After: 1}})
		moved = commit(t, s, clinic, happened("e4", teamB))
		same(t, "moved next", moved, []feed.Cursor{{Tenant: clinic, Feed: feed.All, After: 4}, {Tenant: clinic, Feed: teamB, After: 2}})
		standing := func(name feed.Name, seq, tenantSeq int64, id string) feed.Event {
			return feed.Event{
				Feed: name, Seq: seq, TenantSeq: tenantSeq, ID: id, Type: feed.Recorded, Time: monday, Subject: "Patient/p1",
				Data: json.RawMessage(`{"n":"` + id + `"}`),
			}
		}
		same(t, "all", since(t, s, feed.Cursor{Tenant: clinic, Feed: feed.All}, 9), []feed.Event{
			standing(feed.All, 1, 1, "e1"), standing(feed.All, 2, 2, "e2"), standing(feed.All, 3, 3, "e3"), standing(feed.All, 4, 4, "e4"),
		})
		same(t, "team a", since(t, s, feed.Cursor{Tenant: clinic, Feed: teamA}, 9), []feed.Event{
			standing(teamA, 1, 1, "e1"), standing(teamA, 2, 3, "e3"),
		})
		same(t, "team b", since(t, s, feed.Cursor{Tenant: clinic, Feed: teamB}, 9), []feed.Event{
			standing(teamB, 1, 1, "e1"), standing(teamB, 2, 4, "e4"),
		})
		same(t, "extents", extents(t, s, clinic), []feed.Extent{{Feed: feed.All, First: 1, Last: 4}, {Feed: teamA, First: 1, Last: 2}, {Feed: teamB, First: 1, Last: 2}})
		same(t, "named extents", extents(t, s, clinic, teamB, feed.Team("none")), []feed.Extent{{Feed: teamB, First: 1, Last: 2}})
	}},
	{"windows of a feed join without hole or overlap", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var all []*decision.Decision
		for i := range 57 {
			all = append(all, happened(fmt.Sprint(i)))
		}
		commit(t, s, clinic, all...)
		for _, size := range []int{1, 7, 57, 100} {
			at := feed.Cursor{Tenant: clinic, Feed: feed.All}
			for {
				window := since(t, s, at, size)
				if len(window) == 0 {
					break
				}
				for _, ev := range window {
					if ev.Seq != at.After+1 || ev.ID != fmt.Sprint(at.After) {
						t.Fatalf("after %d came %d (%s)", at.After, ev.Seq, ev.ID)
					}
					at.After = ev.Seq
				}
			}
			if at.After != 57 {
				t.Errorf("windows of %d ended at %d", size, at.After)
			}
		}
	}},
	{"a cursor beyond the end or below the beginning is invalid, one at the end gives nothing", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, happened("e1", teamA))
		for _, c := range []struct {
			feed  feed.Name
			after int64
		}{{feed.All, 2}, {feed.All, -1}, {teamA, 2}, {teamB, 1}} {
			_, err := s.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: c.feed, After: c.after}, 9)
			failsWith(t, err, fault.Invalid)
		}
		same(t, "at the end", since(t, s, feed.Cursor{Tenant: clinic, Feed: feed.All, After: 1}, 9), []feed.Event{})
		same(t, "of an unknown feed", since(t, s, feed.Cursor{Tenant: clinic, Feed: teamB}, 9), []feed.Event{})
		same(t, "of an unknown tenant", since(t, s, feed.Cursor{Tenant: "nobody", Feed: feed.All}, 9), []feed.Event{})
	}},
	{"what retention forgot is too old, and the numbers go on", func(t *testing.T, e Engine) {
		s := e.Open(t)
		const n = 2500 // More than one step of any engine.
		var all []*decision.Decision
		for i := range n {
			d := happened(fmt.Sprint(i), teamA)
			d.Events[0].Time = monday.Add(time.Duration(i) * time.Second)
			all = append(all, d)
		}
		all = append(all, happened("unassigned", feed.Unassigned))
		all[n].Events[0].Time = monday.Add(n * time.Second)
		commit(t, s, clinic, all...)
		commit(t, s, "neighbour", happened("other"))
		trimmed, err := s.Trim(t.Context(), clinic, monday.Add(2400*time.Second))
		if err != nil || trimmed != 4800 {
			t.Fatalf("trimmed %d, %v", trimmed, err)
		}
		_, err = s.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: feed.All, After: 2399}, 9)
		failsWith(t, err, fault.TooOld)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Earliest != 2400 {
			t.Errorf("got %v, want the earliest cursor 2400", err)
		}
		same(t, "the earliest kept", since(t, s, feed.Cursor{Tenant: clinic, Feed: teamA, After: 2400}, 1)[0].Seq, int64(2401))
		same(t, "extents", extents(t, s, clinic), []feed.Extent{
			{Feed: feed.All, First: 2401, Last: 2501}, {Feed: teamA, First: 2401, Last: 2500}, {Feed: feed.Unassigned, First: 1, Last: 1},
		})
		rest, err := s.Trim(t.Context(), clinic, monday.AddDate(1, 0, 0))
		if err != nil || rest != 202 {
			t.Fatalf("trimmed %d, %v", rest, err)
		}
		same(t, "at the end", since(t, s, feed.Cursor{Tenant: clinic, Feed: feed.All, After: 2501}, 9), []feed.Event{})
		same(t, "moved", commit(t, s, clinic, happened("next", teamA)), []feed.Cursor{
			{Tenant: clinic, Feed: feed.All, After: 2502}, {Tenant: clinic, Feed: teamA, After: 2501},
		})
		same(t, "extents of the neighbour", extents(t, s, "neighbour"), []feed.Extent{{Feed: feed.All, First: 1, Last: 1}})
	}},
	{"an event younger than one before it is kept while that one is kept", func(t *testing.T, e Engine) {
		s := e.Open(t)
		young, old := happened("young"), happened("old")
		young.Events[0].Time, old.Events[0].Time = monday.Add(time.Hour), monday
		commit(t, s, clinic, young, old)
		trimmed, err := s.Trim(t.Context(), clinic, monday.Add(time.Minute))
		if err != nil || trimmed != 0 {
			t.Errorf("trimmed %d, %v; that would leave a hole", trimmed, err)
		}
	}},
	{"a feed of no known form is refused", func(t *testing.T, e Engine) {
		refused(t, e.Open(t), happened("e1", "team:"))
	}},
	{"tenants are those that committed, in order", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, tenant := range []ref.Tenant{"b", "a", "B"} {
			commit(t, s, tenant, happened("e"))
		}
		view(t, s, "looked", func(store.Reader) error { return nil })
		if _, err := s.Update(t.Context(), "empty", func(store.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		tenants, err := s.Tenants(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "tenants", tenants, []ref.Tenant{"B", "a", "b"})
	}},
}
