package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// wish is a subscription to care alerts of one patient.
func wish(id string, p ref.Patient) subscription.Subscription {
	return subscription.Subscription{
		ID: id, Version: 1, Status: subscription.Requested, Topic: subscription.CareAlert,
		Filters: []subscription.Filter{{Type: "DetectedIssue", Tests: []subscription.Test{
			{Param: "patient", Patients: []ref.Patient{p}},
			{Param: "severity", Tokens: []subscription.Token{{AnySystem: true, Code: "high"}}},
		}}},
		Endpoint: "https://ehr.example.org/hook", Headers: []string{"Authorization: Bearer x"}, Payload: "application/fhir+json",
		Content: subscription.IDOnly, Heartbeat: time.Hour, Timeout: 10 * time.Second, MaxCount: 5, End: monday.AddDate(1, 0, 0),
		Secrets: []subscription.Secret{{Key: "k2"}, {Key: "k1", Until: monday}}, Owner: "ehr-main",
		Raw: json.RawMessage(`{"resourceType":"Subscription"}`), Created: monday, Updated: monday,
	}
}

func wishes(of ...subscription.Subscription) *decision.Decision {
	return &decision.Decision{Subscriptions: of}
}

func versionOf(t testing.TB, s Store, tenant ref.Tenant) int64 {
	t.Helper()
	return ask(t, s, tenant, func(r store.Reader) (int64, error) { return r.SubscriptionsVersion() })
}

func subscribed(t testing.TB, s Store, tenant ref.Tenant) []subscription.Subscription {
	t.Helper()
	return ask(t, s, tenant, func(r store.Reader) ([]subscription.Subscription, error) { return r.ListSubscriptions() })
}

var subscriptionPromises = []promise{
	{"a subscription is kept whole, listed by id, and counted", func(t *testing.T, e Engine) {
		s := e.Open(t)
		same(t, "version before", versionOf(t, s, clinic), int64(0))
		same(t, "list before", subscribed(t, s, clinic), []subscription.Subscription(nil))
		commit(t, s, clinic, wishes(wish("b", "p1"), wish("a", "p2")))
		same(t, "list", subscribed(t, s, clinic), []subscription.Subscription{wish("a", "p2"), wish("b", "p1")})
		same(t, "version", versionOf(t, s, clinic), int64(1))
		same(t, "another tenant", subscribed(t, s, "other"), []subscription.Subscription(nil))
		view(t, s, clinic, func(r store.Reader) error {
			found, err := r.Subscription("a")
			same(t, "one", found, wish("a", "p2"))
			_, absent := r.Subscription("c")
			failsWith(t, absent, fault.NotFound)
			return err
		})
	}},
	{"a change replaces it, and a deleted one is kept but not listed", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, wishes(wish("a", "p1")))
		active := wish("a", "p1").Become(subscription.Active, "", monday)
		commit(t, s, clinic, wishes(wish("a", "p9"), active))
		same(t, "list", subscribed(t, s, clinic), []subscription.Subscription{active})
		gone := active.Become(subscription.Off, "", monday)
		gone.Deleted = true
		commit(t, s, clinic, wishes(gone))
		same(t, "list", subscribed(t, s, clinic), []subscription.Subscription(nil))
		same(t, "version", versionOf(t, s, clinic), int64(3))
		kept := ask(t, s, clinic, func(r store.Reader) (subscription.Subscription, error) { return r.Subscription("a") })
		same(t, "kept", kept, gone)
	}},
	{"the version is read within the transaction that it holds for, whether or not anything was read before", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for want := range int64(3) {
			for _, first := range []bool{true, false} {
				_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
					if !first {
						if _, err := tx.Heads([]ref.Resource{{Type: "Patient", ID: "p1"}}); err != nil {
							return err
						}
					}
					version, err := tx.SubscriptionsVersion()
					same(t, "version", version, want)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			commit(t, s, clinic, wishes(wish("a", "p1")), happened(string(rune('a'+want))))
		}
		same(t, "events do not count", versionOf(t, s, clinic), int64(3))
	}},
	{"its events are numbered in a feed of its own", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, wishes(wish("a", "p1")))
		commit(t, s, clinic, happened("e1", "team:north", feed.Subscription("a")), happened("e2"), happened("e3", feed.Subscription("a")))
		events, err := s.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: feed.Subscription("a")}, 10)
		if err != nil || len(events) != 2 || events[1].Seq != 2 || events[1].ID != "e3" {
			t.Errorf("events %+v, %v", events, err)
		}
	}},
	{"a subscription whose id cannot name a feed is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(wishes(wish("a b", "p1"))) })
		failsWith(t, err, fault.Unprocessable)
	}},
	{"a delivery is kept whole and never moved back", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first := subscription.Delivery{ID: "a", Delivered: 7, Attempts: 2, Next: monday, Told: monday.Add(time.Second), Failure: "status 503"}
		other := subscription.Delivery{ID: "b"}
		for _, d := range []subscription.Delivery{first, other} {
			if err := s.KeepDelivery(t.Context(), clinic, d); err != nil {
				t.Fatal(err)
			}
		}
		back := subscription.Delivery{ID: "a", Delivered: 3}
		if err := s.KeepDelivery(t.Context(), clinic, back); err != nil {
			t.Fatal(err)
		}
		found, err := s.Deliveries(t.Context(), clinic)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "deliveries", found, []subscription.Delivery{{ID: "a", Delivered: 7}, other})
		found, err = s.Deliveries(t.Context(), "other")
		if err != nil || len(found) != 0 {
			t.Errorf("another tenant has %+v, %v", found, err)
		}
	}},
	{"dead letters are kept with the delivery, paged, asked for again and dropped", func(t *testing.T, e Engine) {
		s := e.Open(t)
		letter := func(seq int64) subscription.Letter {
			return subscription.Letter{ID: "a", Seq: seq, At: monday, Attempts: 3, Failure: "status 422"}
		}
		err := s.KeepDelivery(t.Context(), clinic, subscription.Delivery{ID: "a", Delivered: 5}, letter(4), letter(5))
		if err != nil {
			t.Fatal(err)
		}
		again := letter(5)
		again.Again = true
		if err := s.KeepLetters(t.Context(), clinic, again, letter(9)); err != nil {
			t.Fatal(err)
		}
		page := func(after int64, max int, want ...subscription.Letter) {
			t.Helper()
			found, err := s.DeadLetters(t.Context(), clinic, "a", after, max)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "letters", found, want)
		}
		page(0, 2, letter(4), again)
		page(5, 2, letter(9))
		page(0, 0)
		if err := s.DropLetters(t.Context(), clinic, "a", 4, 9, 77); err != nil {
			t.Fatal(err)
		}
		page(0, 10, again)
	}},
}
