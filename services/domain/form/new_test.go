package form_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
)

func TestAFormSaysWhatIsWrongWithIt(t *testing.T) {
	const q0, q1 = "Questionnaire.item[0]", "Questionnaire.item[1]"
	p := asking("p", form.Integer)
	for name, c := range map[string]struct {
		items []form.Item
		want  []told
	}{
		"sound":                        {[]form.Item{p, when(asking("q", form.Integer), "p", ">", whole("1"))}, nil},
		"a linkId twice":               {[]form.Item{p, group("g", p)}, []told{{e, "duplicate", q1 + ".item[0].linkId"}}},
		"no linkId":                    {[]form.Item{asking("", form.Text)}, []told{{e, "required", q0 + ".linkId"}}},
		"no such type":                 {[]form.Item{asking("x", "question")}, []told{{e, "code-invalid", q0 + ".type"}}},
		"a group of nothing":           {[]form.Item{group("g")}, []told{{w, "invariant", q0}}},
		"items below a display":        {[]form.Item{with(asking("d", form.Display), func(x *form.Item) { x.Items = []form.Item{p} })}, []told{{e, "invariant", q0}}},
		"a display that is required":   {[]form.Item{required(asking("d", form.Display))}, []told{{w, "invariant", q0}}},
		"a display with a code":        {[]form.Item{with(asking("d", form.Display), func(x *form.Item) { x.Codes = []string{"a|b"} })}, []told{{w, "invariant", q0}}},
		"a choice of nothing":          {[]form.Item{asking("c", form.Choice)}, []told{{w, "invariant", q0}}},
		"options of a boolean":         {[]form.Item{with(frequency("c"), func(x *form.Item) { x.Type = form.Boolean })}, []told{{w, "invariant", q0}}},
		"an unknown value set":         {[]form.Item{with(asking("c", form.Choice), func(x *form.Item) { x.ValueSet, x.Unresolved = "v", true })}, []told{{w, "not-found", q0 + ".answerValueSet"}}},
		"an unsafe pattern":            {[]form.Item{with(asking("t", form.Text), func(x *form.Item) { x.Regex = `(?=a)\1` })}, []told{{w, "not-supported", q0}}},
		"occurrences that cannot be":   {[]form.Item{with(repeating(p), func(x *form.Item) { x.MinOccurs, x.MaxOccurs = 3, 2 })}, []told{{e, "value", q0}}},
		"a range that cannot be":       {[]form.Item{with(p, func(x *form.Item) { x.Min, x.Max = new(whole("3")), new(whole("2")) })}, []told{{e, "value", q0}}},
		"a condition on nothing":       {[]form.Item{when(p, "z", "=", whole("1"))}, []told{{e, "not-found", q0 + ".enableWhen[0].question"}}},
		"a condition on a group":       {[]form.Item{group("g", asking("r", form.Text)), when(p, "g", "exists", yes())}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"a condition of another type":  {[]form.Item{p, when(asking("q", form.Text), "p", "=", form.Value{Kind: "String", Text: "1"})}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"exists without a boolean":     {[]form.Item{p, when(asking("q", form.Text), "p", "exists", whole("1"))}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"an order among codes":         {[]form.Item{frequency("c"), when(asking("q", form.Text), "c", ">", form.Value{Kind: "Coding", Code: "x"})}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"an unknown operator":          {[]form.Item{p, when(asking("q", form.Text), "p", "~", whole("1"))}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"a number that is none":        {[]form.Item{p, when(asking("q", form.Text), "p", "=", whole("x"))}, []told{{e, "invariant", q1 + ".enableWhen[0]"}}},
		"an unknown behaviour":         {[]form.Item{with(p, func(x *form.Item) { x.EnableBehavior = "some" })}, []told{{e, "code-invalid", q0 + ".enableBehavior"}}},
		"two conditions, no behaviour": {[]form.Item{p, when(when(asking("q", form.Text), "p", "=", whole("1")), "p", "=", whole("2"))}, []told{{w, "invariant", q1}}},
		"an item that enables itself":  {[]form.Item{when(p, "p", "exists", yes())}, []told{{e, "invariant", q0 + ".enableWhen"}}},
		"a group enabled from within":  {[]form.Item{when(group("g", p), "p", "exists", yes())}, []told{{e, "invariant", q0 + ".enableWhen"}}},
		"two items that need each other": {
			[]form.Item{when(p, "q", "exists", yes()), when(asking("q", form.Text), "p", "exists", yes())},
			[]told{{e, "invariant", q0 + ".enableWhen"}},
		},
	} {
		f, issues := form.New(form.Form{Items: c.items})
		if diff := cmp.Diff(c.want, tell(issues)); diff != "" {
			t.Errorf("%s (-want +got):\n%s%v", name, diff, issues)
		}
		if (f == nil) != fault.Any(issues) {
			t.Errorf("%s: a form is %t", name, f != nil)
		}
	}
}

func TestAFormFindsItsItems(t *testing.T) {
	f := made(t, group("g", asking("a", form.Integer), group("h", asking("b", form.Text))), asking("c", form.Date))
	var links []string
	for item := range f.All() {
		links = append(links, item.LinkID)
	}
	if diff := cmp.Diff([]string{"g", "a", "h", "b", "c"}, links); diff != "" {
		t.Error(diff)
	}
	if item := f.Item("b"); item == nil || item.Path != "Questionnaire.item[0].item[1].item[0]" || f.Item("z") != nil {
		t.Errorf("%+v", item)
	}
}
