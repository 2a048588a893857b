package main

import (
	"math"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// plainSheet has the names of the golden vectors; what else is known stands beside them.
type plainSheet struct {
	Instrument     string                `json:"instrument"`
	Version        string                `json:"version"`
	VersionAssumed bool                  `json:"versionAssumed,omitempty"`
	Variant        string                `json:"variant,omitempty"`
	Status         string                `json:"status,omitempty"`
	Scores         map[string]plainScore `json:"scores"`
	Decisions      []plainDecision       `json:"decisions,omitempty"`
	Critical       []plainCritical       `json:"critical"`
	SafetyUnknown  []int32               `json:"safetyUnknown,omitempty"`
	Submitted      map[string]float64    `json:"submitted,omitempty"`
	Issues         []plainIssue          `json:"issues,omitempty"`
	Explain        *plainExplain         `json:"explain,omitempty"`
}

type plainScore struct {
	Value       *float64 `json:"value,omitempty"`
	Band        string   `json:"band,omitempty"`
	Prorated    bool     `json:"prorated,omitempty"`
	NotScorable string   `json:"notScorable,omitempty"`
	SE          *float64 `json:"se,omitempty"`
	Direction   string   `json:"direction,omitempty"`
	Unconfirmed bool     `json:"unconfirmed,omitempty"`
}

type plainDecision struct {
	Code        string `json:"code"`
	Result      string `json:"result,omitempty"`
	NotScorable string `json:"notScorable,omitempty"`
	Unconfirmed bool   `json:"unconfirmed,omitempty"`
}

type plainCritical struct {
	Item  int32   `json:"item"`
	Value float64 `json:"value"`
}

type plainIssue struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Expression string `json:"expression,omitempty"`
	Text       string `json:"text"`
}

// plainExplain is how the scores came about.
type plainExplain struct {
	Hash       string                  `json:"hash"`
	Respondent string                  `json:"respondent"`
	Items      []plainItem             `json:"items"`
	Scores     map[string]plainWorking `json:"scores"`
	Decisions  map[string]plainWorking `json:"decisions,omitempty"`
}

type plainItem struct {
	Item    int32    `json:"item"`
	Concept string   `json:"concept"`
	Answer  *float64 `json:"answer,omitempty"`
	Recoded *float64 `json:"recoded,omitempty"`
	Used    *float64 `json:"used,omitempty"`
}

type plainWorking struct {
	Formula string         `json:"formula"`
	Steps   []string       `json:"steps"`
	Missing string         `json:"missing,omitempty"`
	Table   string         `json:"table,omitempty"`
	Row     *float64       `json:"row,omitempty"`
	RestsOn []plainBacking `json:"restsOn"`
}

type plainBacking struct {
	Fact        string `json:"fact"`
	Evidence    string `json:"evidence"`
	Unconfirmed bool   `json:"unconfirmed,omitempty"`
}

func plain(sheet *rapportv1.ScoreSheet, explain bool) plainSheet {
	out := plainSheet{
		Instrument: sheet.GetInstrument(), Version: sheet.GetVersion(), VersionAssumed: sheet.GetVersionAssumed(), Variant: sheet.GetVariant(),
		Scores: map[string]plainScore{}, Critical: []plainCritical{}, SafetyUnknown: sheet.GetSafetyUnknown(),
		Issues: plainIssues(sheet.GetIssues()),
	}
	if status := sheet.GetStatus(); status != ready {
		out.Status = status
	}
	for _, s := range sheet.GetScores() {
		out.Scores[s.GetCode()] = plainScore{
			rounded(s.Value), s.GetBand(), s.GetProrated(), s.GetNotScorable(), rounded(s.Se), directionWord(s.GetDirection()), s.GetUnconfirmed(),
		}
	}
	for _, s := range sheet.GetScores() {
		if s.Submitted == nil {
			continue
		}
		if out.Submitted == nil {
			out.Submitted = map[string]float64{}
		}
		out.Submitted[s.GetCode()] = s.GetSubmitted()
	}
	for _, d := range sheet.GetDecisions() {
		out.Decisions = append(out.Decisions, plainDecision{d.GetCode(), d.GetResult(), d.GetNotScorable(), d.GetUnconfirmed()})
	}
	for _, c := range sheet.GetCritical() {
		out.Critical = append(out.Critical, plainCritical{c.GetItem(), c.GetValue()})
	}
	if explain {
		out.Explain = plainExplained(sheet)
	}
	return out
}

// ready is the status that needs no word.
const ready = "ready"

func plainIssues(issues []*rapportv1.Issue) (out []plainIssue) {
	for _, i := range issues {
		out = append(out, plainIssue{
			strings.ToLower(strings.TrimPrefix(i.GetSeverity().String(), "ISSUE_SEVERITY_")), i.GetCode(), i.GetExpression(), i.GetText(),
		})
	}
	return out
}

func plainExplained(sheet *rapportv1.ScoreSheet) *plainExplain {
	out := &plainExplain{
		Hash: sheet.GetDefinitionHash(), Respondent: sheet.GetRespondent(), Items: []plainItem{},
		Scores: map[string]plainWorking{}, Decisions: map[string]plainWorking{},
	}
	for _, i := range sheet.GetItems() {
		out.Items = append(out.Items, plainItem{i.GetItem(), i.GetConcept(), i.Answer, i.Recoded, i.Used})
	}
	scores := map[string]*rapportv1.Score{}
	for _, s := range sheet.GetScores() {
		scores[s.GetCode()] = s
	}
	for _, w := range sheet.GetWorkings() {
		working := plainWorking{Formula: w.GetFormula(), Steps: w.GetSteps(), RestsOn: plainBackings(w.GetRestsOn())}
		s, ok := scores[w.GetScore()]
		if !ok {
			out.Decisions[w.GetScore()] = working
			continue
		}
		working.Missing, working.Table, working.Row = s.GetMissing(), s.GetTable(), s.Row
		out.Scores[w.GetScore()] = working
	}
	return out
}

func plainBackings(list []*rapportv1.Backing) []plainBacking {
	out := []plainBacking{}
	for _, b := range list {
		out = append(out, plainBacking{b.GetFact(), b.GetEvidence(), !b.GetConfirmed()})
	}
	return out
}

// rounded is a value to three decimals, as the vectors have it.
func rounded(value *float64) *float64 {
	if value == nil {
		return nil
	}
	return new(math.Round(*value*1000) / 1000)
}

// directionWord is empty where nobody knows the direction.
func directionWord(d rapportv1.Direction) string {
	if d == rapportv1.Direction_DIRECTION_UNSPECIFIED {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(d.String(), "DIRECTION_")), "_", "-")
}
