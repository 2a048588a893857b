package ingest

import (
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
)

// score turns the draft of a QuestionnaireResponse into one fact, or into reasons why there is none. It is false when no
// instrument is known for the form.
func (i *Ingest) score(in *decision.Input, reading *fhir.Reading) (known bool) {
	if reading.Void {
		return true
	}
	draft := reading.Draft
	definition, err := i.Instruments.Lookup(draft.Questionnaire)
	if err != nil {
		in.Record.Issues = append(in.Record.Issues, unknownQuestionnaire(draft, err)...)
		return false
	}
	answered, issues := response.Bind(definition, *draft)
	in.Record.Issues = append(in.Record.Issues, issues...)
	scores := fact.FromSheet(score.Score(definition, answered).By(reading.Respondent))
	if answered.Unscored != "" && len(scores.Critical) == 0 {
		return true // Bind has said why
	}
	if !scores.Any() {
		in.Record.Issues = append(in.Record.Issues, fault.Warnf("incomplete", "QuestionnaireResponse",
			"no score of %s could be computed: %s", scores.Instrument, scores.Scores[0].NotScorable))
	}
	scores.Clinician, scores.Encounter = reading.Clinician, reading.Encounter
	if draft.Authored.IsZero() {
		in.Record.Issues = append(in.Record.Issues, fault.Warnf("required", "QuestionnaireResponse.authored",
			"without a date the answers count from when they were received"))
	}
	in.Facts = append(in.Facts, fact.Fact{Kind: fact.KindScores, At: draft.Authored, Scores: scores})
	return true
}

func unknownQuestionnaire(d *response.Draft, err error) []fault.Issue {
	if d.Questionnaire == "" {
		return []fault.Issue{fault.Warnf("required", "QuestionnaireResponse.questionnaire",
			"the response names no questionnaire: stored, not scored")}
	}
	issues := fault.IssuesOf(err)
	for n := range issues {
		issues[n].Severity, issues[n].Path = fault.Warning, "QuestionnaireResponse.questionnaire"
	}
	return issues
}
