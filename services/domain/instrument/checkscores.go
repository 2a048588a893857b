package instrument

import (
	"math"
	"slices"
)

// scores checks every score, and that every item is used by one or marked unscored.
func (c *checker) scores() {
	if len(c.Scores) == 0 {
		c.say("scores", "there is none")
	}
	used := make([]bool, len(c.Items))
	for i := range c.Scores {
		s, place := &c.Scores[i], at("scores", i)
		if !kebab.MatchString(s.Code) {
			c.say(place, "code must be in kebab case")
		}
		if slices.ContainsFunc(c.Scores[:i], func(o Score) bool { return o.Code == s.Code }) {
			c.say(place, "two scores share the code %s", s.Code)
		}
		directions := []string{"higher-better", "higher-worse"}
		if s.Kind == KindFormula || c.Foreign {
			directions = append(directions, "")
		}
		c.oneOf(place+".direction", s.Direction, directions)
		for j := range s.Codes {
			c.code(at(place+".codes", j), s.Codes[j].Code)
			c.ownCode(at(place+".codes", j), s.Codes[j].Code)
		}
		c.key(place, s, i, used)
		if s.Accepts != nil && (s.Accepts.From > s.Min || s.Accepts.To < s.Max) {
			c.say(place+".accepts", "must hold the whole range, %v to %v", s.Min, s.Max)
		}
		c.bands(place, s, i)
		c.cuts(place, s)
		c.change(place, s)
		c.distress(place, s, i)
	}
	c.decisions(used)
	for i := range c.Items {
		if used[i] == c.Items[i].Unscored {
			c.say(at("items", i), "%s", usage(used[i]))
		}
	}
}

func usage(used bool) string {
	if used {
		return "is marked unscored, but a score uses it"
	}
	return "no score uses it: mark it unscored if that is meant"
}

// ownCode refuses the code of another instrument, which packs found in the wild do carry.
func (c *checker) ownCode(place, code string) {
	if owner, ok := reserved[code]; ok && owner != c.ID {
		c.say(place, "%s is the code of %s", code, owner)
	}
}

// key checks what the score is made of, its missing rule, and that the range is what the key can give.
func (c *checker) key(place string, s *Score, index int, used []bool) {
	if s.Divisor < 0 {
		c.say(place, "divisor must be above 0")
	}
	if (s.Kind == KindTable) != (s.Table != nil) || (s.Kind == KindLinear) != (s.Linear != nil) {
		c.say(place, "a table and a linear model belong to the kinds of these names, and to no other")
		return
	}
	low, high, ok := 0.0, 0.0, false
	switch s.Kind {
	case KindSum, KindMean, KindPercent, KindLinear:
		low, high, ok = c.itemRange(place, s, used)
		c.missing(place, s)
	case KindScores:
		low, high, ok = c.scoreRange(place, s, index)
	case KindTable:
		low, high, ok = c.tableRange(place, s, index)
	case KindFormula:
		c.formula(place, s, used)
		return
	default:
		c.oneOf(place+".kind", s.Kind, []string{KindSum, KindMean, KindPercent, KindScores, KindTable, KindLinear})
	}
	if !ok {
		return
	}
	low, high = s.Rescale(low), s.Rescale(high)
	low, high = min(low, high), max(low, high)
	low, high = c.gate(place, s, low, high, used)
	if math.Abs(low-s.Min) > Tolerance || math.Abs(high-s.Max) > Tolerance {
		c.say(place, "the key gives %v to %v, the range says %v to %v", clean(low), clean(high), s.Min, s.Max)
	}
}

// itemRange is what the kind can give, before it is rescaled.
func (c *checker) itemRange(place string, s *Score, used []bool) (low, high float64, ok bool) {
	if len(s.Items) == 0 || len(s.Of) > 0 {
		c.say(place, "a %s needs items and nothing else", s.Kind)
		return 0, 0, false
	}
	if s.Linear != nil && len(s.Linear.Coefficients) != len(s.Items) {
		c.say(place+".linear", "needs one coefficient for each of the %d items", len(s.Items))
		return 0, 0, false
	}
	for j, number := range s.Items {
		item := c.Item(number)
		if item == nil || item.scale == nil {
			c.say(at(place+".items", j), "there is no item %d", number)
			return 0, 0, false
		}
		if slices.Contains(s.Items[:j], number) {
			c.say(at(place+".items", j), "item %d is used twice", number)
		}
		used[number-1] = true
		l, h := item.Bounds()
		if s.Kind == KindPercent && h-l < Tolerance {
			c.say(at(place+".items", j), "item %d has one answer only: there is nothing to reach", number)
		}
		if s.Linear != nil {
			l, h = l*s.Linear.Coefficients[j], h*s.Linear.Coefficients[j]
		}
		low, high = low+min(l, h), high+max(l, h)
	}
	switch s.Kind {
	case KindMean:
		return low / float64(len(s.Items)), high / float64(len(s.Items)), true
	case KindPercent:
		return 0, 100, true
	case KindLinear:
		return low + s.Linear.Intercept, high + s.Linear.Intercept, true
	default:
		return low, high, true
	}
}

func (c *checker) scoreRange(place string, s *Score, index int) (low, high float64, ok bool) {
	if !c.of(place, s, index) {
		return 0, 0, false
	}
	for _, part := range s.of {
		low, high = low+c.Scores[part].Min, high+c.Scores[part].Max
	}
	return low, high, true
}

// of finds the scores that this one is made of.
func (c *checker) of(place string, s *Score, index int) bool {
	if len(s.Of) == 0 || len(s.Items) > 0 || s.Missing != nil {
		c.say(place, "a score made of scores needs `of`, and neither items nor a missing rule")
		return false
	}
	s.of = nil
	for j, code := range s.Of {
		part := slices.IndexFunc(c.Scores[:index], func(o Score) bool { return o.Code == code })
		if part < 0 {
			c.say(at(place+".of", j), "no score %s stands before this one", code)
			return false
		}
		s.of = append(s.of, part)
	}
	return true
}

// maxRows of a table.
const maxRows = 10_000

// tableRange checks that a table has one row for every value of the score that it converts.
func (c *checker) tableRange(place string, s *Score, index int) (low, high float64, ok bool) {
	if !c.of(place, s, index) {
		return 0, 0, false
	}
	if len(s.of) != 1 {
		c.say(place+".of", "a table converts one score")
		return 0, 0, false
	}
	raw, rows := &c.Scores[s.of[0]], s.Table.Rows
	place += ".table"
	if s.Table.Name == "" {
		c.say(place, "needs a name")
	}
	if len(rows) == 0 || len(rows) > maxRows {
		c.say(place, "needs 1 to %d rows", maxRows)
		return 0, 0, false
	}
	low, high = math.Inf(1), math.Inf(-1)
	next := raw.Min
	for i, row := range rows {
		here := at(place+".rows", i)
		switch {
		case len(row) < 2 || len(row) > 3 || len(row) != len(rows[0]):
			c.say(here, "must be raw value, converted value and, in every row or in none, the standard error")
			return 0, 0, false
		case row[0] > next+Tolerance:
			c.say(here, "leaves a hole: %s has the value %v, which stands in no row", raw.Code, clean(next))
			return 0, 0, false
		case row[0] < next-Tolerance:
			c.say(here, "comes again or too early: expected a row for %v", clean(next))
			return 0, 0, false
		case len(row) == 3 && row[2] <= 0:
			c.say(here, "the standard error must be above 0")
		}
		low, high = min(low, row[1]), max(high, row[1])
		next += raw.step()
	}
	if last := next - raw.step(); math.Abs(last-raw.Max) > Tolerance {
		c.say(place, "ends at %v, but %s reaches %v", clean(last), raw.Code, raw.Max)
		return 0, 0, false
	}
	return low, high, true
}

// formula scores come from a form alone, which says what it depends on.
func (c *checker) formula(place string, s *Score, used []bool) {
	if !c.Foreign {
		c.say(place+".kind", "a formula stands in a Questionnaire, not in a pack")
	}
	for j, number := range s.Items {
		if c.Item(number) == nil {
			c.say(at(place+".items", j), "there is no item %d", number)
			continue
		}
		used[number-1] = true
	}
}

// gate checks the question that lets the items count, and widens the range by its other value.
func (c *checker) gate(place string, s *Score, low, high float64, used []bool) (float64, float64) {
	g := s.Gate
	if g == nil {
		return low, high
	}
	place += ".gate"
	item := c.Item(g.Item)
	if item == nil || item.scale == nil {
		c.say(place+".item", "there is no item %d", g.Item)
		return low, high
	}
	if len(s.Items) == 0 || slices.Contains(s.Items, g.Item) {
		c.say(place+".item", "the gate stands before the items of the score and is none of them")
	}
	if _, ok := item.scale.Ordinal(g.Open); !ok {
		c.say(place+".open", "is no answer to item %d", g.Item)
	}
	used[g.Item-1] = true
	return min(low, g.Else), max(high, g.Else)
}

func (s *Score) divisor() float64 {
	if s.Divisor == 0 {
		return 1
	}
	return s.Divisor
}

func (s *Score) factor() float64 {
	if s.Factor == 0 {
		return 1
	}
	return s.Factor
}

func (c *checker) missing(place string, s *Score) {
	m := s.Missing
	if m == nil {
		c.say(place, "needs a missing rule")
		return
	}
	place += ".missing"
	switch m.Rule {
	case MissingNone:
		if m.Answered != 0 || m.Round != "" {
			c.say(place, "the rule `all` takes neither answered nor round")
		}
	case MissingProrate, MissingSlots, MissingZero:
		if m.Answered < 1 || m.Answered >= len(s.Items) {
			c.say(place, "answered must be at least 1 and below the number of items")
		}
		c.oneOf(place+".round", m.Round, []string{"", "half-up"})
		if m.Round != "" && m.Rule != MissingProrate {
			c.say(place, "only a prorated score is rounded")
		}
	default:
		c.oneOf(place+".rule", m.Rule, []string{MissingNone, MissingProrate, MissingSlots, MissingZero})
	}
	if s.Kind == KindLinear && m.Rule != MissingNone {
		c.say(place, "a linear model needs every item")
	}
	if m.Rule == MissingSlots && s.Kind != KindMean {
		c.say(place, "slots are averaged: the kind must be mean")
	}
	if m.Rule == MissingZero && s.Kind != KindSum {
		c.say(place, "blanks that count as 0 are summed: the kind must be sum")
	}
}

// bands checks the set that is used, and those that may be chosen instead.
func (c *checker) bands(place string, s *Score, index int) {
	if s.Bands != nil {
		if s.Bands.Name != "" || s.Bands.Levels != nil {
			c.say(place+".bands", "only alternatives have a name, and levels of their own")
		}
		c.bandSet(place+".bands", s, s.Bands, index)
	}
	for i := range s.Alternatives {
		here := at(place+".alternatives", i)
		b := &s.Alternatives[i]
		same := func(o Bands) bool { return o.Name == b.Name }
		if !kebab.MatchString(b.Name) || slices.ContainsFunc(s.Alternatives[:i], same) {
			c.say(here, "needs a name of its own in kebab case, by which it is chosen")
		}
		if s.Bands == nil {
			c.say(here, "there are no bands to which it is an alternative")
		}
		c.bandSet(here, s, b, index)
		switch {
		case s.Distress != nil:
			c.levels(here+".levels", b.Codes(), b.Levels)
		case b.Levels != nil:
			c.say(here+".levels", "the score speaks for no part of the distress profile")
		}
	}
}

// bandSet must cover the range once: as a list without hole or overlap, or by rules of which the last takes the rest.
func (c *checker) bandSet(place string, s *Score, b *Bands, index int) {
	switch {
	case (len(b.List) == 0) == (len(b.Rules) == 0):
		c.say(place, "needs a list of bands, or rules")
	case s.step() <= 0:
		c.say(place, "needs a step above 0")
	case len(b.Rules) > 0:
		c.rules(place+".rules", b.Rules, func(w *Condition) string {
			known := w.Score == s.Code || slices.ContainsFunc(c.Scores[:index], func(o Score) bool { return o.Code == w.Score })
			if !known || w.Count != "" {
				return "must name this score, or one that stands before it"
			}
			return ""
		})
	default:
		c.bandList(place, s, b.List)
	}
}

func (c *checker) rules(place string, rules []BandRule, wrong func(*Condition) string) {
	codes := map[string]bool{}
	for i := range rules {
		here := at(place, i)
		if rules[i].Code == "" || codes[rules[i].Code] {
			c.say(here, "needs a code of its own")
		}
		codes[rules[i].Code] = true
		if last := i == len(rules)-1; last != (len(rules[i].When) == 0) {
			c.say(here, "each rule but the last has conditions, and the last has none")
		}
		for j := range rules[i].When {
			w := &rules[i].When[j]
			c.oneOf(at(here+".when", j)+".is", w.Is, []string{">=", "<="})
			if text := wrong(w); text != "" {
				c.say(at(here+".when", j), "%s", text)
			}
		}
	}
}

func (c *checker) bandList(place string, s *Score, list []Band) {
	next := s.Min
	codes := map[string]bool{}
	for i, b := range list {
		here := at(place+".list", i)
		switch {
		case b.Code == "" || codes[b.Code]:
			c.say(here, "needs a code of its own")
		case b.To < b.From-Tolerance:
			c.say(here, "ends before it begins")
		case b.From < next-Tolerance:
			c.say(here, "overlaps: begins at %v, expected %v", b.From, clean(next))
		case b.From > next+Tolerance:
			c.say(here, "leaves a hole: begins at %v, expected %v", b.From, clean(next))
		}
		codes[b.Code] = true
		next = b.To + s.step()
	}
	if last := next - s.step(); math.Abs(last-s.Max) > Tolerance {
		c.say(place, "end at %v, the range at %v", clean(last), s.Max)
	}
}

func (c *checker) cuts(place string, s *Score) {
	for i, cut := range s.Cuts {
		if cut.At < s.Min || cut.At > s.Max {
			c.say(at(place+".cuts", i), "lies outside the range")
		}
	}
}

func (c *checker) change(place string, s *Score) {
	if s.Change == nil {
		return
	}
	if s.Direction == "" {
		c.say(place+".change", "needs a direction: nobody says which way is better")
	}
	if r := s.Change.Reliable; r != nil {
		c.reliable(place+".change.reliable", r)
	}
	if important := s.Change.Important; important != nil && (important.Points <= 0 || important.Percent < 0) {
		c.say(place+".change.important", "points must be above 0")
	}
	if cut := s.Change.Cutoff; cut != nil && (cut.Clinical.SD <= 0 || cut.Norm.SD <= 0 || cut.At() < s.Min || cut.At() > s.Max) {
		c.say(place+".change.cutoff", "needs two standard deviations above 0, and must lie in the range")
	}
	if s.BySE() && (s.Table == nil || len(s.Table.Rows) == 0 || len(s.Table.Rows[0]) != 3) {
		c.say(place+".change.reliable", "the level SE needs a table with a standard error in each row")
	}
}

var rKinds = []string{"alpha", "retest", "unstated"}

func (c *checker) reliable(place string, r *Reliable) {
	c.oneOf(place+".level", r.Level, []string{"RC95", "MDC95", "MDC90", "MDC", "RCI", LevelSE})
	if r.Level == LevelSE {
		if r.SD != 0 || r.SEM != 0 || r.Points != 0 {
			c.say(place, "the level SE takes its numbers from the table")
		}
		return
	}
	bases := 0
	for _, given := range []bool{r.SD != 0, r.SEM != 0, r.Points != 0} {
		if given {
			bases++
		}
	}
	switch {
	case bases != 1:
		c.say(place, "needs exactly one of sd with r, sem, or points")
	case r.SD != 0 && (r.R <= 0 || r.R >= 1 || !slices.Contains(rKinds, r.RKind)):
		c.say(place, "sd needs r between 0 and 1, and rKind alpha, retest or unstated")
	case r.points() <= 0:
		c.say(place, "must come to more than 0 points")
	}
}

func (c *checker) distress(place string, s *Score, index int) {
	if s.Distress == nil {
		return
	}
	place += ".distress"
	c.oneOf(place+".part", s.Distress.Part, parts)
	if slices.ContainsFunc(c.Scores[:index], func(o Score) bool { return o.Part() == s.Distress.Part }) {
		c.say(place+".part", "two scores speak for %s", s.Distress.Part)
	}
	if s.Bands == nil {
		c.say(place, "a score without bands has no place on the ladder")
		return
	}
	c.levels(place+".levels", s.Bands.Codes(), s.Distress.Levels)
}

// levels must place every band on the ladder.
func (c *checker) levels(place string, codes []string, given map[string]string) {
	for _, code := range codes {
		c.oneOf(place+"."+code, given[code], levels)
	}
	if len(given) != len(codes) {
		c.say(place, "must name each band once")
	}
}
