package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// shown is a Face that has so many Patients, and stops where it is told.
type shown struct {
	Face
	patients int
	// before is called before each portion.
	before func(ctx context.Context, from Spot) error
	bodies func(n int) string
}

func (s *shown) Types() []string            { return []string{"Patient"} }
func (s *shown) Check(string, string) error { return nil }
func (s *shown) Base(*http.Request) string  { return "http://example.org/fhir" }
func (s *shown) Freeze(context.Context, ref.Tenant, []Taken, func(int, []byte) error) (int64, error) {
	return int64(s.patients), nil
}

func (s *shown) Portion(ctx context.Context, _ ref.Tenant, _ Taken, from Spot, max int) (Portion, error) {
	if s.before != nil {
		if err := s.before(ctx, from); err != nil {
			return Portion{}, err
		}
	}
	var p Portion
	for n := int(from.Seq); n < min(s.patients, int(from.Seq)+max); n++ {
		p.Resources = append(p.Resources, []byte(s.bodies(n)))
	}
	if next := int(from.Seq) + max; next < s.patients {
		p.Next = &Spot{Seq: int64(next), ID: "x"}
	}
	return p, nil
}

func patient(n int) string { return fmt.Sprintf(`{"resourceType":"Patient","id":"p%06d"}`, n) }

// wide fills a step of an export after few portions.
func wide(n int) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":"p%06d","x":"%s"}`, n, strings.Repeat("x", 10_000))
}

// clinic is the room over a real store, with a clock that is moved.
type clinic struct {
	*testing.T
	*Room
	store *sqlite.Store
	clock atomic.Int64
	stop  func()
	log   *strings.Builder
}

type locked struct {
	mu sync.Mutex
	io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Writer.Write(b)
}

func open(t *testing.T, face Face, changes ...func(*Config)) *clinic {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "c.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &clinic{T: t, store: s, log: &strings.Builder{}}
	c.clock.Store(noon.UnixMicro())
	config := Default()
	config.Store, config.Face, config.Dir = s, face, filepath.Join(t.TempDir(), "bulk")
	config.Now = func() time.Time { return time.UnixMicro(c.clock.Load()).UTC() }
	ids := 0
	config.ID = func() string { ids++; return fmt.Sprintf("JOB%023d", ids) }
	config.Log = slog.New(slog.NewTextHandler(&locked{Writer: c.log}, nil))
	config.Caller = func(r *http.Request) (access.Principal, error) {
		name := r.Header.Get("X-Name")
		if name == "nobody" {
			return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "who?")
		}
		return access.Principal{Name: name, Tenant: ref.Tenant("t" + name)}, nil
	}
	config.As = func(ctx context.Context, _ access.Principal) context.Context { return ctx }
	config.Begin = func(context.Context, ref.Tenant, []decision.Submission) (func() ([]decision.Receipt, error), error) {
		return nil, fault.New(fault.Unavailable)
	}
	for _, change := range changes {
		change(&config)
	}
	c.restart(config)
	return c
}

// restart ends the room, if there is one, and begins another over the same store and folder.
func (c *clinic) restart(config Config) {
	c.Helper()
	if c.stop != nil {
		c.stop()
	}
	room, err := New(config)
	if err != nil {
		c.Fatal(err)
	}
	room.every = 10 * time.Millisecond
	c.Room = room
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { room.Run(ctx) })
	c.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	c.Cleanup(c.stop)
}

func (c *clinic) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(c.Context(), method, "/fhir"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// begin kicks off, and returns the path of the status.
func (c *clinic) begin(path string, headers ...string) string {
	c.Helper()
	w := c.ask(http.MethodGet, path, "", headers...)
	if w.Code != http.StatusAccepted {
		c.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return strings.TrimPrefix(w.Header().Get("Content-Location"), "http://example.org/fhir")
}

// eventually waits for something that another goroutine does.
func (c *clinic) eventually(what string, is func() bool) {
	c.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	c.Fatalf("never: %s", what)
}

func (c *clinic) done(at string, headers ...string) (m manifest) {
	c.Helper()
	c.eventually(at+" is done", func() bool {
		w := c.ask(http.MethodGet, at, "", headers...)
		c.clock.Add(1_000_000)
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
				c.Fatal(err)
			}
		}
		return w.Code == http.StatusOK
	})
	return m
}

// lines of all output, in order.
func (c *clinic) lines(m manifest) (out []string) {
	c.Helper()
	for _, f := range m.Output {
		w := c.ask(http.MethodGet, strings.TrimPrefix(f.URL, "http://example.org/fhir"), "")
		got := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		if w.Code != http.StatusOK || int64(len(got)) != f.Count {
			c.Errorf("%s: %d, %d lines of %d", f.URL, w.Code, len(got), f.Count)
		}
		out = append(out, got...)
	}
	return out
}

func TestAnExportGoesOnWhereItWasWhenTheServerEnded(t *testing.T) {
	reached := make(chan Spot, 100)
	var blocking atomic.Bool
	blocking.Store(true)
	face := &shown{patients: 1_900, bodies: wide}
	face.before = func(ctx context.Context, from Spot) error {
		if blocking.Load() && from.Seq >= 1_200 {
			reached <- from
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	c := open(t, face)
	at := c.begin("/$export")
	<-reached
	if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusAccepted || !strings.Contains(w.Header().Get("X-Progress"), "type 1 of 1: Patient") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	c.stop()
	// What was written behind the last step, and by nobody, is no part of it.
	file := filepath.Join(c.folder("JOB00000000000000000000001"), "Patient-1.ndjson")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"resourceType":"Patient","id":"half`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var begun []Spot
	blocking.Store(false)
	face.before = func(_ context.Context, from Spot) error { begun = append(begun, from); return nil }
	c.restart(c.Config)
	lines := c.lines(c.done(at))
	if len(lines) != 1_900 || !slices.IsSorted(lines) || len(slices.Compact(lines)) != 1_900 {
		t.Errorf("%d lines", len(lines))
	}
	if len(begun) == 0 || begun[0].Seq == 0 || begun[0].Seq > 1_200 {
		t.Errorf("it went on at %v", begun)
	}
}

func TestPollingTooOftenIsToldWhenToComeAgain(t *testing.T) {
	hold := make(chan struct{})
	c := open(t, &shown{patients: 1, bodies: patient, before: func(ctx context.Context, _ Spot) error {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return ctx.Err()
	}})
	at := c.begin("/$export")
	for n := range pollsAtOnce {
		if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusAccepted || w.Header().Get("Retry-After") != "1" {
			t.Fatalf("poll %d: %d %v", n, w.Code, w.Header())
		}
	}
	w := c.ask(http.MethodGet, at, "")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"throttled"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	c.clock.Add((20 * time.Second).Microseconds())
	if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusAccepted || w.Header().Get("Retry-After") != "5" {
		t.Errorf("later: %d %v", w.Code, w.Header())
	}
	close(hold)
	c.done(at)
	for range 3 * pollsAtOnce {
		if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusOK {
			t.Fatalf("once it is done: %d", w.Code)
		}
	}
}

func TestATenantHasNoMoreExportsUnderWayThanItMay(t *testing.T) {
	hold := make(chan struct{})
	c := open(t, &shown{patients: 1, bodies: patient, before: func(ctx context.Context, _ Spot) error {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}, func(config *Config) { config.PerTenant = 2 })
	first := c.begin("/$export")
	c.begin("/$export")
	w := c.ask(http.MethodGet, "/$export", "")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("a third: %d %v", w.Code, w.Header())
	}
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 2 {
		t.Errorf("folders %v, %v", left, err)
	}
	other := c.begin("/$export", "X-Name", "other")
	if w := c.ask(http.MethodDelete, first, ""); w.Code != http.StatusAccepted {
		t.Errorf("deleting: %d", w.Code)
	}
	if w := c.ask(http.MethodGet, first, ""); w.Code != http.StatusNotFound {
		t.Errorf("deleted: %d", w.Code)
	}
	third := c.begin("/$export")
	close(hold)
	c.done(third)
	c.done(other, "X-Name", "other")
	c.eventually("the files of what was deleted are gone", func() bool {
		left, err := os.ReadDir(c.Dir)
		return err == nil && len(left) == 3
	})
}

func TestWorkIsSharedAmongTenants(t *testing.T) {
	b := &busyness{jobs: map[string]ref.Tenant{}}
	jobs := []jobLike{{"a", "1"}, {"a", "2"}, {"a", "3"}, {"b", "4"}}
	var got []string
	for job := range b.choose(listedJobs(jobs), 2) {
		got = append(got, job.ID)
	}
	if !slices.Equal(got, []string{"1", "4"}) {
		t.Errorf("chosen %v", got)
	}
	b.end("1")
	for job := range b.choose(listedJobs(jobs[1:]), 2) {
		got = append(got, job.ID)
	}
	if !slices.Equal(got, []string{"1", "4", "2"}) {
		t.Errorf("chosen %v", got)
	}
}

func TestWhatCannotBeDoneEndsAndWhatIsAwayIsTriedAgain(t *testing.T) {
	var away atomic.Int64
	away.Store(2)
	c := open(t, &shown{patients: 1, bodies: patient, before: func(context.Context, Spot) error {
		if away.Add(-1) >= 0 {
			return fault.New(fault.Unavailable)
		}
		return nil
	}})
	if got := c.lines(c.done(c.begin("/$export"))); len(got) != 1 {
		t.Errorf("lines %v", got)
	}
	c.Face.(*shown).before = func(context.Context, Spot) error { panic("synthetic-secret") }
	at := c.begin("/$export")
	c.eventually("it is given up", func() bool {
		c.clock.Add(1_000_000)
		return c.ask(http.MethodGet, at, "").Code == http.StatusInternalServerError
	})
	c.stop()
	if strings.Contains(c.log.String(), "synthetic-secret") {
		t.Error("the log tells what a panic held")
	}
	if w := c.ask(http.MethodDelete, at, ""); w.Code != http.StatusAccepted {
		t.Errorf("deleting it: %d", w.Code)
	}
}

func TestWhatHasExpiredIsSweptAway(t *testing.T) {
	c := open(t, &shown{patients: 1, bodies: patient})
	at := c.begin("/$export")
	c.done(at)
	orphan := filepath.Join(c.Dir, "JOBORPHANED0000000000000")
	foreign := filepath.Join(c.Dir, "mine")
	for _, folder := range []string{orphan, foreign} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(folder, time.Time{}, time.Now().Add(-2*orphaned)); err != nil {
			t.Fatal(err)
		}
	}
	c.sweep(t.Context())
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
	c.clock.Add((25 * time.Hour).Microseconds())
	c.sweep(t.Context())
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 1 || left[0].Name() != "mine" {
		t.Errorf("left %v, %v", left, err)
	}
}

// door is where an import goes: it remembers what it was given, by key.
type door struct {
	mu     sync.Mutex
	bodies []string
	keys   map[string]bool
	// allow says whether a commit may go through; after one that may not the server is away.
	allow func(n int) bool
	given int
}

func (d *door) begin(_ context.Context, _ ref.Tenant, of []decision.Submission) (func() ([]decision.Receipt, error), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given++
	n := d.given
	seen := map[string]bool{}
	receipts := make([]decision.Receipt, len(of))
	for i, s := range of {
		name := named(s.Body)
		if name != "" && seen[name] {
			return nil, fmt.Errorf("%s stands twice in one batch", name)
		}
		seen[name] = true
		receipts[i].Outcome = record.Stored
		if !s.BackFill || s.Key == "" {
			return nil, fmt.Errorf("a line without key, or no back-fill: %s", s.Body)
		}
		if d.keys[s.Key] {
			receipts[i].Outcome = record.Unchanged
			continue
		}
		d.keys[s.Key] = true
		d.bodies = append(d.bodies, string(s.Body))
	}
	return func() ([]decision.Receipt, error) {
		if d.allow != nil && !d.allow(n) {
			return nil, fault.New(fault.Unavailable)
		}
		return receipts, nil
	}, nil
}

func TestAnImportIsResumedWithoutDoubling(t *testing.T) {
	d := &door{keys: map[string]bool{}, allow: func(n int) bool { return n%3 != 0 }} // a third of the answers is lost
	c := open(t, &shown{patients: 1, bodies: patient}, func(config *Config) { config.Begin = d.begin })
	var body strings.Builder
	var want []string
	for n := range 5_000 {
		line := patient(n % 4_900)
		want = append(want, line)
		body.WriteString(line + "\r\n")
		if n%1000 == 999 {
			body.WriteString("\n  \n")
		}
	}
	w := c.ask(http.MethodPost, "/$import", body.String(), "Content-Type", "application/fhir+ndjson")
	if w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	at := strings.TrimPrefix(w.Header().Get("Content-Location"), "http://example.org/fhir")
	c.eventually("some of it is in", func() bool {
		c.clock.Add(1_000_000)
		return strings.Contains(c.ask(http.MethodGet, at, "").Header().Get("X-Progress"), "lines")
	})
	c.restart(c.Config)
	m := c.done(at)
	if !slices.Equal(d.bodies, want) {
		t.Errorf("%d lines came in, not %d", len(d.bodies), len(want))
	}
	if total := m.Extension["stored"].(float64) + m.Extension["unchanged"].(float64); total != 5_000 || m.Extension["rejected"].(float64) != 0 {
		t.Errorf("counts %v", m.Extension)
	}
}

func TestLinesOfAnInput(t *testing.T) {
	c := open(t, &shown{patients: 1, bodies: patient}, func(config *Config) { config.MaxInput = 100; config.Begin = (&door{keys: map[string]bool{}}).begin })
	for body, want := range map[string]int{strings.Repeat("x", 101): 400, "\x1f\x8bnonsense": 400, "\x1f\x8b": 400} {
		if w := c.ask(http.MethodPost, "/$import", body, "Content-Type", "application/fhir+ndjson"); w.Code != want {
			t.Errorf("%q: %d %s", body[:2], w.Code, w.Body)
		}
	}
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1:248:1893:25c8:1946]:443": true, "127.0.0.1:443": false, "10.0.0.1:443": false,
		"172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:80": false, "100.64.0.1:443": false, "0.0.0.0:443": false,
		"[::1]:443": false, "[fe80::1]:443": false, "[fd00::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[64:ff9b::7f00:1]:443": false,
		"224.0.0.1:443": false, "255.255.255.255:443": false, "198.18.0.1:443": false, "[2002:7f00:1::]:443": false, "nonsense": false,
	} {
		if got := judgeAddress(address, false) == nil; got != want {
			t.Errorf("%s: public is %t", address, got)
		}
	}
}

// jobLike is a job as far as choosing needs it.
type jobLike struct{ tenant, id string }

func listedJobs(of []jobLike) (out []store.Job) {
	for _, j := range of {
		out = append(out, store.Job{Tenant: ref.Tenant(j.tenant), ID: j.id})
	}
	return out
}

func TestOthersAreSeenToWorkByTheirCommits(t *testing.T) {
	count := int64(7)
	r := &Room{beats: map[ref.Tenant]beat{}}
	if r.others("") {
		t.Error("they are seen although nobody counts")
	}
	r.Pulse = func(ref.Tenant) int64 { return count }
	for _, want := range []bool{false, false} {
		if got := r.others("a"); got != want {
			t.Errorf("nobody has worked, and it says %t", got)
		}
	}
	count++
	for range 2 {
		if !r.others("a") {
			t.Error("somebody has worked just now")
		}
	}
	if r.others("b") {
		t.Error("for another nothing is known yet")
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "\n", "a\nb", "\ufeffa\r\n\r\nb\r", "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return // what is read again from each line on grows with its square
		}
		from := lines{r: bufio.NewReaderSize(strings.NewReader(text), 16)}
		var got []string
		for {
			before := from.offset
			line, err := from.next()
			if err != nil {
				break
			}
			if line == nil || from.offset <= before || strings.TrimSpace(string(line)) != string(line) {
				t.Fatalf("%q gives %q", text, line)
			}
			got = append(got, string(line))
			// Who begins here reads what is left.
			rest := lines{r: bufio.NewReader(strings.NewReader(text[from.offset:])), number: from.number}
			again, err := rest.next()
			ahead := from
			ahead.r = bufio.NewReader(strings.NewReader(text[from.offset:]))
			if next, nextErr := ahead.next(); string(next) != string(again) || (err == nil) != (nextErr == nil) {
				t.Fatalf("%q at %d: %q, not %q", text, from.offset, again, next)
			}
			_ = named(line)
		}
		if from.offset != int64(len(text)) {
			t.Fatalf("%q was read up to %d", text, from.offset)
		}
		want := 0
		for line := range strings.SplitSeq(text, "\n") {
			if strings.TrimSpace(line) != "" {
				want++
			}
		}
		if len(got) > want || len(got) < want-1 {
			t.Fatalf("%q has %d lines, not %d", text, len(got), want)
		}
	})
}

func FuzzKickOff(f *testing.F) {
	for _, seed := range []string{
		"_type=Patient&_since=2026-01-01T00:00:00Z", "_typeFilter=Patient?gender=male,female,Patient?active=true", "_elements=id,Patient.name",
		"patient=Patient/1,2&includeAssociatedData=LatestProvenanceResources", "%zz", "_outputFormat=application/fhir+ndjson", "a=b;c",
	} {
		f.Add(seed, `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/1"}}]}`)
	}
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, prefer := range []string{"", "handling=lenient"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/fhir/Patient/$export", strings.NewReader(body))
			r.URL.RawQuery = query
			r.Header.Set("Prefer", prefer)
			c := &call{Room: &Room{Config: Config{Face: &shown{}}}, w: httptest.NewRecorder(), r: r}
			a, err := c.ask(ofPeople)
			if err != nil && fault.Of(err) == fault.Internal {
				t.Fatalf("%q %q: %v", query, body, err)
			}
			if err == nil && len(a.types) == 0 && len(a.issues) == 0 && !a.named {
				t.Fatalf("%q %q asks for nothing", query, body)
			}
		}
	})
}
