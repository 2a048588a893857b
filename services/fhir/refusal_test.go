package fhir_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

func TestWhatBreaksR4IsRefusedWithEveryPlace(t *testing.T) {
	const obs = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}`
	const qr = `{"resourceType":"QuestionnaireResponse","status":"completed","subject":{"reference":"Patient/1"}`
	for _, c := range []struct{ name, body, want string }{
		{"no type", `{"id":"1"}`, "error required "},
		{"type is a number", `{"resourceType":5}`, "error structure resourceType"},
		{"unknown type", `{"resourceType":"Tablet"}`, "error structure Tablet.resourceType"},
		{"status and code missing, subject too", `{"resourceType":"Observation","id":"1"}`, "error required Observation\nerror required Observation\nerror required Observation"},
		{"unknown status", `{"resourceType":"Patient","active":true,"contained":[{"resourceType":"Goal","lifecycleStatus":"done","description":{"text":"x"},"subject":{"reference":"#"}}]}`, "error code-invalid Patient.contained[0].lifecycleStatus"},
		{"status of another type", `{"resourceType":"ServiceRequest","status":"final","intent":"order","subject":{"reference":"Patient/1"}}`, "error code-invalid ServiceRequest.status"},
		{"no intent, no subject", `{"resourceType":"ServiceRequest","status":"active"}`, "error required ServiceRequest\nerror required ServiceRequest"},
		{"a code as a number", obs + `,"category":[{"coding":[{"system":"s","code":72}]}]}`, "error value Observation.category[0].coding[0].code"},
		{"a single value where an array belongs", `{"resourceType":"Patient","name":{"family":"Test"}}`, "error structure Patient.name"},
		{"an array where a single value belongs", obs + `,"issued":["2026-01-01T00:00:00Z"]}`, "error structure Observation.issued"},
		{"a string where an object belongs", `{"resourceType":"Encounter","status":"finished","class":"AMB","subject":{"reference":"Patient/1"}}`, "error structure Encounter.class"},
		{"an object where a string belongs", `{"resourceType":"Patient","birthDate":{"value":"2000-01-01"}}`, "error value Patient.birthDate"},
		{"a boolean in quotes", `{"resourceType":"Patient","active":"true"}`, "error value Patient.active"},
		{"a decimal in quotes", obs + `,"valueQuantity":{"value":"3"}}`, "error value Observation.valueQuantity.value"},
		{"30 February", obs + `,"effectiveDateTime":"2026-02-30"}`, "error value Observation.effectiveDateTime"},
		{"29 February of no leap year", obs + `,"effectiveDateTime":"2100-02-29"}`, "error value Observation.effectiveDateTime"},
		{"month 13", obs + `,"effectiveDateTime":"2026-13"}`, "error value Observation.effectiveDateTime"},
		{"hour 24", obs + `,"effectiveDateTime":"2026-01-01T24:00:00Z"}`, "error value Observation.effectiveDateTime"},
		{"no zone", qr + `,"authored":"2026-01-01T10:00:00"}`, "error value QuestionnaireResponse.authored"},
		{"no seconds", qr + `,"authored":"2026-01-01T10:00Z"}`, "error value QuestionnaireResponse.authored"},
		{"an instant without time", obs + `,"issued":"2026-01-01"}`, "error value Observation.issued"},
		{"a date with time", `{"resourceType":"Patient","birthDate":"2026-01-01T00:00:00Z"}`, "error value Patient.birthDate"},
		{"not a date", `{"resourceType":"Patient","birthDate":"01.02.2003"}`, "error value Patient.birthDate"},
		{"two values", obs + `,"valueInteger":1,"valueString":"1"}`, "error structure Observation.valueString"},
		{"two values, one only tolerated", obs + `,"valueInteger":1,"valueDecimal":1.0}`, "error structure Observation.valueDecimal\nwarning structure Observation.valueDecimal"},
		{"two effective times", obs + `,"effectiveDateTime":"2026-01-01","effectivePeriod":{"start":"2026-01-01"}}`, "error structure Observation.effectivePeriod"},
		{"two values of an answer", qr + `,"item":[{"linkId":"a","answer":[{"valueCoding":{"code":"a"},"valueInteger":1}]}]}`, "error structure QuestionnaireResponse.item[0].answer[0].valueInteger"},
		{"a value and why it is absent", obs + `,"valueInteger":1,"dataAbsentReason":{"text":"x"}}`, "error invariant Observation.dataAbsentReason"},
		{"a bad id", `{"resourceType":"Patient","id":"a b"}`, "error value Patient.id"},
		{"a long id", `{"resourceType":"Patient","id":"` + strings.Repeat("a", 65) + `"}`, "error value Patient.id"},
		{"answer and item", qr + `,"item":[{"linkId":"a","answer":[{"valueInteger":1}],"item":[{"linkId":"b"}]}]}`, "error invariant QuestionnaireResponse.item[0]"},
		{"answer and item below an answer", qr + `,"item":[{"linkId":"a","answer":[{"item":[{"linkId":"b","answer":[{"valueInteger":1}],"item":[{"linkId":"c"}]}]}]}]}`, "error invariant QuestionnaireResponse.item[0].answer[0].item[0]"},
		{"linkId missing", qr + `,"item":[{"text":"a"}]}`, "error required QuestionnaireResponse.item[0]"},
		{"an extension without url", qr + `,"extension":[{"valueCode":"a"}]}`, "error required QuestionnaireResponse.extension[0]"},
		{"a fraction where a whole number belongs", obs + `,"valueInteger":3.5}`, "error value Observation.valueInteger"},
		{"a number beyond 32 bits", obs + `,"valueInteger":3000000000}`, "error value Observation.valueInteger"},
		{"no positive number", `{"resourceType":"Appointment","status":"proposed","participant":[{"status":"accepted"}],"minutesDuration":0}`, "error value Appointment.minutesDuration"},
		{"a contained thing without a type", qr + `,"contained":[{"id":"x"}]}`, "error required QuestionnaireResponse.contained[0]"},
		{"the twin of a primitive is no object", `{"resourceType":"Patient","_birthDate":"x"}`, "error structure Patient._birthDate"},
		{"several at once", `{"resourceType":"Patient","id":"a b","birthDate":"2026-02-30","active":1,"gender":"robot"}`, "error value Patient.id\nerror value Patient.birthDate\nerror value Patient.active\nwarning code-invalid Patient.gender"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.body)
			if fault.Of(err) != fault.Invalid {
				t.Fatalf("got %v, want an invalid fault", err)
			}
			if got := issues(fault.IssuesOf(err)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, c.want, err)
			}
		})
	}
}

func TestAResourceWithoutItsPatientIsUnprocessable(t *testing.T) {
	for _, body := range []string{
		`{"resourceType":"QuestionnaireResponse","status":"completed"}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"}}`,
		`{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"}}`,
	} {
		if _, err := read(t, body); fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) != 1 {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestWhatR4DoesNotKnowIsKeptWithAWarning(t *testing.T) {
	got := mustRead(t, `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"effectiveDateTime":"2026-01-05T10:00:00Z","subject":{"reference":"Patient/1"},"favourite":1,"valueDecimal":1.50,"category":[{"coding":[{"system":"a b","code":" c "}]}],"identifier":[{"use":"primary","value":"x"}]}`)
	want := "warning structure Observation.favourite\nwarning structure Observation.valueDecimal\nwarning value Observation.category[0].coding[0].system\nwarning value Observation.category[0].coding[0].code\nwarning code-invalid Observation.identifier[0].use"
	if issues(got.Issues) != want {
		t.Errorf("got\n%s", issues(got.Issues))
	}
	if f := facts(t, got); f != `2026-01-05T10:00:00Z measure  {"code":"s|c","value":1.5}` {
		t.Errorf("facts %s", f)
	}
}

func TestAFloodOfFaultsIsCutShort(t *testing.T) {
	_, err := read(t, `{"resourceType":"Patient","identifier":[`+strings.Repeat(`{"value":1},`, 5000)+`{"value":2}]}`)
	if n := len(fault.IssuesOf(err)); n != 50 {
		t.Errorf("%d errors", n)
	}
	got := mustRead(t, `{"resourceType":"Patient","identifier":[`+strings.Repeat(`{"wrong":1},`, 5000)+`{"value":"2"}]}`)
	if n := len(got.Issues); n != 25 {
		t.Errorf("%d warnings", n)
	}
}

func TestIssuesHoldNoValues(t *testing.T) {
	_, err := read(t, `{"resourceType":"Patient","id":"Secret Name","birthDate":"Secret Name","Secret Name":"Secret Name","gender":"Secret Name","name":"Secret Name"}`)
	if err == nil || strings.Contains(err.Error(), "Secret") {
		t.Error(err)
	}
}
