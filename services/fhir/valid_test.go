package fhir

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestEveryDerivedObservationIsValidR4(t *testing.T) {
	bodies := map[string][]byte{}
	for name, s := range vectorSheets(t) {
		for _, p := range s.Parts() {
			bodies[name+" "+p.Name] = s.Observation(p, Version{Number: 1, Updated: march2})
		}
		withdrawn := s.Parts()[0]
		bodies[name+" withdrawn"] = s.Observation(withdrawn, Version{Number: 2, Standing: Withdrawn, Updated: march2})
		s.Definition, s.Answered = nil, Answered{}
		s.Extracted = true
		for _, p := range s.Parts() {
			bodies[name+" "+p.Name+" of an unknown definition"] = s.Observation(p, Version{Standing: Later})
		}
	}
	if len(bodies) < 500 {
		t.Errorf("only %d Observations", len(bodies))
	}
	for name, body := range bodies {
		if _, err := tree.Parse(body, tree.Default()); err != nil {
			t.Errorf("%s is no strict JSON: %v", name, err)
		}
		usCore(t, name, body)
	}
	testbed.Valid(t, bodies)
}

// usCore holds an Observation against the screening-assessment profile, whose definition no registry serves.
func usCore(t *testing.T, name string, body []byte) {
	t.Helper()
	var o observed
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	switch {
	case len(o.Meta.Profile) != 1, o.Subject == nil, len(o.Code.Coding) == 0, len(o.EffectiveDateTime) < len("2026-03-02"):
		t.Errorf("%s lacks what the profile asks for: %s", name, body)
	case o.Category[0].Coding[0].Code != "survey":
		t.Errorf("%s is no survey", name)
	case o.ValueInteger == nil && o.ValueQuantity == nil && o.ValueCodeableConcept == nil && o.DataAbsentReason == nil && o.HasMember == nil:
		t.Errorf("%s has neither value nor reason nor member: %s", name, body)
	}
}

func TestWhatElseIsEmittedIsValidR4(t *testing.T) {
	bodies := map[string][]byte{}
	for status, a := range map[string]alert.Alert{"open": open("a1", 3), "bare": {ID: "a2", Rule: "r", Patient: "p", Severity: judge.Info, Opened: march2}} {
		bodies["DetectedIssue "+status] = DetectedIssue(a)
	}
	for k := fault.Internal; k.String() != "unknown"; k++ {
		bodies["OperationOutcome "+k.String()] = OutcomeOf(fault.New(k))
	}
	bodies["OperationOutcome of issues"] = Outcome(
		fault.Errorf("invalid", "Patient.name[0]", "wrong"), fault.Warnf("no such code", "", "odd"), fault.Infof("informational", "", "<b>&"))
	bodies["OperationOutcome of none"] = Outcome()
	total := 1
	issue := Match{FullURL: "https://ehr.example/fhir/DetectedIssue/a1", Resource: bodies["DetectedIssue open"]}
	bodies["searchset"] = Searchset{Self: "https://ehr.example/fhir/DetectedIssue", Next: "https://ehr.example/fhir/DetectedIssue?_page=x", Total: &total, Matches: []Match{issue}}.Bundle()
	bodies["empty searchset"] = Searchset{Self: "https://ehr.example/fhir/DetectedIssue"}.Bundle()
	bodies["transaction-response"] = ResponseBundle(TransactionResponse, []Answer{
		{Status: "201 Created", Location: "https://ehr.example/fhir/Goal/1/_history/1", ETag: `W/"1"`, LastModified: march2, Outcome: Outcome()},
	})
	statement, err := Capability{Base: "https://ehr.example/fhir", Version: "1", Date: march2, Resources: []ResourceCapability{{
		Type: "Observation", Interactions: []InteractionCapability{{Code: "read"}}, Versioning: "versioned",
	}}}.Statement(fixedPart(t))
	if err != nil {
		t.Fatal(err)
	}
	bodies["CapabilityStatement"] = statement
	for name, p := range map[string]judge.Proposal{"whole": {Modality: "telephone", WithinDays: 7}, "bare": {}} {
		bodies["ServiceRequest "+name] = ProposedRequest(p, "Patient/p1", "Plan a call <soon>", march2)
		bodies["Appointment "+name] = ProposedAppointment(p, "Patient/p1", "Plan a call <soon>", march2)
	}
	testbed.Valid(t, bodies)
}

func open(id string, severity judge.Severity) alert.Alert {
	return alert.Alert{
		ID: id, Version: 2, Status: alert.Acknowledged, Rule: "phq9-item-9", Title: "Look <today>", Seen: "item 9 is 2 & more", Severity: severity,
		Patient: "p1", Opened: march2, Effective: march2, Sources: []ref.Resource{{Type: "QuestionnaireResponse", ID: "r1", Version: 1}},
		Numbers: []judge.Number{{Name: "total", Value: 12.5, Unit: "points", Reference: new(9.0)}},
		History: []alert.Step{
			{Version: 1, Status: alert.Open, Time: march2, Actor: "rapport"},
			{Version: 2, Status: alert.Acknowledged, Time: march2, Actor: "Practitioner/x", Reason: "called"},
		},
	}
}

func fixedPart(t *testing.T) []byte {
	t.Helper()
	return fmt.Appendf(nil, `{"resourceType":"CapabilityStatement","name":"Rapport","status":"active","date":"2026-01-01","kind":"instance",
		"software":{"name":"Rapport"},"implementation":{"description":"x"},"fhirVersion":"4.0.1","format":["json"],"rest":[{"mode":"server"}]}`)
}
