package commit_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// wants commits a subscription as the room of subscriptions does: beside the Group, in the line of the tenant's writers.
func wants(t *testing.T, s store.Store, one subscription.Subscription) {
	t.Helper()
	_, err := s.Update(t.Context(), tenant, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Subscriptions: []subscription.Subscription{one}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func careAlerts(id string, status subscription.Status) subscription.Subscription {
	return subscription.Subscription{
		ID: id, Version: 1, Status: status, Topic: subscription.CareAlert, Filters: []subscription.Filter{{Type: "DetectedIssue"}},
		Raw: []byte(`{}`),
	}
}

func TestEventsAreNumberedForASubscriptionFromTheCommitAfterItsOwn(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p0", "r0", 12, true, now))
	wants(t, s, careAlerts("a", subscription.Requested))
	do(t, g, sheet("p1", "r1", 12, true, now))
	wants(t, s, careAlerts("b", subscription.Active))
	do(t, g, sheet("p2", "r2", 12, true, now))
	wants(t, s, careAlerts("a", subscription.Off))
	do(t, g, sheet("p3", "r3", 12, true, now))
	for name, want := range map[string]int64{"a": 2, "b": 2} {
		if got := last(t, s, feed.Subscription(name)); got != want {
			t.Errorf("%s is at %d, want %d", name, got, want)
		}
	}
	events, err := s.Since(t.Context(), feed.Cursor{Tenant: tenant, Feed: feed.Subscription("b")}, 10)
	if err != nil || len(events) != 2 || events[1].Subject != "Patient/p3" || events[1].Seq != 2 || events[1].Type != feed.Opened {
		t.Errorf("events of b: %+v, %v", events, err)
	}
	for _, a := range alertsOf(t, s, "p3") {
		for _, name := range a.Feeds {
			if _, own := name.OfSubscription(); own {
				t.Errorf("the alert itself names %s", name)
			}
		}
	}
}

func TestManyWritersNumberASubscriptionsEventsWithoutAHole(t *testing.T) {
	s := open(t)
	wants(t, s, careAlerts("a", subscription.Active))
	g := group(t, s, nil)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := range 5 {
				in := sheet(fmt.Sprint("p", w, "-", n), fmt.Sprint("r", w, "-", n), 12, true, now)
				if _, err := g.Do(t.Context(), tenant, []decision.Input{in}, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	events, err := s.Since(t.Context(), feed.Cursor{Tenant: tenant, Feed: feed.Subscription("a")}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, e := range events {
		if e.Seq != int64(i+1) || seen[e.ID] {
			t.Errorf("event %d is %s with number %d", i, e.ID, e.Seq)
		}
		seen[e.ID] = true
	}
	if len(events) < 40 {
		t.Errorf("%d events, want one of each of the 40 alerts at least", len(events))
	}
}
