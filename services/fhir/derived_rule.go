package fhir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// rule is the extension that says by what an Observation came about: instrument, version, hash of its content, status,
// and for a score the rule for missing items, the table, and what of it nobody has confirmed.
func (s *Sheet) rule(p Part) samply.Extension {
	f := s.Fact.Scores
	canonical := instrument.Base + "/Questionnaire/" + f.Instrument + "|" + f.Version
	out := samply.Extension{Url: ScoringRule, Extension: []samply.Extension{{Url: "instrument", ValueCanonical: &canonical}}}
	text := func(url, value string) {
		if value != "" {
			out.Extension = append(out.Extension, samply.Extension{Url: url, ValueString: &value})
		}
	}
	text("hash", f.Hash)
	text("status", f.Status)
	text("variant", f.Variant)
	if score := s.scoreOf(p.Name); score != nil {
		text("missing", score.Missing)
		text("table", score.Table)
		for _, doubt := range s.doubts(score) {
			text("unconfirmed", doubt)
		}
	}
	if f.VersionAssumed {
		out.Extension = append(out.Extension, samply.Extension{Url: "version-assumed", ValueBoolean: new(true)})
	}
	return out
}

// scoreOf is the score behind a part; nil when it is none.
func (s *Sheet) scoreOf(part string) *fact.Score {
	for i := range s.Fact.Scores.Scores {
		score := &s.Fact.Scores.Scores[i]
		if part == partName(partScore, score.Code) || part == partScreen && score.Code == screens[s.Fact.Scores.Instrument].score {
			return score
		}
	}
	return nil
}

// doubts are the facts behind a score that no source confirms.
func (s *Sheet) doubts(score *fact.Score) []string {
	if !score.Unconfirmed {
		return nil
	}
	var out []string
	if s.Definition != nil {
		place := slices.IndexFunc(s.Definition.Scores, func(k instrument.Score) bool { return k.Code == score.Code })
		for _, d := range s.Definition.Doubts {
			name := d.Fact
			if rest, ok := strings.CutPrefix(name, "scores["+strconv.Itoa(place)+"]"); ok {
				name = "score" + rest
			}
			if what := doubtful[name]; what != "" {
				out = append(out, strings.TrimSuffix(what+": "+d.Evidence.Source(), ": "))
			}
		}
	}
	if len(out) == 0 {
		return []string{"the scoring key, the bands or the rule for missing items"}
	}
	return out
}

// doubtful are the facts that a value rests on, by their place in a definition.
var doubtful = map[string]string{
	"itemEvidence": "the order, codes or reversal of the items", "score": "the scoring key", "score.bands": "the bands",
	"score.missing": "the rule for missing items", "score.table": "the conversion table", "score.linear": "the model", "score.gate": "the gate",
}

// scoreNotes say in words what a reader of the number must know.
func (s *Sheet) scoreNotes(score *fact.Score, answered, items int, out *samply.Observation) {
	if score.Prorated {
		note(out, fmt.Sprintf("Prorated: %d of %d items are answered.", answered, items))
	}
	s.unconfirmedNote(score, out)
	f := s.Fact.Scores
	if f.Discrepancy != nil && s.submittedAs() == score.Code {
		out.Component = append(out.Component, quantity("submitted", *f.Discrepancy))
		ours := "none can be computed from its answers"
		if score.Value != nil {
			ours = "computed from its answers it is " + decimal(*score.Value)
		}
		note(out, "Discrepancy: the form came with "+decimal(*f.Discrepancy)+" for this score, and "+ours+".")
	}
	if s.Definition != nil && f.Respondent != s.Definition.Respondent {
		note(out, "Answered by: "+words(f.Respondent)+". Bands and cut points were found with another respondent and are left out.")
	}
}

func (s *Sheet) unconfirmedNote(score *fact.Score, out *samply.Observation) {
	if score.Unconfirmed {
		note(out, "Unconfirmed by any source that was read: "+strings.Join(s.doubts(score), "; ")+".")
	}
}

// submittedAs is the score that a submitted value differs from; before that was kept, it was the first one.
func (s *Sheet) submittedAs() string {
	f := s.Fact.Scores
	switch {
	case f.DiscrepancyOf != "" || len(f.Scores) == 0:
		return f.DiscrepancyOf
	default:
		return f.Scores[0].Code
	}
}

// panelNotes say what concerns the form as a whole.
func (s *Sheet) panelNotes(out *samply.Observation) {
	f := s.Fact.Scores
	switch f.Status {
	case instrument.Provisional:
		note(out, "The instrument is provisional: its key or its bands are unconfirmed, and so is every score.")
	case instrument.LicenceReview:
		note(out, "The licence review of the instrument is pending.")
	}
	if f.VersionAssumed {
		note(out, "The form named no version of the instrument; it was scored by "+f.Version+".")
	}
	for _, c := range f.Critical {
		note(out, fmt.Sprintf("Item %d is answered %s, which is to be looked at whatever the total says (%s).", c.Item, decimal(c.Value), c.Severity))
	}
	for _, item := range f.SafetyUnknown {
		note(out, fmt.Sprintf("Item %d, which concerns safety, is unanswered: unknown, not negative.", item))
	}
	if _, screened := s.screening(); screened && s.ages() == "" {
		note(out, "The result of the depression screen is not stated as LOINC 73832-8 (adult) or 73831-0 (adolescent), "+
			"since the patient's birth date does not tell which: it is unknown, too vague, or of a child below 12.")
	}
}
