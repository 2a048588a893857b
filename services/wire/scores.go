package wire

import (
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Sheet is a fact of kind scores in protobuf.
func Sheet(f fact.Fact) *rapportv1.ScoreSheet {
	s := f.Scores
	out := &rapportv1.ScoreSheet{
		Instrument: s.Instrument, Version: s.Version, DefinitionHash: s.Hash, Respondent: s.Respondent,
		Effective: stamp(f.At), Source: f.Source.String(), Fact: f.ID, Clinician: string(s.Clinician),
	}
	for _, score := range s.Scores {
		out.Scores = append(out.Scores, scoreOf(score))
	}
	for _, c := range s.Critical {
		out.Critical = append(out.Critical, &rapportv1.CriticalItem{Item: int32(c.Item), Value: c.Value, Severity: c.Severity})
	}
	for _, item := range s.SafetyUnknown {
		out.SafetyUnknown = append(out.SafetyUnknown, int32(item))
	}
	for _, i := range s.Items {
		out.Items = append(out.Items, &rapportv1.ItemAnswer{Item: int32(i.Item), Concept: i.Concept, Answer: i.Answer, Used: i.Used})
	}
	return out
}

func scoreOf(s fact.Score) *rapportv1.Score {
	direction := rapportv1.Direction_DIRECTION_HIGHER_WORSE
	switch {
	case s.Undirected:
		direction = rapportv1.Direction_DIRECTION_UNSPECIFIED
	case s.HigherBetter:
		direction = rapportv1.Direction_DIRECTION_HIGHER_BETTER
	}
	return &rapportv1.Score{
		Code: s.Code, Value: s.Value, Band: s.Band, Prorated: s.Prorated, NotScorable: s.NotScorable,
		Direction: direction, Min: s.Min, Max: s.Max, Unconfirmed: s.Unconfirmed,
	}
}

// Instrument in protobuf.
func Instrument(d *instrument.Definition) *rapportv1.Instrument {
	out := &rapportv1.Instrument{
		Id: d.ID, Version: d.Version, DefinitionHash: d.Hash, Title: d.Title, Construct: d.Construct, Respondent: d.Respondent,
		Canonicals: d.Canonicals, Items: int32(len(d.Items)), Unconfirmed: d.Unconfirmed,
		Licence: strings.TrimSpace(d.Licence.Notice + " " + d.Licence.Attribution),
	}
	for i := range d.Scores {
		out.Scores = append(out.Scores, d.Scores[i].Code)
	}
	return out
}
