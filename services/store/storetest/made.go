package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// clinic is the tenant of most tests.
const clinic = ref.Tenant("clinic")

// monday is when the tests take place.
var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// commit writes decisions, which must succeed.
func commit(t testing.TB, s store.Store, tenant ref.Tenant, decisions ...*decision.Decision) []feed.Cursor {
	t.Helper()
	moved, err := s.Update(t.Context(), tenant, func(tx store.Tx) error { return tx.Commit(decisions...) })
	if err != nil {
		t.Fatalf("committing: %v", err)
	}
	return moved
}

// view reads, which must succeed.
func view(t testing.TB, s store.Store, tenant ref.Tenant, read func(r store.Reader) error) {
	t.Helper()
	if err := s.View(t.Context(), tenant, read); err != nil {
		t.Fatalf("reading: %v", err)
	}
}

// ask reads one thing, which must succeed.
func ask[T any](t testing.TB, s store.Store, tenant ref.Tenant, read func(r store.Reader) (T, error)) T {
	t.Helper()
	var answer T
	view(t, s, tenant, func(r store.Reader) (err error) {
		answer, err = read(r)
		return err
	})
	return answer
}

// same compares what was read with what was written.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(record.Record{}, "Seq")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// failsWith says that an error is of a kind.
func failsWith(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.Of(err) != kind {
		t.Errorf("got error %v, want one of kind %q", err, kind)
	}
}

// response is a record of a QuestionnaireResponse.
func response(id string, version int64, p ref.Patient, day time.Time) record.Record {
	raw := []byte(`{"resourceType":"QuestionnaireResponse","id":"` + id + `","status":"completed"}`)
	return record.Record{
		Resource: ref.Resource{Type: "QuestionnaireResponse", ID: id, Version: version},
		Source:   "ehr", SourceID: id, SourceVersion: fmt.Sprint(version),
		Hash:    sha256.Sum256(append(raw, byte(version))),
		Patient: p,
		Codes:   []string{"http://example.org/forms|phq-9"},
		From:    day, To: day.Add(24 * time.Hour),
		Raw: raw, Received: monday, Outcome: record.Scored,
	}
}

// scored is a fact from a record.
func scored(id string, from record.Record, value float64) decision.Fact {
	return decision.Fact{Episode: ref.EpisodeOf(from.Patient), Fact: fact.Fact{
		ID: id, Kind: fact.KindScores, At: from.From, Recorded: from.Received, Source: from.Resource,
		Scores: &fact.Scores{
			Instrument: "phq-9", Version: "1", Construct: "distress", Respondent: "patient",
			Scores: []fact.Score{{Code: "total", Value: &value, Min: 0, Max: 27}},
		},
	}}
}

// state of a patient's episode.
func state(p ref.Patient, facts int64, deadline time.Time) *episode.State {
	return &episode.State{Form: 1, Episode: ref.EpisodeOf(p), Patient: p, Facts: facts, Deadline: deadline}
}

// finding is an alert as it is opened.
func finding(id string, p ref.Patient, severity judge.Severity, at time.Time) alert.Alert {
	return alert.Alert{
		ID: id, Version: 1, Status: alert.Open, Severity: severity, Rule: "phq9-item-9", RuleVersion: "v1",
		Patient: p, Episode: ref.EpisodeOf(p), Title: "Screen positive", Seen: "item 9 is 2",
		Facts: []string{"f-" + id}, Effective: at, Opened: at.Add(time.Minute),
		History: []alert.Step{{Version: 1, Status: alert.Open, Time: at.Add(time.Minute), Actor: "rapport"}},
	}
}

// event is a draft.
func event(id string, feeds ...feed.Name) feed.Draft {
	return feed.Draft{
		Feeds: feeds, ID: id, Type: feed.Recorded, Time: monday, Subject: "Patient/p1", Data: json.RawMessage(`{"n":"` + id + `"}`),
	}
}

// one decision that holds a single event.
func happened(id string, feeds ...feed.Name) *decision.Decision {
	return &decision.Decision{Events: []feed.Draft{event(id, feeds...)}}
}

// Submission is a typical decision for load: the n-th scored PHQ-9 of a clinic of patients, with a record of 2.7 kB,
// a fact of 0.7 kB, a state of 1.5 kB and one event. Every n gives another one.
func Submission(n int, patients int) *decision.Decision {
	p := ref.Patient(fmt.Sprintf("patient-%06d", n%patients))
	day := monday.Add(time.Duration(n) * time.Second)
	r := response(ref.Digest("response", fmt.Sprint(n)), 1, p, day)
	r.Raw = form(n, p, day)
	r.Hash = sha256.Sum256(r.Raw)
	f := scored(ref.Digest("fact", fmt.Sprint(n)), r, float64(n%28))
	for i := range 9 {
		answer := float64((n + i) % 4)
		f.Scores.Items = append(f.Scores.Items, fact.Item{Item: i + 1, Concept: concepts[i], Answer: &answer})
	}
	s := state(p, int64(n/patients+1), day.Add(7*24*time.Hour))
	s.Last = fact.Key{At: day, ID: history(n)}
	e := event(ref.Digest("event", fmt.Sprint(n)))
	e.Time, e.Subject = day, p.Reference()
	return &decision.Decision{
		Records: []record.Record{r}, Facts: []decision.Fact{f}, Episodes: []*episode.State{s}, Events: []feed.Draft{e},
	}
}

var concepts = [...]string{
	"interest", "mood", "sleep", "energy", "appetite", "self-worth", "concentration", "motor change", "self-harm",
}

// form is a QuestionnaireResponse as an EHR writes it, 2.7 kB.
func form(n int, p ref.Patient, day time.Time) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"resourceType":"QuestionnaireResponse","id":"%d","meta":{"versionId":"1","lastUpdated":"%s","profile":`+
		`["http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaireresponse"]},"questionnaire":`+
		`"http://example.org/Questionnaire/phq-9","status":"completed","subject":{"reference":"%s"},"authored":"%s","item":[`,
		n, day.Format(time.RFC3339), p.Reference(), day.Format(time.RFC3339))
	for i, concept := range concepts {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"linkId":"/4425%d-7","text":"How often were you bothered: %s","answer":[{"valueCoding":{"extension":[`+
			`{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":%d}],"system":"http://loinc.org",`+
			`"code":"LA656%d-%d"}}]}`, i, concept, (n+i)%4, 8+(n+i)%4, (n+i)%10)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// history is what a state remembers, 1.4 kB.
func history(n int) string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "phq-9 total %d at %s from QuestionnaireResponse/%s; ",
			(n+i)%28, monday.AddDate(0, 0, -7*i).Format(time.DateOnly), ref.Digest(fmt.Sprint(n, i)))
	}
	return b.String()
}

// filler is text that does not compress well.
func filler(n, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%x", sha256.Sum256([]byte(fmt.Sprint(n, i))))
	}
	return b.String()[:size]
}

// canceled is a context that has ended.
func canceled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
