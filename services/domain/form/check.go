package form

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/response"
)

// Policy says how strictly a response is held to its form.
type Policy struct {
	// Enforce is for our own forms: what breaks the form is an error. Otherwise it is a warning, and what it touches
	// counts as unanswered.
	Enforce bool
	// Enabled evaluates the enableWhenExpression of an item. Nil, or an error from it, leaves the item enabled, with a
	// warning.
	Enabled func(linkID string) (bool, error)
	// Mapping knows more answers than the form itself; nil knows none. It is not asked when the form is enforced.
	Mapping Mapping
}

// Mapping is what else is known of the items and answers of a form, such as the key of an instrument.
type Mapping interface {
	// Item says whether an item that is not in the form has a meaning.
	Item(item *response.Item) bool
	// Answer says whether an answer that the form does not offer has a meaning.
	Answer(item *response.Item, a *response.Answer) bool
}

// mostIssues of each severity are told about one response.
const mostIssues = 250

// Check holds a response against the form and finds every fault at once, each at its FHIRPath. The draft that it gives
// back has lost what must not count: answers on items that are not asked, of a wrong type, outside of the options or
// the range, or ambiguous, and items that the form does not have. Where nothing is wrong it is the draft as it came.
// When the response is withdrawn as entered in error nothing is enforced, so that a withdrawal always gets through.
func (f *Form) Check(d response.Draft, p Policy) (response.Draft, []fault.Issue) {
	c := checker{Form: f, Policy: p, status: d.Status}
	c.Enforce = p.Enforce && d.Status != response.EnteredInError
	c.identity(&d)
	c.variant(&d)
	c.place(d.Items)
	c.structure()
	c.index()
	c.answers()
	c.missing()
	d.Items = c.prune(d.Items)
	return d, c.issues
}

// checker is one walk over a response.
type checker struct {
	*Form
	Policy
	status string
	// shift makes the numbers of a variant into those of the instrument.
	shift float64
	occs  []occurrence
	// stray items stand elsewhere than the form has them.
	strays bool
	// lost are the single answers that do not count, in the order of the walk.
	lost []lostAnswer
	// byNode and starts are the occurrences of each node, where the form is conditional.
	byNode, starts []int32
	verdicts       map[verdictKey]bool
	// told are the questions whose answers were said to be unchecked.
	told   map[*node]bool
	issues []fault.Issue
	said   [fault.Error + 1]int
}

// occurrence is one item of the response.
type occurrence struct {
	item *response.Item
	// node in the form, or unknown.
	node int32
	// parent is the occurrence around it, -1 at the top; answer the answer of it under which it stands, -1 for none.
	parent, answer int32
	// home is the occurrence in which it would be looked for: the nearest of the item around it in the form.
	home int32
	// end is the place after the last occurrence below it.
	end     int32
	asked   asked
	dropped bool // none of its answers counts
	without bool // it is left out of the draft, with all below it
	changed bool // something at or below it is pruned
	stray   bool
}

const unknown = -1

// lostAnswer is one answer that does not count.
type lostAnswer struct{ occ, answer int32 }

func (c *checker) say(severity fault.Severity, code, path, format string, args ...any) {
	if c.said[severity]++; c.said[severity] > mostIssues {
		return
	}
	switch severity {
	case fault.Error:
		c.issues = append(c.issues, fault.Errorf(code, path, format, args...))
	case fault.Warning:
		c.issues = append(c.issues, fault.Warnf(code, path, format, args...))
	default:
		c.issues = append(c.issues, fault.Infof(code, path, format, args...))
	}
}

// fail is for what is an error where the form is enforced, and otherwise a warning.
func (c *checker) fail(code, path, format string, args ...any) {
	if c.Enforce {
		c.say(fault.Error, code, path, format, args...)
		return
	}
	c.say(fault.Warning, code, path, format, args...)
}

func (c *checker) warn(code, path, format string, args ...any) {
	c.say(fault.Warning, code, path, format, args...)
}

func (c *checker) inform(code, path, format string, args ...any) {
	c.say(fault.Information, code, path, format, args...)
}

// identity checks what the response says of itself.
func (c *checker) identity(d *response.Draft) {
	if d.Questionnaire == "" {
		c.fail("required", "QuestionnaireResponse.questionnaire", "the response names no questionnaire")
	}
	at := d.Authored
	if !at.IsZero() && (!c.From.IsZero() && at.Before(c.From) || !c.To.IsZero() && !at.Before(c.To)) {
		c.warn("business-rule", "QuestionnaireResponse.authored", "answered outside of the time in which the form is in force")
	}
}

// place finds each item of the response in the form.
func (c *checker) place(items []response.Item) {
	c.occs = make([]occurrence, 0, max(len(items), len(c.nodes)))
	c.level(items, -1, -1)
}

func (c *checker) level(items []response.Item, parent, answer int32) {
	for i := range items {
		item := &items[i]
		at := int32(len(c.occs))
		c.occs = append(c.occs, occurrence{item: item, node: c.find(item), parent: parent, answer: answer, home: -1})
		c.level(item.Items, at, -1)
		for j := range item.Answers {
			if below := item.Answers[j].Items; len(below) > 0 {
				c.level(below, at, int32(j))
			}
		}
		c.occs[at].end = int32(len(c.occs))
		c.settle(at)
	}
}

// find is the node of an item, or unknown.
func (c *checker) find(item *response.Item) int32 {
	if n, ok := c.links[item.LinkID]; ok {
		return n
	}
	if c.own != nil {
		return c.ownItem(item)
	}
	return unknown
}

// settle finds the home of an occurrence, and whether it is a stray.
func (c *checker) settle(at int32) {
	o := &c.occs[at]
	if o.node == unknown || c.own != nil {
		return
	}
	want := c.nodes[o.node].parent
	if want < 0 {
		o.stray = o.parent >= 0
	} else {
		for o.home = o.parent; o.home >= 0 && c.occs[o.home].node != want; {
			o.home = c.occs[o.home].parent
		}
		o.stray = o.home < 0 || o.home != o.parent
	}
	c.strays = c.strays || o.stray
}

// structure checks that items stand where the form has them, in its order, and as often as it lets them.
func (c *checker) structure() {
	last := make([]int32, len(c.nodes)) // the latest occurrence of each node, plus one
	var homes map[[2]int32]int32
	if c.strays {
		homes = map[[2]int32]int32{}
	}
	for i := range c.occs {
		at := int32(i)
		o := &c.occs[i]
		if o.node == unknown {
			c.unknown(at)
			continue
		}
		c.shape(at)
		c.wording(o)
		before := last[o.node] - 1
		if before >= 0 && c.occs[before].home != o.home {
			before = -1
		}
		if homes != nil {
			key := [2]int32{o.home, o.node}
			if first, ok := homes[key]; ok {
				before = first
			} else {
				before = -1
				homes[key] = at
			}
		}
		last[o.node] = at + 1
		if before >= 0 && !c.nodes[o.node].item.Repeats {
			c.fail("duplicate", o.item.Path, "the item occurs more than once and does not repeat: none of them counts")
			c.drop(before)
			c.drop(at)
		}
	}
	if c.own == nil {
		c.order()
	}
}

// unknown is an item that the form does not have. One of our own forms may be wrapped in groups of the sender.
func (c *checker) unknown(at int32) {
	o := &c.occs[at]
	wraps := false
	for i := at + 1; i < o.end; i++ {
		wraps = wraps || c.occs[i].node != unknown
	}
	switch {
	case wraps && c.own != nil && len(o.item.Answers) == 0:
		c.inform("not-found", o.item.Path, "the form has no such group: it is left out of account")
		return
	case !c.Enforce && c.Mapping != nil && c.Mapping.Item(o.item):
		c.inform("not-found", o.item.Path, "the linkId is not in the form, but is known")
		return
	}
	c.fail("not-found", o.item.Path, "the linkId is not in the form: ignored")
	if wraps {
		c.blank(at)
		return
	}
	o.without = true
	c.mark(at)
}

// shape checks that answers stand only at questions and items below a question in its answers, and where it stands.
func (c *checker) shape(at int32) {
	o := &c.occs[at]
	item := o.item
	typ := c.nodes[o.node].item.Type
	switch {
	case len(item.Answers) > 0 && len(item.Items) > 0:
		c.say(fault.Error, "invariant", item.Path, "an item must not have both answer and item (qrs-1)")
	case !typ.Question() && len(item.Answers) > 0:
		c.fail("structure", item.Path, "a %s takes no answers: they are ignored", typ)
		c.blank(at)
	case typ == Display && len(item.Items) > 0:
		c.fail("structure", item.Path, "a display has no items below it")
	case typ.Question() && len(item.Items) > 0 && c.own == nil:
		c.fail("structure", item.Path, "items below a question stand in answer.item")
	}
	if o.stray && (o.parent < 0 || c.occs[o.parent].node != unknown) {
		c.fail("structure", item.Path, "the item stands elsewhere in the form: it is read by its linkId")
	}
}

// wording compares the text with that of the form, but for white space.
func (c *checker) wording(o *occurrence) {
	want, got := c.nodes[o.node].item.Text, o.item.Text
	if want == "" || got == "" || want == got || slices.Equal(strings.Fields(want), strings.Fields(got)) {
		return
	}
	if c.Enforce {
		c.warn("value", o.item.Path+".text", "the text differs from that of the form")
		return
	}
	c.inform("value", o.item.Path+".text", "the text differs from that of the form")
}

// order checks the order of the items of each level.
func (c *checker) order() {
	c.ordered(0, int32(len(c.occs)), -1)
	for i := range c.occs {
		if o := &c.occs[i]; o.end > int32(i)+1 {
			c.ordered(int32(i)+1, o.end, o.node)
		}
	}
}

// ordered checks one level: the occurrences from first to end that stand where the form has them, below node.
func (c *checker) ordered(first, end, node int32) {
	highest, answer := int32(-1), int32(-1)
	for i := first; i < end; i = c.occs[i].end {
		o := &c.occs[i]
		if o.answer != answer {
			highest, answer = -1, o.answer
		}
		if o.node == unknown || c.nodes[o.node].parent != node {
			continue
		}
		order := c.nodes[o.node].order
		if order < highest {
			c.fail("structure", o.item.Path, "the item is out of order")
			continue
		}
		highest = order
	}
}

// drop leaves an occurrence and all below it unanswered.
func (c *checker) drop(at int32) {
	for i := at; i < c.occs[at].end; i++ {
		c.blank(i)
	}
}

// blank takes away the answers of an occurrence, and keeps what stands below them.
func (c *checker) blank(at int32) {
	c.occs[at].dropped = true
	if len(c.occs[at].item.Answers) > 0 {
		c.mark(at)
	}
}

// lose takes away one answer. Calls come in the order of the walk.
func (c *checker) lose(at int32, answer int) {
	c.lost = append(c.lost, lostAnswer{at, int32(answer)})
	c.mark(at)
}

// mark notes that the draft changes at an occurrence.
func (c *checker) mark(at int32) {
	for ; at >= 0 && !c.occs[at].changed; at = c.occs[at].parent {
		c.occs[at].changed = true
	}
}
