package fact

import (
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/score"
)

// VersionExternal is the Version of scores that arrived ready-made.
const VersionExternal = "external"

// FromSheet is what a score sheet says, as a fact keeps it. Who the scores are about, in which encounter, is added by
// those who know the resource.
func FromSheet(sheet score.Sheet) *Scores {
	def := sheet.Definition
	s := &Scores{
		Instrument: def.ID, Version: def.Version, Hash: def.Hash,
		VersionAssumed: sheet.Assumed, Variant: sheet.Variant,
		Construct: def.Construct, Respondent: sheet.Respondent,
		Scores:        make([]Score, len(sheet.Scores)),
		Items:         make([]Item, len(sheet.Items)),
		SafetyUnknown: sheet.SafetyUnknown,
	}
	if def.Status != instrument.Ready {
		s.Status = def.Status
	}
	for i := range sheet.Scores {
		s.Scores[i] = fromScore(&sheet.Scores[i])
	}
	for i := range sheet.Decisions {
		d := &sheet.Decisions[i]
		s.Decisions = append(s.Decisions, Decision{d.Key.Code, d.Result, d.NotScorable, d.Unconfirmed})
	}
	for _, c := range sheet.Critical {
		s.Critical = append(s.Critical, Critical{Item: c.Item, Value: c.Value, Severity: c.Severity})
	}
	for i, item := range sheet.Items {
		s.Items[i] = fromItem(item, &def.Items[i])
	}
	for i, theirs := range sheet.Submitted {
		if i == 0 {
			s.Discrepancy, s.DiscrepancyOf = new(theirs.Submitted), theirs.Score
		}
		s.submitted(theirs)
	}
	return s
}

// submitted keeps a value that came with the form beside ours.
func (s *Scores) submitted(theirs score.Discrepancy) {
	for i := range s.Scores {
		if s.Scores[i].Code == theirs.Score {
			s.Scores[i].Submitted = new(theirs.Submitted)
		}
	}
}

// External is a ready-made score, as an Observation brings it; an empty respondent is the one the instrument was made
// for. It is false for a code that the instrument does not have and for a value outside the score's range: nothing is
// clamped.
func External(def *instrument.Definition, code string, value float64, respondent string) (*Scores, bool) {
	key := def.Score(code)
	if key == nil || !key.Takes(value) {
		return nil, false
	}
	band := key.Band(value, nil)
	result := score.Result{Key: key, Value: value, Band: band, Level: key.Level(band), Unconfirmed: key.Unconfirmed()}
	sheet := score.Sheet{Definition: def, Respondent: def.Respondent, Scores: []score.Result{result}}
	s := FromSheet(sheet.By(respondent))
	s.Version, s.Hash, s.Items = VersionExternal, "", nil
	return s, true
}

func fromScore(from *score.Result) Score {
	key := from.Key
	s := Score{
		Code: key.Code, Band: from.Band, Prorated: from.Prorated, NotScorable: from.NotScorable,
		BandPlace: key.Bands.Place(from.Band), HigherBetter: key.HigherBetter(), NoDirection: key.Direction == "",
		Min: key.Min, Max: key.Max, Unconfirmed: from.Unconfirmed,
		Reliable: key.ReliableChange(), Important: key.ImportantChange(), BySE: key.BySE(),
		SE: from.SE(), Missing: key.Missing.String(), Part: key.Part(), Level: from.Level,
	}
	if from.Scorable() {
		s.Value = new(from.Value)
	}
	if len(from.Row) > 0 {
		s.Row = new(from.Row[0])
	}
	switch {
	case key.Table != nil:
		s.Table = key.Table.Name
	case key.Linear != nil:
		s.Table = key.Linear.Name
	}
	s.statistics(key.Change)
	return s
}

// statistics enters the cut-off, and what of the change statistics no source confirms.
func (s *Score) statistics(change *instrument.Change) {
	if change == nil {
		return
	}
	s.ReliableUnconfirmed = change.Reliable != nil && !change.Reliable.Evidence.Confirmed()
	s.ImportantUnconfirmed = change.Important != nil && !change.Important.Evidence.Confirmed()
	if change.Cutoff != nil {
		s.Cutoff, s.CutoffUnconfirmed = new(change.Cutoff.At()), !change.Cutoff.Evidence.Confirmed()
	}
}

func fromItem(from score.Item, key *instrument.Item) Item {
	item := Item{Item: from.Number, Concept: from.Concept}
	if from.Answered {
		item.Answer = new(from.Answer)
	}
	if from.Answered && from.Scored {
		item.Used = new(from.Used)
		if len(key.Recode) > 0 {
			item.Recoded = new(key.Recoded(from.Answer))
		}
	}
	return item
}
