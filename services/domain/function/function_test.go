package function

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func odi(value float64) fact.Score {
	return fact.Score{Code: "percent", Value: &value, Reliable: new(13.148), Important: new(10.0), Max: 100}
}

// tell follows readings a fortnight apart, with a visit a week.
func tell(scores ...fact.Score) (l Line, visits int) {
	for n, s := range scores {
		visits = 2 * n
		l = l.Follow(monday.AddDate(0, 0, 14*n), s, visits)
	}
	return l, visits
}

func TestStagnation(t *testing.T) {
	pain := func(values ...float64) (out []fact.Score) {
		for _, v := range values {
			if s, ok := Measured(fact.Measure{Code: "http://loinc.org|72514-3", Value: v}); ok {
				out = append(out, s)
			}
		}
		return out
	}
	cases := []struct {
		name   string
		scores []fact.Score
		want   bool
	}{
		{"one reading says nothing", []fact.Score{odi(40)}, false},
		{"four weeks are too early to tell", []fact.Score{odi(40), odi(38), odi(42)}, false},
		{"six weeks without a reliable change", []fact.Score{odi(40), odi(38), odi(42), odi(36)}, true},
		{"a reliable improvement on the way", []fact.Score{odi(40), odi(38), odi(24), odi(22)}, false},
		{"and six weeks after it nothing more", []fact.Score{odi(60), odi(40), odi(38), odi(36), odi(34)}, true},
		{"a reliable worsening is no stagnation either", []fact.Score{odi(40), odi(40), odi(40), odi(58)}, false},
		{"no room to become better", []fact.Score{odi(8), odi(6), odi(10), odi(9)}, false},
		{"small steps that add up to a change", []fact.Score{odi(60), odi(55), odi(50), odi(46)}, false},
		{"pain, by what matters to patients", pain(6, 5, 6, 5), true},
		{"pain that eases", pain(6, 4, 3, 2), false},
		{"a number out of range is no pain", pain(6, 60, 6), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if l, visits := tell(c.scores...); l.Stalled(visits) != c.want {
				t.Errorf("stalled %v: %+v", !c.want, l)
			}
		})
	}
}

func TestSixVisitsWithoutAChangeAreEnough(t *testing.T) {
	l := Line{}.Follow(monday, odi(40), 1).Follow(monday.AddDate(0, 0, 21), odi(41), 6)
	if l.Stalled(6) || !l.Stalled(7) {
		t.Errorf("%+v", l)
	}
}

func TestOnlyWhatCanBeJudgedIsFollowed(t *testing.T) {
	bare, unknown := odi(40), odi(40)
	bare.Reliable, bare.Important = nil, nil
	unknown.NoDirection = true
	if !Follows("function", odi(40)) || !Follows("pain", odi(40)) || Follows("distress", odi(40)) || Follows("function", bare) || Follows("function", unknown) {
		t.Error("what is followed")
	}
	if l := (Line{}).Follow(monday, bare, 0); l.Since.Count != 0 {
		t.Errorf("%+v", l)
	}
	if _, ok := Measured(fact.Measure{Code: "http://loinc.org|41950-7", Value: 3}); ok {
		t.Error("steps have no change that is known to matter")
	}
}
