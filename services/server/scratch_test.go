package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"github.com/redis/go-redis/v9"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

func (c *clinic) from(source string, bodies ...string) []*rapportv1.Result {
	c.t.Helper()
	req := &rapportv1.IngestRequest{Source: source}
	for _, b := range bodies {
		req.Items = append(req.Items, &rapportv1.Item{Body: []byte(b)})
	}
	resp, err := c.ingest.Ingest(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.GetResults()
}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (c *clinic) post(path, body string, head ...string) (int, string) {
	c.t.Helper()
	req, _ := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.HTTPAddr()+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/fhir+json")
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func short(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 400 {
		s = s[:400]
	}
	return s
}

func TestScratchBundles(t *testing.T) {
	var store string
	c := start(t, func(c *server.Config) { store = c.Store })
	bundle := func(typ string, n, bad int) string {
		var b strings.Builder
		b.WriteString(`{"resourceType":"Bundle","type":"` + typ + `","entry":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			body := phq9(fmt.Sprint(typ, i), fmt.Sprint("p", i%500), monday.Add(time.Duration(i)*time.Minute), 1, 1, 1, 1, 1, 1, 1, 1, 0)
			if i == bad {
				body = strings.Replace(body, "completed", "wrong", 1)
			}
			b.WriteString(`{"resource":` + body + `,"request":{"method":"POST","url":"QuestionnaireResponse"}}`)
		}
		b.WriteString("]}")
		return b.String()
	}
	for _, x := range []struct {
		typ    string
		n, bad int
	}{{"batch", 10000, -1}, {"batch", 10001, -1}, {"transaction", 10000, 9999}, {"transaction", 10000, -1}} {
		body := bundle(x.typ, x.n, x.bad)
		b := time.Now()
		r := c.send(body)[0]
		t.Logf("%v gRPC %v %d entries %.200s (%d MB)", x, time.Since(b), len(r.GetEntries()), short(r), len(body)>>20)
		b = time.Now()
		code, a := c.post("/fhir", body)
		t.Logf("%v REST %v %d %.300s", x, time.Since(b), code, a)
	}
	code, a := c.post("/fhir", bundle("transaction", 0, -1))
	t.Log("empty transaction", code, a)
	one := phq9("same", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0)
	two := phq9("same", "p1", monday, 2, 2, 2, 2, 2, 2, 2, 2, 0)
	for _, typ := range []string{"transaction", "batch"} {
		for _, second := range []string{one, two} {
			tx := `{"resourceType":"Bundle","type":"` + typ + `","entry":[{"resource":` + one + `,"request":{"method":"PUT","url":"QuestionnaireResponse/same"}},{"resource":` + second + `,"request":{"method":"PUT","url":"QuestionnaireResponse/same"}}]}`
			code, a := c.post("/fhir", tx)
			t.Logf("twice %s: %d %.600s", typ, code, a)
			t.Logf("     %s", short(c.send(tx)[0]))
		}
	}
	cyc := `{"resourceType":"Bundle","type":"transaction","entry":[` +
		`{"fullUrl":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000001","resource":{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"x"},"subject":{"reference":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000002"},"addresses":[{"reference":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000001"}]},"request":{"method":"POST","url":"Goal"}},` +
		`{"fullUrl":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000002","resource":{"resourceType":"Patient","link":[{"type":"seealso","other":{"reference":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000002"}}]},"request":{"method":"POST","url":"Patient"}}]}`
	t.Log("cycle", short(c.send(cyc)[0]))
	dangling := strings.Replace(cyc, `"reference":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000002"},"add`, `"reference":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000003"},"add`, 1)
	t.Log("dangling", short(c.send(dangling)[0]))
	verified(t, store)
}

func TestScratchIdentity(t *testing.T) {
	var store string
	var logs safeBuffer
	c := start(t, func(c *server.Config) { store = c.Store; c.Log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})) })
	sad := func(id, p string, at time.Time) string { return phq9(id, p, at, 0, 0, 0, 0, 0, 0, 0, 0, 2) }
	// collision of namers
	t.Log("pro/1:", c.from("pro", sad("x", "1", monday)))
	t.Log("ehr refers to pro.1:", c.from("ehr", sad("y", "pro.1", monday)))
	t.Log("pro Patient 1:", c.from("pro", `{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:mrn","value":"77"}]}`))
	t.Log("ehr refers to pro.1 again:", c.from("ehr", sad("z", "pro.1", monday)))
	t.Log("ehr Patient pro.1:", c.from("ehr", `{"resourceType":"Patient","id":"pro.1"}`))
	t.Log("a.b / c:", c.from("a.b", `{"resourceType":"Patient","id":"c"}`))
	t.Log("a / b.c:", c.from("a", `{"resourceType":"Patient","id":"b.c"}`))
	// stub completed
	t.Log("stub:", c.from("ehr", sad("s", "late", monday)))
	t.Log("completed:", c.from("ehr", `{"resourceType":"Patient","id":"late","identifier":[{"system":"urn:mrn","value":"late"}]}`))
	// identifier-only
	idOnly := func(id, v string) string {
		return strings.NewReplacer(`"subject":{"reference":"Patient/q"}`, `"subject":{"identifier":{"system":"urn:mrn","value":"`+v+`"}}`, `"source":{"reference":"Patient/q"},`, "").Replace(sad(id, "q", monday))
	}
	t.Log("idonly:", c.from("pro", idOnly("i1", "500")))
	t.Log("patient:", c.from("ehr", `{"resourceType":"Patient","id":"p500","identifier":[{"system":"urn:mrn","value":"500"}]}`))
	t.Log("ref:", c.from("ehr", sad("i2", "p500", monday.Add(time.Hour))))
	sc, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "p500"})
	t.Log("scores of p500:", len(sc.GetSheets()), err)
	e, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "p500"})
	t.Log("episode of p500:", short(e), err)
	code, a := func() (int, string) {
		r, _ := http.Get("http://" + c.HTTPAddr() + "/fhir/QuestionnaireResponse?patient=p500")
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		return r.StatusCode, string(b)
	}()
	t.Log("REST search of p500:", code, short(a))
	// identifier corrected
	t.Log("p700:", c.from("ehr", `{"resourceType":"Patient","id":"p700","identifier":[{"system":"urn:mrn","value":"700"}]}`))
	t.Log("p701 dup:", c.from("ehr", `{"resourceType":"Patient","id":"p701","identifier":[{"system":"urn:mrn","value":"700"}]}`))
	t.Log("p700 corrected:", c.from("ehr", `{"resourceType":"Patient","id":"p700","identifier":[{"system":"urn:mrn","value":"702"}]}`))
	t.Log("p701 again:", c.from("ehr", `{"resourceType":"Patient","id":"p701","identifier":[{"system":"urn:mrn","value":"700"}]}`))
	// move
	t.Log("m:", c.from("ehr", sad("m", "a1", monday)))
	t.Log("m moved:", c.from("ehr", sad("m", "b1", monday)))
	for _, p := range []string{"a1", "b1"} {
		for _, al := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: p}) {
			t.Log("  ", p, al.GetRule(), al.GetStatus())
		}
		sc, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: p})
		t.Log("  ", p, len(sc.GetSheets()), err)
	}
	// eie and back
	eie := strings.Replace(sad("m", "b1", monday), "completed", "entered-in-error", 1)
	t.Log("eie:", c.from("ehr", eie), "back:", c.from("ehr", sad("m", "b1", monday)))
	for _, al := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "b1"}) {
		t.Log("  ", al.GetRule(), al.GetStatus(), al.GetId())
	}
	// in one batch, all of it
	t.Log("batch:", c.from("ehr", sad("n", "a2", monday), sad("n", "b2", monday), strings.Replace(sad("n", "b2", monday), "completed", "entered-in-error", 1), sad("n", "a2", monday)))
	for _, p := range []string{"a2", "b2"} {
		for _, al := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: p}) {
			t.Log("  ", p, al.GetRule(), al.GetStatus())
		}
	}
	// stale
	ver := func(v, answer string) string {
		return strings.Replace(phq9("v", "c1", monday, 1, 1, 1, 1, 1, 1, 1, 1, len(answer)), `"id":"v"`, `"id":"v","meta":{"versionId":"`+v+`"}`, 1)
	}
	t.Log("v2:", c.from("ehr", ver("2", "x")), "v1:", c.from("ehr", ver("1", "")), "v10:", c.from("ehr", ver("10", "xx")))
	// keys
	key := func(source, k, body string) string {
		resp, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: source, Items: []*rapportv1.Item{{Key: k, Body: []byte(body)}}})
		return short(resp) + short(err)
	}
	t.Log("key:", key("ehr", "k1", sad("k", "d1", monday)))
	t.Log("key again:", key("ehr", "k1", sad("k", "d1", monday)))
	t.Log("key other:", key("ehr", "k1", sad("kk", "d1", monday)))
	t.Log("key other source:", key("pro", "k1", sad("kk", "d1", monday)))
	t.Log("key long:", key("ehr", strings.Repeat("k", 129), sad("kkk", "d1", monday)))
	t.Log("key NUL:", key("ehr", "a\x00b", sad("kkk", "d1", monday)))
	t.Log("key for unchanged:", key("ehr", "k9", sad("k", "d1", monday)), key("ehr", "k9", sad("k9", "d1", monday)))
	verified(t, store)
	if strings.Contains(logs.String(), "panic") {
		t.Log(logs.String())
	}
}

func TestScratchCanary(t *testing.T) {
	var logs safeBuffer
	c := start(t, func(c *server.Config) { c.Log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})) })
	k := "CANARY-7f3a"
	sad := phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 2)
	bodies := []string{
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"` + k + `"}],"name":[{"family":"` + k + `"}],"birthDate":"` + k + `"}`,
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"` + k + `"}],"name":[{"family":"` + k + `"}]}`,
		`{"resourceType":"Patient","id":"p2","identifier":[{"system":"urn:mrn","value":"` + k + `"}],"name":[{"family":"` + k + `"}]}`,
		`{"resourceType":"` + k + `","id":"p2"}`,
		`{"resourceType":"Patient","id":"` + k + ` x"}`,
		`{"resourceType":"Patient","` + k + `":1,"` + k + `":2}`,
		`{"resourceType":"Patient","name":[{"family":"` + k + `\u0000"}]}`,
		`{"resourceType":"Patient","name":[{"family":"` + k + `\ud800"}]}`,
		`{"resourceType":"Patient","name":[{"family":"` + k,
		`{"resourceType":"Patient","name":[{"` + k + `":{"` + k + `":[]}}]}`,
		strings.Replace(sad, `"completed"`, `"`+k+`"`, 1),
		strings.Replace(sad, `/44250-9`, k, 1),
		strings.Replace(sad, `LA6568-5`, k, 1),
		strings.Replace(sad, `"valueCoding":{"system":"http://loinc.org","code":"LA6568-5"}`, `"valueString":"`+k+`"`, 1),
		strings.Replace(sad, `"subject":{"reference":"Patient/p1"}`, `"subject":{"reference":"`+k+`"}`, 1),
		strings.Replace(sad, `"subject":{"reference":"Patient/p1"}`, `"subject":{"reference":"Patient/p1","display":"`+k+`"}`, 1),
		strings.Replace(sad, `"subject":{"reference":"Patient/p1"}`, `"subject":{"identifier":{"value":"`+k+`"}}`, 1),
		strings.Replace(sad, `http://loinc.org/q/44249-1`, `http://x/`+k, 1),
		strings.Replace(sad, monday.Format(time.RFC3339), k, 1),
		strings.Replace(sad, `"item":[`, `"text":{"status":"generated","div":"<div>`+k+`</div>"},"item":[`, 1),
		`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}],"text":"` + k + `"},"subject":{"reference":"Patient/p1","display":"` + k + `"},"effectiveDateTime":"2026-03-02T09:00:00Z","valueQuantity":{"value":20,"unit":"` + k + `"},"note":[{"text":"` + k + `"}]}`,
		`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}],"text":"` + k + `"},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-02T09:00:00Z","valueString":"` + k + `"}`,
		`{"resourceType":"CareTeam","id":"t","status":"active","name":"` + k + `","subject":{"reference":"Patient/p1"},"participant":[{"member":{"reference":"Practitioner/d1","display":"` + k + `"}}]}`,
		`{"resourceType":"Goal","id":"g","lifecycleStatus":"completed","description":{"text":"` + k + `"},"subject":{"reference":"Patient/p1"},"statusDate":"2026-03-01"}`,
		`{"resourceType":"Bundle","type":"` + k + `"}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"` + k + `","resource":{"resourceType":"Patient"},"request":{"method":"` + k + `","url":"` + k + `"}}]}`,
	}
	for n, b := range bodies {
		r := c.send(b)[0]
		if s := fmt.Sprint(r); strings.Contains(s, k) {
			t.Logf("receipt %d quotes: %s", n, s)
		}
		path := "/fhir/Patient"
		if strings.Contains(b, `"Bundle"`) {
			path = "/fhir"
		} else if i := strings.Index(b, `"QuestionnaireResponse"`); i > 0 {
			path = "/fhir/QuestionnaireResponse"
		} else if strings.Contains(b, `"Observation"`) {
			path = "/fhir/Observation"
		}
		code, a := c.post(path, b, "Prefer", "return=OperationOutcome")
		if strings.Contains(a, k) {
			t.Logf("REST %d quotes: %d %s", n, code, short(a))
		}
	}
	for _, path := range []string{"/fhir/Patient/" + k, "/fhir/" + k, "/fhir/Observation?" + k + "=" + k, "/fhir/Observation?patient=" + k + "%20x", "/fhir/Observation?date=" + k, "/" + k} {
		r, _ := http.Get("http://" + c.HTTPAddr() + path)
		a, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if strings.Contains(string(a), k) {
			t.Logf("GET %s quotes: %d %s", path, r.StatusCode, short(string(a)))
		}
	}
	_, err := c.alerts.GetAlert(t.Context(), &rapportv1.GetAlertRequest{Id: k})
	t.Log(err)
	r, _ := http.Get("http://" + c.HTTPAddr() + "/metrics")
	a, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if strings.Contains(string(a), k) {
		t.Log("metrics quote")
	}
	if strings.Contains(logs.String(), k) {
		t.Log("logs quote", logs.String())
	}
	rdb := redis.NewClient(&redis.Options{Addr: c.RedisAddr()})
	defer rdb.Close()
	time.Sleep(500 * time.Millisecond)
	for _, key := range rdb.Keys(t.Context(), "*").Val() {
		for _, m := range rdb.XRange(t.Context(), key, "-", "+").Val() {
			if strings.Contains(fmt.Sprint(m), k) {
				t.Log("redis", key, m)
			}
		}
	}
	for _, al := range c.listAlerts(&rapportv1.ListAlertsRequest{}) {
		if strings.Contains(fmt.Sprint(al), k) {
			t.Log("alert", al)
		}
	}
	t.Log(short(logs.String()))
	_ = status.Code
}

func TestScratchCrowd(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		store := newStore(t, engine)
		a := start(t, func(c *server.Config) { c.Store = store })
		b := a
		if engine == "postgres" {
			b = start(t, func(c *server.Config) { c.Store = store })
		}
		var bodies []string
		for i := range 100 {
			bodies = append(bodies, phq9(fmt.Sprint("r", i), fmt.Sprint("p", i%7), monday.Add(time.Duration(i%13)*time.Hour), i%4, 1, 2, 1, 0, 1, 1, 1, i%3))
		}
		begun := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		created := map[string]int{}
		for n := range 20 {
			wg.Go(func() {
				for i := range bodies {
					body := bodies[(i*7+n*13)%100]
					on := a
					if n%4 > 1 {
						on = b
					}
					if n%2 == 0 {
						if r := on.send(body)[0]; r.GetOutcome() == rapportv1.Outcome_OUTCOME_SCORED {
							mu.Lock()
							created[body]++
							mu.Unlock()
						} else if r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
							t.Error(r)
						}
					} else {
						code, ans := on.post("/fhir/QuestionnaireResponse", body)
						if code == 201 {
							mu.Lock()
							created[body]++
							mu.Unlock()
						} else if code != 200 {
							t.Error(code, ans)
						}
					}
				}
			})
		}
		wg.Wait()
		t.Log(engine, time.Since(begun), len(created))
		for _, n := range created {
			if n != 1 {
				t.Error("created", n)
			}
		}
		t.Logf("%+v", verified(t, store))
		// acknowledge, resolve, correct at once
		al := a.listAlerts(&rapportv1.ListAlertsRequest{})
		t.Log("alerts", len(al))
		for i, x := range al {
			wg.Go(func() {
				_, err := a.alerts.Acknowledge(t.Context(), &rapportv1.AcknowledgeRequest{Id: x.GetId(), Version: x.GetVersion(), Actor: "Practitioner/d1"})
				_ = err
			})
			wg.Go(func() {
				_, err := b.alerts.Resolve(t.Context(), &rapportv1.ResolveRequest{Id: x.GetId(), Version: x.GetVersion(), Actor: "Practitioner/d1", Reason: "contacted"})
				_ = err
			})
			wg.Go(func() {
				body := bodies[i%100]
				a.send(strings.Replace(body, "completed", "entered-in-error", 1))
				b.send(strings.Replace(body, "Patient/p", "Patient/q", -1))
			})
		}
		wg.Wait()
		t.Logf("%+v", verified(t, store))
	}
}

func TestScratchSleep(t *testing.T) {
	var store string
	c := start(t, func(c *server.Config) { store = c.Store })
	var bodies []string
	for i := range 1000 {
		bodies = append(bodies, phq9(fmt.Sprint("r", i), fmt.Sprint("p", i), monday.Add(time.Duration(i)*time.Second), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	}
	c.send(bodies...)
	c.later(365 * 24 * time.Hour)
	b := time.Now()
	n, err := c.Sweep(t.Context())
	t.Log("moved", n, err, time.Since(b))
	n, err = c.Sweep(t.Context())
	t.Log("again", n, err)
	t.Logf("%+v", verified(t, store))
}

func TestScratchSubscribe(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, teamP1, phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 2))
	sub := func(name string, cursors ...*rapportv1.Cursor) {
		ctx := t.Context()
		s, err := c.alerts.Subscribe(ctx, &rapportv1.SubscribeRequest{Cursors: cursors})
		if err != nil {
			t.Log(name, err)
			return
		}
		m, err := s.Recv()
		t.Log(name, short(m), err)
	}
	sub("beyond", &rapportv1.Cursor{Feed: "all", After: 1000})
	sub("negative", &rapportv1.Cursor{Feed: "all", After: -1})
	sub("max", &rapportv1.Cursor{Feed: "all", After: 1<<63 - 1})
	sub("bad name", &rapportv1.Cursor{Feed: "te am"})
	sub("CANARY", &rapportv1.Cursor{Feed: "team:CANARY-7f3a x"})
	sub("empty")
	sub("unknown team", &rapportv1.Cursor{Feed: "team:none", After: 5})
	sub("twice", &rapportv1.Cursor{Feed: "all"}, &rapportv1.Cursor{Feed: "all", After: 1})
	var many []*rapportv1.Cursor
	for i := range 1001 {
		many = append(many, &rapportv1.Cursor{Feed: fmt.Sprint("team:t", i)})
	}
	sub("1001", many...)
	_, err := c.alerts.ListAlerts(t.Context(), &rapportv1.ListAlertsRequest{Patient: "a b"})
	t.Log(err)
	_, err = c.alerts.ListAlerts(t.Context(), &rapportv1.ListAlertsRequest{Patient: "a\x00b"})
	t.Log(err)
	_, err = c.alerts.GetAlert(t.Context(), &rapportv1.GetAlertRequest{Id: "a\x00b"})
	t.Log(err)
}
