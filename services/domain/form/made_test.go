package form_test

import (
	"fmt"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

const loinc = "http://loinc.org"

// made is a form without errors.
func made(t testing.TB, items ...form.Item) *form.Form {
	t.Helper()
	f, issues := form.New(form.Form{URL: "https://forms.example/f", Version: "1", Status: "active", Items: items})
	if f == nil {
		t.Fatalf("not sound: %v", issues)
	}
	return f
}

func group(linkID string, items ...form.Item) form.Item {
	return form.Item{LinkID: linkID, Type: form.Group, Items: items}
}

func asking(linkID string, typ form.Type) form.Item { return form.Item{LinkID: linkID, Type: typ} }

// frequency is a choice of four weighted options.
func frequency(linkID string) form.Item {
	item := asking(linkID, form.Choice)
	for i, code := range []string{"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"} {
		item.Options = append(item.Options, form.Option{
			Value:  form.Value{Kind: "Coding", System: loinc, Code: code, Display: []string{"Not at all", "Several days", "More than half the days", "Nearly every day"}[i]},
			Weight: new(float64(i)),
		})
	}
	return item
}

// with changes a copy of an item.
func with(item form.Item, change func(*form.Item)) form.Item {
	change(&item)
	return item
}

func required(item form.Item) form.Item {
	item.Required = true
	return item
}

func repeating(item form.Item) form.Item {
	item.Repeats = true
	return item
}

// when makes an item depend on an answer.
func when(item form.Item, question, operator string, answer form.Value) form.Item {
	item.EnableWhen = append([]form.Condition{}, item.EnableWhen...)
	item.EnableWhen = append(item.EnableWhen, form.Condition{Question: question, Operator: operator, Answer: answer})
	return item
}

func yes() form.Value           { return form.Value{Kind: "Boolean", Text: "true"} }
func no() form.Value            { return form.Value{Kind: "Boolean", Text: "false"} }
func whole(n string) form.Value { return form.Value{Kind: "Integer", Number: n} }

// draft is a completed response with the paths that a reader would give it.
func draft(items ...response.Item) response.Draft {
	return response.Draft{
		Questionnaire: "https://forms.example/f", Status: "completed", Items: withPaths("QuestionnaireResponse", items),
	}
}

func withPaths(parent string, items []response.Item) []response.Item {
	for i := range items {
		items[i].Path = fmt.Sprintf("%s.item[%d]", parent, i)
		for j := range items[i].Answers {
			a := &items[i].Answers[j]
			a.Path = fmt.Sprintf("%s.answer[%d]", items[i].Path, j)
			withPaths(a.Path, a.Items)
		}
		withPaths(items[i].Path, items[i].Items)
	}
	return items
}

func answered(linkID string, answers ...response.Answer) response.Item {
	return response.Item{LinkID: linkID, Answers: answers}
}

func holding(linkID string, items ...response.Item) response.Item {
	return response.Item{LinkID: linkID, Items: items}
}

func integer(n string) response.Answer { return response.Answer{Kind: "Integer", Number: n} }
func decimal(n string) response.Answer { return response.Answer{Kind: "Decimal", Number: n} }
func text(s string) response.Answer    { return response.Answer{Kind: "String", Text: s} }
func boolean(b bool) response.Answer {
	return response.Answer{Kind: "Boolean", Text: fmt.Sprint(b)}
}

func coding(system, code string) response.Answer {
	return response.Answer{Kind: "Coding", System: system, Code: code}
}

// told is the part of an issue that a caller acts upon.
type told struct {
	Severity   fault.Severity
	Code, Path string
}

func tell(issues []fault.Issue) (out []told) {
	for _, issue := range issues {
		out = append(out, told{issue.Severity, issue.Code, issue.Path})
	}
	return out
}

// counted are the linkIds and literals of the answers that are left in a draft.
func counted(items []response.Item) (out []string) {
	for _, item := range items {
		for _, a := range item.Answers {
			if a.Kind != "" {
				out = append(out, item.LinkID+"="+a.Code+a.Number+a.Text+a.Display)
			}
			out = append(out, counted(a.Items)...)
		}
		out = append(out, counted(item.Items)...)
	}
	return out
}

func definitions(t testing.TB) []*instrument.Definition {
	t.Helper()
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return r.All()
}

func definition(t testing.TB, id string) *instrument.Definition {
	t.Helper()
	for _, d := range definitions(t) {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("no instrument %s", id)
	return nil
}
