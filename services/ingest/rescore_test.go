package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/ingest"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/store/storetest"
)

const clinic ref.Tenant = "clinic"

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func open(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// keys are the instruments that ship, with pairs of texts of the PHQ-9 replaced.
func keys(t testing.TB, pairs ...string) *instrument.Registry {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range []string{"phq-9.json", "gad-7.json", "wai-sr.json"} {
		text, err := os.ReadFile("../domain/instrument/packs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "phq-9.json" {
			text = []byte(strings.NewReplacer(pairs...).Replace(string(text)))
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	r, err := instrument.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// milder are the instruments after the PHQ-9's mild band was moved.
func milder(t testing.TB) *instrument.Registry {
	return keys(t, `"version": "1.0.0"`, `"version": "1.1.0"`, `"from": 0, "to": 4`, `"from": 0, "to": 2`, `"from": 5, "to": 9`, `"from": 3, "to": 9`)
}

// room is the room over a store, at a moment.
func room(t testing.TB, s store.Store, known *instrument.Registry, at time.Time) *ingest.Ingest {
	t.Helper()
	c := commit.Default()
	c.Store, c.Now, c.Rules = s, func() time.Time { return at }, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }
	group, err := commit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Stop(context.Background()) })
	namer := ref.Namer{Home: "ehr"}
	now := func() time.Time { return at }
	i, err := ingest.New(ingest.Config{
		Group: group, Store: s, Reader: &fhir.Reader{Instruments: known, Namer: namer},
		Library: catalogue.NewLibrary(catalogue.Of(known), s, namer, now), Namer: namer,
		Now: now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// form is a PHQ-9 with the same answer to its first five items and 0 to the others.
func form(id, patient string, authored time.Time, answer int) string {
	links := []string{"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8"}
	var items []string
	for n, link := range links {
		if n >= 5 {
			answer = 0
		}
		items = append(items, fmt.Sprintf(`{"linkId":%q,"answer":[{"valueInteger":%d}]}`, link, answer))
	}
	date := ""
	if !authored.IsZero() {
		date = fmt.Sprintf(`"authored":%q,`, authored.Format(time.RFC3339))
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"questionnaire":"http://loinc.org/q/44249-1","status":"completed",`+
		`"subject":{"reference":"Patient/%s"},%s"item":[%s]}`, id, patient, date, strings.Join(items, ","))
}

func send(t testing.TB, i *ingest.Ingest, bodies ...string) {
	t.Helper()
	for from := 0; from < len(bodies); from += 500 {
		var all []decision.Submission
		for _, b := range bodies[from:min(from+500, len(bodies))] {
			all = append(all, decision.Submission{Tenant: clinic, Source: "ehr", Body: []byte(b)})
		}
		batch, err := i.Begin(t.Context(), clinic, all)
		if err != nil {
			t.Fatal(err)
		}
		receipts, err := batch.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			if r.Outcome == record.Rejected {
				t.Fatalf("refused: %v", r.Issues)
			}
		}
	}
}

// heard is what a run told of.
type heard struct {
	changes  []ingest.Change
	failures []ingest.Failure
	last     ingest.Progress
}

func (h *heard) hear(s ingest.Step) error {
	switch {
	case s.Change != nil:
		h.changes = append(h.changes, *s.Change)
	case s.Failure != nil:
		h.failures = append(h.failures, *s.Failure)
	default:
		h.last = *s.Progress
	}
	return nil
}

func rescore(t testing.TB, i *ingest.Ingest, wish ingest.Rescoring) heard {
	t.Helper()
	var h heard
	if err := i.Rescore(t.Context(), clinic, wish, h.hear); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h heard) counts() string {
	return fmt.Sprintf("%d changed, %d the same, %d failed", h.last.Changed, h.last.Unchanged, h.last.Failed)
}

func current(t testing.TB, s store.Store, id string) record.Record {
	t.Helper()
	var r record.Record
	err := s.View(t.Context(), clinic, func(from store.Reader) (err error) {
		r, err = from.Record(ref.Resource{Type: "QuestionnaireResponse", ID: id})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func facts(t testing.TB, s store.Store, patient string) []fact.Fact {
	t.Helper()
	var found []fact.Fact
	err := s.View(t.Context(), clinic, func(from store.Reader) error {
		all, err := from.Facts([]ref.Episode{ref.Episode(patient)})
		found = all[ref.Episode(patient)]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// between calls something after the n-th look into a store.
type between struct {
	store.Store
	looks int
	then  func()
}

func (b *between) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	err := b.Store.View(ctx, t, read)
	if b.looks--; b.looks == 0 {
		b.then()
	}
	return err
}

func TestAResponseThatIsAmendedDuringTheRunIsKept(t *testing.T) {
	s := open(t)
	send(t, room(t, s, keys(t), monday), form("r1", "p1", monday, 1))
	later := monday.Add(time.Hour)
	other := room(t, s, milder(t), later)
	// The first look lists the patients, the second reads the patient's responses.
	i := room(t, &between{s, 2, func() { send(t, other, form("r1", "p1", monday, 2)) }}, milder(t), later)
	if h := rescore(t, i, ingest.Rescoring{}); h.counts() != "0 changed, 1 the same, 0 failed" || len(h.changes) != 0 {
		t.Errorf("%s: %+v", h.counts(), h.changes)
	}
	found := facts(t, s, "p1")
	if len(found) != 1 || *found[0].Scores.Value("total") != 10 || found[0].Source.Version != 2 {
		t.Errorf("facts: %+v", found)
	}
	if r := current(t, s, "r1"); r.Version != 2 || !strings.Contains(string(r.Raw), `"valueInteger":2`) {
		t.Errorf("version %d is current: %s", r.Version, r.Raw)
	}
}

func TestAStoreThatGoesAwayInBetweenDoublesNothing(t *testing.T) {
	for name, verdict := range map[string]storetest.Verdict{
		"before the commit": storetest.Fails, "after it": storetest.Hides, "and the transaction runs twice": storetest.Repeats,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			var bodies []string
			for n := range 10 {
				bodies = append(bodies, form(fmt.Sprint("r", n), fmt.Sprint("p", n%3), monday.Add(-time.Duration(n)*time.Hour), 1))
			}
			send(t, room(t, s, keys(t), monday), bodies...)
			faulty := storetest.NewFaulty(s, storetest.Once(storetest.Update, 0, verdict))
			var h heard
			err := room(t, faulty, milder(t), monday.Add(time.Hour)).Rescore(t.Context(), clinic, ingest.Rescoring{}, h.hear)
			if verdict != storetest.Repeats && fault.Of(err) != fault.Unavailable {
				t.Errorf("got %v", err)
			}
			again := rescore(t, room(t, s, milder(t), monday.Add(2*time.Hour)), ingest.Rescoring{})
			if again.last.Changed+again.last.Unchanged != 10 || again.last.Failed != 0 {
				t.Errorf("then %s", again.counts())
			}
			for n := range 10 {
				if v := current(t, s, fmt.Sprint("r", n)).Version; v != 2 {
					t.Errorf("r%d is at version %d", n, v)
				}
			}
		})
	}
}

func TestOfTwoRunsAtOnceEachResponseIsChangedByOne(t *testing.T) {
	s := open(t)
	var bodies []string
	for n := range 200 {
		bodies = append(bodies, form(fmt.Sprint("r", n), fmt.Sprint("p", n%40), monday.Add(-time.Duration(n)*time.Minute), 1))
	}
	send(t, room(t, s, keys(t), monday), bodies...)
	i := room(t, s, milder(t), monday.Add(time.Hour))
	var runs [2]heard
	var together sync.WaitGroup
	for n := range runs {
		together.Go(func() {
			if err := i.Rescore(t.Context(), clinic, ingest.Rescoring{}, runs[n].hear); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if n := runs[0].last.Changed + runs[1].last.Changed; n != 200 || len(runs[0].changes)+len(runs[1].changes) != 200 {
		t.Errorf("%s and %s", runs[0].counts(), runs[1].counts())
	}
	if v := current(t, s, "r77").Version; v != 2 {
		t.Errorf("r77 is at version %d", v)
	}
}

func TestWhateverWasSentReadsAgainAsItWasRead(t *testing.T) {
	s := open(t)
	i := room(t, s, keys(t), monday)
	const patient = "urn:uuid:0b5c8e0e-0000-4000-8000-000000000001"
	entry := strings.ReplaceAll(strings.Replace(form("x", "p", monday, 2), `"id":"x",`, "", 1), "Patient/p", patient)
	unidentified := strings.Replace(form("z", "p", monday, 1), `{"reference":"Patient/p"}`, `{"identifier":{"system":"urn:mrn","value":"7"}}`, 1)
	send(
		t, i,
		`{"resourceType":"Bundle","type":"transaction","entry":[`+
			`{"fullUrl":"`+patient+`","resource":{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"8"}]},"request":{"method":"POST","url":"Patient"}},`+
			`{"fullUrl":"urn:uuid:0b5c8e0e-0000-4000-8000-000000000002","resource":`+entry+`,"request":{"method":"POST","url":"QuestionnaireResponse"}}]}`,
		unidentified, form("undated", "p2", time.Time{}, 1), form("ahead", "p2", monday.AddDate(0, 0, 9), 1),
		strings.Replace(form("void", "p3", monday, 1), "completed", "entered-in-error", 1),
		strings.Replace(form("begun", "p3", monday, 1), "completed", "in-progress", 1),
		strings.Replace(form("unknown", "p3", monday, 1), "http://loinc.org/q/44249-1", "http://example.org/mood", 1),
		`{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},`+
			`"subject":{"reference":"Patient/p3"},"issued":"2026-03-01T09:00:00Z","valueQuantity":{"value":12}}`,
		`{"resourceType":"Observation","id":"o2","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"55411-3"}]},`+
			`"basedOn":[{"reference":"ServiceRequest/s"}],"subject":{"reference":"Patient/p3"},"valueQuantity":{"value":12.50,"code":"min","system":"http://unitsofmeasure.org"}}`,
	)
	before := facts(t, s, "p2")
	wish := ingest.Rescoring{Types: []string{"QuestionnaireResponse", "Observation"}}
	if h := rescore(t, room(t, s, keys(t), monday.AddDate(0, 1, 0)), wish); h.counts() != "0 changed, 9 the same, 0 failed" {
		t.Errorf("by the same instruments: %s %+v", h.counts(), h.changes)
	}
	for _, after := range []int{2, 3} { // the second time the receipt of the content lies two versions back
		known := milder(t)
		if after == 3 {
			known = keys(t)
		}
		rescore(t, room(t, s, known, monday.AddDate(0, after, 0)), ingest.Rescoring{})
		now := facts(t, s, "p2")
		if len(now) != 1 || now[0].ID != before[0].ID || !now[0].At.Equal(monday) || now[0].Source.Version != int64(after) {
			t.Errorf("after %d months: %+v", after, now)
		}
	}
}

func TestWhatCannotBeReadAgainIsToldOfAndTheOthersGoOn(t *testing.T) {
	s := open(t)
	send(t, room(t, s, keys(t), monday), form("good", "p1", monday, 1))
	broken := current(t, s, "good")
	broken.ID, broken.SourceID, broken.Raw = "broken", "broken", []byte(`{"resourceType":"QuestionnaireResponse","status":7}`)
	if _, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Records: []record.Record{broken}})
	}); err != nil {
		t.Fatal(err)
	}
	h := rescore(t, room(t, s, milder(t), monday.Add(time.Hour)), ingest.Rescoring{})
	if h.counts() != "1 changed, 0 the same, 1 failed" || h.failures[0].Resource.ID != "broken" || len(h.failures[0].Issues) == 0 {
		t.Errorf("%s %+v", h.counts(), h.failures)
	}
	if v := current(t, s, "broken").Version; v != 1 {
		t.Errorf("what could not be read is at version %d", v)
	}
}

func TestAPatientWithVeryManyResponsesIsGoneThroughInParts(t *testing.T) {
	s := open(t)
	const n = 1150
	var bodies []string
	for i := range n {
		bodies = append(bodies, form(fmt.Sprint("r", i), "p1", monday.Add(-time.Duration(n-i)*time.Hour), 1))
	}
	send(t, room(t, s, keys(t), monday), bodies...)
	h := rescore(t, room(t, s, milder(t), monday.Add(time.Hour)), ingest.Rescoring{})
	if h.counts() != fmt.Sprintf("%d changed, 0 the same, 0 failed", n) {
		t.Errorf("%s", h.counts())
	}
	for _, f := range facts(t, s, "p1") {
		if f.Scores.Version != "1.1.0" || f.Source.Version != 2 {
			t.Fatalf("a fact is by %s, from version %d", f.Scores.Version, f.Source.Version)
		}
	}
}

func TestWhoStopsListeningEndsTheRunAndLeavesNothingUnderWay(t *testing.T) {
	s := open(t)
	send(t, room(t, s, keys(t), monday), form("r1", "p1", monday, 1), form("r2", "p2", monday, 1))
	enough := errors.New("enough")
	i := room(t, s, milder(t), monday.Add(time.Hour))
	err := i.Rescore(t.Context(), clinic, ingest.Rescoring{}, func(ingest.Step) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if h := rescore(t, i, ingest.Rescoring{}); h.counts() != "0 changed, 2 the same, 0 failed" {
		t.Errorf("what was under way was not finished: %s", h.counts())
	}
}

func TestARoomWithoutAStoreScoresNothingAgain(t *testing.T) {
	i := room(t, open(t), keys(t), monday)
	i.Store = nil
	if err := i.Rescore(t.Context(), clinic, ingest.Rescoring{}, func(ingest.Step) error { return nil }); fault.Of(err) != fault.NotSupported {
		t.Errorf("got %v", err)
	}
}
