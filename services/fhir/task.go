package fhir

import (
	"strings"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/alert"
)

// SystemRole is the code system of the care-team roles that rules address.
const SystemRole = Canonical + "/CodeSystem/care-role"

// Task is the work that an alert asks for, under the alert's id. An alert that was never raised asks for none: ask
// alert.Raised first.
func Task(a alert.Alert) []byte {
	out := samply.Task{
		Id:             &a.ID,
		Meta:           issueMeta(a),
		Identifier:     alertIdentifiers(a),
		BusinessStatus: concept(SystemAlertStatus, string(a.Status), ""),
		Intent:         "order",
		Priority:       taskPriority(a),
		Code:           concept(SystemRule, a.Rule, a.Title),
		Focus:          &samply.Reference{Reference: new("DetectedIssue/" + a.ID)},
		For:            &samply.Reference{Reference: new(a.Patient.Reference())},
		AuthoredOn:     new(Instant(a.Opened)),
		LastModified:   new(Instant(IssueUpdated(a))),
		Requester:      &samply.Reference{Type: new("Device"), Display: new("Rapport")},
		PerformerType:  performers(a.Roles),
		Owner:          taskOwner(a),
		StatusReason:   taskReason(a),
		Restriction:    restriction(a),
	}
	_ = out.Status.UnmarshalJSON([]byte(a.TaskStatus())) // the alert knows only codes that FHIR knows
	if a.Question != "" {
		out.Description = &a.Question
	}
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherTask
	}{"Task", samply.OtherTask(out)})
}

func taskPriority(a alert.Alert) *samply.RequestPriority {
	var priority samply.RequestPriority
	_ = priority.UnmarshalJSON([]byte(a.TaskPriority()))
	return &priority
}

func performers(roles []string) []samply.CodeableConcept {
	var out []samply.CodeableConcept
	for _, role := range roles {
		out = append(out, *concept(SystemRole, role, strings.ReplaceAll(role, "-", " ")))
	}
	return out
}

func taskOwner(a alert.Alert) *samply.Reference {
	owner := a.TaskOwner()
	if owner == "" {
		return nil
	}
	return &samply.Reference{Reference: &owner}
}

// taskReason is why the work was closed.
func taskReason(a alert.Alert) *samply.CodeableConcept {
	if n := len(a.History); n > 0 && !a.Live() && a.History[n-1].Reason != "" {
		return &samply.CodeableConcept{Text: new(a.History[n-1].Reason)}
	}
	return nil
}

// restriction says until when somebody has to act: then others are told, or the alert comes back.
func restriction(a alert.Alert) *samply.TaskRestriction {
	if a.Due.IsZero() || !a.Live() {
		return nil
	}
	return &samply.TaskRestriction{Period: &samply.Period{End: new(Instant(a.Due))}}
}

// The category of a Flag that stands for a safety alert.
const (
	SystemFlagCategory = "http://terminology.hl7.org/CodeSystem/flag-category"
	flagSafety         = "safety"
)

// Flag is the banner of a safety alert, under the alert's id; false for an alert that is none or was never raised.
func Flag(a alert.Alert) ([]byte, bool) {
	if !a.Safety || !a.Raised() {
		return nil, false
	}
	out := samply.Flag{
		Id:         &a.ID,
		Meta:       issueMeta(a),
		Identifier: alertIdentifiers(a),
		Category:   []samply.CodeableConcept{*concept(SystemFlagCategory, flagSafety, "Safety")},
		Code:       *concept(SystemRule, a.Rule, a.Title),
		Subject:    samply.Reference{Reference: new(a.Patient.Reference())},
		Period:     &samply.Period{Start: new(Instant(a.Opened))},
	}
	status := FlagStatus(a)
	_ = out.Status.UnmarshalJSON([]byte(status))
	if ended := closed(a); !ended.IsZero() {
		out.Period.End = new(Instant(ended))
	}
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherFlag
	}{"Flag", samply.OtherFlag(out)}), true
}

// FlagStatus is the Flag.status of a safety alert: active until it is closed, then inactive or entered-in-error.
func FlagStatus(a alert.Alert) string {
	switch {
	case a.IssueStatus() == alert.EnteredInError:
		return alert.EnteredInError
	case closed(a).IsZero():
		return "active"
	default:
		return "inactive"
	}
}

// closed is when an alert was resolved or retracted; zero while it is neither.
func closed(a alert.Alert) time.Time {
	if a.Status != alert.Resolved && a.Status != alert.Retracted {
		return time.Time{}
	}
	for _, s := range a.History {
		if s.Status == a.Status {
			return s.Time
		}
	}
	return a.Opened
}
