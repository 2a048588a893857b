package storetest

import (
	"bytes"
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
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
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

// Submission is a typical decision for load: the n-th scored response of a clinic of patients, with a record of
// 2.7 kB, a fact of 0.7 kB, a state of about 1.5 kB, and one event. Every n gives another one.
func Submission(n int, patients int) *decision.Decision {
	p := ref.Patient(fmt.Sprintf("patient-%06d", n%patients))
	day := monday.Add(time.Duration(n) * time.Second)
	r := response(ref.Digest("response", fmt.Sprint(n)), 1, p, day)
	r.Raw = append(bytes.TrimSuffix(r.Raw, []byte("}")),
		[]byte(`,"text":{"div":"`+filler(n, 2550)+`"}}`)...)
	f := scored(ref.Digest("fact", fmt.Sprint(n)), r, float64(n%28))
	f.Scores.Items = []fact.Item{{Item: 1, Concept: filler(n, 330)}}
	s := state(p, int64(n/patients+1), day.Add(7*24*time.Hour))
	s.Last = fact.Key{At: day, ID: filler(n, 1350)}
	e := event(ref.Digest("event", fmt.Sprint(n)))
	e.Time, e.Subject = day, p.Reference()
	return &decision.Decision{
		Records: []record.Record{r}, Facts: []decision.Fact{f}, Episodes: []*episode.State{s}, Events: []feed.Draft{e},
	}
}

// filler is text that compresses about as JSON does.
func filler(n, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "linkId %d answer %x ", i, sha256.Sum256([]byte(fmt.Sprint(n, i))))
	}
	return b.String()[:size]
}

// canceled is a context that has ended.
func canceled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
