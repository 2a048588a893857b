// Package trend says what the difference between two values of one score amounts to.
package trend

import "math"

// Direction of a change that counts; empty where nobody knows which way is better.
type Direction string

// The directions.
const (
	Improved     Direction = "improved"
	Deteriorated Direction = "deteriorated"
	Unchanged    Direction = "unchanged"
)

// Movement is where a change of band leads to; empty when the bands are not known or cannot be compared.
type Movement string

// The movements.
const (
	Better Movement = "better"
	Worse  Movement = "worse"
	Same   Movement = "same"
)

// Class of a change after Jacobson and Truax; empty where no cut-off or no error band is known.
type Class string

// The classes, besides those that are named as the directions are.
const (
	// Recovered: reliably improved, from the range of patients into that of healthy people.
	Recovered Class = "recovered"
)

// Verdict on a difference. Reliable, Important and Band are three separate verdicts and may disagree.
type Verdict struct {
	// Points are the later value minus the earlier one.
	Points float64
	// Reliable: beyond measurement error; nil when the score has no such statistic.
	Reliable *bool
	// Important: large enough to matter to patients, either way; nil when the score has no such statistic.
	Important *bool
	// Direction, when the change is reliable, or, where reliability is not known, important.
	Direction Direction
	// Band says what became of the band.
	Band Movement
	// Class of the change where the score has a cut-off and an error band.
	Class Class
	// Index is the reliable change index: the difference in units of its standard error, positive when better; nil when
	// that error is not known.
	Index *float64
	// Unconfirmed says what of all this rests on facts that no source that was read confirms.
	Unconfirmed Unconfirmed
}

// Unconfirmed names the verdicts that rest on facts which no source that was read confirms.
type Unconfirmed struct {
	// Values: the scoring key, the bands or the missing rule behind one of the two values.
	Values bool
	// Reliable: the error band. Important: the minimal important change. Class: the cut-off or the error band.
	Reliable, Important, Class bool
}

// Any says whether anything is unconfirmed.
func (u Unconfirmed) Any() bool { return u != Unconfirmed{} }

// Yardstick is what differences of one score are measured by. Its JSON names are a stored form.
type Yardstick struct {
	// HigherBetter is the direction of the score, unless NoDirection says that nobody knows it.
	HigherBetter bool `json:"higherBetter,omitempty"`
	NoDirection  bool `json:"noDirection,omitempty"`
	// Reliable is the smallest difference beyond measurement error, Important the smallest that matters to patients,
	// both in points; nil when not known.
	Reliable  *float64 `json:"reliable,omitempty"`
	Important *float64 `json:"important,omitempty"`
	// BySE says that a difference is reliable beyond 1.96 x sqrt(SE1^2 + SE2^2) of the two values; then Reliable is nil.
	BySE bool `json:"bySe,omitempty"`
	// Cutoff divides the range of patients from that of healthy people; nil when not known.
	Cutoff *float64 `json:"cutoff,omitempty"`
	// ReliableUnconfirmed, ImportantUnconfirmed and CutoffUnconfirmed say that no source that was read confirms them.
	ReliableUnconfirmed  bool `json:"reliableUnconfirmed,omitempty"`
	ImportantUnconfirmed bool `json:"importantUnconfirmed,omitempty"`
	CutoffUnconfirmed    bool `json:"cutoffUnconfirmed,omitempty"`
}

const (
	// tolerance keeps a difference that is exactly the threshold from failing on a binary fraction.
	tolerance = 1e-9
	// certainty of a reliable change: the normal quantile of 95 %, both sides.
	certainty = 1.96
)

// Compare two readings of one score. A difference equal to its threshold in points counts; one by standard errors must
// exceed it. The direction derives from that of the score, not from the sign.
func (y Yardstick) Compare(from, to Reading) Verdict {
	v := Verdict{
		Points:    exact(to.Value - from.Value),
		Reliable:  y.reliable(from, to),
		Important: reaches(from.Value, to.Value, y.Important),
		Band:      y.movement(from, to),
	}
	if y.BySE && from.SE != nil && to.SE != nil {
		v.Index = Index(from.Value, to.Value, *from.SE, *to.SE, y.HigherBetter)
	}
	v.Direction = y.direction(v)
	v.Class = y.class(v, from.Value, to.Value)
	v.Unconfirmed = Unconfirmed{
		Values:    from.Unconfirmed || to.Unconfirmed,
		Reliable:  v.Reliable != nil && y.ReliableUnconfirmed,
		Important: v.Important != nil && y.ImportantUnconfirmed,
		Class:     v.Class != "" && (y.CutoffUnconfirmed || y.ReliableUnconfirmed),
	}
	return v
}

// Index is the reliable change index: a difference in units of its standard error, which comes from the errors of the
// two values (the same SEM twice, where one serves for all values). It is positive when better; nil without any error.
func Index(from, to, errFrom, errTo float64, higherBetter bool) *float64 {
	between := math.Hypot(errFrom, errTo)
	if between <= 0 {
		return nil
	}
	index := (to - from) / between
	if !higherBetter {
		index = -index
	}
	return &index
}

func (y Yardstick) reliable(from, to Reading) *bool {
	switch {
	case !y.BySE:
		return reaches(from.Value, to.Value, y.Reliable)
	case from.SE == nil || to.SE == nil:
		return nil
	default:
		return new(math.Abs(to.Value-from.Value) > certainty*math.Hypot(*from.SE, *to.SE)+tolerance)
	}
}

func (y Yardstick) direction(v Verdict) Direction {
	decisive := v.Reliable
	if decisive == nil {
		decisive = v.Important
	}
	switch {
	case y.NoDirection:
		return ""
	case decisive == nil || !*decisive || v.Points == 0:
		return Unchanged
	case (v.Points > 0) == y.HigherBetter:
		return Improved
	default:
		return Deteriorated
	}
}

// movement compares the places of two bands; the name alone tells that it is the same one.
func (y Yardstick) movement(from, to Reading) Movement {
	switch {
	case from.Band == "" || to.Band == "":
		return ""
	case from.Band == to.Band:
		return Same
	case y.NoDirection || from.Place == 0 || to.Place == 0 || from.Place == to.Place:
		return ""
	case (to.Place > from.Place) == y.HigherBetter:
		return Better
	default:
		return Worse
	}
}

// class after Jacobson and Truax. One who starts in the range of healthy people cannot recover.
func (y Yardstick) class(v Verdict, from, to float64) Class {
	switch {
	case y.Cutoff == nil || v.Reliable == nil || y.NoDirection:
		return ""
	case v.Direction == Improved && !y.functional(from) && y.functional(to):
		return Recovered
	default:
		return Class(v.Direction)
	}
}

// functional says whether a value lies beyond the cut-off, in the range of healthy people.
func (y Yardstick) functional(value float64) bool {
	if y.HigherBetter {
		return value > *y.Cutoff+tolerance
	}
	return value < *y.Cutoff-tolerance
}

func reaches(from, to float64, threshold *float64) *bool {
	if threshold == nil {
		return nil
	}
	return new(math.Abs(to-from) >= *threshold-tolerance)
}

// exact takes off the dust that binary fractions leave on decimals.
func exact(x float64) float64 { return math.Round(x*1e9) / 1e9 }
