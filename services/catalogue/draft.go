package catalogue

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

// questionnaire finds what a source means by the name that a response gives; nil when its map does not say. A name without
// a version stands for every version.
func (s *source) questionnaire(name string) *feed {
	if s == nil {
		return nil
	}
	if name == "" {
		return s.Unnamed
	}
	url, _, _ := strings.Cut(name, "|")
	for _, known := range [3]string{name, url, relative(url)} {
		if f := s.Questionnaires[known]; f != nil {
			return f
		}
	}
	return nil
}

// relative is the reference `Questionnaire/id` at the end of an address; empty when there is none.
func relative(url string) string {
	rest, id := cutLast(url)
	if _, typ := cutLast(rest); typ != "Questionnaire" || id == "" {
		return ""
	}
	return "Questionnaire/" + id
}

func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(i, 0)], s[i+1:]
}

// system is what a code system of the source is called elsewhere.
func (s *source) system(name string) string {
	if meant, ok := s.Systems[name]; ok {
		return meant
	}
	return name
}

// token is a `system|code` with the system's usual name.
func (s *source) token(systemCode string) string {
	system, code, ok := strings.Cut(systemCode, "|")
	if !ok || s == nil {
		return systemCode
	}
	return s.system(system) + "|" + code
}

// translate gives a draft in the words of a source the words that instruments know: systems by their usual names and,
// where the questionnaire is mapped, linkIds and answers of its instrument. Nothing of the draft that came is written to.
func (s *source) translate(d response.Draft, f *feed) response.Draft {
	if s == nil || f == nil && len(s.Systems) == 0 {
		return d
	}
	t := translator{source: s, feed: f}
	if f != nil {
		if v := f.def.Variant(cmp.Or(f.Variant, f.def.VariantOf(d.Questionnaire))); v != nil {
			t.shift = v.Shift
		}
	}
	d.Items = t.items(d.Items)
	return d
}

// translator rewrites one draft.
type translator struct {
	*source
	feed  *feed
	shift float64
}

func (t *translator) items(items []response.Item) []response.Item {
	if len(items) == 0 {
		return items
	}
	out := make([]response.Item, len(items))
	for i, item := range items {
		var to link
		if t.feed != nil {
			to = t.feed.links[item.LinkID]
			item.LinkID = t.linkID(item.LinkID, to)
		}
		if len(t.Systems) > 0 && len(item.Codes) > 0 {
			codes := make([]string, len(item.Codes))
			for j, code := range item.Codes {
				codes[j] = t.token(code)
			}
			item.Codes = codes
		}
		item.Items = t.items(item.Items)
		item.Answers = t.answers(item.Answers, to)
		out[i] = item
	}
	return out
}

// linkID is the linkId under which the instrument knows an item or a submitted score.
func (t *translator) linkID(sent string, to link) string {
	def := t.feed.def
	if to.item != nil {
		return def.LinkOf(to.item.Number)
	}
	if score, ok := t.feed.Scores[sent]; ok {
		return def.ScoreLinkOf(score)
	}
	return sent
}

func (t *translator) answers(answers []response.Answer, to link) []response.Answer {
	if len(answers) == 0 {
		return answers
	}
	out := make([]response.Answer, len(answers))
	for i, a := range answers {
		a.Items = t.items(a.Items)
		t.answer(&a, to)
		out[i] = a
	}
	return out
}

func (t *translator) answer(a *response.Answer, to link) {
	if a.Kind == "Coding" {
		a.System = t.system(a.System)
		if ordinal, ok := t.ordinal(a); ok {
			a.System, a.Code = instrument.AnswerSystem, strconv.FormatFloat(ordinal, 'f', -1, 64)
			a.Display, a.Weight = "", ""
		}
	}
	if to.item == nil || !to.reverse {
		return
	}
	low, high := to.item.Answers().Bounds()
	base := low + high - 2*t.shift
	a.Number, a.Weight = mirrored(a.Number, base), mirrored(a.Weight, base)
	if a.Kind == "String" {
		a.Text = mirrored(strings.TrimSpace(a.Text), base)
	}
}

// ordinal that the map gives to a code of the source.
func (t *translator) ordinal(a *response.Answer) (float64, bool) {
	if t.feed == nil || a.Code == "" {
		return 0, false
	}
	for _, known := range [2]string{a.System + "|" + a.Code, a.Code} {
		if ordinal, ok := t.feed.Answers[known]; ok {
			return ordinal, true
		}
	}
	return 0, false
}

// mirrored is a number as the other end of the scale counts it; what is no number stays.
func mirrored(literal string, base float64) string {
	x, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return literal
	}
	return strconv.FormatFloat(base-x, 'f', -1, 64)
}
