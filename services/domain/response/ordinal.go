package response

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// ordinal reads one answer. A weight sent with it wins over the code when it is on the scale, as FHIR lays down; save
// on a reversed item, and on a contrary scale, where the sender may have reversed the weight already.
func (b *binder) ordinal(item *instrument.Item, a *Answer) Ordinal {
	if item.Answers().Blanked(a.System, a.Code, cmp.Or(a.Display, a.Text)) {
		b.inform("informational", valuePath(a), "the answer to item %d says that it does not apply: it counts as unanswered", item.Number)
		return Ordinal{}
	}
	printed, known := b.printed(item, a)
	if a.Weight == "" {
		if !known {
			b.unusable(item, a)
		}
		return Ordinal{printed, known}
	}
	weight, ok := number(a.Weight)
	if ok {
		weight, ok = item.Answers().Ordinal(weight + b.shift)
	}
	switch {
	case !ok:
		b.warn("value", a.Path, "the weight is no answer to item %d: ignored", item.Number)
		if !known {
			b.unusable(item, a)
		}
		return Ordinal{printed, known}
	case !known:
		b.inform("code-invalid", valuePath(a), "the answer is none of item %d: its weight is used", item.Number)
	case weight != printed && (item.Reverse != nil || item.Answers().Contrary):
		b.warn("conflict", a.Path, "the weight differs from the answer to item %d, which some count in reverse: "+
			"the answer is used", item.Number)
		b.doubt(item.Number-1, Ordinal{weight, true})
		return Ordinal{printed, true}
	case weight != printed:
		b.warn("conflict", a.Path, "the weight differs from the answer to item %d: the weight is used", item.Number)
		b.doubt(item.Number-1, Ordinal{printed, true})
	}
	return Ordinal{weight, true}
}

// printed is the ordinal that the value itself stands for.
func (b *binder) printed(item *instrument.Item, a *Answer) (float64, bool) {
	switch a.Kind {
	case "Coding":
		return b.coded(item, a)
	case "Boolean":
		return b.marked(item, a)
	}
	x, ok := number(literal(a))
	if !ok {
		return 0, false
	}
	x, ok = item.Answers().Ordinal(x + b.shift)
	if ok && a.Kind == "String" {
		b.inform("value", valuePath(a), "a number as text: read as a number")
	}
	return x, ok
}

// marked reads a tick box: yes is 1 and no is 0, where the item knows just these two.
func (b *binder) marked(item *instrument.Item, a *Answer) (float64, bool) {
	if !item.Answers().YesNo() {
		return 0, false
	}
	switch a.Text {
	case "true":
		return 1, true
	case "false":
		return 0, true
	default:
		return 0, false
	}
}

func (b *binder) coded(item *instrument.Item, a *Answer) (float64, bool) {
	scale := item.Answers()
	if a.Code != "" {
		if x, ok := b.byCode(scale, a); ok {
			if a.System == "" {
				b.inform("code-invalid", valuePath(a), "a code without a system: read as one of item %d", item.Number)
			}
			return x, true
		}
	}
	x, ok := scale.ByDisplay(a.Display)
	if ok {
		b.inform("code-invalid", valuePath(a), "recognised by its display as an option of item %d", item.Number)
	}
	return x, ok
}

// byCode reads a code. A bare number is in the numbering of the sender, as the numbers beside it are.
func (b *binder) byCode(scale *instrument.Scale, a *Answer) (float64, bool) {
	if x, ok := number(a.Code); ok && a.System == "" && b.shift != 0 {
		return scale.Ordinal(x + b.shift)
	}
	return scale.ByCode(a.System, a.Code)
}

// unusable says why an answer that is there counts as none.
func (b *binder) unusable(item *instrument.Item, a *Answer) {
	low, high := item.Answers().Bounds()
	_, numeric := number(literal(a))
	switch {
	case a.Kind == "":
	case a.Kind == "Coding":
		b.warn("code-invalid", valuePath(a), "no option of item %d: it counts as unanswered", item.Number)
	case numeric:
		b.warn("value", valuePath(a), "no answer to item %d, which takes %v to %v: it counts as unanswered",
			item.Number, low-b.shift, high-b.shift)
	default:
		b.warn("structure", valuePath(a), "this type cannot answer item %d: it counts as unanswered", item.Number)
	}
}

// literal is the number of an answer as written; empty when its type holds none.
func literal(a *Answer) string {
	switch a.Kind {
	case "Integer", "Decimal", "Quantity":
		return a.Number
	case "String":
		return strings.TrimSpace(a.Text)
	default:
		return ""
	}
}

// number reads a decimal as FHIR and people write it: no hexadecimal, no infinity, no separators.
func number(literal string) (float64, bool) {
	if literal == "" || strings.Trim(literal, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(literal, 64)
	return x, err == nil
}
