package engagement

import (
	"slices"
	"time"
)

// Check is one check-in of a screening plan: some form answered by the patient.
type Check struct {
	// Code of it.
	Code string
	// Opens is from which day of the course on an answer counts for it, and Due the day by which it is overdue.
	Opens, Due int
}

// Plan says when a course of some types is to be looked at with a form. The days are service design, after the usual
// practice of intake, mid-course and end.
type Plan struct {
	// Types are those of an EpisodeOfCare, as `system|code`; none is the plan of all others.
	Types []string
	// Checks in order of time. One that has opened takes the place of the one before.
	Checks []Check
}

// plans by type of course; the last one is for all others.
var plans = []Plan{
	{
		Types: []string{"http://terminology.hl7.org/CodeSystem/episodeofcare-type|cacp"}, // care over years, in the community
		Checks: []Check{
			{"intake", 0, 28}, {"month-3", 77, 105}, {"month-6", 168, 196}, {"month-9", 259, 287}, {"month-12", 350, 378},
		},
	},
	{Checks: []Check{{"intake", 0, 14}, {"week-6", 28, 49}, {"week-12", 70, 98}}},
}

// constructs are what a form may be about to count as a check-in. A rating of the alliance is none: it says how the work
// together goes, not how the person does.
var constructs = []string{"distress", "beliefs", "function", "pain", "sleep", "fatigue", "risk"}

// Counts says whether a form about a construct counts as a check-in.
func Counts(construct string) bool { return slices.Contains(constructs, construct) }

// PlanOf is the screening plan of a course.
func PlanOf(types []string) Plan {
	for _, p := range plans {
		if len(p.Types) == 0 || slices.ContainsFunc(p.Types, func(t string) bool { return slices.Contains(types, t) }) {
			return p
		}
	}
	return Plan{}
}

// Overdue is the check-in that is overdue at a moment, and since when; false when none is. The course begun then has
// rested for some time, and the last form that counts was answered at answered (zero: never).
func (p Plan) Overdue(begun time.Time, rested time.Duration, answered, now time.Time) (Check, time.Time, bool) {
	for _, c := range slices.Backward(p.Checks) {
		opens, due := c.dates(begun, rested)
		if opens.After(now) {
			continue
		}
		return c, due, !due.After(now) && c.unanswered(begun, answered)
	}
	return Check{}, time.Time{}, false
}

// Next is the next moment at which a check-in becomes overdue, or ceases to be since another has opened; zero when there
// is none.
func (p Plan) Next(begun time.Time, rested time.Duration, answered, now time.Time) time.Time {
	_, _, overdue := p.Overdue(begun, rested, answered, now)
	for _, c := range p.Checks {
		opens, due := c.dates(begun, rested)
		if overdue && opens.After(now) {
			return opens
		}
		if due.After(now) && c.unanswered(begun, answered) {
			return due
		}
	}
	return time.Time{}
}

// dates between which a check is the one to be done. A rest puts them off.
func (c Check) dates(begun time.Time, rested time.Duration) (opens, due time.Time) {
	return begun.AddDate(0, 0, c.Opens).Add(rested), begun.AddDate(0, 0, c.Due).Add(rested)
}

// unanswered says that no form has been answered since it could count. A rest does not take an answer away.
func (c Check) unanswered(begun, answered time.Time) bool {
	return answered.IsZero() || answered.Before(begun.AddDate(0, 0, c.Opens))
}
