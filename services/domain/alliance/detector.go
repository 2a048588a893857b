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
	// Parted: one part has come apart from the others, such as bond fine and tasks down.
	Parted Event = "part-divergence"
	// Behavioural: after a bad session visits are missed, or home exercise lapses.
	Behavioural Event = "behavioural"
	// NonResponse: after a bad session no rating, or no word at all, comes any more.
	NonResponse Event = "non-response"
)

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
	l := limitsOf(c.Base, d.SEM, d.Sigma)
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

// restart forgets the usual level. An open rupture can no longer be told to be repaired.
func (c Chart) restart(at time.Time, because string) Chart {
	if c.Open() {
		c.Rupture = c.Rupture.end(at, Unrepaired, because)
	}
	c.Base, c.Usual = nil, nil
	return c
}

// follow rates a dyad whose rupture is open.
func (d Detector) follow(c Chart, at time.Time, s float64) (Chart, Event) {
	usual := c.Rupture.Usual
	c.Usual = &usual
	if s >= usual-d.SEM-tolerance {
		c.Rupture = c.Rupture.end(at, Mended, "")
		return d.append(c, s), Repaired
	}
	r := *c.Rupture
	r.Since = append(slices.Clip(r.Since), s)
	c.Rupture = &r
	if len(r.Since) < d.Patience {
		return c, None
	}
	c.Rupture = c.Rupture.end(at, r.outcome(2*d.SEM), TimeUp)
	c.Base = append([]float64{r.Value}, r.Since...)
	return c, None
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

func limitsOf(base []float64, sem, sigma float64) limits {
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
		mean: mean, width: max(math.Sqrt(squares/(n-1)), sem),
		lower: mean - sigma*moves/(n-1), last: base[len(base)-1],
	}
}

func (l limits) ruptures(d Detector, s float64) bool {
	fall := l.mean - s
	return fall >= 2*l.width-tolerance || s < l.lower-tolerance && fall > d.RC+tolerance
}

func (l limits) strains(d Detector, s float64) bool {
	return l.mean-s >= l.width-tolerance && l.last-s >= d.RC/2-tolerance
}
