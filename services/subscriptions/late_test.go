package subscriptions_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/store"
)

func TestARefusalAfterFailuresIsCountedByItself(t *testing.T) {
	h := newHouse(t)
	calls := 0
	e := newEndpoint(t, func(c call) int {
		if c.kind() == "handshake" {
			return http.StatusOK
		}
		if calls++; calls <= 2 {
			return http.StatusServiceUnavailable
		}
		if calls == 3 {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	h.happen("a1")
	h.hears(e, 1, 1, 1, 1)
	if l := h.service().letters(id); len(l) != 0 {
		t.Errorf("it was given up after one refusal: %v", l)
	}
}

func TestEventsThatAreNoLongerKeptAreSaidToBeMissing(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	e.answers(func(call) int { return http.StatusBadGateway })
	h.happen("a1", "a2", "a3")
	h.stands(id, "error")
	retention, ok := h.store.(store.Retention)
	if !ok {
		t.Fatal("the store forgets nothing")
	}
	if _, err := retention.Trim(t.Context(), clinic, noon.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	e.answers(nil)
	h.happen("a4")
	h.stop()
	h = houseOver(t, h.store) // a server that remembers none of the events
	h.service().redrive(id)
	h.until(func() bool {
		return strings.Contains(string(h.must(http.StatusOK, "GET", "/Subscription/"+id, "").body), "no longer kept")
	}, func() string { return "the subscription to say what is missing" })
	h.must(http.StatusGone, "GET", "/Subscription/"+id+"/$events?eventsSinceNumber=1", "")
	if got := (call{body: h.must(http.StatusOK, "GET", "/Subscription/"+id+"/$events", "").body}).numbers(); !slices.Equal(got, []int64{4}) {
		t.Errorf("kept are %v", got)
	}
	h.service().redrive(id)
	before := len(e.told())
	h.until(func() bool { return len(e.told()) > before || slices.Contains(e.told(), 4) }, func() string { return "event 4" })
}

func TestACallThatTakesTooLongIsAFailure(t *testing.T) {
	h := newHouse(t)
	release := make(chan struct{})
	e := newEndpoint(t, func(call) int { <-release; return http.StatusOK })
	t.Cleanup(func() { close(release) })
	body := strings.Replace(wish{endpoint: e.URL}.body(), `"channel":{`, `"channel":{"extension":[{"url":"`+backport+`backport-timeout","valueUnsignedInt":1}],`, 1)
	begun := time.Now()
	h.must(http.StatusCreated, "PUT", "/Subscription/slow", body)
	if text, _ := h.stands("slow", "error")["error"].(string); !strings.Contains(text, "did not answer in time") {
		t.Errorf("the error is %q", text)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("it was given up after %s", took)
	}
}
