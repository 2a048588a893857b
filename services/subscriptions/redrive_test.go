package subscriptions_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/subscriptions"
)

// shown is a subscription as the service tells of it.
func (d desk) shown(id string) *rapportv1.Subscription {
	d.Helper()
	ctx := auth.With(d.Context(), access.Principal{Tenant: clinic})
	resp, err := d.GetSubscription(ctx, &rapportv1.GetSubscriptionRequest{Id: id})
	if err != nil {
		d.Fatal(err)
	}
	return resp.GetSubscription()
}

// refusing answers a status to what tells of one of the numbers.
func refusing(status int, numbers ...int64) func(call) int {
	return func(c call) int {
		if slices.ContainsFunc(c.numbers(), func(n int64) bool { return slices.Contains(numbers, n) }) {
			return status
		}
		return http.StatusOK
	}
}

// buried has so many events of which those of the numbers became dead letters.
func buried(h *house, e *endpoint, events int64, numbers ...int64) (id string) {
	h.Helper()
	e.answers(refusing(http.StatusUnprocessableEntity, numbers...))
	id, _ = h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	for n := range events {
		h.happen(fmt.Sprint("a", n))
	}
	s := h.service()
	h.until(func() bool { return s.shown(id).GetDelivered() == events }, func() string { return "all events" })
	if l := s.letters(id); len(l) != len(numbers) {
		h.Fatalf("letters are %v", l)
	}
	return id
}

func TestADeadLetterThatMeetsAnOutageIsToldLater(t *testing.T) {
	h, e := newHouse(t, func(c *subscriptions.Config) { c.Attempts = 50 }), newEndpoint(t, nil)
	id := buried(h, e, 2, 1)
	var away atomic.Int64
	e.answers(func(c call) int {
		if slices.Contains(c.numbers(), 1) && away.Add(1) <= 3 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	s := h.service()
	s.redrive(id)
	h.until(func() bool { return len(s.letters(id)) == 0 }, func() string { return "the letter to be taken after the outage" })
	if away.Load() != 4 {
		t.Errorf("it was told %d times", away.Load())
	}
	h.until(func() bool {
		one := s.shown(id)
		return one.GetFailure() == "" && one.GetAttempts() == 0 && one.GetStatus() == "active"
	},
		func() string { return "the last failure to be forgotten" })
	calls := e.of("event-notification")
	last := calls[len(calls)-1]
	if last.header.Get(subscriptions.HeaderAgain) != "true" || last.header.Get(subscriptions.HeaderNumber) != "1" || calls[0].header.Get(subscriptions.HeaderAgain) != "" {
		t.Errorf("%v, %v", calls[0].header, last.header)
	}
}

func TestAfterALetterIsTakenTheSubscriptionTellsOfNoFailureAndWhenItWasTold(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id := buried(h, e, 2, 2)
	s := h.service()
	before := s.shown(id)
	if before.GetFailure() == "" {
		t.Fatal("there was no failure")
	}
	e.answers(nil)
	s.redrive(id)
	h.until(func() bool { return len(s.letters(id)) == 0 && s.shown(id).GetFailure() == "" }, func() string { return "the failure to be forgotten" })
	if after := s.shown(id); !after.GetTold().AsTime().After(before.GetTold().AsTime()) {
		t.Errorf("told at %v, before at %v", after.GetTold(), before.GetTold())
	}
}

func TestManyLettersDoNotHoldUpWhatIsNew(t *testing.T) {
	h, e := newHouse(t, func(c *subscriptions.Config) { c.DeadInRow = 100 }), newEndpoint(t, nil)
	id := buried(h, e, 30, upTo(30)...)
	gate := make(chan struct{})
	var first atomic.Bool
	e.answers(func(call) int {
		if first.CompareAndSwap(false, true) {
			<-gate // the first letter waits until something new has happened
		}
		return http.StatusOK
	})
	before := len(e.told())
	s := h.service()
	s.redrive(id)
	h.until(first.Load, func() string { return "the first letter" })
	h.happen("new")
	close(gate)
	h.until(func() bool { return len(e.told()) == before+31 }, func() string { return "all letters and the new event" })
	got := e.told()[before:]
	if at := slices.Index(got, 31); at < 1 || at > 15 {
		t.Errorf("the new event came at place %d of %v", at, got)
	}
	slices.Sort(got)
	if !slices.Equal(got, upTo(31)) {
		t.Errorf("told are %v", got)
	}
}

func TestLettersAskedForWhileHandsAreShakenAreTold(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id := buried(h, e, 2, 1)
	s := h.service()
	e.answers(func(call) int { return http.StatusBadGateway })
	h.happen("down")
	h.stands(id, "error")
	var asked atomic.Bool
	e.answers(func(c call) int {
		if c.kind() == "handshake" && asked.CompareAndSwap(false, true) {
			s.redrive(id) // the subscription changes while its endpoint is asked
		}
		return http.StatusOK
	})
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, wish{endpoint: e.URL}.body())
	h.stands(id, "active")
	h.until(func() bool { return asked.Load() && len(s.letters(id)) == 0 }, func() string { return "the letter" })
}

func TestEventsAreSentOnceMoreWhenTheSubscriberAsks(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id := buried(h, e, 5)
	resend := func(status int, query string) string {
		return string(h.must(status, "POST", "/Subscription/"+id+"/$resend"+query, "").body)
	}
	before := len(e.told())
	if got := resend(http.StatusOK, "?eventsSinceNumber=2&eventsUntilNumber=3"); !strings.Contains(got, "2 events are told again") {
		t.Errorf("%s", got)
	}
	h.until(func() bool { return len(e.told()) == before+2 }, func() string { return "two events" })
	if got := e.told()[before:]; !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("told again are %v", got)
	}
	s := h.service()
	h.until(func() bool { return len(s.letters(id)) == 0 }, func() string { return "no letter to be left" })
	for query, want := range map[string]string{
		"?eventsSinceNumber=9": "0 events", "?eventsSinceInstant=2030-01-01T00:00:00Z": "0 events",
		"?eventsUntilInstant=2030-01-01T00:00:00Z&eventsSinceNumber=5": "1 events",
	} {
		if got := resend(http.StatusOK, query); !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	resend(http.StatusBadRequest, "")
	resend(http.StatusBadRequest, "?eventsSinceNumber=x")
	resend(http.StatusBadRequest, "?eventsSinceInstant=yesterday")
	e.answers(func(call) int { return http.StatusGone })
	h.happen("down")
	h.stands(id, "error")
	resend(http.StatusUnprocessableEntity, "?eventsSinceNumber=1")
}
