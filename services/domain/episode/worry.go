package episode

import (
	"github.com/rapport-health/rapport/services/domain/trend"
)

const (
	carePartner    = "care-partner"
	distressScores = "distress"
)

// Worry is distress that a care partner sees rise and the patient does not tell of.
type Worry struct {
	// Instrument answered by both, and the Code of the score.
	Instrument string
	Code       string
	// Partner is what the care partner answered, Own what the patient did.
	Partner trend.Track
	Own     trend.Track
	// Fact of the care partner's last answers.
	Fact string
}

// Worry is the first score of distress, in the order in which instruments were first answered, that has become worse in
// the eyes of a care partner since their first answers, while the patient's own has not; false when none has. For what
// others answer no error of measurement is known: the change is held against that of the patient's own answers, which is
// service design.
func (s *State) Worry() (Worry, bool) {
	for _, i := range s.Instruments {
		own := s.Instrument(i.ID, patient)
		if i.Respondent != carePartner || i.Construct != distressScores || own == nil {
			continue
		}
		for n := range i.Tracks {
			theirs := &i.Tracks[n]
			told, known := own.Track(theirs.Code)
			if !known || theirs.Count < 2 || !told.Compare(theirs.First, theirs.Last).Worse() {
				continue
			}
			if v, compared := told.SinceFirst(); !compared || !v.Worse() {
				return Worry{i.ID, theirs.Code, *theirs, told, i.Fact}, true
			}
		}
	}
	return Worry{}, false
}

var worried = reading{
	value: func(s *State) (float64, bool) {
		w, found := s.Worry()
		return w.Partner.Last.Value - w.Partner.First.Value, found
	},
	facts: func(s *State) []string {
		w, _ := s.Worry()
		return []string{w.Fact, s.Instrument(w.Instrument, patient).Fact}
	},
	unconfirmed: func(*State) bool { return true },
}
