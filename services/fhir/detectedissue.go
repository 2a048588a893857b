package fhir

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// The code systems and the identifier system of a DetectedIssue that stands for an alert.
const (
	SystemRule        = Canonical + "/CodeSystem/alert-rule"
	SystemAlertStatus = Canonical + "/CodeSystem/alert-status"
	SystemSeverity    = Canonical + "/CodeSystem/alert-severity"
	SystemAction      = Canonical + "/CodeSystem/alert-action"
	SystemAlert       = Canonical + "/sid/alert"
	// SystemOccurrence identifies an alert by what it is about: rule, group, patient and when it happened.
	SystemOccurrence = Canonical + "/sid/alert-occurrence"
)

// DetectedIssue is an alert as FHIR tells it. An alert that was suppressed was never raised: ask IssueStatus first.
// Scores are the Observations derived from its sources; they stand among the evidence, before the sources.
func DetectedIssue(a alert.Alert, scores ...ref.Resource) []byte {
	status, _ := IssueStatus(a)
	out := samply.DetectedIssue{
		Id:                 &a.ID,
		Meta:               issueMeta(a),
		Text:               narrative(a),
		Identifier:         alertIdentifiers(a),
		Status:             status,
		Code:               concept(SystemRule, a.Rule, a.Title),
		Severity:           issueSeverity(a),
		Patient:            &samply.Reference{Reference: new(a.Patient.Reference())},
		IdentifiedDateTime: new(Instant(a.Opened)),
		Author:             &samply.Reference{Type: new("Device"), Display: new("Rapport")},
		Implicated:         implicated(a.Sources),
		Evidence:           evidence(a, scores),
		Mitigation:         mitigation(a.History),
	}
	if a.Seen != "" {
		out.Detail = &a.Seen
	}
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherDetectedIssue
	}{"DetectedIssue", samply.OtherDetectedIssue(out)})
}

// alertIdentifiers are the alert's own id, and what it is about: whoever sees the same thing twice can tell.
func alertIdentifiers(a alert.Alert) []samply.Identifier {
	occurrence := strings.Join([]string{a.Rule, a.Group, string(a.Patient), Instant(a.Effective)}, "/")
	return []samply.Identifier{
		{System: new(SystemAlert), Value: &a.ID},
		{System: new(SystemOccurrence), Value: &occurrence},
	}
}

// IssueStatus is the FHIR status of an alert; false when it was never raised: then it is no DetectedIssue, even if it
// was retracted later.
func IssueStatus(a alert.Alert) (samply.ObservationStatus, bool) {
	var status samply.ObservationStatus
	_ = status.UnmarshalJSON([]byte(a.IssueStatus())) // the alert knows only codes that FHIR knows
	return status, a.Raised()
}

// IssueSeverity is the FHIR severity of an alert: high, moderate or low; meta.tag keeps our own four grades.
func IssueSeverity(a alert.Alert) string { return a.IssueSeverity() }

func issueSeverity(a alert.Alert) *samply.DetectedIssueSeverity {
	var severity samply.DetectedIssueSeverity
	_ = severity.UnmarshalJSON([]byte(a.IssueSeverity()))
	return &severity
}

// IssueUpdated is when the alert last took a step.
func IssueUpdated(a alert.Alert) time.Time {
	if n := len(a.History); n > 0 {
		return a.History[n-1].Time
	}
	return a.Opened
}

func issueMeta(a alert.Alert) *samply.Meta {
	return &samply.Meta{
		VersionId:   new(strconv.FormatInt(a.Version, 10)),
		LastUpdated: new(Instant(IssueUpdated(a))),
		Tag: []samply.Coding{
			{System: new(SystemSeverity), Code: new(a.Severity.String())},
			{System: new(SystemAlertStatus), Code: new(string(a.Status))},
		},
	}
}

func concept(system, code, text string) *samply.CodeableConcept {
	out := &samply.CodeableConcept{Coding: []samply.Coding{{System: &system, Code: &code}}}
	if text != "" {
		out.Text = &text
	}
	return out
}

// narrative says what the clinician reads: seen, asked, said, and on what ground; nil when there is no word, since FHIR
// forbids an empty one.
func narrative(a alert.Alert) *samply.Narrative {
	var lines string
	for _, line := range []string{a.Title, a.Seen, a.Question, a.Phrase, a.Evidence} {
		if line != "" {
			lines += "<p>" + html.EscapeString(line) + "</p>"
		}
	}
	if lines == "" {
		return nil
	}
	return &samply.Narrative{
		Status: samply.NarrativeStatusGenerated, Div: `<div xmlns="http://www.w3.org/1999/xhtml">` + lines + `</div>`,
	}
}

// implicated is what triggered the alert: the last of its sources.
func implicated(sources []ref.Resource) []samply.Reference {
	if refs := references(sources); len(refs) > 0 {
		return refs[len(refs)-1:]
	}
	return nil
}

// references leaves out the clock, which has no resource.
func references(of []ref.Resource) []samply.Reference {
	var out []samply.Reference
	for _, r := range of {
		if r.Type != "" {
			out = append(out, samply.Reference{Reference: new(r.String())})
		}
	}
	return out
}

func evidence(a alert.Alert, scores []ref.Resource) []samply.DetectedIssueEvidence {
	e := samply.DetectedIssueEvidence{Detail: references(slices.Concat(scores, a.Sources))}
	for _, n := range a.Numbers {
		e.Code = append(e.Code, samply.CodeableConcept{Text: new(numberText(n))})
	}
	if e.Code == nil && e.Detail == nil {
		return nil
	}
	return []samply.DetectedIssueEvidence{e}
}

func numberText(n judge.Number) string {
	text := n.Name + " " + decimal(n.Value) + unit(n.Unit)
	if n.Reference != nil {
		text += ", compared with " + decimal(*n.Reference) + unit(n.Unit)
	}
	return text
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return " " + u
}

// decimal publishes three places at most.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// mitigation tells who took the alert and how it was handled.
func mitigation(history []alert.Step) []samply.DetectedIssueMitigation {
	var out []samply.DetectedIssueMitigation
	before := alert.Open
	for _, step := range history {
		handled := step.Status != before && (step.Status == alert.Acknowledged || step.Status == alert.Resolved)
		before = step.Status
		if !handled {
			continue
		}
		out = append(out, samply.DetectedIssueMitigation{
			Action: *concept(SystemAction, string(step.Status), actionText(step)),
			Date:   new(Instant(step.Time)),
			Author: actor(step.Actor),
		})
	}
	return out
}

func actionText(step alert.Step) string {
	if step.Reason == "" {
		return string(step.Status)
	}
	return string(step.Status) + ": " + step.Reason
}

// actor is a reference where FHIR allows one, and a name where it does not.
func actor(name string) *samply.Reference {
	switch typ, _, _ := strings.Cut(name, "/"); {
	case name == "":
		return nil
	case typ == "Practitioner" || typ == "PractitionerRole":
		return &samply.Reference{Reference: &name}
	default:
		return &samply.Reference{Display: &name}
	}
}

// Instant is a time as the server writes it: UTC, to the millisecond.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
