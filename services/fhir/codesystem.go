package fhir

import (
	"strconv"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// codeSystem is a CodeSystem as far as Rapport writes one.
type codeSystem struct {
	ResourceType  string        `json:"resourceType"`
	ID            string        `json:"id"`
	URL           string        `json:"url"`
	Name          string        `json:"name"`
	Title         string        `json:"title"`
	Status        string        `json:"status"`
	Experimental  bool          `json:"experimental"`
	Publisher     string        `json:"publisher"`
	Description   string        `json:"description"`
	CaseSensitive bool          `json:"caseSensitive"`
	Content       string        `json:"content"`
	Concept       []definedCode `json:"concept,omitempty"`
}

type definedCode struct {
	Code       string `json:"code"`
	Display    string `json:"display"`
	Definition string `json:"definition"`
}

// CodeSystem is one of our own code systems whose codes come from the instruments, by the id of the resource; nil for
// every other id. A clinic may have instruments of its own, so each is a fragment.
func CodeSystem(id string, of []*instrument.Definition) []byte {
	i := codeSystems[id]
	if i.describe == nil {
		return nil
	}
	c := i.codeSystem
	c.ResourceType, c.ID, c.Status, c.Publisher, c.CaseSensitive = "CodeSystem", id, "active", "Rapport", true
	for _, d := range of {
		c.Concept = append(c.Concept, i.describe(d)...)
	}
	return encode(c)
}

// codeSystems by id.
var codeSystems = map[string]struct {
	codeSystem
	describe func(*instrument.Definition) []definedCode
}{
	"rapport-scores": {codeSystem{
		URL: instrument.ScoreSystem, Name: "RapportScores", Title: "Instruments and their scores", Content: "fragment",
		Description: "The instrument as a whole by its id, and its scores and decisions as instrument id and code joined by a hyphen. Scores that have a LOINC code carry that one first.",
	}, scoreConcepts},
	"rapport-items": {codeSystem{
		URL: instrument.ItemSystem, Name: "RapportItems", Title: "Items of instruments", Content: "fragment",
		Description: "Instrument id and concept of the item joined by a hyphen. The concept is a label, not the wording of the item.",
	}, itemConcepts},
	"rapport-answers": {codeSystem{
		URL: instrument.AnswerSystem, Name: "RapportAnswers", Title: "Answers by their number", Content: "not-present",
		Description: "The number of an answer as it is printed on the form, before any reversal, such as 0 or 2.5. What it means depends on the item.",
	}, func(*instrument.Definition) []definedCode { return nil }},
	"rapport-results": {codeSystem{
		URL: SystemResult, Name: "RapportResults", Title: "Results of decisions", Content: "fragment",
		Description: "Instrument id, code of the decision and its result joined by hyphens. A decision counts answers; it is no diagnosis.",
	}, resultConcepts},
}

func scoreConcepts(d *instrument.Definition) []definedCode {
	out := []definedCode{{d.ID, d.Title, "The instrument as a whole: " + d.Construct + ", answered by the " + words(d.Respondent) + "."}}
	for i := range d.Scores {
		s := &d.Scores[i]
		meaning := decimal(s.Min) + " to " + decimal(s.Max)
		if s.Direction != "" {
			meaning += "; " + words(s.Direction)
		}
		if s.Unconfirmed() {
			meaning += "; unconfirmed"
		}
		out = append(out, definedCode{d.ID + "-" + s.Code, d.Title + ": " + words(s.Code), meaning + "."})
	}
	for i := range d.Decisions {
		out = append(out, definedCode{d.ID + "-" + d.Decisions[i].Code, d.Title + ": " + words(d.Decisions[i].Code), d.Decisions[i].Text})
	}
	return out
}

func itemConcepts(d *instrument.Definition) []definedCode {
	var out []definedCode
	for i := range d.Items {
		item := &d.Items[i]
		number := "item " + strconv.Itoa(item.Number)
		out = append(out, definedCode{d.ID + "-" + item.Concept, d.Title + ", " + number + ": " + words(item.Concept), "Printed as " + number + "."})
	}
	return out
}

func resultConcepts(d *instrument.Definition) []definedCode {
	var out []definedCode
	for i := range d.Decisions {
		for _, rule := range d.Decisions[i].Rules {
			code := d.Decisions[i].Code
			out = append(out, definedCode{d.ID + "-" + code + "-" + rule.Code, words(rule.Code), "A result of: " + d.Decisions[i].Text})
		}
	}
	return out
}
