package fhir

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// The names of parts.
const (
	partPanel    = "panel"
	partScreen   = "screen"
	partScore    = "score-"
	partDecision = "decision-"
	partItem     = "item-"
)

// partName joins a prefix and a code. A code that no id can hold is hashed.
func partName(prefix, code string) string {
	if name := prefix + code; len(name) <= ref.MaxPart && ref.ValidID(name) {
		return name
	}
	return prefix + ref.Digest(code)[:16]
}

// The categories.
const (
	survey     = hl7t + "observation-category|survey"
	functional = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|functional-status"
)

func (s *Sheet) categories() []string {
	if s.Fact.Scores.Construct == "function" {
		return []string{survey, functional}
	}
	return []string{survey}
}

func categories(of []string) []samply.CodeableConcept {
	var out []samply.CodeableConcept
	for _, one := range of {
		out = append(out, samply.CodeableConcept{Coding: codings([]string{one})})
	}
	return out
}

// codings of `system|code`.
func codings(of []string) []samply.Coding {
	var out []samply.Coding
	for _, one := range of {
		system, code, _ := strings.Cut(one, "|")
		out = append(out, samply.Coding{System: &system, Code: &code})
	}
	return out
}

func coded(text string, codes []string) samply.CodeableConcept {
	return samply.CodeableConcept{Coding: codings(codes), Text: &text}
}

// title of the instrument, for people.
func (s *Sheet) title() string {
	if s.Definition != nil {
		return s.Definition.Title
	}
	return s.Fact.Scores.Instrument
}

func words(code string) string { return strings.ReplaceAll(code, "-", " ") }

// own is a code of our own: the instrument and the code, joined by a hyphen.
func (s *Sheet) own(system, code string) string {
	return system + "|" + s.Fact.Scores.Instrument + "-" + code
}

// loincOnly leaves out codes that are somebody's own, and those of SNOMED CT, which are licensed.
func loincOnly(codes []instrument.Coded, but []instrument.Coded) []string {
	var out []string
	for i := range codes {
		code := codes[i].Code
		isPanel := slices.ContainsFunc(but, func(c instrument.Coded) bool { return c.Code == code })
		if strings.HasPrefix(code, loinc+"|") && !isPanel {
			out = append(out, code)
		}
	}
	return out
}

// panel has no value: it holds scores, decisions and items together. The screen, which comes and goes with what is known
// of the patient, is derived from its score instead.
func (s *Sheet) panel() Part {
	p := Part{Name: partPanel, Categories: s.categories(), title: s.title()}
	if s.Definition != nil {
		p.Codes = loincOnly(s.Definition.Panels, nil)
	}
	p.Codes = append(p.Codes, instrument.ScoreSystem+"|"+s.Fact.Scores.Instrument)
	p.build = func(out *samply.Observation) {
		for _, member := range s.Parts() {
			if member.Name != partPanel && member.Name != partScreen {
				out.HasMember = append(out.HasMember, s.reference(member.Name))
			}
		}
		s.panelNotes(out)
	}
	return p
}

// item is one answer, as it was printed.
func (s *Sheet) item(i int) Part {
	item := &s.Fact.Scores.Items[i]
	p := Part{
		Name: partItem + strconv.Itoa(item.Item), Categories: s.categories(),
		title: s.title() + ", item " + strconv.Itoa(item.Item) + ": " + words(item.Concept),
	}
	var known *instrument.Item
	if s.Definition != nil {
		known = s.Definition.Item(item.Item)
	}
	if known != nil {
		for _, code := range known.Codes {
			if strings.HasPrefix(code, loinc+"|") {
				p.Codes = append(p.Codes, code)
			}
		}
	}
	p.Codes = append(p.Codes, s.own(instrument.ItemSystem, item.Concept))
	p.build = func(out *samply.Observation) {
		if known == nil || !option(known.Answers(), *item.Answer, out) {
			numeric(*item.Answer, out)
		}
		if item.Used != nil && *item.Used != *item.Answer {
			out.Component = append(out.Component, quantity("used", *item.Used))
		}
	}
	return p
}

// option enters an answer of a list: the codes of the option, our own, and its ordinal.
func option(scale *instrument.Scale, answer float64, out *samply.Observation) bool {
	if scale == nil {
		return false
	}
	i := slices.IndexFunc(scale.Options, func(o instrument.Option) bool { return math.Abs(o.Ordinal-answer) < instrument.Tolerance })
	if i < 0 {
		return false
	}
	o := &scale.Options[i]
	value := samply.CodeableConcept{Coding: codings(append(slices.Clone(o.Codes), instrument.AnswerSystem+"|"+decimal(answer)))}
	for i := range value.Coding {
		value.Coding[i].Extension = []samply.Extension{{Url: sd + "ordinalValue", ValueDecimal: new(json.Number(decimal(answer)))}}
		if o.Display != "" && *value.Coding[i].System != instrument.AnswerSystem {
			value.Coding[i].Display = &o.Display
		}
	}
	switch {
	case o.Display != "":
		value.Text = &o.Display
	case o.Label != "":
		value.Text = &o.Label
	}
	out.ValueCodeableConcept = &value
	return true
}

// numeric enters an answer on a scale of numbers.
func numeric(answer float64, out *samply.Observation) {
	if answer == math.Trunc(answer) && math.Abs(answer) < math.MaxInt32 {
		out.ValueInteger = new(int(answer))
		return
	}
	out.ValueQuantity = scoreQuantity(answer, unitScore)
}

// The units of scores.
const (
	unitScore   = "{score}"
	unitPercent = "%"
)

func scoreQuantity(value float64, unit string) *samply.Quantity {
	return &samply.Quantity{Value: new(json.Number(decimal(value))), Unit: &unit, System: new(ucum), Code: &unit}
}

// quantity is a component with a detail of the score.
func quantity(detail string, value float64) samply.ObservationComponent {
	return samply.ObservationComponent{Code: detailCode(detail), ValueQuantity: scoreQuantity(value, unitScore)}
}

func count(detail string, n int) samply.ObservationComponent {
	return samply.ObservationComponent{Code: detailCode(detail), ValueInteger: &n}
}

func detailCode(detail string) samply.CodeableConcept {
	return samply.CodeableConcept{Coding: codings([]string{SystemDetail + "|" + detail}), Text: new(words(detail))}
}

// decision is a conclusion by counting answers: a word.
func (s *Sheet) decision(i int) Part {
	d := &s.Fact.Scores.Decisions[i]
	p := Part{
		Name: partName(partDecision, d.Code), Codes: []string{s.own(instrument.ScoreSystem, d.Code)}, Categories: s.categories(),
		title: s.title() + ": " + words(d.Code),
	}
	p.build = func(out *samply.Observation) {
		if s.Definition != nil && i < len(s.Definition.Decisions) && s.Definition.Decisions[i].Code == d.Code {
			note(out, s.Definition.Decisions[i].Text)
		}
		if d.NotScorable != "" {
			absent(out, d.NotScorable, reasons[d.NotScorable].text)
			return
		}
		result := coded(words(d.Result), []string{s.own(SystemResult, d.Code+"-"+d.Result)})
		out.ValueCodeableConcept = &result
		if d.Unconfirmed {
			note(out, "Unconfirmed: no source that was read confirms the rule behind it.")
		}
	}
	return p
}

// reason is how FHIR tells why there is no value.
type reason struct{ code, text string }

// reasons by fact.Score.NotScorable. A form that was answered in part has a score that nobody knows.
var reasons = map[string]reason{
	"missing-items": {"unknown", "not scorable: too few items are answered"},
	"not-in-table":  {"error", "not scorable: the prorated raw value lies between two rows of the conversion table"},
	"no-result":     {"error", "not scorable: the form's own expression gave no number"},
}

// absent says that there is no value, never a low one.
func absent(out *samply.Observation, notScorable, text string) {
	why, known := reasons[notScorable]
	if !known {
		why, text = reason{code: "unknown"}, "not scorable: "+words(notScorable)
	}
	missing := coded(text, []string{hl7t + "data-absent-reason|" + why.code})
	out.DataAbsentReason = &missing
}
