package fhir

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// face is how a kind of fault looks over HTTP.
type face struct {
	status int
	code   string // of the issue when the fault brings none of its own
	text   string
}

// faces is the one table from fault.Kind to HTTP status and OperationOutcome.
var faces = map[fault.Kind]face{
	fault.Internal:        {http.StatusInternalServerError, "exception", "the server failed; nothing was written unless a receipt says so"},
	fault.Invalid:         {http.StatusBadRequest, "invalid", "the request cannot be read"},
	fault.Unprocessable:   {http.StatusUnprocessableEntity, "processing", "a rule forbids it"},
	fault.NotSupported:    {http.StatusNotFound, "not-supported", "not supported here"},
	fault.NotFound:        {http.StatusNotFound, "not-found", "there is nothing under that name"},
	fault.Conflict:        {http.StatusConflict, "conflict", "another writer was first; read again and decide again"},
	fault.Precondition:    {http.StatusPreconditionFailed, "conflict", "the resource is not in a state that allows it"},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, "too-long", "over a documented limit"},
	fault.TooOld:          {http.StatusGone, "not-found", "older than what is kept"},
	fault.Unauthenticated: {http.StatusUnauthorized, "login", "a valid bearer token is needed"},
	fault.Forbidden:       {http.StatusForbidden, "forbidden", "the token does not allow it"},
	fault.Throttled:       {http.StatusTooManyRequests, "throttled", "too much at once; send the same request again later"},
	fault.Unavailable:     {http.StatusServiceUnavailable, "transient", "the store is away; send the same request again"},
}

// Status is the HTTP status that a kind of fault is answered with.
func Status(k fault.Kind) int {
	if f, ok := faces[k]; ok {
		return f.status
	}
	return http.StatusInternalServerError
}

// Issues are what a caller may read about a fault: its own issues, or the kind in words when it has none.
// Those of an Internal fault are withheld.
func Issues(k fault.Kind, own []fault.Issue) []fault.Issue {
	f, ok := faces[k]
	if !ok {
		f = faces[fault.Internal]
	}
	if k == fault.Internal || !ok || len(own) == 0 {
		return []fault.Issue{{Severity: fault.Error, Code: f.code, Text: f.text}}
	}
	return own
}

// OutcomeOf is the OperationOutcome of an error: its issues when it is a fault, and no word of any other error.
func OutcomeOf(err error) []byte {
	return Outcome(Issues(fault.Of(err), fault.IssuesOf(err))...)
}

// Outcome is an OperationOutcome of issues; of none, it says that all went well.
func Outcome(issues ...fault.Issue) []byte {
	if len(issues) == 0 {
		issues = []fault.Issue{fault.Infof("informational", "", "all went well")}
	}
	out := samply.OperationOutcome{Issue: make([]samply.OperationOutcomeIssue, len(issues))}
	for i, issue := range issues {
		out.Issue[i] = outcomeIssue(issue)
	}
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherOperationOutcome
	}{"OperationOutcome", samply.OtherOperationOutcome(out)})
}

func outcomeIssue(issue fault.Issue) samply.OperationOutcomeIssue {
	out := samply.OperationOutcomeIssue{Severity: severityOf(issue.Severity), Code: issueType(issue.Code)}
	if issue.Text != "" {
		out.Details = &samply.CodeableConcept{Text: &issue.Text}
	}
	if issue.Path != "" {
		out.Expression = []string{issue.Path}
	}
	return out
}

func severityOf(s fault.Severity) samply.IssueSeverity {
	switch s {
	case fault.Information:
		return samply.IssueSeverityInformation
	case fault.Warning:
		return samply.IssueSeverityWarning
	default:
		return samply.IssueSeverityError
	}
}

// issueType keeps codes that FHIR does not know off the wire: an unknown one becomes `processing`.
func issueType(code string) samply.IssueType {
	var t samply.IssueType
	if code == "" || t.UnmarshalJSON([]byte(code)) != nil {
		return samply.IssueTypeProcessing
	}
	return t
}

// encode writes JSON as FHIR servers do: without escaping <, > and &.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Only our own structs of strings and numbers come here; a test encodes each.
		return []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"exception"}]}`)
	}
	return slices.Clip(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
