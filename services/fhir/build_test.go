package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares a resource with testdata/name.json, laid out for people.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var laidOut bytes.Buffer
	if err := json.Indent(&laidOut, got, "", "  "); err != nil {
		t.Fatalf("%s is no JSON: %v", name, err)
	}
	laidOut.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *rewrite {
		if err := os.WriteFile(path, laidOut.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), laidOut.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func TestEveryKindHasItsStatusAndItsOutcome(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unprocessable: 422, fault.NotSupported: 404, fault.NotFound: 404,
		fault.Conflict: 409, fault.Precondition: 412, fault.TooLarge: 413, fault.TooOld: 410, fault.Unauthenticated: 401,
		fault.Forbidden: 403, fault.Unavailable: 503, fault.Throttled: 429,
	}
	var lines []string
	for k := fault.Internal; k.String() != "unknown"; k++ {
		if Status(k) != want[k] {
			t.Errorf("%s: status %d, want %d", k, Status(k), want[k])
		}
		lines = append(lines, fmt.Sprintf(`{"kind":%q,"status":%d,"outcome":%s}`, k, Status(k), OutcomeOf(fault.New(k))))
	}
	if len(lines) != len(want) {
		t.Errorf("%d kinds have a name, %d are in this table", len(lines), len(want))
	}
	golden(t, "outcome-kinds", []byte("["+strings.Join(lines, ",")+"]"))
	if Status(200) != 500 {
		t.Errorf("an unknown kind has status %d", Status(200))
	}
}

func TestAnOutcomeTellsEachIssueWithItsPlace(t *testing.T) {
	golden(t, "outcome-issues", OutcomeOf(fault.New(fault.Invalid,
		fault.Errorf("structure", "QuestionnaireResponse.item[2].answer", "an object < array & so on"),
		fault.Warnf("code-invalid", "QuestionnaireResponse.item[0]", "the code is not among the options"),
		fault.Infof("informational", "", "seen before"),
		fault.Errorf("no-such-code", "", "a code that FHIR does not know"))))
	golden(t, "outcome-none", Outcome())
}

func TestTheTextOfAnInternalFaultStaysInside(t *testing.T) {
	for _, err := range []error{
		errors.New("dial 10.0.0.1: password wrong"),
		fault.New(fault.Internal, fault.Errorf("exception", "", "password wrong")),
		fault.Wrap(fault.Unavailable, errors.New("password wrong"), "write"),
	} {
		if got := OutcomeOf(err); bytes.Contains(got, []byte("password")) {
			t.Errorf("%s", got)
		}
	}
}

func anAlert() alert.Alert {
	at := time.Date(2026, 3, 4, 10, 30, 0, 0, time.FixedZone("", 3600))
	return alert.Alert{
		ID: "a7", Version: 3, Status: alert.Resolved, Severity: judge.Critical, Rule: "phq9-item-9", RuleVersion: "c0ffee",
		Patient: "p1", Episode: "p1", Title: "Thoughts of self-harm", Seen: "PHQ-9 item 9 answered 1 <of 3>",
		Question: "Ask about safety today.", Phrase: "Thank you for telling us.", Evidence: "service design",
		Facts: []string{"f1", "f2"},
		Sources: []ref.Resource{
			{Type: "QuestionnaireResponse", ID: "q1", Version: 1}, {}, {Type: "QuestionnaireResponse", ID: "q2", Version: 2},
		},
		Numbers: []judge.Number{
			{Name: "phq-9 total", Value: 17, Reference: new(9.5)}, {Name: "HEP completion", Value: 100.0 / 3, Unit: "%"},
		},
		Effective: at, Opened: at.Add(time.Minute),
		History: []alert.Step{
			{Version: 1, Status: alert.Open, Time: at.Add(time.Minute), Actor: "rapport"},
			{Version: 2, Status: alert.Acknowledged, Time: at.Add(2 * time.Minute), Actor: "Practitioner/dr1"},
			{Version: 3, Status: alert.Resolved, Time: at.Add(3 * time.Minute), Actor: "care-desk", Reason: "called"},
		},
	}
}

func TestADetectedIssueTellsTheWholeAlert(t *testing.T) {
	golden(t, "detectedissue-resolved", DetectedIssue(anAlert()))
	golden(t, "detectedissue-bare", DetectedIssue(alert.Alert{
		ID: "b", Version: 1, Status: alert.Open, Severity: judge.Info, Rule: "silence", Patient: "p", Opened: time.Unix(0, 0),
	}))
}

func TestADetectedIssueHasTheFHIRStatusOfItsAlert(t *testing.T) {
	step := func(s alert.Status, reason string) alert.Step {
		return alert.Step{Status: s, Reason: reason, Actor: alert.Service}
	}
	late := alert.Alert{Status: alert.Retracted, SuppressedBecause: "cool-down"}
	if _, raised := IssueStatus(late); raised {
		t.Error("what was suppressed is raised by its retraction")
	}
	for name, test := range map[string]struct {
		status  alert.Status
		history []alert.Step
		want    samply.ObservationStatus
		raised  bool
	}{
		"open":              {alert.Open, []alert.Step{step(alert.Open, "")}, samply.ObservationStatusFinal, true},
		"acknowledged":      {alert.Acknowledged, []alert.Step{step(alert.Open, ""), step(alert.Acknowledged, "")}, samply.ObservationStatusFinal, true},
		"corrected, true":   {alert.Open, []alert.Step{step(alert.Open, ""), step(alert.Open, "facts-corrected")}, samply.ObservationStatusAmended, true},
		"corrected, untrue": {alert.Retracted, []alert.Step{step(alert.Retracted, "facts-corrected")}, samply.ObservationStatusCancelled, true},
		"source in error":   {alert.Retracted, []alert.Step{step(alert.Retracted, "entered-in-error")}, samply.ObservationStatusEnteredInError, true},
		"suppressed":        {alert.Suppressed, nil, samply.ObservationStatusCancelled, false},
	} {
		got, raised := IssueStatus(alert.Alert{Status: test.status, History: test.history})
		if raised != test.raised || (raised && got != test.want) {
			t.Errorf("%s: %s %v", name, got.Code(), raised)
		}
	}
}

func TestARoundTripThroughTheModelKeepsADetectedIssue(t *testing.T) {
	body := DetectedIssue(anAlert())
	read, err := samply.UnmarshalDetectedIssue(body)
	if err != nil {
		t.Fatal(err)
	}
	again, err := read.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(body, &a) != nil || json.Unmarshal(again, &b) != nil || !cmp.Equal(a, b) {
		t.Error(cmp.Diff(a, b))
	}
}

func TestASearchsetCarriesResourcesByteForByte(t *testing.T) {
	raw := []byte("{ \"resourceType\":\"Observation\",\n \"valueQuantity\":{\"value\":1.00},\"note\":\"a<b&c\"}")
	total := 7
	got := Searchset{Self: "http://h/fhir/Observation?code=a&b=\"", Next: "http://h/next", Total: &total, Matches: []Match{
		{FullURL: "http://h/fhir/Observation/1", Resource: raw}, {FullURL: "http://h/fhir/Observation/2", Resource: raw},
	}}.Bundle()
	if bytes.Count(got, raw) != 2 {
		t.Errorf("the resource was changed: %s", got)
	}
	golden(t, "searchset", got)
	golden(t, "searchset-empty", Searchset{Self: "http://h/fhir/Observation"}.Bundle())
	if _, err := samply.UnmarshalBundle(got); err != nil {
		t.Error(err)
	}
}

func TestAResponseBundleAnswersEntryForEntry(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	got := ResponseBundle(BatchResponse, []Answer{
		{Status: "201 Created", Location: "http://h/fhir/Observation/1/_history/1", ETag: `W/"1"`, LastModified: at},
		{Status: "400 Bad Request", Outcome: Outcome(fault.Errorf("structure", "Bundle.entry[1]", "no"))},
		{Status: "200 OK", FullURL: "http://h/fhir/Goal/2", Resource: []byte(`{"resourceType":"Goal","id":"2"}`)},
	})
	golden(t, "batch-response", got)
	golden(t, "transaction-response-empty", ResponseBundle(TransactionResponse, nil))
	if _, err := samply.UnmarshalBundle(got); err != nil {
		t.Error(err)
	}
}

func TestAServedResourceDiffersOnlyInIDAndMeta(t *testing.T) {
	rec := record.Record{
		Resource: ref.Resource{Type: "Observation", ID: "lab.1", Version: 4},
		Raw:      []byte(`{"resourceType":"Observation","id":"1","valueQuantity":{"value":1.00},"_status":{"id":"x"}}`),
		Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	want := `{"resourceType":"Observation","id":"lab.1","meta":{"versionId":"4","lastUpdated":"2026-01-02T03:04:05.000Z"},"valueQuantity":{"value":1.00},"_status":{"id":"x"}}`
	if got := string(Served(rec)); got != want {
		t.Errorf("%s", got)
	}
}

func TestTheCapabilityStatementRefusesAFixedPartItDoesNotKnow(t *testing.T) {
	for _, fixed := range []string{`{"rest":[{}],"surprise":1}`, `{"rest":[]}`, `{`} {
		if _, err := (Capability{}).Statement([]byte(fixed)); err == nil {
			t.Errorf("%s was taken", fixed)
		}
	}
}

func TestTheRequestsOfABundleAreReadWithTheirPlaces(t *testing.T) {
	typ, entries, err := ReadRequests([]byte(`{"resourceType":"Bundle","type":"batch","entry":[
		{"request":{"method":"PUT","url":"Goal/1","ifMatch":"W/\"1\""},"resource":{"resourceType":"Goal","id":"1"}},
		{"fullUrl":"urn:uuid:1"}]}`), 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := []Request{
		{Method: "PUT", URL: "Goal/1", Condition: "ifMatch", Type: "Goal", ID: "1", Path: "Bundle.entry[0]", IfMatch: `W/"1"`},
		{Place: 1, Path: "Bundle.entry[1]", FullURL: "urn:uuid:1"},
	}
	for i := range entries {
		want[i].Raw = entries[i].Raw
		if (entries[i].Resource.Path() == "Bundle.entry[0].resource") != (i == 0) {
			t.Errorf("%s", entries[i].Resource.Path())
		}
		entries[i].Resource = tree.Node{}
	}
	if diff := cmp.Diff(want, entries, cmp.Comparer(func(a, b tree.Node) bool { return a == b })); diff != "" || typ != "batch" {
		t.Errorf("%s %s", typ, diff)
	}
	if got := string(Batch(entries[1:])); got != `{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1"}]}` {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{`{"resourceType":"Goal"}`, `{"resourceType":"Bundle","resourceType":"Bundle"}`, ``, `[]`} {
		if _, _, err := ReadRequests([]byte(bad), 1000); fault.Of(err) != fault.Invalid || err == nil {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := ReadRequests(bytes.Repeat([]byte(" "), 1001), 1000); fault.Of(err) != fault.TooLarge {
		t.Errorf("%v", err)
	}
}
