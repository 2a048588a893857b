// Package trend says what the difference between two values of one score amounts to.
package trend

import "math"

// Direction of a change that counts.
type Direction string

// The directions.
const (
	Improved     Direction = "improved"
	Deteriorated Direction = "deteriorated"
	Unchanged    Direction = "unchanged"
)

// Verdict on a difference. Reliable and Important are separate verdicts and may disagree.
type Verdict struct {
	// Reliable: beyond measurement error; nil when the score has no such statistic.
	Reliable *bool
	// Important: large enough to matter to patients, either way; nil when the score has no such statistic.
	Important *bool
	// Direction, when the change is reliable, or, where reliability is not known, important.
	Direction Direction
}

// tolerance keeps a difference that is exactly the threshold from failing on a binary fraction.
const tolerance = 1e-9

// Change compares two values of one score. Reliable and important are the score's thresholds in points, nil when not
// known; a difference equal to its threshold counts. Direction derives from higherBetter, not from the sign.
func Change(from, to float64, reliable, important *float64, higherBetter bool) Verdict {
	v := Verdict{
		Reliable:  reaches(from, to, reliable),
		Important: reaches(from, to, important),
		Direction: Unchanged,
	}
	decisive := v.Reliable
	if decisive == nil {
		decisive = v.Important
	}
	switch {
	case decisive == nil || !*decisive || from == to:
	case (to > from) == higherBetter:
		v.Direction = Improved
	default:
		v.Direction = Deteriorated
	}
	return v
}

func reaches(from, to float64, threshold *float64) *bool {
	if threshold == nil {
		return nil
	}
	return new(math.Abs(to-from) >= *threshold-tolerance)
}
