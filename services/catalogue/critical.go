package catalogue

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// doubt adds the answers to critical items that the check against the form has taken away: on an item that should not
// have been asked, or given in a way that the form does not know. They count for no score, and are judged.
func (w *work) doubt(bound *response.Response) {
	if w.asked == nil || len(w.def.Alerts) == 0 {
		return
	}
	sent, _ := response.Bind(w.def, w.sources[w.Source].translate(w.sent, w.mapped))
	bound.Doubted = sent.Doubted
	for i := range sent.Ordinals {
		if number := w.def.Items[i].Number; sent.Ordinals[i].Given && !bound.Ordinals[i].Given && w.def.Watches(number) {
			bound.Doubted = append(bound.Doubted, response.Doubted{Item: number, Value: sent.Ordinals[i].Value})
		}
	}
}

// unscored is what becomes of a response to a questionnaire that nobody knows: nothing, save that critical items that it
// names by their codes are judged.
func (w *work) unscored() Outcome {
	out := Outcome{Issues: w.issues}
	for _, def := range w.registry.All() {
		if def.Foreign || len(def.Alerts) == 0 {
			continue
		}
		items := criticalOf(def, w.sent.Items, nil)
		if len(items) == 0 || w.sent.Status == response.EnteredInError {
			continue
		}
		bound, _ := response.Bind(def, w.sources[w.Source].translate(response.Draft{Status: w.sent.Status, Items: items}, nil))
		bound.Unscored = response.UnknownForm
		sheet := score.Score(def, bound).By(w.respondent())
		if len(sheet.Critical) == 0 {
			continue
		}
		w.def = def
		w.warn("informational", pathItem, "the questionnaire is not known, but a critical item of %s is: it is judged, and nothing else", def.ID)
		out.Sheet, out.Scores = sheet, w.fact(sheet)
		out.Issues = w.issues
		break
	}
	return out
}

// criticalOf are the items, at any depth, that name a critical item of a definition by its code.
func criticalOf(def *instrument.Definition, items, to []response.Item) []response.Item {
	for i := range items {
		item := items[i]
		to = criticalOf(def, item.Items, to)
		for j := range item.Answers {
			to = criticalOf(def, item.Answers[j].Items, to)
		}
		codes := slices.Clone(item.Codes)
		if code, ok := strings.CutPrefix(item.LinkID, "/"); ok {
			codes = append(codes, "http://loinc.org|"+code)
		}
		for _, code := range codes {
			if at, ok := def.ItemByCode(code); ok && def.Watches(def.Items[at].Number) {
				to = append(to, response.Item{LinkID: item.LinkID, Path: item.Path, Codes: []string{code}, Answers: item.Answers})
				break
			}
		}
	}
	return to
}
