// Package episode folds facts into one state of one course of care.
package episode

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/distress"
	"github.com/rapport-health/rapport/services/domain/engagement"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/function"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// Form is the version of the layout of State. It changes whenever the same facts would be kept differently.
const Form = 5

// SilenceDays is how many days without a word from the patient count as silence, unless the person's own rhythm is slower.
const SilenceDays = engagement.SilenceDays

// The bounds. Whatever the history, a state holds no more than this: beyond a bound the entry that was touched
// longest ago is forgotten. With ids of 64 characters a state is at most 1 MiB of JSON; a usual one is 9 KiB.
const (
	maxInstruments = 40
	maxTracks      = 16
	maxDyads       = 24
	maxCritical    = 24
	maxVisits      = 8
	maxTeams       = 32
	maxMembers     = 48
	maxPartners    = 12
	maxWithin      = 16
	maxGoals       = 24
	maxMeasures    = 24
	maxLines       = 24
)

// State is everything known about one episode, folded from its facts in the order of fact.Key.
// It is kept as JSON: the names are a stored form, and Form says which one.
type State struct {
	// Form is the version of this layout; a state of another form is folded again from its facts.
	Form int `json:"form"`
	// Episode and Patient it is about.
	Episode ref.Episode `json:"episode"`
	Patient ref.Patient `json:"patient"`
	// Facts is how many were folded.
	Facts int64 `json:"facts"`
	// Last is the key of the last fact folded.
	Last fact.Key `json:"last"`
	// Deadline is the next moment at which time alone changes the state; zero when there is none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Begun is when the first fact happened, and Now the moment up to which time has passed: that of the last
	// fact, unless it is a planned visit dated by the day it lies ahead, which is kept but says nothing.
	Begun time.Time `json:"begun,omitzero"`
	Now   time.Time `json:"now,omitzero"`
	// Heard is when the patient was last heard of: an own answer, a log of exercise, a visit attended.
	Heard time.Time `json:"heard,omitzero"`
	// HeardFact is the fact that told of it, and Rhythm the days on which the patient was heard of lately.
	HeardFact string            `json:"heardFact,omitempty"`
	Rhythm    engagement.Rhythm `json:"rhythm,omitempty"`
	// CareSince is since when care has been going on without a break: a team, a prescription or a visit ahead.
	CareSince time.Time `json:"careSince,omitzero"`
	// SilentSince is when the silence became one; zero while there is none.
	SilentSince time.Time `json:"silentSince,omitzero"`
	// GapDays is how many days without care end a course, where Terms differ from the usual; else 0.
	GapDays int `json:"gapDays,omitempty"`
	// Died is when the patient died, or was known to be dead; zero while alive.
	Died time.Time `json:"died,omitzero"`
	// Course of care that this state is about, the Past ones, oldest first, and those Ahead, which begin by themselves.
	Course Course       `json:"course,omitzero"`
	Past   []PastCourse `json:"past,omitempty"`
	Ahead  []Announced  `json:"ahead,omitempty"`
	// Screened is when the patient last answered a form that counts as a check-in, and ScreenedFact the fact of it.
	Screened     time.Time `json:"screened,omitzero"`
	ScreenedFact string    `json:"screenedFact,omitempty"`
	// Halves has a bit for each of the patient's last eight forms, the last one lowest: set when a score of it could not
	// be worked out because too little was answered.
	Halves uint8 `json:"halves,omitempty"`
	// Instruments answered in this course, those about the alliance excepted.
	Instruments []*Instrument `json:"instruments,omitempty"`
	// Dyads hold the alliance.
	Dyads []*alliance.Dyad `json:"dyads,omitempty"`
	// Gaps between the patient's view of a dyad and another rater's.
	Gaps []alliance.Gap `json:"gaps,omitempty"`
	// Critical items that stand: fired, and not answered otherwise since.
	Critical []Critical `json:"critical,omitempty"`
	// Programme of home exercise.
	Programme adherence.Programme `json:"programme,omitzero"`
	// Teams that care for the patient now.
	Teams []Team `json:"teams,omitempty"`
	// Members of those teams.
	Members []Member `json:"members,omitempty"`
	// Partners are care partners on those teams.
	Partners []Partner `json:"partners,omitempty"`
	// Visits so far.
	Visits Visits `json:"visits,omitzero"`
	// Goals as they stand.
	Goals []Goal `json:"goals,omitempty"`
	// Measures that are no instrument's score.
	Measures []Measure `json:"measures,omitempty"`
	// Lines of function and pain since they last changed.
	Lines []function.Line `json:"lines,omitempty"`
	// Monitoring is the evidence for remote therapeutic monitoring.
	Monitoring adherence.Monitoring `json:"monitoring,omitzero"`
}

// Instrument is what one respondent answered on one instrument.
type Instrument struct {
	// ID, Construct and Respondent as the scores name them.
	ID         string `json:"id"`
	Construct  string `json:"construct"`
	Respondent string `json:"respondent"`
	// Sheets answered, and when the last one was.
	Sheets int       `json:"sheets"`
	At     time.Time `json:"at"`
	// Fact of the last one.
	Fact string `json:"fact,omitempty"`
	// SafetyUnknown are the safety items left unanswered on the last sheet.
	SafetyUnknown []int `json:"safetyUnknown,omitempty"`
	// Tracks of its scores in the instrument's order.
	Tracks []trend.Track `json:"tracks,omitempty"`
}

// Track of a score; false when it was never scorable.
func (i *Instrument) Track(code string) (trend.Track, bool) {
	for n := range i.Tracks {
		if i.Tracks[n].Code == code {
			return i.Tracks[n], true
		}
	}
	return trend.Track{}, false
}

// Critical is an item answered at or beyond its alert threshold.
type Critical struct {
	// Instrument and Item, and who answered.
	Instrument string `json:"instrument"`
	Item       int    `json:"item"`
	Respondent string `json:"respondent"`
	// Value answered last, and its Severity: `safety` or `discuss`.
	Value    float64 `json:"value"`
	Severity string  `json:"severity"`
	// At is when it was answered so, and Fact the fact that says it.
	At   time.Time `json:"at"`
	Fact string    `json:"fact,omitempty"`
}

// Team is one care team that cares for the patient.
type Team struct {
	// ID of the CareTeam in Rapport.
	ID ref.CareTeam `json:"id"`
	// Within are care teams that are members of it.
	Within []ref.CareTeam `json:"within,omitempty"`
	// At is when it was last said.
	At time.Time `json:"at"`
	// Until is when it ends by itself; zero is open.
	Until time.Time `json:"until,omitzero"`
}

// Visits are counts, and the last ones.
type Visits struct {
	// Attended and Missed in this course, and what was cancelled by whom, some of it Late by the patient. An appointment
	// and its encounter are one visit. What was missed or cancelled during a pause does not count.
	Attended           int `json:"attended,omitempty"`
	Missed             int `json:"missed,omitempty"`
	CancelledByPatient int `json:"cancelledByPatient,omitempty"`
	CancelledLate      int `json:"cancelledLate,omitempty"`
	CancelledByClinic  int `json:"cancelledByClinic,omitempty"`
	// Planned is the last visit ahead that was announced; it may have passed.
	Planned time.Time `json:"planned,omitzero"`
	// Recent visits, oldest first.
	Recent []Visit `json:"recent,omitempty"`
}

// Visit is a visit that took place or fell through.
type Visit struct {
	// ID and Appointment as its source names them.
	ID          string `json:"id"`
	Appointment string `json:"appointment,omitempty"`
	// Status: attended, missed, cancelled-patient, cancelled-clinic.
	Status string `json:"status"`
	// Clinician seen.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Clinicians are all who were seen at a joint visit, at most 4; empty when there was one.
	Clinicians []ref.Clinician `json:"clinicians,omitempty"`
	// At is when it was, and Day the patient's own calendar day of it where that is not the UTC day; 0 where it is.
	At  time.Time      `json:"at"`
	Day adherence.Date `json:"day,omitzero"`
	// Late says that the patient cancelled too late, Excused that it fell through during a pause.
	Late    bool `json:"late,omitempty"`
	Excused bool `json:"excused,omitempty"`
	// Virtual says that it was held by video or telephone, and Minutes how long it took; 0 when not known.
	Virtual bool    `json:"virtual,omitempty"`
	Minutes float64 `json:"minutes,omitempty"`
	// Fact that said so last.
	Fact string `json:"fact,omitempty"`
}

// Goal is a milestone as it stands.
type Goal struct {
	ID          string    `json:"id"`
	Lifecycle   string    `json:"lifecycle"`
	Achievement string    `json:"achievement,omitempty"`
	Due         time.Time `json:"due,omitzero"`
	// Reached is when it was achieved; zero while it is not.
	Reached time.Time `json:"reached,omitzero"`
	// At is when it was last said, and Fact the fact that said so.
	At   time.Time `json:"at"`
	Fact string    `json:"fact,omitempty"`
}

// Measure is a plain value with its first and last reading.
type Measure struct {
	// Code as `system|code`, and its UCUM unit.
	Code string `json:"code"`
	Unit string `json:"unit,omitempty"`
	// Site and Side of the body, where told.
	Site string `json:"site,omitempty"`
	Side string `json:"side,omitempty"`
	// First and Last reading.
	First trend.Reading `json:"first"`
	Last  trend.Reading `json:"last"`
}

// New is the state of an episode of which nothing is known yet.
func New(p ref.Patient) *State {
	return &State{Form: Form, Episode: ref.EpisodeOf(p), Patient: p}
}

// Instrument as one respondent answered it; nil when never.
func (s *State) Instrument(id, respondent string) *Instrument {
	for _, i := range s.Instruments {
		if i.ID == id && i.Respondent == respondent {
			return i
		}
	}
	return nil
}

// Dyad that a sheet of alliance scores is about; nil before its first.
func (s *State) Dyad(sheet *fact.Scores) *alliance.Dyad {
	clinician := s.Clinician(sheet)
	for _, d := range s.Dyads {
		if d.Same(clinician, sheet) {
			return d
		}
	}
	return nil
}

// Clinician a sheet is about: named, or learnt from the visit it was filled in at; empty when neither is known.
func (s *State) Clinician(sheet *fact.Scores) ref.Clinician {
	if sheet.Clinician != "" || sheet.Encounter == "" {
		return sheet.Clinician
	}
	for i := len(s.Visits.Recent) - 1; i >= 0; i-- {
		if v := s.Visits.Recent[i]; v.ID == sheet.Encounter || v.Appointment == sheet.Encounter {
			return v.Clinician
		}
	}
	return ""
}

// Distress is the profile of the patient's own answers; what nothing has measured is missing.
func (s *State) Distress() distress.Profile {
	p := distress.New()
	for _, i := range s.Instruments {
		if i.Respondent != patient {
			continue
		}
		for _, t := range i.Tracks {
			p.Add(i.ID, t)
		}
	}
	return p
}

// Silent says whether nothing has been heard of the patient for so long that it is a silence, although care goes on.
func (s *State) Silent() bool { return !s.SilentSince.IsZero() }

// SilentFrom is the moment from which silence is counted: the last word, or what came after it: the start of care or of
// the course, or the return from a pause.
func (s *State) SilentFrom() time.Time {
	from := s.Heard
	for _, t := range [...]time.Time{s.CareSince, s.Course.Begun, s.Course.Resumed} {
		if t.After(from) {
			from = t
		}
	}
	return from
}
