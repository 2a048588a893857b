package fhir_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	conformance "github.com/rapport-health/rapport/api/fhir"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// story is a resource and what must be taken from it.
type story struct {
	name, body string
	facts      string // as facts gives them
	issues     string // as issues gives them
}

func (s story) run(t *testing.T, head string) {
	t.Run(s.name, func(t *testing.T) {
		got := mustRead(t, head+s.body)
		if diff := cmp.Diff(s.facts, facts(t, got)); diff != "" {
			t.Errorf("facts %s", diff)
		}
		if diff := cmp.Diff(s.issues, issues(got.Issues)); diff != "" {
			t.Errorf("issues %s\n%v", diff, got.Issues)
		}
	})
}

const ours = fhir.Canonical + "/CodeSystem/adherence"

func TestObservationsBecomeExerciseScoresOrMeasures(t *testing.T) {
	const (
		head    = `{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01T18:05:00+01:00",`
		session = `"code":{"coding":[{"system":"` + ours + `","code":"hep-session-completed"}]},"basedOn":[{"reference":"CarePlan/c"},{"reference":"https://h.example/ServiceRequest/rx/_history/2"}]`
		phq9    = `"code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]}`
		minutes = `"code":{"coding":[{"system":"http://loinc.org","code":"55411-3"}]}`
		other   = `"code":{"coding":[{"code":"bare"},{"system":"urn:x","code":"pain"}]}`
		at      = "2026-03-01T17:05:00Z "
	)
	for _, s := range []story{
		{"a session", session + `}`, at + `exercise  {"done":1,"prescription":"ServiceRequest/rx"}`, ""},
		{"three sessions", session + `,"valueInteger":3}`, at + `exercise  {"done":3,"prescription":"ServiceRequest/rx"}`, ""},
		{"a session done", session + `,"valueBoolean":true}`, at + `exercise  {"done":1,"prescription":"ServiceRequest/rx"}`, ""},
		{"a session not done", session + `,"valueBoolean":false}`, at + `exercise  {"done":0,"prescription":"ServiceRequest/rx"}`, ""},
		{"a session in minutes", session + `,"valueQuantity":{"value":25,"code":"min"}}`, at + `exercise  {"done":1,"minutes":25,"prescription":"ServiceRequest/rx"}`, ""},
		{"reported not done", session + `,"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"not-performed"}]}}`, at + `exercise  {"done":0,"prescription":"ServiceRequest/rx"}`, ""},
		{"not asked", session + `,"dataAbsentReason":{"coding":[{"code":"not-asked"}]}}`, "", "information informational Observation.dataAbsentReason"},
		{"too many sessions", session + `,"valueInteger":1000}`, "", "warning not-supported Observation.valueInteger"},
		{"sessions in words", session + `,"valueString":"many"}`, "", "warning not-supported Observation.valueString"},
		{"minutes of a prescribed activity", minutes + `,"basedOn":[{"reference":"urn:uuid:rx"}],"valueQuantity":{"value":30,"code":"min"}}`, at + `exercise  {"done":1,"minutes":30,"prescription":"ServiceRequest/rx"}`, ""},
		{"no minutes of a prescribed activity", minutes + `,"basedOn":[{"reference":"ServiceRequest/rx"}],"valueQuantity":{"value":0,"code":"min"}}`, at + `exercise  {"done":0,"prescription":"ServiceRequest/rx"}`, ""},
		{"hours of a prescribed activity", minutes + `,"basedOn":[{"reference":"ServiceRequest/rx"}],"valueQuantity":{"value":1,"code":"h"}}`, at + `exercise  {"done":1,"minutes":60,"prescription":"ServiceRequest/rx"}`, ""},
		{"kilometres of a prescribed activity", minutes + `,"basedOn":[{"reference":"ServiceRequest/rx"}],"valueQuantity":{"value":1,"code":"km"}}`, "", "warning not-supported Observation.valueQuantity"},
		{"minutes that nobody prescribed", minutes + `,"valueQuantity":{"value":30,"code":"min"}}`, at + `measure  {"code":"http://loinc.org|55411-3","unit":"min","value":30}`, ""},
		{"the kind of a prescribed activity", `"code":{"coding":[{"system":"http://loinc.org","code":"73985-4"}]},"basedOn":[{"reference":"ServiceRequest/rx"}],"valueCodeableConcept":{"text":"running"}}`, "", "information informational Observation"},
		{"adherence in percent", `"code":{"coding":[{"system":"` + ours + `","code":"hep-adherence-percent"}]},"valueQuantity":{"value":71.4,"code":"%"}}`, at + `exercise  {"done":0,"percent":71.4}`, ""},
		{"a plain measure", other + `,"valueQuantity":{"value":7,"unit":"points"}}`, at + `measure  {"code":"urn:x|pain","unit":"points","value":7}`, ""},
		{"a number in words", other + `,"valueString":"seven"}`, "", "information informational Observation.valueString"},
		{"a number in letters that Go would read", other + `,"valueString":"0x10"}`, "", "information informational Observation.valueString"},
		{"infinity", other + `,"valueQuantity":{"value":1e999}}`, "", "information informational Observation.valueQuantity"},
		{"below a limit", other + `,"valueQuantity":{"value":7,"comparator":"<"}}`, "", "information informational Observation.valueQuantity"},
		{"blood pressure", `"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"component":[{"code":{"text":"systolic"},"valueQuantity":{"value":120}}]}`, "", "information informational Observation"},
		{"no code with a system", `"code":{"text":"pain"},"valueInteger":3}`, "", "information informational Observation.code"},
		{"a score beyond its range", phq9 + `,"valueInteger":28}`, "", "warning not-supported Observation.valueInteger"},
		{"a score in words", phq9 + `,"valueString":"moderate"}`, "", "warning not-supported Observation.valueString"},
		{"a score without a value", phq9 + `,"dataAbsentReason":{"text":"x"}}`, "", "information informational Observation"},
	} {
		s.run(t, head)
	}
}

func TestWhatAClinicianDidAboutARuptureIsRead(t *testing.T) {
	const (
		system = `"system":"` + fhir.Canonical + `/CodeSystem/alliance"`
		head   = `{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01T18:05:00+01:00",`
		tried  = `"code":{"coding":[{` + system + `,"code":"repair-attempt"}]},"performer":[{"reference":"Patient/1"},{"reference":"Practitioner/pt"}]`
		at     = "2026-03-01T17:05:00Z repair  "
	)
	component := func(kind, code string) string {
		return `{"code":{"coding":[{` + system + `,"code":"` + kind + `"}]},"valueCodeableConcept":{"coding":[{` + system + `,"code":"` + code + `"}]}}`
	}
	for _, s := range []story{
		{"seen", `"code":{"coding":[{` + system + `,"code":"rupture-acknowledged"}]}}`, at + `{"step":"acknowledged"}`, ""},
		{"tried", tried + `,"component":[` + component("enhancer", "invited-feedback") + `,` + component("enhancer", "changed-tasks") + `,` + component("enhancer", "changed-tasks") + `,` + component("eroder", "pain-flare") + `,{"code":{"text":"note"},"valueString":"x"}]}`, at + `{"clinician":"Practitioner/pt","enhancers":["invited-feedback","changed-tasks"],"eroders":["pain-flare"],"step":"attempted"}`, ""},
		{"tried on behalf of another", tried + `,"extension":[{"url":"` + fhir.Canonical + `/StructureDefinition/rated-clinician","valueReference":{"reference":"Practitioner/ot"}}]}`, at + `{"clinician":"Practitioner/ot","step":"attempted"}`, ""},
		{"an enhancer is no eroder", tried + `,"component":[` + component("eroder", "invited-feedback") + `]}`, at + `{"clinician":"Practitioner/pt","step":"attempted"}`, "information informational Observation.component[0].valueCodeableConcept"},
		{"an eroder in words", tried + `,"component":[{"code":{"coding":[{` + system + `,"code":"eroder"}]},"valueString":"tired"}]}`, at + `{"clinician":"Practitioner/pt","step":"attempted"}`, "information informational Observation.component[0]"},
		{"nothing known", tried + `,"dataAbsentReason":{"text":"x"}}`, "", "information informational Observation.dataAbsentReason"},
	} {
		s.run(t, head)
	}
	withdrawn := mustRead(t, strings.Replace(head, "final", "entered-in-error", 1)+tried+`}`)
	if !withdrawn.Void || len(withdrawn.Facts) > 0 {
		t.Errorf("entered in error, but taken: %+v", withdrawn.Facts)
	}
}

func TestTheCodesOfTheAllianceAreThoseOfItsCodeSystem(t *testing.T) {
	raw, err := conformance.Files.ReadFile("codesystem/alliance.json")
	if err != nil {
		t.Fatal(err)
	}
	var system struct {
		Concept []struct {
			Code, Definition string
			Property         []struct{ ValueCode string }
		}
	}
	if err := json.Unmarshal(raw, &system); err != nil {
		t.Fatal(err)
	}
	published := map[string]alliance.Codes{}
	for _, c := range system.Concept {
		for _, kind := range c.Property {
			published[kind.ValueCode] = append(published[kind.ValueCode], alliance.Code{Code: c.Code, Text: c.Definition})
		}
	}
	want := map[string]alliance.Codes{"enhancer": alliance.Enhancers, "eroder": alliance.Eroders}
	if diff := cmp.Diff(want, published); diff != "" {
		t.Errorf("(-table +published):\n%s", diff)
	}
}

func TestTheAdherenceAndAllianceFixturesAreRead(t *testing.T) {
	log := mustRead(t, dialect(t, "hep-session.json"))
	if got := facts(t, log); got != `2026-02-11T23:05:00Z exercise  {"done":1,"minutes":20,"prescription":"ServiceRequest/rx-1"}` {
		t.Error(got)
	}
	plan := mustRead(t, dialect(t, "hep-prescription.json"))
	if got := facts(t, plan); got != `2026-02-02T00:00:00Z prescription  {"from":"2026-02-02T00:00:00Z","id":"ServiceRequest/rx-1","periodDays":7,"sessions":3,"status":"active","until":"2026-04-27T00:00:00Z","weekdays":[1,3,5]}` {
		t.Error(got)
	}
	rating := mustRead(t, dialect(t, "alliance.json"))
	if rating.Clinician != "Practitioner/pt-1" || rating.Encounter != "Encounter/e-3" || len(rating.Draft.Items) != 4 {
		t.Errorf("%+v", rating)
	}
}

func TestAReadyMadeScoreIsTakenInEveryShape(t *testing.T) {
	for _, value := range []string{
		`"valueInteger":12`, `"valueQuantity":{"value":12.0}`, `"valueString":"12"`, `"valueDecimal":12.00`,
		`"valueCodeableConcept":{"coding":[{"code":"x","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":12}]}]}`,
		`"valueCoding":{"code":"x","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":12}]}`,
	} {
		got := mustRead(t, `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01","code":{"coding":[{"system":"http://snomed.info/sct","code":"720433000"}]},"performer":[{"reference":"Practitioner/nurse"}],"derivedFrom":[{"reference":"QuestionnaireResponse/r"}],`+value+`}`)
		if len(got.Facts) != 1 || *got.Facts[0].Scores.Scores[0].Value != 12 || got.Facts[0].Scores.Scores[0].Band != "moderate" || got.Respondent != "patient" {
			t.Errorf("%s: %s", value, facts(t, got))
		}
		if len(got.Links) != 1 || got.Links[0].Target != "QuestionnaireResponse/r" {
			t.Errorf("links %v", got.Links)
		}
	}
}

func TestAScoreByACarePartnerHasNoBand(t *testing.T) {
	got := mustRead(t, `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},"performer":[{"reference":"RelatedPerson/q"}],"valueInteger":12}`)
	if s := got.Facts[0].Scores; s.Respondent != "care-partner" || s.Scores[0].Band != "" || s.Scores[0].Reliable != nil || s.Scores[0].Part != "" {
		t.Errorf("%+v", s)
	}
}

func TestOnlySettledObservationsAreUsed(t *testing.T) {
	for status, used := range map[string]bool{"final": true, "amended": true, "corrected": true, "preliminary": false, "registered": false, "cancelled": false, "entered-in-error": false, "unknown": false} {
		got := mustRead(t, `{"resourceType":"Observation","status":"`+status+`","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01","code":{"coding":[{"system":"s","code":"c"}]},"valueInteger":1}`)
		if (len(got.Facts) == 1) != used || got.Void == used {
			t.Errorf("%s: %d facts, void %v", status, len(got.Facts), got.Void)
		}
	}
}

func TestEffectiveTimesKeepTheirPrecision(t *testing.T) {
	const head = `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"code":{"coding":[{"system":"s","code":"c"}]},"valueInteger":1`
	for _, c := range []struct{ when, from, to, at string }{
		{`,"effectiveDateTime":"2026"`, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{`,"effectiveDateTime":"2026-02"`, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z"},
		{`,"effectiveDateTime":"2024-02-29"`, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", "2024-02-29T00:00:00Z"},
		{`,"effectiveDateTime":"2026-02-28T23:59:59-05:00"`, "2026-03-01T04:59:59Z", "2026-03-01T05:00:00Z", "2026-03-01T04:59:59Z"},
		{`,"effectiveDateTime":"2026-02-28T23:59:59.25+14:00"`, "2026-02-28T09:59:59.25Z", "2026-02-28T09:59:59.26Z", "2026-02-28T09:59:59.25Z"},
		{`,"effectiveInstant":"2026-02-28T23:59:60Z"`, "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z", "2026-03-01T00:00:00Z"},
		{`,"effectivePeriod":{"start":"2026-02-01","end":"2026-02-14"}`, "2026-02-01T00:00:00Z", "2026-02-15T00:00:00Z", "2026-02-14T00:00:00Z"},
		{`,"effectivePeriod":{"start":"2026-02-01"}`, "2026-02-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
		{`,"effectiveTiming":{"event":["2026-02-03","2026-02-01T10:00:00Z"]}`, "2026-02-01T10:00:00Z", "2026-02-04T00:00:00Z", "2026-02-01T10:00:00Z"},
		{`,"issued":"2026-02-01T10:00:00Z"`, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-02-01T10:00:00Z"},
		{``, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
	} {
		got := mustRead(t, head+c.when+`}`)
		stamp := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
		if stamp(got.From) != c.from || stamp(got.To) != c.to || stamp(got.Facts[0].At) != c.at {
			t.Errorf("%s: from %s to %s at %s", c.when, stamp(got.From), stamp(got.To), stamp(got.Facts[0].At))
		}
	}
}

func TestADateIsADayOfTheClinicsZone(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := tree.Parse([]byte(`{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"code":{"coding":[{"system":"s","code":"c"}]},"valueInteger":1,"effectiveDateTime":"2026-03-08"}`), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	r.Zone = zone
	got, err := r.Read(doc, "ehr")
	if err != nil || got.To.Sub(got.From) != 23*time.Hour || got.From.Hour() != 5 {
		t.Errorf("from %v to %v, %v: the day clocks go forward has 23 hours", got.From, got.To, err)
	}
}

func TestExercisePrescriptionsSayHowOften(t *testing.T) {
	const (
		head = `{"resourceType":"ServiceRequest","id":"rx","intent":"order","subject":{"reference":"Patient/1"},"authoredOn":"2026-02-01","code":{"coding":[{"system":"http://snomed.info/sct","code":"229065009"}]},`
		on   = `"status":"active","occurrenceTiming":`
		rx   = `prescription  {"from":"2026-02-01T00:00:00Z","id":"ServiceRequest/rx",`
		at   = "2026-02-01T00:00:00Z "
	)
	unclear := "warning not-supported ServiceRequest.occurrenceTiming"
	for _, s := range []story{
		{"three times a week", on + `{"repeat":{"frequency":3,"period":1,"periodUnit":"wk"}}}`, at + rx + `"periodDays":7,"sessions":3,"status":"active"}`, ""},
		{"three to five times a week", on + `{"repeat":{"frequency":3,"frequencyMax":5,"period":1,"periodUnit":"wk"}}}`, at + rx + `"periodDays":7,"sessions":3,"status":"active"}`, ""},
		{"twice a day", on + `{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}}`, at + rx + `"periodDays":1,"sessions":2,"status":"active"}`, ""},
		{"every four hours", on + `{"repeat":{"period":4,"periodUnit":"h"}}}`, at + rx + `"periodDays":1,"sessions":6,"status":"active"}`, ""},
		{"every second day", on + `{"repeat":{"frequency":1,"period":2,"periodUnit":"d"}}}`, at + rx + `"periodDays":2,"sessions":1,"status":"active"}`, ""},
		{"on three days", on + `{"repeat":{"dayOfWeek":["fri","mon","wed","mon"]}}}`, at + rx + `"periodDays":7,"sessions":3,"status":"active","weekdays":[1,3,5]}`, ""},
		{"twice on each of two days", on + `{"repeat":{"frequency":2,"period":1,"periodUnit":"d","dayOfWeek":["sat","sun"]}}}`, at + rx + `"periodDays":7,"sessions":4,"status":"active","weekdays":[0,6]}`, ""},
		{"morning and evening", on + `{"repeat":{"when":["MORN","EVE"]}}}`, at + rx + `"periodDays":1,"sessions":2,"status":"active"}`, ""},
		{"by a timing code", on + `{"code":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation","code":"QOD"}]}}}`, at + rx + `"periodDays":2,"sessions":1,"status":"active"}`, ""},
		{"within bounds", on + `{"repeat":{"boundsPeriod":{"start":"2026-02-02","end":"2026-02-15"},"frequency":3,"period":1,"periodUnit":"wk"}}}`, `2026-02-02T00:00:00Z prescription  {"from":"2026-02-02T00:00:00Z","id":"ServiceRequest/rx","periodDays":7,"sessions":3,"status":"active","until":"2026-02-16T00:00:00Z"}`, ""},
		{"for six weeks", on + `{"repeat":{"boundsDuration":{"value":6,"code":"wk"},"frequency":1,"period":1,"periodUnit":"d"}}}`, at + rx + `"periodDays":1,"sessions":1,"status":"active","until":"2026-03-15T00:00:00Z"}`, ""},
		{"twenty in all", on + `{"repeat":{"boundsPeriod":{"start":"2026-02-01","end":"2026-02-28"},"count":20}}}`, at + rx + `"periodDays":28,"sessions":20,"status":"active","until":"2026-03-01T00:00:00Z"}`, ""},
		{"twenty, nobody knows until when", on + `{"repeat":{"count":20}}}`, "", unclear},
		{"never", on + `{"repeat":{"frequency":3,"period":0,"periodUnit":"d"}}}`, "", unclear},
		{"every second", on + `{"repeat":{"frequency":1,"period":1,"periodUnit":"s"}}}`, "", unclear},
		{"in words", on + `{"code":{"text":"often"}}}`, "", unclear},
		{"no occurrence", `"status":"active"}`, "", "warning not-supported ServiceRequest"},
		{"over a period, how often is not said", `"status":"active","occurrencePeriod":{"start":"2026-02-01","end":"2026-02-28"}}`, "", "warning not-supported ServiceRequest.occurrencePeriod"},
		{"ten over a period", `"status":"active","occurrencePeriod":{"start":"2026-02-01","end":"2026-02-10"},"quantityQuantity":{"value":10}}`, at + rx + `"periodDays":10,"sessions":10,"status":"active","until":"2026-02-11T00:00:00Z"}`, ""},
		{"once", `"status":"active","occurrenceDateTime":"2026-02-05"}`, `2026-02-05T00:00:00Z prescription  {"from":"2026-02-05T00:00:00Z","id":"ServiceRequest/rx","periodDays":1,"sessions":1,"status":"active","until":"2026-02-06T00:00:00Z"}`, ""},
		{"revoked, nobody knows when", `"status":"revoked","occurrenceTiming":{"repeat":{"frequency":1,"period":1,"periodUnit":"d"}}}`, at + `prescription status {"from":"2026-02-01T00:00:00Z","id":"ServiceRequest/rx","periodDays":1,"sessions":1,"status":"revoked"}`, ""},
		{
			"put on hold later", `"meta":{"lastUpdated":"2026-02-20T08:00:00Z"},"status":"on-hold","occurrenceTiming":{"repeat":{"frequency":1,"period":1,"periodUnit":"d"}}}`,
			at + rx + `"periodDays":1,"sessions":1,"status":"active"}` + "\n" + `2026-02-20T08:00:00Z prescription status {"from":"2026-02-01T00:00:00Z","id":"ServiceRequest/rx","periodDays":1,"sessions":1,"status":"on-hold"}`, "",
		},
		{"a draft", `"status":"draft","occurrenceTiming":{"repeat":{"frequency":1}}}`, "", "information informational ServiceRequest.status"},
		{"what not to do", `"status":"active","doNotPerform":true,"occurrenceTiming":{"repeat":{"frequency":1}}}`, "", "information informational ServiceRequest.doNotPerform"},
	} {
		s.run(t, head)
	}
}

func TestOnlyExerciseIsAPrescription(t *testing.T) {
	const head, tail = `{"resourceType":"ServiceRequest","id":"rx","status":"active","subject":{"reference":"Patient/1"},"occurrenceTiming":{"repeat":{"frequency":1}},`, `}`
	const activity = `{"coding":[{"system":"http://hl7.org/fhir/us/physical-activity/CodeSystem/pa-temporary-codes","code":"PhysicalActivity"}]}`
	for rest, want := range map[string]int{
		`"intent":"order","category":[` + activity + `]`: 1,
		`"intent":"order","category":[` + activity + `],"code":{"coding":[{"system":"http://snomed.info/sct","code":"390893007"}]}`:                0,
		`"intent":"order","category":[{"coding":[{"system":"http://snomed.info/sct","code":"91251008"}]}]`:                                         0,
		`"intent":"order","category":[{"coding":[{"system":"http://snomed.info/sct","code":"91251008"}]}],"performer":[{"reference":"Patient/1"}]`: 1,
		`"intent":"order","code":{"text":"exercise"}`:                                                0,
		`"intent":"proposal","category":[` + activity + `]`:                                          0,
		`"intent":"plan","code":{"coding":[{"system":"http://snomed.info/sct","code":"229095001"}]}`: 1,
		`"intent":"order","code":{"coding":[{"system":"http://example.org","code":"229065009"}]}`:    0,
		`"intent":"order","category":[` + activity + `],"replaces":[{"reference":"ServiceRequest/old"}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"229065009"}]}`: 1,
	} {
		if got := mustRead(t, head+rest+tail); len(got.Facts) != want {
			t.Errorf("%s: %s %v", rest, facts(t, got), got.Issues)
		}
	}
}

func TestVisitsAreAttendedMissedOrCancelled(t *testing.T) {
	const (
		group  = `"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"},{"actor":{"reference":"Patient/2"},"status":"accepted"}],`
		head   = `{"resourceType":"Appointment","id":"a","start":"2026-02-03T10:00:00Z","end":"2026-02-03T10:30:00Z",`
		who    = `"participant":[{"actor":{"reference":"Location/l"},"status":"accepted"},{"actor":{"reference":"Patient/1"},"status":"accepted"},{"actor":{"reference":"Practitioner/no"},"status":"declined"},{"actor":{"reference":"Practitioner/pt"},"status":"accepted"}],`
		seen   = `2026-02-03T10:00:00Z visit  {"clinician":"Practitioner/pt","id":"Appointment/a","status":"`
		seenAt = `2026-02-03T10:00:00Z visit  {`
		unsaid = "information informational Appointment"
		why    = `"reason":"http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason|`
	)
	when := func(t string) string { return `"meta":{"lastUpdated":"` + t + `"},` }
	off := func(t string) string { return seenAt + `"cancelled":"` + t + `",` }
	because := func(code string) string {
		return seenAt + `"clinician":"Practitioner/pt","id":"Appointment/a",` + why + code + `","status":"`
	}
	late := func(code string) string {
		return `"clinician":"Practitioner/pt","id":"Appointment/a","late":true,` + why + code + `","status":"`
	}
	reason := func(code string) string {
		return `"cancelationReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason","code":"` + code + `"}]},`
	}
	for _, s := range []story{
		{"fulfilled", who + `"status":"fulfilled"}`, seen + `attended"}`, ""},
		{"arrived", who + `"status":"arrived"}`, seen + `attended"}`, ""},
		{"checked in", who + `"status":"checked-in"}`, seen + `attended"}`, ""},
		{"not shown", who + `"status":"noshow"}`, seen + `missed"}`, ""},
		{"booked", who + `"status":"booked"}`, seen + `planned"}`, ""},
		{"cancelled by the patient, nobody knows when", who + reason("pat-crs") + `"status":"cancelled"}`, because("pat-crs") + `cancelled-patient"}`, unsaid},
		{"cancelled by the patient two days before", when("2026-02-01T10:00:00Z") + who + reason("pat-crs") + `"status":"cancelled"}`, off("2026-02-01T10:00:00Z") + because("pat-crs")[len(seenAt):] + `cancelled-patient"}`, ""},
		{"cancelled by the patient a day before", when("2026-02-02T10:00:00Z") + who + reason("pat") + `"status":"cancelled"}`, off("2026-02-02T10:00:00Z") + because("pat")[len(seenAt):] + `cancelled-patient"}`, ""},
		{"cancelled late by the patient", when("2026-02-02T10:00:01Z") + who + reason("pat") + `"status":"cancelled"}`, off("2026-02-02T10:00:01Z") + late("pat") + `cancelled-patient"}`, ""},
		{"cancelled by the patient, changed after the visit", when("2026-03-02T10:00:01Z") + who + reason("pat") + `"status":"cancelled"}`, because("pat") + `cancelled-patient"}`, unsaid},
		{"cancelled late as an extension says, changed after the visit", when("2026-03-02T10:00:01Z") + `"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.cancellationDate","valueDateTime":"2026-02-03T08:00:00Z"}],` + who + reason("pat") + `"status":"cancelled"}`, off("2026-02-03T08:00:00Z") + late("pat") + `cancelled-patient"}`, ""},
		{"cancelled late by the clinic", when("2026-02-03T09:00:00Z") + who + reason("prov") + `"status":"cancelled"}`, off("2026-02-03T09:00:00Z") + because("prov")[len(seenAt):] + `cancelled-clinic"}`, ""},
		{"the patient has died", who + reason("pat-dec") + `"status":"cancelled"}`, because("pat-dec") + `cancelled-clinic"}`, ""},
		{"cancelled by the provider", who + reason("prov-pers") + `"status":"cancelled"}`, because("prov-pers") + `cancelled-clinic"}`, ""},
		{"cancelled by the weather", who + reason("oth-weath") + `"status":"cancelled"}`, because("oth-weath") + `cancelled-clinic"}`, ""},
		{"joint", `"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService"}],"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"},{"actor":{"reference":"Practitioner/pt"},"status":"accepted"},{"actor":{"reference":"Practitioner/psy"},"status":"accepted"},{"actor":{"reference":"Practitioner/pt"},"status":"accepted"}],"status":"fulfilled"}`, `2026-02-03T10:00:00Z visit  {"clinician":"Practitioner/pt","clinicians":["Practitioner/pt","Practitioner/psy"],"id":"Appointment/a","status":"attended","virtual":true}`, ""},
		{"cancelled for no reason", who + `"status":"cancelled"}`, seen + `cancelled-clinic"}`, "information informational Appointment"},
		{"proposed", who + `"status":"proposed"}`, "", "information informational Appointment.status"},
		{"entered in error", who + `"status":"entered-in-error"}`, "", "information informational Appointment.status"},
		{"declined by the patient", `"participant":[{"actor":{"reference":"Patient/1"},"status":"declined"}],"status":"booked"}`, `2026-02-03T10:00:00Z visit  {"id":"Appointment/a","status":"cancelled-patient"}`, unsaid},
		{"cancelled, the patient declined", `"participant":[{"actor":{"reference":"Patient/1"},"status":"declined"}],"status":"cancelled"}`, `2026-02-03T10:00:00Z visit  {"id":"Appointment/a","status":"cancelled-patient"}`, unsaid},
		{"no patient", `"participant":[{"actor":{"reference":"Practitioner/pt"},"status":"accepted"}],"status":"booked"}`, "", "information informational Appointment.participant"},
		{"a group, used for the first", group + `"status":"booked"}`, `2026-02-03T10:00:00Z visit  {"id":"Appointment/a","status":"planned"}`, "warning not-supported Appointment.participant"},
		{"a group that came", group + `"status":"fulfilled"}`, `2026-02-03T10:00:00Z visit  {"id":"Appointment/a","status":"attended"}`, "warning not-supported Appointment.participant"},
		{"a group of which somebody stayed away", group + `"status":"noshow"}`, "", "warning not-supported Appointment.participant"},
	} {
		s.run(t, head)
	}
	untimed := mustRead(t, `{"resourceType":"Appointment","status":"cancelled",`+reason("pat")+`"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]}`)
	if len(untimed.Facts) != 0 || len(untimed.Issues) != 1 {
		t.Errorf("%s %v", facts(t, untimed), untimed.Issues)
	}
}

func TestEncountersAreVisits(t *testing.T) {
	const head = `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/1"},"period":{"start":"2026-02-03T10:00:00Z","end":"2026-02-03T10:30:00Z"},`
	for _, s := range []story{
		{
			"finished", `"class":{"code":"AMB"},"status":"finished","appointment":[{"reference":"Appointment/a"}],"participant":[{"individual":{"reference":"Practitioner/x"}},{"individual":{"reference":"Practitioner/att"},"type":[{"coding":[{"code":"ATND"}]}]},{"individual":{"reference":"PractitionerRole/pt"},"type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"PPRF"}]}]},{"individual":{"reference":"RelatedPerson/r"},"type":[{"coding":[{"code":"PPRF"}]}]}]}`,
			`2026-02-03T10:00:00Z visit  {"appointment":"Appointment/a","clinician":"PractitionerRole/pt","clinicians":["PractitionerRole/pt","Practitioner/att","Practitioner/x"],"id":"Encounter/e","minutes":30,"status":"attended"}`, "",
		},
		{"by video", `"length":{"value":20,"code":"min"},"status":"finished","class":{"code":"VR"}}`, `2026-02-03T10:00:00Z visit  {"id":"Encounter/e","minutes":20,"status":"attended","virtual":true}`, ""},
		{"cancelled, with an appointment that says why", `"class":{"code":"AMB"},"status":"cancelled","appointment":[{"reference":"Appointment/a"}]}`, "", "information informational Encounter.appointment"},
		{"planned", `"class":{"code":"AMB"},"status":"planned"}`, `2026-02-03T10:00:00Z visit  {"id":"Encounter/e","status":"planned"}`, ""},
		{"cancelled", `"class":{"code":"AMB"},"status":"cancelled"}`, `2026-02-03T10:00:00Z visit  {"id":"Encounter/e","status":"cancelled-clinic"}`, "information informational Encounter.status"},
		{"entered in error", `"class":{"code":"AMB"},"status":"entered-in-error"}`, "", "information informational Encounter.status"},
	} {
		s.run(t, head)
	}
	if got := mustRead(t, `{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/1"}}`); len(got.Facts) != 0 || len(got.Issues) != 1 {
		t.Errorf("without a time: %s", facts(t, got))
	}
}

func TestCareTeamsSayWhoCaresFromWhenOn(t *testing.T) {
	const (
		head    = `{"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/1"},`
		members = `"participant":[
			{"member":{"reference":"Practitioner/pt"},"role":[{"coding":[{"system":"s","code":"a"}],"text":"PT"}]},
			{"member":{"reference":"https://h.example/fhir/Practitioner/pt"},"role":[{"text":"Physical  Therapist"},{"coding":[{"system":"s","code":"a"}]}]},
			{"member":{"reference":"Patient/1"}},{"member":{"reference":"#c"}},{"role":[{"text":"nobody yet"}]},
			{"member":{"reference":"CareTeam/wider"}},{"member":{"reference":"CareTeam/t"}},{"member":{"reference":"CareTeam/wider"}},
			{"member":{"reference":"PractitionerRole/left"},"period":{"end":"2026-01-01"}},
			{"member":{"reference":"Practitioner/odd"},"modifierExtension":[{"url":"http://example.org/x","valueBoolean":true}]}],
			"contained":[{"resourceType":"Practitioner","id":"c","identifier":[{"system":"urn:npi","value":"9"}]}]}`
		who = `"members":[{"clinician":"Practitioner/pt","roles":["s|a","physical-therapist"]},{"clinician":"Practitioner?identifier=urn:npi|9"}],"within":["wider"]}`
		odd = "warning not-supported CareTeam.participant[9].modifierExtension"
	)
	for _, s := range []story{
		{"active", `"meta":{"lastUpdated":"2026-02-01T00:00:00Z"},"status":"active","period":{"start":"2026-01-10"},` + members, `2026-01-10T00:00:00Z team  {"active":true,"id":"t",` + who, odd},
		{"no status, no period", `"meta":{"lastUpdated":"2026-02-01T00:00:00Z"},` + members, `2026-02-01T00:00:00Z team  {"active":true,"id":"t",` + who, odd},
		{"until later", `"status":"active","period":{"start":"2026-01-10","end":"2026-04-30"}}`, `2026-01-10T00:00:00Z team  {"active":true,"id":"t","until":"2026-05-01T00:00:00Z"}` + "\n" + `2026-05-01T00:00:00Z team end {"active":false,"id":"t"}`, ""},
		{"suspended", `"meta":{"lastUpdated":"2026-02-01T00:00:00Z"},"status":"suspended","period":{"start":"2026-01-10"}}`, `2026-01-10T00:00:00Z team  {"active":true,"id":"t"}` + "\n" + `2026-02-01T00:00:00Z team end {"active":false,"id":"t"}`, ""},
		{"inactive, nobody knows since when", `"status":"inactive"}`, `- team end {"active":false,"id":"t"}`, ""},
		{"active, nobody knows since when", `"status":"active"}`, `- team  {"active":true,"id":"t"}`, ""},
		{"ended, nobody knows since when it was", `"status":"active","period":{"end":"2026-01-31"}}`, `2026-02-01T00:00:00Z team end {"active":false,"id":"t"}`, "warning not-supported CareTeam.period"},
		{"entered in error", `"status":"entered-in-error"}`, "", "information informational CareTeam.status"},
	} {
		s.run(t, head)
	}
	if got := mustRead(t, `{"resourceType":"CareTeam","id":"t","status":"active"}`); len(got.Facts) != 0 || issues(got.Issues) != "information informational CareTeam" {
		t.Errorf("a team for nobody: %s", facts(t, got))
	}
}

func TestTeamsOfOtherSourcesHaveTheirOwnIDs(t *testing.T) {
	doc, err := tree.Parse([]byte(`{"resourceType":"CareTeam","id":"t","subject":{"reference":"Patient/1"},"participant":[{"member":{"reference":"CareTeam/wider"}}]}`), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := newReader(t).Read(doc, "clinic-b")
	if err != nil {
		t.Fatal(err)
	}
	team := got.Facts[0].Team
	if team.ID != "clinic-b.t" || cmp.Diff([]ref.CareTeam{"clinic-b.wider"}, team.Within) != "" {
		t.Errorf("%+v", team)
	}
}

func TestGoalsAreMilestones(t *testing.T) {
	const head = `{"resourceType":"Goal","id":"g","subject":{"reference":"Patient/1"},"description":{"text":"walk"},`
	for _, s := range []story{
		{
			"achieved", `"lifecycleStatus":"completed","achievementStatus":{"coding":[{"system":"urn:x","code":"?"},{"system":"http://terminology.hl7.org/CodeSystem/goal-achievement","code":"achieved"}]},"startDate":"2026-01-01","statusDate":"2026-02-10","target":[{"dueDate":"2026-03-01"},{"dueDate":"2026-02-15"}]}`,
			`2026-02-10T00:00:00Z goal  {"achieved":"2026-02-10T00:00:00Z","achievement":"achieved","due":"2026-02-16T00:00:00Z","id":"Goal/g","lifecycle":"completed","started":"2026-01-01T00:00:00Z","targets":[{"due":"2026-03-02T00:00:00Z"},{"due":"2026-02-16T00:00:00Z"}]}`, "",
		},
		{
			"begun", `"lifecycleStatus":"active","startDate":"2026-01-01","target":[{"measure":{"text":"x"},"dueDuration":{"value":2,"code":"wk"}}]}`,
			`2026-01-01T00:00:00Z goal  {"due":"2026-01-15T00:00:00Z","id":"Goal/g","lifecycle":"active","started":"2026-01-01T00:00:00Z","targets":[{"due":"2026-01-15T00:00:00Z"}]}`, "",
		},
		{
			"measured", `"lifecycleStatus":"active","startDate":"2026-01-01","target":[{"measure":{"coding":[{"system":"http://loinc.org","code":"41950-7"}]},"detailQuantity":{"value":8000,"comparator":">=","code":"/d"}},{"measure":{"text":"x"},"detailCodeableConcept":{"coding":[{"system":"urn:x","code":"stairs"}]}},{"measure":{"text":"x"},"detailRange":{"low":{"value":90,"code":"deg"}}},{"detailInteger":5,"measure":{"text":"x"}},{"detailString":"far","measure":{"text":"x"}}]}`,
			`2026-01-01T00:00:00Z goal  {"id":"Goal/g","lifecycle":"active","started":"2026-01-01T00:00:00Z","targets":[{"low":8000,"measure":"http://loinc.org|41950-7","unit":"/d"},{"detail":"urn:x|stairs"},{"low":90,"unit":"deg"},{"high":5,"low":5}]}`, "",
		},
		{
			"achieved, nobody knows when", `"meta":{"lastUpdated":"2026-02-20T08:00:00Z"},"lifecycleStatus":"completed","achievementStatus":{"coding":[{"code":"achieved"}]},"startDate":"2026-01-01"}`,
			`2026-02-20T08:00:00Z goal  {"achieved":"2026-02-20T08:00:00Z","achievement":"achieved","id":"Goal/g","lifecycle":"completed","started":"2026-01-01T00:00:00Z"}`, "",
		},
		{"undated", `"lifecycleStatus":"active"}`, `- goal  {"id":"Goal/g","lifecycle":"active"}`, ""},
		{"entered in error", `"lifecycleStatus":"entered-in-error"}`, "", "information informational Goal.lifecycleStatus"},
	} {
		s.run(t, head)
	}
}

func TestCircularReferencesAreHarmless(t *testing.T) {
	const loop = `"contained":[{"resourceType":"Patient","id":"p","link":[{"other":{"reference":"#p"},"type":"seealso"}]},{"resourceType":"Questionnaire","id":"q","status":"active","derivedFrom":["#q"]}]`
	got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-01-05","questionnaire":"#q","subject":{"reference":"#p"},"partOf":[{"reference":"#"}],`+loop+`}`)
	if got.Subject.Known() || got.Draft != nil {
		t.Errorf("%+v", got.Subject)
	}
	deep := strings.Repeat(`"item":[{"linkId":"a",`, 25) + `"answer":[{"valueReference":{"reference":"#"}}]` + strings.Repeat(`}]`, 25)
	if got := mustRead(t, `{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-01-05","questionnaire":"x","subject":{"reference":"Patient/1"},`+deep+`}`); got.Draft == nil {
		t.Error("deep items are lost")
	}
}
