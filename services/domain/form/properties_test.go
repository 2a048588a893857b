package form_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/response"
)

var links = rapid.SampledFrom([]string{"a", "b", "c", "d", "g", "h", "x", "", "1", "phq-9-1", "/44250-9", "phq-9-total"})

var anyAnswer = rapid.Custom(func(t *rapid.T) response.Answer {
	return response.Answer{
		Kind:    rapid.SampledFrom([]string{"", "Coding", "Integer", "Decimal", "String", "Quantity", "Boolean", "Date", "Reference", "Attachment", "Uri", "Time"}).Draw(t, "kind"),
		System:  rapid.SampledFrom([]string{"", loinc, "urn:x"}).Draw(t, "system"),
		Code:    rapid.SampledFrom([]string{"", "LA6568-5", "LA6571-9", "0", "kg"}).Draw(t, "code"),
		Display: rapid.SampledFrom([]string{"", "Not at all", "kg"}).Draw(t, "display"),
		Number:  rapid.SampledFrom([]string{"", "0", "1", "3.0", "9.9", "-1", "1e400", "x", "1e-7"}).Draw(t, "number"),
		Text:    rapid.SampledFrom([]string{"", "true", "1", "a\nb", "2026", "2026-02-30", "Patient/1", "//", "/"}).Draw(t, "text"),
		Weight:  rapid.SampledFrom([]string{"", "2", "NaN"}).Draw(t, "weight"),
	}
})

func anyItems(depth int) *rapid.Generator[[]response.Item] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) response.Item {
		item := response.Item{LinkID: links.Draw(t, "linkId"), Answers: rapid.SliceOfN(anyAnswer, 0, 3).Draw(t, "answers")}
		if depth > 0 {
			item.Items = anyItems(depth-1).Draw(t, "items")
			for n := range item.Answers {
				item.Answers[n].Items = anyItems(depth-1).Draw(t, "below")
			}
		}
		return item
	}), 0, 4)
}

var anyDraft = rapid.Custom(func(t *rapid.T) response.Draft {
	d := draft(anyItems(2).Draw(t, "items")...)
	d.Status = rapid.SampledFrom([]string{"completed", "amended", "in-progress", "stopped", "entered-in-error", ""}).Draw(t, "status")
	return d
})

var anyValue = rapid.Custom(func(t *rapid.T) form.Value {
	a := anyAnswer.Draw(t, "value")
	return form.Value{Kind: a.Kind, System: a.System, Code: a.Code, Display: a.Display, Text: a.Text, Number: a.Number}
})

// anyForm is a form that may well be unsound.
var anyForm = rapid.Custom(func(t *rapid.T) form.Form {
	return form.Form{URL: "https://forms.example/f", Items: anyQuestions(t, []string{"a", "b", "c", "d", "g", "h"})}
})

func anyQuestions(t *rapid.T, names []string) (out []form.Item) {
	for len(names) > 0 {
		item := anyQuestion(t, names[0])
		inner := rapid.IntRange(0, len(names)-1).Draw(t, "inner")
		if item.Type != form.Display {
			item.Items = anyQuestions(t, names[1:1+inner])
			names = names[inner:]
		}
		out = append(out, item)
		names = names[1:]
	}
	return out
}

func anyQuestion(t *rapid.T, name string) form.Item {
	item := form.Item{
		LinkID: name, Required: rapid.Bool().Draw(t, "required"), Repeats: rapid.Bool().Draw(t, "repeats"),
		Type: rapid.SampledFrom([]form.Type{
			form.Group, form.Display, form.Boolean, form.Decimal, form.Integer, form.Date, form.DateTime, form.Time, form.String,
			form.Text, form.URL, form.Choice, form.OpenChoice, form.Attachment, form.Reference, form.Quantity,
		}).Draw(t, "type"),
		MaxOccurs: rapid.IntRange(0, 3).Draw(t, "max"), MaxLength: rapid.IntRange(0, 3).Draw(t, "length"),
		EnableExpression: rapid.IntRange(0, 9).Draw(t, "expression") == 0,
		EnableBehavior:   rapid.SampledFrom([]string{"", "all", "any"}).Draw(t, "behaviour"),
		Regex:            rapid.SampledFrom([]string{"", "", "a", "("}).Draw(t, "regex"),
	}
	if rapid.Bool().Draw(t, "bounded") {
		item.Min = new(anyValue.Draw(t, "min"))
	}
	if item.Type.Choosing() {
		item.Options = frequency(name).Options
		item.Options[0].Exclusive = rapid.Bool().Draw(t, "exclusive")
	}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "conditions") {
		item.EnableWhen = append(item.EnableWhen, form.Condition{
			Question: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "question"), Answer: anyValue.Draw(t, "answer"),
			Operator: rapid.SampledFrom([]string{"exists", "=", "!=", "<", ">="}).Draw(t, "operator"),
		})
	}
	return item
}

// anySound is a form that is sound: what it is drawn as, or else the same without conditions and bounds.
var anySound = rapid.Custom(func(t *rapid.T) *form.Form {
	drawn := anyForm.Draw(t, "form")
	f, issues := form.New(drawn)
	if f == nil {
		for _, issue := range issues {
			if issue.Text == "" || issue.Path == "" || issue.Code == "" {
				t.Fatalf("an issue that says nothing: %+v", issue)
			}
		}
		calm(drawn.Items)
		f, issues = form.New(drawn)
	}
	if f == nil {
		t.Fatal(issues)
	}
	return f
})

func calm(items []form.Item) {
	for n := range items {
		items[n].EnableWhen, items[n].EnableExpression, items[n].Min = nil, false, nil
		calm(items[n].Items)
	}
}

func TestCheckingAnythingEndsAndLeavesNoMoreThanCame(t *testing.T) {
	own := form.Of(definition(t, "phq-9"))
	rapid.Check(t, func(t *rapid.T) {
		d, p := anyDraft.Draw(t, "draft"), form.Policy{Enforce: rapid.Bool().Draw(t, "enforce")}
		for _, f := range []*form.Form{anySound.Draw(t, "form"), own} {
			before := counted(d.Items)
			left, issues := f.Check(d, p)
			if diff := cmp.Diff(before, counted(d.Items)); diff != "" {
				t.Fatal("the draft was written to", diff)
			}
			rest := counted(left.Items)
			for _, answer := range rest {
				at := slices.Index(before, answer)
				if at < 0 {
					t.Fatalf("%s came from nowhere", answer)
				}
				before = slices.Delete(before, at, at+1)
			}
			if len(issues) == 0 {
				if diff := cmp.Diff(d, left); diff != "" {
					t.Fatal("nothing is wrong, and yet", diff)
				}
			}
			again, _ := f.Check(left, p)
			if diff := cmp.Diff(rest, counted(again.Items)); p.Enforce && f == own && diff != "" {
				t.Fatal("what counted does not count", diff)
			}
		}
	})
}

// TestTheOrderOnTheWireDoesNotMatter shuffles the items of each level.
func TestTheOrderOnTheWireDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, d := anySound.Draw(t, "form"), anyDraft.Draw(t, "draft")
		left, issues := f.Check(d, form.Policy{})
		shuffled := d
		shuffled.Items = shuffle(t, d.Items)
		other, again := f.Check(shuffled, form.Policy{})
		if diff := cmp.Diff(sorted(counted(left.Items)), sorted(counted(other.Items))); diff != "" {
			t.Fatal(diff)
		}
		if len(issues) >= 250 || len(again) >= 250 {
			return // the rest is not told
		}
		if a, b := withoutOrder(issues), withoutOrder(again); a != b {
			t.Fatalf("%d faults, then %d", a, b)
		}
	})
}

func shuffle(t *rapid.T, items []response.Item) []response.Item {
	if len(items) == 0 {
		return items
	}
	out := rapid.Permutation(items).Draw(t, "order")
	for n := range out {
		out[n].Items = shuffle(t, out[n].Items)
		out[n].Answers = slices.Clone(out[n].Answers)
		for j := range out[n].Answers {
			out[n].Answers[j].Items = shuffle(t, out[n].Answers[j].Items)
		}
	}
	return out
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// withoutOrder counts the faults that do not speak of the order.
func withoutOrder(issues []fault.Issue) int {
	return len(slices.DeleteFunc(slices.Clone(issues), func(i fault.Issue) bool { return i.Text == "the item is out of order" }))
}
