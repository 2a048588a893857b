// Package function follows what a person can do, and how much it hurts, and says when nothing has changed for long.
package function

import (
	"math"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// The terms of stagnation are service design: no study sets them.
const (
	// StallVisits is how many attended visits without a change that counts make a stagnation.
	StallVisits = 6
	// StallDays is how many days between two readings without such a change make one.
	StallDays = 42
)

// Line follows one score, or one plain measure, since it last changed beyond measurement error. Where no such error is
// known the smallest change that matters to patients takes its place; where that is not known either nothing is followed.
type Line struct {
	// Instrument id, or the code of the measure as `system|code`, with its site and side of the body.
	Instrument string `json:"instrument"`
	// Since is its track from the last change that counts on: Since.First is the reading that brought it.
	Since trend.Track `json:"since"`
	// Visits is how many had been attended by then.
	Visits int `json:"visits,omitempty"`
	// Full says that the last reading leaves no room for a further improvement that could be told from error.
	Full bool `json:"full,omitempty"`
}

// Follows says whether a score of a construct is one of function or pain whose change can be judged.
func Follows(construct string, s fact.Score) bool {
	return (construct == "function" || construct == "pain") && judged(s)
}

func judged(s fact.Score) bool {
	return trend.Scorable(s) && !s.NoDirection && (s.Reliable != nil || s.Important != nil || s.BySE && s.SE != nil)
}

// Follow takes the next reading, after so many attended visits.
func (l Line) Follow(at time.Time, s fact.Score, visits int) Line {
	if !judged(s) {
		return l
	}
	if l.Since.Count == 0 {
		l.Visits = visits
	}
	l.Since = l.Since.Follow(at, s)
	l.Full = full(s)
	if v, ok := l.Since.SinceFirst(); ok && (v.Direction == trend.Improved || v.Direction == trend.Deteriorated) {
		l.Since = trend.Track{}.Follow(at, s)
		l.Visits = visits
	}
	return l
}

// Stalled says whether nothing has changed for StallVisits visits or StallDays days, though there is room for it.
func (l Line) Stalled(visits int) bool {
	if l.Full || l.Since.Count < 2 {
		return false
	}
	return visits-l.Visits >= StallVisits || l.Since.Last.At.Sub(l.Since.First.At) >= StallDays*24*time.Hour
}

// full says whether the distance to the best end of the scale is less than a change that counts.
func full(s fact.Score) bool {
	if s.Min >= s.Max {
		return false
	}
	room := *s.Value - s.Min
	if s.HigherBetter {
		room = s.Max - *s.Value
	}
	switch {
	case s.Reliable != nil:
		return room < *s.Reliable
	case s.BySE && s.SE != nil:
		return room < 1.96*math.Hypot(*s.SE, *s.SE)
	}
	return room < *s.Important
}

// measured is a plain measure whose change can be judged.
type measured struct {
	code      string
	important float64
	min, max  float64
}

// measures are those with a published change that matters to patients. Lower is better in all of them.
var measures = []measured{
	// Pain 0 to 10: Ostelo 2008, 2 points or 30 %.
	{code: "http://loinc.org|72514-3", important: 2, max: 10},
}

// Measured is a plain measure as a score whose change can be judged; false when nothing is known to judge it by.
func Measured(m fact.Measure) (fact.Score, bool) {
	for i := range measures {
		if have := &measures[i]; have.code == m.Code && m.Value >= have.min && m.Value <= have.max {
			return fact.Score{Code: "value", Value: &m.Value, Important: &have.important, Min: have.min, Max: have.max}, true
		}
	}
	return fact.Score{}, false
}
