package instrument

import "math"

// The kinds of score. A new kind brings its case in keyRange and in the score room.
const (
	// KindSum adds its items; with some of them missing it is scaled up, where its missing rule allows that.
	KindSum = "sum"
	// KindMean is the mean of its answered items.
	KindMean = "mean"
	// KindScores adds other scores of the instrument.
	KindScores = "scores"
)

// The missing rules.
const (
	// MissingNone: every item is required.
	MissingNone = "all"
	// MissingProrate: the answered items stand for the missing ones, if enough are answered.
	MissingProrate = "prorate"
)

// Score is one number of the instrument and how it comes about.
type Score struct {
	// Code in kebab case, such as `total`; unique in the instrument.
	Code string `json:"code"`
	// Kind is how it is computed.
	Kind string `json:"kind"`
	// Items that it uses, by number; Of the score codes that it is made of.
	Items []int    `json:"items,omitempty"`
	Of    []string `json:"of,omitempty"`
	// Divisor of the result; 0 means 1.
	Divisor float64 `json:"divisor,omitempty"`
	// Min and Max possible value. Step is the grid of its bands; 0 means 1.
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Step float64 `json:"step,omitempty"`
	// Direction: higher-better or higher-worse.
	Direction string `json:"direction"`
	// Codes under which it arrives ready-made or is published, as `system|code`; our own one is not listed.
	Codes []Coded `json:"codes,omitempty"`
	// Missing says what happens when items are unanswered; absent for a score made of others.
	Missing *Missing `json:"missing,omitempty"`
	// Bands, where validated ones exist.
	Bands *Bands `json:"bands,omitempty"`
	// Cuts are screening cut points.
	Cuts []Cut `json:"cuts,omitempty"`
	// Change holds what is known about differences of this score.
	Change *Change `json:"change,omitempty"`
	// Distress places its bands on the common ladder.
	Distress *Distress `json:"distress,omitempty"`
	// Evidence of the key: items, formula, range and direction.
	Evidence Evidence `json:"evidence"`

	of          []int
	unconfirmed bool
}

// Missing is the rule for unanswered items.
type Missing struct {
	// Rule is all or prorate; Answered is the smallest number of answered items that prorate needs.
	Rule     string `json:"rule"`
	Answered int    `json:"answered,omitempty"`
	// Round is half-up when a prorated value becomes a whole number; empty when decimals are kept.
	Round    string   `json:"round,omitempty"`
	Evidence Evidence `json:"evidence"`
}

// Bands divide the whole range of a score.
type Bands struct {
	// List, lowest first, without holes.
	List     []Band   `json:"list"`
	Evidence Evidence `json:"evidence"`
}

// Band is one named stretch of a score, both ends included.
type Band struct {
	Code string  `json:"code"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Cut is a screening cut point.
type Cut struct {
	// At is the first value that counts as positive.
	At float64 `json:"at"`
	// Text says for what, with sensitivity and specificity.
	Text     string   `json:"text"`
	Evidence Evidence `json:"evidence"`
}

// Change statistics of a score, each with what is needed to derive it again.
type Change struct {
	Reliable  *Reliable  `json:"reliable,omitempty"`
	Important *Important `json:"important,omitempty"`
	// Others found in the literature, not used.
	Others string `json:"others,omitempty"`
}

// Reliable is the error band of a difference: from SD and r, from SEM, or as published.
type Reliable struct {
	// Level: RC95 and MDC95 (1.96), MDC90 (1.645), or RCI for a published index.
	Level string `json:"level"`
	// SD and R (with its kind: alpha or retest), or SEM, or Points.
	SD     float64 `json:"sd,omitempty"`
	R      float64 `json:"r,omitempty"`
	RKind  string  `json:"rKind,omitempty"`
	SEM    float64 `json:"sem,omitempty"`
	Points float64 `json:"points,omitempty"`
	// Population and N it was found in.
	Population string   `json:"population,omitempty"`
	N          int      `json:"n,omitempty"`
	Evidence   Evidence `json:"evidence"`
}

// Important is the smallest difference that matters to patients.
type Important struct {
	// Points of the score.
	Points float64 `json:"points"`
	// Population and N it was found in.
	Population string   `json:"population,omitempty"`
	N          int      `json:"n,omitempty"`
	Evidence   Evidence `json:"evidence"`
}

// Distress places the bands of a score on the common ladder of the distress profile.
type Distress struct {
	// Part of the profile: depression, anxiety, catastrophizing, fear-of-movement, low-self-efficacy, sleep or general.
	Part string `json:"part"`
	// Levels by band code: none, mild, moderate or severe.
	Levels   map[string]string `json:"levels"`
	Evidence Evidence          `json:"evidence"`
}

// Divide a sum or mean by the divisor of the score.
func (s *Score) Divide(x float64) float64 { return x / s.divisor() }

// HigherBetter is the direction of the score.
func (s *Score) HigherBetter() bool { return s.Direction == "higher-better" }

// Parts are the places, in Definition.Scores, of the scores that this one is made of.
func (s *Score) Parts() []int { return s.of }

// Unconfirmed says that the key or the bands are not confirmed; the missing rule is asked separately.
func (s *Score) Unconfirmed() bool { return s.unconfirmed }

// Required is how many items must be answered.
func (s *Score) Required() int {
	if s.Missing != nil && s.Missing.Rule == MissingProrate {
		return s.Missing.Answered
	}
	return len(s.Items)
}

// Band of a value; empty when the score has none. A value between two steps is rounded half up first.
func (s *Score) Band(value float64) string {
	if s.Bands == nil {
		return ""
	}
	step := s.step()
	grid := math.Floor(value/step+0.5+Tolerance) * step
	for i := range s.Bands.List {
		if b := &s.Bands.List[i]; grid >= b.From-step/4 && grid <= b.To+step/4 {
			return b.Code
		}
	}
	return ""
}

func (s *Score) step() float64 {
	if s.Step == 0 {
		return 1
	}
	return s.Step
}

// Part of the distress profile that the score speaks for; empty when none.
func (s *Score) Part() string {
	if s.Distress == nil {
		return ""
	}
	return s.Distress.Part
}

// Level of a band on the common ladder; empty when the score speaks for no part.
func (s *Score) Level(band string) string {
	if s.Distress == nil {
		return ""
	}
	return s.Distress.Levels[band]
}

// ReliableChange is the smallest difference beyond measurement error, in points; nil when no statistic is known.
func (s *Score) ReliableChange() *float64 {
	if s.Change == nil || s.Change.Reliable == nil {
		return nil
	}
	points := s.Change.Reliable.points()
	return &points
}

// ImportantChange is the smallest difference that matters to patients, in points; nil when no statistic is known.
func (s *Score) ImportantChange() *float64 {
	if s.Change == nil || s.Change.Important == nil {
		return nil
	}
	points := s.Change.Important.Points
	return &points
}

// points follow Jacobson and Truax: level x sqrt(2) x SEM, with SEM = SD x sqrt(1 - r).
func (r *Reliable) points() float64 {
	sem := r.SEM
	switch {
	case r.Points != 0:
		return r.Points
	case r.SD != 0:
		sem = r.SD * math.Sqrt(1-r.R)
	}
	return r.quantile() * math.Sqrt2 * sem
}

func (r *Reliable) quantile() float64 {
	if r.Level == "MDC90" {
		return 1.645
	}
	return 1.96
}
