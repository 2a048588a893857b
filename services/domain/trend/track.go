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
	// SE is the standard error of the value; nil when not known.
	SE *float64 `json:"se,omitempty"`
	// Band of the instrument, and its Place from 1 for the lowest; empty and 0 when it has none.
	Band  string `json:"band,omitempty"`
	Place int    `json:"bandPlace,omitempty"`
	// Unconfirmed says that the value or its band rests on a key, band or missing rule that no source confirms.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// Read is a scorable score as a reading.
func Read(at time.Time, s fact.Score) Reading {
	return Reading{At: at, Value: *s.Value, SE: s.SE, Band: s.Band, Place: s.BandPlace, Unconfirmed: s.Unconfirmed}
}

// Measure is the yardstick that a score brings along.
func Measure(s fact.Score) Yardstick {
	return Yardstick{
		HigherBetter: s.HigherBetter, NoDirection: s.NoDirection,
		Reliable: s.Reliable, Important: s.Important, BySE: s.BySE, Cutoff: s.Cutoff,
		ReliableUnconfirmed: s.ReliableUnconfirmed, ImportantUnconfirmed: s.ImportantUnconfirmed, CutoffUnconfirmed: s.CutoffUnconfirmed,
	}
}

// Track follows one score of one instrument: its baseline, the reading before the last, and the last.
type Track struct {
	// Code of the score.
	Code string `json:"code"`
	// Count of readings so far.
	Count int `json:"count"`
	// Yardstick of the last reading.
	Yardstick
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
	now := Read(at, s)
	if t.Count == 0 {
		t.First = now
	} else {
		t.Previous = t.Last
	}
	t.Code, t.Count, t.Last = s.Code, t.Count+1, now
	t.Yardstick = Measure(s)
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
	return t.Compare(r, t.Last), true
}

// beyondScales is larger than any score of any instrument.
const beyondScales = 1e9

// Scorable says whether a score has a value that can be followed.
func Scorable(s fact.Score) bool { return s.Value != nil && math.Abs(*s.Value) < beyondScales }
