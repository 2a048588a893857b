package search

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Met says whether a document meets the condition.
func (c *Condition) Met(d *Document) bool {
	if c.Param.Type == Composite {
		return c.composed(d)
	}
	values := d.Values(c.Param)
	switch c.Modifier {
	case missing:
		return c.Any[0].Missing == (len(values) == 0)
	case not:
		return !c.anyOf(values)
	default:
		return c.anyOf(values)
	}
}

func (c *Condition) anyOf(values []Value) bool {
	return slices.ContainsFunc(values, func(v Value) bool {
		return slices.ContainsFunc(c.Any, func(a Alternative) bool { return c.holds(&a, &v) })
	})
}

// composed says whether all parts of an alternative hold for one and the same element.
func (c *Condition) composed(d *Document) bool {
	found := false
	for _, base := range c.Param.paths {
		base.each(d.node(), func(n tree.Node, _ step) {
			if c.Modifier == missing {
				found = found || !slices.ContainsFunc(c.Param.parts, func(part Param) bool { return len(d.valuesAt(&part, n)) == 0 })
				return
			}
			found = found || slices.ContainsFunc(c.Any, func(a Alternative) bool {
				return !slices.ContainsFunc(a.parts, func(part Condition) bool { return !part.anyOf(d.valuesAt(part.Param, n)) })
			})
		})
	}
	if c.Modifier == missing {
		return found != c.Any[0].Missing
	}
	return found
}

func (c *Condition) holds(a *Alternative, v *Value) bool {
	switch c.Param.Type {
	case Token:
		if c.Modifier == inText {
			return v.Text != "" && strings.HasPrefix(Fold(v.Text), a.Text)
		}
		return a.unit(v) && (a.NoCode || a.Code == v.Code)
	case Reference:
		return c.leads(a, v)
	case String:
		return c.reads(a, v)
	case URI:
		// A profile is meant whatever its version, unless one is named.
		url, _, _ := strings.Cut(v.Text, "|")
		return v.Text == a.Text || url == a.Text && c.Param.Name == "_profile" || c.Modifier == below && strings.HasPrefix(v.Text, strings.TrimSuffix(a.Text, "/")+"/")
	case Date:
		return !slices.ContainsFunc(a.Dates, func(b Bound) bool { return !Holds(b, v.From, v.To) })
	default:
		return a.measures(v)
	}
}

// unit compares systems, as of a token.
func (a *Alternative) unit(v *Value) bool { return a.AnySystem || a.System == v.System }

func (c *Condition) leads(a *Alternative, v *Value) bool {
	switch {
	case c.Param.Canonical():
		url, version, _ := strings.Cut(v.Text, "|")
		same := url == a.Text || strings.HasSuffix(url, "/"+a.Text) && strings.Contains(a.Text, "/")
		return same && (a.Version == "" || a.Version == version)
	case c.Modifier == identifier:
		return v.Code != "" && a.unit(v) && a.Code == v.Code
	case a.Ref.ID == "" || v.Ref.ID != a.Ref.ID:
		return false
	default:
		return a.Ref.Type == "" || v.Ref.Type == "" || a.Ref.Type == v.Ref.Type
	}
}

func (c *Condition) reads(a *Alternative, v *Value) bool {
	switch c.Modifier {
	case exact:
		return v.Text == a.Text
	case contains:
		return strings.Contains(Fold(v.Text), a.Text)
	}
	folded := Fold(v.Text)
	if strings.HasPrefix(folded, a.Text) {
		return true
	}
	// A name or an address is also found by a later word of it.
	return (strings.HasPrefix(c.Param.Name, "name") || strings.HasPrefix(c.Param.Name, "address")) && strings.Contains(folded, " "+a.Text)
}

// score is the unit of what has none: a bare number is found by it.
const score = "{score}"

// measures compares numbers, and units where they are asked for.
func (a *Alternative) measures(v *Value) bool {
	if !a.AnyUnit {
		switch {
		case v.Bare:
			if a.Code != score && a.Code != "1" {
				return false
			}
		case a.AnySystem:
			if v.Code != a.Code && v.Text != a.Code {
				return false
			}
		case v.System != a.System || v.Code != a.Code:
			return false
		}
	}
	within := v.Low >= a.Number-a.Slack && v.High <= a.Number+a.Slack
	switch a.Op {
	case "ne":
		return !within
	case "gt", "sa":
		return v.High > a.Number
	case "lt", "eb":
		return v.Low < a.Number
	case "ge":
		return v.High >= a.Number
	case "le":
		return v.Low <= a.Number
	default:
		return within
	}
}

// folding leads letters with marks to those without.
var folding = func() map[rune]string {
	out := map[rune]string{}
	for base, marked := range map[string]string{
		"a": "àáâãäåāăą", "c": "çćĉċč", "d": "ďđð", "e": "èéêëēĕėęě", "g": "ĝğġģ", "h": "ĥħ", "i": "ìíîïĩīĭįı", "j": "ĵ", "k": "ķ",
		"l": "ĺļľŀł", "n": "ñńņňŉ", "o": "òóôõöøōŏő", "r": "ŕŗř", "s": "śŝşšș", "t": "ţťŧț", "u": "ùúûüũūŭůűų", "w": "ŵ",
		"y": "ýÿŷ", "z": "źżž", "ss": "ß", "ae": "æ", "oe": "œ", "th": "þ",
	} {
		for _, r := range marked {
			out[r] = base
		}
	}
	return out
}()

// Fold makes text that differs in case, accents or white space alone the same.
func Fold(s string) string {
	var b strings.Builder
	for i, word := range strings.Fields(strings.ToLower(s)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, r := range word {
			switch plain, ok := folding[r]; {
			case ok:
				b.WriteString(plain)
			case r < 0x300 || r > 0x36f: // not a combining mark
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}
