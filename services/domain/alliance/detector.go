package alliance

import (
	"math"
	"slices"
	"time"
)

// Event is what one rating meant for a dyad.
type Event string

// The events.
const (
	// None: within the usual range, or too early to tell.
	None Event = "none"
	// Strain: between one and two widths below the usual level. No rupture.
	Strain Event = "strain"
	// Ruptured: reliably below the usual level.
	Ruptured Event = "rupture"
	// Decline: a slide over three visits that is reliable as a whole.
	Decline Event = "gradual-decline"
	// Repaired: back at the level before the rupture.
	Repaired Event = "repair"
	// Fell: the score of a session form fell by a step worth a word; no more than that.
	Fell Event = "fall"
)

// Detector is the reference rupture detector with its constants. It is a heuristic from psychotherapy,
// not validated in physical therapy.
type Detector struct {
	// Instrument and Code of the score it watches.
	Instrument, Code string
	// SEM is the standard error of measurement, RC the reliable change, both in points.
	SEM, RC float64
	// Baseline is how many ratings it needs, Memory how many it looks back on.
	Baseline, Memory int
	// Patience is the number of ratings after the onset within which a repair must come.
	Patience int
	// Sigma times the mean moving range is the distance of the control limit from the mean.
	Sigma float64
}

// Step is a fall of a session form that is worth a word.
type Step struct {
	// Instrument and Code of the score.
	Instrument, Code string
	// Points from one rating to the next.
	Points float64
}

// detectors and steps say what is watched, and how.
var (
	detectors = []Detector{{
		Instrument: "wai-sr", Code: "total-mean", SEM: 0.20, RC: 0.55,
		Baseline: 3, Memory: 5, Patience: 3, Sigma: 2.66,
	}}
	steps = []Step{{Instrument: "srs", Code: "total", Points: 1}}
)

// Status of a rupture.
type Status string

// The statuses.
const (
	Open       Status = "open"
	Mended     Status = "repaired"
	Unrepaired Status = "unrepaired"
)

// Rupture is a reliable fall with its life.
type Rupture struct {
	// Kind is Ruptured or Decline.
	Kind Event `json:"kind"`
	// Status now.
	Status Status `json:"status"`
	// Onset is when it was rated, Value the rating.
	Onset time.Time `json:"onset"`
	Value float64   `json:"value"`
	// Usual is the mean before it.
	Usual float64 `json:"usual"`
	// Since are the ratings after the onset, at most the detector's patience.
	Since []float64 `json:"since,omitempty"`
	// Ended is when it was repaired or given up; zero while open.
	Ended time.Time `json:"ended,omitzero"`
}

// Chart is what a detector remembers of one dyad.
type Chart struct {
	// Base are the last ratings that make up the usual level, at most the detector's memory.
	Base []float64 `json:"base,omitempty"`
	// Rupture is the open one, or the last one closed; nil when there was none.
	Rupture *Rupture `json:"rupture,omitempty"`
	// Usual is the mean that the last rating was compared with; nil before there is a baseline.
	Usual *float64 `json:"usual,omitempty"`
}

// Open says whether a rupture is open.
func (c Chart) Open() bool { return c.Rupture != nil && c.Rupture.Status == Open }

// tolerance of comparisons between decimals.
const tolerance = 1e-9

// Rate takes the next rating. The chart it is given stays as it is.
func (d Detector) Rate(c Chart, at time.Time, s float64) (Chart, Event) {
	if c.Open() {
		return d.follow(c, at, s)
	}
	if len(c.Base) < d.Baseline {
		return d.append(c, s), None
	}
	l := d.limits(c.Base)
	c.Usual = &l.mean
	switch {
	case d.slides(c.Base, s):
		return rupture(c, Decline, at, s), Decline
	case l.ruptures(d, s):
		return rupture(c, Ruptured, at, s), Ruptured
	case l.strains(d, s):
		return d.append(c, s), Strain
	}
	return d.append(c, s), None
}

// Restart forgets the usual level, as a new version of the instrument demands. An open rupture can no longer
// be told to be repaired.
func (c Chart) Restart(at time.Time) Chart {
	if c.Open() {
		c = c.end(at, Unrepaired)
	}
	c.Base, c.Usual = nil, nil
	return c
}

// follow rates a dyad whose rupture is open.
func (d Detector) follow(c Chart, at time.Time, s float64) (Chart, Event) {
	usual := c.Rupture.Usual
	c.Usual = &usual
	if s >= usual-d.SEM-tolerance {
		return d.append(c.end(at, Mended), s), Repaired
	}
	r := *c.Rupture
	r.Since = append(slices.Clip(r.Since), s)
	c.Rupture = &r
	if len(r.Since) < d.Patience {
		return c, None
	}
	c = c.end(at, Unrepaired)
	c.Base = append([]float64{r.Value}, r.Since...)
	return c, None
}

func (c Chart) end(at time.Time, status Status) Chart {
	r := *c.Rupture
	r.Status, r.Ended = status, at
	c.Rupture = &r
	return c
}

func rupture(c Chart, kind Event, at time.Time, s float64) Chart {
	c.Rupture = &Rupture{Kind: kind, Status: Open, Onset: at, Value: s, Usual: *c.Usual}
	return c
}

func (d Detector) append(c Chart, s float64) Chart {
	c.Base = append(slices.Clip(c.Base), s)
	if extra := len(c.Base) - d.Memory; extra > 0 {
		c.Base = c.Base[extra:]
	}
	return c
}

// slides says whether the last three ratings and this one fall by small steps to a reliable difference.
func (d Detector) slides(base []float64, s float64) bool {
	run := append(slices.Clone(base[len(base)-3:]), s)
	for i := 1; i < len(run); i++ {
		if step := run[i-1] - run[i]; step <= tolerance || step >= d.RC-tolerance {
			return false
		}
	}
	return run[0]-s > d.RC+tolerance
}

// limits describe the usual level.
type limits struct{ mean, width, lower, last float64 }

func (d Detector) limits(base []float64) limits {
	n := float64(len(base))
	var sum, squares, moves float64
	for _, x := range base {
		sum += x
	}
	mean := sum / n
	for i, x := range base {
		squares += (x - mean) * (x - mean)
		if i > 0 {
			moves += math.Abs(x - base[i-1])
		}
	}
	return limits{
		mean: mean, width: max(math.Sqrt(squares/(n-1)), d.SEM),
		lower: mean - d.Sigma*moves/(n-1), last: base[len(base)-1],
	}
}

func (l limits) ruptures(d Detector, s float64) bool {
	fall := l.mean - s
	return fall >= 2*l.width-tolerance || s < l.lower-tolerance && fall > d.RC+tolerance
}

func (l limits) strains(d Detector, s float64) bool {
	return l.mean-s >= l.width-tolerance && l.last-s >= d.RC/2-tolerance
}
