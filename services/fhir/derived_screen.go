package fhir

import (
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// screen is a depression screen: the score that decides it, and the first value that is positive.
type screen struct {
	score string
	at    float64
}

// screens by instrument, with the cut points that quality measures use. Each is a cut point of its definition.
var screens = map[string]screen{
	"phq-2": {"total", 3},
	"phq-8": {"total", 10},
	"phq-9": {"total", 10},
}

// The codes of a depression screen.
const (
	adultScreen      = loinc + "|73832-8"
	adolescentScreen = loinc + "|73831-0"
	screenPositive   = sct + "|428181000124104"
	screenNegative   = sct + "|428171000124102"
)

// screening says whether the form is a depression screen that the patient answered and that has a result.
func (s *Sheet) screening() (positive, ok bool) {
	by, known := screens[s.Fact.Scores.Instrument]
	value := s.Fact.Scores.Value(by.score)
	if !known || value == nil || s.Fact.Scores.Respondent != patient {
		return false, false
	}
	return *value >= by.at-instrument.Tolerance, true
}

// ages is the code of the screen for the patient's age on the day of the answers, empty when that is not certain. The
// measure asks for the adolescent code up to 16, for the adult code from 18, and takes either at 17, counted at the
// start of its year: by the age on the day itself (in UTC) both hold. Below 12 there is no such screen. An unknown age yields
// none, since a wrong code would count the patient in a measure as screened by a test for others.
func (s *Sheet) ages() string {
	if s.BornFrom.IsZero() || s.BornTo.IsZero() {
		return ""
	}
	day := s.Fact.At
	youngest, oldest := screenFor(age(s.BornTo.Add(-time.Nanosecond), day)), screenFor(age(s.BornFrom, day))
	if youngest != oldest {
		return ""
	}
	return youngest
}

func screenFor(years int) string {
	switch {
	case years >= 18:
		return adultScreen
	case years >= 12:
		return adolescentScreen
	default:
		return ""
	}
}

// age in completed years.
func age(born, on time.Time) int {
	years := on.Year() - born.Year()
	if on.Month() < born.Month() || on.Month() == born.Month() && on.Day() < born.Day() {
		years--
	}
	return years
}

// screen is the result of a depression screen, positive or negative, which quality measures read in place of the score.
func (s *Sheet) screen() (Part, bool) {
	positive, ok := s.screening()
	code := s.ages()
	if !ok || code == "" {
		return Part{}, false
	}
	p := Part{Name: partScreen, Codes: []string{code}, Categories: s.categories(), title: "Depression screening result (" + s.title() + ")"}
	p.build = func(out *samply.Observation) {
		by := screens[s.Fact.Scores.Instrument]
		result, text := screenNegative, "Screen negative"
		if positive {
			result, text = screenPositive, "Screen positive"
		}
		value := coded(text, []string{result})
		out.ValueCodeableConcept = &value
		out.DerivedFrom = append([]samply.Reference{s.reference(partName(partScore, by.score))}, out.DerivedFrom...)
		note(out, "By the cut point "+decimal(by.at)+" of the "+words(by.score)+". A screen is no diagnosis.")
		if len(s.Fact.Scores.Critical) > 0 {
			note(out, "An item that must be looked at whatever the total says was answered: see the panel.")
		}
		score := s.scoreOf(partScreen)
		if score.Prorated {
			note(out, "The score is prorated: not every item is answered.")
		}
		s.unconfirmedNote(score, out)
	}
	return p, true
}
