// Package fault is the one error the house speaks: a kind, which says what the caller can do,
// and located issues, which say what is wrong.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what an error asks of the caller.
type Kind uint8

// The kinds. The edges (wire, fhir) hold one table each from kind to status.
const (
	// Internal is a defect or an unforeseen state; its text is withheld at the edge.
	Internal Kind = iota
	// Invalid input: mend it before sending it again.
	Invalid
	// Unprocessable input: well formed, but a rule forbids it.
	Unprocessable
	// NotSupported asks for something that Rapport does not do.
	NotSupported
	// NotFound: nothing under that name.
	NotFound
	// Conflict: another writer was first; read again and decide again.
	Conflict
	// Precondition: the thing is not in a state that allows it.
	Precondition
	// TooLarge: over a documented limit.
	TooLarge
	// TooOld: a cursor behind retention; Earliest names the oldest that works.
	TooOld
	// Unauthenticated: no token, or one that does not count.
	Unauthenticated
	// Forbidden: known, but not allowed.
	Forbidden
	// Unavailable: the store or the server is away; the same call may be sent again.
	Unavailable
	// Throttled: too much at once; the same call may be sent again later.
	Throttled
)

var kindNames = [...]string{
	"internal", "invalid", "unprocessable", "not supported", "not found", "conflict", "precondition failed",
	"too large", "too old", "unauthenticated", "forbidden", "unavailable", "throttled",
}

// String is the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Severity follows FHIR R4 OperationOutcome.issue.severity.
type Severity uint8

// The severities, least first.
const (
	// Information is good to know.
	Information Severity = iota + 1
	// Warning: kept, but part of it could not be used.
	Warning
	// Error: rejected because of this.
	Error
)

// String is the FHIR code of the severity.
func (s Severity) String() string {
	switch s {
	case Information:
		return "information"
	case Warning:
		return "warning"
	default:
		return "error"
	}
}

// Issue is one located reason. Text never holds patient data.
type Issue struct {
	// Severity says how much it matters.
	Severity Severity `json:"severity"`
	// Code is a FHIR R4 issue-type such as `structure`, `required`, `value`, `code-invalid`, `not-supported`.
	Code string `json:"code"`
	// Path is the FHIRPath of the element; empty for the whole document.
	Path string `json:"path,omitempty"`
	// Text says what is wrong and what would mend it.
	Text string `json:"text"`
}

// Errorf is an issue of severity Error.
func Errorf(code, path, format string, args ...any) Issue {
	return Issue{Error, code, path, fmt.Sprintf(format, args...)}
}

// Warnf is an issue of severity Warning.
func Warnf(code, path, format string, args ...any) Issue {
	return Issue{Warning, code, path, fmt.Sprintf(format, args...)}
}

// Infof is an issue of severity Information.
func Infof(code, path, format string, args ...any) Issue {
	return Issue{Information, code, path, fmt.Sprintf(format, args...)}
}

// Fault is an error with a kind and its issues.
type Fault struct {
	// Kind says what the caller can do.
	Kind Kind
	// Issues say what is wrong; at least one unless Kind is Internal or Unavailable.
	Issues []Issue
	// Earliest is the oldest cursor that works, and Feed the feed it is for, when Kind is TooOld.
	Earliest int64
	Feed     string
	cause    error
}

// New is a fault with its issues.
func New(kind Kind, issues ...Issue) *Fault { return &Fault{Kind: kind, Issues: issues} }

// Newf is a fault with one issue of severity Error and no path.
func Newf(kind Kind, code, format string, args ...any) *Fault {
	return New(kind, Errorf(code, "", format, args...))
}

// Wrap gives a cause a kind. A cause that already is a fault keeps its own.
func Wrap(kind Kind, cause error, doing string) error {
	if cause == nil {
		return nil
	}
	var f *Fault
	if errors.As(cause, &f) {
		return fmt.Errorf("%s: %w", doing, cause)
	}
	return &Fault{Kind: kind, cause: fmt.Errorf("%s: %w", doing, cause)}
}

// Error joins the issues.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Kind.String())
	for i, issue := range f.Issues {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		if issue.Path != "" {
			b.WriteString(issue.Path)
			b.WriteString(": ")
		}
		b.WriteString(issue.Text)
	}
	if f.cause != nil {
		b.WriteString(": ")
		b.WriteString(f.cause.Error())
	}
	return b.String()
}

// Unwrap is the cause.
func (f *Fault) Unwrap() error { return f.cause }

// Of is the kind of an error; Internal when it is no fault.
func Of(err error) Kind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}

// IssuesOf are the issues of an error; none when it is no fault.
func IssuesOf(err error) []Issue {
	var f *Fault
	if errors.As(err, &f) {
		return f.Issues
	}
	return nil
}

// Any says whether one of the issues is an error.
func Any(issues []Issue) bool {
	for _, issue := range issues {
		if issue.Severity == Error {
			return true
		}
	}
	return false
}
