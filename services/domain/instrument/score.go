package instrument

import (
	"math"
	"slices"
)

// The kinds of score. A new kind brings its case in checker.key and in the score room.
const (
	// KindSum adds its items; with some of them missing it is scaled up, where its missing rule allows that.
	KindSum = "sum"
	// KindMean is the mean of its answered items.
	KindMean = "mean"
	// KindPercent is what was reached of what the answered items could reach, from 0 to 100.
	KindPercent = "percent"
	// KindScores adds other scores of the instrument.
	KindScores = "scores"
	// KindTable looks another score up in a conversion table.
	KindTable = "table"
	// KindLinear is an intercept plus each item times its coefficient.
	KindLinear = "linear"
	// KindFormula is computed by the form's own expression over the whole response, before binding; it stands in no pack.
	KindFormula = "formula"
)

// The missing rules.
const (
	// MissingNone: every item is required.
	MissingNone = "all"
	// MissingProrate: the answered items stand for the missing ones, if enough are answered.
	MissingProrate = "prorate"
	// MissingSlots: the items are slots to be filled as needed; the answered ones are all there are, if enough are answered.
	MissingSlots = "slots"
	// MissingZero: an item left blank counts as 0, if enough are answered.
	MissingZero = "zero"
)

// Score is one number of the instrument and how it comes about.
//
// Order of work: each answer is recoded, then reversed; the missing rule decides; the kind gives a value; that plus
// Offset, times Factor, by Divisor is the score; a prorated one may be rounded; the value is banded.
type Score struct {
	// Code in kebab case, such as `total`; unique in the instrument.
	Code string `json:"code"`
	// Kind is how it is computed.
	Kind string `json:"kind"`
	// Items that it uses, by number; Of the score codes that it is made of: of a table exactly one.
	Items []int    `json:"items,omitempty"`
	Of    []string `json:"of,omitempty"`
	// Offset is added to what the kind gives, Factor multiplies the sum, and Divisor divides it; a Factor or Divisor
	// of 0 means 1. A mean with offset -1 and factor 25 turns ordinals of 1 to 5 into 0 to 100.
	Offset  float64 `json:"offset,omitempty"`
	Factor  float64 `json:"factor,omitempty"`
	Divisor float64 `json:"divisor,omitempty"`
	// Table of a score of kind table, Linear the model of one of kind linear.
	Table  *Table  `json:"table,omitempty"`
	Linear *Linear `json:"linear,omitempty"`
	// Gate lets the items count only after a certain answer to another item.
	Gate *Gate `json:"gate,omitempty"`
	// Min and Max possible value. Step is the grid of its bands; 0 means 1.
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Step float64 `json:"step,omitempty"`
	// Accepts is the range of values that may arrive ready-made, where other forms on the same metric reach beyond Min and
	// Max; absent when none do. Beyond its ends the first and the last band go on.
	Accepts *Range `json:"accepts,omitempty"`
	// Direction: higher-better or higher-worse; empty, in a definition made of a form, when nobody said.
	Direction string `json:"direction"`
	// Codes under which it arrives ready-made or is published, as `system|code`; our own one is not listed.
	Codes []Coded `json:"codes,omitempty"`
	// Missing says what happens when items are unanswered; absent for a score made of others.
	Missing *Missing `json:"missing,omitempty"`
	// Bands, where validated ones exist, and Alternatives that a clinic may choose instead.
	Bands        *Bands  `json:"bands,omitempty"`
	Alternatives []Bands `json:"alternatives,omitempty"`
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

// Table converts every possible value of another score, one row each.
type Table struct {
	// Name and version of the table, such as `HealthMeasures PROMIS depression 4a`; it is kept with each score.
	Name string `json:"name"`
	// Rows of raw value, converted value and, where known, its standard error, the lowest raw value first.
	Rows     [][]float64 `json:"rows"`
	Evidence Evidence    `json:"evidence"`
}

// Linear is a model: Intercept plus the sum of coefficient times the value of each item.
type Linear struct {
	// Name and version of the model; it is kept with each score.
	Name      string  `json:"name"`
	Intercept float64 `json:"intercept"`
	// Coefficients in the order of Score.Items.
	Coefficients []float64 `json:"coefficients"`
	Evidence     Evidence  `json:"evidence"`
}

// Range of values, both ends included.
type Range struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Gate is a question that decides whether the rest counts: unanswered it voids the score, answered otherwise than Open
// it makes it Else, whatever the items say.
type Gate struct {
	// Item number of the question.
	Item int `json:"item"`
	// Open is the ordinal that lets the items count, Else the value of the score otherwise.
	Open     float64  `json:"open"`
	Else     float64  `json:"else"`
	Evidence Evidence `json:"evidence"`
}

// Opens says whether an answer to the question, its printed ordinal, lets the items count.
func (g *Gate) Opens(ordinal float64) bool { return math.Abs(ordinal-g.Open) <= Tolerance }

// Missing is the rule for unanswered items.
type Missing struct {
	// Rule is all, prorate, slots or zero; Answered is the smallest number of answered items that all but the first need.
	Rule     string `json:"rule"`
	Answered int    `json:"answered,omitempty"`
	// Round is half-up when a prorated value becomes a whole number; empty when decimals are kept.
	Round    string   `json:"round,omitempty"`
	Evidence Evidence `json:"evidence"`

	text string
}

// String is the rule in a few words, such as `prorate 7 of 9, half-up`; empty for a score made of others.
func (m *Missing) String() string {
	if m == nil {
		return ""
	}
	return m.text
}

// Bands divide the whole range of a score, by a list or by rules.
type Bands struct {
	// Name of a set among Alternatives; empty for the one that is used.
	Name string `json:"name,omitempty"`
	// List, lowest first, without holes.
	List []Band `json:"list,omitempty"`
	// Rules, of which the first that holds gives the band: for bands that look at another score too. They stand in the
	// order of the bands, lowest first.
	Rules []BandRule `json:"rules,omitempty"`
	// Levels place the bands of an alternative on the ladder, where the score speaks for a part of the distress profile;
	// those of the set in use stand in Score.Distress.
	Levels   map[string]string `json:"levels,omitempty"`
	Evidence Evidence          `json:"evidence"`
}

// BandRule gives a band where all its conditions hold; the last rule of a set has none and takes the rest.
type BandRule struct {
	Code string      `json:"code"`
	When []Condition `json:"when,omitempty"`
}

// Condition compares a score, or a count of a decision, with a number.
type Condition struct {
	// Score or Count by its code.
	Score string `json:"score,omitempty"`
	Count string `json:"count,omitempty"`
	// Is `>=` or `<=`; Value is what it is compared with.
	Is    string  `json:"is"`
	Value float64 `json:"value"`
}

// Holds says whether x meets the condition.
func (c *Condition) Holds(x float64) bool {
	if c.Is == "<=" {
		return x <= c.Value+Tolerance
	}
	return x >= c.Value-Tolerance
}

// Decision is a conclusion by counting answers, such as the algorithm of a diagnostic manual: a word, not a number.
// It needs an answer to every item that it counts.
type Decision struct {
	// Code in kebab case; unique among decisions and scores.
	Code string `json:"code"`
	// Text says for people what it decides; it is never called a diagnosis.
	Text string `json:"text"`
	// Counts by code.
	Counts []Count `json:"counts"`
	// Rules, of which the first whose conditions all hold gives the result; the last has none.
	Rules    []BandRule `json:"rules"`
	Evidence Evidence   `json:"evidence"`
}

// MaxCounts is the most counts that one decision has.
const MaxCounts = 8

// Count is how many items are answered at or above a threshold.
type Count struct {
	Code string `json:"code"`
	// At holds the thresholds, each for some items.
	At []Threshold `json:"at"`
}

// Threshold of some items: each of them counts when its value, as it enters the scores, is at least From.
type Threshold struct {
	Items []int   `json:"items"`
	From  float64 `json:"from"`
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
	// Cutoff between the range of patients and that of healthy people.
	Cutoff *Cutoff `json:"cutoff,omitempty"`
	// Others found in the literature, not used.
	Others string `json:"others,omitempty"`
}

// Cutoff c of Jacobson and Truax: (SD norm x M clinical + SD clinical x M norm) / (SD norm + SD clinical).
type Cutoff struct {
	// Clinical and Norm are the two populations.
	Clinical Distribution `json:"clinical"`
	Norm     Distribution `json:"norm"`
	Evidence Evidence     `json:"evidence"`
}

// Distribution of a score in a population.
type Distribution struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// At is the value that divides the two ranges.
func (c *Cutoff) At() float64 {
	return (c.Norm.SD*c.Clinical.Mean + c.Clinical.SD*c.Norm.Mean) / (c.Norm.SD + c.Clinical.SD)
}

// Reliable is the error band of a difference: from SD and r, from SEM, as published, or from the two standard errors.
type Reliable struct {
	// Level: RC95 and MDC95 (1.96), MDC90 (1.645), MDC where the source does not state it, RCI for a published index, or
	// SE where each value has a standard error of its own: then a difference is reliable beyond 1.96 x sqrt(SE1^2 + SE2^2).
	Level string `json:"level"`
	// SD and R (with its kind: alpha, retest, or unstated), or SEM, or Points.
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
	// Points of the score; Percent of the first value, where that is published too, for people to read.
	Points  float64 `json:"points"`
	Percent float64 `json:"percent,omitempty"`
	// Population and N it was found in.
	Population string   `json:"population,omitempty"`
	N          int      `json:"n,omitempty"`
	Evidence   Evidence `json:"evidence"`
}

// LevelSE is the level of a change that is reliable by the standard errors of its two values.
const LevelSE = "SE"

// Distress places the bands of a score on the common ladder of the distress profile.
type Distress struct {
	// Part of the profile: depression, anxiety, catastrophizing, fear-of-movement, low-self-efficacy, sleep or general.
	Part string `json:"part"`
	// Levels by band code: none, mild, moderate or severe.
	Levels   map[string]string `json:"levels"`
	Evidence Evidence          `json:"evidence"`
}

// Rescale what the kind gives onto the scale of the score: plus Offset, times Factor, by Divisor.
func (s *Score) Rescale(x float64) float64 { return (x + s.Offset) * s.factor() / s.divisor() }

// Takes says whether a value may be one of this score, as computed or as it arrives ready-made.
func (s *Score) Takes(value float64) bool {
	low, high := s.Reach()
	return value >= low-Tolerance && value <= high+Tolerance
}

// Reach is the lowest and the highest value that the score takes when it arrives ready-made.
func (s *Score) Reach() (low, high float64) {
	if s.Accepts == nil {
		return s.Min, s.Max
	}
	return s.Accepts.From, s.Accepts.To
}

// HigherBetter is the direction of the score.
func (s *Score) HigherBetter() bool { return s.Direction == "higher-better" }

// is says whether the score is nothing but the answer to one item.
func (s *Score) is(item int) bool {
	return s.Kind == KindSum && len(s.Items) == 1 && s.Items[0] == item && s.Rescale(1) == 1 && s.Rescale(0) == 0
}

// Parts are the places, in Definition.Scores, of the scores that this one is made of.
func (s *Score) Parts() []int { return s.of }

// Unconfirmed says that the key or the bands are not confirmed; the missing rule is asked separately.
func (s *Score) Unconfirmed() bool { return s.unconfirmed }

// Required is how many items must be answered.
func (s *Score) Required() int {
	if s.Missing != nil && s.Missing.Rule != MissingNone {
		return s.Missing.Answered
	}
	return len(s.Items)
}

// Band of a value; empty when the score has none. A value between two steps is rounded half up first. Other gives the
// value of another score of the same sheet, false when it has none; it may be nil where no other score is known, and
// then a band by rules that need one is empty.
func (s *Score) Band(value float64, other func(code string) (float64, bool)) string {
	if s.Bands == nil {
		return ""
	}
	step := s.step()
	grid := math.Floor(value/step+0.5+Tolerance) * step
	if len(s.Bands.Rules) > 0 {
		return s.ruled(grid, other)
	}
	grid = min(max(grid, s.Min), s.Max)
	for i := range s.Bands.List {
		if b := &s.Bands.List[i]; grid >= b.From-step/4 && grid <= b.To+step/4 {
			return b.Code
		}
	}
	return ""
}

func (s *Score) ruled(grid float64, other func(string) (float64, bool)) string {
	return FirstRule(s.Bands.Rules, func(c *Condition) (float64, bool) {
		if c.Score == s.Code {
			return grid, true
		}
		if other == nil {
			return 0, false
		}
		return other(c.Score)
	})
}

// FirstRule is the code of the first rule whose conditions all hold; empty when one must be asked whose value is not
// known. Value gives what a condition compares.
func FirstRule(rules []BandRule, value func(*Condition) (float64, bool)) string {
	for i := range rules {
		holds := true
		for j := range rules[i].When {
			c := &rules[i].When[j]
			x, known := value(c)
			if !known {
				return ""
			}
			holds = holds && c.Holds(x)
		}
		if holds {
			return rules[i].Code
		}
	}
	return ""
}

// Choose puts one of the alternative sets of bands in place of the one in use, with its levels on the ladder; false
// when the score has none of this name. It changes the score, so it is for a copy that is still to be checked.
func (s *Score) Choose(name string) bool {
	i := slices.IndexFunc(s.Alternatives, func(b Bands) bool { return b.Name == name })
	if i < 0 {
		return false
	}
	chosen := s.Alternatives[i]
	if s.Distress != nil {
		s.Distress = &Distress{Part: s.Distress.Part, Levels: chosen.Levels, Evidence: s.Distress.Evidence}
	}
	chosen.Name, chosen.Levels = "", nil
	s.Bands = &chosen
	return true
}

// Codes of all bands, in order.
func (b *Bands) Codes() []string {
	var codes []string
	for i := range b.List {
		codes = append(codes, b.List[i].Code)
	}
	for i := range b.Rules {
		codes = append(codes, b.Rules[i].Code)
	}
	return codes
}

// Place of a band, from 1 for the lowest; 0 when there is no such band.
func (b *Bands) Place(code string) int {
	if b == nil || code == "" {
		return 0
	}
	for i := range b.List {
		if b.List[i].Code == code {
			return i + 1
		}
	}
	for i := range b.Rules {
		if b.Rules[i].Code == code {
			return i + 1
		}
	}
	return 0
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

// ReliableChange is the smallest difference beyond measurement error, in points; nil when no statistic is known, and
// where it depends on the standard errors of the two values (BySE).
func (s *Score) ReliableChange() *float64 {
	if s.Change == nil || s.Change.Reliable == nil || s.BySE() {
		return nil
	}
	points := s.Change.Reliable.points()
	return &points
}

// BySE says that a change is reliable by the standard errors of the two values.
func (s *Score) BySE() bool {
	return s.Change != nil && s.Change.Reliable != nil && s.Change.Reliable.Level == LevelSE
}

// ImportantChange is the smallest difference that matters to patients, in points; nil when no statistic is known.
func (s *Score) ImportantChange() *float64 {
	if s.Change == nil || s.Change.Important == nil {
		return nil
	}
	points := s.Change.Important.Points
	return &points
}

// ErrorOfMeasurement is the SEM of the score, in points; nil when the error band was published as such, and where every
// value has a standard error of its own.
func (s *Score) ErrorOfMeasurement() *float64 {
	if s.Change == nil || s.Change.Reliable == nil {
		return nil
	}
	if sem := s.Change.Reliable.sem(); sem != 0 {
		return &sem
	}
	return nil
}

// ErrorAt is the standard error of a value of the score, found in its conversion table to three decimals; nil when the
// table has no such value or no errors.
func (s *Score) ErrorAt(value float64) *float64 {
	if s.Table == nil {
		return nil
	}
	for _, row := range s.Table.Rows {
		if len(row) > 2 && math.Abs(s.Rescale(row[1])-value) <= published {
			return &row[2]
		}
	}
	return nil
}

// published is how far a value that was published with three decimals may lie from ours.
const published = 0.0005 + Tolerance

// points follow Jacobson and Truax: level x sqrt(2) x SEM.
func (r *Reliable) points() float64 {
	if r.Points != 0 {
		return r.Points
	}
	return r.quantile() * math.Sqrt2 * r.sem()
}

// sem is SD x sqrt(1 - r) where it is not given; 0 when not known.
func (r *Reliable) sem() float64 {
	if r.SD != 0 {
		return r.SD * math.Sqrt(1-r.R)
	}
	return r.SEM
}

func (r *Reliable) quantile() float64 {
	if r.Level == "MDC90" {
		return 1.645
	}
	return 1.96
}
