package form

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/response"
)

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
