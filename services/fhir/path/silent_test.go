package path

import (
	"os"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// said is what becomes of an expression: its values, `refused` when it is compiled or `fails` when it is evaluated.
func said(t testing.TB, expression, resource string) string {
	t.Helper()
	e, err := Compile(expression)
	if err != nil {
		if fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) == 0 {
			t.Errorf("%s: refused with %v, which is no invalid fault with a reason", expression, err)
		}
		return "refused"
	}
	values, err := e.Evaluate(t.Context(), Input{Resource: read(t, resource), Questionnaire: readForm(t, moodForm(typicalTotal))})
	if err != nil {
		if fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) == 0 {
			t.Errorf("%s: fails with %v, which is no fault with a reason", expression, err)
		}
		return "fails"
	}
	return shown(values)
}

// Each row is one thing that the engine does silently wrong: here it is right, or refused, or fails aloud.
func TestWhatTheEngineGetsSilentlyWrongIsRightHereOrRefused(t *testing.T) {
	resources := secondResources()
	quantities := response(answered("a", `{"valueQuantity":{"value":4,"unit":"score","code":"{score}"}}`), answered("b", `{"valueQuantity":{"value":4,"unit":"points","code":"{score}"}}`))
	tests := []struct{ row, expression, resource, want string }{
		{"repeat(item) returns its input", `%resource.repeat(item).where(linkId='z').exists()`, resources["rows"], `[false]`},
		{"repeat(item) returns its input", `%resource.repeat(item).count()`, resources["rows"], `[6]`},
		{"repeat(item|answer)", `%resource.repeat(item|answer).where(linkId='z').answer.value`, resources["rows"], `[3]`},
		{"repeat(item|answer.item)", `%resource.repeat(item|answer.item).where(linkId='z').answer.value`, resources["rows"], `[3]`},
		{"the last two equal descendants()", `%resource.descendants().where(linkId.exists()).linkId.count() = %resource.repeat(item|answer.item).linkId.count()`, resources["rows"], `[true]`},
		{"other uses of repeat", `%resource.repeat(answer)`, resources["rows"], `refused`},
		{"other uses of repeat", `%resource.item.repeat(item.where(linkId='x'))`, resources["rows"], `refused`},

		{"= on several", `%resource.item.answer.value.code = 'LA6568-5'`, resources["mood"], `fails`},
		{"!= on several", `%resource.item.linkId != 'x'`, resources["mood"], `fails`},
		{"~ on several", `%resource.item.linkId ~ 'x'`, resources["mood"], `fails`},
		{"~ on several", `%resource.item.linkId !~ 'x'`, resources["mood"], `fails`},
		{"= on single values", `%resource.item.first().linkId = '/44250-9'`, resources["mood"], `[true]`},

		{"union() keeps duplicates", `(1|2).combine(2).union(3)`, resources["mood"], `[1,2,3]`},
		{"| keeps duplicates on its left", `%resource.item.where(linkId='many').answer.value | 5`, resources["wild"], `[1,2,5]`},
		{"arguments see the input", `%resource.item.select(linkId.union(text))`, resources["mood"], shown(linkIDsOf(append(moodLinks, difficulty)))},
		{"arguments see the input", `%resource.item.where(linkId.combine(text).count() = 1)`, resources["mood"], `refused`},
		{"arguments see the input", `%resource.item.where(('a'|'b').exclude($this.linkId).count() = 2)`, resources["mood"], `refused`},
		{"arguments see the input", `%resource.item.where(linkId.subsetOf($this.text))`, resources["mood"], `refused`},
		{"arguments see the input", `%resource.item.where(linkId.supersetOf(text))`, resources["mood"], `refused`},
		{"arguments see the input", `%resource.item.where(linkId.startsWith(text))`, resources["mood"], `refused`},
		{"arguments at the root do not depend on it", `('/44250-9'|'zz').exclude(item.linkId)`, resources["mood"], `["zz"]`},
		{"arguments at the root do not depend on it", `item.linkId.first().subsetOf(item.linkId)`, resources["mood"], `[true]`},

		{"quantities by unit", `%resource.item.where(linkId='a').answer.value = %resource.item.where(linkId='b').answer.value`, quantities, `fails`},
		{"quantities by unit", `%resource.item.where(linkId='a').answer.valueQuantity = %resource.item.where(linkId='b').answer.valueQuantity`, quantities, `refused`},
		{"quantities by unit", `%resource.item.where(linkId='a').answer.value > 3`, quantities, `fails`},
		{"quantities by code and value", `%resource.item.where(linkId='a').answer.value.value = 4 and %resource.item.where(linkId='a').answer.value.code = '{score}'`, quantities, `[true]`},
		{"quantity literals", `4 '{score}' = 4 '{score}'`, quantities, `refused`},

		{"7 days = 1 week", `7 days = 1 week`, resources["mood"], `refused`},
		{"quantity arithmetic", `%resource.item.where(linkId='a').answer.valueQuantity * 2`, quantities, `refused`},
		{"quantity arithmetic", `%resource.item.where(linkId='a').answer.value * 2`, quantities, `fails`},
		{"quantity arithmetic", `(2 'kg') / 2`, quantities, `refused`},

		{"date + 1 'd' is unchanged", `@2026-01-31 + 1 'd'`, resources["mood"], `refused`},
		{"date + 1 month", `@2026-01-31 + 1 month`, resources["mood"], `refused`},
		{"date + 1 year", `@2026-01-31 + 1 year`, resources["mood"], `refused`},
		{"date + 1 day", `@2026-01-31 + 1 day`, resources["mood"], `["2026-02-01"]`},
		{"date - 31 days", `@2026-01-31 - 31 days`, resources["mood"], `["2025-12-31"]`},
		{"date + 1.5 days", `@2026-01-31 + 1.5 days`, resources["mood"], `refused`},

		{"extensions of primitives", `%resource.status.extension('x').exists()`, resources["mood"], `refused`},
		{"extensions of primitives", `%resource.item.linkId.extension.exists()`, resources["mood"], `refused`},
		{"extensions of primitives", `%resource.descendants().where(extension('x').exists())`, resources["mood"], `refused`},
		{`\u escapes`, `'\u00e9' = 'é'`, resources["mood"], `[true]`},
		{`\\n is not a line break`, `'a\\n'.length()`, resources["mood"], `[3]`},
		{`a lone surrogate`, `'\ud800'`, resources["mood"], `refused`},
		{"lowBoundary", `1.5.lowBoundary()`, resources["mood"], `refused`},
		{"highBoundary", `1.5.highBoundary()`, resources["mood"], `refused`},
		{"conformsTo", `%resource.conformsTo('http://example.org/p')`, resources["mood"], `refused`},

		{"a whole decimal is an integer", `%resource.item.where(linkId='whole').answer.value.ofType(decimal)`, resources["wild"], `[2]`},
		{"a whole decimal is an integer", `%resource.item.where(linkId='whole').answer.value.ofType(integer)`, resources["wild"], `[]`},
		{"a whole decimal is an integer", `%resource.item.where(linkId='whole').answer.value is integer`, resources["wild"], `[false]`},
		{"ofType(string) matches codes", `%resource.item.where(linkId='c').answer.value.code.ofType(string)`, resources["wild"], `refused`},
		{"ofType(string) matches codes", `%resource.item.where(linkId='c').answer.value.ofType(string)`, resources["wild"], `[]`},
		{"(0).not() is empty", `(0).not()`, resources["wild"], `refused`},
		{"(0).not() is empty", `%resource.item.where(linkId='i').answer.value.not()`, resources["wild"], `fails`},
		{"(-2.5).round(0) = -3", `(-2.5).round(0)`, resources["wild"], `[-2]`},
		{"(-2.5).round(0) = -3", `(-0.125).round(2)`, resources["wild"], `[-0.12]`},

		{"a misspelt path", `%resource.itm.answer.value`, resources["wild"], `refused`},
		{"a misspelt path", `item.where(linkid='i')`, resources["wild"], `refused`},
		{"a misspelt path", `item.answer.value.kode`, resources["wild"], `refused`},
		{"a misspelt path", `Patient.name`, resources["wild"], `refused`},

		{"sum of nothing is 0", `{}.sum()`, resources["wild"], `[]`},
		{"sum of nothing is 0", `%resource.item.where(linkId='nowhere').answer.value.sum()`, resources["wild"], `[]`},
		{"sum of what is no number is empty", `%resource.item.where(linkId='s' or linkId='i').answer.value.sum()`, resources["wild"], `fails`},
		{"a string that looks like a date", `%resource.item.where(linkId='2024').answer.value`, resources["wild"], `["2024"]`},
		{"a string that looks like a date", `%resource.descendants().where(linkId='2024').answer.value`, resources["wild"], `["2024"]`},
		{"integers wrap", `999999999999999 * 999999999999999 > 0`, resources["wild"], `[true]`},
		{"strings count bytes", `%resource.item.where(linkId='s').answer.value.length()`, resources["wild"], `[8]`},
		{"2.7.toInteger() is 2", `2.7.toInteger()`, resources["wild"], `[]`},
		{"a condition that is none is false", `%resource.item.where(answer)`, resources["wild"], `refused`},
		{"a condition that is none is false", `%resource.item.where(answer.value).count()`, resources["wild"], `fails`},
		{"the first of several totals", `(1|2).aggregate($total | $this)`, resources["wild"], `fails`},
		{"dates of differing precision", `%resource.item.where(linkId='time').answer.value = @2026-01-31`, resources["wild"], `fails`},
		{"1.0 ~ 1.01", `1.0 ~ 1.01`, resources["wild"], `fails`},
	}
	for _, test := range tests {
		if got := said(t, test.expression, test.resource); got != test.want {
			t.Errorf("%s: %s is %s, want %s", test.row, test.expression, got, test.want)
		}
	}
}

func linkIDsOf(links []string) (out []Value) {
	for _, link := range links {
		out = append(out, Value{Kind: Text, Text: link})
	}
	return out
}

// The engine's own errors that the specification has no error for are mended where that is simple.
func TestWhatTheEngineRefusesAloudStaysAloudOrIsMended(t *testing.T) {
	resource := secondResources()["wild"]
	tests := []struct{ expression, want string }{
		{`@2026-01-31 < @2026-01-31T10:00:00Z`, `fails`},
		{`7 / 0`, `[]`},
		{`7 div 0`, `[]`},
		{`7.5 div 2`, `fails`},
		{`7.0 div 2`, `[3]`},
		{`%resource.item is Coding`, `fails`},
		{`@2015T`, `refused`},
		{`@2015`, `refused`},
		{`%nobody`, `refused`},
		{`%`, `refused`},
	}
	for _, name := range []string{
		"sort(linkId)", "type()", "encode('base64')", "decode('base64')", "escape('html')", "unescape('html')",
		"matchesFull('a')", "comparable(1)", "precision()", "defineVariable('a')", "getResourceKey()", "getReferenceKey()",
		"resolve()", "memberOf('x')", "toDate()", "toDateTime()", "toTime()", "toQuantity()", "replaceMatches('a','b')",
		"convertsToDate()", "elementDefinition()", "checkModifiers()", "getValue()", "hasExtension('x')", "rapportOne(1)", "`rapport:run`",
	} {
		tests = append(tests, struct{ expression, want string }{"%resource.item." + name, "refused"})
	}
	for _, clock := range []string{"now()", "today()", "timeOfDay()", "%resource.authored < now()", "today() - 1 day"} {
		tests = append(tests, struct{ expression, want string }{clock, "refused"})
	}
	for _, test := range tests {
		if got := said(t, test.expression, resource); got != test.want {
			t.Errorf("%s is %s, want %s", test.expression, got, test.want)
		}
	}
}

func TestARefusalSaysWhyAndWhere(t *testing.T) {
	tests := []struct{ expression, want string }{
		{"%resource.itm", "R4 has no `itm` in QuestionnaireResponse (column 11)"},
		{"item.where(linkId = 'é').answer.valeu", "R4 has no `valeu` in QuestionnaireResponse.item.answer (column 33)"},
		{"1 +", "a name is missing here (column 4)"},
		{"(1 + 2", "`)` is missing here (column 7)"},
		{"'abc", "the closing quote is missing (column 1)"},
		{"item.sort()", "there is no function sort() here (column 6)"},
		{"today()", "today() is not supported: it reads the clock, and the same answers must always give the same result (column 1)"},
		{"%vs", "there is no variable %vs here (column 1)"},
		{"", "the expression is empty"},
		{"1 2", "the expression should end here (column 3)"},
		{"item.first(1)", "first() takes 0 arguments, not 1 (column 6)"},
		{"item.exists(1, 2)", "exists() takes 0 to 1 arguments, not 2 (column 6)"},
		{"$index", "`$index` means nothing outside a function that goes through elements (column 1)"},
		{"item.linkId.matches('(')", "the pattern is none that is supported here (column 21)"},
		{"item.answer.value is Codign", "R4 has no type Codign: a primitive starts with a small letter, such as `string` (column 19)"},
		{"item.answer.value.ofType(Patient)", "this is never Patient: it is one of boolean, decimal, integer, date, dateTime, time, string, uri, Attachment, Coding, Quantity, Reference (column 19)"},
	}
	for _, test := range tests {
		_, err := Compile(test.expression)
		issues := fault.IssuesOf(err)
		if len(issues) != 1 || issues[0].Text != test.want || issues[0].Code == "" || issues[0].Severity != fault.Error {
			t.Errorf("%s: %v, want %q", test.expression, err, test.want)
		}
	}
}

func TestAFailureSaysWhyAndWhereWithoutAValue(t *testing.T) {
	e, err := Compile("%resource.item.answer.value.code = 'LA6568-5'")
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Evaluate(t.Context(), Input{Resource: read(t, moodResponse(0, 1, 2))})
	if want := "unprocessable: one value is needed here and there are several (column 29 of the expression)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// trace() prints values in the engine's own form; here nothing leaves the process.
func TestTraceLetsValuesPassAndPrintsNothing(t *testing.T) {
	old := os.Stderr
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = out
	got := said(t, "%resource.item.trace('items', linkId).linkId.trace('links').count()", moodResponse(0, 1, 2))
	os.Stderr = old
	out.Close()
	printed := make([]byte, 1)
	if n, _ := in.Read(printed); n != 0 {
		t.Error("trace() printed something")
	}
	if got != "[4]" {
		t.Errorf("trace() changed the result to %s", got)
	}
}

func TestNoErrorQuotesTheAnswers(t *testing.T) {
	const secret = "Zebrafisch"
	resource := response(
		answered("a", `{"valueString":"`+secret+`"}`, `{"valueString":"`+secret+`"}`), answered("n", `{"valueString":"`+secret+`"}`),
		answered("q", `{"valueQuantity":{"value":1,"unit":"`+secret+`"}}`), answered("c", `{"valueCoding":{"system":"http://loinc.org","code":"`+secret+`","display":"`+secret+`"}}`),
		answered("d", `{"valueDate":"2026"}`), answered("big", `{"valueDecimal":1e300}`))
	failed := 0
	for _, expression := range []string{
		"%resource.item.answer.value = 1", "%resource.item.where(linkId='n').answer.value + 1", "%resource.item.where(linkId='n').answer.value > 1",
		"%resource.item.where(linkId='n').answer.value.not()", "%resource.item.where(linkId='n').answer.value < @2026-01-31", "%resource.item[item.first().text.length() / 2]",
		"%resource.item.where(linkId='q').answer.value + 1", "%resource.item.where(linkId='c').answer.value > 1", "%resource.item.answer.value.sum()",
		"%resource.item.where(linkId='n').answer.value.sqrt()", "%resource.item.where(linkId='big').answer.value * 2", "%resource.item.where(linkId='d').answer.value = @2026-01-01",
		"%resource.item.where(linkId='d').answer.value < @2026-01-01", "%resource.item.where(linkId='n').answer.value.single().weight() > 0", "%resource.item.where(linkId='n').answer.value is Coding",
		"%resource.item.answer.value.join('a')",
	} {
		e, err := Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		_, err = e.Evaluate(t.Context(), Input{Resource: read(t, resource)})
		if err != nil {
			failed++
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "1e300") {
				t.Errorf("%s: the error quotes an answer: %v", expression, err)
			}
		}
	}
	if failed < 10 {
		t.Errorf("only %d of the expressions failed, so little was tried", failed)
	}
}
