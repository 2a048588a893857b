package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

var namer = ref.Namer{Home: "ehr"}

func now() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// library is the example clinic's, without a store.
func library(t testing.TB) *catalogue.Library {
	t.Helper()
	return catalogue.NewLibrary(clinic(t), nil, namer, now)
}

// answered is a response of four members; items are JSON.
func answered(questionnaire, status string, items ...string) string {
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","questionnaire":%q,"status":%q,"subject":{"reference":"Patient/1"},
		"authored":"2026-03-01T09:00:00Z","item":[%s]}`, questionnaire, status, strings.Join(items, ","))
}

// integer is an item with one answer.
func integer(link string, value int) string {
	return fmt.Sprintf(`{"linkId":%q,"answer":[{"valueInteger":%d}]}`, link, value)
}

func coded(link, system, code string) string {
	return fmt.Sprintf(`{"linkId":%q,"answer":[{"valueCoding":{"system":%q,"code":%q}}]}`, link, system, code)
}

func parse(t testing.TB, body string) *tree.Doc {
	t.Helper()
	doc, err := tree.Parse([]byte(body), tree.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return doc
}

// score scores a body of a source.
func score(t testing.TB, s *catalogue.Shelf, source ref.Source, body string) (catalogue.Outcome, error) {
	t.Helper()
	doc := parse(t, body)
	reader := &fhir.Reader{Instruments: s.Catalogue, Namer: namer}
	reading, err := reader.Read(doc, source)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return s.Score(context.Background(), catalogue.Case{Source: source, Doc: doc, Reading: &reading})
}

func mustScore(t testing.TB, s *catalogue.Shelf, source ref.Source, body string) catalogue.Outcome {
	t.Helper()
	out, err := score(t, s, source, body)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return out
}

// value is a score in a word: its value, or why there is none.
func value(out catalogue.Outcome, code string) string {
	if out.Scores == nil {
		return "nothing"
	}
	for _, s := range out.Scores.Scores {
		switch {
		case s.Code != code:
		case s.Value == nil:
			return s.NotScorable
		default:
			return fmt.Sprint(*s.Value)
		}
	}
	return "absent"
}

func says(issues []fault.Issue, severity fault.Severity, text string) bool {
	return slices.ContainsFunc(issues, func(i fault.Issue) bool { return i.Severity == severity && strings.Contains(i.Text, text) })
}

func TestAResponseThatNamesNoVersionIsScoredByTheCurrentOneAndSaysSo(t *testing.T) {
	s := library(t).Open("t")
	items := []string{integer("/44250-9", 1), integer("/44255-8", 2)}
	out := mustScore(t, s, "ehr", answered("Questionnaire/phq-2", "completed", items...))
	if value(out, "total") != "3" || !out.Scores.VersionAssumed || !says(out.Issues, fault.Information, "names no version: scored by phq-2 1.0.0, the current one") {
		t.Error(value(out, "total"), out.Issues)
	}
	own := out.Definition.Canonical()
	out = mustScore(t, s, "ehr", answered(own+"|1.0.0", "completed", items...))
	if value(out, "total") != "3" || out.Scores.VersionAssumed || len(out.Issues) != 0 {
		t.Error(value(out, "total"), out.Issues)
	}
}

func TestAVersionThatIsNotKnownIsNeverReplacedByTheNearest(t *testing.T) {
	s := library(t).Open("t")
	out := mustScore(t, s, "ehr", answered("http://loinc.org/q/44249-1|99", "completed", integer("/44250-9", 1)))
	if out.Definition != nil || out.Scores != nil || !says(out.Issues, fault.Warning, "this version of the questionnaire is not known") {
		t.Error(out.Issues)
	}
	_, err := score(t, s, "ehr", answered("https://github.com/rapport-health/rapport/fhir/Questionnaire/phq-9|9.9.9", "completed", integer("1", 1)))
	if fault.Of(err) != fault.Unprocessable {
		t.Errorf("our own form of a version that is not: %v", err)
	}
}

func TestAnOwnFormIsRefusedWithEverythingThatIsWrongInIt(t *testing.T) {
	s := library(t).Open("t")
	_, err := score(t, s, "ehr", answered("https://github.com/rapport-health/rapport/fhir/Questionnaire/phq-2", "completed",
		integer("1", 7), `{"linkId":"2","answer":[{"valueBoolean":true}]}`, integer("unknown", 1)))
	if fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) < 3 {
		t.Fatalf("%v", err)
	}
	for _, path := range []string{"QuestionnaireResponse.item[0].answer[0].value", "QuestionnaireResponse.item[1].answer[0].value", "QuestionnaireResponse.item[2]"} {
		if !slices.ContainsFunc(fault.IssuesOf(err), func(i fault.Issue) bool { return i.Severity == fault.Error && i.Path == path }) {
			t.Errorf("nothing is said of %s: %v", path, err)
		}
	}
	out, err := score(t, s, "ehr", answered("phq-2", "entered-in-error", integer("1", 7)))
	if err != nil || out.Scores != nil {
		t.Error("a withdrawal must get through", err)
	}
}

func TestTheMapOfASourceNamesItemsAnswersAndScores(t *testing.T) {
	s := library(t).Open("t")
	items := []string{integer("325236236|220423|55545", 1), integer("325236236|220423|55546", 1), integer("325236236|220423|55600", 3)}
	out := mustScore(t, s, "epic", answered("Questionnaire/eU7x", "completed", items...))
	if value(out, "total") != "3" || len(out.Sheet.Submitted) != 0 || out.Scores.Respondent != "patient" {
		t.Error("1, and 1 counted the other way round is 2:", value(out, "total"), out.Issues)
	}
	for _, name := range []string{"https://epic.example/api/FHIR/R4/Questionnaire/eU7x", "Questionnaire/eU7x|3"} {
		if out := mustScore(t, s, "epic", answered(name, "completed", items...)); value(out, "total") != "3" {
			t.Errorf("%s: %s %v", name, value(out, "total"), out.Issues)
		}
	}
	out = mustScore(t, s, "epic", answered("Questionnaire/eU7x", "completed",
		coded("325236236|220423|55545", "urn:local:answers", "many"),
		coded("325236236|220423|55546", "urn:oid:1.2.840.114350.1.13.0.1.7.2.696580", "LA6571-9"), integer("325236236|220423|55600", 6)))
	if value(out, "total") != "5" || len(out.Sheet.Submitted) != 1 || *out.Scores.Scores[0].Submitted != 6 {
		t.Error("2 by the map and 3 by the code of LOINC under another name:", value(out, "total"), out.Issues)
	}
	if !says(out.Issues, fault.Warning, "the submitted total of phq-2 differs") {
		t.Error(out.Issues)
	}
	if out := mustScore(t, s, "other", answered("Questionnaire/eU7x", "completed", items...)); out.Definition != nil {
		t.Error("the map of one source was applied to another")
	}
	unnamed := `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/1"},"item":[` +
		integer("mood-1", 3) + "," + integer("mood-2", 3) + "]}"
	if out := mustScore(t, s, "epic", unnamed); value(out, "total") != "6" {
		t.Error(value(out, "total"), out.Issues)
	}
}

func TestAMapThatNamesSomeItemsNeverMakesAWholeScore(t *testing.T) {
	s := library(t).Open("t")
	out := mustScore(t, s, "epic", answered("Questionnaire/half", "completed", integer("a|b|c", 3)))
	if value(out, "total") != "missing-items" || !says(out.Issues, fault.Warning, "the map of this source names no linkId for item 2 of phq-2") {
		t.Error(value(out, "total"), out.Issues)
	}
}

func TestAVariantIsConvertedForAnswersAndForReadyMadeScores(t *testing.T) {
	s := library(t).Open("t")
	var items []string
	for i := range 10 {
		items = append(items, integer(fmt.Sprintf("q%d", i+1), 0))
	}
	out := mustScore(t, s, "epic", answered("urn:clinic:k10-us", "completed", items...))
	if value(out, "total") != "10" || out.Scores.Variant != "0-4" {
		t.Error(value(out, "total"), out.Scores)
	}
	reader := &fhir.Reader{Instruments: s.Catalogue, Namer: namer}
	for _, c := range []struct {
		source     ref.Source
		code       string
		value, has string
	}{
		{"epic", "urn:local|k10", "5", "k10 total 15 0-4"},
		{"epic", "urn:local|k10", "45", ""},
		{"epic", "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679|1570400166", "12", "phq-9 total 12 "},
		{"epic", "urn:oid:1.2.840.114350.1.13.0.1.7.2.696580|44261-6", "9", "phq-9 total 9 "},
		{"other", "urn:local|k10", "5", ""},
		{"other", "http://loinc.org|44261-6", "9", "phq-9 total 9 "},
	} {
		system, code, _ := strings.Cut(c.code, "|")
		reading, err := reader.Read(parse(t, fmt.Sprintf(`{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},
			"effectiveDateTime":"2026-03-01","code":{"coding":[{"system":%q,"code":%q}]},"valueQuantity":{"value":%s}}`, system, code, c.value)), c.source)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range reading.Facts {
			if f.Scores != nil {
				got = fmt.Sprintf("%s %s %v %s", f.Scores.Instrument, f.Scores.Scores[0].Code, *f.Scores.Scores[0].Value, f.Scores.Variant)
			}
		}
		if got != c.has {
			t.Errorf("%s from %s is %q, want %q: %v", c.code, c.source, got, c.has, reading.Issues)
		}
	}
}

const clinicAnswers = "https://clinic.example/answers"

func TestAFormsOwnFormulaScoresAndASubmittedTotalIsCompared(t *testing.T) {
	s := library(t).Open("t")
	const mood = "https://clinic.example/Questionnaire/mood|1"
	full := []string{coded("1", clinicAnswers, "yes"), coded("2", clinicAnswers, "no"), `{"linkId":"why","answer":[{"valueString":"x"}]}`}
	out := mustScore(t, s, "ehr", answered(mood, "completed", append(full, `{"linkId":"sum","answer":[{"valueDecimal":3}]}`)...))
	if value(out, "sum") != "3" || len(out.Sheet.Submitted) != 0 || !out.Scores.Scores[0].NoDirection || !out.Scores.Scores[0].Unconfirmed {
		t.Error(value(out, "sum"), out.Issues, out.Scores)
	}
	out = mustScore(t, s, "ehr", answered(mood, "completed", append(full, `{"linkId":"sum","answer":[{"valueDecimal":9}]}`)...))
	if value(out, "sum") != "3" || len(out.Sheet.Submitted) != 1 {
		t.Error(value(out, "sum"), out.Issues)
	}
	out = mustScore(t, s, "ehr", answered(mood, "completed", full[0]))
	if value(out, "sum") != "missing-items" {
		t.Error("a half-filled form was taken for a low score:", value(out, "sum"))
	}
	out = mustScore(t, s, "ehr", answered(mood, "completed", full[0], coded("2", clinicAnswers, "perhaps")))
	if value(out, "sum") != "missing-items" || !says(out.Issues, fault.Warning, "option") {
		t.Error(value(out, "sum"), out.Issues)
	}
	zero := mustScore(t, s, "ehr", answered(mood, "completed", coded("1", clinicAnswers, "no"), coded("2", clinicAnswers, "no")))
	if value(zero, "sum") != "0" {
		t.Error("zero is a value:", value(zero, "sum"), zero.Issues)
	}
}

func TestAnEnforcedFormIsRefusedWhenItIsBroken(t *testing.T) {
	s := library(t).Open("t")
	const diary = "https://clinic.example/Questionnaire/sleep-diary|2.1"
	out := mustScore(t, s, "ehr", answered(diary, "completed", coded("falling", clinicAnswers, "often"), coded("waking", clinicAnswers, "often"), integer("rested", 0)))
	if value(out, "trouble") != "6" || out.Scores.Band("trouble") != "poor" || len(out.Scores.Critical) != 1 || out.Scores.Instrument != "sleep-diary" {
		t.Error(value(out, "trouble"), out.Scores)
	}
	_, err := score(t, s, "ehr", answered(diary, "completed", coded("falling", clinicAnswers, "always")))
	if fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) < 2 {
		t.Error("the unknown answer and the missing one must both be said:", err)
	}
	_, err = score(t, s, "ehr", answered("https://clinic.example/Questionnaire/sleep-diary|9", "completed", integer("rested", 0)))
	if fault.Of(err) != fault.Unprocessable || fault.IssuesOf(err)[0].Path != "QuestionnaireResponse.questionnaire" {
		t.Error("a version that there is not:", err)
	}
}

func TestAnEnforcedFormThatNamesNoPatientIsToldWhatElseIsWrong(t *testing.T) {
	s := library(t).Open("t")
	body := answered("https://clinic.example/Questionnaire/sleep-diary|2.1", "completed", coded("falling", clinicAnswers, "always"))
	doc := parse(t, strings.Replace(body, `"subject":{"reference":"Patient/1"},`, "", 1))
	reading, err := (&fhir.Reader{Instruments: clinic(t), Namer: namer}).Read(doc, "ehr")
	told := fault.IssuesOf(s.Refuse(t.Context(), catalogue.Case{Source: "ehr", Doc: doc, Reading: &reading}, err))
	if len(told) < 3 || !says(told, fault.Error, "subject is missing") || !says(told, fault.Error, "none of the options") {
		t.Error(told)
	}
	other := fault.Newf(fault.Invalid, "structure", "no JSON")
	if got := s.Refuse(t.Context(), catalogue.Case{Reading: &reading}, other); !errors.Is(got, other) || len(fault.IssuesOf(got)) != 1 {
		t.Error("another reason was changed")
	}
}

func TestASumThatMayLackWeightsIsNotMade(t *testing.T) {
	s := library(t).Open("t")
	const listed = `{"linkId":"b","type":"choice","answerValueSet":"http://x.example/ValueSet/unknown"}]}`
	form := strings.TrimSuffix(weighed(0, 1, 2, 3), "]}")
	for name, c := range map[string]struct{ form, want string }{"every weight is known": {form + "]}", "3"}, "a list is not known": {form + "," + listed, "nothing"}} {
		body := strings.Replace(answered("#q", "completed", coded("a", "http://x.example", "3")), `"status"`, `"contained":[`+c.form+`],"status"`, 1)
		out := mustScore(t, s, "ehr", body)
		if got := value(out, "total"); got != c.want || c.want == "nothing" && !says(out.Issues, fault.Warning, "may lack them") {
			t.Errorf("%s: %s %v", name, got, out.Issues)
		}
	}
}

func TestAContainedQuestionnaireScoresItsResponse(t *testing.T) {
	raw, err := os.ReadFile("testdata/clinic/mood.json")
	if err != nil {
		t.Fatal(err)
	}
	contained := strings.Replace(string(raw), `"resourceType": "Questionnaire",`, `"resourceType": "Questionnaire", "id": "q",`, 1)
	contained = strings.Replace(contained, `"url": "https://clinic.example/Questionnaire/mood",`, "", 1)
	body := strings.Replace(answered("#q", "completed", coded("1", clinicAnswers, "yes"), coded("2", clinicAnswers, "yes")),
		`"status"`, `"contained":[`+contained+`],"status"`, 1)
	s := library(t).Open("t")
	out := mustScore(t, s, "ehr", body)
	if value(out, "sum") != "6" || !strings.HasPrefix(out.Scores.Instrument, "form-") || out.Scores.VersionAssumed {
		t.Error(value(out, "sum"), out.Issues)
	}
	if again := mustScore(t, s, "ehr", body); again.Definition != out.Definition {
		t.Error("it was compiled twice")
	}
	if out := mustScore(t, s, "ehr", strings.Replace(body, "#q", "#r", 1)); out.Definition != nil {
		t.Error("another contained resource was taken")
	}
}

func TestLinkIdsAndAnswersOfTheWildAreRead(t *testing.T) {
	s := library(t).Open("t")
	for name, items := range map[string][2]string{
		"LHC-Forms":             {coded("/44250-9", "http://loinc.org", "LA6569-3"), coded("/44255-8", "http://loinc.org", "LA6571-9")},
		"without a system":      {`{"linkId":"/44250-9","answer":[{"valueCoding":{"code":"LA6569-3"}}]}`, `{"linkId":"/44255-8","answer":[{"valueCoding":{"display":"Nearly every day"}}]}`},
		"text, decimal":         {`{"linkId":"/44250-9","answer":[{"valueString":" 1 "}]}`, `{"linkId":"/44255-8","answer":[{"valueDecimal":3.0}]}`},
		"quantity, within text": {`{"linkId":"/44250-9","answer":[{"valueQuantity":{"value":1,"unit":"{score}"}}]}`, `{"linkId":"g","item":[{"linkId":"/44255-8","answer":[{"valueInteger":3}]}]}`},
		"by weight":             {`{"linkId":"/44250-9","answer":[{"valueCoding":{"code":"x","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":1}]}}]}`, integer("/44255-8", 3)},
	} {
		out := mustScore(t, s, "ehr", answered("Questionnaire/phq-2", "completed", items[0], items[1]))
		if value(out, "total") != "4" {
			t.Errorf("%s: %s %v", name, value(out, "total"), out.Issues)
		}
	}
}

// weighed is a form of one question with the words of the PHQ-9 and the weights given.
func weighed(weights ...float64) string {
	var options []string
	for i, word := range []string{"Not at all", "Several days", "More than half the days", "Nearly every day"} {
		options = append(options, fmt.Sprintf(`{"valueCoding":{"system":"http://x.example","code":"%d","display":%q,"extension":[
			{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":%v}]}}`, i, word, weights[i]))
	}
	return `{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"a","type":"choice","answerOption":[` + strings.Join(options, ",") + `]}]}`
}

func TestWeightsThatContradictAKnownListOfAnswersGiveNoScore(t *testing.T) {
	s := library(t).Open("t")
	for _, c := range []struct {
		weights []float64
		want    string
	}{
		{[]float64{0, 1, 2, 3}, "3"}, {[]float64{0, 1, 2, 4}, "nothing"}, {[]float64{3, 2, 1, 0}, "nothing"},
	} {
		body := strings.Replace(answered("#q", "completed", coded("a", "http://x.example", "3")), `"status"`, `"contained":[`+weighed(c.weights...)+`],"status"`, 1)
		out := mustScore(t, s, "ehr", body)
		if got := value(out, "total"); got != c.want || c.want == "nothing" && !says(out.Issues, fault.Warning, "but weigh") {
			t.Errorf("%v: %s %v", c.weights, got, out.Issues)
		}
	}
}

func BenchmarkPHQ9(b *testing.B) {
	raw, err := os.ReadFile("../fhir/tree/testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(strings.Replace(string(raw), "http://loinc.org/q/44249-1|2.77", "http://loinc.org/q/44249-1", 1))
	loaded, err := catalogue.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	l := catalogue.NewLibrary(loaded, nil, namer, now)
	reader := &fhir.Reader{Instruments: loaded, Namer: namer}
	b.ReportAllocs()
	for b.Loop() {
		doc, err := tree.Parse(body, tree.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		reading, err := reader.Read(doc, "ehr")
		if err != nil {
			b.Fatal(err)
		}
		out, err := l.Open("t").Score(b.Context(), catalogue.Case{Source: "ehr", Doc: doc, Reading: &reading})
		if err != nil || out.Scores == nil {
			b.Fatal(err, out.Issues)
		}
	}
}
