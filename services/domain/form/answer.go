package form

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/response"
)

// answers checks what was answered at each item that is asked.
func (c *checker) answers() {
	for i := range c.occs {
		at := int32(i)
		o := &c.occs[i]
		if len(o.item.Answers) == 0 && len(o.item.Items) == 0 {
			continue
		}
		switch {
		case !c.enabled(at):
			c.disabled(at)
		case o.node == unknown || o.dropped || !c.nodes[o.node].item.Type.Question():
		case c.own != nil:
			c.ownAnswers(at)
		default:
			c.question(at, &c.nodes[o.node])
		}
	}
}

// disabled takes away what stands at an item that is not asked. It is told once, at the outermost.
func (c *checker) disabled(at int32) {
	o := &c.occs[at]
	if o.parent < 0 || c.enabled(o.parent) {
		for i := at; i < o.end; i++ {
			if len(c.occs[i].item.Answers) > 0 {
				c.fail("business-rule", o.item.Path, "the item is not enabled by the other answers, and must not be answered: it does not count")
				break
			}
		}
	}
	c.blank(at)
}

// question checks all answers of one occurrence of a question.
func (c *checker) question(at int32, n *node) {
	o := &c.occs[at]
	given := o.item.Answers
	if len(given) > 1 && !n.item.Repeats {
		c.fail("multiple-matches", o.item.Path, "several answers to a question that takes one: none of them counts")
		c.blank(at)
		return
	}
	c.occurs(n.item, len(given), o.item.Path, "answers")
	if len(given) > 1 && c.exclusive(n.item, given) {
		c.fail("business-rule", o.item.Path, "an answer that excludes all others stands with others: none of them counts")
		c.blank(at)
		return
	}
	for i := range given {
		if given[i].Kind != "" && !c.answer(n, o.item, &given[i]) {
			c.lose(at, i)
		}
	}
}

// occurs holds a count against minOccurs and maxOccurs.
func (c *checker) occurs(item *Item, count int, path, what string) {
	switch {
	case item.MinOccurs > 1 && count < item.MinOccurs:
		c.unfinished("structure", path, "fewer %s than the %d that the form asks for", what, item.MinOccurs)
	case item.MaxOccurs > 0 && count > item.MaxOccurs:
		c.fail("structure", path, "more %s than the %d that the form allows", what, item.MaxOccurs)
	}
}

// answer checks one answer, and says whether it counts.
func (c *checker) answer(n *node, item *response.Item, a *response.Answer) bool {
	if !n.item.Type.Choosing() {
		return c.typed(n, item, a)
	}
	switch {
	case a.Kind == "Coding" || c.listed(n.item, a.Kind):
		return c.chosen(n, item, a)
	case a.Kind == "String" && n.item.Type == OpenChoice:
		c.free(n, a)
		return true
	default:
		return c.mistyped(n.item, item, a)
	}
}

// listed says whether options of a kind are offered.
func (c *checker) listed(item *Item, kind string) bool {
	return slices.ContainsFunc(item.Options, func(o Option) bool { return o.Kind == kind })
}

// typed checks an answer to a question that is not a choice.
func (c *checker) typed(n *node, item *response.Item, a *response.Answer) bool {
	if a.Kind != wants[n.item.Type] {
		if !c.mistyped(n.item, item, a) {
			return false
		}
		a = plainNumber(a)
	}
	if n.bound && c.option(n.item, a) == nil {
		return c.outside(item, a)
	}
	c.plain(n, a)
	return c.unit(n.item, a) && c.bounds(n.item, a)
}

// mistyped says whether an answer of another type still counts: a number that is exact, and where the form has a list
// one that is the weight of a single option.
func (c *checker) mistyped(of *Item, item *response.Item, a *response.Answer) bool {
	if c.Enforce {
		c.fail("structure", a.Path+".value", "an answer of this type does not fit a question of type %s", of.Type)
		return false
	}
	switch {
	case c.exact(of, a):
		c.warn("structure", a.Path+".value", "the question is of type %s: the answer is read as a number", of.Type)
	case c.Mapping != nil && c.Mapping.Answer(item, a):
		c.warn("structure", a.Path+".value", "the question is of type %s: the answer is known all the same", of.Type)
	default:
		c.warn("structure", a.Path+".value", "an answer of this type does not fit a question of type %s: it counts as unanswered", of.Type)
		return false
	}
	return true
}

// exact says whether an answer of another type holds exactly the number that a question asks for.
func (c *checker) exact(of *Item, a *response.Answer) bool {
	x, ok := numeral(a)
	if !ok {
		return false
	}
	unitless := a.Kind != "Quantity" || a.Code == "" && a.Display == "" || a.Code == "1" || strings.HasPrefix(a.Code, "{")
	switch {
	case of.Type == Integer:
		return whole(x) && (unitless || c.units(of, a))
	case of.Type == Decimal:
		return unitless || c.units(of, a)
	case of.Type == Quantity:
		return true
	case of.Type.Choosing() && unitless:
		return c.weighs(of, x)
	default:
		return false
	}
}

// numeral is the number that an answer holds, also as text.
func numeral(a *response.Answer) (float64, bool) {
	switch a.Kind {
	case "Integer", "Decimal", "Quantity":
		return parseNumber(a.Number)
	case "String":
		return parseNumber(strings.TrimSpace(a.Text))
	default:
		return 0, false
	}
}

// plainNumber is an answer with the number that it holds as its value; itself where it holds none.
func plainNumber(a *response.Answer) *response.Answer {
	if _, ok := numeral(a); !ok {
		return a
	}
	plain := response.Answer{Path: a.Path, Kind: "Decimal", Number: a.Number}
	if a.Kind == "String" {
		plain.Number = strings.TrimSpace(a.Text)
	}
	return &plain
}

// weighs says whether exactly one option has a weight.
func (c *checker) weighs(of *Item, x float64) bool {
	count := 0
	for i := range of.Options {
		if w := of.Options[i].Weight; w != nil && *w == x {
			count++
		}
	}
	return count == 1
}
