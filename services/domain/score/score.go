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
// Order of work: recode, reverse, count the answered, missing rule, exact value, round, band.
func Score(def *instrument.Definition, resp response.Response) Sheet {
	s := Sheet{Definition: def, Respondent: def.Respondent, Variant: resp.Variant}
	s.Items = items(def, resp)
	s.Scores = make([]Result, len(def.Scores))
	for i := range def.Scores {
		s.Scores[i] = s.one(&def.Scores[i], &resp)
	}
	s.decisions(resp.Unscored)
	if resp.Unscored != response.EnteredInError {
		s.alerts(resp.Doubted)
	}
	if len(s.Critical) == 0 {
		s.Critical = nil // it may hold room and nothing in it
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

func (s *Sheet) one(key *instrument.Score, resp *response.Response) Result {
	result := Result{Key: key, Unconfirmed: key.Unconfirmed(), NotScorable: resp.Unscored}
	if resp.Unscored != "" {
		return result
	}
	switch key.Kind {
	case instrument.KindScores:
		s.ofScores(&result)
	case instrument.KindTable:
		s.ofTable(&result)
	case instrument.KindFormula:
		s.ofFormula(&result, resp)
	default:
		s.ofItems(&result)
	}
	if !result.Scorable() {
		return result
	}
	result.Value = exact(result.Value)
	result.Band = key.Band(result.Value, s.value)
	result.Level = key.Level(result.Band)
	return result
}

// value of another score of the sheet; false when it has none.
func (s *Sheet) value(code string) (float64, bool) {
	for i := range s.Scores {
		if r := &s.Scores[i]; r.Key != nil && r.Key.Code == code {
			return r.Value, r.Scorable()
		}
	}
	return 0, false
}

// ofItems puts the answered items together, if the gate and the missing rule are content with them.
func (s *Sheet) ofItems(result *Result) {
	key := result.Key
	if gate := key.Gate; gate != nil {
		item := &s.Items[gate.Item-1]
		if !item.Answered {
			result.NotScorable = MissingItems
			return
		}
		if !gate.Opens(item.Answer) {
			result.Value = gate.Else
			return
		}
	}
	sum, answered := s.add(key)
	missing := answered < len(key.Items)
	result.Unconfirmed = result.Unconfirmed || missing && !key.Missing.Evidence.Confirmed()
	if answered == 0 || answered < key.Required() {
		result.NotScorable = MissingItems
		return
	}
	result.Prorated = missing && key.Missing.Rule == instrument.MissingProrate
	result.Value = key.Rescale(s.combine(key, sum, answered))
	if result.Prorated && key.Missing.Round != "" {
		result.Value = math.Floor(result.Value + 0.5 + instrument.Tolerance)
	}
}

// add sums the answered items, each times its coefficient where the key is a model.
func (s *Sheet) add(key *instrument.Score) (sum float64, answered int) {
	for place, number := range key.Items {
		item := &s.Items[number-1]
		if !item.Answered {
			continue
		}
		answered++
		if key.Linear != nil {
			sum += item.Used * key.Linear.Coefficients[place]
			continue
		}
		sum += item.Used
	}
	return sum, answered
}

// combine is what the kind makes of the sum of the answered items.
func (s *Sheet) combine(key *instrument.Score, sum float64, answered int) float64 {
	switch {
	case key.Linear != nil:
		return key.Linear.Intercept + sum
	case key.Kind == instrument.KindMean:
		return sum / float64(answered)
	case key.Kind == instrument.KindPercent:
		return s.percent(key, sum)
	case key.Missing.Rule == instrument.MissingZero:
		return sum
	default:
		return sum * float64(len(key.Items)) / float64(answered)
	}
}

// percent of what the answered items could reach.
func (s *Sheet) percent(key *instrument.Score, sum float64) float64 {
	low, high := s.reach(key)
	return (sum - low) / (high - low) * 100
}

// reach is the lowest and the highest sum of the answered items.
func (s *Sheet) reach(key *instrument.Score) (low, high float64) {
	for _, number := range key.Items {
		if s.Items[number-1].Answered {
			l, h := s.Definition.Items[number-1].Bounds()
			low, high = low+l, high+h
		}
	}
	return low, high
}

// ofScores adds other scores. One of them void voids the sum, one prorated makes it so.
func (s *Sheet) ofScores(result *Result) {
	sum := 0.0
	for _, place := range result.Key.Parts() {
		part := &s.Scores[place]
		result.inherit(part)
		sum += part.Value
	}
	result.Value = result.Key.Rescale(sum)
	if !result.Scorable() {
		result.Value, result.Prorated = 0, false
	}
}

// inherit what a score takes over from one that it is made of.
func (r *Result) inherit(part *Result) {
	r.Unconfirmed = r.Unconfirmed || part.Unconfirmed
	r.Prorated = r.Prorated || part.Prorated
	if !part.Scorable() {
		r.NotScorable = part.NotScorable
	}
}

// ofTable looks another score up. A raw value between two rows, as a prorated one may be, has no conversion.
func (s *Sheet) ofTable(result *Result) {
	raw := &s.Scores[result.Key.Parts()[0]]
	result.inherit(raw)
	if !result.Scorable() {
		result.Prorated = false
		return
	}
	for _, row := range result.Key.Table.Rows {
		if math.Abs(row[0]-raw.Value) > instrument.Tolerance {
			continue
		}
		result.Row, result.Value = row, result.Key.Rescale(row[1])
		return
	}
	result.NotScorable, result.Prorated = NotInTable, false
}

// ofFormula takes what the form's own expression gave, once every item that it needs is answered or not asked: an
// expression adds up what is there and would take a half-filled form for a low score.
func (s *Sheet) ofFormula(result *Result, resp *response.Response) {
	for _, number := range result.Key.Items {
		if !s.Items[number-1].Answered && (resp.Unasked == nil || !resp.Unasked[number-1]) {
			result.NotScorable = MissingItems
			return
		}
	}
	value, ok := resp.Computed[result.Key.Code]
	if !ok || math.IsNaN(value) || math.IsInf(value, 0) {
		result.NotScorable = NoResult
		return
	}
	result.Value = value
}

// decisions count answers. An unanswered item that counts leaves a decision open.
func (s *Sheet) decisions(unscored string) {
	if len(s.Definition.Decisions) == 0 {
		return
	}
	// Most such instruments have one decision and one critical item: both find room in one allocation.
	room := new(struct {
		decisions [1]Concluded
		critical  [1]Critical
	})
	s.Decisions, s.Critical = room.decisions[:0], room.critical[:0]
	for i := range s.Definition.Decisions {
		d := &s.Definition.Decisions[i]
		concluded := Concluded{Key: d, NotScorable: unscored, Unconfirmed: !d.Evidence.Confirmed()}
		if unscored == "" {
			s.conclude(&concluded)
		}
		s.Decisions = append(s.Decisions, concluded)
	}
}

func (s *Sheet) conclude(c *Concluded) {
	var counts [instrument.MaxCounts]float64
	for i := range c.Key.Counts {
		for j := range c.Key.Counts[i].At {
			at := &c.Key.Counts[i].At[j]
			for _, number := range at.Items {
				item := &s.Items[number-1]
				if !item.Answered {
					c.NotScorable = MissingItems
					return
				}
				if item.Used >= at.From-instrument.Tolerance {
					counts[i]++
				}
			}
		}
	}
	c.Result = instrument.FirstRule(c.Key.Rules, func(w *instrument.Condition) (float64, bool) {
		for i := range c.Key.Counts {
			if c.Key.Counts[i].Code == w.Count {
				return counts[i], true
			}
		}
		return 0, false
	})
}

// alerts look at the answered items, and at every reading of an answer that is in doubt; an unanswered one is never
// imputed.
func (s *Sheet) alerts(doubted []response.Doubted) {
	for i := range s.Definition.Alerts {
		a := &s.Definition.Alerts[i]
		for _, number := range a.Items {
			item := &s.Items[number-1]
			worst, fires := item.Answer, item.Answered && a.Fires(item.Answer)
			for _, d := range doubted {
				if d.Item == number && a.Fires(d.Value) && (!fires || a.Worse(d.Value, worst)) {
					worst, fires = d.Value, true
				}
			}
			switch {
			case fires:
				s.Critical = append(s.Critical, Critical{number, worst, a.Severity})
			case !item.Answered && a.Severity == "safety":
				s.SafetyUnknown = append(s.SafetyUnknown, number)
			}
		}
	}
}

func (s *Sheet) compare(submitted []response.Submitted) {
	for _, theirs := range submitted {
		ours := s.Result(theirs.Score)
		if ours == nil || ours.Scorable() && math.Abs(ours.Value-s.onOurs(ours.Key, theirs.Value)) <= submittedTolerance {
			continue
		}
		s.Submitted = append(s.Submitted, Discrepancy{theirs.Score, theirs.Value})
	}
}

// onOurs is a submitted score on our scale: who numbers answers from 0 adds them up from 0.
func (s *Sheet) onOurs(key *instrument.Score, value float64) float64 {
	if moved, ok := s.Definition.Shifted(key, s.Variant, value); ok {
		return moved
	}
	return value
}

// exact takes off the dust that binary fractions leave on decimals.
func exact(x float64) float64 { return math.Round(x*1e9) / 1e9 }
