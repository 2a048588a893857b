package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/server"
)

// clinic is a running server with its callers and a clock that stands until it is moved.
type clinic struct {
	*server.Server
	t        *testing.T
	clock    atomic.Int64
	ingest   rapportv1.IngestServiceClient
	alerts   rapportv1.AlertServiceClient
	outcomes rapportv1.OutcomeServiceClient
	scoring  rapportv1.ScoringServiceClient
	conn     *grpc.ClientConn
}

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func (c *clinic) now() time.Time         { return time.UnixMicro(c.clock.Load()).UTC() }
func (c *clinic) later(by time.Duration) { c.clock.Add(by.Microseconds()) }
func (c *clinic) path(t *testing.T) string {
	return filepath.Join(t.TempDir(), "clinic.db")
}

// start runs a server on free loopback ports; change may alter its settings.
func start(t *testing.T, change func(*server.Config)) *clinic {
	t.Helper()
	c := &clinic{t: t}
	c.clock.Store(monday.UnixMicro())
	config := server.Default()
	config.Listen, config.HTTPListen, config.Redis = "127.0.0.1:0", "127.0.0.1:0", "embedded"
	config.Store = "sqlite:" + c.path(t)
	config.Now, config.Retention = c.now, 0
	if change != nil {
		change(&config)
	}
	running, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	c.Server = running
	t.Cleanup(func() {
		if err := running.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	c.conn, err = grpc.NewClient(running.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	c.ingest, c.alerts = rapportv1.NewIngestServiceClient(c.conn), rapportv1.NewAlertServiceClient(c.conn)
	c.outcomes, c.scoring = rapportv1.NewOutcomeServiceClient(c.conn), rapportv1.NewScoringServiceClient(c.conn)
	return c
}

// send ingests resources from the home source and returns one result each.
func (c *clinic) send(bodies ...string) []*rapportv1.Result {
	c.t.Helper()
	req := &rapportv1.IngestRequest{Source: "ehr"}
	for _, b := range bodies {
		req.Items = append(req.Items, &rapportv1.Item{Body: []byte(b)})
	}
	resp, err := c.ingest.Ingest(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.GetResults()
}

// listAlerts lists alerts but the service's own that nobody is assigned: the teams of these tests have few roles.
func (c *clinic) listAlerts(req *rapportv1.ListAlertsRequest) []*rapportv1.Alert {
	c.t.Helper()
	resp, err := c.alerts.ListAlerts(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(resp.GetAlerts(), func(a *rapportv1.Alert) bool { return a.GetRule() == decision.NobodyAssigned })
}

// phq9 is a PHQ-9 as LOINC publishes it, answered in the order of the form.
func phq9(id, patient string, at time.Time, answers ...int) string {
	links := []string{"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8"}
	var items []string
	for n, a := range answers {
		if a >= 0 {
			items = append(items, fmt.Sprintf(`{"linkId":%q,"answer":[{"valueCoding":{"system":"http://loinc.org","code":%q}}]}`,
				links[n], []string{"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"}[a]))
		}
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"questionnaire":"http://loinc.org/q/44249-1","status":"completed",`+
		`"subject":{"reference":"Patient/%s"},"source":{"reference":"Patient/%s"},"authored":%q,"item":[%s]}`,
		id, patient, patient, at.Format(time.RFC3339), strings.Join(items, ","))
}

const (
	patientP1 = `{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"1"}],"name":[{"family":"Synthetic-1"}]}`
	teamP1    = `{"resourceType":"CareTeam","id":"team1","status":"active","subject":{"reference":"Patient/p1"},` +
		`"participant":[{"member":{"reference":"Practitioner/d1"}}]}`
)

func TestAPayloadBecomesAnAlertAtACareTeamSubscriber(t *testing.T) {
	c := start(t, nil)
	results := c.send(patientP1, teamP1, phq9("r1", "p1", monday, 0, 0, 1, 1, 0, 0, 0, 0, 1))
	if got := results[2]; got.GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED || got.GetReference() != "QuestionnaireResponse/r1/_history/1" {
		t.Fatalf("the response ended as %v", got)
	}
	alerts := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1"})
	if len(alerts) != 1 || alerts[0].GetSeverity() != rapportv1.Severity_SEVERITY_CRITICAL {
		t.Fatalf("alerts: %v", alerts)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	t.Run("over gRPC", func(t *testing.T) {
		var seen *rapportv1.Event
		err := client.Follow(ctx, c.conn, []*rapportv1.Cursor{{Feed: "team:team1"}}, func(e *rapportv1.Event) error {
			seen = e
			return io.EOF
		})
		if seen.GetAlert().GetId() != alerts[0].GetId() || seen.GetSeq() != 1 {
			t.Errorf("the subscriber saw %v (%v)", seen, err)
		}
	})
	t.Run("from the Redis stream", func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: c.RedisAddr()})
		defer rdb.Close()
		read, err := rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{client.StreamKey("default", "team:team1"), "0"}, Block: 10 * time.Second}).Result()
		if err != nil {
			t.Fatal(err)
		}
		entry := read[0].Messages[0]
		if entry.ID != "1-0" || entry.Values["type"] != "alert.opened" || !strings.Contains(entry.Values["data"].(string), alerts[0].GetId()) {
			t.Errorf("the stream holds %v", entry)
		}
	})
}

func TestTheFourOutcomes(t *testing.T) {
	c := start(t, nil)
	scored := phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0)
	unknown := strings.Replace(phq9("r2", "p1", monday, 1), "http://loinc.org/q/44249-1", "http://example.org/Questionnaire/mood", 1)
	bad := strings.Replace(phq9("r3", "p1", monday, 1), `"completed"`, `"finished"`, 1)
	results := c.send(scored, unknown, scored, bad, `{"resourceType":"Medication","id":"m"}`, `{"resourceType":`)
	for n, want := range []rapportv1.Outcome{
		rapportv1.Outcome_OUTCOME_SCORED, rapportv1.Outcome_OUTCOME_STORED, rapportv1.Outcome_OUTCOME_UNCHANGED,
		rapportv1.Outcome_OUTCOME_REJECTED, rapportv1.Outcome_OUTCOME_REJECTED, rapportv1.Outcome_OUTCOME_REJECTED,
	} {
		if got := results[n]; got.GetOutcome() != want {
			t.Errorf("item %d ended as %v", n, got)
		}
		if got := results[n].GetOutcome(); got != rapportv1.Outcome_OUTCOME_SCORED && got != rapportv1.Outcome_OUTCOME_UNCHANGED && len(results[n].GetIssues()) == 0 {
			t.Errorf("item %d gives no reason", n)
		}
	}
	if !strings.Contains(results[4].GetIssues()[0].GetText(), "Medication") {
		t.Errorf("an unsupported type is not named: %v", results[4].GetIssues())
	}
	unscored, err := c.outcomes.ListUnscored(t.Context(), &rapportv1.ListUnscoredRequest{})
	if err != nil || len(unscored.GetUnscored()) != 1 || unscored.GetUnscored()[0].GetReference() != results[1].GetReference() {
		t.Errorf("unscored: %v %v", unscored, err)
	}
}

func TestACorrectionRetractsTheAlertAndTheTeamHearsOfIt(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, teamP1, phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 2))
	withdrawn := strings.Replace(phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 2), `"completed"`, `"entered-in-error"`, 1)
	if r := c.send(withdrawn)[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_STORED {
		t.Fatalf("the correction ended as %v", r)
	}
	alerts := c.listAlerts(&rapportv1.ListAlertsRequest{Statuses: []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_RETRACTED}})
	if len(alerts) != 1 {
		t.Fatalf("retracted: %v", alerts)
	}
	var types []string
	_ = client.Follow(t.Context(), c.conn, []*rapportv1.Cursor{{Feed: "team:team1"}}, func(e *rapportv1.Event) error {
		if types = append(types, e.GetType()); len(types) == 2 {
			return io.EOF
		}
		return nil
	})
	if fmt.Sprint(types) != "[alert.opened alert.retracted]" {
		t.Errorf("the team heard %v", types)
	}
}

func TestSilenceIsNoticedByTheClock(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, teamP1, phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	c.later(13 * 24 * time.Hour)
	if n, err := c.Sweep(t.Context()); err != nil || n != 0 {
		t.Fatalf("a day early: %d moved, %v", n, err)
	}
	c.later(2 * 24 * time.Hour)
	if n, err := c.Sweep(t.Context()); err != nil || n != 1 {
		t.Fatalf("a day late: %d moved, %v", n, err)
	}
	alerts := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1"})
	if len(alerts) != 1 || !strings.Contains(alerts[0].GetRule(), "silen") {
		t.Fatalf("alerts: %v", alerts)
	}
	c.later(time.Hour)
	if n, _ := c.Sweep(t.Context()); n != 0 {
		t.Errorf("the same deadline passed twice")
	}
}

func TestAcknowledgeComparesAndSets(t *testing.T) {
	c := start(t, nil)
	c.send(phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1))
	a := c.listAlerts(&rapportv1.ListAlertsRequest{})[0]
	ack := &rapportv1.AcknowledgeRequest{Id: a.GetId(), Version: a.GetVersion(), Actor: "Practitioner/d1", Key: "k1"}
	for range 2 {
		resp, err := c.alerts.Acknowledge(t.Context(), ack)
		if err != nil || resp.GetAlert().GetStatus() != rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED {
			t.Fatalf("%v %v", resp, err)
		}
	}
	other := &rapportv1.AcknowledgeRequest{Id: a.GetId(), Version: a.GetVersion(), Actor: "Practitioner/d2"}
	if _, err := c.alerts.Acknowledge(t.Context(), other); status.Code(err) != codes.Aborted {
		t.Errorf("a late acknowledge: %v", err)
	}
	other.Version = 2
	if _, err := c.alerts.Acknowledge(t.Context(), other); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("acknowledging again: %v", err)
	}
	if _, err := c.alerts.Resolve(t.Context(), &rapportv1.ResolveRequest{Id: a.GetId(), Version: 2, Actor: "Practitioner/d1"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("resolving without a reason: %v", err)
	}
	resp, err := c.alerts.Resolve(t.Context(), &rapportv1.ResolveRequest{Id: a.GetId(), Version: 2, Actor: "Practitioner/d1", Reason: "contacted"})
	if err != nil || len(resp.GetAlert().GetHistory()) != 3 {
		t.Errorf("%v %v", resp, err)
	}
	if _, err := c.alerts.GetAlert(t.Context(), &rapportv1.GetAlertRequest{Id: "none"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown alert: %v", err)
	}
}

func TestBothDoorsHaveOneEffect(t *testing.T) {
	c := start(t, nil)
	body := phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	post := func() (int, string) {
		resp, err := http.Post("http://"+c.HTTPAddr()+"/fhir/QuestionnaireResponse", "application/fhir+json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	code, location := post()
	if code != http.StatusCreated || !strings.HasSuffix(location, "/_history/1") {
		t.Fatalf("%d %s", code, location)
	}
	if code, again := post(); code != http.StatusOK || again != location {
		t.Errorf("posted again: %d %s", code, again)
	}
	if r := c.send(body)[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED || !strings.HasSuffix(location, r.GetReference()) {
		t.Errorf("through the other door: %v", r)
	}
	for _, url := range []string{"/fhir/" + placeOf(t, location), "/fhir/Patient/p1", "/fhir/metadata", "/fhir/DetectedIssue?patient=Patient/p1", "/fhir/QuestionnaireResponse?patient=p1"} {
		resp, err := http.Get("http://" + c.HTTPAddr() + url)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		err = json.NewDecoder(resp.Body).Decode(&doc)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || err != nil {
			t.Errorf("%s: %d %v %v", url, resp.StatusCode, err, doc)
		}
		want := float64(1)
		if strings.Contains(url, "DetectedIssue") {
			want = 2 // the answer, and that nobody is assigned
		}
		if strings.Contains(url, "?") && doc["total"] != want {
			t.Errorf("%s found %v", url, doc["total"])
		}
	}
}

func TestAStreamAcknowledgesEveryItemInOrderAfterItsCommit(t *testing.T) {
	c := start(t, nil)
	stream, err := c.ingest.IngestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opening, err := stream.Recv()
	if err != nil || opening.GetWindow() < 1 {
		t.Fatalf("%v %v", opening, err)
	}
	const n = 500
	go func() {
		for i := range n {
			body := phq9(fmt.Sprint("r", i), fmt.Sprint("p", i%10), monday.Add(time.Duration(i)*time.Minute), 1, 0, 0, 0, 0, 0, 0, 0, 0)
			if i == 250 {
				body = "{"
			}
			if stream.Send(&rapportv1.IngestStreamRequest{Source: "ehr", Sequence: int64(i), Item: &rapportv1.Item{Body: []byte(body)}}) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	for i := range n {
		ack, err := stream.Recv()
		if err != nil || ack.GetSequence() != int64(i) {
			t.Fatalf("acknowledgement %d: %v %v", i, ack, err)
		}
		want := rapportv1.Outcome_OUTCOME_SCORED
		if i == 250 {
			want = rapportv1.Outcome_OUTCOME_REJECTED
		}
		if ack.GetResult().GetOutcome() != want {
			t.Errorf("item %d: %v", i, ack.GetResult())
		}
	}
	if _, err := stream.Recv(); err != io.EOF { //nolint:errorlint // gRPC gives io.EOF itself
		t.Errorf("the stream ended with %v", err)
	}
}

func TestATransactionIsAtomicAndABatchIsNot(t *testing.T) {
	c := start(t, nil)
	bundle := func(typ, second string) string {
		return `{"resourceType":"Bundle","type":"` + typ + `","entry":[` +
			`{"fullUrl":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","name":[{"family":"Synthetic-2"}]},"request":{"method":"POST","url":"Patient"}},` +
			`{"resource":` + second + `,"request":{"method":"POST","url":"QuestionnaireResponse"}}]}`
	}
	about := func(status string) string {
		return strings.NewReplacer("Patient/p9", "urn:uuid:0b5c8e0e-0000-4000-8000-000000000001", `"completed"`, status).
			Replace(phq9("t1", "p9", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0))
	}
	if r := c.send(bundle("transaction", about(`"wrong"`)))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(r.GetEntries()) != 2 {
		t.Fatalf("a bad transaction: %v", r)
	}
	if r := c.send(bundle("batch", about(`"wrong"`)))[0]; r.GetEntries()[0].GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED || r.GetEntries()[1].GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED {
		t.Fatalf("a bad batch: %v", r)
	}
	r := c.send(bundle("transaction", about(`"completed"`)))[0]
	if r.GetEntries()[1].GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
		t.Fatalf("a good transaction: %v", r)
	}
	patient := strings.Split(r.GetEntries()[0].GetReference(), "/")[1]
	scores, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: patient})
	if err != nil || len(scores.GetSheets()) != 1 {
		t.Errorf("the response is not the patient's: %v %v", scores, err)
	}
}

func TestBadInputGetsAClearAnswerAndNothingIsWritten(t *testing.T) {
	c := start(t, nil)
	deep := `{"resourceType":"Observation","x":` + strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000) + `}`
	for name, body := range map[string]string{
		"no JSON":              `{"resourceType":`,
		"not an object":        `[1]`,
		"no type":              `{"id":"x"}`,
		"an unknown type":      `{"resourceType":"Nonsense"}`,
		"duplicate keys":       `{"resourceType":"Patient","id":"a","id":"b"}`,
		"deep nesting":         deep,
		"bad UTF-8":            "{\"resourceType\":\"Patient\",\"id\":\"a\xff\"}",
		"an impossible date":   strings.Replace(phq9("r", "p", monday, 1), monday.Format(time.RFC3339), "2026-02-30T10:00:00Z", 1),
		"a missing patient":    strings.Replace(phq9("r", "p", monday, 1), `"subject":{"reference":"Patient/p"},`, "", 1),
		"a wrong type":         strings.Replace(phq9("r", "p", monday, 1), `"item":[`, `"item":7,"x":[`, 1),
		"a bad id":             `{"resourceType":"Patient","id":"a b"}`,
		"an empty body":        ``,
		"a Bundle in a Bundle": `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Bundle","type":"batch"},"request":{"method":"POST","url":"Bundle"}}]}`,
	} {
		r := c.send(body)[0]
		if len(r.GetEntries()) == 1 {
			r = r.GetEntries()[0]
		}
		if r.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(r.GetIssues()) == 0 || r.GetIssues()[0].GetText() == "" {
			t.Errorf("%s: %v", name, r)
		}
		resp, err := http.Post("http://"+c.HTTPAddr()+"/fhir/Observation", "application/fhir+json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || !bytes.Contains(answer, []byte(`"OperationOutcome"`)) {
			t.Errorf("%s over REST: %d %s", name, resp.StatusCode, answer)
		}
	}
	if _, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "p"}); status.Code(err) != codes.NotFound {
		t.Errorf("something was written: %v", err)
	}
}

func TestTwoPatientsOfOneSourceCannotShareAnIdentifier(t *testing.T) {
	c := start(t, nil)
	second := strings.Replace(patientP1, `"id":"p1"`, `"id":"p2"`, 1)
	results := c.send(patientP1, second)
	if results[0].GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED || results[1].GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED {
		t.Fatalf("%v", results)
	}
}

func TestAnotherSourcesPatientWithTheSameIdentifierIsTheSamePerson(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0))
	other := []*rapportv1.Item{
		{Body: []byte(strings.Replace(patientP1, `"id":"p1"`, `"id":"77"`, 1))},
		{Body: []byte(phq9("r1", "77", monday.Add(time.Hour), 2, 2, 2, 2, 2, 2, 2, 2, 0))},
	}
	resp, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: "pro", Items: other})
	if err != nil || resp.GetResults()[1].GetReference() != "QuestionnaireResponse/pro.r1/_history/1" {
		t.Fatalf("%v %v", resp, err)
	}
	scores, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "p1"})
	if err != nil || len(scores.GetSheets()) != 2 {
		t.Errorf("%v %v", scores, err)
	}
}

func TestARestartLosesNothing(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	first := start(t, func(c *server.Config) { c.Store = store })
	first.send(patientP1, teamP1, phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1))
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	second := start(t, func(c *server.Config) { c.Store = store })
	if r := second.send(phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
		t.Errorf("sent again after the restart: %v", r)
	}
	rdb := redis.NewClient(&redis.Options{Addr: second.RedisAddr()})
	defer rdb.Close()
	read, err := rdb.XRead(t.Context(), &redis.XReadArgs{Streams: []string{client.StreamKey("default", "all"), "0"}, Block: 10 * time.Second}).Result()
	if err != nil || read[0].Messages[0].ID != "1-0" {
		t.Errorf("the empty Redis was not refilled: %v %v", read, err)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	report, err := server.Verify(t.Context(), store, func(string) {})
	if err != nil || len(report.Problems) > 0 || report.Alerts != 2 { // the answer, and that nobody is assigned
		t.Errorf("verify: %+v %v", report, err)
	}
}

func TestSettingsThatOpenTheServerToOthersAreRefused(t *testing.T) {
	for name, change := range map[string]func(*server.Config){
		"gRPC on every address":     func(c *server.Config) { c.Listen = "0.0.0.0:7401" },
		"REST on every address":     func(c *server.Config) { c.HTTPListen = ":7402" },
		"tokens without TLS":        func(c *server.Config) { c.Listen, c.Tokens = "0.0.0.0:7401", "tokens" },
		"a store that is none":      func(c *server.Config) { c.Store = "mysql://x" },
		"a Redis that is none":      func(c *server.Config) { c.Redis = "memcached" },
		"a certificate without key": func(c *server.Config) { c.TLSCert = "cert.pem" },
		"an address that is none":   func(c *server.Config) { c.Listen = "here" },
		"a source that cannot name": func(c *server.Config) { c.Home = "a/b" },
		"a drain of no time":        func(c *server.Config) { c.Drain = 0 },
	} {
		config := server.Default()
		change(&config)
		if err := config.Validate(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestScoresArePagedWithoutAHole(t *testing.T) {
	c := start(t, nil)
	var bodies []string
	for n := range 7 {
		bodies = append(bodies, phq9(fmt.Sprint("r", n), "p1", monday.Add(time.Duration(-n)*time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	}
	c.send(bodies...)
	var seen []string
	req := &rapportv1.ListScoresRequest{Patient: "p1", PageSize: 3}
	for {
		resp, err := c.outcomes.ListScores(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, sheet := range resp.GetSheets() {
			seen = append(seen, strings.Split(sheet.GetSource(), "/")[1])
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[r0 r1 r2 r3 r4 r5 r6]" {
		t.Errorf("the pages hold %v", seen)
	}
}

func TestAServerThatCannotHaveItsAddressLeavesNothingBehind(t *testing.T) {
	first := start(t, nil)
	config := server.Default()
	config.Listen, config.HTTPListen = "127.0.0.1:0", first.HTTPAddr()
	config.Store = "sqlite:" + filepath.Join(t.TempDir(), "second.db")
	_, err := server.New(t.Context(), config)
	if err == nil || !strings.Contains(err.Error(), "listens there already") {
		t.Fatalf("it says %v", err)
	}
	if left, _ := filepath.Glob(strings.TrimPrefix(config.Store, "sqlite:") + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
