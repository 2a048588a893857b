package catalogue_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/ref"
)

const (
	phq9    = "http://loinc.org/q/44249-1"
	answers = "http://loinc.org"
	weight  = `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":`
)

// ninth is the PHQ-9's critical item with what it is answered by.
func ninth(values ...string) string {
	return `{"linkId":"/44260-8","answer":[{` + strings.Join(values, `},{`) + `}]}`
}

func TestACriticalAnswerIsJudgedWhateverIsWrongWithTheForm(t *testing.T) {
	const daily, never = `"valueCoding":{"system":"http://loinc.org","code":"LA6571-9"}`, `"valueCoding":{"system":"http://loinc.org","code":"LA6568-5"}`
	for name, c := range map[string]struct {
		questionnaire string
		items         []string
		want          float64
	}{
		"given twice":                 {phq9, []string{ninth(daily), ninth(daily)}, 3},
		"given twice, once as never":  {phq9, []string{ninth(daily), ninth(never)}, 3},
		"three times":                 {phq9, []string{ninth(never), ninth(daily), ninth(never)}, 3},
		"two answers":                 {phq9, []string{ninth(never, daily)}, 3},
		"a weight that says nothing":  {phq9, []string{ninth(daily + `,` + weight + `0}]`)}, 3},
		"a weight that says more":     {phq9, []string{ninth(never + `,` + weight + `2}]`)}, 2},
		"another item's code":         {phq9, []string{strings.Replace(ninth(daily), `"answer"`, `"extension":[{"url":"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaireresponse-itemCode","valueCoding":{"system":"http://loinc.org","code":"44250-9"}}],"answer"`, 1)}, 3},
		"a version that is not known": {phq9 + "|99", []string{ninth(daily)}, 3},
		"a bar and no version":        {phq9 + "|", []string{ninth(daily)}, 3},
		"a form that is not known":    {"urn:nobody", []string{ninth(daily)}, 3},
		"in a group of it":            {"urn:nobody", []string{`{"linkId":"g","item":[` + ninth(daily) + `]}`}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := score(t, library(t).Open("default"), "ehr", answered(c.questionnaire, "completed", c.items...))
			if err != nil {
				t.Fatal(err)
			}
			if out.Scores == nil || out.Scores.Instrument != "phq-9" || len(out.Scores.Critical) != 1 || out.Scores.Critical[0].Value != c.want {
				t.Errorf("scores %+v, want item 9 critical with %v; issues %v", out.Scores, c.want, out.Issues)
			}
			if out.Scores != nil && out.Scores.Scores[0].Value != nil {
				t.Errorf("the total is %v, want none", *out.Scores.Scores[0].Value)
			}
		})
	}
}

func TestAWithdrawnFormOfAnUnknownQuestionnaireIsNotJudged(t *testing.T) {
	out, err := score(t, library(t).Open("default"), "ehr", answered("urn:nobody", "entered-in-error", coded("/44260-8", answers, "LA6571-9")))
	if err != nil || out.Scores != nil {
		t.Errorf("scores %+v, error %v, want neither", out.Scores, err)
	}
}

func TestACriticalAnswerThatItsFormDoesNotAskForIsJudged(t *testing.T) {
	for name, item := range map[string]string{
		"not enabled":  `{"linkId":"/44260-8","type":"choice","enableWhen":[{"question":"0","operator":"=","answerBoolean":true}]}`,
		"another type": `{"linkId":"/44260-8","type":"date"}`,
		"a display":    `{"linkId":"/44260-8","type":"display"}`,
	} {
		t.Run(name, func(t *testing.T) {
			shelf := library(t).Open("default")
			defer shelf.Close()
			shelf.Put("ehr", ref.Resource{Type: "Questionnaire", ID: "q"}, parse(t, `{"resourceType":"Questionnaire","id":"q","url":"`+phq9+
				`","status":"active","item":[{"linkId":"0","type":"boolean"},`+item+`]}`))
			out, err := score(t, shelf, "ehr", answered(phq9, "completed", coded("/44260-8", answers, "LA6571-9")))
			if err != nil {
				t.Fatal(err)
			}
			if out.Scores == nil || len(out.Scores.Critical) != 1 {
				t.Errorf("scores %+v, want a critical item; issues %v", out.Scores, out.Issues)
			}
		})
	}
}
