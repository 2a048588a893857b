package trend

import (
	"math"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Worse says whether it is a deterioration beyond measurement error.
func (v Verdict) Worse() bool {
	return v.Direction == Deteriorated && v.Reliable != nil && *v.Reliable
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
func (t Track) SinceFirst() (Verdict, bool) { return t.since(t.First) }

// SincePrevious compares the last reading with the one before; false when there is none.
func (t Track) SincePrevious() (Verdict, bool) { return t.since(t.Previous) }

func (t Track) since(r Reading) (Verdict, bool) {
	if t.Count < 2 {
		return Verdict{}, false
	}
	return Change(r.Value, t.Last.Value, t.Reliable, t.Important, t.HigherBetter), true
}

// beyondScales is larger than any score of any instrument.
const beyondScales = 1e9

// Scorable says whether a score has a value that can be followed.
func Scorable(s fact.Score) bool { return s.Value != nil && math.Abs(*s.Value) < beyondScales }
