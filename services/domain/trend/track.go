// Package trend says how one score has moved: by its reliable and its important change, and by band.
package trend

import (
	"math"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Direction of a change, whichever way the score points.
type Direction string

// The directions. Unchanged also means that no statistic is known to tell.
const (
	Improved     Direction = "improved"
	Unchanged    Direction = "unchanged"
	Deteriorated Direction = "deteriorated"
)

// Shift is the verdict on two readings of one score. The verdicts are separate and may disagree.
type Shift struct {
	// Direction follows Reliable, or Important when no error band is known.
	Direction Direction
	// Reliable says whether the difference is at or beyond measurement error; nil when no error band is known.
	Reliable *bool
	// Important says whether it is one that matters to patients; nil when no such statistic is known.
	Important *bool
	// Points is the difference, later minus earlier.
	Points float64
}

// Worse says whether it deteriorated beyond measurement error.
func (s Shift) Worse() bool {
	return s.Direction == Deteriorated && s.Reliable != nil && *s.Reliable
}

// Reading is one value at its time.
type Reading struct {
	// At is when the answers were given.
	At time.Time `json:"at"`
	// Value in points of the score.
	Value float64 `json:"value"`
	// Band of the instrument; empty when it has none.
	Band string `json:"band,omitempty"`
}

// Track follows one score of one instrument: its baseline, the reading before the last, and the last.
type Track struct {
	// Code of the score.
	Code string `json:"code"`
	// Count of readings so far.
	Count int `json:"count"`
	// HigherBetter is the direction of the score.
	HigherBetter bool `json:"higherBetter,omitempty"`
	// Reliable and Important are the change statistics of the last reading, in points; nil when not known.
	Reliable  *float64 `json:"reliable,omitempty"`
	Important *float64 `json:"important,omitempty"`
	// Part of the distress profile it speaks for and the last reading's Level there; empty when for none.
	Part  string `json:"part,omitempty"`
	Level string `json:"level,omitempty"`
	// First reading of the episode: the baseline.
	First Reading `json:"first"`
	// Previous reading; zero when there was none before the last.
	Previous Reading `json:"previous,omitzero"`
	// Last reading.
	Last Reading `json:"last"`
}

// Follow takes the next reading. A score that is not scorable, or is no number, leaves the track as it is.
func (t Track) Follow(at time.Time, s fact.Score) Track {
	if !Scorable(s) {
		return t
	}
	now := Reading{At: at, Value: *s.Value, Band: s.Band}
	if t.Count == 0 {
		t.First = now
	} else {
		t.Previous = t.Last
	}
	t.Code, t.Count, t.Last = s.Code, t.Count+1, now
	t.HigherBetter, t.Reliable, t.Important = s.HigherBetter, s.Reliable, s.Important
	t.Part, t.Level = s.Part, s.Level
	return t
}

// SinceFirst compares the last reading with the baseline; false when it is the baseline.
func (t Track) SinceFirst() (Shift, bool) {
	if t.Count < 2 {
		return Shift{}, false
	}
	return t.shift(t.First.Value), true
}

// SincePrevious compares the last reading with the one before; false when there is none.
func (t Track) SincePrevious() (Shift, bool) {
	if t.Count < 2 {
		return Shift{}, false
	}
	return t.shift(t.Previous.Value), true
}

func (t Track) shift(from float64) Shift {
	return Compare(from, t.Last.Value, t.Reliable, t.Important, t.HigherBetter)
}

// Scorable says whether a score has a value that can be followed.
func Scorable(s fact.Score) bool {
	return s.Value != nil && !math.IsNaN(*s.Value) && !math.IsInf(*s.Value, 0)
}

// tolerance of comparisons between decimals.
const tolerance = 1e-9

// Compare judges two readings by the statistics of the score; a nil statistic gives no verdict.
func Compare(from, to float64, reliable, important *float64, higherBetter bool) Shift {
	s := Shift{Direction: Unchanged, Points: to - from, Reliable: reaches(to-from, reliable), Important: reaches(to-from, important)}
	deciding := s.Reliable
	if deciding == nil {
		deciding = s.Important
	}
	if deciding == nil || !*deciding || from == to {
		return s
	}
	s.Direction = Deteriorated
	if to > from == higherBetter {
		s.Direction = Improved
	}
	return s
}

func reaches(difference float64, limit *float64) *bool {
	if limit == nil {
		return nil
	}
	return new(math.Abs(difference) >= *limit-tolerance)
}
