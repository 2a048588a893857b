package alert

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// EnteredInError is the reason of a retraction that FHIR tells apart from other corrections.
const EnteredInError = "entered-in-error"

// Raised says whether it was ever told to anybody: only then is it a DetectedIssue and a Task. One that waits is not yet,
// and one that was suppressed from the beginning never was, even if it was retracted later.
func (a Alert) Raised() bool {
	stood := func(at Status) bool {
		return slices.ContainsFunc(a.History, func(s Step) bool { return s.Status == at })
	}
	if stood(Open) {
		return true
	}
	return a.SuppressedBecause == "" && a.Status != Suppressed && a.Status != Waiting && !stood(Waiting)
}

// IssueStatus is the DetectedIssue.status: final, amended, cancelled or entered-in-error.
func (a Alert) IssueStatus() string {
	switch {
	case a.Status == Retracted && len(a.History) > 0 && a.History[len(a.History)-1].Reason == EnteredInError:
		return EnteredInError
	case a.Status == Retracted:
		return "cancelled"
	case a.amended():
		return "amended"
	default:
		return "final"
	}
}

// amended says whether the facts behind it were corrected. A step of an earlier version has no verb: then one that left
// the status as it was is a correction.
func (a Alert) amended() bool {
	for i := 1; i < len(a.History); i++ {
		s := a.History[i]
		if s.Verb == Amend || s.Verb == "" && s.Status == a.History[i-1].Status {
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
	case Snoozed:
		return "on-hold"
	case Resolved:
		return "completed"
	case Retracted, Suppressed:
		return "cancelled"
	default:
		return "requested"
	}
}

// TaskPriority is the Task.priority: stat, urgent or routine.
func (a Alert) TaskPriority() string {
	switch {
	case a.Unmuted():
		return "stat"
	case a.Severity == judge.High:
		return "urgent"
	default:
		return "routine"
	}
}

// TaskOwner is the reference of whoever has it in hand, else of the first person who is told, else of the care team that
// is; empty when there is none.
func (a Alert) TaskOwner() string {
	switch {
	case a.Assignee != "":
		return a.Assignee
	case len(a.Recipients) > 0:
		return a.Recipients[0].Person
	}
	for _, name := range a.Feeds {
		if team, ok := strings.CutPrefix(string(name), string(feed.Team(""))); ok {
			return "CareTeam/" + team
		}
	}
	return ""
}

// Minimum is the alert as anybody may read it of whom no more is known than that they are told: in the language in which
// it is told, without comments, and, where a clinician's rating lies behind it, without what was seen and its numbers.
func (a Alert) Minimum() Alert {
	words, _ := a.Words(a.Language)
	a.Title, a.Seen, a.Question, a.Phrase = words.Title, words.Seen, words.Question, words.Phrase
	if a.Rated != "" {
		a.Seen, a.Numbers = words.Withheld, nil
	}
	history := slices.Clone(a.History)
	for i := range history {
		history[i].Text = ""
	}
	a.Withheld, a.Partner, a.Translations, a.Rated, a.History = "", "", nil, "", history
	return a
}
