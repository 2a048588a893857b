package path

import (
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// candidate answers of one item, for responses made from the questionnaire.
type candidates struct {
	// answers are elements of `answer` as JSON; none when no answer can be made up.
	answers []string
	// bounded: they hold all values, or the lowest and the highest.
	bounded bool
}

// The extensions that bound a number.
const (
	minValueURL = "http://hl7.org/fhir/StructureDefinition/minValue"
	maxValueURL = "http://hl7.org/fhir/StructureDefinition/maxValue"
	unitURL     = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
)

// fixedAnswers serve items whose values have no extremes.
var fixedAnswers = map[string]string{
	"string": `{"valueString":"word"}`, "text": `{"valueString":"word"}`, "url": `{"valueUri":"http://example.org"}`,
	"date": `{"valueDate":"2026-01-31"}`, "dateTime": `{"valueDateTime":"2026-01-31T10:00:00Z"}`, "time": `{"valueTime":"10:00:00"}`,
	"reference": `{"valueReference":{"display":"someone"}}`, "attachment": `{"valueAttachment":{"title":"file"}}`,
}

// candidates makes up answers of an item.
func (it *item) candidates() candidates {
	if len(it.choices) > 0 {
		c := candidates{bounded: true}
		for _, option := range it.choices {
			for m := range option.Children() {
				if strings.HasPrefix(m.Key(), "value") {
					c.answers = append(c.answers, `{"`+m.Key()+`":`+string(m.Raw())+`}`)
				}
			}
		}
		return c
	}
	switch it.kind {
	case "boolean":
		return candidates{[]string{`{"valueBoolean":false}`, `{"valueBoolean":true}`}, true}
	case "integer", "decimal", "quantity":
		return it.numbers()
	}
	if fixed := fixedAnswers[it.kind]; fixed != "" {
		return candidates{answers: []string{fixed}}
	}
	return candidates{}
}

// numbers are the lowest and the highest number that the item takes, or two of those that it takes.
func (it *item) numbers() candidates {
	low, high := it.bound(minValueURL), it.bound(maxValueURL)
	c := candidates{bounded: low != "" && high != ""}
	switch {
	case low == "" && high == "":
		low, high = "1", "2"
	case low == "":
		low = high
	case high == "":
		high = low
	}
	for _, number := range []string{low, high} {
		c.answers = append(c.answers, it.numeric(number))
	}
	return c
}

// bound is the number of a bounding extension; empty when there is none.
func (it *item) bound(url string) string {
	for e := range it.node.Child("extension").Children() {
		if !e.Child("url").Is(url) {
			continue
		}
		for m := range e.Children() {
			if number := m.Number(); number != "" {
				return number
			}
			if number := m.Child("value").Number(); number != "" {
				return number
			}
		}
	}
	return ""
}

func (it *item) numeric(number string) string {
	switch it.kind {
	case "decimal":
		return `{"valueDecimal":` + number + `}`
	case "quantity":
		unit := tree.Node{}
		for e := range it.node.Child("extension").Children() {
			if e.Child("url").Is(unitURL) {
				unit = e.Child("valueCoding")
			}
		}
		text := `{"valueQuantity":{"value":` + number
		for _, member := range [][2]string{{"system", "system"}, {"code", "code"}, {"display", "unit"}} {
			if value := unit.Child(member[0]).Text(); value != "" {
				text += `,"` + member[1] + `":` + string(quoted(value))
			}
		}
		return text + `}}`
	}
	if whole, err := strconv.ParseFloat(number, 64); err == nil {
		number = strconv.FormatInt(int64(whole), 10)
	}
	return `{"valueInteger":` + number + `}`
}

// picks says which candidate each item is answered with; -1 leaves it out.
type picks map[*item]int

// questions are the items that are answered by someone, with what they can be answered with.
func (f *Formulas) questions() map[*item]candidates {
	computed := map[*item]bool{}
	for _, c := range f.computed {
		computed[c.on] = true
	}
	out := map[*item]candidates{}
	for _, it := range f.form.items {
		if c := it.candidates(); it.asked() && !computed[it] && len(c.answers) > 0 {
			out[it] = c
		}
	}
	return out
}

// synthetic is a response with every question answered as picked; the one at a place not picked is the first.
func (f *Formulas) synthetic(questions map[*item]candidates, p picks) *tree.Doc {
	var b strings.Builder
	b.WriteString(`{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-01-31T10:00:00Z"`)
	f.made(&b, nil, questions, p)
	b.WriteByte('}')
	doc, err := tree.Parse([]byte(b.String()), tree.Limits{})
	if err != nil {
		return nil
	}
	return doc
}

// made writes the items below one.
func (f *Formulas) made(b *strings.Builder, parent *item, questions map[*item]candidates, p picks) {
	first := true
	for _, it := range f.form.below(parent) {
		var inner strings.Builder
		f.made(&inner, it, questions, p)
		answer := ""
		if c, asked := questions[it]; asked && p[it] >= 0 {
			answer = c.answers[min(p[it], len(c.answers)-1)]
		}
		if answer == "" && (inner.Len() == 0 || it.asked()) {
			continue
		}
		if first {
			b.WriteString(`,"item":[`)
		} else {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(`{"linkId":` + string(quoted(it.linkID)))
		if answer == "" {
			b.WriteString(inner.String() + `}`)
			continue
		}
		b.WriteString(`,"answer":[` + strings.TrimSuffix(answer, "}") + inner.String() + `}]}`)
	}
	if !first {
		b.WriteByte(']')
	}
}

// mostVariants is how many full responses are tried.
const mostVariants = 8

// variants are full responses: all first candidates, all second ones, and so on, the last of each at the end; and two
// in which neighbours differ.
func (f *Formulas) variants(questions map[*item]candidates) []picks {
	most := 1
	for _, c := range questions {
		most = max(most, len(c.answers))
	}
	var out []picks
	for i := range min(most, mostVariants) {
		p := picks{}
		for it, c := range questions {
			p[it] = min(i, len(c.answers)-1)
			if i == min(most, mostVariants)-1 {
				p[it] = len(c.answers) - 1
			}
		}
		out = append(out, p)
	}
	for shift := range min(most, 2) {
		p := picks{}
		for it, c := range questions {
			p[it] = (it.place + shift) % len(c.answers)
		}
		out = append(out, p)
	}
	return out
}
