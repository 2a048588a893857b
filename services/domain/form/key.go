package form

import (
	"cmp"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

// Key is what an instrument knows of the items and answers of a form that names a questionnaire.
func Key(def *instrument.Definition, d *response.Draft) Mapping {
	k := key{def: def, numbered: def.Numbered(d.Questionnaire)}
	if v := def.Variant(cmp.Or(d.Variant, def.VariantOf(d.Questionnaire))); v != nil {
		k.shift = v.Shift
	}
	return k
}

type key struct {
	def      *instrument.Definition
	numbered bool
	shift    float64
}

// Item knows the items and submitted scores of the instrument.
func (k key) Item(item *response.Item) bool {
	if _, ok := k.place(item); ok {
		return true
	}
	_, ok := k.def.ScoreByLink(item.LinkID)
	return ok
}

// Answer knows what is on the scale of the item, by code, display, number or weight.
func (k key) Answer(item *response.Item, a *response.Answer) bool {
	at, ok := k.place(item)
	if !ok {
		_, ok = k.def.ScoreByLink(item.LinkID)
		return ok
	}
	scale := k.def.Items[at].Answers()
	if a.Kind == "Coding" {
		_, byCode := scale.ByCode(a.System, a.Code)
		_, byDisplay := scale.ByDisplay(a.Display)
		if byCode || byDisplay {
			return true
		}
	}
	if x, isNumber := numeral(a); isNumber && k.on(scale, x) {
		return true
	}
	if x, isNumber := parseNumber(a.Weight); isNumber && k.on(scale, x) {
		return true
	}
	return scale.Blanked(a.System, a.Code, cmp.Or(a.Display, a.Text))
}

func (k key) on(scale *instrument.Scale, x float64) bool {
	_, ok := scale.Ordinal(x + k.shift)
	return ok
}

func (k key) place(item *response.Item) (int, bool) {
	if i, ok := k.def.ItemByLink(item.LinkID, k.numbered); ok {
		return i, true
	}
	for _, code := range item.Codes {
		if i, ok := k.def.ItemByCode(code); ok {
			return i, true
		}
	}
	return 0, false
}
