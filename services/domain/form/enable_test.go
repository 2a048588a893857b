package form_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/response"
)

func TestConditions(t *testing.T) {
	code := func(system, code string) form.Value {
		return form.Value{Kind: "Coding", System: system, Code: code}
	}
	measured := func(n, unit string) form.Value { return form.Value{Kind: "Quantity", Number: n, Code: unit} }
	date := func(s string) form.Value { return form.Value{Kind: "Date", Text: s} }
	on := func(s string) response.Answer { return response.Answer{Kind: "Date", Text: s} }
	free := repeating(asking("p", form.Choice))
	for name, c := range map[string]struct {
		question form.Item
		operator string
		than     form.Value
		answers  []response.Answer
		enabled  bool
	}{
		"exists, answered":                      {asking("p", form.Integer), "exists", yes(), []response.Answer{integer("0")}, true},
		"exists, unanswered":                    {asking("p", form.Integer), "exists", yes(), nil, false},
		"exists, an answer without a value":     {asking("p", form.Integer), "exists", yes(), []response.Answer{{}}, false},
		"not exists, answered":                  {asking("p", form.Integer), "exists", no(), []response.Answer{integer("0")}, false},
		"not exists, unanswered":                {asking("p", form.Integer), "exists", no(), nil, true},
		"equal":                                 {asking("p", form.Integer), "=", whole("3"), []response.Answer{integer("3")}, true},
		"equal, written otherwise":              {asking("p", form.Decimal), "=", form.Value{Kind: "Decimal", Number: "3.0"}, []response.Answer{decimal("3")}, true},
		"equal, unanswered":                     {asking("p", form.Integer), "=", whole("3"), nil, false},
		"unequal":                               {asking("p", form.Integer), "!=", whole("3"), []response.Answer{integer("4")}, true},
		"unequal, equal":                        {asking("p", form.Integer), "!=", whole("3"), []response.Answer{integer("3")}, false},
		"unequal, unanswered":                   {asking("p", form.Integer), "!=", whole("3"), nil, false},
		"any answer may satisfy":                {repeating(asking("p", form.Integer)), "=", whole("3"), []response.Answer{integer("1"), integer("3")}, true},
		"unequal to one of several":             {repeating(asking("p", form.Integer)), "!=", whole("3"), []response.Answer{integer("3"), integer("4")}, true},
		"above":                                 {asking("p", form.Integer), ">", whole("3"), []response.Answer{integer("4")}, true},
		"not above":                             {asking("p", form.Integer), ">", whole("3"), []response.Answer{integer("3")}, false},
		"at least":                              {asking("p", form.Integer), ">=", whole("3"), []response.Answer{integer("3")}, true},
		"below":                                 {asking("p", form.Integer), "<", whole("3"), []response.Answer{integer("2")}, true},
		"at most":                               {asking("p", form.Integer), "<=", whole("3"), []response.Answer{integer("3")}, true},
		"coding":                                {free, "=", code("s", "c"), []response.Answer{coding("s", "c")}, true},
		"coding of another system":              {free, "=", code("s", "c"), []response.Answer{coding("t", "c")}, false},
		"coding without a system, from an EHR":  {free, "=", code("s", "c"), []response.Answer{coding("", "c")}, true},
		"quantity by value":                     {asking("p", form.Quantity), "=", measured("3", "kg"), []response.Answer{{Kind: "Quantity", Number: "3", Code: "g"}}, true},
		"boolean":                               {asking("p", form.Boolean), "=", no(), []response.Answer{boolean(false)}, true},
		"text":                                  {asking("p", form.String), "=", form.Value{Kind: "String", Text: "x"}, []response.Answer{text("x")}, true},
		"after a day":                           {asking("p", form.Date), ">", date("2026-01-31"), []response.Answer{on("2026-02")}, true},
		"a month that holds the day":            {asking("p", form.Date), ">", date("2026-02-03"), []response.Answer{on("2026-02")}, false},
		"an answer of another type":             {asking("p", form.Integer), "!=", whole("3"), []response.Answer{text("4")}, false},
		"an answer of another type, but exists": {asking("p", form.Integer), "exists", yes(), []response.Answer{text("4")}, true},
	} {
		f := made(t, c.question, when(asking("q", form.Integer), "p", c.operator, c.than))
		left, _ := f.Check(draft(answered("p", c.answers...), answered("q", integer("9"))), form.Policy{})
		if got := slices.Contains(counted(left.Items), "q=9"); got != c.enabled {
			t.Errorf("%s: enabled is %t", name, got)
		}
	}
}

func TestSeveralConditions(t *testing.T) {
	for _, c := range []struct {
		behavior string
		a, b     string
		enabled  bool
	}{
		{"all", "1", "1", true},
		{"all", "1", "0", false},
		{"any", "1", "0", true},
		{"any", "0", "0", false},
		{"", "0", "0", true}, // nobody said how they go together
	} {
		item := when(when(asking("q", form.Integer), "a", "=", whole("1")), "b", "=", whole("1"))
		item.EnableBehavior = c.behavior
		f, issues := form.New(form.Form{Items: []form.Item{asking("a", form.Integer), asking("b", form.Integer), item}})
		if warned := len(issues) == 1 && issues[0].Severity == fault.Warning; f == nil || warned != (c.behavior == "") {
			t.Fatal(issues)
		}
		left, _ := f.Check(draft(answered("a", integer(c.a)), answered("b", integer(c.b)), answered("q", integer("9"))), form.Policy{})
		if got := slices.Contains(counted(left.Items), "q=9"); got != c.enabled {
			t.Errorf("%+v: enabled is %t", c, got)
		}
	}
}

func TestAConditionLooksWithinItsOwnOccurrence(t *testing.T) {
	visit := repeating(group("visit", asking("pain", form.Boolean), group("more", when(asking("where", form.String), "pain", "=", yes()))))
	f := made(t, visit, when(asking("summary", form.String), "pain", "=", yes()))
	one := func(pain bool, where string) response.Item {
		return holding("visit", answered("pain", boolean(pain)), holding("more", answered("where", text(where))))
	}
	left, issues := f.Check(draft(one(true, "knee"), one(false, "hip"), answered("summary", text("s"))), form.Policy{})
	if diff := cmp.Diff([]string{"pain=true", "where=knee", "pain=false", "summary=s"}, counted(left.Items)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]told{{fault.Warning, "business-rule", item1 + ".item[1].item[0]"}}, tell(issues)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatStandsBelowADisabledItemIsDisabled(t *testing.T) {
	inner := when(asking("deep", form.Integer), "own", "exists", yes())
	f := made(t, asking("p", form.Boolean), when(group("g", asking("own", form.Integer), inner), "p", "=", yes()), when(asking("after", form.Integer), "own", "exists", yes()))
	given := []response.Item{
		answered("p", boolean(false)),
		holding("g", answered("own", integer("1")), answered("deep", integer("2"))),
		answered("after", integer("3")),
	}
	left, issues := f.Check(draft(given...), form.Policy{})
	if diff := cmp.Diff([]string{"p=false"}, counted(left.Items)); diff != "" {
		t.Error(diff)
	}
	want := []told{{fault.Warning, "business-rule", item1}, {fault.Warning, "business-rule", qr + ".item[2]"}}
	if diff := cmp.Diff(want, tell(issues)); diff != "" {
		t.Error(diff)
	}
	// An EHR that sends no groups does not get round their conditions.
	flat, _ := f.Check(draft(answered("p", boolean(false)), answered("own", integer("1"))), form.Policy{})
	if diff := cmp.Diff([]string{"p=false"}, counted(flat.Items)); diff != "" {
		t.Error(diff)
	}
}

func TestAnExpressionIsAskedOfTheCaller(t *testing.T) {
	f := made(t, with(asking("q", form.Integer), func(x *form.Item) { x.EnableExpression, x.Required = true, true }))
	for name, c := range map[string]struct {
		enabled func(string) (bool, error)
		counts  bool
		issues  []told
	}{
		"true":     {func(linkID string) (bool, error) { return linkID == "q", nil }, true, nil},
		"false":    {func(string) (bool, error) { return false, nil }, false, []told{{fault.Warning, "business-rule", item0}}},
		"it fails": {func(string) (bool, error) { return false, errors.New("no") }, true, []told{{fault.Warning, "not-supported", qr + ".item"}}},
		"nobody":   {nil, true, []told{{fault.Warning, "not-supported", qr + ".item"}}},
	} {
		left, issues := f.Check(draft(answered("q", integer("1"))), form.Policy{Enabled: c.enabled})
		if counts := len(counted(left.Items)) == 1; counts != c.counts {
			t.Errorf("%s: counts is %t", name, counts)
		}
		if diff := cmp.Diff(c.issues, tell(issues)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	none := func(string) (bool, error) { return false, nil }
	if _, issues := f.Check(draft(), form.Policy{Enforce: true, Enabled: none}); issues != nil {
		t.Errorf("required though disabled: %v", issues)
	}
}

func TestManyConditionsOverManyOccurrencesStayQuick(t *testing.T) {
	f := made(t, repeating(group("a", asking("p", form.Integer))), repeating(group("b", when(asking("q", form.Integer), "p", "=", whole("1")))))
	const many = 20_000
	var items []response.Item
	for range many {
		items = append(items, holding("a", answered("p", integer("0"))))
	}
	for range many {
		items = append(items, holding("b", answered("q", integer("0"))))
	}
	left, _ := f.Check(draft(items...), form.Policy{}) // without a memory this would take 400 million comparisons
	if got := len(counted(left.Items)); got != many {
		t.Error(got)
	}
}

func TestItemsThatAnEHRHasNestedInACircleAreJudgedByTheForm(t *testing.T) {
	f := made(t, asking("p", form.Integer), when(asking("q", form.Integer), "p", "=", whole("1")))
	inside := answered("q", integer("2"))
	inside.Answers[0].Items = []response.Item{answered("p", integer("1"))} // q waits for p, which stands within q
	left, _ := f.Check(draft(inside), form.Policy{})
	if diff := cmp.Diff([]string{"q=2", "p=1"}, counted(left.Items)); diff != "" {
		t.Error(diff)
	}
}
