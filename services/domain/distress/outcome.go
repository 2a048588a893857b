package distress

import (
	"math"
	"time"

	"github.com/rapport-health/rapport/services/domain/trend"
)

const (
	// StaleDays is the age beyond which a part should be measured anew. Service design.
	StaleDays = 90
	// ExpectedDays is how long after the baseline a response is to be expected. Service design: it lies within the 6 to
	// 12 weeks after which measurement-based care looks at its plan again.
	ExpectedDays = 56
)

// Outcome of a part so far.
type Outcome string

// The outcomes; empty is none of them.
const (
	// Response: the value fell by half or more.
	Response Outcome = "response"
	// Remission: it is below the range of a positive screen.
	Remission Outcome = "remission"
)

// yield is how response and remission of an instrument are defined.
type yield struct {
	instrument, code string
	// from is the lowest baseline that leaves something to respond, share the part of it that a response takes away,
	// below the value under which is remission.
	from, share, below float64
}

// yields are the definitions that a source gives: PHQ-9, response a fall of 50 % or more, remission below 5 (Psychiatr
// Serv 2020), for those who screened positive at 10.
var yields = []yield{{instrument: "phq-9", code: "total", from: 10, share: 0.5, below: 5}}

func yieldOf(p Part) *yield {
	for i := range yields {
		if y := &yields[i]; y.instrument == p.Instrument && y.code == p.Track.Code && p.Track.Count > 1 && p.Track.First.Value >= y.from {
			return y
		}
	}
	return nil
}

// Outcome since the baseline, where the instrument defines one and the baseline leaves something to respond.
func (p Part) Outcome() Outcome {
	y := yieldOf(p)
	switch {
	case y == nil:
		return ""
	case p.Track.Last.Value < y.below:
		return Remission
	case p.responded(y):
		return Response
	}
	return ""
}

const tolerance = 1e-9

func (p Part) responded(y *yield) bool {
	return p.Track.Last.Value <= p.Track.First.Value*(1-y.share)+tolerance
}

// Unresponsive says that the last measurement, ExpectedDays or more after the baseline, shows neither response nor
// remission.
func (p Part) Unresponsive() bool {
	y := yieldOf(p)
	return y != nil && p.Outcome() == "" && p.Track.Last.At.Sub(p.Track.First.At) >= ExpectedDays*24*time.Hour
}

// Worsened says whether the part became worse than its baseline beyond measurement error.
func (p Part) Worsened() bool {
	v, ok := p.Track.SinceFirst()
	return ok && v.Direction == trend.Deteriorated && v.Worse()
}

// Age of the part in whole days; 0 when missing.
func (p Part) Age(now time.Time) int {
	if p.Missing() {
		return 0
	}
	return int(math.Floor(now.Sub(p.Measured()).Hours() / 24))
}

// Stale says whether the part is older than StaleDays.
func (p Part) Stale(now time.Time) bool { return p.Age(now) > StaleDays }
