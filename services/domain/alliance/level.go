package alliance

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Level is the control chart of one score of a dyad: what is usual, and how far below it is no longer.
type Level struct {
	// Code of the score.
	Code string `json:"code"`
	// Min and Max bound it, in points.
	Min float64 `json:"min,omitempty"`
	Max float64 `json:"max,omitempty"`
	// Base are the last ratings that make up the usual level, at most five.
	Base []float64 `json:"base,omitempty"`
	// Held are ratings kept out of it, as long as a rupture is open or one is suspected; at most five.
	Held []float64 `json:"held,omitempty"`
	// Usual is the mean that the last rating was compared with, Lower its control limit; nil before there is a baseline.
	Usual *float64 `json:"usual,omitempty"`
	Lower *float64 `json:"lower,omitempty"`
	// Top is how many ratings in a row were at the maximum, up to the last.
	Top int `json:"top,omitempty"`
	// Low is how many ratings in a row lay so far below the usual level that the part may have come apart.
	Low int `json:"low,omitempty"`
}

// Constant says that the last ratings were all at the maximum: that may say more about the form than about the alliance.
func (l *Level) Constant() bool { return l.Top >= constantRatings }

// Ceiling says that the last ratings lie so high that a rise could not show.
func (l *Level) Ceiling() bool {
	all := l.recent(memory)
	return len(all) >= ceilingRatings && l.Max > l.Min && mean(all) >= l.Max-ceilingShare*(l.Max-l.Min)-tolerance
}

// Recent is the mean of the last three ratings, in points; false before the first.
func (l *Level) Recent() (float64, bool) {
	all := l.recent(3)
	if len(all) == 0 {
		return 0, false
	}
	return mean(all), true
}

// Fall is how far a value lies below the usual level, in points; false before there is one.
func (l *Level) Fall(value float64) (float64, bool) {
	if l.Usual == nil {
		return 0, false
	}
	return *l.Usual - value, true
}

// items is how many items the score sums up, so that a sum divided by it is a mean; 1 for what is no sum from 1 up.
func (l *Level) items() float64 { return itemsOf(l.Min) }

func itemsOf(low float64) float64 { return max(1, low) }

func (l *Level) recent(n int) []float64 {
	all := make([]float64, 0, 2*memory)
	return tail(append(append(all, l.Base...), l.Held...), n)
}

func mean(of []float64) (m float64) {
	for _, x := range of {
		m += x / float64(len(of))
	}
	return m
}

// look compares the next rating with the usual level.
func (l *Level) look(s fact.Score) {
	l.Code, l.Min, l.Max = s.Code, s.Min, s.Max
	l.Usual, l.Lower = nil, nil
	if len(l.Base) >= baseline {
		limits := limitsOf(l.Base, 0, sigma)
		l.Usual, l.Lower = &limits.mean, &limits.lower
	}
	if l.Max > l.Min && *s.Value >= l.Max-tolerance {
		l.Top++
	} else {
		l.Top = 0
	}
}

// keeping says what becomes of a rating in the control chart.
type keeping uint8

const (
	// flows: nothing is wrong, it makes up the usual level.
	flows keeping = iota
	// holds: a rupture is open or suspected, it is kept out.
	holds
	// returns: a rupture was repaired, what was kept out is dropped.
	returns
	// restarts: a rupture was not repaired, what was kept out is the usual level from now on.
	restarts
)

func (l *Level) keep(value float64, how keeping) {
	switch how {
	case holds:
		l.Held = tail(append(slices.Clip(l.Held), value), memory)
		return
	case returns:
		l.Base = append(slices.Clip(l.Base), value)
	case restarts:
		l.Base = append(slices.Clip(l.Held), value)
	default:
		l.Base = append(append(slices.Clip(l.Base), l.Held...), value)
	}
	l.Base, l.Held = tail(l.Base, memory), nil
}

// restart forgets the usual level.
func (l *Level) restart() {
	l.Base, l.Held, l.Usual, l.Lower, l.Top, l.Low = nil, nil, nil, nil, 0, 0
}
