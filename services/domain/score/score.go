package score

import (
	"math"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

// submittedTolerance is how far a submitted score may lie from ours and still be the same, since senders publish
// three decimals.
const submittedTolerance = 0.001

// Score computes every score of the instrument. It is pure and does not fail: what cannot be scored says why.
// Order of work: reverse, count the answered, missing rule, exact value, round, band.
func Score(def *instrument.Definition, resp response.Response) Sheet {
	s := Sheet{Definition: def, Respondent: def.Respondent}
	s.Items = items(def, resp)
	s.Scores = make([]Result, len(def.Scores))
	for i := range def.Scores {
		s.Scores[i] = s.one(&def.Scores[i], resp.Unscored)
	}
	if resp.Unscored != response.EnteredInError {
		s.alerts()
	}
	if resp.Unscored == "" {
		s.compare(resp.Submitted)
	}
	return s
}

func items(def *instrument.Definition, resp response.Response) []Item {
	list := make([]Item, len(def.Items))
	for i := range list {
		item := &def.Items[i]
		list[i] = Item{Number: item.Number, Concept: item.Concept, Scored: !item.Unscored}
		if i < len(resp.Ordinals) && resp.Ordinals[i].Given {
			answer := resp.Ordinals[i].Value
			list[i].Answer, list[i].Used, list[i].Answered = answer, item.Used(answer), true
		}
	}
	return list
}

func (s *Sheet) one(key *instrument.Score, unscored string) Result {
	result := Result{Key: key, Unconfirmed: key.Unconfirmed(), NotScorable: unscored}
	if unscored != "" {
		return result
	}
	if key.Kind == instrument.KindScores {
		s.ofScores(&result)
	} else {
		s.ofItems(&result)
	}
	if !result.Scorable() {
		return result
	}
	result.Value = exact(result.Value)
	result.Band = key.Band(result.Value)
	result.Level = key.Level(result.Band)
	return result
}

// ofItems adds or averages the answered items, if the missing rule is content with them.
func (s *Sheet) ofItems(result *Result) {
	key := result.Key
	sum, answered := 0.0, 0
	for _, number := range key.Items {
		if item := &s.Items[number-1]; item.Answered {
			sum += item.Used
			answered++
		}
	}
	missing := answered < len(key.Items)
	result.Unconfirmed = result.Unconfirmed || missing && !key.Missing.Evidence.Confirmed()
	if answered == 0 || answered < key.Required() {
		result.NotScorable = MissingItems
		return
	}
	result.Prorated = missing
	value := sum * float64(len(key.Items)) / float64(answered)
	if key.Kind == instrument.KindMean {
		value = sum / float64(answered)
	}
	result.Value = key.Divide(value)
	if missing && key.Missing.Round != "" {
		result.Value = math.Floor(result.Value + 0.5 + instrument.Tolerance)
	}
}

// ofScores adds other scores. One of them void voids the sum, one prorated makes it so.
func (s *Sheet) ofScores(result *Result) {
	sum := 0.0
	for _, place := range result.Key.Parts() {
		part := &s.Scores[place]
		result.Unconfirmed = result.Unconfirmed || part.Unconfirmed
		result.Prorated = result.Prorated || part.Prorated
		if !part.Scorable() {
			result.NotScorable = part.NotScorable
		}
		sum += part.Value
	}
	result.Value = result.Key.Divide(sum)
	if !result.Scorable() {
		result.Value, result.Prorated = 0, false
	}
}

// alerts look at the answered items only; an unanswered one is never imputed.
func (s *Sheet) alerts() {
	for i := range s.Definition.Alerts {
		a := &s.Definition.Alerts[i]
		for _, number := range a.Items {
			item := &s.Items[number-1]
			switch {
			case item.Answered && a.Fires(item.Answer):
				s.Critical = append(s.Critical, Critical{number, item.Answer, a.Severity})
			case !item.Answered && a.Severity == "safety":
				s.SafetyUnknown = append(s.SafetyUnknown, number)
			}
		}
	}
}

func (s *Sheet) compare(submitted []response.Submitted) {
	for _, theirs := range submitted {
		ours := s.Result(theirs.Score)
		if ours == nil || ours.Scorable() && math.Abs(ours.Value-theirs.Value) <= submittedTolerance {
			continue
		}
		s.Submitted = append(s.Submitted, Discrepancy{theirs.Score, theirs.Value})
	}
}

// exact takes off the dust that binary fractions leave on decimals.
func exact(x float64) float64 { return math.Round(x*1e9) / 1e9 }
