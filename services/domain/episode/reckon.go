package episode

import (
	"math/bits"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/distress"
	"github.com/rapport-health/rapport/services/domain/engagement"
)

// reckon settles what follows from the time that has passed: silence, and the next deadline. It depends on nothing but
// the rest of the state.
//
// Silence is counted only while the episode is alive: care goes on, and either the patient was heard of before
// or exercise was prescribed. Somebody who is merely on a team's list is not silent.
func (s *State) reckon() {
	s.Deadline, s.SilentSince = time.Time{}, time.Time{}
	if s.Now.IsZero() || !s.Died.IsZero() {
		return
	}
	turn, _ := s.turn()
	s.meet(turn)
	s.meet(s.Monitoring.Closes(s.Now))
	s.meet(s.Programme.NextClose(s.Now))
	s.meet(s.Programme.Expires(s.Now))
	if s.Paused() || s.Over() {
		return
	}
	for i := range s.Goals {
		if g := &s.Goals[i]; g.milestone(s.Now) == adherence.Ahead {
			s.meet(g.Due)
		}
	}
	s.meetLapse()
	s.meetAlliance()
	if s.engaged() {
		s.meetSilence()
		s.meetSigns()
	}
}

// engaged says whether something may be expected of the patient: care goes on, and has begun to be taken up.
func (s *State) engaged() bool {
	return s.cared() && !s.Paused() && s.Died.IsZero() && (!s.Heard.IsZero() || s.Programme.Asks(s.Now))
}

func (s *State) meetLapse() {
	s.meet(s.Programme.NextLapse(s.Now))
	if !s.Programme.Lapsed() {
		return
	}
	if until, open := s.Programme.AsksUntil(); !open {
		s.meet(until)
	}
}

// meetSilence finds when the patient becomes silent, or quieter than usual; a lapse of exercise tells the latter already.
func (s *State) meetSilence() {
	from := s.SilentFrom()
	reached := from.Add(s.Rhythm.Silence())
	switch {
	case !reached.After(s.Now):
		s.SilentSince = reached
	case s.caredAt(reached):
		s.meet(reached)
	}
	if quiet, ok := s.Rhythm.Quiet(); ok && !s.Programme.Lapsed() && s.caredAt(from.Add(quiet)) {
		s.meet(from.Add(quiet))
	}
}

// meetSigns finds when the signs of drop-out change: a check-in falls due, the visit that is booked goes by, or care
// ends and with it whatever is expected.
func (s *State) meetSigns() {
	if next := s.plan().Next(s.Course.Begun, s.rested(), s.Screened, s.Now); s.caredAt(next) && s.Course.Number > 0 {
		s.meet(next)
	}
	if s.missedInRow() > 0 {
		s.meet(s.Visits.Planned)
	}
	signs := s.Signs()
	if signals, _ := engagement.Weigh(signs); len(signals) == 0 {
		return
	}
	until, open := s.Programme.AsksUntil()
	if s.Heard.IsZero() && !open {
		s.meet(until)
	}
	if len(s.Teams) > 0 || open {
		return
	}
	if s.Visits.Planned.After(until) {
		until = s.Visits.Planned
	}
	s.meet(until)
}

func (s *State) plan() engagement.Plan { return engagement.PlanOf(s.Course.Types) }

func (s *State) rested() time.Duration { return time.Duration(s.Course.Rested) * time.Second }

// Overdue is the check-in that is overdue, and since when; false when none is.
func (s *State) Overdue() (engagement.Check, time.Time, bool) {
	if s.Course.Number == 0 || !s.engaged() {
		return engagement.Check{}, time.Time{}, false
	}
	return s.plan().Overdue(s.Course.Begun, s.rested(), s.Screened, s.Now)
}

// missedInRow is how many visits in a row, up to the last one, the patient missed or cancelled late.
func (s *State) missedInRow() (n int) {
	for i := len(s.Visits.Recent) - 1; i >= 0; i-- {
		switch v := &s.Visits.Recent[i]; {
		case v.Status == attended:
			return n
		case !v.Excused && (v.Status == missed || v.Status == cancelledByPatient && v.Late):
			n++
		}
	}
	return n
}

// MissedInRow is how many visits in a row, up to the last one, the patient missed or cancelled late; 0 where nothing is
// expected of the patient.
func (s *State) MissedInRow() int {
	if !s.engaged() {
		return 0
	}
	return s.missedInRow()
}

// gaps between the attended visits that are remembered, in days, since the last pause.
func (s *State) gaps(room []float64) []float64 {
	var last time.Time
	for i := range s.Visits.Recent {
		v := &s.Visits.Recent[i]
		if v.Status != attended || v.At.Before(s.Course.Resumed) {
			continue
		}
		if days := v.At.Sub(last).Hours() / 24; !last.IsZero() && days >= 1 {
			room = append(room, days)
		}
		last = v.At
	}
	return room
}

// Signs of the patient's engagement now; none where nothing is expected of the patient.
func (s *State) Signs() engagement.Signs {
	if !s.engaged() {
		return engagement.Signs{}
	}
	signs := engagement.Signs{
		MissedInRow: s.missedInRow(),
		Booked:      s.Visits.Planned.After(s.Now), Books: !s.Visits.Planned.IsZero(),
		Gaps:   s.gaps(make([]float64, 0, maxVisits)),
		Halves: bits.OnesCount8(s.Halves & (1<<engagement.HalfForms - 1)),
		Lapsed: s.Programme.Lapsed(),
	}
	open, _ := ruptures(s)
	signs.Ruptures = int(open)
	away := s.Now.Sub(s.SilentFrom())
	if away >= s.Rhythm.Silence() {
		signs.SilentDays = away.Hours() / 24
	}
	if quiet, ok := s.Rhythm.Quiet(); ok && away >= quiet {
		signs.QuietDays = away.Hours() / 24
	}
	if check, _, overdue := s.Overdue(); overdue {
		signs.Overdue = check.Code
	}
	if percent, ok := completion(s); ok {
		signs.Completion = &percent
	}
	signs.LowSelfEfficacy = s.lowSelfEfficacy()
	return signs
}

func (s *State) lowSelfEfficacy() bool {
	for _, i := range s.Instruments {
		for n := range i.Tracks {
			if t := &i.Tracks[n]; t.Part == distress.LowSelfEfficacy && i.Respondent == patient {
				return t.Level == distress.LevelModerate || t.Level == distress.LevelSevere
			}
		}
	}
	return false
}

// Dropout is every sign of drop-out that holds, and the sum of their points.
func (s *State) Dropout() ([]engagement.Signal, int) { return engagement.Weigh(s.Signs()) }
