package episode

import (
	"math"
	"slices"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/alliance"
)

// The readings of the fused view. Each gives a number, and the facts behind it.
var (
	rupture      = reading{value: ruptures, facts: dyadFacts(ruptured), unconfirmed: doubted(ruptured)}
	strain       = reading{value: strains, facts: dyadFacts(strained), unconfirmed: doubted(strained)}
	done         = reading{value: completion, facts: programmeFacts}
	lapsed       = reading{value: lapses, facts: programmeFacts}
	silent       = reading{value: silentDays, facts: heardFact}
	unknown      = reading{value: unknowns, facts: unknownFacts, safety: true}
	dropout      = reading{value: dropoutPoints, facts: dropoutFacts}
	missing      = reading{value: missedVisits, facts: missedFacts}
	stalled      = reading{value: stalledLines, facts: stalledFacts}
	unresponsive = reading{value: unresponsiveParts, facts: unresponsiveFacts}
	overdueGoals = reading{value: goalsOverdue, facts: goalFacts}
)

// counted is a count as the table wants it.
func counted(n int) (float64, bool) { return float64(n), true }

func critical(instrument string, item int) reading {
	find := func(s *State) *Critical {
		for i := range s.Critical {
			if c := &s.Critical[i]; c.Instrument == instrument && c.Item == item {
				return c
			}
		}
		return nil
	}
	return reading{
		value: func(s *State) (float64, bool) {
			if c := find(s); c != nil {
				return c.Value, true
			}
			return 0, false
		},
		facts:  func(s *State) []string { return []string{find(s).Fact} },
		safety: true,
	}
}

// answered is the last value of a score that the patient answered.
func answered(instrument, code string) reading {
	return reading{
		value: func(s *State) (float64, bool) {
			i := s.Instrument(instrument, patient)
			if i == nil {
				return 0, false
			}
			t, ok := i.Track(code)
			return t.Last.Value, ok
		},
		facts: func(s *State) []string { return []string{s.Instrument(instrument, patient).Fact} },
		unconfirmed: func(s *State) bool {
			t, _ := s.Instrument(instrument, patient).Track(code)
			return t.Last.Unconfirmed
		},
	}
}

// session is the lowest last rating among the patient's dyads.
func session(instrument, code string) reading {
	lowest := func(s *State) (low float64, known bool) {
		for _, d := range s.Dyads {
			if d.Instrument != instrument || d.Rater != patient {
				continue
			}
			if t, ok := d.Track(code); ok && (!known || t.Last.Value < low) {
				low, known = t.Last.Value, true
			}
		}
		return low, known
	}
	own := func(d *alliance.Dyad) bool { return d.Instrument == instrument && d.Rater == patient }
	return reading{value: lowest, facts: dyadFacts(own), unconfirmed: func(s *State) bool {
		return slices.ContainsFunc(s.Dyads, func(d *alliance.Dyad) bool {
			t, _ := d.Track(code)
			return own(d) && t.Last.Unconfirmed
		})
	}}
}

func ruptured(d *alliance.Dyad) bool { return d.Chart.Open() }

func strained(d *alliance.Dyad) bool { return d.Event == alliance.Strain }

func ruptures(s *State) (float64, bool) { return s.dyadsThat(ruptured) }

func strains(s *State) (float64, bool) { return s.dyadsThat(strained) }

// doubted says that every dyad that is meant is judged by something unconfirmed.
func doubted(which func(*alliance.Dyad) bool) func(*State) bool {
	return func(s *State) bool {
		return !slices.ContainsFunc(s.Dyads, func(d *alliance.Dyad) bool { return which(d) && !d.Unconfirmed() })
	}
}

// dyadFacts are the last ratings of some dyads.
func dyadFacts(which func(*alliance.Dyad) bool) func(*State) []string {
	return func(s *State) (ids []string) {
		for _, d := range s.Dyads {
			if which(d) {
				ids = append(ids, d.Fact)
			}
		}
		return ids
	}
}

// completion is that of the last closed window while the programme it tells of is going on; where no exercise was
// prescribed that we know of, it is the rate that was worked out elsewhere within a window's length.
func completion(s *State) (float64, bool) {
	if s.Paused() || s.Over() {
		return 0, false
	}
	if w, ok := s.Completed(); ok {
		return w.Completion()
	}
	return s.Programme.Elsewhere(s.Now)
}

func programmeFacts(s *State) []string {
	ids := []string{s.Programme.LogFact}
	for i := range s.Programme.Prescriptions {
		ids = append(ids, s.Programme.Prescriptions[i].Fact)
	}
	return ids
}

func lapses(s *State) (float64, bool) {
	if !s.Programme.Lapsed() {
		return 0, false
	}
	return s.Programme.Streak.Owed, true
}

func silentDays(s *State) (float64, bool) {
	if !s.Silent() {
		return 0, false
	}
	return math.Floor(s.Now.Sub(s.SilentFrom()).Hours() / 24), true
}

func heardFact(s *State) []string { return []string{s.HeardFact} }

func unknowns(s *State) (float64, bool) {
	n := 0
	for _, i := range s.Instruments {
		n += len(i.SafetyUnknown)
	}
	return counted(n)
}

func unknownFacts(s *State) (ids []string) {
	for _, i := range s.Instruments {
		if len(i.SafetyUnknown) > 0 {
			ids = append(ids, i.Fact)
		}
	}
	return ids
}

func dropoutPoints(s *State) (float64, bool) {
	_, points := s.Dropout()
	return counted(points)
}

// dropoutFacts are those behind every signal that holds.
func dropoutFacts(s *State) (ids []string) {
	signals, _ := s.Dropout()
	for _, signal := range signals {
		ids = append(ids, s.SignalFacts(signal.Code)...)
	}
	return ids
}

// SignalFacts are the ids of the facts that a signal of drop-out rests on.
func (s *State) SignalFacts(code string) []string {
	switch code {
	case "missed-two", "missed-one", "not-booked":
		return missedFacts(s)
	case "gaps-growing":
		return attendedFacts(s)
	case "silent", "quiet":
		return heardFact(s)
	case "check-in-overdue":
		return []string{s.ScreenedFact, s.Course.Fact}
	case "exercise-lapsed", "exercise-low":
		return programmeFacts(s)
	case "rupture":
		return rupture.facts(s)
	case "half-filled", "low-self-efficacy":
		return formFacts(s)
	}
	return nil
}

func missedVisits(s *State) (float64, bool) { return counted(s.MissedInRow()) }

func missedFacts(s *State) (ids []string) { return visitFacts(s, false) }

func attendedFacts(s *State) (ids []string) { return visitFacts(s, true) }

// visitFacts are those of the last visits that were attended, or that were missed since.
func visitFacts(s *State, were bool) (ids []string) {
	for i := len(s.Visits.Recent) - 1; i >= 0; i-- {
		v := &s.Visits.Recent[i]
		if !were && v.Status == attended {
			break
		}
		if (v.Status == attended) == were && !v.Excused {
			ids = append(ids, v.Fact)
		}
	}
	return ids
}

// formFacts are the last forms of the patient.
func formFacts(s *State) (ids []string) {
	for _, i := range s.Instruments {
		if i.Respondent == patient {
			ids = append(ids, i.Fact)
		}
	}
	return ids
}

func stalledLines(s *State) (float64, bool) {
	n := 0
	for i := range s.Lines {
		if s.Lines[i].Stalled(s.Visits.Attended) {
			n++
		}
	}
	return float64(n), !s.Paused()
}

func stalledFacts(s *State) (ids []string) {
	for i := range s.Lines {
		if form := s.Instrument(s.Lines[i].Instrument, patient); form != nil && s.Lines[i].Stalled(s.Visits.Attended) {
			ids = append(ids, form.Fact)
		}
	}
	return ids
}

func unresponsiveParts(s *State) (float64, bool) {
	n := 0
	for _, part := range s.Distress() {
		if part.Unresponsive() {
			n++
		}
	}
	return counted(n)
}

func unresponsiveFacts(s *State) (ids []string) {
	for _, part := range s.Distress() {
		if form := s.Instrument(part.Instrument, patient); form != nil && part.Unresponsive() {
			ids = append(ids, form.Fact)
		}
	}
	return ids
}

func goalsOverdue(s *State) (float64, bool) {
	n := 0
	for i := range s.Goals {
		if s.Goals[i].milestone(s.Now) == adherence.Overdue {
			n++
		}
	}
	return float64(n), !s.Paused()
}

func goalFacts(s *State) (ids []string) {
	for i := range s.Goals {
		if g := &s.Goals[i]; g.milestone(s.Now) == adherence.Overdue {
			ids = append(ids, g.Fact)
		}
	}
	return ids
}
