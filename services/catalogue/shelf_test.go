package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// counted counts the views of a store, and fails them when it is away.
type counted struct {
	*sqlite.Store
	views int
	away  error
}

func (c *counted) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	c.views++
	if c.away != nil {
		return c.away
	}
	return c.Store.View(ctx, t, read)
}

// stored is a library over a store, and its clock.
func stored(t *testing.T) (*catalogue.Library, *counted, *time.Time) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	at := now()
	c := &counted{Store: s}
	return catalogue.NewLibrary(clinic(t), c, namer, func() time.Time { return at }), c, &at
}

// mood is the example clinic's form under another canonical.
func mood(t *testing.T, id, version string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/clinic/mood.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`"resourceType": "Questionnaire"`, `"resourceType": "Questionnaire", "id": "`+id+`"`,
		"https://clinic.example/Questionnaire/mood", "https://ehr.example/mood", `"version": "1"`, `"version": "`+version+`"`).Replace(string(raw))
}

// keep stores Questionnaires of a source, each as version 1 of its resource.
func keep(t *testing.T, s *counted, source ref.Source, bodies ...string) {
	t.Helper()
	reader := &fhir.Reader{Namer: namer}
	var d decision.Decision
	for _, body := range bodies {
		doc := parse(t, body)
		reading, err := reader.Read(doc, source)
		if err != nil {
			t.Fatal(err)
		}
		d.Records = append(d.Records, record.Record{
			Resource: ref.Resource{Type: "Questionnaire", ID: namer.ID(source, reading.LogicalID), Version: 1}, Source: source,
			SourceID: reading.LogicalID, Hash: doc.Content(), Codes: reading.Codes, Raw: doc.Raw(), Received: now(), Outcome: record.Stored,
		})
	}
	if _, err := s.Update(t.Context(), "t", func(tx store.Tx) error { return tx.Commit(&d) }); err != nil {
		t.Fatal(err)
	}
}

var moodAnswers = []string{coded("1", clinicAnswers, "yes"), coded("2", clinicAnswers, "yes")}

func TestAKnownNameDoesNotAskTheStoreForEachResponse(t *testing.T) {
	l, s, at := stored(t)
	body := answered("Questionnaire/phq-2", "completed", integer("/44250-9", 1), integer("/44255-8", 2))
	for range 5 {
		mustScore(t, l.Open("t"), "ehr", body)
	}
	if s.views != 1 {
		t.Errorf("the store was asked %d times", s.views)
	}
	*at = at.Add(time.Minute)
	mustScore(t, l.Open("t"), "ehr", body)
	if s.views != 2 {
		t.Errorf("a copy that another server has stored is never found: %d", s.views)
	}
	views := s.views
	mustScore(t, l.Open("t"), "ehr", answered("phq-2", "completed", integer("1", 1), integer("2", 2)))
	if s.views != views {
		t.Error("our own form asked the store")
	}
}

func TestAStoredFormIsFoundByItsCanonicalAndByTheIdInItsSource(t *testing.T) {
	l, s, _ := stored(t)
	keep(t, s, "ehr", mood(t, "q1", "1"), mood(t, "q2", "2"))
	keep(t, s, "portal", mood(t, "q1", "7"))
	for _, c := range []struct {
		source     ref.Source
		name, want string
	}{
		{"ehr", "https://ehr.example/mood|1", "1+"},
		{"ehr", "https://ehr.example/mood", "2+"},
		{"ehr", "Questionnaire/q1", "1+"},
		{"portal", "Questionnaire/q1", "7+"},
		{"portal", "https://ehr.example/mood", "7+"},
		{"portal", "https://ehr.example/mood|1", "1+"},
		{"lab", "https://ehr.example/mood|7", "7+"},
		{"lab", "Questionnaire/q1", ""},
		{"ehr", "https://ehr.example/mood|3", ""},
		{"ehr", "Questionnaire/q1|2", ""},
		{"ehr", "https://ehr.example/fhir/Questionnaire/q1", ""},
		{"ehr", "urn:nothing", ""},
	} {
		out := mustScore(t, l.Open("t"), c.source, answered(c.name, "completed", moodAnswers...))
		got := ""
		if out.Definition != nil {
			got = out.Definition.Version
		}
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s of %s is scored by %q, want %q: %v", c.name, c.source, got, c.want, out.Issues)
		}
	}
	if out := mustScore(t, l.Open("other"), "ehr", answered("https://ehr.example/mood|1", "completed", moodAnswers...)); out.Definition != nil {
		t.Error("a form of one tenant scored what is another's")
	}
}

func TestWhatIsOnAShelfCountsUntilItIsTakenAway(t *testing.T) {
	l, _, _ := stored(t)
	body := answered("https://ehr.example/mood", "completed", moodAnswers...)
	a, b := l.Open("t"), l.Open("t")
	put := func() {
		doc := parse(t, mood(t, "q1", "1"))
		a.Put("ehr", ref.Resource{Type: "Questionnaire", ID: "q1"}, doc)
	}
	if out := mustScore(t, a, "ehr", body); out.Definition != nil {
		t.Fatal("scored before the form was there")
	}
	put()
	for name, s := range map[string]*catalogue.Shelf{"the same run": a, "a later run": b} {
		if out := mustScore(t, s, "ehr", body); value(out, "sum") != "6" {
			t.Errorf("%s: %s", name, value(out, "sum"))
		}
	}
	if out := mustScore(t, a, "portal", body); out.Definition != nil {
		t.Error("what is not stored yet counts for its own source alone")
	}
	a.Truncate(0)
	if out := mustScore(t, l.Open("t"), "ehr", body); out.Definition != nil {
		t.Error("a form that was refused still scores")
	}
	put()
	a.Close()
	if out := mustScore(t, l.Open("t"), "ehr", body); out.Definition != nil {
		t.Error("a form that was never stored still scores")
	}
}

func TestAStoreThatIsAwayIsSaidAndNothingIsGuessed(t *testing.T) {
	l, s, _ := stored(t)
	s.away = errors.New("away")
	_, err := score(t, l.Open("t"), "ehr", answered("https://ehr.example/mood", "completed", moodAnswers...))
	if fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestManyFormsAreForgottenAndCompiledAgain(t *testing.T) {
	l, _, _ := stored(t)
	s := l.Open("t")
	first := mood(t, "q0", "0")
	body := func(version int) string {
		return answered(fmt.Sprintf("https://ehr.example/mood|%d", version), "completed", moodAnswers...)
	}
	small := `{"resourceType":"Questionnaire","id":"s%d","url":"https://ehr.example/small/%d","status":"active","item":[{"linkId":"a","type":"string"}]}`
	s.Put("ehr", ref.Resource{Type: "Questionnaire", ID: "q0"}, parse(t, first))
	before := mustScore(t, s, "ehr", body(0)).Definition
	for i := range 600 {
		s.Put("ehr", ref.Resource{Type: "Questionnaire", ID: fmt.Sprint("s", i)}, parse(t, fmt.Sprintf(small, i, i)))
	}
	again := l.Open("t")
	again.Put("ehr", ref.Resource{Type: "Questionnaire", ID: "q0"}, parse(t, first))
	after := mustScore(t, again, "ehr", body(0)).Definition
	if before == after || before.Hash != after.Hash || before.Version != after.Version {
		t.Error("the definition is another one when it is compiled again")
	}
}
