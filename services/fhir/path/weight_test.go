package path

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

const ordinalValue = "http://hl7.org/fhir/StructureDefinition/ordinalValue"

func weightExtension(url, weight string) string {
	return fmt.Sprintf(`"extension":[{"url":%q,"valueDecimal":%s}]`, url, weight)
}

// question is an item with the given options.
func question(options ...string) string {
	out := `{"linkId":"a","type":"choice","answerOption":[`
	for i, o := range options {
		if i > 0 {
			out += ","
		}
		out += o
	}
	return out + `]}`
}

const (
	system = "http://example.org/codes"
	two    = `{"valueCoding":{"system":"` + system + `","code":"two"}}`
)

func TestAWeightIsFoundInEveryShapeThatItComesIn(t *testing.T) {
	optionWith := func(url, weight string) string {
		return `{"valueCoding":{"system":"` + system + `","code":"two"},` + weightExtension(url, weight) + `}`
	}
	codes := `{"resourceType":"CodeSystem","id":"cs","url":"` + system + `","status":"active","content":"complete",
		"property":[{"code":"points","uri":"` + weightProperty + `","type":"decimal"}],
		"concept":[{"code":"one"},{"code":"two","property":[{"code":"other","valueDecimal":9},{"code":"points","valueDecimal":4}]},{"code":"deep","concept":[{"code":"deeper","property":[{"code":"points","valueDecimal":6}]}]}]}`
	extended := `{"resourceType":"CodeSystem","url":"` + system + `","status":"active","content":"complete","concept":[{"code":"two",` + weightExtension(ordinalValue, "5") + `}]}`
	set := func(id, inside string) string {
		return `{"resourceType":"ValueSet",` + id + `"status":"active",` + inside + `}`
	}
	composed := `"compose":{"include":[{"system":"` + system + `","concept":[{"code":"two",` + weightExtension(itemWeight, "7") + `}]}]}`
	expanded := `"expansion":{"timestamp":"2026-01-31","property":[{"code":"w","uri":"` + weightProperty + `"}],"contains":[{"system":"` + system + `","code":"two","property":[{"code":"w","valueDecimal":8}]}]}`
	bound := func(to string) string { return `{"linkId":"a","type":"choice","answerValueSet":"` + to + `"}` }
	tests := []struct {
		name, form, answer, want string
		known                    []string
	}{
		{name: "itemWeight on the option", form: form("", question(optionWith(itemWeight, "2"))), answer: two, want: "[2]"},
		{name: "ordinalValue on the option", form: form("", question(optionWith(ordinalValue, "2"))), answer: two, want: "[2]"},
		{name: "an older spelling", form: form("", question(optionWith("http://hl7.org/fhir/StructureDefinition/questionnaire-ordinalValue", "2"))), answer: two, want: "[2]"},
		{name: "itemWeight before ordinalValue", form: form("", question(`{"valueCoding":{"system":"`+system+`","code":"two"},"extension":[{"url":"`+ordinalValue+`","valueDecimal":1},{"url":"`+itemWeight+`","valueDecimal":2}]}`)), answer: two, want: "[2]"},
		{name: "on the option's coding", form: form("", question(`{"valueCoding":{"system":"`+system+`","code":"two",`+weightExtension(itemWeight, "2")+`}}`)), answer: two, want: "[2]"},
		{name: "a weight of zero is a value", form: form("", question(optionWith(itemWeight, "0"))), answer: two, want: "[0]"},
		{name: "a negative weight with decimals", form: form("", question(optionWith(itemWeight, "-1.5"))), answer: two, want: "[-1.5]"},
		{name: "on the answer's coding it wins", form: form("", question(optionWith(itemWeight, "2"))), answer: `{"valueCoding":{"system":"` + system + `","code":"two",` + weightExtension(ordinalValue, "3") + `}}`, want: "[3]"},
		{name: "on the answer it wins", form: form("", question(optionWith(itemWeight, "2"))), answer: `{` + weightExtension(itemWeight, "3") + `,"valueCoding":{"system":"` + system + `","code":"two"}}`, want: "[3]"},
		{name: "on the answer of a code that no option has", form: form("", question(optionWith(itemWeight, "2"))), answer: `{"valueCoding":{"code":"new",` + weightExtension(itemWeight, "3") + `}}`, want: "[3]"},
		{name: "on a primitive answer", form: form("", `{"linkId":"a","type":"string"}`), answer: `{"valueString":"x","_valueString":{` + weightExtension(itemWeight, "3") + `}}`, want: "[3]"},
		{name: "no system on either side", form: form("", question(`{"valueCoding":{"code":"two"},`+weightExtension(itemWeight, "2")+`}`)), answer: `{"valueCoding":{"code":"two"}}`, want: "[2]"},
		{name: "no system on the answer, and one option with the code", form: form("", question(optionWith(itemWeight, "2"))), answer: `{"valueCoding":{"code":"two"}}`, want: "[2]"},
		{name: "no system on the answer, and two options with the code", form: form("", question(optionWith(itemWeight, "2"), `{"valueCoding":{"system":"http://example.org/other","code":"two"},`+weightExtension(itemWeight, "3")+`}`)), answer: `{"valueCoding":{"code":"two"}}`, want: "[]"},
		{name: "another system", form: form("", question(optionWith(itemWeight, "2"))), answer: `{"valueCoding":{"system":"http://example.org/other","code":"two"}}`, want: "[]"},
		{name: "display only", form: form("", question(`{"valueCoding":{"system":"`+system+`","code":"two","display":"Two"},`+weightExtension(itemWeight, "2")+`}`)), answer: `{"valueCoding":{"display":"Two"}}`, want: "[]"},
		{name: "a code of the system that is no option", form: form(`"contained":[`+codes+`],`, question(`{"valueCoding":{"system":"`+system+`","code":"one"}}`)), answer: two, want: "[]"},
		{name: "a code of the system where others are allowed", form: form(`"contained":[`+codes+`],`, `{"linkId":"a","type":"open-choice","answerOption":[{"valueCoding":{"system":"`+system+`","code":"one"}}]}`), answer: two, want: "[4]"},
		{name: "an item that the form does not have", form: form(`"contained":[`+codes+`],`, integers("b")...), answer: two, want: "[]"},
		{name: "an option without weight", form: form("", question(`{"valueCoding":{"system":"`+system+`","code":"two"}}`)), answer: two, want: "[]"},
		{name: "an integer option", form: form("", `{"linkId":"a","type":"integer","answerOption":[{"valueInteger":10,`+weightExtension(itemWeight, "1")+`}]}`), answer: `{"valueInteger":10}`, want: "[1]"},
		{name: "a string option", form: form("", `{"linkId":"a","type":"string","answerOption":[{"valueString":"ten",`+weightExtension(itemWeight, "1")+`}]}`), answer: `{"valueString":"ten"}`, want: "[1]"},
		{name: "a contained code system's property", form: form(`"contained":[`+codes+`],`, question(`{"valueCoding":{"system":"`+system+`","code":"two"}}`)), answer: two, want: "[4]"},
		{name: "a concept below another", form: form(`"contained":[`+codes+`],`, question(`{"valueCoding":{"system":"`+system+`","code":"deeper"}}`)), answer: `{"valueCoding":{"system":"` + system + `","code":"deeper"}}`, want: "[6]"},
		{name: "the option before the code system", form: form(`"contained":[`+codes+`],`, question(optionWith(itemWeight, "2"))), answer: two, want: "[2]"},
		{name: "a known code system's extension", form: form("", question(`{"valueCoding":{"system":"`+system+`","code":"two"}}`)), known: []string{extended}, answer: two, want: "[5]"},
		{name: "a contained value set that lists", form: form(`"contained":[`+set(`"id":"vs",`, composed)+`],`, bound("#vs")), answer: two, want: "[7]"},
		{name: "a known value set that is expanded", form: form("", bound("http://example.org/vs")), known: []string{set(`"url":"http://example.org/vs",`, expanded)}, answer: two, want: "[8]"},
		{name: "a value set by version", form: form("", bound("http://example.org/vs|2")), known: []string{set(`"url":"http://example.org/vs","version":"2",`, expanded), set(`"url":"http://example.org/vs","version":"1",`, composed)}, answer: two, want: "[8]"},
		{name: "a value set of a whole code system", form: form(`"contained":[`+codes+`],`, bound("http://example.org/vs")), known: []string{set(`"url":"http://example.org/vs",`, `"compose":{"include":[{"system":"`+system+`"}]}`)}, answer: two, want: "[4]"},
		{name: "a value set that is nowhere", form: form("", bound("http://example.org/vs")), answer: two, want: "[]"},
	}
	for _, test := range tests {
		q := readForm(t, test.form, test.known...)
		for _, expression := range []string{"item.answer.value.weight()", "item.answer.ordinal()", "%resource.item.where(linkId='a').answer.select(value.weight())"} {
			e, err := Compile(expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Evaluate(t.Context(), Input{Resource: read(t, response(answered("a", test.answer))), Questionnaire: q})
			if err != nil || shown(got) != test.want {
				t.Errorf("%s: %s is %s %v, want %s", test.name, expression, shown(got), err, test.want)
			}
		}
	}
}

func TestTheSameCodeMayWeighDifferentlyInDifferentItems(t *testing.T) {
	straight := `{"linkId":"a","type":"choice","answerOption":[{"valueCoding":{"code":"agree"},` + weightExtension(itemWeight, "4") + `}]}`
	reversed := `{"linkId":"b","type":"choice","answerOption":[{"valueCoding":{"code":"agree"},` + weightExtension(itemWeight, "0") + `}]}`
	e, err := Compile("item.answer.value.weight()")
	if err != nil {
		t.Fatal(err)
	}
	agree := `{"valueCoding":{"code":"agree"}}`
	got, err := e.Evaluate(t.Context(), Input{Resource: read(t, response(answered("a", agree), answered("b", agree))), Questionnaire: readForm(t, form("", straight, reversed))})
	if err != nil || shown(got) != "[4,0]" {
		t.Errorf("%s %v, want [4,0]", shown(got), err)
	}
}

// The code system of an official package gives "Nearly every day" the weight 4; the form's own options say 3.
func TestAWrongCodeSystemDoesNotOverrideTheForm(t *testing.T) {
	codes, err := os.ReadFile(filepath.Join(testbed.Examples(t, "hl7.fhir.uv.sdc"), "CodeSystem-CSPHQ9.json"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := ReadQuestionnaire([]byte(form("", question(two))), codes)
	if err != nil {
		t.Fatal(err)
	}
	url, code := "", ""
	for key, weight := range q.weights.systems {
		if weight == "4" {
			url, code = splitKey(key)
		}
	}
	if code == "" {
		t.Fatal("the code system has no weight 4: the trap is gone")
	}
	coding := fmt.Sprintf(`"valueCoding":{"system":%q,"code":%q}`, url, code)
	weighted := fmt.Sprintf(`"valueCoding":{"system":%q,"code":%q,%s}`, url, code, weightExtension(itemWeight, "3"))
	tests := []struct{ name, option, answer, want string }{
		{"the option's weight wins", `{` + coding + `,` + weightExtension(ordinalValue, "3") + `}`, `{` + coding + `}`, "[3]"},
		{"the answer's weight wins", `{` + coding + `}`, `{` + weighted + `}`, "[3]"},
		{"the code system's is the last resort", `{` + coding + `}`, `{` + coding + `}`, "[4]"},
	}
	e, err := Compile("item.answer.value.weight()")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		q, err := ReadQuestionnaire([]byte(form("", question(test.option))), codes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Evaluate(t.Context(), Input{Resource: read(t, response(answered("a", test.answer))), Questionnaire: q})
		if err != nil || shown(got) != test.want {
			t.Errorf("%s: %s %v, want %s", test.name, shown(got), err, test.want)
		}
	}
}

func splitKey(key string) (url, code string) {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '|' {
			return key[:i], key[i+1:]
		}
	}
	return "", ""
}
