package wire

import (
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// Sheet is a fact of kind scores in protobuf.
func Sheet(f fact.Fact) *rapportv1.ScoreSheet {
	s := f.Scores
	out := &rapportv1.ScoreSheet{
		Instrument: s.Instrument, Version: s.Version, DefinitionHash: s.Hash, Respondent: s.Respondent,
		Effective: stamp(f.At), Source: f.Source.String(), Fact: f.ID, Clinician: string(s.Clinician),
		Variant: s.Variant, VersionAssumed: s.VersionAssumed, Status: s.Status,
	}
	if out.Status == "" {
		out.Status = instrument.Ready
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
		out.Items = append(out.Items, &rapportv1.ItemAnswer{
			Item: int32(i.Item), Concept: i.Concept, Answer: i.Answer, Recoded: i.Recoded, Used: i.Used,
		})
	}
	for _, d := range s.Decisions {
		out.Decisions = append(out.Decisions, &rapportv1.Decision{
			Code: d.Code, Result: d.Result, NotScorable: d.NotScorable, Unconfirmed: d.Unconfirmed,
		})
	}
	return out
}

func scoreOf(s fact.Score) *rapportv1.Score {
	return &rapportv1.Score{
		Code: s.Code, Value: s.Value, Band: s.Band, Prorated: s.Prorated, NotScorable: s.NotScorable,
		Direction: direction(s), Min: s.Min, Max: s.Max, Unconfirmed: s.Unconfirmed,
		Se: s.SE, Row: s.Row, Table: s.Table, Missing: s.Missing, Change: Statistics(trend.Measure(s)), Submitted: s.Submitted,
	}
}

func direction(s fact.Score) rapportv1.Direction {
	switch {
	case s.NoDirection:
		return rapportv1.Direction_DIRECTION_UNSPECIFIED
	case s.HigherBetter:
		return rapportv1.Direction_DIRECTION_HIGHER_BETTER
	default:
		return rapportv1.Direction_DIRECTION_HIGHER_WORSE
	}
}

// Workings are how the scores of a sheet came about, in protobuf.
func Workings(sheet *score.Sheet) []*rapportv1.Working {
	var out []*rapportv1.Working
	for _, w := range sheet.Workings() {
		working := &rapportv1.Working{Score: w.Score, Formula: w.Formula, Steps: w.Steps}
		for _, b := range w.RestsOn {
			working.RestsOn = append(working.RestsOn, Backing(b.Fact, b.Evidence))
		}
		out = append(out, working)
	}
	return out
}

// Backing is a fact of an instrument with its evidence, in protobuf.
func Backing(fact string, e instrument.Evidence) *rapportv1.Backing {
	return &rapportv1.Backing{Fact: fact, Evidence: string(e), Confirmed: e.Confirmed()}
}

// Instrument in protobuf.
func Instrument(d *instrument.Definition) *rapportv1.Instrument {
	out := &rapportv1.Instrument{
		Id: d.ID, Version: d.Version, DefinitionHash: d.Hash, Title: d.Title, Construct: d.Construct, Respondent: d.Respondent,
		Canonicals: d.Canonicals, Items: int32(len(d.Items)), Unconfirmed: d.Unconfirmed,
		Licence: strings.TrimSpace(d.Licence.Notice + " " + d.Licence.Attribution), Status: d.Status,
	}
	for i := range d.Variants {
		out.Variants = append(out.Variants, d.Variants[i].Code)
	}
	for i := range d.Scores {
		out.Scores = append(out.Scores, d.Scores[i].Code)
	}
	return out
}
