package alliance

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// Gap is how another rater's view of a dyad differs from the patient's: rater minus patient, in points per item.
type Gap struct {
	// Clinician it is about; empty for the team as a whole.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Rater is `clinician` or `care-partner`.
	Rater string `json:"rater"`
	// Count of readings: one for each rating by either that lies near enough to one by the other.
	Count int `json:"count"`
	// First, Previous and Last reading of the total; Previous is zero when there is but one.
	First    trend.Reading `json:"first"`
	Previous trend.Reading `json:"previous,omitzero"`
	Last     trend.Reading `json:"last"`
	// Outside is how many readings in a row lay outside what is usual.
	Outside int `json:"outside,omitempty"`
}

// Wide says that the views lie apart, and not by one odd form.
func (g *Gap) Wide() bool {
	c := comparison(g.Rater)
	return c != nil && g.Outside >= c.Confirm
}

// Moved is how the gap has changed since the reading before, away from zero when positive; false with but one.
func (g *Gap) Moved() (float64, bool) {
	if g.Count < 2 {
		return 0, false
	}
	return abs(g.Last.Value) - abs(g.Previous.Value), true
}

func abs(x float64) float64 { return max(x, -x) }

func comparison(rater string) *Comparison {
	for i := range comparisons {
		if comparisons[i].Rater == rater {
			return &comparisons[i]
		}
	}
	return nil
}

// Follow takes the next reading of the gap.
func (g Gap) Follow(at time.Time, value float64) Gap {
	now := trend.Reading{At: at, Value: value}
	if g.Count == 0 {
		g.First = now
	} else {
		g.Previous = g.Last
	}
	g.Count, g.Last = g.Count+1, now
	if c := comparison(g.Rater); c != nil && (c.From != nil && value <= *c.From+tolerance || c.Below != nil && value >= *c.Below-tolerance) {
		g.Outside++
	} else {
		g.Outside = 0
	}
	return g
}

// Between is the gap of one score between the patient's and another's last rating of one dyad: other minus patient, in
// points per item. It is false when they do not compare, or when the ratings lie too far apart in time.
func Between(patient, other *Dyad, code string) (float64, bool) {
	scale := metric[patient.Instrument]
	c := comparison(other.Rater)
	if scale == "" || scale != metric[other.Instrument] || c == nil || patient.Rater != Patient || patient.Clinician != other.Clinician {
		return 0, false
	}
	theirs, at, ok := other.perItem(code)
	own, when, rated := patient.perItem(code)
	if apart := at.Sub(when).Abs(); !ok || !rated || apart > time.Duration(c.Days)*24*time.Hour {
		return 0, false
	}
	return theirs - own, true
}

// perItem is the last value of a score per item; that of the total also from its mean.
func (d *Dyad) perItem(code string) (float64, time.Time, bool) {
	t, ok := d.Track(code)
	if !ok && code == total {
		code = totalMean
		t, ok = d.Track(code)
	}
	if l := d.Level(code); ok && l != nil {
		return t.Last.Value / l.items(), t.Last.At, true
	}
	return 0, time.Time{}, false
}

// Parts of the alliance that can be compared one by one.
var Parts = [...]string{"bond", "goal", "task"}

// Total is the code of the whole.
const Total = total
