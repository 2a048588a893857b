package form

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

// Published is the questionnaire that we publish for an instrument under our own canonical: its items in the order of
// the printed form, at one level, with linkIds `<instrument>-<number>`. No item is required, since the missing rules
// decide. Weights are the ordinals as printed, before any reversal. The wording is a label of ours, not that of the
// instrument.
func Published(def *instrument.Definition) Form {
	f := Form{URL: def.Canonical(), Version: def.Version, Title: def.Title, Status: "active"}
	if def.Status != "ready" {
		f.Status = "draft"
	}
	for i := range def.Panels {
		f.Codes = append(f.Codes, def.Panels[i].Code)
	}
	for i := range def.Items {
		f.Items = append(f.Items, published(def, &def.Items[i]))
	}
	return f
}

func published(def *instrument.Definition, of *instrument.Item) Item {
	item := Item{
		LinkID: def.ID + "-" + strconv.Itoa(of.Number),
		Prefix: strconv.Itoa(of.Number) + ".",
		Text:   label(of.Concept),
		Codes:  append(slices.Clone(of.Codes), instrument.ItemSystem+"|"+def.ID+"-"+of.Concept),
	}
	if scale := of.Answers(); len(scale.Options) > 0 {
		item.Type, item.Options = Choice, choices(scale, def.Licence.Wording)
	} else {
		ranged(&item, scale)
	}
	return item
}

// label is a concept id as people write it.
func label(concept string) string {
	words := strings.ReplaceAll(concept, "-", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// choices are the options of a scale, and the codes by which one says that the question does not apply.
func choices(scale *instrument.Scale, wording bool) []Option {
	var out []Option
	for i := range scale.Options {
		o := &scale.Options[i]
		ordinal := strconv.FormatFloat(o.Ordinal, 'f', -1, 64)
		coding := Value{Kind: "Coding", System: instrument.AnswerSystem, Code: ordinal, Display: ordinal}
		if len(o.Codes) > 0 {
			coding.System, coding.Code, _ = strings.Cut(o.Codes[0], "|")
		}
		if wording {
			coding.Display = cmp.Or(o.Display, o.Label, ordinal)
		}
		out = append(out, Option{Value: coding, Weight: &o.Ordinal})
	}
	for _, blank := range scale.Blank {
		if system, code, ok := strings.Cut(blank, "|"); ok {
			out = append(out, Option{Value: Value{Kind: "Coding", System: system, Code: code, Display: "Does not apply"}})
		}
	}
	return out
}

// ranged makes an item of numbers.
func ranged(item *Item, scale *instrument.Scale) {
	item.Type = Decimal
	kind := "Decimal"
	places := decimals(strconv.FormatFloat(scale.Step, 'f', -1, 64))
	if whole(scale.From) && whole(scale.Step) {
		item.Type, kind = Integer, "Integer"
	} else {
		item.Decimals = &places
	}
	item.Min = &Value{Kind: kind, Number: strconv.FormatFloat(scale.From, 'f', -1, 64)}
	item.Max = &Value{Kind: kind, Number: strconv.FormatFloat(scale.To, 'f', -1, 64)}
}

// Of is the form of our own canonical, as responses to it are held against it. It asks what Published asks, and lets
// stand what has the same meaning:
//   - an item may be called `<instrument>-<number>`, by its bare number, by its concept, by `/<LOINC code>`, or by any
//     other linkId or item code of the instrument;
//   - items may stand in any order, and in groups of the sender's own;
//   - a choice may be answered by any code of its options, or by the ordinal as an integer or a decimal; a number by
//     either of these;
//   - submitted scores may come along, under `<instrument>-<score>` or `/<LOINC code>`;
//   - the text of the items is not compared.
//
// Everything else is as strict as Check is. The definition must be one that was loaded.
func Of(def *instrument.Definition) *Form {
	f := Published(def)
	for i := range f.Items {
		f.Items[i].Text = ""
	}
	for i := range def.Scores {
		f.Items = append(f.Items, Item{LinkID: def.ID + "-" + def.Scores[i].Code, Type: Decimal, ReadOnly: true, Hidden: true})
	}
	own, issues := New(f)
	if own == nil {
		panic(fmt.Sprintf("the form of %s is not sound: %v", def.ID, issues)) // no definition that loads has such a form
	}
	own.own = def
	return own
}

// ownItem is the node of an item of our own form, by any name that it has.
func (c *checker) ownItem(item *response.Item) int32 {
	if i, ok := c.own.ItemByLink(item.LinkID, true); ok {
		return int32(i)
	}
	for _, code := range item.Codes {
		if i, ok := c.own.ItemByCode(code); ok {
			return int32(i)
		}
	}
	if i, ok := c.own.ScoreByLink(item.LinkID); ok {
		return int32(len(c.own.Items) + i)
	}
	return unknown
}

// ownAnswers checks the answers to an item of our own form against its scale. Where nothing is enforced the binding to
// the instrument says what does not count.
func (c *checker) ownAnswers(at int32) {
	o := &c.occs[at]
	given := o.item.Answers
	switch {
	case !c.Enforce:
		return
	case len(given) > 1:
		c.fail("multiple-matches", o.item.Path, "several answers to a question that takes one: none of them counts")
		c.blank(at)
		return
	case int(o.node) >= len(c.own.Items):
		c.submitted(at)
		return
	}
	for i := range given {
		if given[i].Kind != "" && !c.onScale(c.own.Items[o.node].Answers(), &given[i]) {
			c.lose(at, i)
		}
	}
}

// submitted checks a score that came along.
func (c *checker) submitted(at int32) {
	for i := range c.occs[at].item.Answers {
		a := &c.occs[at].item.Answers[i]
		_, isNumber := numeral(a)
		_, isWeighed := parseNumber(a.Weight)
		if a.Kind != "" && !isNumber && !isWeighed {
			c.fail("structure", a.Path+".value", "a submitted score is a number")
			c.lose(at, i)
		}
	}
}

// onScale says whether an answer is one of a scale.
func (c *checker) onScale(scale *instrument.Scale, a *response.Answer) bool {
	path := a.Path + ".value"
	switch a.Kind {
	case "Coding":
		_, ok := scale.ByCode(a.System, a.Code)
		if ok && a.System != "" || scale.Blanked(a.System, a.Code, "") {
			return true
		}
		c.fail("code-invalid", path, "the answer is none of the options, each of which has a code and a system: it counts as unanswered")
	case "Integer", "Decimal":
		x, ok := parseNumber(a.Number)
		if ok {
			_, ok = scale.Ordinal(x + c.shift)
		}
		if ok {
			return true
		}
		low, high := scale.Bounds()
		c.fail("value", path, "outside of the range or between the steps of the form, which go from %v to %v: it counts as unanswered",
			low-c.shift, high-c.shift)
	default:
		c.fail("structure", path, "an answer of this type does not fit the question: give a code or a number")
	}
	return false
}

// variant is what must be added to the numbers of a response to make them those of the instrument.
func (c *checker) variant(d *response.Draft) {
	if c.own == nil {
		return
	}
	if v := c.own.Variant(cmp.Or(d.Variant, c.own.VariantOf(d.Questionnaire))); v != nil {
		c.shift = v.Shift
	}
}
