package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

var march2 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func builtin(t testing.TB) *instrument.Registry {
	t.Helper()
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func definition(t testing.TB, id string) *instrument.Definition {
	t.Helper()
	def, err := builtin(t).Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return def
}

// numbers are answers in the order of the form; negative for unanswered.
func numbers(of ...float64) []*float64 {
	var out []*float64
	for _, x := range of {
		if x < 0 {
			out = append(out, nil)
		} else {
			out = append(out, &x)
		}
	}
	return out
}

// sheet is what answers give, as of a form that an adult sent.
func sheet(t testing.TB, def *instrument.Definition, answers []*float64, changes ...func(*response.Response)) *Sheet {
	t.Helper()
	resp, _ := response.FromOrdinals(def, answers, "")
	for _, change := range changes {
		change(&resp)
	}
	s := &Sheet{
		Fact: fact.Fact{
			ID: "f", Kind: fact.KindScores, At: march2, Recorded: march2.Add(time.Minute),
			Source: ref.Resource{Type: "QuestionnaireResponse", ID: "r1", Version: 1},
			Scores: fact.FromSheet(score.Score(def, resp)),
		},
		Definition: def, Patient: "p1", Engine: "1.2.3",
		BornFrom: date(1980, 2, 29), BornTo: date(1980, 3, 1),
	}
	s.Fact.Scores.Hash = "hash" // which changes with every word of a pack
	s.Stem = ref.Derived("clinic", s.Fact.Source)
	s.Answered = answeredOf(t, `{"resourceType":"QuestionnaireResponse","id":"r1","status":"completed","authored":"2026-03-02T10:00:00+01:00",
		"subject":{"reference":"Patient/p1"},"encounter":{"reference":"https://ehr.example/fhir/Encounter/e1/_history/2"},
		"basedOn":[{"reference":"ServiceRequest/s1"},{"reference":"#here"}],"partOf":[{"reference":"Observation/o1"},{"reference":"Procedure/x1"}],
		"author":{"reference":"Device/d1"},"source":{"reference":"Patient/p1"}}`)
	return s
}

func answeredOf(t testing.TB, body string) Answered {
	t.Helper()
	r := &Reader{Namer: ref.Namer{Home: "ehr"}}
	a, err := r.Answered(record.Record{Resource: ref.Resource{Type: "QuestionnaireResponse", ID: "r1"}, Source: "ehr", Raw: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// observations of a sheet, each as it stands.
func observations(s *Sheet, standing Standing) [][]byte {
	var out [][]byte
	for _, p := range s.Parts() {
		out = append(out, s.Observation(p, Version{Number: 1, Standing: standing, Updated: march2.Add(time.Minute)}))
	}
	return out
}

func array(of [][]byte) []byte {
	return append(append([]byte("["), bytes.Join(of, []byte(","))...), ']')
}

func TestDerivedObservationsOfAPHQ9(t *testing.T) {
	s := sheet(t, definition(t, "phq-9"), numbers(2, 2, 1, 2, 2, -1, 2, 0, 1, 2), func(r *response.Response) {
		r.Submitted = []response.Submitted{{Score: "total", Value: 12}}
	})
	golden(t, "derived-phq-9", array(observations(s, First)))
}

func TestDerivedObservationsOfAnAllianceForm(t *testing.T) {
	s := sheet(t, definition(t, "wai-sr"), numbers(5, 4, 5, 4, 5, 4, -1, 3, 5, 2, 4, 5))
	s.Fact.Scores.VersionAssumed = true
	golden(t, "derived-wai-sr", array(observations(s, Later)))
}

func TestDerivedObservationsOfAFormThatCannotBeScored(t *testing.T) {
	s := sheet(t, definition(t, "gad-7"), numbers(3, -1, -1, 0, -1, -1, -1))
	golden(t, "derived-unscorable", array(observations(s, Withdrawn)))
}

// observed is an Observation as far as tests look at one.
type observed struct {
	ID, Status string
	Code       struct {
		Coding []struct{ System, Code string }
	}
	Category []struct {
		Coding []struct{ System, Code string }
	}
	Meta struct {
		VersionID string
		Profile   []string
	}
	Subject           *struct{ Reference string }
	EffectiveDateTime string
	Issued            string
	ValueInteger      *int
	ValueQuantity     *struct {
		Value        json.Number
		System, Code string
	}
	ValueCodeableConcept *struct {
		Coding []struct{ System, Code string }
	}
	DataAbsentReason *struct {
		Coding []struct{ Code string }
		Text   string
	}
	Interpretation []struct {
		Coding []struct{ Code string }
		Text   string
	}
	HasMember, DerivedFrom []struct{ Reference string }
	Component              []struct {
		Code         struct{ Coding []struct{ Code string } }
		ValueInteger *int
	}
	Note []struct{ Text string }
}

func (o observed) codes() string {
	var out []string
	for _, c := range o.Code.Coding {
		out = append(out, c.System+"|"+c.Code)
	}
	return strings.Join(out, " ")
}

func (o observed) notes() string {
	var out []string
	for _, n := range o.Note {
		out = append(out, n.Text)
	}
	return strings.Join(out, " ")
}

// part is one derived Observation, by the name of its part.
func part(t testing.TB, s *Sheet, name string) *observed {
	t.Helper()
	for _, p := range s.Parts() {
		if p.Name != name {
			continue
		}
		var o observed
		if err := json.Unmarshal(s.Observation(p, Version{}), &o); err != nil {
			t.Fatal(err)
		}
		return &o
	}
	return nil
}

func TestAWholeTotalIsAnIntegerAndWhatIsDerivedFromItAQuantity(t *testing.T) {
	wai := sheet(t, definition(t, "wai-sr"), numbers(5, 4, 5, 4, 5, 4, 5, 3, 5, 2, 4, 5))
	if o := part(t, wai, "score-total"); o.ValueInteger == nil || *o.ValueInteger != 51 || o.ValueQuantity != nil {
		t.Errorf("total: %+v", o)
	}
	if o := part(t, wai, "score-bond-mean"); o.ValueInteger != nil || o.ValueQuantity.Value != "5" || o.ValueQuantity.Code != "{score}" || o.ValueQuantity.System != ucum {
		t.Errorf("mean: %+v", o)
	}
	prorated := sheet(t, definition(t, "wai-sr"), numbers(5, 4, 5, 4, 5, 4, -1, 3, 4, 2, 4, 5))
	if o := part(t, prorated, "score-bond"); o.ValueInteger != nil || o.ValueQuantity.Value != "18.667" || !strings.Contains(o.notes(), "Prorated: 3 of 4") {
		t.Errorf("prorated: %+v %s", o.ValueQuantity, o.notes())
	}
	unknown := sheet(t, definition(t, "phq-9"), numbers(1, 1, 1, 1, 1, 1, 1, 1, 1))
	unknown.Definition = nil
	if o := part(t, unknown, "score-total"); o.ValueQuantity == nil || o.codes() != instrument.ScoreSystem+"|phq-9-total" {
		t.Errorf("of a definition that is not known any more: %+v", o)
	}
	if o := part(t, unknown, "item-3"); o.ValueInteger == nil || o.codes() != instrument.ItemSystem+"|phq-9-sleep" {
		t.Errorf("of a definition that is not known any more: %+v", o)
	}
}

func TestWhatCannotBeScoredHasAReasonAndNoNumber(t *testing.T) {
	s := sheet(t, definition(t, "phq-9"), numbers(3, 3, -1, -1, -1, 3, 3, 3, 3))
	o := part(t, s, "score-total")
	if o.ValueInteger != nil || o.ValueQuantity != nil || o.Interpretation != nil || o.DataAbsentReason.Coding[0].Code != "unknown" ||
		o.DataAbsentReason.Text != "not scorable: too few items are answered: 6 of 9, and 7 are needed" {
		t.Errorf("%+v", o.DataAbsentReason)
	}
	if part(t, s, "screen") != nil || part(t, s, "item-3") != nil || part(t, s, "item-1") == nil {
		t.Error("no score is no screen, and no answer is no item")
	}
	none := sheet(t, definition(t, "phq-9"), nil)
	if got := len(none.Parts()); got != 3 {
		t.Errorf("an empty form has %d parts: its panel, and the score and the decision that it has not", got)
	}
}

func TestScoresCarryTheirLOINCCodeAndNeverAnotherOnes(t *testing.T) {
	for name, want := range map[string]string{
		"panel":       "http://loinc.org|44249-1 " + instrument.ScoreSystem + "|phq-9",
		"score-total": "http://loinc.org|44261-6 " + instrument.ScoreSystem + "|phq-9-total",
		"item-9":      "http://loinc.org|44260-8 " + instrument.ItemSystem + "|phq-9-self-harm",
		"screen":      "http://loinc.org|73832-8",
	} {
		s := sheet(t, definition(t, "phq-9"), numbers(0, 1, 0, 0, 0, 0, 0, 0, 0))
		if o := part(t, s, name); o == nil || o.codes() != want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	for _, def := range builtin(t).All() {
		if def.ID == "phq-9" {
			continue
		}
		for _, p := range sheet(t, def, lowest(def)).Parts() {
			if slices.Contains(p.Codes, "http://loinc.org|44261-6") {
				t.Errorf("%s of %s has the code of the PHQ-9's total", p.Name, def.ID)
			}
		}
	}
}

func lowest(def *instrument.Definition) []*float64 {
	var out []*float64
	for i := range def.Items {
		low, _ := def.Items[i].Answers().Bounds()
		out = append(out, &low)
	}
	return out
}

func TestABandIsToldInWordsAndAsADistanceFromNormal(t *testing.T) {
	for _, test := range []struct {
		instrument string
		answers    []*float64
		code, text string
	}{
		{"phq-9", numbers(0, 0, 0, 0, 0, 0, 0, 0, 0), "N", "minimal"},
		{"phq-9", numbers(1, 1, 1, 1, 1, 1, 0, 0, 0), "H", "mild"},
		{"phq-9", numbers(3, 3, 3, 3, 3, 0, 0, 0, 0), "HH", "moderately severe"},
		{"pseq", numbers(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "L", ""},
		{"wai-sr", numbers(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "", ""},
	} {
		o := part(t, sheet(t, definition(t, test.instrument), test.answers), "score-total")
		code, text := "", ""
		if len(o.Interpretation) > 0 {
			text = o.Interpretation[0].Text
			if len(o.Interpretation[0].Coding) > 0 {
				code = o.Interpretation[0].Coding[0].Code
			}
		}
		if !strings.HasPrefix(code, test.code) || !strings.Contains(text, test.text) || (code == "") != (test.code == "") {
			t.Errorf("%s: %s %q", test.instrument, code, text)
		}
	}
}

func TestADepressionScreenIsNamedByTheAgeOnTheDay(t *testing.T) {
	tests := []struct {
		name     string
		from, to time.Time
		want     string
	}{
		{"the 18th birthday", date(2008, 3, 2), date(2008, 3, 3), adultScreen},
		{"the day before", date(2008, 3, 3), date(2008, 3, 4), adolescentScreen},
		{"the 12th birthday", date(2014, 3, 2), date(2014, 3, 3), adolescentScreen},
		{"a child", date(2014, 3, 3), date(2014, 3, 4), ""},
		{"a year that says enough", date(1990, 1, 1), date(1991, 1, 1), adultScreen},
		{"a month that leaves it open", date(2008, 3, 1), date(2008, 4, 1), ""},
		{"nothing known", time.Time{}, time.Time{}, ""},
	}
	for _, test := range tests {
		s := sheet(t, definition(t, "phq-9"), numbers(2, 2, 2, 2, 2, 0, 0, 0, 0))
		s.BornFrom, s.BornTo = test.from, test.to
		o := part(t, s, "screen")
		said := strings.Contains(part(t, s, "panel").notes(), "birth date")
		switch {
		case test.want == "" && (o != nil || !said):
			t.Errorf("%s: %+v, said on the panel: %t", test.name, o, said)
		case test.want != "" && (o == nil || o.codes() != test.want || said):
			t.Errorf("%s: %+v, said on the panel: %t", test.name, o, said)
		}
	}
}

func TestADepressionScreenIsPositiveFromItsCutPointOn(t *testing.T) {
	for _, test := range []struct {
		instrument string
		answers    []*float64
		want       string
	}{
		{"phq-9", numbers(2, 2, 2, 2, 1, 0, 0, 0, 0), screenNegative},
		{"phq-9", numbers(2, 2, 2, 2, 2, 0, 0, 0, 0), screenPositive},
		{"phq-2", numbers(1, 1), screenNegative},
		{"phq-2", numbers(1, 2), screenPositive},
	} {
		s := sheet(t, definition(t, test.instrument), test.answers)
		o := part(t, s, "screen")
		total := s.URL("score-total")
		if c := o.ValueCodeableConcept.Coding[0]; c.System+"|"+c.Code != test.want || o.DerivedFrom[0].Reference != total || o.Status != "final" {
			t.Errorf("%s: %+v", test.instrument, o)
		}
	}
	by := sheet(t, definition(t, "phq-9"), numbers(2, 2, 2, 2, 2, 0, 0, 0, 0))
	by.Fact.Scores.Respondent = "care-partner"
	if part(t, by, "screen") != nil {
		t.Error("what a care partner answers is no screen of the patient")
	}
	if _, ok := screens["gad-7"]; ok || part(t, sheet(t, definition(t, "gad-7"), numbers(3, 3, 3, 3, 3, 3, 3)), "screen") != nil {
		t.Error("anxiety is no depression screen")
	}
}

func TestTheCutPointsOfScreensAreThoseOfTheirDefinitions(t *testing.T) {
	for id, by := range screens {
		def, err := builtin(t).Lookup(id)
		if err != nil {
			continue // not in the catalogue
		}
		key := def.Score(by.score)
		if key == nil || !slices.ContainsFunc(key.Cuts, func(c instrument.Cut) bool { return c.At == by.at && c.Evidence.Confirmed() }) {
			t.Errorf("%s has no confirmed cut point %v", id, by.at)
		}
	}
}

func TestAnInstrumentThatIsNotReadySaysSoInEveryObservation(t *testing.T) {
	for id, said := range map[string]string{"wai-srt": "provisional", "promis-anxiety-4a": "licence review", "phq-9": ""} {
		def := definition(t, id)
		answers := make([]*float64, len(def.Items))
		for n := range answers {
			answers[n] = new(1.0)
		}
		s := sheet(t, def, answers)
		for _, p := range s.Parts() {
			body := string(s.Observation(p, Version{Number: 1, Updated: march2}))
			status := `{"url":"status","valueString":"` + def.Status + `"}`
			if strings.Contains(body, status) != (said != "") {
				t.Errorf("%s %s: %s", id, p.Name, body)
			}
			if p.Name == partPanel && said != "" && !strings.Contains(body, said) {
				t.Errorf("%s: the panel does not say it: %s", id, body)
			}
		}
	}
}

func TestDerivedObservationsSayWhereTheyStand(t *testing.T) {
	s := sheet(t, definition(t, "phq-9"), numbers(2, 2, 2, 2, 2, 0, 0, 0, 0))
	parts := s.Parts()
	status := func(name string, standing Standing) string {
		i := slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
		return s.Status(parts[i], standing)
	}
	want := []string{"final", "amended", "entered-in-error", "final", "corrected", "entered-in-error"}
	var got []string
	for _, name := range []string{"score-total", "screen"} {
		for _, standing := range []Standing{First, Later, Withdrawn} {
			got = append(got, status(name, standing))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.Answered.Status = "amended"
	if got := status("item-1", First); got != "amended" {
		t.Errorf("of a form that arrives amended: %s", got)
	}
}

func TestDerivedObservationsTellWhenAsItWasWritten(t *testing.T) {
	s := sheet(t, definition(t, "phq-9"), numbers(0, 0, 0, 0, 0, 0, 0, 0, 0))
	for authored, want := range map[string]string{
		"2026-03-02T10:00:00.5+01:00": "2026-03-02T10:00:00.5+01:00 2026-03-02T10:00:00.5+01:00 1",
		"2026-03-02":                  "2026-03-02  1",
		"2026-03":                     "2026-03  0",
		"":                            "2026-03-02T09:00:00.000Z 2026-03-02T09:00:00.000Z 1",
	} {
		s.Answered.Authored = authored
		o := part(t, s, "score-total")
		if got := fmt.Sprintf("%s %s %d", o.EffectiveDateTime, o.Issued, len(o.Meta.Profile)); got != want {
			t.Errorf("%q: %s", authored, got)
		}
	}
}

func TestWhatHasNoResultIsNotDerived(t *testing.T) {
	form := numbers(0, 0, 0, 0, 0, 0, 0, 0, 2)
	for _, status := range []string{response.InProgress, response.Stopped, response.EnteredInError} {
		s := sheet(t, definition(t, "phq-9"), form, func(r *response.Response) { r.Unscored = status })
		if Derivable(s.Fact) {
			t.Errorf("%s was derived from", status)
		}
	}
	s := sheet(t, definition(t, "phq-9"), form)
	if !Derivable(s.Fact) {
		t.Error("a completed form is derived from")
	}
	s.Fact.Scores.Version = fact.VersionExternal
	if Derivable(s.Fact) || Derivable(fact.Fact{Kind: fact.KindClock, Clock: &fact.Clock{}}) {
		t.Error("ready-made scores and other facts are not derived from")
	}
}

// past is a version of a form in which as many items are answered.
func past(t *testing.T, version int64, answered int, superseded bool) Past {
	answers := make([]*float64, 9)
	for i := range answered {
		answers[i] = new(1.0)
	}
	s := sheet(t, definition(t, "phq-9"), answers)
	s.Fact.Source.Version = version
	return Past{s, superseded}
}

func standings(h History, part string) string {
	var out []string
	for _, o := range h.of(part) {
		out = append(out, fmt.Sprintf("%d:%d", o.Version, o.Standing))
	}
	return strings.Join(out, " ")
}

func TestWhatIsDerivedFollowsTheVersionsOfItsForm(t *testing.T) {
	h := NewHistory([]Past{past(t, 1, 9, true), past(t, 2, 8, true), past(t, 5, 9, true)})
	for name, want := range map[string]string{
		"score-total": "1:0 2:1 3:2 5:1 6:2",
		"item-9":      "1:0 2:2 5:1 6:2",
		"item-10":     "",
	} {
		if got := standings(h, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if o, ok := h.Find("item-9", 2); !ok || o.Standing != Withdrawn || o.Sheet.Fact.Source.Version != 1 {
		t.Errorf("%+v", o)
	}
	for _, version := range []int64{3, 4, 7} {
		if o, ok := h.Find("item-9", version); ok {
			t.Errorf("version %d: %+v", version, o)
		}
	}
	if o, ok := h.Find("panel", 0); !ok || o.Version != 6 || o.Standing != Withdrawn {
		t.Errorf("%+v", o)
	}
	if got := len(h.Current()); got != 13 {
		t.Errorf("%d: a panel, a score, a decision, a screen and nine items", got)
	}
	if _, ok := NewHistory(nil).Find("panel", 0); ok {
		t.Error("nothing was found in nothing")
	}
	if o, ok := NewHistory([]Past{past(t, 3, 9, false)}).Find("panel", 0); !ok || o.Version != 3 || o.Standing != First {
		t.Errorf("the first version with a result is the first: %+v", o)
	}
}

// vectorSheets are the sheets of all golden vectors of all built-in instruments.
func vectorSheets(t testing.TB) map[string]*Sheet {
	t.Helper()
	files, err := filepath.Glob("../domain/score/testdata/vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no vectors", err)
	}
	out := map[string]*Sheet{}
	for _, file := range files {
		var of struct {
			Instrument string
			Vectors    []struct {
				Name    string
				Answers []*float64
			}
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &of); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range of.Vectors {
			out[of.Instrument+": "+v.Name] = sheet(t, definition(t, of.Instrument), v.Answers)
		}
	}
	return out
}

func TestADecisionIsAWordOrHasAReason(t *testing.T) {
	def := definition(t, "phq-9")
	decided := part(t, sheet(t, def, numbers(3, 3, 3, 3, 3, 0, 0, 0, 0)), "decision-dsm")
	if decided.ValueCodeableConcept == nil || decided.ValueCodeableConcept.Coding[0].System != SystemResult || decided.DataAbsentReason != nil ||
		!strings.Contains(decided.notes(), def.Decisions[0].Text) {
		t.Errorf("%+v %s", decided.ValueCodeableConcept, decided.notes())
	}
	open := part(t, sheet(t, def, numbers(3, 3, 3, 3, 3, 0, 0, 0, -1)), "decision-dsm")
	if open.ValueCodeableConcept != nil || open.DataAbsentReason == nil {
		t.Errorf("%+v", open)
	}
}
