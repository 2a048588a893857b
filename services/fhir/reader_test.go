package fhir_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

var builtin = sync.OnceValues(instrument.Builtin)

func newReader(t testing.TB) *fhir.Reader {
	t.Helper()
	instruments, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	return &fhir.Reader{Instruments: instruments, Namer: ref.Namer{Home: "ehr"}}
}

func read(t *testing.T, body string) (fhir.Reading, error) {
	t.Helper()
	doc, err := tree.Parse([]byte(body), tree.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return newReader(t).Read(doc, "ehr")
}

func mustRead(t *testing.T, body string) fhir.Reading {
	t.Helper()
	got, err := read(t, body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return got
}

// facts are the facts of a reading as JSON without the times of the store, one a line.
func facts(t *testing.T, r fhir.Reading) string {
	t.Helper()
	var lines []string
	for _, f := range r.Facts {
		at := "-"
		if !f.At.IsZero() {
			at = f.At.Format(time.RFC3339Nano)
		}
		one := map[string]any{}
		data, err := json.Marshal(f)
		if err == nil {
			err = json.Unmarshal(data, &one)
		}
		if err == nil {
			data, err = json.Marshal(one[string(f.Kind)])
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", at, f.Kind, f.ID, data))
	}
	return strings.Join(lines, "\n")
}

// issues are the issues of an error or a reading, one a line.
func issues(list []fault.Issue) string {
	var lines []string
	for _, i := range list {
		lines = append(lines, fmt.Sprintf("%s %s %s", i.Severity, i.Code, i.Path))
	}
	return strings.Join(lines, "\n")
}

func dialect(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "dialects", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestScoresOfSeveralEHRsAreReadAlike(t *testing.T) {
	for _, c := range []struct{ file, subject, want string }{
		{"epic-score.json", "eP0synthetic ", `2026-02-11T14:31:00Z scores  phq-9 total 14 moderate`},
		{"cerner-score.json", "12724065 ", `2026-02-11T14:31:00Z scores  gad-7 total 11 moderate`},
		{"mii-score.json", " https://klinik.example.org/sid/pid|0815", `2026-02-11T00:00:00Z scores  phq-9 total 9 mild`},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := mustRead(t, dialect(t, c.file))
			if s := got.Subject.Logical + " " + got.Subject.Identifier; s != c.subject {
				t.Errorf("subject %q", s)
			}
			f := got.Facts[0]
			s := f.Scores
			line := fmt.Sprintf("%s %s %s %s %s %g %s", f.At.Format(time.RFC3339), f.Kind, f.ID, s.Instrument, s.Scores[0].Code, *s.Scores[0].Value, s.Scores[0].Band)
			if line != c.want || s.Version != "external" || s.Construct != "distress" || s.Respondent != "patient" {
				t.Errorf("got  %s\nwant %s (%+v)", line, c.want, s)
			}
		})
	}
}

func TestAReadyMadeScoreBringsItsStatistics(t *testing.T) {
	score := mustRead(t, dialect(t, "cerner-score.json")).Facts[0].Scores.Scores[0]
	if score.Reliable == nil || score.Part != "anxiety" || score.Level == "" || score.Min != 0 || score.Max != 21 || score.HigherBetter {
		t.Errorf("%+v", score)
	}
}

func TestAPHQ9OfSeveralEHRsBecomesTheSameDraft(t *testing.T) {
	us, epic := mustRead(t, dialect(t, "uscore-phq9.json")), mustRead(t, dialect(t, "epic-phq9.json"))
	if us.Subject.Logical != "p-17" || us.Encounter != "Encounter/e-3" || us.Respondent != "patient" || us.LogicalID != "phq9-uscore" || us.Version != "3" {
		t.Errorf("%+v", us)
	}
	if want := time.Date(2026, 2, 11, 14, 31, 0, 0, time.UTC); !us.From.Equal(want) || !us.To.Equal(want.Add(time.Second)) || !us.Draft.Authored.Equal(want) {
		t.Errorf("from %v to %v", us.From, us.To)
	}
	item := us.Draft.Items[1]
	if item.LinkID != "/44255-8" || item.Path != "QuestionnaireResponse.item[1]" {
		t.Errorf("%+v", item)
	}
	a := item.Answers[0]
	if a.Path != "QuestionnaireResponse.item[1].answer[0]" || a.Kind != "Coding" || a.System != "http://loinc.org" || a.Code != "LA6570-1" || a.Weight != "2" {
		t.Errorf("%+v", a)
	}
	if len(us.Issues) != 0 || len(epic.Issues) != 0 {
		t.Errorf("complaints: %v %v", us.Issues, epic.Issues)
	}
	if diff := cmp.Diff([]string{"http://loinc.org/q/44249-1"}, us.Codes); diff != "" {
		t.Error(diff)
	}
	if epic.Draft.Questionnaire != "Questionnaire/eU7synthetic" || epic.Subject.Logical != "eP0synthetic" || epic.Respondent != "patient" {
		t.Errorf("%+v", epic)
	}
	if a := epic.Draft.Items[8]; a.LinkID != "325236236|220423|55553" || a.Answers[0].Kind != "Decimal" || a.Answers[0].Number != "0" {
		t.Errorf("%+v", a)
	}
}

func TestTheClinicianOfAnAllianceRatingIsFound(t *testing.T) {
	const head = `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"x","authored":"2026-01-05","subject":{"reference":"Patient/1"}`
	for _, c := range []struct{ name, rest, clinician, respondent, encounter string }{
		{"by extension", `,"source":{"reference":"Patient/1"},"extension":[{"url":"` + fhir.Canonical + `/StructureDefinition/rated-clinician","valueReference":{"reference":"PractitionerRole/r1"}}]}`, "PractitionerRole/r1", "patient", ""},
		{"by extension with a uuid", `,"extension":[{"url":"` + fhir.Canonical + `/StructureDefinition/rated-clinician","valueReference":{"reference":"urn:uuid:abc"}}]}`, "Practitioner/abc", "", ""},
		{"by an answer", `,"item":[{"linkId":"a","item":[{"linkId":"b","answer":[{"valueReference":{"reference":"https://x.example/fhir/Practitioner/p1/_history/4"}}]}]}]}`, "Practitioner/p1", "", ""},
		{"by identifier", `,"item":[{"linkId":"a","answer":[{"valueReference":{"type":"Practitioner","identifier":{"system":"urn:npi","value":"9"}}}]}]}`, "Practitioner?identifier=urn:npi|9", "", ""},
		{"a clinician's own", `,"source":{"reference":"Practitioner/p2"},"encounter":{"reference":"Encounter/e"}}`, "Practitioner/p2", "clinician", "Encounter/e"},
		{"author without source may only have recorded it", `,"author":{"reference":"PractitionerRole/p3"}}`, "", "", ""},
		{"recorded by a clinician", `,"source":{"reference":"Patient/1"},"author":{"reference":"Practitioner/p3"}}`, "", "patient", ""},
		{"a care partner's", `,"source":{"reference":"RelatedPerson/q"}}`, "", "care-partner", ""},
		{"a source of a later release", `,"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-QuestionnaireResponse.source","valueReference":{"reference":"Patient/1"}}]}`, "", "patient", ""},
		{"an answer that is no clinician", `,"item":[{"linkId":"a","answer":[{"valueReference":{"reference":"Organization/o"}}]}]}`, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustRead(t, head+c.rest)
			if string(got.Clinician) != c.clinician || got.Respondent != c.respondent || got.Encounter != c.encounter {
				t.Errorf("clinician %q, respondent %q, encounter %q", got.Clinician, got.Respondent, got.Encounter)
			}
		})
	}
}

func TestEveryKindOfAnswerKeepsItsShape(t *testing.T) {
	got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"amended","questionnaire":"#q","subject":{"reference":"Patient/1"},"authored":"2026-01-05",
		"contained":[{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"g","type":"group","item":[{"linkId":"i","type":"integer","code":[{"system":"http://loinc.org","code":"44250-9"}]}]}]}],
		"item":[{"linkId":"g","item":[
			{"linkId":"i","text":"A question","answer":[{"valueInteger":3}]},
			{"linkId":"d","definition":"http://loinc.org/fhir/DataElement/44255-8","answer":[{"valueDecimal":3.10,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":2.0}]}]},
			{"linkId":"q","extension":[{"url":"`+fhir.Canonical+`/StructureDefinition/item-code","valueCoding":{"code":"c"}}],"answer":[{"valueQuantity":{"value":5.0,"unit":"min"}},{"valueQuantity":{"value":5,"comparator":"<"}}]},
			{"linkId":"s","answer":[{"valueString":"3"},{"valueBoolean":true},{"valueDate":"2026-01"},{"valueReference":{"reference":"Patient/1"}},{"valueAttachment":{"contentType":"image/png","size":12}},{"extension":[{"url":"x","valueCode":"y"}]}]},
			{"linkId":"c","answer":[{"valueCoding":{"code":"b","display":"B","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":1}]},"item":[{"linkId":"sub","answer":[{"valueInteger":7}]}]}]}
		]}]}`)
	data, err := json.Marshal(got.Draft.Items)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, it := range got.Draft.Items[0].Items {
		for _, a := range it.Answers {
			lines = append(lines, fmt.Sprintf("%s %v %s n=%s t=%s c=%s|%s|%s w=%s sub=%d", it.LinkID, it.Codes, a.Kind, a.Number, a.Text, a.System, a.Code, a.Display, a.Weight, len(a.Items)))
		}
	}
	want := `i [http://loinc.org|44250-9] Integer n=3 t= c=|| w= sub=0
d [http://loinc.org|44255-8] Decimal n=3.10 t= c=|| w=2.0 sub=0
q [|c] Quantity n=5.0 t= c=||min w= sub=0
q [|c] Quantity n= t=< c=|| w= sub=0
s [] String n= t=3 c=|| w= sub=0
s [] Boolean n= t=true c=|| w= sub=0
s [] Date n= t=2026-01 c=|| w= sub=0
s [] Reference n= t=Patient/1 c=|| w= sub=0
s [] Attachment n=12 t= c=|image/png| w= sub=0
s []  n= t= c=|| w= sub=0
c [] Coding n= t= c=|b|B w=1 sub=1`
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Errorf("%s\n%s", diff, data)
	}
	if text := got.Draft.Items[0].Items[0].Text; text != "A question" {
		t.Errorf("text %q", text)
	}
	if p := got.Draft.Items[0].Items[4].Answers[0].Items[0].Path; p != "QuestionnaireResponse.item[0].item[4].answer[0].item[0]" {
		t.Errorf("path %s", p)
	}
}

func TestAnUnfinishedResponseKeepsItsDraftForItsCriticalItems(t *testing.T) {
	for _, status := range []string{"in-progress", "stopped"} {
		got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"`+status+`","questionnaire":"x","authored":"2026-01-05","subject":{"reference":"Patient/1"},"item":[{"linkId":"9","answer":[{"valueInteger":2}]}]}`)
		if got.Draft == nil || got.Draft.Status != status || len(got.Draft.Items) != 1 || got.Void {
			t.Errorf("%s: draft %+v, void %v, %v", status, got.Draft, got.Void, got.Issues)
		}
	}
}

func TestAResponseEnteredInErrorIsVoid(t *testing.T) {
	got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"entered-in-error","questionnaire":"x","authored":"2026-01-05","subject":{"reference":"Patient/1"}}`)
	if got.Draft == nil || !got.Void || issues(got.Issues) != "information informational QuestionnaireResponse.status" {
		t.Errorf("draft %v, void %v, %v", got.Draft, got.Void, got.Issues)
	}
}

func TestAResponseWithoutDateOrQuestionnaireIsLeftToTheRoomThatScores(t *testing.T) {
	got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/1"}}`)
	if got.Draft == nil || !got.Draft.Authored.IsZero() || got.Draft.Questionnaire != "" || len(got.Issues) != 0 {
		t.Errorf("%+v\n%s", got.Draft, issues(got.Issues))
	}
}

func TestModifiersThatAreNotUnderstoodWithholdWhatTheyMayChange(t *testing.T) {
	const m = `"modifierExtension":[{"url":"http://example.org/not","valueBoolean":true}]`
	whole := mustRead(t, `{"resourceType":"QuestionnaireResponse",`+m+`,"status":"completed","questionnaire":"x","authored":"2026-01-05","subject":{"reference":"Patient/1"}}`)
	if whole.Draft != nil || issues(whole.Issues) != "warning not-supported QuestionnaireResponse.modifierExtension" {
		t.Errorf("%v %s", whole.Draft, issues(whole.Issues))
	}
	part := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"x","authored":"2026-01-05","subject":{"reference":"Patient/1"},"item":[{"linkId":"a",`+m+`,"answer":[{"valueInteger":1}]},{"linkId":"b","answer":[{`+m+`,"valueInteger":1},{"valueInteger":2}]}]}`)
	if d := part.Draft; d.Items[0].Answers != nil || d.Items[1].Answers[0].Kind != "" || d.Items[1].Answers[1].Number != "2" || len(part.Issues) != 2 {
		t.Errorf("%+v %s", d, issues(part.Issues))
	}
	implicit := mustRead(t, `{"resourceType":"Observation","implicitRules":"http://example.org/rules","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"effectiveDateTime":"2026-01-05","valueInteger":1,"subject":{"reference":"Patient/1"}}`)
	if len(implicit.Facts) != 0 || issues(implicit.Issues) != "warning not-supported Observation.implicitRules" {
		t.Errorf("%v %s", implicit.Facts, issues(implicit.Issues))
	}
}

func TestWhoeverItIsAboutIsFoundOrToldWhyNot(t *testing.T) {
	const head, tail = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"effectiveDateTime":"2026-01-05","valueInteger":1,"subject":`, `}`
	for _, c := range []struct{ subject, logical, identifier, issues string }{
		{`{"reference":"Patient/1"}`, "1", "", ""},
		{`{"reference":"https://any.host/fhir/Patient/1"}`, "1", "", ""},
		{`{"reference":"Patient/1/_history/3"}`, "1", "", ""},
		{`{"reference":"urn:uuid:1"}`, "1", "", ""},
		{`{"identifier":{"system":"urn:mrn","value":"7"}}`, "", "urn:mrn|7", ""},
		{`{"reference":"Patient?identifier=urn%3Amrn%7C7"}`, "", "urn:mrn|7", ""},
		{`{"reference":"Patient/1","identifier":{"system":"urn:mrn","value":"7"}}`, "1", "urn:mrn|7", ""},
		{`{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","identifier":[{"value":"x"},{"system":"urn:mrn","value":"7"}]}]`, "", "urn:mrn|7", ""},
		{`{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p"}]`, "", "", "warning not-supported Observation.subject"},
		{`{"reference":"#nowhere"}`, "", "", "warning not-supported Observation.subject"},
		{`{"display":"somebody"}`, "", "", "warning not-supported Observation.subject"},
		{`{"identifier":{"value":"7"}}`, "", "", "warning not-supported Observation.subject"},
		{`{"reference":"Group/herd"}`, "", "", "information informational Observation.subject"},
		{`{"reference":"urn:uuid:1","type":"Device"}`, "", "", "information informational Observation.subject"},
		{`{"reference":"Patient/not valid!"}`, "", "", "warning not-supported Observation.subject"},
	} {
		got := mustRead(t, head+c.subject+tail)
		if got.Subject.Logical != c.logical || got.Subject.Identifier != c.identifier || issues(got.Issues) != c.issues {
			t.Errorf("%s: %+v %s", c.subject, got.Subject, issues(got.Issues))
		}
		if known := c.logical+c.identifier != ""; known != (len(got.Facts) == 1) {
			t.Errorf("%s: %d facts", c.subject, len(got.Facts))
		}
	}
}

func TestAPatientTellsItsNames(t *testing.T) {
	got := mustRead(t, `{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:mrn","value":"7"},{"value":"8"},{"system":"urn:b","value":"9"}],"link":[{"other":{"reference":"Patient/q"},"type":"replaced-by"}]}`)
	if diff := cmp.Diff([]string{"urn:mrn|7", "urn:b|9"}, got.Identifiers); diff != "" {
		t.Error(diff)
	}
	if got.Subject.Logical != "p" || len(got.Links) != 1 || got.Links[0] != (fhir.Link{Kind: "replaced-by", Target: "Patient/q"}) {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsOnlyKeptYieldsNoFacts(t *testing.T) {
	for _, body := range []string{
		`{"resourceType":"Practitioner","id":"a"}`, `{"resourceType":"PractitionerRole","id":"a"}`,
		`{"resourceType":"RelatedPerson","id":"a","patient":{"reference":"Patient/1"}}`,
		`{"resourceType":"Questionnaire","status":"active","url":"http://example.org/q","version":"2"}`,
	} {
		if got := mustRead(t, body); len(got.Facts) != 0 || got.Draft != nil || got.Void {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if got := mustRead(t, `{"resourceType":"Questionnaire","status":"active","url":"http://example.org/q","version":"2"}`); cmp.Diff([]string{"http://example.org/q|2", "http://example.org/q"}, got.Codes) != "" {
		t.Errorf("%v", got.Codes)
	}
}

func TestOtherTypesAreRefusedByName(t *testing.T) {
	_, err := read(t, `{"resourceType":"Medication","id":"a"}`)
	if fault.Of(err) != fault.NotSupported || !strings.Contains(err.Error(), "Medication") {
		t.Error(err)
	}
	if fhir.Readable("Medication") || !fhir.Readable("Goal") || !fhir.ResourceType("Medication") || fhir.ResourceType("Tablet") {
		t.Error("types are mixed up")
	}
}

func TestAFormThatIsNoFHIRResourceIsNamedByUSCoresExtension(t *testing.T) {
	got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/1"},
		"_questionnaire":{"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-extension-questionnaire-uri","valueUri":"urn:clinic:k10"}]}}`)
	if got.Draft == nil || got.Draft.Questionnaire != "urn:clinic:k10" || len(got.Codes) != 1 || got.Codes[0] != "urn:clinic:k10" {
		t.Errorf("%+v %v", got.Draft, got.Codes)
	}
}
