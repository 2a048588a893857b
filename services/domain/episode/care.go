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

// silence is how long it takes to become one.
const silence = SilenceDays * 24 * time.Hour

// latest is the end of what a date can say.
var latest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// dated is a moment that has a text.
func dated(t time.Time) time.Time {
	if t.After(latest) {
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
	return len(s.Teams) > 0 || s.Programme.Asks(s.Now) || s.Visits.Planned.After(s.Now)
}

// caredAt says whether, as far as known now, care will go on at a later moment.
func (s *State) caredAt(t time.Time) bool {
	until, open := s.Programme.AsksUntil()
	return len(s.Teams) > 0 || open || until.After(t) || s.Visits.Planned.After(t)
}

// reckon settles what follows from the time that has passed: silence, and the next deadline.
//
// Silence is counted only while the episode is alive: care goes on, and either the patient was heard of before
// or exercise was prescribed. Somebody who is merely on a team's list is not silent.
func (s *State) reckon() {
	s.Deadline, s.SilentSince = time.Time{}, time.Time{}
	if s.Now.IsZero() {
		return
	}
	if s.cared() && s.CareSince.IsZero() {
		s.CareSince = s.Now
	}
	s.meet(s.Programme.NextClose(s.Now))
	s.meetAlliance()
	if !s.cared() || s.Heard.IsZero() && !s.Programme.Asks(s.Now) {
		return
	}
	reached := s.SilentFrom().Add(silence)
	switch {
	case !reached.After(s.Now):
		s.SilentSince = reached
	case s.caredAt(reached):
		s.meet(reached)
	}
}

// meet makes a moment the deadline when it is the first.
func (s *State) meet(t time.Time) {
	if t.IsZero() || t.After(latest) {
		return
	}
	if s.Deadline.IsZero() || t.Before(s.Deadline) {
		s.Deadline = t
	}
}

func (s *State) takeVisit(at time.Time, v fact.Visit) {
	if v.Status == planned {
		if v.Due.After(s.Visits.Planned) {
			s.Visits.Planned = dated(v.Due)
		}
		return
	}
	now := Visit{v.ID, v.Appointment, v.Status, v.Clinician, at}
	if i := slices.IndexFunc(s.Visits.Recent, now.same); i >= 0 {
		was := s.Visits.Recent[i]
		now = was.merge(now)
		s.Visits.count(was.Status, -1)
		s.Visits.Recent = slices.Clone(s.Visits.Recent)
		s.Visits.Recent[i] = now
	} else {
		s.Visits.Recent = append(slices.Clip(s.Visits.Recent), now)
		s.Visits.Recent = s.Visits.Recent[max(0, len(s.Visits.Recent)-maxVisits):]
	}
	s.Visits.count(now.Status, +1)
	if now.Status == attended {
		s.Heard = at
	}
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
	return v.ID == other.ID || v.ID == other.Appointment || v.Appointment != "" && (v.Appointment == other.ID || v.Appointment == other.Appointment)
}

// merge takes a second report of the same visit. What the encounter says about it wins, whichever came first.
func (v Visit) merge(next Visit) Visit {
	winner, other := next, v
	if v.encounter() && !next.encounter() {
		winner, other = v, next
	}
	if winner.Clinician == "" {
		winner.Clinician = other.Clinician
	}
	if winner.Appointment == "" && winner.ID != other.ID {
		winner.Appointment = other.ID
	}
	return winner
}

func (v Visit) encounter() bool { return v.Appointment != "" || strings.HasPrefix(v.ID, "Encounter/") }

// Completed is the last closed window of home exercise; false when none has closed within a window's length.
func (s *State) Completed() (adherence.Window, bool) {
	w := s.Programme.Closed
	return w, w.To != 0 && adherence.DateOf(s.Now)-w.To < adherence.WindowDays
}
