package fhir

import (
	"fmt"
	"math"
	"slices"
	"strings"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// key of a score in its definition; nil when that is not known.
func (s *Sheet) key(code string) *instrument.Score {
	if s.Definition == nil {
		return nil
	}
	return s.Definition.Score(code)
}

// score is a number, or the reason why there is none.
func (s *Sheet) score(i int) Part {
	score := &s.Fact.Scores.Scores[i]
	key := s.key(score.Code)
	p := Part{Name: partName(partScore, score.Code), Categories: s.categories(), title: s.title() + ": " + words(score.Code)}
	if key != nil {
		p.Codes = loincOnly(key.Codes, s.Definition.Panels)
	}
	p.Codes = append(p.Codes, s.own(instrument.ScoreSystem, score.Code))
	p.build = func(out *samply.Observation) { s.buildScore(score, key, out) }
	return p
}

func (s *Sheet) buildScore(score *fact.Score, key *instrument.Score, out *samply.Observation) {
	answered, items := s.answered(key)
	if score.Value == nil {
		text := reasons[score.NotScorable].text
		if score.NotScorable == "missing-items" && key != nil && key.Missing != nil {
			text = fmt.Sprintf("%s: %d of %d, and %d are needed", text, answered, items, key.Required())
		}
		absent(out, score.NotScorable, text)
	} else {
		valued(*score.Value, key, out)
		s.interpreted(score, key, out)
	}
	if items > 0 {
		out.Component = append(out.Component, count("answered", answered), count("items", items))
	}
	if key != nil && key.Missing != nil {
		out.Component = append(out.Component, count("required", key.Required()))
	}
	if score.Row != nil {
		out.Component = append(out.Component, quantity("raw", *score.Row))
	}
	if score.SE != nil {
		out.Component = append(out.Component, quantity("standard-error", *score.SE))
	}
	s.scoreNotes(score, answered, items, out)
}

// valued enters a value. A whole total is an integer, as quality measures read it; what is derived from a total, or
// has decimals, is a quantity.
func valued(value float64, key *instrument.Score, out *samply.Observation) {
	switch {
	case key != nil && percent(key):
		out.ValueQuantity = scoreQuantity(value, unitPercent)
	case key != nil && total(key) && value == math.Trunc(value):
		out.ValueInteger = new(int(value))
	default:
		out.ValueQuantity = scoreQuantity(value, unitScore)
	}
}

// percent says whether a score is a part of a hundred.
func percent(key *instrument.Score) bool {
	named := key.Code == "percent" || strings.HasSuffix(key.Code, "-percent")
	return key.Kind == instrument.KindPercent || named && key.Max == 100
}

// total says whether a score is a sum, whole but for prorating.
func total(key *instrument.Score) bool {
	summed := key.Kind == instrument.KindSum || key.Kind == instrument.KindScores
	point := key.Rescale(1) - key.Rescale(0)
	return summed && point >= 1 && point == math.Trunc(point) && (key.Step == 0 || key.Step == math.Trunc(key.Step))
}

// answered counts the items that a score rests on, and those of them that are answered.
func (s *Sheet) answered(key *instrument.Score) (answered, items int) {
	for _, n := range s.itemsOf(key) {
		items++
		given := func(i fact.Item) bool { return i.Item == n && i.Answer != nil }
		if slices.ContainsFunc(s.Fact.Scores.Items, given) {
			answered++
		}
	}
	return answered, items
}

// itemsOf a score, also by the scores that it is made of.
func (s *Sheet) itemsOf(key *instrument.Score) []int {
	if key == nil {
		return nil
	}
	items := slices.Clone(key.Items)
	for _, part := range key.Parts() {
		items = append(items, s.itemsOf(&s.Definition.Scores[part])...)
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// interpreted enters the band in words, and how it is to be taken in HL7's codes where that is known.
func (s *Sheet) interpreted(score *fact.Score, key *instrument.Score, out *samply.Observation) {
	code, text := grade(score), words(score.Band)
	if code == "" {
		code, text = s.screened(score, key, text)
	}
	if text == "" {
		return
	}
	if score.Unconfirmed {
		text += " (unconfirmed)"
	}
	i := samply.CodeableConcept{Text: &text}
	if code != "" {
		i.Coding = codings([]string{hl7t + "v3-ObservationInterpretation|" + code})
	}
	out.Interpretation = []samply.CodeableConcept{i}
}

// grade is the rung of the common ladder as a distance from normal, in the direction of the score.
func grade(score *fact.Score) string {
	away := "H"
	if score.HigherBetter {
		away = "L"
	}
	switch score.Level {
	case "none":
		return "N"
	case "mild", "moderate":
		return away
	case "severe":
		return away + away
	default:
		return ""
	}
}

// screened says on which side of the first cut point a score lies that has no rung. A cut holds for whom the form was
// made for alone.
func (s *Sheet) screened(score *fact.Score, key *instrument.Score, band string) (code, text string) {
	if key == nil || len(key.Cuts) == 0 || !key.Cuts[0].Evidence.Confirmed() || s.Fact.Scores.Respondent != s.Definition.Respondent {
		return "", band
	}
	cut := key.Cuts[0].At
	positive := *score.Value >= cut-instrument.Tolerance
	if score.HigherBetter {
		positive = *score.Value <= cut+instrument.Tolerance
	}
	code, text = "N", "not beyond the cut point "+decimal(cut)
	if positive {
		code, text = "A", "at or beyond the cut point "+decimal(cut)
	}
	if band != "" {
		text = band + ", " + text
	}
	return code, text
}
