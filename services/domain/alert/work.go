package alert

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// The statuses of an alert that FHIR tells apart from Open, whether or not this version takes steps to them.
const (
	heldBack Status = "waiting"
	putOff   Status = "snoozed"
)

// EnteredInError is the reason of a retraction that FHIR tells apart from other corrections.
const EnteredInError = "entered-in-error"

// Raised says whether it was ever told to anybody: only then is it a DetectedIssue and a Task. One that was suppressed
// was not, even if it was retracted later, and neither is one that still waits.
func (a Alert) Raised() bool {
	if a.Status == Suppressed || a.Status == heldBack {
		return false
	}
	if a.SuppressedBecause == "" {
		return true
	}
	return slices.ContainsFunc(a.History, func(s Step) bool { return s.Status == Open })
}

// IssueStatus is the DetectedIssue.status: final, amended, cancelled or entered-in-error.
func (a Alert) IssueStatus() string {
	if a.Status == Retracted {
		if n := len(a.History); n > 0 && a.History[n-1].Reason == EnteredInError {
			return "entered-in-error"
		}
		return "cancelled"
	}
	if a.amended() {
		return "amended"
	}
	return "final"
}

// amended says whether the facts behind it were corrected: the service took a step that left the status as it was.
func (a Alert) amended() bool {
	for i := 1; i < len(a.History); i++ {
		if s := a.History[i]; s.Status == a.History[i-1].Status && s.Actor == Service {
			return true
		}
	}
	return false
}

// IssueSeverity is the DetectedIssue.severity, which has three grades for our four: high, moderate or low.
func (a Alert) IssueSeverity() string {
	switch a.Severity {
	case judge.Critical, judge.High:
		return "high"
	case judge.Moderate:
		return "moderate"
	default:
		return "low"
	}
}

// TaskStatus is the Task.status of the work it asks for: requested, accepted, on-hold, completed or cancelled.
func (a Alert) TaskStatus() string {
	switch a.Status {
	case Acknowledged:
		return "accepted"
	case putOff:
		return "on-hold"
	case Resolved:
		return "completed"
	case Retracted, Suppressed:
		return "cancelled"
	default:
		return "requested"
	}
}

// TaskPriority is the Task.priority: stat, asap, urgent or routine.
func (a Alert) TaskPriority() string {
	switch {
	case a.Safety || a.Severity == judge.Critical:
		return "stat"
	case a.Severity == judge.High:
		return "urgent"
	default:
		return "routine"
	}
}

// TaskOwner is the reference of whoever has it in hand, or had when it was closed: the person who took it, else the
// care team it was told to; empty when there is neither.
func (a Alert) TaskOwner() string {
	for _, s := range slices.Backward(a.History) {
		taken := s.Status == Acknowledged || s.Status == Resolved || s.Status == putOff
		if a.Status != Open && taken && strings.Contains(s.Actor, "/") {
			return s.Actor
		}
	}
	for _, name := range a.Feeds {
		if team, ok := strings.CutPrefix(string(name), string(feed.Team(""))); ok {
			return "CareTeam/" + team
		}
	}
	return ""
}
