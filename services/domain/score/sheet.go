// Package score computes what an answered form says: its scores with their working, or why there is none.
package score

import "github.com/rapport-health/rapport/services/domain/instrument"

// Reasons why a single score has no value.
const (
	// MissingItems: too few answers were given for it.
	MissingItems = "missing-items"
	// NotInTable: its raw value, prorated, lies between two rows of the conversion table.
	NotInTable = "not-in-table"
	// NoResult: the form's own expression gave no number.
	NoResult = "no-result"
)

// Sheet is everything that one response said.
type Sheet struct {
	// Definition that scored it.
	Definition *instrument.Definition
	// Respondent: patient, clinician or care-partner.
	Respondent string
	// Variant in which the answers were numbered; empty for the instrument's own.
	Variant string
	// Assumed says that the response named no version, so that the current definition scored it.
	Assumed bool
	// Scores in the instrument's own order.
	Scores []Result
	// Decisions by counting answers.
	Decisions []Concluded
	// Critical items that fired, in the order of the form; also when no score could be computed.
	Critical []Critical
	// SafetyUnknown are the items of safety alerts that were left unanswered: unknown, not negative.
	SafetyUnknown []int
	// Items of the form, in its order.
	Items []Item
	// Submitted are the scores that came with the form and differ from ours.
	Submitted []Discrepancy
}

// Result is one score: a number, or the reason why there is none.
type Result struct {
	// Key is the score's definition: code, range, direction, change statistics.
	Key *instrument.Score
	// Value on the instrument's own scale; it counts only when NotScorable is empty.
	Value float64
	// NotScorable is missing-items, not-in-table, no-result, or the response's own reason such as in-progress; empty
	// when there is a value.
	NotScorable string
	// Row of the conversion table that gave the value: raw value, value and, where known, standard error; else nil.
	Row []float64
	// Band of the value, and its Level on the common distress ladder; empty when none is defined.
	Band, Level string
	// Prorated says that the answered items stand for at least one unanswered.
	Prorated bool
	// Unconfirmed says that the result rests on a key, band or missing rule that no source that was read confirms.
	Unconfirmed bool
}

// Scorable says whether there is a value.
func (r *Result) Scorable() bool { return r.NotScorable == "" }

// SE is the standard error of the value; nil when not known.
func (r *Result) SE() *float64 {
	if len(r.Row) < 3 {
		return nil
	}
	return &r.Row[2]
}

// Concluded is one decision: a word, or the reason why there is none.
type Concluded struct {
	// Key is the decision's definition.
	Key *instrument.Decision
	// Result is the code of the rule that held; it counts only when NotScorable is empty.
	Result string
	// NotScorable is missing-items, or the response's own reason.
	NotScorable string
	// Unconfirmed says that no source that was read confirms the rule.
	Unconfirmed bool
}

// Critical is an item answered at or beyond its alert threshold.
type Critical struct {
	// Item number on the form.
	Item int
	// Value is the ordinal as printed.
	Value float64
	// Severity is safety or discuss.
	Severity string
}

// Item is one answer as it entered the scores.
type Item struct {
	// Number on the form, from 1.
	Number int
	// Concept id.
	Concept string
	// Answer is the ordinal as printed, Used its value after reversal. Both count only when Answered.
	Answer, Used float64
	Answered     bool
	// Scored is false for items that are kept, never summed.
	Scored bool
}

// Discrepancy is a submitted score that is not ours.
type Discrepancy struct {
	// Score code.
	Score string
	// Submitted value.
	Submitted float64
}

// Result of a score code; nil when the instrument has none.
func (s Sheet) Result(code string) *Result {
	for i := range s.Scores {
		if s.Scores[i].Key.Code == code {
			return &s.Scores[i]
		}
	}
	return nil
}

// By is the sheet as a respondent answered it; empty is the one the form was made for. From anybody else the numbers
// stand, but bands, levels, decisions and change statistics do not: they were validated for the one alone.
func (s Sheet) By(respondent string) Sheet {
	if respondent == "" || respondent == s.Definition.Respondent {
		return s
	}
	s.Respondent, s.Decisions = respondent, nil
	scores := make([]Result, len(s.Scores))
	for i, old := range s.Scores {
		bare := *old.Key
		bare.Bands, bare.Alternatives, bare.Cuts, bare.Change, bare.Distress = nil, nil, nil, nil, nil
		old.Key, old.Band, old.Level = &bare, "", ""
		scores[i] = old
	}
	s.Scores = scores
	return s
}
