package form

import (
	"slices"
	"strings"
	"unicode/utf8"

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

func (c *checker) exclusive(item *Item, given []response.Answer) bool {
	return slices.ContainsFunc(given, func(a response.Answer) bool {
		option := c.option(item, &a)
		return option != nil && option.Exclusive
	})
}

// option that an answer chooses; nil when it is none. An EHR may leave the system out where the code is the only one.
func (c *checker) option(item *Item, a *response.Answer) *Option {
	var found *Option
	for i := range item.Options {
		o := &item.Options[i]
		switch {
		case a.Kind == "Coding" && o.Kind == "Coding":
			if o.Code != a.Code || a.Code == "" {
				continue
			}
			if o.System == a.System {
				return o
			}
			if a.System != "" || c.Enforce {
				continue
			}
			if found != nil {
				return nil
			}
			found = o
		case a.Kind != "Coding":
			if v := value(a); same(&v, &o.Value) {
				return o
			}
		}
	}
	return found
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

// chosen checks an answer from a list.
func (c *checker) chosen(n *node, item *response.Item, a *response.Answer) bool {
	if !n.bound {
		c.unchecked(n, a)
		return true
	}
	if option := c.option(n.item, a); option != nil {
		if option.Kind == "Coding" && a.System != option.System {
			c.inform("code-invalid", a.Path+".value", "a code without a system: read as an option of the form")
		}
		return true
	}
	if a.Kind == "Coding" && a.Code == "" && n.item.Type == OpenChoice {
		c.inform("code-invalid", a.Path+".value", "a display without a code: read as free text")
		return true
	}
	if !c.Enforce && c.displayed(n.item, a) {
		c.inform("code-invalid", a.Path+".value", "recognised by its display as an option of the form")
		return true
	}
	return c.outside(item, a)
}

// unchecked tells, once for each question, that its answers cannot be checked.
func (c *checker) unchecked(n *node, a *response.Answer) {
	if !n.item.Unresolved || c.told[n] {
		return
	}
	if c.told == nil {
		c.told = map[*node]bool{}
	}
	c.told[n] = true
	c.warn("not-found", a.Path+".value", "the value set of this question is not known: its answers are not checked")
}

// displayed says whether an answer without a code is exactly one option by its display.
func (c *checker) displayed(of *Item, a *response.Answer) bool {
	count := 0
	for i := range of.Options {
		if display := of.Options[i].Display; display != "" && strings.EqualFold(display, strings.TrimSpace(a.Display)) {
			count++
		}
	}
	return a.Code == "" && count == 1
}

// outside is an answer that the form does not offer.
func (c *checker) outside(item *response.Item, a *response.Answer) bool {
	if !c.Enforce && c.Mapping != nil && c.Mapping.Answer(item, a) {
		c.warn("code-invalid", a.Path+".value", "the answer is none of the options, but is known")
		return true
	}
	c.fail("code-invalid", a.Path+".value", "the answer is none of the options: it counts as unanswered")
	return false
}

// free checks the free text of an open choice.
func (c *checker) free(n *node, a *response.Answer) {
	for i := range n.item.Options {
		o := &n.item.Options[i]
		if text := strings.TrimSpace(a.Text); strings.EqualFold(text, o.Display) || o.Kind == "String" && strings.EqualFold(text, o.Text) {
			c.inform("value", a.Path+".value", "the text is the same as an option of the form")
			break
		}
	}
	c.plain(n, a)
}

// plain checks what a literal looks like. It counts whatever is found.
func (c *checker) plain(n *node, a *response.Answer) {
	of, text, path := n.item, a.Text, a.Path+".value"
	switch a.Kind {
	case "String":
		if of.Type == String && strings.ContainsAny(text, "\r\n") {
			c.inform("value", path, "a string holds a line break: the form asks for one line")
		}
	case "Integer", "Decimal":
		text = a.Number
		if of.Decimals != nil && decimals(text) > *of.Decimals {
			c.fail("value", path, "more decimal places than the %d that the form allows", *of.Decimals)
		}
	case "Quantity":
		if of.Decimals != nil && decimals(a.Number) > *of.Decimals {
			c.fail("value", path, "more decimal places than the %d that the form allows", *of.Decimals)
		}
		return
	case "Attachment":
		c.attached(of, a)
		return
	case "Reference":
		if typ := resourceType(text); typ != "" && len(of.References) > 0 && !slices.Contains(of.References, typ) {
			c.fail("value", path, "a reference to a type of resource that the form does not ask for")
		}
		return
	}
	if length := utf8.RuneCountInString(text); of.MaxLength > 0 && length > of.MaxLength || length < of.MinLength {
		c.fail("too-long", path, "the text is longer or shorter than the form allows")
	}
	if n.pattern != nil && !n.pattern.MatchString(text) {
		c.fail("value", path, "the text does not have the form that the regular expression asks for")
	}
}

func (c *checker) attached(of *Item, a *response.Answer) {
	if len(of.Mimes) > 0 && a.Code != "" && !slices.Contains(of.Mimes, a.Code) {
		c.fail("value", a.Path+".value.contentType", "an attachment of this type is not asked for")
	}
	if size, ok := parseNumber(a.Number); ok && of.MaxSize > 0 && size > of.MaxSize {
		c.fail("too-long", a.Path+".value.size", "the attachment is larger than the form allows")
	}
}

// unit checks the unit of a quantity. A number in another unit is another number, and does not count.
func (c *checker) unit(of *Item, a *response.Answer) bool {
	switch {
	case a.Kind != "Quantity":
		return true
	case a.Number == "":
		c.fail("value", a.Path+".value", "a quantity without an exact value: it counts as unanswered")
		return false
	case len(of.Units) == 0 || c.units(of, a):
		return true
	case of.UnitsOpen:
		return true
	case a.Code == "" && a.Display == "" && len(of.Units) == 1:
		c.fail("value", a.Path+".value", "the unit is missing: it is read as that of the form")
		return true
	}
	c.fail("value", a.Path+".value", "a unit that the form does not offer: it counts as unanswered")
	return false
}

// units says whether the unit of a quantity is one that the form offers, by its code or, without one, by its name.
func (c *checker) units(of *Item, a *response.Answer) bool {
	return slices.ContainsFunc(of.Units, func(u Value) bool {
		if a.Code != "" {
			return u.Code == a.Code && (u.System == a.System || a.System == "")
		}
		return a.Display != "" && (u.Display == a.Display || u.Code == a.Display)
	})
}

// bounds checks the range. A value outside of it does not count.
func (c *checker) bounds(of *Item, a *response.Answer) bool {
	if of.Min == nil && of.Max == nil {
		return true
	}
	got := value(a)
	if within(of.Min, &got, -1) && within(of.Max, &got, 1) {
		return true
	}
	c.fail("value", a.Path+".value", "outside of the range of the form: it counts as unanswered")
	return false
}

// within says whether a value is not beyond a bound: side is -1 for the lower one and 1 for the upper.
func within(bound, got *Value, side int) bool {
	if bound == nil {
		return true
	}
	limit, v := *bound, *got
	if family(limit.Kind) == "number" || limit.Kind == "Quantity" {
		if limit.Kind == "Quantity" && v.Kind == "Quantity" && limit.Code != v.Code {
			return true // bounds in another unit say nothing
		}
		if _, ok := v.number(); ok {
			limit.Kind, v.Kind = "Decimal", "Decimal"
		}
	}
	order, ok := compare(&v, &limit)
	return !ok || order*side <= 0
}
