package form

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/response"
)

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
