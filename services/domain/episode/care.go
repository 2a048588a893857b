package episode

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// The statuses of a visit.
const (
	planned            = "planned"
	attended           = "attended"
	missed             = "missed"
	cancelledByPatient = "cancelled-patient"
	cancelledByClinic  = "cancelled-clinic"
)

// maxSeen bounds the clinicians of one visit that are remembered.
const maxSeen = 4

// latest is the end of what a date can say.
var latest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// dated is a moment that has a text.
func dated(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return time.Time{}
	case t.After(latest):
		return latest
	}
	return t.UTC()
}

// Feeds are those an alert about the patient goes to, in name order: every team that cares for the patient and
// every team within, or feed.Unassigned when there is none.
func (s *State) Feeds() []feed.Name {
	if len(s.Teams) == 0 {
		return []feed.Name{feed.Unassigned}
	}
	names := make([]feed.Name, 0, len(s.Teams))
	for _, t := range s.Teams {
		names = append(names, feed.Team(string(t.ID)))
		for _, within := range t.Within {
			names = append(names, feed.Team(string(within)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// cared says whether care goes on: a team, a prescription, or a visit ahead.
func (s *State) cared() bool {
	return s.Course.Ended.IsZero() && (len(s.Teams) > 0 || s.Programme.Asks(s.Now) || s.Visits.Planned.After(s.Now))
}

// caredAt says whether, as far as known now, care will go on at a later moment.
func (s *State) caredAt(t time.Time) bool {
	until, open := s.Programme.AsksUntil()
	return len(s.Teams) > 0 || open || until.After(t) || s.Visits.Planned.After(t)
}

// meet makes a moment the deadline when it is the first that lies ahead.
func (s *State) meet(t time.Time) {
	if t.IsZero() || t.After(latest) || !t.After(s.Now) {
		return
	}
	if s.Deadline.IsZero() || t.Before(s.Deadline) {
		s.Deadline = t
	}
}

func (s *State) takeVisit(at time.Time, id string, v *fact.Visit) {
	if v.Status == planned {
		if v.Due.After(s.Visits.Planned) {
			s.Visits.Planned = dated(v.Due)
		}
		return
	}
	now := Visit{
		ID: v.ID, Appointment: v.Appointment, Status: v.Status, Clinician: v.Clinician, At: at, Fact: id,
		Day: ownDay(at, v.Day), Late: v.Late, Virtual: v.Virtual, Minutes: minutes(v.Minutes), Excused: s.Paused() && v.Status != attended,
		Clinicians: slices.Clone(v.Clinicians[:min(len(v.Clinicians), maxSeen)]),
	}
	if i := slices.IndexFunc(s.Visits.Recent, now.same); i >= 0 {
		was := s.Visits.Recent[i]
		now = was.merge(now)
		s.count(was, -1)
		s.Visits.Recent = slices.Clone(s.Visits.Recent)
		s.Visits.Recent[i] = now
	} else {
		s.Visits.Recent = append(slices.Clip(s.Visits.Recent), now)
		s.Visits.Recent = s.Visits.Recent[max(0, len(s.Visits.Recent)-maxVisits):]
	}
	s.count(now, +1)
	if now.Status == attended {
		s.hear(at, id)
	}
}

// ownDay is the patient's own calendar day of a moment; 0 where it is the UTC day.
func ownDay(at time.Time, told string) adherence.Date {
	if d := adherence.LocalDate(at, told); d != adherence.DateOf(at) {
		return d
	}
	return 0
}

// date of a visit by the patient's own calendar.
func (v Visit) date() adherence.Date {
	if v.Day != 0 {
		return v.Day
	}
	return adherence.DateOf(v.At)
}

// minutes of a visit; what no day holds is none.
func minutes(x float64) float64 {
	if !(x > 0) || x > 24*60 {
		return 0
	}
	return x
}

// count enters a visit, or takes it back.
func (s *State) count(v Visit, by int) {
	if v.Status == attended && v.Virtual {
		s.Monitoring = s.Monitoring.Manage(v.date(), float64(by)*v.Minutes, by)
	}
	if v.Excused {
		return
	}
	s.Visits.count(v.Status, by)
	if v.Status == cancelledByPatient && v.Late {
		s.Visits.CancelledLate += by
	}
}

// Attendance of this course so far.
func (s *State) Attendance() adherence.Attended {
	return adherence.Attended{Attended: s.Visits.Attended, Missed: s.Visits.Missed, Late: s.Visits.CancelledLate}
}

// Milestone is how a goal stands now.
func (s *State) Milestone(g Goal) adherence.Milestone { return g.milestone(s.Now) }

func (g Goal) milestone(now time.Time) adherence.Milestone {
	return adherence.MilestoneOf(g.Lifecycle, g.Achievement, g.Due, g.Reached, now)
}

func (v *Visits) count(status string, by int) {
	switch status {
	case attended:
		v.Attended += by
	case missed:
		v.Missed += by
	case cancelledByPatient:
		v.CancelledByPatient += by
	case cancelledByClinic:
		v.CancelledByClinic += by
	}
}

// same says whether two reports are of one visit: an appointment and the encounter that fulfils it.
func (v Visit) same(other Visit) bool {
	return v.ID == other.ID || v.ID == other.Appointment || v.Appointment != "" && (v.Appointment == other.ID || v.Appointment == other.Appointment) ||
		v.stoodFor(other) || other.stoodFor(v)
}

// stoodFor says whether an encounter that was called off, and names no appointment, was to be that of an appointment: both
// begin at one moment, and with nobody else.
func (v Visit) stoodFor(appointment Visit) bool {
	return v.calledOff() && v.Appointment == "" && strings.HasPrefix(appointment.ID, "Appointment/") && v.At.Equal(appointment.At) &&
		(v.Clinician == "" || appointment.with(v.Clinician))
}

// calledOff says whether it is an encounter that did not take place. It does not say why: an appointment does.
func (v Visit) calledOff() bool { return v.encounter() && v.Status == cancelledByClinic }

// merge takes a second report of the same visit. What the encounter says about it wins, whichever came first, unless it
// only says that there was none.
func (v Visit) merge(next Visit) Visit {
	winner, other := next, v
	if v.encounter() && !next.encounter() {
		winner, other = v, next
	}
	if winner.calledOff() && !other.encounter() {
		winner, other = other, winner
	}
	if winner.Clinician == "" {
		winner.Clinician, winner.Clinicians = other.Clinician, other.Clinicians
	}
	winner.Virtual = winner.Virtual || other.Virtual
	winner.Minutes = max(winner.Minutes, other.Minutes)
	if winner.Appointment == "" && winner.ID != other.ID {
		winner.Appointment = other.ID
	}
	return winner
}

func (v Visit) encounter() bool {
	return !strings.HasPrefix(v.ID, "Appointment/") && (v.Appointment != "" || strings.HasPrefix(v.ID, "Encounter/"))
}

// Completed is the last closed window of home exercise; false when none has closed within a window's length.
func (s *State) Completed() (adherence.Window, bool) {
	return s.Programme.Last(adherence.WindowDays, s.Now)
}
