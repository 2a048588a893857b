package fhir_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/fhir"
)

const (
	extends = fhir.Canonical + "/StructureDefinition/"
	rx      = `"basedOn":[{"reference":"ServiceRequest/rx"}],`
	squat   = `{"coding":[{"system":"urn:app","code":"squat"}]}`
	bridge  = `{"coding":[{"system":"urn:app","code":"bridge"}]}`
)

func own(code string) string { return `{"coding":[{"system":"` + ours + `","code":"` + code + `"}]}` }

func quantity(value, unit string) string {
	return `"valueQuantity":{"value":` + value + `,"code":"` + unit + `"}`
}

func TestExerciseIsLoggedBySessionByExerciseByDayOrAsARate(t *testing.T) {
	const (
		head = `{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/1"},`
		on   = `"effectiveDateTime":"2026-03-01T18:05:00+01:00",`
		at   = `2026-03-01T17:05:00Z exercise  `
		plan = `"prescription":"ServiceRequest/rx"`
	)
	session, single, percent := `"code":`+own("hep-session-completed")+`,`+rx, `"code":`+own("hep-exercise-completed")+`,`+rx, `"code":`+own("hep-adherence-percent")+`,`
	for _, s := range []story{
		{
			"a session of two exercises", on + session + `"component":[{"code":` + squat + `,` + quantity("3", "{sets}") + `},{"code":` + squat + `,` + quantity("10", "{reps}") + `},{"code":` + bridge + `,"valueString":"2 x 15"},{"code":{"coding":[{"system":"http://loinc.org","code":"55411-3"}]},` + quantity("0.5", "h") + `}]}`,
			at + `{"done":1,"minutes":30,"parts":[{"name":"urn:app|squat","reps":10,"sets":3},{"name":"urn:app|bridge","reps":15,"sets":2}],` + plan + `}`, "",
		},
		{
			"a session of which one exercise was left out", on + session + `"valueBoolean":true,"component":[{"code":` + squat + `,"valueBoolean":true},{"code":` + bridge + `,"dataAbsentReason":{"coding":[{"code":"not-performed"}]}}]}`,
			at + `{"done":1,"parts":[{"name":"urn:app|squat"},{"missed":true,"name":"urn:app|bridge"}],` + plan + `}`, "",
		},
		{
			"sets and repetitions by our own codes", on + session + `"component":[{"code":` + own("hep-sets") + `,"valueInteger":3},{"code":` + own("hep-repetitions") + `,"valueInteger":12}]}`,
			at + `{"done":1,"parts":[{"reps":12,"sets":3}],` + plan + `}`, "",
		},
		{
			"a dose by extension", on + `"extension":[{"url":"` + extends + `exercise-dose","extension":[{"url":"exercise","valueCodeableConcept":` + squat + `},{"url":"sets","valueInteger":3},{"url":"repetitions","valueInteger":8},{"url":"minutes","valueDecimal":4.5}]},{"url":"` + extends + `exercise-dose"}],` + session[:len(session)-1] + `}`,
			at + `{"done":1,"parts":[{"minutes":4.5,"name":"urn:app|squat","reps":8,"sets":3}],` + plan + `}`, "",
		},
		{"one exercise", on + single + `"valueCodeableConcept":` + squat + `,"component":[{"code":` + own("hep-sets") + `,"valueInteger":3}]}`, at + `{"done":0,"partial":true,"parts":[{"name":"urn:app|squat","sets":3}],` + plan + `}`, ""},
		{"one exercise not done", on + single + `"valueBoolean":false}`, at + `{"done":0,"partial":true,"parts":[{"missed":true}],` + plan + `}`, ""},
		{"one exercise, nobody asked", on + single + `"dataAbsentReason":{"coding":[{"code":"unknown"}]}}`, "", "information informational Observation.dataAbsentReason"},
		{"one exercise, ten of what", on + single + `"valueInteger":10}`, "", "warning not-supported Observation.valueInteger"},
		{"one exercise by its own code", on + `"code":` + squat + `,` + rx + quantity("30", "{reps}") + `}`, at + `{"done":0,"partial":true,"parts":[{"name":"urn:app|squat","reps":30}],` + plan + `}`, ""},
		{"repetitions that nobody prescribed", on + `"code":` + squat + `,` + quantity("30", "{reps}") + `}`, `2026-03-01T17:05:00Z measure  {"code":"urn:app|squat","unit":"{reps}","value":30}`, ""},
		{"more repetitions than can be", on + session + `"component":[{"code":` + squat + `,` + quantity("30000", "{reps}") + `}]}`, at + `{"done":1,` + plan + `}`, ""},
		{"a day", `"effectiveDateTime":"2026-03-01",` + session + `"valueInteger":2}`, `2026-03-01T00:00:00Z exercise  {"done":2,` + plan + `,"wholeDay":true}`, ""},
		{"just after midnight", `"effectiveDateTime":"2026-03-02T00:30:00+02:00",` + session[:len(session)-1] + `}`, `2026-03-01T22:30:00Z exercise  {"day":"2026-03-02","done":1,` + plan + `}`, ""},
		{"a week", `"effectivePeriod":{"start":"2026-03-02","end":"2026-03-08"},` + session + `"valueInteger":4}`, `2026-03-08T00:00:00Z exercise  {"done":4,"from":"2026-03-02T00:00:00Z",` + plan + `,"until":"2026-03-09T00:00:00Z","wholeDay":true}`, ""},
		{"a rate", `"effectivePeriod":{"start":"2026-03-02","end":"2026-03-08"},` + percent + rx + quantity("75", "%") + `,"component":[{"code":` + own("hep-sessions-done") + `,"valueInteger":3},{"code":` + own("hep-sessions-prescribed") + `,` + quantity("4", "{sessions}") + `}]}`, `2026-03-08T00:00:00Z exercise  {"done":3,"due":4,"from":"2026-03-02T00:00:00Z","percent":75,` + plan + `,"until":"2026-03-09T00:00:00Z","wholeDay":true}`, ""},
		{"a rate from what it is made of", on + percent + `"component":[{"code":` + own("hep-sessions-done") + `,"valueInteger":3},{"code":` + own("hep-sessions-prescribed") + `,"valueInteger":4}]}`, at + `{"done":3,"due":4,"percent":75}`, ""},
		{"a rate of one", on + percent + quantity("0.5", "1") + `}`, at + `{"done":0,"percent":50}`, ""},
		{"a rate below nothing", on + percent + quantity("-1", "%") + `}`, "", "warning not-supported Observation.valueQuantity"},
		{"a rate in minutes", on + percent + quantity("30", "min") + `}`, "", "warning not-supported Observation.valueQuantity"},
		{"no rate", on + percent + `"dataAbsentReason":{"text":"x"}}`, "", "information informational Observation"},
		{"an activity with its duration", on + `"code":{"coding":[{"system":"http://loinc.org","code":"73985-4"}]},` + rx + `"valueCodeableConcept":{"coding":[{"system":"http://loinc.org","code":"LA11836-6"}]},"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"55411-3"}]},` + quantity("25", "min") + `}]}`, at + `{"done":1,"minutes":25,"parts":[{"minutes":25,"name":"http://loinc.org|LA11836-6"}],` + plan + `}`, ""},
	} {
		s.run(t, head)
	}
}

func TestThePhysicalActivityFormsAreMeasures(t *testing.T) {
	for code, unit := range map[string]string{
		"89555-7": "d/wk", "68516-4": "min/d", "82290-8": "min/wk", "82291-6": "d/wk", "77592-4": "min", "77593-2": "min",
		"55425-3": "/min", "55424-6": "kcal", "41950-7": "/d", "40443-4": "/min",
	} {
		for _, based := range []string{"", rx} {
			got := facts(t, mustRead(t, `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01",`+based+`"code":{"coding":[{"system":"http://loinc.org","code":"`+code+`"}]},`+quantity("5", unit)+`}`))
			if want := `2026-03-01T00:00:00Z measure  {"code":"http://loinc.org|` + code + `","unit":"` + unit + `","value":5}`; got != want {
				t.Errorf("%s %q: %s", code, based, got)
			}
		}
	}
	panel := mustRead(t, `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01","code":{"coding":[{"system":"http://loinc.org","code":"89574-8"}]},"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"89555-7"}]},`+quantity("3", "d/wk")+`},{"code":{"coding":[{"system":"http://loinc.org","code":"68516-4"}]},`+quantity("40", "min/d")+`}]}`)
	want := `2026-03-01T00:00:00Z measure http://loinc.org|89555-7| {"code":"http://loinc.org|89555-7","unit":"d/wk","value":3}` + "\n" +
		`2026-03-01T00:00:00Z measure http://loinc.org|68516-4| {"code":"http://loinc.org|68516-4","unit":"min/d","value":40}`
	if got := facts(t, panel); got != want {
		t.Error(got)
	}
}

func TestFunctionIsMeasuredBySiteAndSide(t *testing.T) {
	const (
		head  = `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-03-01T10:00:00Z",`
		flex  = `"code":{"coding":[{"system":"urn:x","code":"knee-flexion"}]},`
		left  = `{"system":"http://snomed.info/sct","code":"7771000"}`
		right = `{"system":"http://snomed.info/sct","code":"24028007"}`
		at    = `2026-03-01T10:00:00Z measure `
	)
	for _, s := range []story{
		{"one knee", flex + `"bodySite":{"coding":[{"system":"http://snomed.info/sct","code":"72696002"},` + left + `]},` + quantity("110", "deg") + `}`, at + ` {"code":"urn:x|knee-flexion","side":"left","site":"http://snomed.info/sct|72696002","unit":"deg","value":110}`, ""},
		{
			"both knees", flex + `"bodySite":{"coding":[{"system":"http://snomed.info/sct","code":"72696002"}]},"component":[{"code":{"coding":[` + left + `]},` + quantity("110", "deg") + `},{"code":{"coding":[` + right + `]},` + quantity("95", "deg") + `}]}`,
			at + `urn:x|knee-flexion|left {"code":"urn:x|knee-flexion","side":"left","site":"http://snomed.info/sct|72696002","unit":"deg","value":110}` + "\n" +
				at + `urn:x|knee-flexion|right {"code":"urn:x|knee-flexion","side":"right","site":"http://snomed.info/sct|72696002","unit":"deg","value":95}`, "",
		},
		{
			"the same twice", flex + `"component":[{"code":{"coding":[` + left + `]},` + quantity("110", "deg") + `},{"code":{"coding":[` + left + `]},` + quantity("112", "deg") + `}]}`,
			at + `urn:x|knee-flexion|left {"code":"urn:x|knee-flexion","side":"left","unit":"deg","value":110}` + "\n" +
				at + `urn:x|knee-flexion|left|1 {"code":"urn:x|knee-flexion","side":"left","unit":"deg","value":112}`, "",
		},
		{
			"a ready-made score among components", flex + `"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},"valueInteger":12},{"code":{"coding":[{"system":"urn:x","code":"note"}]},"valueString":"well"}]}`,
			`2026-03-01T10:00:00Z scores http://loinc.org|44261-6| {"construct":"distress","instrument":"phq-9"`, "",
		},
		{"components without numbers", flex + `"component":[{"code":{"coding":[` + left + `]},"valueString":"free"}]}`, "", "information informational Observation"},
	} {
		if strings.HasPrefix(s.name, "a ready-made") {
			if got := facts(t, mustRead(t, head+s.body)); !strings.HasPrefix(got, s.facts) || strings.Contains(got, "\n") {
				t.Error(got)
			}
			continue
		}
		s.run(t, head)
	}
}

func TestPrescriptionsInTheFormsOfTheWild(t *testing.T) {
	const (
		head = `{"resourceType":"ServiceRequest","id":"rx","intent":"order","subject":{"reference":"Patient/1"},"authoredOn":"2026-02-01","code":{"coding":[{"system":"http://snomed.info/sct","code":"229065009"}]},`
		at   = `2026-02-01T00:00:00Z prescription  {`
		from = `"from":"2026-02-01T00:00:00Z","id":"ServiceRequest/rx",`
	)
	on := func(repeat string) string { return `"status":"active","occurrenceTiming":{"repeat":{` + repeat + `}}` }
	for _, s := range []story{
		{"at times of the day", on(`"timeOfDay":["08:00:00","20:00:00"]`) + `}`, at + from + `"periodDays":1,"sessions":2,"status":"active"}`, ""},
		{"at times of some days", on(`"timeOfDay":["08:00:00","20:00:00"],"dayOfWeek":["mon","thu"]`) + `}`, at + from + `"periodDays":7,"sessions":4,"status":"active","weekdays":[1,4]}`, ""},
		{"every eight hours", on(`"frequency":1,"period":8,"periodUnit":"h"`) + `}`, at + from + `"periodDays":1,"sessions":3,"status":"active"}`, ""},
		{"every second Monday", on(`"frequency":1,"period":2,"periodUnit":"wk","dayOfWeek":["mon"]`) + `}`, at + from + `"periodDays":14,"sessions":1,"status":"active","weekdays":[1]}`, ""},
		{"ten a month", on(`"frequency":10,"period":1,"periodUnit":"mo"`) + `}`, at + from + `"periodDays":30,"sessions":10,"status":"active"}`, ""},
		{"every day, twenty in all", on(`"frequency":2,"period":1,"periodUnit":"d","count":20`) + `}`, at + `"count":20,` + from + `"periodDays":1,"sessions":2,"status":"active","until":"2026-02-11T00:00:00Z"}`, ""},
		{
			"on three dates", `"status":"active","occurrenceTiming":{"event":["2026-02-09","2026-02-03","2026-02-05T18:00:00Z","2026-02-03"]}}`,
			`2026-02-03T00:00:00Z prescription  {"dates":["2026-02-03T00:00:00Z","2026-02-05T18:00:00Z","2026-02-09T00:00:00Z"],"from":"2026-02-03T00:00:00Z","id":"ServiceRequest/rx","periodDays":7,"sessions":3,"status":"active","until":"2026-02-10T00:00:00Z"}`, "",
		},
		{"half an hour each", on(`"frequency":1,"period":1,"periodUnit":"d","duration":30,"durationUnit":"min"`) + `}`, at + `"dose":[{"minutes":30}],` + from + `"periodDays":1,"sessions":1,"status":"active"}`, ""},
		{"thirty repetitions each", on(`"frequency":1,"period":1,"periodUnit":"d"`) + `,"quantityQuantity":{"value":30,"unit":"{reps}"}}`, at + `"dose":[{"reps":30}],` + from + `"periodDays":1,"sessions":1,"status":"active"}`, ""},
		{"twenty minutes a session", on(`"frequency":1,"period":1,"periodUnit":"d"`) + `,"quantityRatio":{"numerator":{"value":20,"code":"min"},"denominator":{"value":1,"code":"{session}"}}}`, at + `"dose":[{"minutes":20}],` + from + `"periodDays":1,"sessions":1,"status":"active"}`, ""},
		{
			"three sets of ten", `"extension":[{"url":"` + extends + `exercise-dose","extension":[{"url":"exercise","valueCoding":{"system":"urn:app","code":"squat"}},{"url":"sets","valueInteger":3},{"url":"repetitions","valueInteger":10}]}],` + on(`"frequency":1,"period":1,"periodUnit":"d"`) + `}`,
			at + `"dose":[{"name":"urn:app|squat","reps":10,"sets":3}],` + from + `"periodDays":1,"sessions":1,"status":"active"}`, "",
		},
		{
			"with rests", `"extension":[{"url":"` + extends + `rest-period","valueDate":"2026-02-14"},{"url":"` + extends + `rest-period","valuePeriod":{"start":"2026-03-01","end":"2026-03-07"}},{"url":"` + extends + `rest-period","valuePeriod":{"end":"2026-03-07"}}],` + on(`"frequency":1`) + `}`,
			at + from + `"periodDays":1,"rests":[{"from":"2026-02-14T00:00:00Z","until":"2026-02-15T00:00:00Z"},{"from":"2026-03-01T00:00:00Z","until":"2026-03-08T00:00:00Z"}],"sessions":1,"status":"active"}`, "information informational ServiceRequest.extension[2]",
		},
		{"instead of others", `"replaces":[{"reference":"ServiceRequest/old"},{"reference":"ServiceRequest/rx"},{"display":"x"}],` + on(`"frequency":1`) + `}`, at + from + `"periodDays":1,"replaces":["ServiceRequest/old"],"sessions":1,"status":"active"}`, ""},
		{
			"paused by choice", `"meta":{"lastUpdated":"2026-03-20T08:00:00Z"},"extension":[{"url":"` + extends + `status-date","valueDateTime":"2026-02-20"},{"url":"` + extends + `pause-reason","valueCode":"patient-choice"}],"status":"on-hold","occurrenceTiming":{"repeat":{"frequency":1}}}`,
			at + from + `"periodDays":1,"sessions":1,"status":"active"}` + "\n" + `2026-02-20T00:00:00Z prescription status {` + from + `"periodDays":1,"reason":"patient-choice","sessions":1,"status":"on-hold"}`, "",
		},
		{
			"completed when it was to end", `"meta":{"lastUpdated":"2026-03-20T08:00:00Z"},"status":"completed","occurrenceTiming":{"repeat":{"frequency":1,"boundsPeriod":{"start":"2026-02-01","end":"2026-02-28"}}}}`,
			at + from + `"periodDays":1,"sessions":1,"status":"active","until":"2026-03-01T00:00:00Z"}` + "\n" + `2026-03-01T00:00:00Z prescription status {` + from + `"periodDays":1,"sessions":1,"status":"completed","until":"2026-03-01T00:00:00Z"}`, "",
		},
	} {
		s.run(t, head)
	}
}

func TestCareTeamsHaveTermsBackersAndCarePartners(t *testing.T) {
	got := facts(t, mustRead(t, `{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/1"},"period":{"start":"2026-01-01"},"participant":[
		{"member":{"reference":"Practitioner/pt"},"period":{"start":"2026-01-01","end":"2026-01-31"},"onBehalfOf":{"reference":"Organization/o"}},
		{"member":{"reference":"Practitioner/pt"},"period":{"start":"2026-02-10","end":"2026-03-31"}},
		{"member":{"reference":"Practitioner/psy"},"period":{"start":"2026-02-10"}},
		{"member":{"reference":"RelatedPerson/wife"},"role":[{"coding":[{"system":"urn:r","code":"WIFE"}]}],"period":{"start":"2026-01-01"}}]}`))
	want := `2026-01-01T00:00:00Z team  {"active":true,"id":"t","members":[{"clinician":"Practitioner/pt","from":"2026-01-01T00:00:00Z","onBehalfOf":"Organization/o","until":"2026-04-01T00:00:00Z"},{"clinician":"Practitioner/psy","from":"2026-02-10T00:00:00Z"}],"partners":[{"from":"2026-01-01T00:00:00Z","person":"RelatedPerson/wife","roles":["urn:r|WIFE"]}]}`
	if got != want {
		t.Error(got)
	}
}

func TestEpisodesOfCareSayHowTheCourseWent(t *testing.T) {
	const (
		head  = `{"resourceType":"EpisodeOfCare","id":"e","patient":{"reference":"Patient/1"},`
		id    = `"id":"EpisodeOfCare/e",`
		start = `"start":"2026-01-01T00:00:00Z",`
	)
	for _, s := range []story{
		{
			"active", `"status":"active","type":[{"coding":[{"system":"urn:x","code":"msk"}]}],"careManager":{"reference":"Practitioner/m"},"team":[{"reference":"CareTeam/t"}],"period":{"start":"2026-01-01"}}`,
			`2026-01-01T00:00:00Z course now {` + id + `"manager":"Practitioner/m",` + start + `"status":"active","teams":["t"],"types":["urn:x|msk"]}`, "",
		},
		{
			"paused by choice, and back", `"status":"active","period":{"start":"2026-01-01"},"statusHistory":[
				{"status":"onhold","period":{"start":"2026-02-01","end":"2026-02-28"},"extension":[{"url":"` + extends + `pause-reason","valueCodeableConcept":{"coding":[{"system":"` + fhir.Canonical + `/CodeSystem/pause-reason","code":"patient-choice"}]}}]},
				{"status":"active","period":{"start":"2026-01-01","end":"2026-01-31"}}]}`,
			`2026-01-01T00:00:00Z course 0 {` + id + start + `"status":"active","until":"2026-02-01T00:00:00Z"}` + "\n" +
				`2026-02-01T00:00:00Z course 1 {` + id + `"reason":"patient-choice",` + start + `"status":"onhold","until":"2026-03-01T00:00:00Z"}` + "\n" +
				`2026-03-01T00:00:00Z course now {` + id + start + `"status":"active"}`, "",
		},
		{
			"paused, the history knows since when", `"meta":{"lastUpdated":"2026-02-20T00:00:00Z"},"status":"onhold","period":{"start":"2026-01-01"},"extension":[{"url":"` + extends + `pause-reason","valueCoding":{"system":"urn:x","code":"holiday"}}],"statusHistory":[{"status":"active","period":{"start":"2026-01-01","end":"2026-01-31"}},{"status":"onhold","period":{"start":"2026-02-01"}}]}`,
			`2026-01-01T00:00:00Z course 0 {` + id + start + `"status":"active","until":"2026-02-01T00:00:00Z"}` + "\n" +
				`2026-02-01T00:00:00Z course now {` + id + `"reason":"urn:x|holiday",` + start + `"status":"onhold"}`, "",
		},
		{
			"paused, without a history", `"meta":{"lastUpdated":"2026-02-20T00:00:00Z"},"status":"onhold","period":{"start":"2026-01-01"}}`,
			`2026-01-01T00:00:00Z course 0 {` + id + start + `"status":"active"}` + "\n" + `2026-02-20T00:00:00Z course now {` + id + start + `"status":"onhold"}`, "",
		},
		{
			"finished", `"status":"finished","period":{"start":"2026-01-01","end":"2026-03-31"}}`,
			`2026-01-01T00:00:00Z course 0 {"end":"2026-04-01T00:00:00Z",` + id + start + `"status":"active"}` + "\n" +
				`2026-04-01T00:00:00Z course now {"end":"2026-04-01T00:00:00Z",` + id + start + `"status":"finished"}`, "",
		},
		{"planned, nobody knows when", `"status":"planned"}`, `- course now {` + id + `"status":"planned"}`, ""},
		{"a history without times", `"status":"active","statusHistory":[{"status":"planned","period":{"end":"2026-01-01"}}]}`, `- course now {` + id + `"status":"active"}`, "information informational EpisodeOfCare.statusHistory[0]"},
		{"entered in error", `"status":"entered-in-error"}`, "", "information informational EpisodeOfCare.status"},
	} {
		s.run(t, head)
	}
}

func TestADeathIsRead(t *testing.T) {
	const head = `{"resourceType":"Patient","id":"1",`
	for _, s := range []story{
		{"dated", `"deceasedDateTime":"2026-03-01T04:00:00Z"}`, `2026-03-01T04:00:00Z death  {"dated":true}`, ""},
		{"undated", `"meta":{"lastUpdated":"2026-03-02T08:00:00Z"},"deceasedBoolean":true}`, `2026-03-02T08:00:00Z death  {}`, ""},
		{"heard of now", `"deceasedBoolean":true}`, `- death  {}`, ""},
		{"alive", `"deceasedBoolean":false}`, "", ""},
	} {
		s.run(t, head)
	}
}
