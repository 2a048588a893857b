package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// dial opens a connection to the HTTP door and begins to send.
func (g *gated) dial(begin string) net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.HTTPAddr())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, begin); err != nil {
		g.t.Fatal(err)
	}
	return conn
}

func TestWhoTricklesIsCutOff(t *testing.T) {
	g := startGated(t, func(c *server.Config) {
		c.Patience.Header, c.Patience.Body, c.Patience.Idle = 300*time.Millisecond, 600*time.Millisecond, 300*time.Millisecond
	})
	_, full := g.full("default")
	for what, begin := range map[string]string{
		"a header that never ends": "GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nX-A: ",
		"nothing at all":           "",
		"a body that never ends": "POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + full +
			"\r\nContent-Type: application/fhir+json\r\nContent-Length: 100000\r\n\r\n{\"resourceType\":\"Patient\",\"id\":\"",
		"a chunked body that never ends": "POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + full +
			"\r\nContent-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		conn := g.dial(begin)
		stop := make(chan struct{})
		var trickle sync.WaitGroup
		trickle.Go(func() { // a byte now and then, so that the connection is never silent
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					piece := "x"
					if strings.HasPrefix(what, "a chunked") {
						piece = "1\r\nx\r\n"
					}
					if begin == "" {
						piece = ""
					}
					if _, err := io.WriteString(conn, piece); err != nil {
						return
					}
				}
			}
		})
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(conn)
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // net's own
			t.Errorf("%s: the server goes on waiting", what)
		}
		if strings.Contains(string(answer), " 200 ") || strings.Contains(string(answer), " 201 ") {
			t.Errorf("%s: %s", what, answer)
		}
		close(stop)
		trickle.Wait()
	}
	g.want(http.StatusNotFound, "GET", "/fhir/Patient/x", full, "")
}

func TestEveryLimitHasAClearAnswer(t *testing.T) {
	g := startGated(t, func(c *server.Config) {
		c.Access.Rate = auth.Rate{PerSecond: 1, Burst: 100}
		c.Bulk.Jobs = 1
	})
	_, full := g.full("default")
	long := strings.Repeat("x", 1<<20+1)
	entries := strings.Repeat(`{"request":{"method":"GET","url":"Patient/x"}},`, 10_001)
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		says                     []string
	}{
		{"a long string", "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"family":"` + long + `"}]}`, 400, []string{`"too-long"`, `"Patient.name[0].family"`, "1048576"}},
		{"a deep body", "POST", "/fhir/Patient", `{"resourceType":"Patient","extension":` + strings.Repeat(`[{"extension":`, 70) + "1" + strings.Repeat("}]", 70) + "}", 400, []string{`"too-costly"`, "64 levels", `"Patient.extension`}},
		{"a large body", "POST", "/fhir/Patient", `{"resourceType":"Patient","text":{"div":"` + strings.Repeat("x", 17<<20) + `"}}`, 413, []string{`"too-long"`}},
		{"many entries", "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[` + strings.TrimSuffix(entries, ",") + `]}`, 413, []string{`"too-`, "10000"}},
		{"a page without end", "GET", "/fhir/Patient?_count=-1", "", 400, []string{"_count"}},
	} {
		code, text, _ := g.over(c.method, c.path, full, c.body)
		for _, word := range c.says {
			if code != c.status || !strings.Contains(text, word) || !strings.Contains(text, "OperationOutcome") {
				t.Errorf("%s: %d %.300s; want %d and %s", c.what, code, text, c.status, word)
			}
		}
	}
	if text := g.want(http.StatusOK, "GET", "/fhir/Patient?_count=1000000000", full, ""); strings.Contains(text, "_count=1000000000") {
		t.Errorf("a page as large as anybody likes: %s", text)
	}
	for range 200 {
		if code, text, header := g.over("GET", "/fhir/Patient", full, ""); code == http.StatusTooManyRequests {
			if header.Get("Retry-After") == "" || !strings.Contains(text, `"throttled"`) {
				t.Errorf("%v %s", header, text)
			}
			return
		}
	}
	t.Error("a client may ask as often as it likes")
}

// caller of one tenant, with connections of its own.
type caller struct {
	http.Client
	address, token string
}

func (g *gated) caller(token string) *caller {
	c := &caller{address: "http://" + g.HTTPAddr(), token: token}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	c.Transport = transport
	g.t.Cleanup(transport.CloseIdleConnections)
	return c
}

// ask reads a path to its end. A failure counts as nothing served.
func (c *caller) ask(path string) error {
	r, err := http.NewRequest(http.MethodGet, c.address+path, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// spacious registers a tenant with something to search in.
func (g *gated) spacious(tenant ref.Tenant) *caller {
	g.t.Helper()
	_, token := g.full(tenant)
	g.put(token, patientP1)
	var items []*rapportv1.Item
	for n := range 200 {
		items = append(items, &rapportv1.Item{Body: []byte(pulse(fmt.Sprint("o", n), "p1", ""))})
	}
	if _, err := g.ingest.Ingest(as(g.t.Context(), token), &rapportv1.IngestRequest{Source: "ehr", Items: items}); err != nil {
		g.t.Fatal(err)
	}
	return g.caller(token)
}

const manySearched = "/fhir/Observation?patient=p1&_count=100"

// TestAGreedyTenantLeavesAnotherItsHalf counts instead of timing: of what a busy server does while one tenant asks with eight
// times as many connections as another, the other gets its half, less a fifth at most. By turns alone it would be a ninth.
func TestAGreedyTenantLeavesAnotherItsHalf(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Reads, c.Access.Rate.PerSecond = 4, 0 })
	greedy, modest := g.spacious("north"), g.spacious("south")
	stop, served := make(chan struct{}), make(chan *caller)
	var all sync.WaitGroup
	crowd := func(c *caller, connections int) {
		for range connections {
			all.Go(func() {
				for {
					err := c.ask(manySearched)
					if err != nil {
						t.Error(err)
					}
					select {
					case served <- c:
					case <-stop:
						return
					}
				}
			})
		}
	}
	crowd(greedy, 32)
	for range 50 { // it has the house to itself first
		<-served
	}
	crowd(modest, 4)
	own, theirs := 0, 0
	for range 400 {
		if <-served == modest {
			own++
		} else {
			theirs++
		}
	}
	close(stop)
	all.Wait()
	if share := float64(own) / float64(own+theirs); share < 0.4 {
		t.Errorf("the modest tenant got %.0f %% of the work (%d, and the greedy one %d)", share*100, own, theirs)
	} else {
		t.Logf("the modest tenant got %.0f %% of the work (%d, and the greedy one %d)", share*100, own, theirs)
	}
}

// TestStuckClientsSlowNobodyDown compares windows in which the connections of another tenant hang with windows in which there
// are none. A machine that is busy otherwise spoils some windows, and not all: a server that is slowed spoils all.
func TestStuckClientsSlowNobodyDown(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Reads, c.Access.Writes, c.Access.Rate.PerSecond = 4, 8, 0 })
	stuck, modest := g.spacious("north"), g.spacious("south")
	window := func() time.Duration {
		var took []time.Duration
		for range 20 {
			begun := time.Now()
			if err := modest.ask(manySearched); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	hang := func() (free func()) {
		var conns []net.Conn
		for range 40 {
			half := g.dial("POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + stuck.token +
				"\r\nContent-Type: application/fhir+json\r\nContent-Length: 100000\r\n\r\n{")
			unread := g.dial("GET " + manySearched + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + stuck.token + "\r\n\r\n")
			conns = append(conns, half, unread)
		}
		streams := []rapportv1.AlertService_SubscribeClient{}
		for range 20 {
			s, err := g.alerts.Subscribe(as(t.Context(), stuck.token), &rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "all"}}, HeartbeatSeconds: 1})
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s) // never read from
		}
		for i := 1; i < len(conns); i += 2 { // all that is stuck is stuck by now: the answers wait to be read
			if _, err := bufio.NewReaderSize(conns[i], 16).Peek(1); err != nil {
				t.Fatal(err)
			}
		}
		window() // what the streams were sent before they stood still
		return func() {
			for _, c := range conns {
				_ = c.Close()
			}
			for _, s := range streams {
				_ = s.CloseSend()
			}
		}
	}
	window()
	alone, beside := time.Hour, time.Hour
	for range 8 {
		alone = min(alone, window())
		free := hang()
		beside = min(beside, window())
		free()
		if beside <= alone*12/10 {
			return
		}
	}
	t.Errorf("%v beside stuck clients, and %v without", beside, alone)
}
