package form

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/response"
)

// asked says whether an occurrence is enabled.
type asked uint8

const (
	askedUnknown asked = iota
	askedYes
	askedNo
)

// verdictKey is a condition within one occurrence of the item around it and its question.
type verdictKey struct{ condition, scope int32 }

// index lists the occurrences of each node. Only conditions need it.
func (c *checker) index() {
	if !c.conditional {
		return
	}
	c.verdicts = map[verdictKey]bool{}
	c.starts = make([]int32, len(c.nodes)+1)
	for i := range c.occs {
		if n := c.occs[i].node; n != unknown {
			c.starts[n+1]++
		}
	}
	for n := range c.nodes {
		c.starts[n+1] += c.starts[n]
	}
	next := slices.Clone(c.starts)
	c.byNode = make([]int32, c.starts[len(c.nodes)])
	for i := range c.occs {
		if n := c.occs[i].node; n != unknown {
			c.byNode[next[n]] = int32(i)
			next[n]++
		}
	}
}

// enabled says whether an occurrence is asked: itself, and all items that the form has around it. Only the form counts
// there, which knows no circles, and not what a sender has put around it.
func (c *checker) enabled(at int32) bool {
	if !c.conditional || at < 0 {
		return true
	}
	o := &c.occs[at]
	if o.asked == askedUnknown {
		is := askedNo
		if c.isAsked(o) {
			is = askedYes
		}
		o.asked = is
	}
	return o.asked == askedYes
}

func (c *checker) isAsked(o *occurrence) bool {
	switch {
	case o.node == unknown:
		return c.enabled(o.parent)
	case o.home >= 0:
		return c.enabled(o.home) && c.enabledIn(o.node, o.home)
	}
	for n := o.node; n >= 0; n = c.nodes[n].parent {
		if !c.enabledIn(n, o.parent) {
			return false
		}
	}
	return true
}

// enabledIn says whether an item is asked within an occurrence, by its own conditions.
func (c *checker) enabledIn(node, within int32) bool {
	n := &c.nodes[node]
	if n.item.EnableExpression && !c.expression(node) {
		return false
	}
	behavior := n.item.EnableBehavior
	if len(n.conditions) == 0 || len(n.conditions) > 1 && behavior == "" {
		return true
	}
	for i := range n.conditions {
		if c.holds(&n.conditions[i], within) == (behavior == "any") {
			return behavior == "any"
		}
	}
	return behavior != "any"
}

// expression asks the caller, once for each item.
func (c *checker) expression(node int32) bool {
	key := verdictKey{-1, node}
	if is, known := c.verdicts[key]; known {
		return is
	}
	item := c.nodes[node].item
	is, told := true, c.Enabled != nil
	if told {
		var err error
		is, err = c.Enabled(item.LinkID)
		told = err == nil
	}
	if !told {
		is = true
		c.warn("not-supported", "QuestionnaireResponse.item", "the enableWhenExpression of %s is not evaluated: the item counts as enabled", item.Path)
	}
	c.verdicts[key] = is
	return is
}

// holds judges one condition from the place of an occurrence.
func (c *checker) holds(w *condition, within int32) bool {
	scope := within
	for scope >= 0 && c.occs[scope].node != w.common {
		scope = c.occs[scope].parent
	}
	if w.common < 0 {
		scope = -1
	}
	key := verdictKey{w.id, scope}
	is, known := c.verdicts[key]
	if !known {
		is = c.judge(w, scope)
		c.verdicts[key] = is
	}
	return is
}

// judge looks for an answer within the scope that satisfies a condition. An item that is not asked has no answer.
func (c *checker) judge(w *condition, scope int32) bool {
	first, end := int32(0), int32(len(c.occs))
	if scope >= 0 {
		first, end = scope+1, c.occs[scope].end
	}
	places := c.byNode[c.starts[w.target]:c.starts[w.target+1]]
	from, _ := slices.BinarySearch(places, first)
	exists := false
	for _, at := range places[from:] {
		if at >= end {
			break
		}
		if !c.enabled(at) {
			continue
		}
		for i := range c.occs[at].item.Answers {
			a := &c.occs[at].item.Answers[i]
			exists = exists || a.Kind != ""
			if w.Operator != "exists" && c.satisfies(a, w) {
				return true
			}
		}
	}
	return w.Operator == "exists" && exists == (w.Answer.Text == "true")
}

// satisfies compares one answer with what a condition asks for. An answer of another type never does.
func (c *checker) satisfies(a *response.Answer, w *condition) bool {
	got, want := value(a), &w.Answer
	if !alike(got.Kind, want.Kind) {
		return false
	}
	if got.Kind == "Coding" && got.System == "" && !c.Enforce {
		got.System = want.System // an EHR that leaves the system out means the form's own
	}
	switch w.Operator {
	case "=":
		return same(&got, want)
	case "!=":
		return !same(&got, want)
	}
	order, ok := compare(&got, want)
	if !ok {
		return false
	}
	switch w.Operator {
	case ">":
		return order > 0
	case "<":
		return order < 0
	case ">=":
		return order >= 0
	default:
		return order <= 0
	}
}
