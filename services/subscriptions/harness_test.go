package subscriptions_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/subscriptions"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	os.Exit(testbed.Main(m))
}

const clinic = ref.Tenant("clinic")

// engine is what the room and its tests ask of a store.
type engine interface {
	subscriptions.Store
	store.Registrations
	watch.Source
	Close() error
}

// quick is a configuration that waits for nothing long.
func quick(s engine, log *watch.Log) subscriptions.Config {
	c := subscriptions.Default()
	c.Store, c.Log, c.Resources = s, log, shelf{}
	c.Principal = func(*http.Request) (access.Principal, error) {
		return access.Principal{Name: "ehr", Tenant: clinic}, nil
	}
	c.BaseURL, c.AllowPrivate = "https://rapport.example.org/fhir", true
	c.Poll, c.Timeout, c.Patience, c.MaxPatience = 20*time.Millisecond, 5*time.Second, 5*time.Millisecond, 20*time.Millisecond
	c.Bindings = auth.NewBindings(auth.NewRing(s, time.Now), auth.NewRegistry(s, slog.New(slog.DiscardHandler)), time.Now)
	c.MinHeartbeat, c.Attempts, c.Refusals, c.DeadInRow = time.Second, 5, 2, 3
	return c
}

// shelf serves any resource but those that are gone.
type shelf struct{}

func (shelf) Resource(_ context.Context, _ ref.Tenant, of ref.Resource) ([]byte, error) {
	if of.ID == "gone" {
		return nil, fault.Newf(fault.NotFound, "not-found", "gone")
	}
	return []byte(`{"resourceType":"` + of.Type + `","id":"` + of.ID + `"}`), nil
}

// house is a room over a real store, with a real socket.
type house struct {
	*testing.T
	store engine
	log   *watch.Log
	room  *subscriptions.Room
	door  *httptest.Server
	lines *bytes.Buffer
	stop  func()
	// metrics of the room.
	metrics *prometheus.Registry
}

func newHouse(t *testing.T, changes ...func(*subscriptions.Config)) *house {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rapport.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return houseOver(t, s, changes...)
}

// locked is a buffer for many writers.
type locked struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func houseOver(t *testing.T, s engine, changes ...func(*subscriptions.Config)) *house {
	t.Helper()
	h := &house{T: t, store: s, log: watch.New(s, watch.Default()), lines: &bytes.Buffer{}}
	config := quick(s, h.log)
	config.Logger = slog.New(slog.NewTextHandler(&locked{to: h.lines}, nil))
	h.metrics = prometheus.NewRegistry()
	config.Metrics = h.metrics
	config.Resolver = liar(t, [4]byte{127, 0, 0, 1}) // no test looks for a name outside
	for _, change := range changes {
		change(&config)
	}
	var err error
	if h.room, err = subscriptions.New(config); err != nil {
		t.Fatal(err)
	}
	h.door = httptest.NewServer(h.room)
	t.Cleanup(h.door.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.room.Run(ctx)
	}()
	h.stop = func() { cancel(); <-ended }
	t.Cleanup(h.stop)
	return h
}

// reply is an answer of the room.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (h *house) do(method, path, body string) reply {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, h.door.URL+"/fhir"+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, got}
}

func (h *house) must(status int, method, path, body string) reply {
	h.Helper()
	r := h.do(method, path, body)
	if r.status != status {
		h.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r
}

// wish is a Subscription as a client sends it.
type wish struct {
	topic, content, endpoint string
	criteria                 string
	filters                  []string
	maxCount, heartbeat      int
	headers                  []string
	payload                  string
	// channel is rest-hook when it is empty.
	channel string
}

const backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"

func (w wish) body() string {
	type object = map[string]any
	channel := object{"type": cmp.Or(w.channel, "rest-hook")}
	if w.endpoint != "" {
		channel["endpoint"] = w.endpoint
	}
	var ext []object
	if w.maxCount > 0 {
		ext = append(ext, object{"url": backport + "backport-max-count", "valuePositiveInt": w.maxCount})
	}
	if w.heartbeat > 0 {
		ext = append(ext, object{"url": backport + "backport-heartbeat-period", "valueUnsignedInt": w.heartbeat})
	}
	if ext != nil {
		channel["extension"] = ext
	}
	if w.headers != nil {
		channel["header"] = w.headers
	}
	out := object{"resourceType": "Subscription", "status": "requested", "reason": "to be told", "channel": channel}
	if w.criteria != "" {
		out["criteria"] = w.criteria
		if w.payload != "" {
			channel["payload"] = w.payload
		}
	} else {
		topic := w.topic
		if topic == "" {
			topic = "care-alert"
		}
		content := w.content
		if content == "" {
			content = "id-only"
		}
		out["criteria"] = "https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/" + topic
		channel["payload"] = "application/fhir+json"
		channel["_payload"] = object{"extension": []object{{"url": backport + "backport-payload-content", "valueCode": content}}}
	}
	var filters []object
	for _, f := range w.filters {
		filters = append(filters, object{"url": backport + "backport-filter-criteria", "valueString": f})
	}
	if filters != nil {
		out["_criteria"] = object{"extension": filters}
	}
	text, _ := json.Marshal(out)
	return string(text)
}

// subscribe makes a subscription, and returns its id and its secret.
func (h *house) subscribe(w wish) (id, secret string) {
	h.Helper()
	r := h.must(http.StatusCreated, "POST", "/Subscription", w.body())
	var head struct{ ID string }
	if err := json.Unmarshal(r.body, &head); err != nil {
		h.Fatal(err)
	}
	return head.ID, r.header.Get(subscriptions.HeaderSecret)
}

// stands waits until a subscription has a status.
func (h *house) stands(id, status string) map[string]any {
	h.Helper()
	var got map[string]any
	h.until(func() bool {
		got = nil
		_ = json.Unmarshal(h.must(http.StatusOK, "GET", "/Subscription/"+id, "").body, &got)
		return got["status"] == status
	}, func() string { return "status " + status + ", it is " + got["status"].(string) })
	return got
}

// until waits for something that others bring about.
func (h *house) until(holds func() bool, what func() string) {
	h.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			h.Fatalf("waited in vain for %s", what())
		case <-tick.C:
		}
	}
}

// happen commits alerts, as the commit room does.
func happen(t *testing.T, s engine, log *watch.Log, ids ...string) {
	t.Helper()
	var events []feed.Draft
	moved, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
		all, err := tx.ListSubscriptions()
		if err != nil {
			return err
		}
		made := &decision.Decision{}
		for _, id := range ids {
			a, event := alert.Begin(alert.Alert{
				ID: id, Finding: id, Rule: "phq9-item-9", Title: "Item 9", Seen: "item 9 is 2", Severity: judge.Critical, Safety: true,
				Patient: "p1", Episode: "p1", Facts: []string{"f"}, Effective: noon, Feeds: []feed.Name{"team:north"},
			}, noon, "")
			made.Alerts, made.Events = append(made.Alerts, a), append(made.Events, event)
		}
		subscription.NewAudience(all).Address(made.Events, made.Records, made.Alerts)
		events = made.Events
		return tx.Commit(made)
	})
	if err != nil {
		t.Fatal(err)
	}
	if log != nil {
		log.Moved(clinic, moved, events...)
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func (h *house) happen(ids ...string) { h.Helper(); happen(h.T, h.store, h.log, ids...) }

// call is one call of an endpoint.
type call struct {
	method, path string
	header       http.Header
	body         []byte
}

// kind is what a notification is for; empty for a call of plain R4.
func (c call) kind() string { return c.first("type").ValueCode }

type part struct {
	Name, ValueCode, ValueString string
	ValueCanonical               string
	ValueReference               struct{ Reference string }
	Part                         []part
}

func (c call) parts() []part {
	var b struct {
		Entry []struct{ Resource struct{ Parameter []part } }
	}
	if json.Unmarshal(c.body, &b) != nil || len(b.Entry) == 0 {
		return nil
	}
	return b.Entry[0].Resource.Parameter
}

func (c call) first(name string) part {
	for _, p := range c.parts() {
		if p.Name == name {
			return p
		}
	}
	return part{}
}

// numbers are those of the events it tells of.
func (c call) numbers() []int64 {
	var out []int64
	for _, p := range c.parts() {
		if p.Name == "notification-event" {
			n, _ := strconv.ParseInt(p.Part[0].ValueString, 10, 64)
			out = append(out, n)
		}
	}
	return out
}

// endpoint is a subscriber's server.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []call
	answer func(call) int
}

func newEndpoint(t *testing.T, answer func(call) int) *endpoint {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := call{r.Method, r.URL.Path, r.Header.Clone(), body}
		e.mu.Lock()
		status := http.StatusOK
		answer := e.answer
		e.mu.Unlock()
		if answer != nil {
			status = answer(c)
		}
		e.mu.Lock()
		e.calls = append(e.calls, c)
		e.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) answers(answer func(call) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// of are the calls of a kind so far.
func (e *endpoint) of(kind string) []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.calls), func(c call) bool { return c.kind() != kind })
}

// told are the numbers of the events told so far, in order.
func (e *endpoint) told() []int64 {
	var out []int64
	for _, c := range e.of("event-notification") {
		out = append(out, c.numbers()...)
	}
	return out
}

// hears waits until events with these numbers were told, in this order and no others.
func (h *house) hears(e *endpoint, want ...int64) {
	h.Helper()
	h.until(func() bool { return len(e.told()) >= len(want) }, func() string { return "events " + text(want) + ", told are " + text(e.told()) })
	if got := e.told(); !slices.Equal(got, want) {
		h.Fatalf("told are %v, want %v", got, want)
	}
}

func text(of []int64) string {
	out, _ := json.Marshal(of)
	return string(out)
}

// upTo are the numbers from 1 to n.
func upTo(n int64) []int64 {
	var out []int64
	for i := range n {
		out = append(out, i+1)
	}
	return out
}
