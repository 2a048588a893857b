// Package engagement weighs the signs that somebody is about to drop out of care: a table of points, never a black box.
package engagement

import (
	"math"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
)

// The terms of silence are service design.
const (
	// SilenceDays is how many days without a word count as silence in somebody whose rhythm is not known, and at least
	// in everybody.
	SilenceDays = 14
	// SilenceGaps is how many of the own usual gaps count as silence, MaxSilenceDays how many days count in any rhythm.
	SilenceGaps    = 2
	MaxSilenceDays = 60
	// QuietGaps is how many of the own usual gaps make somebody quieter than usual, and QuietDays the fewest days that do.
	QuietGaps = 3
	QuietDays = 5
	// rhythmGaps is how many gaps are needed to know a rhythm, and maxContacts how many days are remembered.
	rhythmGaps  = 4
	maxContacts = 9
)

// Rhythm is on which days a person was heard of lately, oldest first. It is never changed in place.
type Rhythm []adherence.Date

// Hear takes a day on which the person was heard of.
func (r Rhythm) Hear(d adherence.Date) Rhythm {
	if n := len(r); n > 0 && r[n-1] >= d {
		return r
	}
	next := make(Rhythm, 0, maxContacts)
	next = append(next, r[max(0, len(r)+1-maxContacts):]...)
	return append(next, d)
}

// Usual is the person's own usual gap between two days with a word, in days; false while it is not known.
func (r Rhythm) Usual() (float64, bool) {
	if len(r) <= rhythmGaps {
		return 0, false
	}
	var room [maxContacts]float64
	gaps := room[:0]
	for i := 1; i < len(r); i++ {
		gaps = append(gaps, float64(r[i]-r[i-1]))
	}
	return median(gaps), true
}

// Silence is how long it takes without a word to become one.
func (r Rhythm) Silence() time.Duration {
	days := float64(SilenceDays)
	if usual, ok := r.Usual(); ok {
		days = min(max(days, SilenceGaps*usual), MaxSilenceDays)
	}
	return hours(days)
}

// Quiet is how long without a word is quieter than usual; false while the rhythm is not known, or where silence comes
// first.
func (r Rhythm) Quiet() (time.Duration, bool) {
	usual, ok := r.Usual()
	days := math.Ceil(max(QuietDays, QuietGaps*usual))
	if !ok || hours(days) >= r.Silence() {
		return 0, false
	}
	return hours(days), true
}

func hours(days float64) time.Duration { return time.Duration(days * 24 * float64(time.Hour)) }

// median of some numbers, which it sorts; 0 of none.
func median(xs []float64) float64 {
	slices.Sort(xs)
	switch n := len(xs); {
	case n == 0:
		return 0
	case n%2 == 1:
		return xs[n/2]
	default:
		return (xs[n/2-1] + xs[n/2]) / 2
	}
}
