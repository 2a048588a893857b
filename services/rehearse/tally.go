package rehearse

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/simulate"
)

// tally counts courses. Nothing in it depends on the order in which they come.
type tally struct {
	// family of each rule, of the thresholds, and of the families themselves.
	family map[string]string
	// notes are the rules of severity info.
	notes map[string]bool
	// own are the rules, in their order.
	own []string

	seeds                         []uint64
	weeks, patients, submissions  int
	rejected, clinicianWeeks      int
	alerts, suppressed, retracted map[string]int
	alerted                       map[string]int
	classes                       map[simulate.Archetype]*class
	counts                        []map[string]*count
	curve                         []*point
	until                         time.Time
	ceiling                       int
}

// class is what became of the patients of one archetype.
type class struct {
	patients, submissions int
	// alerts and alerted patients by rule or family.
	alerts, alerted map[string]int
}

// count of one target and one detector.
type count struct {
	// of patients with the trouble, found in time; of those without, alerted at all.
	positives, found, negatives, wrong int
	sessions, days                     []float64
}

// point of the curve.
type point struct {
	detector, setting              string
	over                           func(*course) []raised
	alerts, positives, found       int
	negatives, wrong, ceilingWrong int
}

// anyRule stands for all rules together.
const anyRule = "any rule"

// paging stands for the rules that call for somebody: those above info, which is good news and notes.
const paging = "any rule above info"

// together is the name under which all rules of a family count.
func together(family string) string { return "all " + family + " rules" }

func newTally(rules []judge.Rule) *tally {
	t := &tally{
		notes:  map[string]bool{},
		family: map[string]string{fixedAlliance: familyAlliance, fixedPHQ: familyDistress, fixedHEP: familyBehaviour},
		alerts: map[string]int{}, suppressed: map[string]int{}, retracted: map[string]int{}, alerted: map[string]int{},
		classes: map[simulate.Archetype]*class{},
	}
	for i := range rules {
		t.own = append(t.own, rules[i].ID)
		t.family[rules[i].ID] = familyOf(&rules[i])
		t.notes[rules[i].ID] = rules[i].Severity == judge.Info
	}
	for range targets {
		t.counts = append(t.counts, map[string]*count{})
	}
	t.curve = curve(&t.until)
	return t
}

// clinic begins another one.
func (t *tally) clinic(c simulate.Clinic) {
	t.seeds, t.weeks = append(t.seeds, c.Seed), c.Weeks
	t.until = c.Start.AddDate(0, 0, 7*c.Weeks)
	t.clinicianWeeks += c.Clinicians() * c.Weeks
}

// add counts one course.
func (t *tally) add(p *course) {
	t.patients++
	t.submissions += p.submissions
	t.rejected += p.rejected
	for rule, n := range p.suppressed {
		t.suppressed[rule] += n
	}
	for rule, n := range p.retracted {
		t.retracted[rule] += n
	}
	by := t.byDetector(p)
	of := t.classes[p.truth.Archetype]
	if of == nil {
		of = &class{alerts: map[string]int{}, alerted: map[string]int{}}
		t.classes[p.truth.Archetype] = of
	}
	of.patients++
	of.submissions += p.submissions
	for name, alerts := range by {
		t.alerts[name] += len(alerts)
		t.alerted[name]++
		of.alerts[name] += len(alerts)
		of.alerted[name]++
	}
	for i := range targets {
		t.aim(i, p, by)
	}
	for _, c := range t.curve {
		c.add(p)
	}
	if p.truth.Archetype == simulate.SteadyAtCeiling {
		t.ceiling++
	}
}

// byDetector sorts the alerts by who raised them: each rule and threshold, the rules of a family together, all rules.
func (t *tally) byDetector(p *course) map[string][]raised {
	by := map[string][]raised{}
	for _, a := range p.raised {
		by[a.rule] = append(by[a.rule], a)
		by[together(t.family[a.rule])] = append(by[together(t.family[a.rule])], a)
		by[anyRule] = append(by[anyRule], a)
		if !t.notes[a.rule] {
			by[paging] = append(by[paging], a)
		}
	}
	for _, a := range Usual().over(p.facts, t.until) {
		by[a.rule] = append(by[a.rule], a)
	}
	return by
}

// detectors that a target is measured for, in the order of the report.
func (t *tally) detectors(family string) []string {
	names := []string{together(family)}
	names = append(names, t.own...)
	for _, fixed := range []string{fixedAlliance, fixedPHQ, fixedHEP} {
		if t.family[fixed] == family {
			names = append(names, fixed)
		}
	}
	return names
}

// aim holds the alerts of every detector against one target.
func (t *tally) aim(i int, p *course, by map[string][]raised) {
	target := &targets[i]
	trouble, positive := target.of(p)
	if !positive && !free(p, target.family) {
		return
	}
	for _, name := range t.detectors(target.family) {
		c := t.counts[i][name]
		if c == nil {
			c = &count{}
			t.counts[i][name] = c
		}
		if !positive {
			c.negatives++
			if len(by[name]) > 0 {
				c.wrong++
			}
			continue
		}
		c.positives++
		if first, ok := target.first(p, trouble, by[name]); ok {
			c.found++
			c.sessions = append(c.sessions, float64(p.session(first)-trouble.session))
			c.days = append(c.days, first.Sub(trouble.at).Hours()/24)
		}
	}
}

// first alert that finds the trouble.
func (t *target) first(p *course, b begins, alerts []raised) (first time.Time, ok bool) {
	for _, a := range alerts {
		if t.found(p, b, a) && (!ok || a.at.Before(first)) {
			first, ok = a.at, true
		}
	}
	return first, ok
}

// curve is made of the detector at several widths, and of the thresholds at several cuts.
func curve(until *time.Time) []*point {
	var points []*point
	for _, factor := range []float64{0.5, 0.75, 1, 1.25, 1.5, 2, 2.5} {
		points = append(points, &point{
			detector: chartDetector, setting: "widths x " + show(factor, 2),
			over: func(p *course) []raised { return detect(p.facts, factor) },
		})
	}
	for _, cut := range []Thresholds{{SRS: 32, WAI: 3}, {SRS: 33, WAI: 3.25}, {SRS: 34, WAI: 3.5}, {SRS: 35, WAI: 3.75}, {SRS: 36, WAI: 4}, {SRS: 37, WAI: 4.25}} {
		points = append(points, &point{
			detector: fixedAlliance, setting: "wai-sr < " + show(cut.WAI, 2) + ", srs <= " + show(cut.SRS, 0),
			over: func(p *course) []raised {
				return slices.DeleteFunc(cut.over(p.facts, *until), func(a raised) bool { return a.rule != fixedAlliance })
			},
		})
	}
	return points
}

func (c *point) add(p *course) {
	alerts := c.over(p)
	c.alerts += len(alerts)
	target := &targets[0]
	trouble, positive := target.of(p)
	switch {
	case positive:
		c.positives++
		if _, ok := target.first(p, trouble, alerts); ok {
			c.found++
		}
	case free(p, target.family):
		c.negatives++
		if len(alerts) > 0 {
			c.wrong++
		}
	}
	if p.truth.Archetype == simulate.SteadyAtCeiling && len(alerts) > 0 {
		c.ceilingWrong++
	}
}

func median(of []float64) *float64 {
	if len(of) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(of))
	m := (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	return &m
}

func (t *tally) archetypes() []simulate.Archetype {
	return slices.SortedFunc(maps.Keys(t.classes), func(a, b simulate.Archetype) int {
		all := simulate.Archetypes()
		return cmp.Compare(slices.Index(all, a), slices.Index(all, b))
	})
}
