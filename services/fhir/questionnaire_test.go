package fhir_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/testbed"
)

func parse(t testing.TB, text string) *tree.Doc {
	t.Helper()
	doc, err := tree.Parse([]byte(text), tree.Limits{Bytes: 64 << 20})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return doc
}

func packs(t testing.TB) []*instrument.Definition {
	t.Helper()
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return r.All()
}

// questionnaire is a Questionnaire of these members, as a form.
func questionnaire(t *testing.T, members string) (*form.Form, []fault.Issue) {
	t.Helper()
	return fhir.ReadForm(parse(t, `{"resourceType":"Questionnaire","status":"active",`+members+`}`).Root(), nil)
}

func TestOurQuestionnairesReadBackAsTheFormsThatTheyPublish(t *testing.T) {
	for _, def := range packs(t) {
		raw, err := fhir.Questionnaire(def)
		if err != nil {
			t.Fatal(err)
		}
		doc := parse(t, string(raw))
		got, issues := fhir.ReadForm(doc.Root(), nil)
		if issues != nil {
			t.Errorf("%s: %v", def.ID, issues)
		}
		want, _ := form.New(form.Published(def))
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(form.Form{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-published +read):\n%s", def.ID, diff)
		}
		copyright := doc.Root().Child("copyright").Text()
		if strings.Contains(string(raw), `"http://loinc.org"`) && !strings.Contains(copyright, "Regenstrief Institute") {
			t.Errorf("%s: the LOINC notice: %s", def.ID, copyright)
		}
		if reading, err := newReader(t).Read(doc, "ehr"); err != nil || fault.Any(reading.Issues) {
			t.Errorf("%s: %v %v", def.ID, err, reading.Issues)
		}
	}
}

func TestOurQuestionnairesHoldOnlyTheWordingThatMayShip(t *testing.T) {
	for _, def := range packs(t) {
		if def.Licence.Wording {
			continue
		}
		raw, err := fhir.Questionnaire(def)
		if err != nil {
			t.Fatal(err)
		}
		for _, scale := range def.Scales {
			for _, o := range scale.Options {
				if o.Display != "" && strings.Contains(string(raw), `"`+o.Display+`"`) {
					t.Errorf("%s ships %q", def.ID, o.Display)
				}
			}
		}
	}
}

func TestOurPHQ9(t *testing.T) {
	for _, def := range packs(t) {
		if def.ID != "phq-9" {
			continue
		}
		raw, err := fhir.Questionnaire(def)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/questionnaire-phq-9.json")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(raw)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEveryMemberOfAQuestionnaireIsRead(t *testing.T) {
	const sd, sdc = "http://hl7.org/fhir/StructureDefinition/", "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
	got, issues := questionnaire(t, `"url":"https://forms.example/f","version":"2.1","title":"F","code":[{"system":"s","code":"c"}],
		"effectivePeriod":{"start":"2026","end":"2026-06"},"item":[
		{"linkId":"g","type":"group","text":"Group","prefix":"A","required":true,"repeats":true,"extension":[
			{"url":"`+sd+`questionnaire-minOccurs","valueInteger":2},{"url":"`+sdc+`sdc-questionnaire-maxOccurs","valueInteger":4}],"item":[
			{"linkId":"n","type":"decimal","readOnly":true,"code":[{"system":"http://loinc.org","code":"1-8"}],"extension":[
				{"url":"`+sd+`minValue","valueDecimal":0.5},{"url":"`+sd+`maxValue","valueInteger":9},{"url":"`+sd+`maxDecimalPlaces","valueInteger":1},
				{"url":"`+sd+`questionnaire-hidden","valueBoolean":true},{"url":"`+sd+`questionnaire-unit","valueCoding":{"system":"u","code":"mm"}}]},
			{"linkId":"t","type":"text","maxLength":9,"extension":[{"url":"`+sd+`minLength","valueInteger":3},{"url":"`+sd+`regex","valueString":"[a-z]+"}]},
			{"linkId":"c","type":"choice","enableBehavior":"all","enableWhen":[{"question":"n","operator":">","answerDecimal":1},{"question":"t","operator":"exists","answerBoolean":true}],
				"answerOption":[{"valueCoding":{"system":"s","code":"a","display":"A"},"extension":[{"url":"`+sd+`itemWeight","valueDecimal":1.5},{"url":"`+sd+`questionnaire-optionExclusive","valueBoolean":true}]},
					{"valueInteger":4},{"valueString":"b"},{"valueDate":"2026-01-01"}]},
			{"linkId":"q","type":"quantity","extension":[{"url":"`+sdc+`sdc-questionnaire-minQuantity","valueQuantity":{"value":1,"code":"kg"}},
				{"url":"`+sd+`questionnaire-unitOption","valueCoding":{"code":"kg"}},{"url":"`+sd+`questionnaire-unitOption","valueCoding":{"code":"g"}},{"url":"`+sdc+`sdc-questionnaire-unitOpen","valueCode":"optionsOrString"}]},
			{"linkId":"r","type":"reference","extension":[{"url":"`+sd+`questionnaire-referenceResource","valueCode":"Patient"}]},
			{"linkId":"f","type":"attachment","extension":[{"url":"`+sd+`mimeType","valueCode":"image/png"},{"url":"`+sd+`maxSize","valueDecimal":100}]},
			{"linkId":"e","type":"string","extension":[{"url":"`+sdc+`sdc-questionnaire-enableWhenExpression","valueExpression":{"language":"text/fhirpath","expression":"true"}}]}]}]`)
	if issues != nil {
		t.Error(issues)
	}
	const in = "Questionnaire.item[0].item"
	want := &form.Form{
		URL: "https://forms.example/f", Version: "2.1", Title: "F", Status: "active", Codes: []string{"s|c"}, From: got.From, To: got.To,
		Items: []form.Item{{
			LinkID: "g", Path: "Questionnaire.item[0]", Type: form.Group, Text: "Group", Prefix: "A", Required: true, Repeats: true, MinOccurs: 2, MaxOccurs: 4,
			Items: []form.Item{
				{
					LinkID: "n", Path: in + "[0]", Type: form.Decimal, ReadOnly: true, Hidden: true, Codes: []string{"http://loinc.org|1-8"}, Decimals: new(1),
					Min: &form.Value{Kind: "Decimal", Number: "0.5"}, Max: &form.Value{Kind: "Integer", Number: "9"}, Units: []form.Value{{Kind: "Coding", System: "u", Code: "mm"}},
				},
				{LinkID: "t", Path: in + "[1]", Type: form.Text, MinLength: 3, MaxLength: 9, Regex: "[a-z]+"},
				{
					LinkID: "c", Path: in + "[2]", Type: form.Choice, EnableBehavior: "all",
					EnableWhen: []form.Condition{
						{Question: "n", Operator: ">", Answer: form.Value{Kind: "Decimal", Number: "1"}},
						{Question: "t", Operator: "exists", Answer: form.Value{Kind: "Boolean", Text: "true"}},
					},
					Options: []form.Option{
						{Value: form.Value{Kind: "Coding", System: "s", Code: "a", Display: "A"}, Weight: new(1.5), Exclusive: true},
						{Value: form.Value{Kind: "Integer", Number: "4"}},
						{Value: form.Value{Kind: "String", Text: "b"}},
						{Value: form.Value{Kind: "Date", Text: "2026-01-01"}},
					},
				},
				{
					LinkID: "q", Path: in + "[3]", Type: form.Quantity, Min: &form.Value{Kind: "Quantity", Number: "1", Code: "kg"}, UnitsOpen: true,
					Units: []form.Value{{Kind: "Coding", Code: "kg"}, {Kind: "Coding", Code: "g"}},
				},
				{LinkID: "r", Path: in + "[4]", Type: form.Reference, References: []string{"Patient"}},
				{LinkID: "f", Path: in + "[5]", Type: form.Attachment, Mimes: []string{"image/png"}, MaxSize: 100},
				{LinkID: "e", Path: in + "[6]", Type: form.String, EnableExpression: true},
			},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(form.Form{})); diff != "" {
		t.Error(diff)
	}
	if from, to := got.From.Format("2006-01-02"), got.To.Format("2006-01-02"); from != "2026-01-01" || to != "2026-07-01" {
		t.Error("in force", from, to)
	}
}

func TestWeightsAreFoundWhereverTheyStand(t *testing.T) {
	const sd = "http://hl7.org/fhir/StructureDefinition/"
	ordinal := func(name, n string) string {
		return `"extension":[{"url":"` + sd + name + `","valueDecimal":` + n + `}]`
	}
	codes := func(members string) string {
		return `{"resourceType":"CodeSystem","status":"active","content":"complete","url":"urn:cs",` + members + `}`
	}
	const property = `"property":[{"code":"w","uri":"http://hl7.org/fhir/concept-properties#itemWeight","type":"decimal"}]`
	const weighted = `"concept":[{"code":"a","property":[{"code":"w","valueDecimal":7}],"concept":[{"code":"b","property":[{"code":"w","valueInteger":8}]}]}]`
	set := func(members string) string {
		return `{"resourceType":"ValueSet","status":"active","id":"vs","url":"urn:vs",` + members + `}`
	}
	option := func(rest string) string { return `"answerOption":[` + rest + `]` }
	bound := func(canonical string) string { return `"answerValueSet":"` + canonical + `"` }
	for name, c := range map[string]struct {
		contained, item string
		want            string
	}{
		"on the option":                     {"", option(`{"valueCoding":{"system":"urn:cs","code":"a"},` + ordinal("ordinalValue", "1") + `}`), "a=1"},
		"on the coding":                     {"", option(`{"valueCoding":{"system":"urn:cs","code":"a",` + ordinal("itemWeight", "2") + `}}`), "a=2"},
		"in an older spelling":              {"", option(`{"valueCoding":{"code":"a",` + ordinal("questionnaire-ordinalValue", "3") + `}}`), "a=3"},
		"the option before the code system": {codes(property + "," + weighted), option(`{"valueCoding":{"system":"urn:cs","code":"a"},` + ordinal("itemWeight", "1") + `}`), "a=1"},
		"in the code system":                {codes(property + "," + weighted), option(`{"valueCoding":{"system":"urn:cs","code":"a"}},{"valueCoding":{"system":"urn:cs","code":"b"}}`), "a=7 b=8"},
		"on a concept of the code system":   {codes(`"concept":[{"code":"a",` + ordinal("codesystem-ordinalValue", "4") + `}]`), option(`{"valueCoding":{"system":"urn:cs","code":"a"}}`), "a=4"},
		"zero is a weight":                  {"", option(`{"valueCoding":{"code":"a"},` + ordinal("itemWeight", "0") + `}`), "a=0"},
		"nowhere":                           {"", option(`{"valueCoding":{"system":"urn:cs","code":"a"}}`), "a"},
		"on a concept of the value set":     {set(`"compose":{"include":[{"system":"s","concept":[{"code":"a",` + ordinal("valueset-ordinalValue", "5") + `},{"code":"b"}]}]}`), bound("#vs"), "a=5 b"},
		"in the expansion":                  {set(`"expansion":{"timestamp":"2026-01-01",` + property + `,"contains":[{"system":"s","abstract":true,"code":"all","contains":[{"system":"s","code":"a","property":[{"code":"w","valueDecimal":6}]}]}]}`), bound("urn:vs"), "a=6"},
		"in the expansion, carried from R5": {set(`"expansion":{"timestamp":"2026-01-01","extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.property","extension":[{"url":"code","valueCode":"w"},{"url":"uri","valueUri":"http://hl7.org/fhir/concept-properties#itemWeight"}]}],"contains":[
			{"system":"s","code":"a","extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property","extension":[{"url":"code","valueCode":"w"},{"url":"value[x]","valueDecimal":0}]}]}]}`), bound("#vs"), "a=0"},
		"a value set over a code system":     {set(`"compose":{"include":[{"system":"urn:cs"}]}`) + "," + codes(property+","+weighted), bound("#vs"), "a=7 b=8"},
		"a value set less some codes":        {set(`"compose":{"include":[{"system":"urn:cs"}],"exclude":[{"system":"urn:cs","concept":[{"code":"a"}]}]}`) + "," + codes(property+","+weighted), bound("#vs"), "b=8"},
		"a value set by version":             {set(`"version":"1","compose":{"include":[{"system":"s","concept":[{"code":"a"}]}]}`), bound("urn:vs|1"), "a"},
		"another version of a value set":     {set(`"version":"1","compose":{"include":[{"system":"s","concept":[{"code":"a"}]}]}`), bound("urn:vs|2"), "?"},
		"a value set by filter":              {set(`"compose":{"include":[{"system":"s","filter":[{"property":"p","op":"=","value":"v"}]}]}`), bound("#vs"), "?"},
		"a value set of itself":              {set(`"compose":{"include":[{"valueSet":["urn:vs"]}]}`), bound("#vs"), "?"},
		"one page of an expansion":           {set(`"expansion":{"timestamp":"2026-01-01","total":2,"contains":[{"system":"s","code":"a"}]}`), bound("#vs"), "?"},
		"a value set that is nowhere":        {"", bound("urn:vs"), "?"},
		"a fragment of a code system":        {set(`"compose":{"include":[{"system":"urn:cs"}]}`) + "," + strings.Replace(codes(weighted), `"complete"`, `"fragment"`, 1), bound("#vs"), "?"},
		"a value set that is bound directly": {set(`"compose":{"include":[{"system":"s","concept":[{"code":"a","display":"A"}]}]}`), bound("#vs"), "a"},
	} {
		contained := ""
		if c.contained != "" {
			contained = `"contained":[` + c.contained + `],`
		}
		f, issues := questionnaire(t, contained+`"item":[{"linkId":"q","type":"choice",`+c.item+`}]`)
		if f == nil {
			t.Errorf("%s: %v", name, issues)
			continue
		}
		if got := weighed(f.Item("q")); got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
		if unknown := len(issues) == 1 && issues[0].Code == "not-found"; unknown != (c.want == "?") {
			t.Errorf("%s: %v", name, issues)
		}
	}
}

// weighed are the codes of an item with their weights; ? when they are not known.
func weighed(item *form.Item) string {
	if item.Unresolved {
		return "?"
	}
	var out []string
	for _, o := range item.Options {
		if o.Weight == nil {
			out = append(out, o.Code)
			continue
		}
		out = append(out, fmt.Sprintf("%s=%v", o.Code, *o.Weight))
	}
	return strings.Join(out, " ")
}

func TestAnswerListsOfInstrumentsAreKnownValueSets(t *testing.T) {
	sets := fhir.AnswerLists(packs(t))
	doc := parse(t, `{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"q","type":"choice","answerValueSet":"http://loinc.org/vs/LL358-3"}]}`)
	f, issues := fhir.ReadForm(doc.Root(), sets)
	if f == nil || issues != nil || weighed(f.Item("q")) != "LA6568-5=0 LA6569-3=1 LA6570-1=2 LA6571-9=3" {
		t.Error(f, issues)
	}
}

func TestWhatAFormCannotSayIsTold(t *testing.T) {
	const sd, sdc = "http://hl7.org/fhir/StructureDefinition/", "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
	const i0 = "Questionnaire.item[0]"
	item := func(members string) string { return `"item":[{"linkId":"q","type":"string",` + members + `}]` }
	for name, c := range map[string]struct {
		members string
		sev     fault.Severity
		path    string
	}{
		"a modifier of the form":         {`"modifierExtension":[{"url":"urn:x","valueBoolean":true}],` + item(`"text":"Q"`), fault.Error, "Questionnaire.modifierExtension[0]"},
		"a modifier of an item":          {item(`"modifierExtension":[{"url":"urn:x","valueBoolean":true}]`), fault.Error, i0 + ".modifierExtension[0]"},
		"an adaptive form":               {`"extension":[{"url":"` + sdc + `sdc-questionnaire-questionnaireAdaptive","valueBoolean":true}],` + item(`"text":"Q"`), fault.Warning, "Questionnaire.extension[0]"},
		"a part of a modular form":       {item(`"extension":[{"url":"` + sdc + `sdc-questionnaire-subQuestionnaire","valueCanonical":"urn:q"}]`), fault.Warning, i0 + ".extension[0]"},
		"options by an expression":       {item(`"extension":[{"url":"` + sdc + `sdc-questionnaire-answerExpression","valueExpression":{"language":"text/fhirpath","expression":"1"}}]`), fault.Warning, i0 + ".extension[0]"},
		"a constraint":                   {item(`"extension":[{"url":"` + sd + `targetConstraint","valueString":"x"}]`), fault.Warning, i0 + ".extension[0]"},
		"a computed bound":               {item(`"extension":[{"url":"` + sd + `minValue","_valueDecimal":{"extension":[{"url":"urn:x","valueInteger":1}]}}]`), fault.Warning, i0 + ".extension[0]"},
		"a computed requirement":         {item(`"_required":{"extension":[{"url":"urn:x","valueInteger":1}]}`), fault.Warning, i0 + "._required"},
		"options and a value set":        {item(`"answerValueSet":"urn:vs","answerOption":[{"valueString":"a"}]`), fault.Error, i0},
		"two items of one linkId":        {`"item":[{"linkId":"q","type":"string"},{"linkId":"q","type":"string"}]`, fault.Error, "Questionnaire.item[1].linkId"},
		"an item without a type":         {`"item":[{"linkId":"q"}]`, fault.Error, i0},
		"a condition on nothing":         {item(`"enableWhen":[{"question":"z","operator":"exists","answerBoolean":true}]`), fault.Error, i0 + ".enableWhen[0].question"},
		"a condition without an answer":  {item(`"enableWhen":[{"question":"q","operator":"exists"}]`), fault.Error, i0 + ".enableWhen[0]"},
		"a regular expression too far":   {item(`"extension":[{"url":"` + sd + `regex","valueString":"(?=x)"}]`), fault.Warning, i0},
		"units of an unknown value set":  {`"item":[{"linkId":"q","type":"quantity","extension":[{"url":"` + sd + `questionnaire-unitValueSet","valueCanonical":"urn:u"}]}]`, fault.Warning, i0 + ".extension[0]"},
		"items that are not what R4 has": {`"item":{"linkId":"q"}`, fault.Error, "Questionnaire.item"},
	} {
		f, issues := questionnaire(t, c.members)
		if len(issues) == 0 || issues[0].Severity != c.sev || issues[0].Path != c.path {
			t.Errorf("%s: %v", name, issues)
		}
		if (f == nil) != fault.Any(issues) {
			t.Errorf("%s: a form is %t", name, f != nil)
		}
	}
	if f, issues := fhir.ReadForm(parse(t, `{"resourceType":"Patient","id":"a"}`).Root(), nil); f != nil || !fault.Any(issues) {
		t.Error("a patient is no form", issues)
	}
}

// official are all resources of a type among the official examples, by file name.
func official(t *testing.T, typ string) map[string]*tree.Doc {
	t.Helper()
	docs := map[string]*tree.Doc{}
	for _, of := range []string{"hl7.fhir.r4.examples", "hl7.fhir.uv.sdc"} {
		for _, pattern := range []string{"", "example/"} {
			files, err := filepath.Glob(filepath.Join(testbed.Examples(t, of), pattern+typ+"-*.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var is struct{ ResourceType string }
				if json.Unmarshal(raw, &is) == nil && is.ResourceType == typ {
					docs[strings.TrimSuffix(filepath.Base(file), ".json")] = parse(t, string(raw))
				}
			}
		}
	}
	if len(docs) < 10 {
		t.Fatalf("%d examples of %s", len(docs), typ)
	}
	return docs
}

func TestOfficialQuestionnairesAreFormsOrSayWhyNot(t *testing.T) {
	unsound := map[string]string{
		"Questionnaire-qs1": "linkId is missing", // the base structure asks for it
		"Questionnaire-questionnaire-sdc-test-enableWhen": "another type", // codes compared with strings
	}
	for name, doc := range official(t, "Questionnaire") {
		f, issues := fhir.ReadForm(doc.Root(), fhir.AnswerLists(packs(t)))
		why, expected := unsound[name]
		if (f == nil) != expected {
			t.Errorf("%s: a form is %t: %v", name, f != nil, issues)
		}
		for _, issue := range issues {
			if issue.Severity == fault.Error && !strings.Contains(issue.Text, why) {
				t.Errorf("%s: %v", name, issue)
			}
		}
		if f == nil {
			continue
		}
		def, issues := form.Instrument(f)
		if fault.Any(issues) || def.ID == "" || len(def.Forms) == 1 && len(def.Forms[0].Items) != len(def.Items) {
			t.Errorf("%s: %+v %v", name, def, issues)
		}
	}
}

// TestOfficialResponsesKeepToTheirQuestionnaires pairs the examples, of which some name no questionnaire or an old one.
func TestOfficialResponsesKeepToTheirQuestionnaires(t *testing.T) {
	const sdc = "questionnaire-sdc-profile-example-"
	const in = "QuestionnaireResponse.item"
	questionnaires, responses := official(t, "Questionnaire"), official(t, "QuestionnaireResponse")
	for _, pair := range []struct {
		response, questionnaire string
		// errors are the places of those that the example deserves.
		errors []string
	}{
		{"gcs", "gcs", nil},
		{"questionnaireresponse-sdc-example-ussg-fht-answers", sdc + "ussg-fht", nil},
		{"questionnaireresponse-sdc-profile-example-loinc", sdc + "loinc", nil},
		{"questionnaireresponse-sdc-profile-example-multi-subject", sdc + "multi-subject", nil},
		{"map-populate-out", "questionnaire-sdc-test-fhirpath-prepop-source-query", nil},
		// The expansion of its value set has `not-at-all`, the answers have `Not-at-all`.
		{"questionnaireresponse-sdc-profile-example-PHQ9", sdc + "PHQ9", []string{
			in + "[0].item[0].answer[0].value", in + "[0].item[1].answer[0].value", in + "[0].item[2].answer[0].value",
		}},
		// 1.1.1.3 is not asked, and 1.1.1 only after a yes of another code system.
		{"3141", "3141", []string{
			"QuestionnaireResponse.questionnaire", in + "[0].item[0].answer[0].item[0].item[2]", in + "[0].item[0].answer[0].item[0]",
		}},
		// vitaminKDose for vitaminiKDose, f for F.
		{"bb", "bb", []string{
			"QuestionnaireResponse.questionnaire", in + "[0].item[1].item[2].answer[0].item[0].item[0]",
			in + "[0].item[1].item[2].answer[0].item[0].item[1]", in + "[0].item[0].item[1].answer[0].value",
		}},
		// Its first group is a question now, and its last questions ask for yes or no.
		{"f201", "f201", []string{
			"QuestionnaireResponse.questionnaire", in + "[0]", in + "[0].item[0]", in + "[2].item[0].answer[0].value", in + "[2].item[1].answer[0].value",
		}},
	} {
		f, issues := fhir.ReadForm(questionnaires["Questionnaire-"+pair.questionnaire].Root(), nil)
		reading, err := newReader(t).Read(responses["QuestionnaireResponse-"+pair.response], "ehr")
		if f == nil || err != nil {
			t.Errorf("%s: %v %v", pair.response, issues, err)
			continue
		}
		_, found := f.Check(*reading.Draft, form.Policy{Enforce: true})
		var errors []string
		for _, issue := range found {
			if issue.Severity == fault.Error {
				errors = append(errors, issue.Path)
			}
		}
		if diff := cmp.Diff(pair.errors, errors); diff != "" {
			t.Errorf("%s (-want +got):\n%s%v", pair.response, diff, found)
		}
		if _, kept := f.Check(*reading.Draft, form.Policy{}); fault.Any(kept) {
			t.Errorf("%s from an EHR is refused: %v", pair.response, kept)
		}
	}
}

func TestAContainedQuestionnaireFindsTheValueSetsBesideIt(t *testing.T) {
	doc := official(t, "QuestionnaireResponse")["QuestionnaireResponse-adaptive-questionnaireresponse-sdc-example-phq9"]
	q := doc.Root().Child("contained").First()
	for ; q.Exists() && !q.Child("resourceType").Is("Questionnaire"); q = q.Next() {
	}
	f, issues := fhir.ReadForm(q, nil)
	if f == nil {
		t.Fatal(issues)
	}
	def, _ := form.Instrument(f)
	unscored := 0
	for _, item := range def.Items {
		if item.Unscored {
			unscored++
		}
	}
	if len(def.Items) == 0 || unscored > 0 {
		t.Errorf("%d items, %d of them without weights: %v", len(def.Items), unscored, issues)
	}
}

// TestTheWeightOfTheGuideStays keeps a known trap open: the guide's own code system says 4 where the PHQ-9 has 3.
// It is what the form says, so it is not mended here; scores of the PHQ-9 come from its own definition.
func TestTheWeightOfTheGuideStays(t *testing.T) {
	doc := official(t, "Questionnaire")["Questionnaire-questionnaire-sdc-profile-example-PHQ9"]
	f, issues := fhir.ReadForm(doc.Root(), nil)
	if f == nil {
		t.Fatal(issues)
	}
	want := "not-at-all=0 Several-days=1 More than half the days=2 Nearly every day=4"
	if got := weighed(f.Item("H1/T1/Q1")); got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func FuzzReadForm(f *testing.F) {
	const head = `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"x","subject":{"reference":"Patient/1"},`
	for asked, given := range map[string]string{ // small ones: the fuzzer takes its time over large ones
		`"item":[{"linkId":"a","type":"choice","answerOption":[{"valueCoding":{"code":"x"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":1}]}]}]`:                       `"item":[{"linkId":"a","answer":[{"valueCoding":{"code":"x"}}]}]`,
		`"item":[{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"a","type":"date"},{"linkId":"b","type":"quantity","enableWhen":[{"question":"a","operator":"!=","answerDate":"2026"}]}]}]`:        `"item":[{"linkId":"g","item":[{"linkId":"b","answer":[{"valueQuantity":{"value":1},"item":[{"linkId":"a"}]}]}]},{"linkId":"g"}]`,
		`"contained":[{"resourceType":"ValueSet","status":"active","id":"v","compose":{"include":[{"system":"s","concept":[{"code":"a"}]}]}}],"item":[{"linkId":"c","type":"open-choice","answerValueSet":"#v"}]`: `"item":[{"linkId":"c","answer":[{"valueString":"a"}]}]`,
		`"item":[{"linkId":"n","type":"decimal","required":true,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/minValue","valueDecimal":0.5}]}]`:                                                    `"item":[{"linkId":"n","answer":[{"valueInteger":1}]}]`,
	} {
		f.Add([]byte(`{"resourceType":"Questionnaire","status":"draft",`+asked+`}`), []byte(head+given+`}`))
	}
	r := newReader(f)
	f.Fuzz(func(t *testing.T, asked, given []byte) {
		doc, err := tree.Parse(asked, tree.Limits{Values: 5_000})
		if err != nil {
			return
		}
		made, issues := fhir.ReadForm(doc.Root(), nil)
		if (made == nil) != fault.Any(issues) {
			t.Fatalf("a form is %t: %v", made != nil, issues)
		}
		answered, err := tree.Parse(given, tree.Limits{Values: 5_000})
		if err != nil || made == nil {
			return
		}
		form.Instrument(made)
		reading, err := r.Read(answered, "ehr")
		if err != nil || reading.Draft == nil {
			return
		}
		left, issues := made.Check(*reading.Draft, form.Policy{})
		if len(issues) == 0 && !cmp.Equal(*reading.Draft, left) {
			t.Fatal("nothing is wrong, and yet the draft changed")
		}
		made.Check(*reading.Draft, form.Policy{Enforce: true})
	})
}
