package subscriptions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/subscriptions"
)

// listener is a client at its end of a websocket. What it hears is kept as if it were called.
type listener struct {
	*house
	conn *websocket.Conn
	mu   sync.Mutex
	said []string
	// closed is how the other side closed.
	closed error
}

// open opens a websocket and listens until the test, or the connection, ends.
func (h *house) open() *listener {
	h.Helper()
	conn, resp, err := websocket.Dial(h.Context(), h.door.URL+access.SocketPath, nil)
	if err != nil {
		h.Fatalf("no websocket: %v, %v", err, resp)
	}
	l := &listener{house: h, conn: conn}
	h.Cleanup(func() { _ = conn.CloseNow() })
	go func() {
		for {
			_, text, err := conn.Read(context.WithoutCancel(h.Context()))
			l.mu.Lock()
			if err != nil {
				l.closed = err
			} else {
				l.said = append(l.said, string(text))
			}
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *listener) say(text string) *listener {
	l.Helper()
	if err := l.conn.Write(l.Context(), websocket.MessageText, []byte(text)); err != nil {
		l.Fatal(err)
	}
	return l
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said)
}

// kinds are what was heard, in short: a word of plain R4, or the type of a notification with the numbers of its events.
func (l *listener) kinds() []string {
	var out []string
	for _, text := range l.all() {
		c := call{body: []byte(text)}
		switch {
		case strings.Contains(text, `"OperationOutcome"`):
			out = append(out, "outcome")
		case c.kind() != "":
			out = append(out, strings.TrimSpace(c.kind()+" "+strings.Trim(fmt.Sprint(c.numbers()), "[]")))
		default:
			out = append(out, text)
		}
	}
	return out
}

// hears waits until exactly this was heard.
func (l *listener) hears(want ...string) {
	l.Helper()
	l.until(func() bool { return len(l.kinds()) >= len(want) }, func() string { return fmt.Sprintf("%q, heard is %q", want, l.kinds()) })
	if got := l.kinds(); !slices.Equal(got, want) {
		l.Fatalf("heard is %q, want %q", got, want)
	}
}

// ends waits until the other side has closed, and returns with which code.
func (l *listener) ends() websocket.StatusCode {
	l.Helper()
	var err error
	l.until(func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		err = l.closed
		return err != nil
	}, func() string { return fmt.Sprintf("the end, heard is %q", l.kinds()) })
	return websocket.CloseStatus(err)
}

// token asks for a binding token, and returns the answer by its names.
func (h *house) token(path string) map[string]string {
	h.Helper()
	var got struct {
		Parameter []struct{ Name, ValueString, ValueDateTime, ValueURL string }
	}
	if err := json.Unmarshal(h.must(http.StatusOK, "GET", "/Subscription"+path, "").body, &got); err != nil {
		h.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range got.Parameter {
		out[p.Name] = strings.TrimSpace(out[p.Name] + " " + p.ValueString + p.ValueDateTime + p.ValueURL)
	}
	return out
}

var overSocket = wish{channel: "websocket"}

func TestAWebsocketIsToldWhatHappenedAndFromWhereTheLastOneEnded(t *testing.T) {
	h := newHouse(t)
	id, secret := h.subscribe(overSocket)
	if h.stands(id, "active"); secret != "" {
		t.Error("a secret was given out that signs nothing")
	}
	h.happen("a1", "a2")
	got := h.token("/" + id + "/$get-ws-binding-token")
	if got["subscription"] != id || got["websocket-url"] != "wss://rapport.example.org/websocket" || got["expiration"] == "" {
		t.Errorf("the answer is %v", got)
	}
	one := h.open().say("bind-with-token " + got["token"])
	one.hears("handshake", "event-notification 1", "event-notification 2")
	h.happen("a3")
	one.hears("handshake", "event-notification 1", "event-notification 2", "event-notification 3")
	if text := one.all()[1]; !strings.Contains(text, `"DetectedIssue/a1"`) && !strings.Contains(text, "/DetectedIssue/a1") {
		t.Errorf("the event does not say what it is about: %s", text)
	}
	// A client that is gone leaves what it did not take to the next one, and is told of nothing twice.
	h.delivered(id, 3)
	_ = one.conn.CloseNow()
	h.happen("a4", "a5")
	two := h.open().say(`{"type":"bind-with-token","payload":{"token":"` + got["token"] + `"}}`)
	two.hears("handshake", "event-notification 4", "event-notification 5")
	// Bound once more over the same connection, it is greeted and goes on.
	two.say("bind-with-token " + got["token"])
	two.hears("handshake", "event-notification 4", "event-notification 5", "handshake")
	h.must(http.StatusOK, "POST", "/Subscription/"+id+"/$resend", `{"resourceType":"Parameters","parameter":[{"name":"eventsSinceNumber","valueString":"2"},{"name":"eventsUntilNumber","valueString":"2"}]}`)
	two.hears("handshake", "event-notification 4", "event-notification 5", "handshake", "event-notification 2")
	two.say(`{"type":"ping"}`)
	two.hears("handshake", "event-notification 4", "event-notification 5", "handshake", "event-notification 2", `{"type":"pong"}`)
}

// delivered waits until it is kept that so much was told.
func (h *house) delivered(id string, n int64) {
	h.Helper()
	var at int64
	h.until(func() bool {
		told, err := h.store.Deliveries(h.Context(), clinic)
		if err != nil {
			h.Fatal(err)
		}
		for _, d := range told {
			if d.ID == id {
				at = d.Delivered
			}
		}
		return at == n
	}, func() string { return fmt.Sprintf("%d events to be told; %d are", n, at) })
}

func TestPlainR4IsBoundAndPinged(t *testing.T) {
	h := newHouse(t)
	id, _ := h.subscribe(wish{channel: "websocket", criteria: "DetectedIssue?severity=high"})
	topic, _ := h.subscribe(overSocket)
	l := h.open().say("bind " + id)
	l.hears("bound " + id)
	h.happen("a1", "a2")
	l.hears("bound "+id, "ping "+id, "ping "+id)
	h.delivered(id, 2)
	l.say("bind " + topic)
	l.hears("bound "+id, "ping "+id, "ping "+id, "handshake", "event-notification 1", "event-notification 2")
	h.delivered(topic, 2)
}

func TestOneTokenBindsSeveralAndALargerCountGroupsEvents(t *testing.T) {
	h := newHouse(t)
	many := overSocket
	many.maxCount = 10
	one, _ := h.subscribe(many)
	two, _ := h.subscribe(wish{channel: "websocket", topic: "score"})
	e := newEndpoint(t, nil)
	hook, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(hook, "active")
	h.happen("a1", "a2", "a3")
	got := h.token("/$get-ws-binding-token")
	if ids := strings.Fields(got["subscription"]); len(ids) != 2 || !slices.Contains(ids, one) || !slices.Contains(ids, two) {
		t.Errorf("the token is for %v", ids)
	}
	l := h.open().say("bind-with-token " + got["token"])
	h.until(func() bool { return slices.Contains(l.kinds(), "event-notification 1 2 3") }, func() string { return fmt.Sprint(l.kinds()) })
	h.must(http.StatusUnprocessableEntity, "GET", "/Subscription/"+hook+"/$get-ws-binding-token", "")
	h.must(http.StatusUnprocessableEntity, "GET", "/Subscription/$get-ws-binding-token?id="+one+"&id="+hook, "")
	h.must(http.StatusNotFound, "GET", "/Subscription/$get-ws-binding-token?id=none", "")
	if hears := h.token("/$get-ws-binding-token?id=" + one); hears["subscription"] != one {
		t.Errorf("the token is for %v", hears)
	}
}

func TestWhatMayNotBeBoundIsSaidAndClosedInTheEnd(t *testing.T) {
	h := newHouse(t)
	id, _ := h.subscribe(overSocket)
	e := newEndpoint(t, nil)
	hook, _ := h.subscribe(wish{endpoint: e.URL})
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, strings.Replace(overSocket.body(), `"requested"`, `"off"`, 1))
	l := h.open()
	for _, text := range []string{"", "bind", "bind no id", "hello", "{", `{"type":"bind-with-token"}`, "bind-with-token nonsense", "bind none", "bind " + hook, "bind " + id} {
		before := len(l.all())
		l.say(text)
		h.until(func() bool { return len(l.all()) == before+1 }, func() string { return fmt.Sprintf("an answer to %q", text) })
		if got := l.kinds()[before]; got != "outcome" {
			t.Errorf("%q is answered with %s", text, got)
		}
	}
	if code := l.say("once more").ends(); code != websocket.StatusPolicyViolation {
		t.Errorf("it ended with %d", code)
	}
	large := h.open().say("bind-with-token " + strings.Repeat("x", 30<<10))
	if code := large.ends(); code != websocket.StatusMessageTooBig {
		t.Errorf("it ended with %d", code)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", h.door.URL+access.SocketPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []struct {
		name, value string
		want        int
	}{{"Accept", "*/*", http.StatusUpgradeRequired}, {"Upgrade", "websocket", http.StatusUpgradeRequired}, {"Connection", "Upgrade", http.StatusBadRequest}} {
		req.Header.Set(header.name, header.value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != header.want || !strings.Contains(resp.Header.Get("Content-Type"), "fhir+json") {
			t.Errorf("with %s: %s %s", header.name, resp.Status, resp.Header)
		}
	}
}

func TestASubscriptionOverAWebsocketHasNoEndpointAndAsksForNothingElse(t *testing.T) {
	h := newHouse(t)
	for name, w := range map[string]wish{
		"an endpoint":             {channel: "websocket", endpoint: "https://ehr.example.org/"},
		"a header":                {channel: "websocket", headers: []string{"A: b"}},
		"a payload with criteria": {channel: "websocket", criteria: "Task?status=requested", payload: "application/fhir+json"},
		"another channel":         {channel: "email"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := h.do("POST", "/Subscription", w.body()); got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "Subscription.channel") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	h.must(http.StatusCreated, "POST", "/Subscription", strings.Replace(overSocket.body(), `"requested"`, `"active"`, 1))
	e := newEndpoint(t, nil)
	hook, _ := h.subscribe(wish{endpoint: e.URL})
	if got := h.do("PUT", "/Subscription/"+hook, overSocket.body()); got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "Subscription.channel.type") {
		t.Errorf("another channel for one that is there: %d %s", got.status, got.body)
	}
	if found := h.finds("/Subscription?type=websocket"); *found.Total != 1 {
		t.Errorf("found are %d", *found.Total)
	}
}

func TestABindingEndsWithItsSubscriptionAndWithItsRight(t *testing.T) {
	h := newHouse(t)
	var ahead atomic.Int64
	away := newHouse(t, func(c *subscriptions.Config) {
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.Now = now
		s := c.Store.(engine)
		c.Bindings = auth.NewBindings(auth.NewRing(s, now), auth.NewRegistry(s, c.Logger), now)
	})
	id, _ := h.subscribe(overSocket)
	l := h.open().say("bind " + id)
	l.hears("handshake")
	h.must(http.StatusNoContent, "DELETE", "/Subscription/"+id, "")
	l.hears("handshake", "outcome")
	id, _ = h.subscribe(overSocket)
	l.say("bind " + id)
	l.hears("handshake", "outcome", "handshake")
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, strings.Replace(overSocket.body(), `"requested"`, `"off"`, 1))
	l.hears("handshake", "outcome", "handshake", "outcome")

	id, _ = away.subscribe(overSocket)
	token := away.token("/" + id + "/$get-ws-binding-token")["token"]
	late := away.open().say("bind-with-token " + token)
	late.hears("handshake")
	ahead.Store(int64(59 * time.Minute))
	away.happen("a1")
	late.hears("handshake", "event-notification 1")
	ahead.Store(int64(61 * time.Minute))
	late.hears("handshake", "event-notification 1", "outcome")
	late.say("bind-with-token " + token)
	late.hears("handshake", "event-notification 1", "outcome", "outcome")
	away.happen("a2")
	late.say("bind-with-token " + away.token("/" + id + "/$get-ws-binding-token")["token"])
	late.hears("handshake", "event-notification 1", "outcome", "outcome", "handshake", "event-notification 2")
}

func TestAWebsocketThatBindsNothingAndOneThatAnswersNothingAreClosed(t *testing.T) {
	ticks := make(chan time.Time)
	h := newHouse(t, func(c *subscriptions.Config) {
		after := c.After
		c.Keepalive, c.Timeout = 7*time.Second, 2*time.Second
		c.After = func(d time.Duration) <-chan time.Time {
			if d == c.Keepalive {
				return ticks
			}
			return after(d)
		}
	})
	idle := h.open()
	ticks <- time.Now()
	if code := idle.ends(); code != websocket.StatusPolicyViolation {
		t.Errorf("it ended with %d", code)
	}
	id, _ := h.subscribe(wish{channel: "websocket", criteria: "DetectedIssue?severity=high"})
	deaf, _, err := websocket.Dial(t.Context(), h.door.URL+access.SocketPath, nil) // it never reads, so it answers no ping
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.CloseNow() }()
	if err := deaf.Write(t.Context(), websocket.MessageText, []byte("bind "+id)); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { return gathered(t, h.metrics)["rapport_subscription_websockets true"] == 1 }, func() string { return "the deaf one to be bound" })
	h.happen("a1")
	h.until(func() bool { return h.sockets() == 0 }, func() string { return "the deaf one to be closed" })
	l := h.open().say("bind " + id)
	l.hears("bound "+id, "ping "+id) // what was sent and not answered for was not told
}

// sockets are how many websockets the metrics say are open.
func (h *house) sockets() int {
	h.Helper()
	got := gathered(h.T, h.metrics)
	return int(got["rapport_subscription_websockets true"] + got["rapport_subscription_websockets false"])
}

func TestThereAreOnlySoManyWebsockets(t *testing.T) {
	h := newHouse(t, func(c *subscriptions.Config) { c.Sockets = 4 })
	id, _ := h.subscribe(overSocket)
	one := h.open().say("bind " + id)
	one.hears("handshake")
	two := h.open().say("bind " + id)
	two.hears("handshake")
	h.happen("a1")
	one.hears("handshake", "event-notification 1")
	two.hears("handshake", "event-notification 1")
	three := h.open().say("bind " + id)
	three.hears("outcome") // half of them are one tenant's
	if _, resp, err := websocket.Dial(t.Context(), h.door.URL+access.SocketPath, nil); err == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more with nothing bound: %v, %v", resp, err)
	}
	_ = one.conn.Close(websocket.StatusNormalClosure, "")
	h.until(func() bool { return h.sockets() == 2 }, func() string { return "one to be gone" })
	three.say("bind " + id)
	three.hears("outcome", "handshake")
}

func TestWhenTheServerStopsWebsocketsAreToldToComeAgain(t *testing.T) {
	stopping := make(chan struct{})
	h := newHouse(t, func(c *subscriptions.Config) { c.Stopping = stopping })
	id, _ := h.subscribe(overSocket)
	l := h.open().say("bind " + id)
	l.hears("handshake")
	close(stopping)
	if code := l.ends(); code != websocket.StatusGoingAway {
		t.Errorf("it ended with %d", code)
	}
	h.room.Hangup()
}

func TestWhoIsTooLateForEventsIsToldSo(t *testing.T) {
	h := newHouse(t)
	id, _ := h.subscribe(overSocket)
	h.happen("a1", "a2")
	if _, err := h.store.(store.Retention).Trim(t.Context(), clinic, noon.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	h.happen("a3")
	h.stop()
	h = houseOver(t, h.store) // a server that remembers none of the events
	l := h.open().say("bind " + id)
	l.hears("handshake", "outcome")
	if got := h.stands(id, "error"); !strings.Contains(fmt.Sprint(got["error"]), "no longer kept") {
		t.Errorf("it stands: %v", got["error"])
	}
	h.must(http.StatusOK, "PUT", "/Subscription/"+id, overSocket.body())
	l.say("bind " + id)
	l.hears("handshake", "outcome", "handshake", "event-notification 3")
}
