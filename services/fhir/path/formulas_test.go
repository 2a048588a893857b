package path

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

func load(t testing.TB, form string, known ...string) *Formulas {
	t.Helper()
	var o Options
	for _, k := range known {
		o.Known = append(o.Known, []byte(k))
	}
	f, err := Load(t.Context(), []byte(form), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// computed is the results on a response as `linkId=value`, or with the reason in parentheses.
func computed(t testing.TB, f *Formulas, resource string) string {
	t.Helper()
	results, err := f.Evaluate(t.Context(), []byte(resource))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range results {
		if (r.Value == nil) == (r.Reason == "") {
			t.Errorf("%s has a value and a reason, or neither: %+v", r.LinkID, r)
		}
		text := "(" + r.Reason + ")"
		if r.Value != nil {
			text = strings.Trim(shown([]Value{*r.Value}), "[]")
		}
		out = append(out, r.LinkID+"="+text)
	}
	return strings.Join(out, " ")
}

// integers are items that take a number from 0 to 10.
func integers(links ...string) (items []string) {
	for _, link := range links {
		items = append(items, fmt.Sprintf(`{"linkId":%q,"type":"integer","extension":[{"url":%q,"valueInteger":0},{"url":%q,"valueInteger":10}]}`, link, minValueURL, maxValueURL))
	}
	return items
}

func number(link string, n int) string {
	return answered(link, fmt.Sprintf(`{"valueInteger":%d}`, n))
}

func TestATypicalTotalIsComputed(t *testing.T) {
	f := load(t, moodForm(typicalTotal))
	tests := []struct{ name, response, want string }{
		{"all answered", moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1), "/44261-6=13"},
		{"all at the bottom is a total of zero", moodResponse(0, 0, 0, 0, 0, 0, 0, 0, 0), "/44261-6=0"},
		{"partly answered", moodResponse(-1, 1, -1, 3), "/44261-6=4"},
		{"nothing answered is no total of zero", moodResponse(), "/44261-6=(the formula gives nothing on these answers)"},
		{
			"an answer that is no option", response(answered(moodLinks[0], `{"valueCoding":{"system":"http://loinc.org","code":"LA1-1"}}`), answered(moodLinks[1], `{"valueCoding":{"system":"http://loinc.org","code":"LA6571-9"}}`)),
			"/44261-6=(an answer that it weighs is none of the known options)",
		},
		{
			"an answer by display", response(answered(moodLinks[0], `{"valueCoding":{"display":"Option 3"}}`)),
			"/44261-6=(an answer that it weighs is none of the known options)",
		},
		{"the response has no items", `{"resourceType":"QuestionnaireResponse","status":"completed"}`, "/44261-6=(the formula gives nothing on these answers)"},
	}
	for _, test := range tests {
		if got := computed(t, f, test.response); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestASubmittedTotalIsToldAndNotUsed(t *testing.T) {
	f := load(t, moodForm("%resource.item.where(linkId!='/69722-7').answer.value.weight().sum() + iif(%context.answer.exists(), 100, 0)"))
	sent := strings.Replace(moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1), `"item":[`, `"item":[`+number("/44261-6", 27)+",", 1)
	results, err := f.Evaluate(t.Context(), []byte(sent))
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Value == nil || r.Value.Text != "13" || r.Submitted == nil || r.Submitted.Text != "27" {
		t.Errorf("%+v, want 13 beside a submitted 27", r)
	}
}

func TestEveryKindOfSubmittedAnswerIsTold(t *testing.T) {
	f := load(t, form("", append(integers("a"), calculated("s", "decimal", "%resource.item.where(linkId='a').answer.value"))...))
	for answer, want := range map[string]string{
		`{"valueInteger":3}`: "[3]", `{"valueDecimal":3.50}`: "[3.50]", `{"valueString":"12"}`: `["12"]`, `{"valueBoolean":true}`: "[true]",
		`{"valueQuantity":{"value":4}}`: "[4]", `{"valueCoding":{"code":"x"}}`: `[{"code":"x"}]`, `{"valueInteger":3},{"valueInteger":4}`: "[]", `{"valueQuantity":{"unit":"x"}}`: "[]",
	} {
		results, err := f.Evaluate(t.Context(), []byte(response(answered("s", answer))))
		if err != nil {
			t.Fatal(err)
		}
		var got []Value
		if results[0].Submitted != nil {
			got = append(got, *results[0].Submitted)
		}
		if shown(got) != want {
			t.Errorf("%s is told as %s, want %s", answer, shown(got), want)
		}
	}
}

func TestAVariableIsSeenOnItsItemAndBelow(t *testing.T) {
	root := `"extension":[` + variableExtension("a", "%resource.item.where(linkId='g').item.where(linkId='a').answer.value") + `,` + variableExtension("double", "%a * 2") + `],`
	group := `{"linkId":"g","type":"group","extension":[` + variableExtension("sum", "%context.item.answer.value.sum()") + `],"item":[` +
		strings.Join(append(integers("a", "b"), calculated("inner", "integer", "%sum + %double")), ",") + `]}`
	f := load(t, form(root, group, calculated("outer", "decimal", "%double + 1")))
	if got, want := computed(t, f, response(`{"linkId":"g","item":[`+number("a", 3)+","+number("b", 4)+`]}`)), "inner=13 outer=7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhatAnExpressionStartsFromIsItsItem(t *testing.T) {
	// The item of the formula is in %context although the response does not hold it, and %qitem is its definition.
	f := load(t, form("", append(integers("a"),
		calculated("s", "string", "%context.linkId & ' ' & %qitem.type & ' ' & %questionnaire.status & ' ' & %rootResource.status & ' ' & linkId"),
		calculated("l", "string", "%loinc & ' ' & %sct & ' ' & %ucum"))...))
	if got, want := computed(t, f, response(number("a", 3))), `s="s string active completed s" l="http://loinc.org http://snomed.info/sct http://unitsofmeasure.org"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFormulasAreComputedInTheOrderInWhichTheyReadEachOther(t *testing.T) {
	items := append([]string{
		calculated("total", "integer", "%resource.item.where(linkId='first' or linkId='second').answer.value.sum()"),
		calculated("second", "integer", "%resource.item.where(linkId='first').answer.value + %resource.item.where(linkId='b').answer.value"),
		calculated("first", "integer", "%resource.item.where(linkId='a').answer.value * 2"),
		calculated("band", "string", "iif(%resource.item.where(linkId='total').answer.value >= 10, 'high', 'low')"),
	}, integers("a", "b")...)
	f := load(t, form("", items...))
	if got, want := computed(t, f, response(number("a", 3), number("b", 4))), `total=16 second=10 first=6 band="high"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := f.LinkIDs(); !slices.Equal(got, []string{"total", "second", "first", "band"}) {
		t.Errorf("the formulas stand in the order %v", got)
	}
}

func TestAComputedAnswerStandsWhereItsItemStands(t *testing.T) {
	group := `{"linkId":"scores","type":"group","item":[` + calculated("first", "integer", "%resource.item.where(linkId='a').answer.value * 2") + `]}`
	f := load(t, form("", append(integers("a"), group, calculated("last", "integer", "%resource.item.where(linkId='scores').item.where(linkId='first').answer.value + 1"))...))
	for name, sent := range map[string]string{
		"the group was not sent": response(number("a", 3)),
		"the group was empty":    response(number("a", 3), `{"linkId":"scores"}`),
		"the item was sent":      response(number("a", 3), `{"linkId":"scores","item":[`+number("first", 9)+`]}`),
		"the item has no answer": response(number("a", 3), `{"linkId":"scores","item":[{"linkId":"first"}]}`),
	} {
		if got, want := computed(t, f, sent), "first=6 last=7"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAFormulaInAGroupThatOccursTwiceHasNoOneValue(t *testing.T) {
	group := `{"linkId":"g","type":"group","repeats":true,"item":[` + strings.Join(append(integers("a"), calculated("s", "integer", "%resource.item.item.where(linkId='a').answer.value.sum()")), ",") + `]}`
	f := load(t, form("", group))
	one := `{"linkId":"g","item":[` + number("a", 3) + `]}`
	if got, want := computed(t, f, response(one)), "s=3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := computed(t, f, response(one, one)), "s=(its group occurs several times in the response)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAFormulaMayGiveAnythingThatAnAnswerCanBe(t *testing.T) {
	f := load(t, form("", `{"linkId":"n","type":"integer"}`, `{"linkId":"c","type":"choice","answerOption":[`+two+`]}`,
		calculated("code", "choice", "%resource.item.where(linkId='c').answer.value"), calculated("truth", "boolean", "%resource.item.where(linkId='n').answer.value > 5"),
		calculated("share", "decimal", "(%resource.item.where(linkId='n').answer.value / 3).round(2)"), calculated("date", "date", "@2026-01-31 + 1 day"),
		calculated("amount", "quantity", "%resource.item.where(linkId='n').answer.value * 2"),
		calculated("all", "string", "%resource.item.where(linkId='code').answer.value.code & ' ' & %resource.item.where(linkId='truth').answer.value.toString() & ' ' & %resource.item.where(linkId='share').answer.value.toString() & ' ' & %resource.item.where(linkId='date').answer.value.toString() & ' ' & %resource.item.where(linkId='amount').answer.value.value.toString()")))
	want := `code={"code":"two","system":"` + system + `"} truth=true share=2.33 date="2026-02-01" amount=14 all="two true 2.33 2026-02-01 14"`
	if got := computed(t, f, response(number("n", 7), answered("c", two))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAFormulaThatFailsSaysWhyAndLeavesTheOthers(t *testing.T) {
	f := load(t, form("", append(integers("a", "b"), calculated("s", "integer", "%resource.item.where(linkId='a').answer.value + 1"), calculated("o", "integer", "%resource.item.where(linkId='b').answer.value"),
		calculated("several", "integer", "%resource.item.where(linkId='b' or linkId='a').answer.value.where($this > 3)"))...))
	want := "s=(one value is needed here and there are several (column 41 of the expression)) o=2 several=(the formula gives several values)"
	if got := computed(t, f, response(answered("a", `{"valueInteger":4}`, `{"valueInteger":5}`), number("b", 2))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhatCannotBeComputedIsRefusedWhenItIsLoadedWithItsPlace(t *testing.T) {
	cql := fmt.Sprintf(`{"linkId":"s","type":"integer","extension":[{"url":%q,"valueExpression":{"language":"text/cql","expression":"Total"}}]}`, calculatedURL)
	both := fmt.Sprintf(`{"linkId":"s","type":"integer","extension":[%s,%s]}`, expressionExtension(calculatedURL, "1"), expressionExtension(calculatedURL, "2"))
	nameless := fmt.Sprintf(`"extension":[{"url":%q,"valueExpression":{"language":"text/fhirpath","expression":"1"}}],`, variableURL)
	const expression = "Questionnaire.item[1].extension[0].valueExpression.expression"
	tests := []struct{ name, form, path, text string }{
		{"a misspelt element", form("", append(integers("a"), calculated("s", "integer", "%resource.item.anwser.value.sum()"))...), expression, "R4 has no `anwser` in QuestionnaireResponse.item (column 16)"},
		{"a misspelt linkId", form("", append(integers("a"), calculated("s", "integer", "%resource.item.where(linkId='A').answer.value"))...), expression, "the questionnaire has no item with the linkId that stands in column 29"},
		{"a misspelt linkId among others", form("", append(integers("a"), calculated("s", "integer", "%resource.item.where(linkId in ('a'|'B')).answer.value.sum()"))...), expression, "the questionnaire has no item with the linkId that stands in column 37"},
		{"a path that finds nothing", form("", append(integers("a"), calculated("s", "integer", "%resource.item.item.answer.value.sum()"))...), expression, "the expression has no result on any fully answered response: the formula gives nothing on these answers"},
		{"weights that are nowhere", form("", question(two), calculated("s", "integer", "%resource.item.answer.value.weight().sum()")), expression, "the expression has no result on any fully answered response: the formula gives nothing on these answers"},
		{"a value set that is nowhere", form("", `{"linkId":"a","type":"choice","answerValueSet":"http://example.org/vs"}`, calculated("s", "integer", "%resource.item.answer.value.weight().sum()")), expression, "the expression has no result on any fully answered response: the formula gives nothing on these answers"},
		{"the clock", form("", append(integers("a"), calculated("s", "date", "today()"))...), expression, "today() is not supported: it reads the clock, and the same answers must always give the same result (column 1)"},
		{"a variable of another branch", form("", append([]string{`{"linkId":"g","type":"group","extension":[` + variableExtension("v", "1") + `],"item":[` + integers("a")[0] + `]}`}, calculated("s", "integer", "%v"))...), expression, "there is no variable %v here (column 1)"},
		{"a variable twice", form(`"extension":[`+variableExtension("v", "1")+`,`+variableExtension("v", "2")+`],`, integers("a")...), "Questionnaire.extension[1].valueExpression.name", "the variable %v stands here already"},
		{"a variable again below", form(`"extension":[`+variableExtension("v", "1")+`],`, `{"linkId":"g","type":"group","extension":[`+variableExtension("v", "1")+`]}`), "Questionnaire.item[0].extension[0].valueExpression.name", "the variable %v stands here already"},
		{"a variable with a name of FHIRPath's", form(`"extension":[`+variableExtension("resource", "1")+`],`, integers("a")...), "Questionnaire.extension[0].valueExpression.name", "a variable needs a name of letters, digits and `_` that is none of FHIRPath's own"},
		{"a variable without a name", form(nameless, integers("a")...), "Questionnaire.extension[0].valueExpression", "a variable needs a name of letters, digits and `_` that is none of FHIRPath's own"},
		{"two formulas on one item", form("", both), "Questionnaire.item[0].extension[1].valueExpression", "the item has a second calculatedExpression"},
		{"no expression", form("", strings.Replace(cql, `"text/cql","expression":"Total"`, `"text/fhirpath"`, 1)), "Questionnaire.item[0].extension[0].valueExpression", "there is no expression"},
		{"formulas that wait for each other", form("", calculated("p", "integer", "iif(%resource.item.where(linkId='q').answer.value.exists(), 1, 2)"), calculated("q", "integer", "iif(%resource.item.where(linkId='p').answer.value.exists(), 1, 2)")), "Questionnaire.item[0].extension[0].valueExpression.expression", "formulas wait for each other: this one reads an answer that is computed from its own"},
		{"a condition that finds nothing", form("", append(integers("a"), `{"linkId":"s","type":"string","extension":[`+expressionExtension(enableWhenURL, "%resource.item.item.answer.value = 1")+`]}`)...), expression, "the expression has no result on any fully answered response: it finds nothing"},
		{"a condition that is none", form("", append(integers("a"), `{"linkId":"s","type":"string","extension":[`+expressionExtension(enableWhenURL, "%resource.item.where(linkId='a').answer.value")+`]}`)...), expression, "the expression has no result on any fully answered response: the expression gives no single true or false"},
		{"a linkId twice", form("", integers("a", "a")...), "Questionnaire.item[1].linkId", "the linkId is given twice"},
		{"no linkId", form("", `{"type":"integer"}`), "Questionnaire.item[0]", "the item has no linkId"},
		{"another resource", response(number("a", 1)), "", "a Questionnaire is needed here"},
	}
	for _, test := range tests {
		_, err := Load(t.Context(), []byte(test.form), Options{})
		issues := fault.IssuesOf(err)
		if fault.Of(err) != fault.Invalid || len(issues) != 1 || issues[0].Path != test.path || issues[0].Text != test.text {
			t.Errorf("%s: %v, want %s: %s", test.name, err, test.path, test.text)
		}
	}
}

func TestAllIssuesOfAQuestionnaireComeAtOnce(t *testing.T) {
	_, err := Load(t.Context(), []byte(form("", calculated("a", "integer", "nonsense("), calculated("b", "integer", "%resource.itm"), calculated("c", "integer", "now()"))), Options{})
	if got := len(fault.IssuesOf(err)); got != 3 {
		t.Errorf("%d issues, want 3: %v", got, err)
	}
}

func TestOtherLanguagesAreToldAndTheRestIsComputed(t *testing.T) {
	cql := fmt.Sprintf(`{"linkId":"c","type":"integer","extension":[{"url":%q,"valueExpression":{"language":"text/cql","expression":"Total"}}]}`, calculatedURL)
	query := fmt.Sprintf(`"extension":[{"url":%q,"valueExpression":{"name":"history","language":"application/x-fhir-query","expression":"Observation?code=x"}}],`, variableURL)
	f := load(t, form(query, append(integers("a"), cql, calculated("s", "integer", "%resource.item.where(linkId='a').answer.value"), calculated("h", "integer", "%history.count() + 1"))...))
	want := "c=(its calculatedExpression is not in text/fhirpath) s=3 h=(it rests on a variable that is not in text/fhirpath)"
	if got := computed(t, f, response(number("a", 3))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var places []string
	for _, issue := range f.Issues() {
		if issue.Severity != fault.Warning || issue.Code != "not-supported" {
			t.Errorf("%+v is no warning that something is not supported", issue)
		}
		places = append(places, issue.Path)
	}
	if want := []string{"Questionnaire.extension[0].valueExpression.language", "Questionnaire.item[1].extension[0].valueExpression.language"}; !slices.Equal(places, want) {
		t.Errorf("warned at %v, want %v", places, want)
	}
}

func TestDoubtsAreWarnings(t *testing.T) {
	f := load(t, form("", append(integers("a", "b"), calculated("s", "integer", "(%resource.item.where(linkId='a').answer.value.toInteger() | %resource.item.where(linkId!='c').answer.value.first().toInteger()).sum()"))...))
	var texts []string
	for _, issue := range f.Issues() {
		texts = append(texts, issue.Severity.String()+" "+issue.Path+" "+issue.Text)
	}
	const at = "warning Questionnaire.item[2].extension[0].valueExpression.expression "
	want := []string{
		at + "`|` keeps equal numbers only once, so this sum() may leave some out (column 130)",
		at + "the questionnaire has no item with the linkId that stands in column 91, which is to be left out",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}
}

func TestAFixtureMayProveWhatAMadeUpResponseCannot(t *testing.T) {
	q := []byte(form("", `{"linkId":"a","type":"string"}`, calculated("s", "integer", "%resource.item.where(linkId='a').answer.value.toInteger()")))
	if _, err := Load(t.Context(), q, Options{}); fault.Of(err) != fault.Invalid {
		t.Fatalf("without the fixture: %v", err)
	}
	f, err := Load(t.Context(), q, Options{Fixtures: [][]byte{[]byte(response(answered("a", `{"valueString":"12"}`)))}})
	if err != nil {
		t.Fatal(err)
	}
	if got := computed(t, f, response(answered("a", `{"valueString":"7"}`))); got != "s=7" {
		t.Error(got)
	}
	if _, err := Load(t.Context(), q, Options{Fixtures: [][]byte{[]byte("{")}}); fault.Of(err) != fault.Invalid {
		t.Errorf("a broken fixture: %v", err)
	}
}

func TestAConditionSaysWhetherAnItemIsAsked(t *testing.T) {
	condition := func(link, expression string) string {
		return `{"linkId":"` + link + `","type":"string","extension":[` + expressionExtension(enableWhenURL, expression) + `]}`
	}
	f := load(t, form("", append(integers("a", "b"), calculated("sum", "integer", "%resource.item.where(linkId='a' or linkId='b').answer.value.sum()"),
		condition("high", "%resource.item.where(linkId='sum').answer.value >= 10"), condition("some", "%resource.item.where(linkId='a').answer.exists()"),
		condition("one", "%resource.item.where(linkId='a').answer.value = 4"))...))
	tests := []struct{ name, response, want string }{
		{"high", response(number("a", 4), number("b", 6)), "[{high true } {some true } {one true }]"},
		{"nothing is false", response(), "[{high false } {some false } {one false }]"},
		{"several", response(answered("a", `{"valueInteger":4}`, `{"valueInteger":6}`)), "[{high true } {some true } {one false one value is needed here and there are several (column 41 of the expression)}]"},
	}
	for _, test := range tests {
		sent := strings.Replace(test.response, `,"item":[]`, "", 1)
		got, err := f.Enabled(t.Context(), []byte(sent))
		if err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("%s: %v %v, want %s", test.name, got, err, test.want)
		}
	}
	if got := f.Conditions(); !slices.Equal(got, []string{"high", "some", "one"}) {
		t.Errorf("the conditions stand on %v", got)
	}
}

func TestAFormulaTellsWhatItRestsOnAndHowFarItReaches(t *testing.T) {
	open := `{"linkId":"open","type":"integer"}`
	items := append(integers("a", "b", "c"), open, `{"linkId":"t","type":"boolean"}`, `{"linkId":"x","type":"string"}`,
		calculated("sum", "integer", "%resource.item.where(linkId='a' or linkId='b').answer.value.sum()"),
		calculated("reversed", "integer", "10 - %resource.item.where(linkId='c').answer.value"),
		calculated("both", "decimal", "%resource.item.where(linkId='sum').answer.value / 2 - %resource.item.where(linkId='reversed').answer.value"),
		calculated("truth", "integer", "iif(%resource.item.where(linkId='t').answer.value, 5, 1)"),
		calculated("unbounded", "integer", "%resource.item.where(linkId='open').answer.value + 1"),
		calculated("word", "string", "'total ' & %resource.item.where(linkId='a').answer.value.toString()"),
		calculated("fixed", "integer", "7"))
	f := load(t, form("", items...))
	tests := []struct{ linkID, rests, reach string }{
		{"sum", "[a b]", "0 20 true"},
		{"reversed", "[c]", "0 10 true"},
		{"both", "[a b c]", "-10 10 true"},
		{"truth", "[t]", "1 5 true"},
		{"unbounded", "[open]", "0 0 false"},
		{"word", "[a]", "0 0 false"},
		{"fixed", "[]", "0 0 false"},
	}
	for _, test := range tests {
		rests, err := f.Depends(t.Context(), test.linkID)
		if err != nil || fmt.Sprint(rests) != test.rests {
			t.Errorf("%s rests on %v %v, want %s", test.linkID, rests, err, test.rests)
		}
		low, high, ok, err := f.Range(t.Context(), test.linkID)
		if got := fmt.Sprint(low, high, ok); err != nil || got != test.reach {
			t.Errorf("%s reaches %s %v, want %s", test.linkID, got, err, test.reach)
		}
	}
	if _, err := f.Depends(t.Context(), "a"); fault.Of(err) != fault.NotFound {
		t.Errorf("an item without formula: %v", err)
	}
	if _, _, _, err := f.Range(t.Context(), "a"); fault.Of(err) != fault.NotFound {
		t.Errorf("an item without formula: %v", err)
	}
}

func TestTheNineItemTotalRestsOnItsNineItems(t *testing.T) {
	f := load(t, moodForm(typicalTotal))
	rests, err := f.Depends(t.Context(), "/44261-6")
	if err != nil || !slices.Equal(rests, moodLinks) {
		t.Errorf("it rests on %v %v", rests, err)
	}
	low, high, ok, err := f.Range(t.Context(), "/44261-6")
	if low != 0 || high != 27 || !ok || err != nil {
		t.Errorf("it reaches from %g to %g (%t, %v), want from 0 to 27", low, high, ok, err)
	}
}

func TestAQuestionnaireWithoutFormulasHasNothingToCompute(t *testing.T) {
	f := load(t, form("", integers("a")...))
	results, err := f.Evaluate(t.Context(), []byte(response(number("a", 1))))
	if len(results) != 0 || err != nil {
		t.Errorf("%v %v", results, err)
	}
	conditions, err := f.Enabled(t.Context(), []byte(response(number("a", 1))))
	if len(conditions) != 0 || err != nil {
		t.Errorf("%v %v", conditions, err)
	}
}

func TestOnlyAResponseIsComputedOn(t *testing.T) {
	f := load(t, moodForm(typicalTotal))
	for _, raw := range []string{"", "{", "[]", `{"resourceType":"Patient"}`, `{"a":1,"a":2}`, moodForm(typicalTotal)} {
		if _, err := f.Evaluate(t.Context(), []byte(raw)); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v, want an invalid fault", raw, err)
		}
	}
}
