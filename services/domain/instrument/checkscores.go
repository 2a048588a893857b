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
		c.oneOf(place+".direction", s.Direction, []string{"higher-better", "higher-worse"})
		for j := range s.Codes {
			c.code(at(place+".codes", j), s.Codes[j].Code)
			c.ownCode(at(place+".codes", j), s.Codes[j].Code)
		}
		c.key(place, s, i, used)
		c.bands(place, s)
		c.cuts(place, s)
		c.change(place, s)
		c.distress(place, s)
	}
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
	low, high, ok := 0.0, 0.0, false
	switch s.Kind {
	case KindSum, KindMean:
		low, high, ok = c.itemRange(place, s, used)
		c.missing(place, s)
	case KindScores:
		low, high, ok = c.scoreRange(place, s, index)
	default:
		c.oneOf(place+".kind", s.Kind, []string{KindSum, KindMean, KindScores})
	}
	if ok && (math.Abs(low-s.Min) > Tolerance || math.Abs(high-s.Max) > Tolerance) {
		c.say(place, "the key gives %v to %v, the range says %v to %v", low, high, s.Min, s.Max)
	}
}

func (c *checker) itemRange(place string, s *Score, used []bool) (low, high float64, ok bool) {
	if len(s.Items) == 0 || len(s.Of) > 0 {
		c.say(place, "a %s needs items and nothing else", s.Kind)
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
		// A checked reversal keeps the bounds: the lowest answer becomes the highest.
		l, h := item.scale.Bounds()
		low, high = low+l, high+h
	}
	divisor := s.divisor()
	if s.Kind == KindMean {
		divisor *= float64(len(s.Items))
	}
	return low / divisor, high / divisor, true
}

func (c *checker) scoreRange(place string, s *Score, index int) (low, high float64, ok bool) {
	if len(s.Of) == 0 || len(s.Items) > 0 || s.Missing != nil {
		c.say(place, "a score made of scores needs `of`, and neither items nor a missing rule")
		return 0, 0, false
	}
	s.of = nil
	for j, code := range s.Of {
		part := slices.IndexFunc(c.Scores[:index], func(o Score) bool { return o.Code == code })
		if part < 0 {
			c.say(at(place+".of", j), "no score %s stands before this one", code)
			return 0, 0, false
		}
		s.of = append(s.of, part)
		low, high = low+c.Scores[part].Min, high+c.Scores[part].Max
	}
	return low / s.divisor(), high / s.divisor(), true
}

func (s *Score) divisor() float64 {
	if s.Divisor == 0 {
		return 1
	}
	return s.Divisor
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
	case MissingProrate:
		if m.Answered < 1 || m.Answered >= len(s.Items) {
			c.say(place, "answered must be at least 1 and below the number of items")
		}
		c.oneOf(place+".round", m.Round, []string{"", "half-up"})
	default:
		c.oneOf(place+".rule", m.Rule, []string{MissingNone, MissingProrate})
	}
}

// bands must cover the range once, without hole or overlap.
func (c *checker) bands(place string, s *Score) {
	if s.Bands == nil {
		return
	}
	place += ".bands"
	if s.step() < 0 || len(s.Bands.List) == 0 {
		c.say(place, "needs at least one band and a step above 0")
		return
	}
	next := s.Min
	codes := map[string]bool{}
	for i, b := range s.Bands.List {
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
	if r := s.Change.Reliable; r != nil {
		c.reliable(place+".change.reliable", r)
	}
	if important := s.Change.Important; important != nil && important.Points <= 0 {
		c.say(place+".change.important", "points must be above 0")
	}
}

func (c *checker) reliable(place string, r *Reliable) {
	c.oneOf(place+".level", r.Level, []string{"RC95", "MDC95", "MDC90", "RCI"})
	bases := 0
	for _, given := range []bool{r.SD != 0, r.SEM != 0, r.Points != 0} {
		if given {
			bases++
		}
	}
	switch {
	case bases != 1:
		c.say(place, "needs exactly one of sd with r, sem, or points")
	case r.SD != 0 && (r.R <= 0 || r.R >= 1 || r.RKind != "alpha" && r.RKind != "retest"):
		c.say(place, "sd needs r between 0 and 1, and rKind alpha or retest")
	case r.points() <= 0:
		c.say(place, "must come to more than 0 points")
	}
}

func (c *checker) distress(place string, s *Score) {
	if s.Distress == nil {
		return
	}
	place += ".distress"
	c.oneOf(place+".part", s.Distress.Part, parts)
	if s.Bands == nil {
		c.say(place, "a score without bands has no place on the ladder")
		return
	}
	for _, b := range s.Bands.List {
		c.oneOf(place+".levels."+b.Code, s.Distress.Levels[b.Code], levels)
	}
	if len(s.Distress.Levels) != len(s.Bands.List) {
		c.say(place+".levels", "must name each band once")
	}
}
