package catalogue

import (
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// answerList is how an instrument numbers answers whose wording is fixed.
type answerList struct {
	instrument string
	ordinals   map[string]float64
}

// fewest displays by which a list of answers is told from another.
const fewest = 3

// answerLists are the lists of the instruments whose answers have words of their own.
func answerLists(definitions []*instrument.Definition) (lists []answerList) {
	for _, d := range definitions {
		for _, name := range sorted(d.Scales) {
			list := answerList{d.ID, map[string]float64{}}
			for _, o := range d.Scales[name].Options {
				if o.Display != "" {
					list.ordinals[strings.ToLower(o.Display)] = o.Ordinal
				}
			}
			if len(list.ordinals) >= fewest && len(list.ordinals) == len(d.Scales[name].Options) {
				lists = append(lists, list)
			}
		}
	}
	return lists
}

// contradictions are the questions of a form that offer the very answers of an instrument with other weights, as one
// published PHQ-9 does that counts 4 for nearly every day: such weights are more likely wrong than meant.
func (c *Catalogue) contradictions(d *instrument.Definition, f *form.Form) (issues []fault.Issue) {
	for i, link := range d.Forms[0].Items {
		if d.Items[i].Unscored {
			continue
		}
		scale := d.Scales[d.Items[i].Scale]
		for _, list := range c.lists {
			if theirs, ours, differ := list.differs(scale); differ {
				issues = append(issues, fault.Errorf("conflict", f.Item(link).Path,
					"the answers are those of %s, which counts them %s, but weigh %s: not scored, unless an overlay says how",
					list.instrument, ours, theirs))
				break
			}
		}
	}
	return issues
}

// unweighed are the questions that keep a form without a formula from being summed: their answers come from a list that
// is not known, and with weights of its own it would belong to the sum.
func unweighed(d *instrument.Definition, f *form.Form) (issues []fault.Issue) {
	if d.Scores[0].Evidence != unformulated {
		return nil
	}
	for item := range f.All() {
		if item.Unresolved {
			issues = append(issues, fault.Warnf("not-found", item.Path,
				"the value set of its answers is not known, so that a sum of the weights may lack them: not scored, unless an overlay says how"))
		}
	}
	return issues
}

// differs says whether a scale has the words of the list and other numbers.
func (l answerList) differs(s *instrument.Scale) (theirs, ours string, differ bool) {
	if len(s.Options) != len(l.ordinals) {
		return "", "", false
	}
	var a, b []string
	for _, o := range s.Options {
		ordinal, ok := l.ordinals[strings.ToLower(strings.TrimSpace(o.Display))]
		if !ok {
			return "", "", false
		}
		differ = differ || ordinal != o.Ordinal
		a, b = append(a, number(o.Ordinal)), append(b, number(ordinal))
	}
	return strings.Join(a, ", "), strings.Join(b, ", "), differ
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
