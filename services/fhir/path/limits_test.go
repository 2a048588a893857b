package path

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// hostile expressions are what somebody might put into a definition to make a server stop.
func hostile() map[string]string {
	return map[string]string{
		"deep parentheses":      strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000),
		"deep functions":        strings.Repeat("iif(true,", 3000) + "1" + strings.Repeat(")", 3000),
		"deep signs":            strings.Repeat("-", 8000) + "1",
		"deep indexers":         strings.Repeat("item[", 3000) + "0" + strings.Repeat("]", 3000),
		"a long chain":          "1" + strings.Repeat("+1", 5000),
		"a long path":           "item" + strings.Repeat(".item", 3000),
		"a long text":           "'" + strings.Repeat("a", 20_000) + "'",
		"a long number":         strings.Repeat("9", 15_000),
		"a growing translation": "item" + strings.Repeat(".where(answer.value is Coding", 40) + strings.Repeat(")", 40),
		"nested conditions":     strings.Repeat("iif(item.where(", 20) + "true" + strings.Repeat(").exists(),1,2)=1", 20),
		"a growing string":      "(" + strings.TrimSuffix(strings.Repeat("1|", 120), "|") + ").aggregate($total & $total, 'aaaaaaaaaaaaaaaa')",
		"doubling strings":      "%resource.item.aggregate($total & $total, 'aaaaaaaaaaaaaaaa')",
		"replacing":             "'aaaaaaaa'" + strings.Repeat(".replace('a','aaaaaaaaaaaaaaaa')", 20),
		"replacing nothing":     "'aaaaaaaa'" + strings.Repeat(".replace('','aaaaaaaaaaaaaaaa')", 20),
		"joining":               "%resource.descendants().select('" + strings.Repeat("a", 1000) + "').join('" + strings.Repeat("b", 1000) + "')",
		"growing numbers":       "%resource.item.aggregate($total * $total, 99999)",
		"powers":                "10" + strings.Repeat(".power(10)", 30),
		"exponents":             "999999.exp()",
		"roots of nothing":      "(0-1).sqrt()",
		"digits":                "1" + strings.Repeat("/3", 100),
		"products of digits":    "(1/3)" + strings.Repeat("*(1/3)", 100),
		"descendants of all":    "%resource" + strings.Repeat(".descendants()", 60),
		"unions of all":         "(" + strings.TrimSuffix(strings.Repeat("%resource.descendants()|", 60), "|") + ").count()",
		"loops in loops":        "%resource.descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants().count())))",
		"conditions in loops":   "%resource.descendants().where(%resource.descendants().where(%resource.descendants().where(%resource.descendants().exists()).exists()).exists()).count()",
		"a bad pattern":         "item.linkId.first().matches('(a+)+$')",
		"a huge pattern":        "item.linkId.first().matches('" + strings.Repeat("(a|b)*", 200) + "')",
		"a repeated pattern":    "item.linkId.first().matches('((a{1,100}){1,100}){1,100}')",
		"a lone surrogate":      `'\udfff'`,
		"control characters":    "item\x00.linkId",
		"bad UTF-8":             "item.where(linkId='\xff')",
		"an engine's name":      "%`rapport:run`",
		"a name like an index":  "item.`[0]`",
		"nothing to take":       "(1|2).take(-1).skip(-5)[-1]",
		"a huge index":          "(1|2)[999999999999999]",
		"places":                "1.5.round(999999)",
		"types of types":        "item.answer.value.as(Coding).as(Coding) is Coding is boolean",
	}
}

func TestAHostileExpressionCostsLittle(t *testing.T) {
	resource := read(t, secondResources()["mood"])
	for name, text := range hostile() {
		began := time.Now()
		e, err := Compile(text)
		compiled := time.Since(began)
		if err == nil {
			_, err = e.Evaluate(t.Context(), Input{Resource: resource, Limits: Limits{Time: 200 * time.Millisecond}})
		}
		took := time.Since(began)
		if kind := fault.Of(err); err != nil && kind != fault.Invalid && kind != fault.Unprocessable {
			t.Errorf("%s: %v", name, err)
		}
		if took > 5*time.Second {
			t.Errorf("%s took %s, %s of it to compile", name, took, compiled)
		}
		t.Logf("%-22s %8s %8s %.90v", name, compiled.Round(100*time.Microsecond), took.Round(100*time.Microsecond), err)
	}
}

func TestTimeEndsAnEvaluation(t *testing.T) {
	e, err := Compile(hostile()["loops in loops"])
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Evaluate(t.Context(), Input{Resource: read(t, moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1)), Limits: Limits{Time: time.Millisecond}})
	if issues := fault.IssuesOf(err); fault.Of(err) != fault.Unprocessable || len(issues) != 1 || issues[0].Code != "too-costly" {
		t.Errorf("%v, want a fault that it is too costly", err)
	}
}

func TestAnEndedContextEndsAnEvaluation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := Compile("item.answer.value.weight().sum()")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Evaluate(ctx, Input{Resource: read(t, moodResponse(0, 1, 2))}); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want unavailable", err)
	}
	f := load(t, moodForm(typicalTotal))
	if _, err := f.Evaluate(ctx, []byte(moodResponse(0, 1, 2))); fault.Of(err) != fault.Unavailable {
		t.Errorf("formulas: %v, want unavailable", err)
	}
	if _, err := Load(ctx, []byte(moodForm(typicalTotal)), Options{}); fault.Of(err) != fault.Unavailable {
		t.Errorf("loading: %v, want unavailable", err)
	}
}

func TestACollectionHasALimit(t *testing.T) {
	var items []string
	for i := range 300 {
		items = append(items, answered(fmt.Sprint(i), fmt.Sprintf(`{"valueInteger":%d}`, i)))
	}
	resource := read(t, response(items...))
	for _, expression := range []string{"item", "item.answer.value", "item.where(true)", "item.select(linkId)", "item.linkId.distinct()", "descendants()", "repeat(item)", "item | item.answer", "item.linkId.combine('a')"} {
		e, err := Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Evaluate(t.Context(), Input{Resource: resource, Limits: Limits{Elements: 299}}); fault.Of(err) != fault.Unprocessable {
			t.Errorf("%s: %v, want a fault", expression, err)
		}
		if values, err := e.Evaluate(t.Context(), Input{Resource: resource, Limits: Limits{Elements: 3000}}); err != nil || len(values) < 300 {
			t.Errorf("%s: %d values %v", expression, len(values), err)
		}
	}
}

func TestANumberThatCannotBeMeantIsNotRead(t *testing.T) {
	for text, ok := range map[string]bool{"1e-245": true, "1.50": true, "1e400": true, "1e401": false, "1e-401": false, "1e999999999": false, "1E+99999999999999999999": false} {
		_, err := Read([]byte(response(answered("a", `{"valueDecimal":`+text+`}`))))
		if (err == nil) != ok || !ok && fault.Of(err) != fault.Unprocessable {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, expression := range []string{"item.answer.value + 1", "item.answer.value.sum()", "item.answer.value > 1", "item.answer.value = 1", "item.answer.value.round(2)"} {
		if got := said(t, expression, response(answered("a", `{"valueDecimal":1e399}`))); got != "fails" {
			t.Errorf("%s of a huge number is %s", expression, got)
		}
	}
	if got := said(t, "item.answer.value + 1", response(answered("a", `{"valueDecimal":1e-245}`))); got != "[1]" {
		t.Errorf("a tiny number and one is %s", got)
	}
}

func TestOnlyCheckedJSONIsEvaluated(t *testing.T) {
	for _, raw := range []string{"", "{", "null", "[]", `{"a":1}`, `{"resourceType":"Patient","resourceType":"Patient"}`, `{"resourceType":"Patient","name":[]}`} {
		if _, err := Read([]byte(raw)); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v, want an invalid fault", raw, err)
		}
	}
}

func TestAQuestionnaireMayNotHoldExpressionsWithoutEnd(t *testing.T) {
	var items []string
	for i := range mostFormulas + 1 {
		items = append(items, calculated(fmt.Sprint(i), "integer", "1"))
	}
	if _, err := Load(t.Context(), []byte(form("", items...)), Options{}); fault.Of(err) != fault.TooLarge {
		t.Errorf("%v, want too large", err)
	}
}
