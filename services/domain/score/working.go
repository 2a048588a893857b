package score

import (
	"fmt"
	"math"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Working is how one score came about, for people to follow by hand.
type Working struct {
	// Score code, or that of a decision.
	Score string
	// Formula in words, such as `sum of items 1-9`.
	Formula string
	// Steps in order, each with its numbers.
	Steps []string
	// RestsOn are the facts that were used, with their evidence.
	RestsOn []Backing
}

// Backing is a fact of an instrument with its evidence.
type Backing struct {
	// Fact in words, such as `missing rule`.
	Fact     string
	Evidence instrument.Evidence
}

// Workings of all scores and then of all decisions, in the instrument's own order.
func (s *Sheet) Workings() []Working {
	all := make([]Working, 0, len(s.Scores)+len(s.Decisions))
	for i := range s.Scores {
		w := worker{Sheet: s, Result: &s.Scores[i]}
		w.Score, w.Formula = w.Key.Code, w.Key.Words()
		w.steps()
		w.backings()
		all = append(all, w.Working)
	}
	for i := range s.Decisions {
		all = append(all, s.decided(&s.Decisions[i]))
	}
	return all
}

// decided is how a decision came about.
func (s *Sheet) decided(c *Concluded) Working {
	w := Working{Score: c.Key.Code, Formula: c.Key.Text, RestsOn: []Backing{{"decision", c.Key.Evidence}}}
	if c.NotScorable != "" {
		w.Steps = []string{"cannot be said: " + c.NotScorable}
		return w
	}
	for i := range c.Key.Counts {
		count := &c.Key.Counts[i]
		n := 0
		for _, at := range count.At {
			for _, number := range at.Items {
				if s.Items[number-1].Used >= at.From-instrument.Tolerance {
					n++
				}
			}
		}
		w.Steps = append(w.Steps, fmt.Sprintf("%s, %s: %d", count.Code, count.Words(), n))
	}
	for i := range c.Key.Rules {
		if rule := &c.Key.Rules[i]; rule.Code == c.Result {
			w.Steps = append(w.Steps, c.Result+": "+rule.Words())
			break
		}
	}
	return w
}

// worker writes one working.
type worker struct {
	*Sheet
	*Result
	Working
}

func (w *worker) step(format string, args ...any) {
	w.Steps = append(w.Steps, fmt.Sprintf(format, args...))
}

func (w *worker) back(fact string, e instrument.Evidence) {
	w.RestsOn = append(w.RestsOn, Backing{fact, e})
}

func (w *worker) steps() {
	switch w.Key.Kind {
	case instrument.KindScores:
		w.ofParts()
	case instrument.KindTable:
		w.lookedUp()
	case instrument.KindFormula:
		w.answers()
	default:
		if !w.gated() {
			w.answers()
			w.arithmetic()
		}
	}
	if !w.Scorable() {
		w.step("not scorable: %s", w.NotScorable)
		return
	}
	if w.Key.Bands != nil && w.Band != "" {
		w.step("%s is in the band %s%s", instrument.Decimal(w.Value), w.Band, w.span())
	}
}

// gated says whether a gate is closed, or not answered, so that the items do not count.
func (w *worker) gated() bool {
	gate := w.Key.Gate
	if gate == nil {
		return false
	}
	item := &w.Items[gate.Item-1]
	switch {
	case !item.Answered:
		w.step("item %d, the gate, is unanswered", gate.Item)
		return true
	case math.Abs(item.Answer-gate.Open) > instrument.Tolerance:
		w.step("item %d, the gate, is answered %s: %s", gate.Item, instrument.Decimal(item.Answer), instrument.Decimal(gate.Else))
		return true
	}
	w.step("item %d, the gate, is answered %s: the others count", gate.Item, instrument.Decimal(item.Answer))
	return false
}

// answers are what was answered, what it counts as, and what was left out.
func (w *worker) answers() {
	var given []string
	var unanswered []int
	for _, number := range w.Key.Items {
		item := &w.Items[number-1]
		if !item.Answered {
			unanswered = append(unanswered, number)
			continue
		}
		given = append(given, fmt.Sprintf("%d: %s", number, w.counted(item)))
	}
	if len(given) > 0 {
		w.step("answers %s", strings.Join(given, ", "))
	}
	switch rule := w.Key.Missing.Words(len(w.Key.Items)); {
	case len(unanswered) == 0:
	case rule == "":
		w.step("unanswered %s", instrument.Numbers(unanswered))
	default:
		w.step("unanswered %s; %s", instrument.Numbers(unanswered), rule)
	}
}

// counted is an answer, with how it was recoded and reversed.
func (w *worker) counted(item *Item) string {
	key := &w.Definition.Items[item.Number-1]
	text := instrument.Decimal(item.Answer)
	if len(key.Recode) > 0 {
		text += " counts " + instrument.Decimal(key.Recoded(item.Answer))
	}
	if key.Reverse != nil {
		text += fmt.Sprintf(" reversed %s (%s - x)", instrument.Decimal(item.Used), instrument.Decimal(*key.Reverse))
	}
	return text
}

// arithmetic of a score made of items.
func (w *worker) arithmetic() {
	if !w.Scorable() {
		return
	}
	key := w.Key
	sum, answered := w.add(key)
	if key.Linear != nil {
		w.step("%s%s = %s", instrument.Decimal(key.Linear.Intercept), w.terms(), instrument.Decimal(key.Linear.Intercept+sum))
	} else if answered > 1 {
		w.step("%s = %s", strings.TrimPrefix(w.terms(), " + "), instrument.Decimal(sum))
	}
	put := w.combine(key, sum, answered)
	switch {
	case key.Kind == instrument.KindMean && answered > 1:
		w.step("%s / %d = %s", instrument.Decimal(sum), answered, instrument.Decimal(put))
	case key.Kind == instrument.KindPercent:
		low, high := w.reach(key)
		w.step("(%s - %s) / (%s - %s) x 100 = %s", instrument.Decimal(sum), instrument.Decimal(low), instrument.Decimal(high), instrument.Decimal(low), instrument.Decimal(put))
	case key.Linear == nil && math.Abs(put-sum) > instrument.Tolerance:
		w.step("%s x %d / %d = %s", instrument.Decimal(sum), len(key.Items), answered, instrument.Decimal(put))
	}
	w.rescaled(put)
	if w.Prorated && key.Missing.Round != "" {
		w.step("rounded half up: %s", instrument.Decimal(w.Value))
	}
}

// terms are the used values, each with its coefficient where the key is a model.
func (w *worker) terms() string {
	var b strings.Builder
	for place, number := range w.Key.Items {
		item := &w.Items[number-1]
		if !item.Answered {
			continue
		}
		b.WriteString(" + ")
		if w.Key.Linear != nil {
			b.WriteString(instrument.Decimal(w.Key.Linear.Coefficients[place]) + " x ")
		}
		b.WriteString(instrument.Decimal(item.Used))
	}
	return b.String()
}

// rescaled is the step onto the scale of the score, where there is one.
func (w *worker) rescaled(from float64) {
	if to := w.Key.Rescale(from); math.Abs(to-from) > instrument.Tolerance {
		w.step("%s = %s", w.Key.Scaled(instrument.Decimal(from)), instrument.Decimal(to))
	}
}

// ofParts adds other scores.
func (w *worker) ofParts() {
	var terms []string
	sum := 0.0
	for _, place := range w.Key.Parts() {
		part := &w.Scores[place]
		if !part.Scorable() {
			w.step("%s is not scorable: %s", part.Key.Code, part.NotScorable)
			continue
		}
		terms, sum = append(terms, part.Key.Code+" "+instrument.Decimal(part.Value)), sum+part.Value
	}
	if !w.Scorable() {
		return
	}
	if len(terms) == 1 {
		w.step("%s", terms[0])
	} else {
		w.step("%s = %s", strings.Join(terms, " + "), instrument.Decimal(sum))
	}
	w.rescaled(sum)
}

// lookedUp is the row of the table.
func (w *worker) lookedUp() {
	raw := &w.Scores[w.Key.Parts()[0]]
	if !raw.Scorable() {
		w.step("%s is not scorable: %s", raw.Key.Code, raw.NotScorable)
		return
	}
	if w.Row == nil {
		w.step("%s %s is in no row of %s", raw.Key.Code, instrument.Decimal(raw.Value), w.Key.Table.Name)
		return
	}
	text := fmt.Sprintf("%s %s is %s in %s", raw.Key.Code, instrument.Decimal(w.Row[0]), instrument.Decimal(w.Row[1]), w.Key.Table.Name)
	if se := w.SE(); se != nil {
		text += ", standard error " + instrument.Decimal(*se)
	}
	w.step("%s", text)
	w.rescaled(w.Row[1])
}

// span of the band that was reached, or the rule that gave it.
func (w *worker) span() string {
	for i := range w.Key.Bands.List {
		if b := &w.Key.Bands.List[i]; b.Code == w.Band {
			return fmt.Sprintf(", %s-%s", instrument.Decimal(b.From), instrument.Decimal(b.To))
		}
	}
	words := ""
	for i := range w.Key.Bands.Rules {
		r := &w.Key.Bands.Rules[i]
		switch {
		case r.Code != w.Band:
		case words != "":
			return "" // which of its rules held is not kept
		case len(r.When) == 0:
			words = ": none of the rules before it holds"
		default:
			words = ": " + r.Words()
		}
	}
	return words
}

func (w *worker) backings() {
	key, def := w.Key, w.Definition
	if len(key.Items) > 0 {
		w.back("items: order, codes and reversals", def.ItemEvidence)
	}
	w.back("key", key.Evidence)
	if def.Status == instrument.Provisional {
		w.back("instrument", "unconfirmed: provisional, its key or bands are not confirmed")
	}
	if key.Gate != nil {
		w.back("gate", key.Gate.Evidence)
	}
	if key.Linear != nil {
		w.back("model", key.Linear.Evidence)
	}
	if key.Table != nil {
		w.back("conversion table", key.Table.Evidence)
	}
	if key.Missing != nil && w.incomplete() {
		w.back("missing rule", key.Missing.Evidence)
	}
	if key.Bands != nil && w.Band != "" {
		w.back("bands", key.Bands.Evidence)
	}
}

// incomplete says whether an item of the score is unanswered.
func (w *worker) incomplete() bool {
	for _, number := range w.Key.Items {
		if !w.Items[number-1].Answered {
			return true
		}
	}
	return false
}
