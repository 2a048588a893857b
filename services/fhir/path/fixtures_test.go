package path

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The fixtures are synthetic and in the shape of the nine-item depression form, without its wordFunctions.

const itemWeight = "http://hl7.org/fhir/StructureDefinition/itemWeight"

var moodLinks = []string{"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8"}

var moodCodes = []string{"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"}

const difficulty = "/69722-7"

const typicalTotal = "%resource.item.where(linkId!='/69722-7').answer.value.weight().sum()"

func moodOptions(extension string) string {
	var options []string
	for weight, code := range moodCodes {
		carried := fmt.Sprintf(`,"extension":[{"url":%q,"valueDecimal":%d}]`, extension, weight)
		options = append(options, fmt.Sprintf(`{"valueCoding":{"system":"http://loinc.org","code":%q,"display":"Option %d"}%s}`, code, weight, carried))
	}
	return strings.Join(options, ",")
}

// moodForm is a questionnaire with nine weighted items, one without weights, and a computed total.
func moodForm(total string) string {
	var items []string
	for i, link := range moodLinks {
		items = append(items, fmt.Sprintf(`{"linkId":%q,"text":"Item %d","type":"choice","required":true,"answerOption":[%s]}`, link, i+1, moodOptions(itemWeight)))
	}
	items = append(items, fmt.Sprintf(`{"linkId":%q,"text":"Difficulty","type":"choice","answerOption":[
		{"valueCoding":{"system":"http://loinc.org","code":"LA6572-7"}},{"valueCoding":{"system":"http://loinc.org","code":"LA6573-5"}}]}`, difficulty))
	items = append(items, calculated("/44261-6", "integer", total))
	// The code system says that the answers to the last question have no weights.
	return form(`"contained":[{"resourceType":"CodeSystem","id":"answers","url":"http://loinc.org","status":"active","content":"fragment",
		"concept":[{"code":"LA6572-7"},{"code":"LA6573-5"}]}],`, items...)
}

// form is a questionnaire; head holds further members, each with its comma behind it.
func form(head string, items ...string) string {
	return `{"resourceType":"Questionnaire",` + head + `"url":"http://example.org/Questionnaire/q","status":"active","item":[` + strings.Join(items, ",") + `]}`
}

// calculated is an item with a formula.
func calculated(link, kind, expression string) string {
	return fmt.Sprintf(`{"linkId":%q,"type":%q,"readOnly":true,"extension":[%s]}`, link, kind, expressionExtension(calculatedURL, expression))
}

func expressionExtension(url, expression string) string {
	return fmt.Sprintf(`{"url":%q,"valueExpression":{"language":"text/fhirpath","expression":%s}}`, url, quoted(expression))
}

func variableExtension(name, expression string) string {
	return fmt.Sprintf(`{"url":%q,"valueExpression":{"name":%q,"language":"text/fhirpath","expression":%s}}`, variableURL, name, quoted(expression))
}

// moodResponse answers the nine items with ordinals; a negative one leaves its item out.
func moodResponse(ordinals ...int) string {
	var items []string
	for i, ordinal := range ordinals {
		if ordinal >= 0 {
			items = append(items, answered(moodLinks[i], `{"valueCoding":{"system":"http://loinc.org","code":"`+moodCodes[ordinal]+`"}}`))
		}
	}
	items = append(items, answered(difficulty, `{"valueCoding":{"system":"http://loinc.org","code":"LA6573-5"}}`))
	return response(items...)
}

func response(items ...string) string {
	return `{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2026-01-31T10:00:00Z","item":[` + strings.Join(items, ",") + `]}`
}

func answered(link string, answers ...string) string {
	return fmt.Sprintf(`{"linkId":%q,"answer":[%s]}`, link, strings.Join(answers, ","))
}

func read(t testing.TB, raw string) Resource {
	t.Helper()
	r, err := Read([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readForm(t testing.TB, raw string, known ...string) *Questionnaire {
	t.Helper()
	var others [][]byte
	for _, k := range known {
		others = append(others, []byte(k))
	}
	q, err := ReadQuestionnaire([]byte(raw), others...)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// shown is values as JSON-like text, for tables.
func shown(values []Value) string {
	var out []string
	for _, v := range values {
		switch v.Kind {
		case Number, Complex:
			out = append(out, v.Text)
		case Truth:
			out = append(out, fmt.Sprint(v.Truth))
		case Code:
			out = append(out, string(codingJSON(v.Coding)))
		default:
			text, _ := json.Marshal(v.Text)
			out = append(out, string(text))
		}
	}
	return "[" + strings.Join(out, ",") + "]"
}
