package adherence

import "time"

// Attended counts visits. What the clinic cancelled, and what the patient cancelled in time, is nobody's fault.
type Attended struct {
	// Attended visits, Missed without a word, and cancelled Late by the patient.
	Attended, Missed, Late int
}

// Percent is 100 × attended ÷ (attended + missed + late); false when nothing counts.
func (a Attended) Percent() (float64, bool) {
	all := a.Attended + a.Missed + a.Late
	if all == 0 {
		return 0, false
	}
	return tidy(100 * float64(a.Attended) / float64(all)), true
}

// Milestone is how a goal stands against its date.
type Milestone string

// The standings of a milestone.
const (
	// Ahead: not reached, and not due or without a date.
	Ahead Milestone = "ahead"
	// Overdue: not reached, and its date has passed.
	Overdue Milestone = "overdue"
	// OnTime: reached by its date, or without one.
	OnTime Milestone = "on-time"
	// Late: reached after its date.
	Late Milestone = "late"
	// Dropped: not pursued any more.
	Dropped Milestone = "dropped"
)

// MilestoneOf says how a goal stands at a moment. Lifecycle and achievement are FHIR codes; due is exclusive; reached is
// when it was said to be achieved.
func MilestoneOf(lifecycle, achievement string, due, reached, now time.Time) Milestone {
	switch {
	case achievement == "achieved" || achievement == "sustaining":
		if due.IsZero() || !reached.After(due) {
			return OnTime
		}
		return Late
	case lifecycle == "rejected" || lifecycle == "cancelled" || lifecycle == "entered-in-error" || lifecycle == "completed" ||
		achievement == "not-attainable":
		return Dropped
	case !due.IsZero() && !due.After(now):
		return Overdue
	}
	return Ahead
}
