package subscriptions_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestASubscriptionIsShakenHandsWithAndThenToldInOrder(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, secret := h.subscribe(wish{endpoint: e.URL + "/hook", headers: []string{"Authorization: Bearer opensesame"}, filters: []string{"DetectedIssue?patient=Patient/p1", "DetectedIssue?severity=high"}})
	h.stands(id, "active")
	for i := range 5 {
		h.happen("a" + strconv.Itoa(i))
	}
	h.hears(e, upTo(5)...)
	shakes := e.of("handshake")
	if len(shakes) != 1 {
		t.Fatalf("%d handshakes", len(shakes))
	}
	for n, c := range append(shakes, e.of("event-notification")...) {
		if c.method != http.MethodPost || c.path != "/hook" || c.header.Get("Authorization") != "Bearer opensesame" || c.header.Get("Content-Type") != "application/fhir+json" {
			t.Errorf("call %d: %s %s %v", n, c.method, c.path, c.header)
		}
		if err := client.VerifySignature(c.header.Get(client.HeaderSignature), c.body, time.Now(), time.Minute, secret); err != nil {
			t.Errorf("call %d: %v", n, err)
		}
		if got := c.header.Get(client.HeaderEventNumber); got != strconv.Itoa(n) {
			t.Errorf("call %d has the number %s", n, got)
		}
	}
	if strings.Contains(h.lines.String(), "opensesame") || strings.Contains(h.lines.String(), secret) {
		t.Error("a secret was logged")
	}
}

func TestEachContentSaysWhatItMayAndIsValidR4(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	bodies := map[string][]byte{}
	ids := map[string]string{}
	for _, content := range []string{"empty", "id-only", "full-resource"} {
		ids[content], _ = h.subscribe(wish{endpoint: e.URL + "/" + content, content: content, maxCount: 10})
		h.stands(ids[content], "active")
	}
	h.happen("a1", "a2")
	h.until(func() bool { return len(e.told()) == 6 }, func() string { return "six events" })
	for _, c := range append(e.of("handshake"), e.of("event-notification")...) {
		bodies[c.path+" "+c.kind()] = c.body
	}
	type bundle struct {
		Type  string
		Entry []struct {
			FullURL           string
			Resource          json.RawMessage
			Request, Response struct{ Method, URL, Status string }
		}
	}
	read := func(name string) (b bundle) {
		t.Helper()
		if err := json.Unmarshal(bodies[name], &b); err != nil || b.Type != "history" {
			t.Fatalf("%s: %v, %s", name, err, bodies[name])
		}
		for i, entry := range b.Entry {
			if entry.Request.Method == "" || entry.Request.URL == "" || entry.Response.Status == "" {
				t.Errorf("%s: entry %d lacks its request or response", name, i)
			}
		}
		return b
	}
	for name, entries := range map[string]int{"/empty event-notification": 1, "/id-only event-notification": 5, "/full-resource event-notification": 5, "/empty handshake": 1} {
		b := read(name)
		if len(b.Entry) != entries {
			t.Fatalf("%s has %d entries, want %d", name, len(b.Entry), entries)
		}
		for _, entry := range b.Entry[1:] {
			if has := entry.Resource != nil; has != strings.HasPrefix(name, "/full") {
				t.Errorf("%s: a resource is there: %t", name, has)
			}
		}
	}
	if got := read("/id-only event-notification").Entry[1].FullURL; got != "https://rapport.example.org/fhir/DetectedIssue/a1" {
		t.Errorf("the first focus is %s", got)
	}
	if strings.Contains(string(bodies["/empty event-notification"]), "DetectedIssue") {
		t.Error("an empty notification says what it is about")
	}
	for _, path := range []string{"/Subscription", "/Subscription/$status", "/Subscription/" + ids["empty"], "/Subscription/" + ids["empty"] + "/$status", "/Subscription/" + ids["full-resource"] + "/$events", "/Basic", "/Basic/rapport-score", "/Subscription/none"} {
		bodies[path] = h.do("GET", path, "").body
	}
	bodies["$rotate-key"] = h.must(http.StatusOK, "POST", "/Subscription/"+ids["empty"]+"/$rotate-key", "").body
	testbed.Valid(t, bodies)
}

func TestManyEventsGoTogetherAsFarAsTheSubscriberAllows(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL, maxCount: 3})
	h.stands(id, "active")
	h.happen("a1", "a2", "a3", "a4", "a5", "a6", "a7")
	h.hears(e, upTo(7)...)
	var sizes []int
	for _, c := range e.of("event-notification") {
		sizes = append(sizes, len(c.numbers()))
	}
	if !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("they went as %v", sizes)
	}
}

func TestAFailureIsRetriedUntilItIsTakenAndNothingIsSkipped(t *testing.T) {
	h := newHouse(t)
	failures := 0
	var mu sync.Mutex
	e := newEndpoint(t, func(c call) int {
		mu.Lock()
		defer mu.Unlock()
		if c.kind() == "event-notification" && failures < 3 {
			failures++
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	})
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	h.happen("a1")
	h.happen("a2")
	h.hears(e, 1, 1, 1, 1, 2)
}

func TestAnEndpointThatStandsStillHoldsNobodyElseUp(t *testing.T) {
	h := newHouse(t)
	release := make(chan struct{})
	slow := newEndpoint(t, func(c call) int {
		if c.kind() == "event-notification" {
			<-release
		}
		return http.StatusOK
	})
	t.Cleanup(func() { close(release) })
	good := newEndpoint(t, nil)
	for range 20 {
		id, _ := h.subscribe(wish{endpoint: slow.URL})
		h.stands(id, "active")
	}
	id, _ := h.subscribe(wish{endpoint: good.URL})
	h.stands(id, "active")
	h.happen("a1", "a2", "a3")
	h.hears(good, upTo(3)...)
	if n := len(slow.of("event-notification")); n != 0 {
		t.Errorf("%d calls of the slow endpoint ended: it was not slow", n)
	}
	h.stop()
}

func TestAnEndpointThatFailsForGoodGoesToErrorItsEventsStayAndItComesBack(t *testing.T) {
	h := newHouse(t)
	e := newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL, headers: []string{"X-Key: k1"}})
	h.stands(id, "active")
	e.answers(func(call) int { return http.StatusBadGateway })
	h.happen("a1")
	shown := h.stands(id, "error")
	if text, _ := shown["error"].(string); !strings.Contains(text, "5 times") || !strings.Contains(text, "502") {
		t.Errorf("the error is %q", shown["error"])
	}
	h.happen("a2") // it goes on being numbered
	missed := call{body: h.must(http.StatusOK, "GET", "/Subscription/"+id+"/$events?eventsSinceNumber=1", "").body}
	if got := missed.numbers(); !slices.Equal(got, []int64{1, 2}) || missed.kind() != "query-event" || missed.first("events-since-subscription-start").ValueString != "2" {
		t.Errorf("missed are %v: %s", got, missed.body)
	}
	e.answers(nil)
	before := len(e.told())
	shown["status"] = "requested"
	again, _ := json.Marshal(shown)
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, string(again))
	h.stands(id, "active")
	h.until(func() bool { return len(e.told()) == before+2 }, func() string { return "both events" })
	if got := e.told()[before:]; !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("told after the error are %v", got)
	}
	last := e.of("event-notification")
	if got := last[len(last)-1].header.Get("X-Key"); got != "k1" {
		t.Errorf("a header that came back as it was shown has become %q", got)
	}
}

func TestAHandshakeThatIsNotTakenIsAnError(t *testing.T) {
	h := newHouse(t)
	e := newEndpoint(t, func(call) int { return http.StatusNotFound })
	id, _ := h.subscribe(wish{endpoint: e.URL})
	if text, _ := h.stands(id, "error")["error"].(string); !strings.Contains(text, "handshake") || !strings.Contains(text, "404") {
		t.Errorf("the error is %q", text)
	}
	moved := newEndpoint(t, nil)
	from := newEndpoint(t, nil)
	from.Config.Handler = http.RedirectHandler(moved.URL, http.StatusTemporaryRedirect)
	id, _ = h.subscribe(wish{endpoint: from.URL})
	if text, _ := h.stands(id, "error")["error"].(string); !strings.Contains(text, "redirects are not followed") || len(moved.of("handshake")) != 0 {
		t.Errorf("the error is %q", text)
	}
}

func TestAnEventThatIsRefusedBecomesADeadLetterAndIsToldAgainWhenAsked(t *testing.T) {
	h := newHouse(t)
	refuse := func(c call) int {
		if slices.Contains(c.numbers(), 2) {
			return http.StatusUnprocessableEntity
		}
		return http.StatusOK
	}
	e := newEndpoint(t, refuse)
	id, _ := h.subscribe(wish{endpoint: e.URL, maxCount: 3})
	h.stands(id, "active")
	h.happen("a1", "a2", "a3")
	// Together they are refused; then one by one, and the second twice.
	h.hears(e, 1, 2, 3, 1, 2, 2, 3)
	s := h.service()
	letters := s.letters(id)
	if len(letters) != 1 || letters[0].GetNumber() != 2 || letters[0].GetFocus() != "DetectedIssue/a2" || letters[0].GetAttempts() != 2 || letters[0].GetFailure() != "status 422" {
		t.Fatalf("letters are %v", letters)
	}
	if n := s.redrive(id); n != 1 {
		t.Errorf("%d are told again", n)
	}
	h.hears(e, 1, 2, 3, 1, 2, 2, 3, 2)
	h.until(func() bool { l := s.letters(id); return len(l) == 1 && !l[0].GetAgain() && l[0].GetAttempts() == 3 }, func() string { return "the letter to come back" })
	e.answers(nil)
	s.redrive(id)
	h.until(func() bool { return len(s.letters(id)) == 0 }, func() string { return "the letter to be taken" })
	h.happen("a4")
	h.hears(e, 1, 2, 3, 1, 2, 2, 3, 2, 2, 4)
}

func TestAfterManyRefusalsInARowItIsTheEndpointThatIsWrong(t *testing.T) {
	h := newHouse(t)
	e := newEndpoint(t, func(c call) int {
		if c.kind() == "handshake" {
			return http.StatusOK
		}
		return http.StatusBadRequest
	})
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	h.happen("a1", "a2", "a3", "a4", "a5")
	h.stands(id, "error")
	s := h.service()
	var numbers []int64
	for _, l := range s.letters(id) {
		numbers = append(numbers, l.GetNumber())
	}
	if !slices.Equal(numbers, upTo(5)) {
		t.Errorf("letters are %v, want the three refused and the two that wait", numbers)
	}
	e.answers(nil)
	before := len(e.told())
	s.redrive(id)
	h.stands(id, "active")
	h.until(func() bool { return len(e.told()) == before+5 }, func() string { return "all five" })
	if got := e.told()[before:]; !slices.Equal(got, upTo(5)) {
		t.Errorf("told again are %v", got)
	}
}

func TestWhileThereIsNothingToTellAHeartbeatSaysSo(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL, heartbeat: 1})
	h.stands(id, "active")
	h.until(func() bool { return len(e.of("heartbeat")) >= 2 }, func() string { return "two heartbeats" })
	if got := e.of("heartbeat")[0]; got.first("events-since-subscription-start").ValueString != "0" || got.numbers() != nil {
		t.Errorf("the heartbeat is %s", got.body)
	}
}

func TestASubscriptionEndsWhenItsClientSaidAndIsNotToldWhenItIsOff(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL})
	shown := h.stands(id, "active")
	shown["status"] = "off"
	off, _ := json.Marshal(shown)
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, string(off))
	h.happen("a1")
	shown["status"], shown["end"] = "requested", time.Now().Add(400*time.Millisecond).UTC().Format(time.RFC3339Nano)
	on, _ := json.Marshal(shown)
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, string(on))
	h.stands(id, "off")
	h.must(http.StatusNoContent, "DELETE", "/Subscription/"+id, "")
	h.must(http.StatusNoContent, "DELETE", "/Subscription/"+id, "")
	h.must(http.StatusGone, "GET", "/Subscription/"+id, "")
	h.must(http.StatusConflict, "PUT", "/Subscription/"+id, wish{endpoint: e.URL}.body())
	if got := e.told(); got != nil {
		t.Errorf("told are %v", got)
	}
}

func TestPlainR4IsToldByAnEmptyPostOrAPutOfTheResource(t *testing.T) {
	h := newHouse(t)
	bare, full := newEndpoint(t, nil), newEndpoint(t, nil)
	one, _ := h.subscribe(wish{endpoint: bare.URL + "/hook", criteria: "DetectedIssue?severity=high"})
	two, _ := h.subscribe(wish{endpoint: full.URL + "/fhir", criteria: "Task?patient=p1&status=requested", payload: "application/fhir+json"})
	h.stands(one, "active")
	h.stands(two, "active")
	h.happen("a1")
	h.until(func() bool { return len(bare.of("")) == 1 && len(full.of("")) == 1 }, func() string { return "both calls" })
	if c := bare.of("")[0]; c.method != http.MethodPost || len(c.body) != 0 || c.path != "/hook" || c.header.Get("Content-Type") != "" || c.header.Get(client.HeaderEventNumber) != "1" {
		t.Errorf("without payload: %+v", c)
	}
	if c := full.of("")[0]; c.method != http.MethodPut || c.path != "/fhir/Task/a1" || !strings.Contains(string(c.body), `"resourceType":"Task"`) {
		t.Errorf("with payload: %+v", c)
	}
}

func TestWhileASecretIsChangedBothSign(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, old := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	var p struct {
		Parameter []struct{ Name, ValueString string }
	}
	if err := json.Unmarshal(h.must(http.StatusOK, "POST", "/Subscription/"+id+"/$rotate-key", "").body, &p); err != nil {
		t.Fatal(err)
	}
	fresh := p.Parameter[0].ValueString
	h.until(func() bool {
		h.happen("a" + strconv.Itoa(len(e.told())))
		calls := e.of("event-notification")
		return len(calls) > 0 && strings.Count(calls[len(calls)-1].header.Get(client.HeaderSignature), "v1=") == 2
	}, func() string { return "a call that both sign" })
	calls := e.of("event-notification")
	last := calls[len(calls)-1]
	for name, secret := range map[string]string{"old": old, "new": fresh} {
		if err := client.VerifySignature(last.header.Get(client.HeaderSignature), last.body, time.Now(), time.Minute, secret); err != nil {
			t.Errorf("with the %s secret: %v", name, err)
		}
	}
	if fresh == old || fresh == "" || strings.Contains(string(h.must(http.StatusOK, "GET", "/Subscription/"+id, "").body), fresh) {
		t.Error("the secret is the old one, or is shown")
	}
}
