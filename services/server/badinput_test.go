package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// from ingests resources from any source and returns one result each.
func (c *clinic) from(source string, bodies ...string) []*rapportv1.Result {
	c.t.Helper()
	req := &rapportv1.IngestRequest{Source: source}
	for _, b := range bodies {
		req.Items = append(req.Items, &rapportv1.Item{Body: []byte(b)})
	}
	resp, err := c.ingest.Ingest(c.t.Context(), req, grpc.MaxCallSendMsgSize(128<<20))
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.GetResults()
}

// rest calls the FHIR door; with a body it posts.
func (c *clinic) rest(path, body string) (int, string) {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Error(err)
	}
	return resp.StatusCode, string(answer)
}

// onFile keeps a server's store in view, so that the test can verify it at its end.
func onFile(t *testing.T) (*clinic, string) {
	store := newStore(t, "sqlite")
	return start(t, func(c *server.Config) { c.Store = store }), store
}

// low is a PHQ-9 whose last item, about not wanting to live, is answered above zero.
func low(id, patient string, at time.Time) string {
	return phq9(id, patient, at, 0, 0, 0, 0, 0, 0, 0, 0, 2)
}

func TestHostileBodiesAreRefusedWithAReason(t *testing.T) {
	c, store := onFile(t)
	times := strings.Repeat
	for name, body := range map[string]string{
		"50 MB of nested arrays":   `{"resourceType":"Patient","x":` + times("[", 50<<20),
		"50 MB of small values":    `{"resourceType":"Patient","x":[` + times("1,", 25<<20) + `1]}`,
		"a string of 50 MB":        `{"resourceType":"Patient","x":"` + times("a", 50<<20) + `"}`,
		"a number of 50 MB":        `{"resourceType":"Patient","x":` + times("1", 50<<20) + `}`,
		"a member a million times": `{"resourceType":"Patient"` + times(`,"x":1`, 1<<20) + `}`,
		"65 levels":                `{"resourceType":"Patient"` + times(`,"contained":[{"resourceType":"Patient"`, 40) + times("}]", 40) + `}`,
		"no number":                strings.Replace(observation("1"), `"value":1`, `"value":NaN`, 1),
	} {
		r := c.from("ehr", body)[0]
		if r.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(r.GetIssues()) == 0 || len(r.GetIssues()) > 100 {
			t.Errorf("%s ended as %.300v", name, r)
		}
		if code, answer := c.rest("/fhir/Patient", body); code/100 != 4 || !strings.Contains(answer, "OperationOutcome") {
			t.Errorf("%s over REST: %d %.300s", name, code, answer)
		}
	}
	endless := `{"resourceType":"Bundle","type":"transaction","entry":[` + times(`{"a":1},`, 1_000_000) + `{"a":1}]}`
	if code, answer := c.rest("/fhir", endless); code != http.StatusRequestEntityTooLarge || len(answer) > 1000 {
		t.Errorf("a Bundle of a million entries: %d, %d bytes", code, len(answer))
	}
	_, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: make([]byte, 70<<20)}}}, grpc.MaxCallSendMsgSize(128<<20))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message over the limit: %v", err)
	}
	if report := verified(t, store); report.Events > 0 {
		t.Errorf("something was written: %+v", report)
	}
}

func observation(value string) string {
	return `{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},` +
		`"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-02T09:00:00Z","valueQuantity":{"value":` + value + `}}`
}

func TestOddButLegalBodiesAreKeptAndDoNoHarm(t *testing.T) {
	c, store := onFile(t)
	var members, identifiers strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&members, `,"k%d":1`, i)
	}
	for i := range 1000 {
		fmt.Fprintf(&identifiers, `,{"system":"urn:x","value":"%d"}`, i)
	}
	at := func(when string) string {
		return strings.Replace(phq9("q", "p2", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0), monday.Format(time.RFC3339), when, 1)
	}
	visit := func(when string) string {
		return `{"resourceType":"Appointment","id":"a","status":"booked","start":"` + when + `","end":"` + when +
			`","participant":[{"actor":{"reference":"Patient/p2"},"status":"accepted"}]}`
	}
	const endless = "9999-12-31"
	for name, body := range map[string]string{
		"a prescription without end": `{"resourceType":"ServiceRequest","id":"s","status":"active","intent":"order","code":{"text":"exercise"},` +
			`"subject":{"reference":"Patient/p2"},"occurrencePeriod":{"start":"2026-01-01","end":"` + endless + `"}}`,
		"a team without end": `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/p2"},` +
			`"period":{"start":"2026-01-01","end":"` + endless + `"},"participant":[{"member":{"reference":"Practitioner/d1"},"period":{"end":"` + endless + `"}}]}`,
		"a goal without end": `{"resourceType":"Goal","id":"g","lifecycleStatus":"active","description":{"text":"walk"},` +
			`"subject":{"reference":"Patient/p2"},"startDate":"2026-01-01","target":[{"dueDate":"` + endless + `"}]}`,
		"100,000 members":             `{"resourceType":"Patient","id":"members"` + members.String() + `}`,
		"1,000 identifiers":           `{"resourceType":"Patient","id":"identifiers","identifier":[` + identifiers.String()[1:] + `]}`,
		"a huge number":               observation("1e999999"),
		"a tiny number":               observation("1e-999999"),
		"a number of a million":       observation("0." + strings.Repeat("1", 1<<20)),
		"the year 1":                  at("0001-01-01T00:00:00Z"),
		"before the year 1":           at("0001-01-01T00:00:00+14:00"),
		"the year 9999":               at("9999-12-31T23:59:59Z"),
		"after the year 9999":         at("9999-12-31T23:59:59-14:00"),
		"a leap second":               at("2016-12-31T23:59:60Z"),
		"a visit in the year 1":       visit("0001-01-01T00:00:00+14:00"),
		"a visit after the year 9999": visit("9999-12-31T23:59:59-14:00"),
	} {
		r := c.from("ehr", body)[0]
		if o := r.GetOutcome(); o != rapportv1.Outcome_OUTCOME_SCORED && o != rapportv1.Outcome_OUTCOME_STORED {
			t.Errorf("%s ended as %.300v", name, r)
		}
		if len(r.GetIssues()) > 100 {
			t.Errorf("%s has %d issues", name, len(r.GetIssues()))
		}
	}
	if _, err := c.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	verified(t, store)
}

// bundle is a transaction or batch of n responses, of which the one numbered bad is wrong.
func bundle(typ string, n, bad int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"` + typ + `","entry":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		body := phq9(fmt.Sprint(typ, i), fmt.Sprint("p", i%500), monday.Add(time.Duration(i)*time.Second), 1, 1, 1, 1, 1, 1, 1, 1, 0)
		if i == bad {
			body = strings.Replace(body, `"completed"`, `"wrong"`, 1)
		}
		b.WriteString(`{"resource":` + body + `,"request":{"method":"POST","url":"QuestionnaireResponse"}}`)
	}
	return b.String() + "]}"
}

func TestTenThousandEntriesStandOrFallAsTheirBundleSays(t *testing.T) {
	c, store := onFile(t)
	most := 10_000
	if r := c.from("ehr", bundle("transaction", most, most-1))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED ||
		len(r.GetIssues()) != 1 || r.GetIssues()[0].GetExpression() != "Bundle.entry[9999].resource.status" {
		t.Errorf("a transaction with a bad end: %.300v", r)
	}
	if report := verified(t, store); report.Events > 0 {
		t.Fatalf("it was stored in part: %+v", report)
	}
	if code, answer := c.rest("/fhir", bundle("transaction", most+1, -1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("one entry too many: %d %.300s", code, answer)
	}
	r := c.from("ehr", bundle("batch", most, most-1))[0]
	if len(r.GetEntries()) != most || r.GetEntries()[0].GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED ||
		r.GetEntries()[most-1].GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED {
		t.Errorf("a batch with a bad end: %d entries", len(r.GetEntries()))
	}
	if report := verified(t, store); report.Facts != most-1 {
		t.Errorf("%+v", report)
	}
}

func TestATransactionNamesEachResourceOnce(t *testing.T) {
	c, store := onFile(t)
	one, other := phq9("same", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0), phq9("same", "p1", monday, 2, 2, 2, 2, 2, 2, 2, 2, 0)
	both := `{"resourceType":"Bundle","type":"transaction","entry":[` +
		`{"resource":` + one + `,"request":{"method":"PUT","url":"QuestionnaireResponse/same"}},` +
		`{"resource":` + other + `,"request":{"method":"PUT","url":"QuestionnaireResponse/same"}}]}`
	r := c.from("ehr", both)[0]
	if r.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(r.GetIssues()) != 1 || r.GetIssues()[0].GetExpression() != "Bundle.entry[1]" {
		t.Errorf("over gRPC: %v", r)
	}
	if code, answer := c.rest("/fhir", both); code != http.StatusBadRequest {
		t.Errorf("over REST: %d %s", code, answer)
	}
	if report := verified(t, store); report.Events > 0 {
		t.Errorf("it was stored: %+v", report)
	}
	batch := c.from("ehr", strings.Replace(both, `"transaction"`, `"batch"`, 1))[0]
	if got := batch.GetEntries()[1].GetReference(); got != "QuestionnaireResponse/same/_history/2" {
		t.Errorf("in a batch the second is a newer version, not %q", got)
	}
}

func TestEntriesMayPointAtOneAnotherInACircle(t *testing.T) {
	c, store := onFile(t)
	const goal, patient = "urn:uuid:0b5c8e0e-0000-4000-8000-000000000001", "urn:uuid:0b5c8e0e-0000-4000-8000-000000000002"
	circle := `{"resourceType":"Bundle","type":"transaction","entry":[` +
		`{"fullUrl":"` + goal + `","resource":{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"walk"},"subject":{"reference":"` + patient +
		`"},"addresses":[{"reference":"` + goal + `"}]},"request":{"method":"POST","url":"Goal"}},` +
		`{"fullUrl":"` + patient + `","resource":{"resourceType":"Patient","link":[{"type":"seealso","other":{"reference":"` + patient +
		`"}}]},"request":{"method":"POST","url":"Patient"}}]}`
	if r := c.from("ehr", circle)[0]; r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED {
		t.Errorf("%v", r)
	}
	if r := c.from("ehr", circle)[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
		t.Errorf("sent again: %v", r)
	}
	verified(t, store)
}

func TestAResponseMovedToAnotherPatientTakesItsAlertAlong(t *testing.T) {
	c, store := onFile(t)
	c.from("ehr", low("m", "wrong", monday))
	c.from("ehr", low("m", "right", monday))
	c.from("ehr", low("m", "wrong", monday), low("m", "right", monday)) // there and back in one transaction
	every := []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_RETRACTED}
	statuses := func(patient string) (found []string) {
		for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: patient, Statuses: every}) {
			found = append(found, strings.TrimPrefix(a.GetStatus().String(), "ALERT_STATUS_"))
		}
		slices.Sort(found)
		return found
	}
	if got := statuses("wrong"); fmt.Sprint(got) != "[RETRACTED RETRACTED]" {
		t.Errorf("of the wrong patient: %v", got)
	}
	if got := statuses("right"); fmt.Sprint(got) != "[OPEN RETRACTED]" {
		t.Errorf("of the right patient: %v", got)
	}
	verified(t, store) // among others: no event stands twice
}

func TestAWithdrawnResponseThatComesBackCountsAgain(t *testing.T) {
	c, store := onFile(t)
	first := low("r", "p1", monday)
	withdrawn := strings.Replace(first, `"completed"`, `"entered-in-error"`, 1)
	for n, body := range []string{first, withdrawn, first} {
		if r := c.from("ehr", body)[0]; r.GetReference() != fmt.Sprintf("QuestionnaireResponse/r/_history/%d", n+1) {
			t.Errorf("version %d ended as %v", n+1, r)
		}
	}
	if a := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1"}); len(a) != 1 {
		t.Errorf("alerts: %v", a)
	}
	verified(t, store)
}

func TestAnOlderVersionThatComesLateChangesNothing(t *testing.T) {
	c, store := onFile(t)
	version := func(v string, last int) string {
		return strings.Replace(phq9("v", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, last), `"id":"v"`, `"id":"v","meta":{"versionId":"`+v+`"}`, 1)
	}
	results := c.from("ehr", version("2", 0), version("1", 1), version("10", 2))
	if results[1].GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED || len(results[1].GetIssues()) != 1 ||
		results[2].GetReference() != "QuestionnaireResponse/v/_history/2" {
		t.Errorf("%v", results)
	}
	verified(t, store)
}

func TestAPatientIsFoundUnderEveryNameAfterBeingKnownByAnIdentifierOnly(t *testing.T) {
	c, store := onFile(t)
	nameless := strings.NewReplacer(`"subject":{"reference":"Patient/q"},"source":{"reference":"Patient/q"}`,
		`"subject":{"identifier":{"system":"urn:mrn","value":"500"}}`).Replace(low("i1", "q", monday))
	results := slices.Concat(c.from("pro", nameless),
		c.from("ehr", `{"resourceType":"Patient","id":"p500","identifier":[{"system":"urn:mrn","value":"500"}]}`,
			low("i2", "p500", monday.Add(time.Hour))))
	for _, r := range results {
		if r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED {
			t.Fatalf("%v", results)
		}
	}
	scores, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "Patient/p500"})
	if err != nil || len(scores.GetSheets()) != 2 {
		t.Errorf("scores: %v %v", scores, err)
	}
	if e, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "p500"}); err != nil || e.GetEpisode().GetFacts() != 2 {
		t.Errorf("episode: %v %v", e, err)
	}
	if a := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p500"}); len(a) != 2 {
		t.Errorf("alerts: %v", a)
	}
	if _, answer := c.rest("/fhir/QuestionnaireResponse?patient=p500", ""); !strings.Contains(answer, `"total":2`) {
		t.Errorf("search: %s", answer)
	}
	verified(t, store)
}

func TestSourcesWhoseNamesRunTogetherStayApart(t *testing.T) {
	c, store := onFile(t)
	results := slices.Concat(c.from("a.b", `{"resourceType":"Patient","id":"c"}`), c.from("a", `{"resourceType":"Patient","id":"b.c"}`))
	if results[0].GetReference() == results[1].GetReference() || results[1].GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED {
		t.Errorf("%v", results)
	}
	verified(t, store)
}

func TestAnIdempotencyKeyIsOneBodyOfOneSource(t *testing.T) {
	c, store := onFile(t)
	for n, step := range []struct {
		source, key, body string
		want              rapportv1.Outcome
	}{
		{"ehr", "k", low("a", "p1", monday), rapportv1.Outcome_OUTCOME_SCORED},
		{"ehr", "k", low("a", "p1", monday), rapportv1.Outcome_OUTCOME_UNCHANGED},
		{"ehr", "k", low("b", "p1", monday), rapportv1.Outcome_OUTCOME_REJECTED},
		{"pro", "k", low("b", "p1", monday), rapportv1.Outcome_OUTCOME_SCORED},
		{"ehr", strings.Repeat("k", 129), low("c", "p1", monday), rapportv1.Outcome_OUTCOME_REJECTED},
		{"ehr", "k\x00", low("c", "p1", monday), rapportv1.Outcome_OUTCOME_REJECTED},
	} {
		resp, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: step.source, Items: []*rapportv1.Item{{Key: step.key, Body: []byte(step.body)}}})
		if err != nil || resp.GetResults()[0].GetOutcome() != step.want {
			t.Errorf("step %d: %v %v", n, resp, err)
		}
	}
	verified(t, store)
}

// heard collects what is written to it by many.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func TestWhatPatientsSayAndAreCalledIsNowhereButInTheStore(t *testing.T) {
	const canary = "CANARY-7f3a"
	var logs heard
	c := start(t, func(c *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	sad := low("r1", "p1", monday)
	with := func(old, with string) string { return strings.Replace(sad, old, with, 1) }
	said := func(where, text string) {
		t.Helper()
		if strings.Contains(text, canary) {
			t.Errorf("%s: %.400s", where, text)
		}
	}
	for n, body := range []string{
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"` + canary + `"}],"name":[{"family":"` + canary + `"}]}`,
		`{"resourceType":"Patient","id":"p2","identifier":[{"system":"urn:mrn","value":"` + canary + `"}]}`,
		`{"resourceType":"Patient","id":"p3","birthDate":"` + canary + `"}`,
		`{"resourceType":"` + canary + `","id":"p2"}`,
		`{"resourceType":"Patient","id":"` + canary + ` x"}`,
		`{"resourceType":"Patient","name":[{"family":"` + canary + `\u0000"}]}`,
		`{"resourceType":"Patient","name":[{"family":"` + canary + `\ud800"}]}`,
		`{"resourceType":"Patient","name":[{"family":"` + canary,
		sad, with(`"completed"`, `"`+canary+`"`), with("/44250-9", canary), with("LA6568-5", canary),
		with(`"valueCoding":{"system":"http://loinc.org","code":"LA6568-5"}`, `"valueString":"`+canary+`"`),
		with(`"subject":{"reference":"Patient/p1"}`, `"subject":{"reference":"`+canary+`"}`),
		with(`"subject":{"reference":"Patient/p1"}`, `"subject":{"reference":"Patient/p1","display":"`+canary+`"}`),
		with(`"subject":{"reference":"Patient/p1"}`, `"subject":{"identifier":{"system":"urn:mrn","value":"`+canary+`"}}`),
		with("http://loinc.org/q/44249-1", "http://example.org/"+canary), with(monday.Format(time.RFC3339), canary),
		with(`"item":[`, `"text":{"status":"generated","div":"<div>`+canary+`</div>"},"item":[`),
		strings.Replace(observation("20"), `"valueQuantity":{`, `"note":[{"text":"`+canary+`"}],"valueQuantity":{"unit":"`+canary+`",`, 1),
		strings.Replace(observation("20"), `"valueQuantity":{"value":20}`, `"valueString":"`+canary+`"`, 1),
		`{"resourceType":"CareTeam","id":"t","status":"active","name":"` + canary + `","subject":{"reference":"Patient/p1"},"participant":[{"member":{"reference":"Practitioner/d1","display":"` + canary + `"}}]}`,
		`{"resourceType":"Goal","id":"g","lifecycleStatus":"completed","description":{"text":"` + canary + `"},"subject":{"reference":"Patient/p1"},"statusDate":"2026-03-01"}`,
		`{"resourceType":"Bundle","type":"` + canary + `"}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"` + canary + `","resource":{"resourceType":"Patient"},"request":{"method":"` + canary + `","url":"` + canary + `"}}]}`,
	} {
		said(fmt.Sprint("the receipt of body ", n), c.from("ehr", body)[0].String())
		path := "/fhir"
		if _, rest, ok := strings.Cut(body, `{"resourceType":"`); ok && !strings.HasPrefix(rest, "Bundle") && !strings.HasPrefix(rest, canary) {
			path += "/" + rest[:strings.IndexByte(rest, '"')]
		}
		if code, answer := c.rest(path, body); code >= 400 {
			said(fmt.Sprint("the refusal of body ", n), answer)
		}
	}
	for _, path := range []string{"/metrics", "/fhir/Patient/" + canary, "/fhir/" + canary, "/fhir/Observation?patient=" + canary + "%20x", "/fhir/Observation?date=" + canary, "/" + canary} {
		_, answer := c.rest(path, "")
		said(path, answer)
	}
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{}) {
		said("an alert", a.String())
	}
	rdb := redis.NewClient(&redis.Options{Addr: c.RedisAddr()})
	defer rdb.Close()
	last, entries := "0", 0
	all := extent(t, c)
	for entries < all {
		read, err := rdb.XRead(t.Context(), &redis.XReadArgs{Streams: []string{client.StreamKey("default", "all"), last}, Block: 10 * time.Second}).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read[0].Messages {
			said("a Redis entry", fmt.Sprint(m))
			last = m.ID
			entries++
		}
	}
	said("the log", logs.String())
}

// extent is the number of the last event of the feed of all.
func extent(t *testing.T, c *clinic) int {
	t.Helper()
	stream, err := c.alerts.Subscribe(t.Context(), &rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "all"}}, HeartbeatSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	for last := int64(0); ; {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetHeartbeat() != nil {
			return int(last)
		}
		last = m.GetEvent().GetSeq()
	}
}

func TestASubscriptionThatCannotBeIsRefusedByName(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1)
	many := make([]*rapportv1.Cursor, 1001)
	for i := range many {
		many[i] = &rapportv1.Cursor{Feed: fmt.Sprint("team:t", i)}
	}
	for name, cursors := range map[string][]*rapportv1.Cursor{
		"beyond the end": {{Feed: "all", After: 1000}}, "negative": {{Feed: "all", After: -1}}, "the largest": {{Feed: "all", After: 1<<63 - 1}},
		"no feed's name": {{Feed: "te am"}}, "none": nil, "the same twice": {{Feed: "all"}, {Feed: "all", After: 1}}, "1,001": many,
	} {
		stream, err := c.alerts.Subscribe(t.Context(), &rapportv1.SubscribeRequest{Cursors: cursors})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
