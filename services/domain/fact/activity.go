package fact

import "time"

// The bounds of what one fact holds; what is beyond them is left out by those who read it.
const (
	// MaxParts bounds the exercises of one log, and the doses of one prescription.
	MaxParts = 32
	// MaxDates bounds the dates, the rests and the replaced prescriptions of one prescription.
	MaxDates = 366
	// MaxPeople bounds the clinicians of one visit, and the care partners of one team.
	MaxPeople = 16
	// MaxTargets bounds the targets of one goal.
	MaxTargets = 8
)

// Exercise is one log of home exercise: of sessions, of single exercises (Partial), or a rate worked out elsewhere
// (Percent).
type Exercise struct {
	// Prescription is the ServiceRequest it is based on, as sent (`ServiceRequest/x`); empty when not said.
	Prescription string `json:"prescription,omitempty"`
	// Done is how many sessions it stands for; 0 is "reported not done". It says nothing unless Sessions.
	Done float64 `json:"done"`
	// Due is how many sessions were asked for between From and Until, as a rate worked out elsewhere says; 0 when not said.
	Due float64 `json:"due,omitempty"`
	// Minutes of exercise; 0 when not said.
	Minutes float64 `json:"minutes,omitempty"`
	// Parts are the exercises that were logged, with their dose; at most MaxParts.
	Parts []Part `json:"parts,omitempty"`
	// Partial says that single exercises of a session were logged, and not a session: several such logs of one day make
	// up one session.
	Partial bool `json:"partial,omitempty"`
	// WholeDay says that only the day is known: Fact.At is its first moment.
	WholeDay bool `json:"wholeDay,omitempty"`
	// Day is the patient's own calendar day, `2006-01-02`, where it is not the UTC day of Fact.At.
	Day string `json:"day,omitempty"`
	// Percent is the completion of what was prescribed between From and Until, worked out elsewhere, 0 to 1000; nil in a
	// log.
	Percent *float64 `json:"percent,omitempty"`
	// From and Until bound the stretch that a rate, or a log of several sessions, is about; Until is exclusive; zero when
	// not said.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Sessions says whether Done counts sessions.
func (e Exercise) Sessions() bool { return !e.Partial && e.Percent == nil }

// Part is one exercise, or the dose of a whole session when it has no name.
type Part struct {
	// Name of the exercise as `system|code`; empty when none was coded.
	Name string `json:"name,omitempty"`
	// Sets, Reps in each set, and Minutes; 0 when not said.
	Sets    float64 `json:"sets,omitempty"`
	Reps    float64 `json:"reps,omitempty"`
	Minutes float64 `json:"minutes,omitempty"`
	// Missed says that it was reported not done.
	Missed bool `json:"missed,omitempty"`
}

// Prescription is the exercise prescription from Fact.At on.
type Prescription struct {
	// ID is the ServiceRequest as its source names it, `ServiceRequest/x`.
	ID string `json:"id"`
	// Status: active, on-hold, completed, revoked …
	Status string `json:"status"`
	// Sessions asked for per Period of PeriodDays days.
	Sessions   float64 `json:"sessions"`
	PeriodDays float64 `json:"periodDays"`
	// Weekdays on which it is done (time.Weekday numbers); empty when any.
	Weekdays []int `json:"weekdays,omitempty"`
	// From and Until bound it; zero Until is open. Until is exclusive.
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
	// Dates are the only moments at which a session is asked for, in order, at most MaxDates; empty when Sessions and
	// PeriodDays say it all. Then those two spread the dates evenly from From to Until.
	Dates []time.Time `json:"dates,omitempty"`
	// Count is how many sessions it asks for altogether; 0 when not limited.
	Count float64 `json:"count,omitempty"`
	// Dose of one session, an entry for each exercise, at most MaxParts; empty when not said.
	Dose []Part `json:"dose,omitempty"`
	// Rests are stretches in which by plan nothing is asked for, at most MaxDates.
	Rests []Span `json:"rests,omitempty"`
	// Replaces are prescriptions, `ServiceRequest/x`, that ask for nothing any more from From on; at most MaxDates.
	Replaces []string `json:"replaces,omitempty"`
	// Reason why it is on hold or revoked: patient-choice, medical or administrative, another reason as `system|code`,
	// or empty when none is coded.
	Reason string `json:"reason,omitempty"`
}

// Span is a stretch of time; Until is exclusive.
type Span struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Goal is a milestone.
type Goal struct {
	ID string `json:"id"`
	// Lifecycle and Achievement are FHIR codes.
	Lifecycle   string    `json:"lifecycle"`
	Achievement string    `json:"achievement,omitempty"`
	Due         time.Time `json:"due,omitzero"`
	// Started is when it was begun, Achieved when it was reached; zero when not said. Achieved is set only where
	// Achievement is achieved or sustaining.
	Started  time.Time `json:"started,omitzero"`
	Achieved time.Time `json:"achieved,omitzero"`
	// Code of its description as `system|code`; empty when it is only text.
	Code string `json:"code,omitempty"`
	// Targets by which it is measured, at most MaxTargets.
	Targets []Target `json:"targets,omitempty"`
}

// Target is one measure of a goal.
type Target struct {
	// Measure is what is measured, as `system|code`; empty when only text says it.
	Measure string `json:"measure,omitempty"`
	// Detail is a coded value to be reached, as `system|code`.
	Detail string `json:"detail,omitempty"`
	// Low and High bound the number to be reached, in Unit; nil when open. Both are the same for an exact number.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	Unit string   `json:"unit,omitempty"`
	// Due is when, exclusive: the end of the day that was written; zero when not said.
	Due time.Time `json:"due,omitzero"`
}

// Measure is a plain Observation value that is no instrument's score, such as pain 0–10 or steps.
type Measure struct {
	// Code as `system|code`.
	Code string `json:"code"`
	// Value and its UCUM unit.
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	// Site of the body as `system|code`; empty when not coded. Measures of several sites are different measures.
	Site string `json:"site,omitempty"`
	// Side of the body: left, right or both; empty when not said. Measures of several sides are different measures.
	Side string `json:"side,omitempty"`
	// Day is the patient's own calendar day, `2006-01-02`, where it is not the UTC day of Fact.At.
	Day string `json:"day,omitempty"`
}
