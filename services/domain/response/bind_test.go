package response_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

const loinc = "http://loinc.org"

func definition(t *testing.T, id string) *instrument.Definition {
	t.Helper()
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	def, err := r.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return def
}

// form is a completed draft with the paths that a reader would give it.
func form(items ...response.Item) response.Draft {
	return response.Draft{Status: "completed", Items: withPaths("QuestionnaireResponse", items)}
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

func asked(linkID string, answers ...response.Answer) response.Item {
	return response.Item{LinkID: linkID, Answers: answers}
}

func integer(n string) response.Answer { return response.Answer{Kind: "Integer", Number: n} }

func coding(system, code string) response.Answer {
	return response.Answer{Kind: "Coding", System: system, Code: code}
}

// complaint is the part of an issue that a caller acts upon.
type complaint struct {
	Severity   fault.Severity
	Code, Path string
}

// complaints leaves out the closing list of unanswered items, which most short drafts have.
func complaints(issues []fault.Issue) []complaint {
	var list []complaint
	for _, issue := range issues {
		if issue.Code != "required" {
			list = append(list, complaint{issue.Severity, issue.Code, issue.Path})
		}
	}
	return list
}

func TestAnswersInTheShapesOfTheWild(t *testing.T) {
	def := definition(t, "phq-9")
	weighted := func(a response.Answer, weight string) response.Answer {
		a.Weight = weight
		return a
	}
	const value, answer = "QuestionnaireResponse.item[0].answer[0].value", "QuestionnaireResponse.item[0].answer[0]"
	info := func(code, path string) []complaint { return []complaint{{fault.Information, code, path}} }
	warned := func(code, path string) []complaint { return []complaint{{fault.Warning, code, path}} }
	missing := response.Ordinal{}
	is := func(x float64) response.Ordinal { return response.Ordinal{Value: x, Given: true} }
	for name, c := range map[string]struct {
		answer response.Answer
		want   response.Ordinal
		issues []complaint
	}{
		"option code":                    {coding(loinc, "LA6570-1"), is(2), nil},
		"option code without system":     {coding("", "LA6570-1"), is(2), info("code-invalid", value)},
		"our own answer code":            {coding(instrument.AnswerSystem, "3"), is(3), nil},
		"ordinal as a code":              {coding("", "3"), is(3), info("code-invalid", value)},
		"ordinal of a foreign system":    {coding("urn:oid:1.2.3", "3"), missing, warned("code-invalid", value)},
		"padded ordinal as a code":       {coding("", "03"), missing, warned("code-invalid", value)},
		"our own code off the scale":     {coding(instrument.AnswerSystem, "4"), missing, warned("code-invalid", value)},
		"declared display":               {response.Answer{Kind: "Coding", Display: "Several Days"}, is(1), info("code-invalid", value)},
		"another display":                {response.Answer{Kind: "Coding", Display: "Some days"}, missing, warned("code-invalid", value)},
		"display as free text":           {response.Answer{Kind: "String", Text: "Several days"}, missing, warned("structure", value)},
		"zero":                           {integer("0"), is(0), nil},
		"decimal 3.0":                    {response.Answer{Kind: "Decimal", Number: "3.0"}, is(3), nil},
		"quantity":                       {response.Answer{Kind: "Quantity", Number: "1"}, is(1), nil},
		"number as text":                 {response.Answer{Kind: "String", Text: " 2 "}, is(2), info("value", value)},
		"between two ordinals":           {response.Answer{Kind: "Decimal", Number: "1.5"}, missing, warned("value", value)},
		"above the scale":                {integer("4"), missing, warned("value", value)},
		"below the scale":                {integer("-1"), missing, warned("value", value)},
		"infinite":                       {response.Answer{Kind: "Decimal", Number: "1e999"}, missing, warned("structure", value)},
		"hexadecimal text":               {response.Answer{Kind: "String", Text: "0x1p1"}, missing, warned("structure", value)},
		"boolean":                        {response.Answer{Kind: "Boolean", Text: "true"}, missing, warned("structure", value)},
		"no value":                       {response.Answer{}, missing, nil},
		"weight that agrees":             {weighted(coding(loinc, "LA6570-1"), "2.0"), is(2), nil},
		"weight that wins":               {weighted(coding(loinc, "LA6570-1"), "3"), is(3), warned("conflict", answer)},
		"weight of an unknown code":      {weighted(coding("urn:oid:1.2.3", "x"), "1"), is(1), info("code-invalid", value)},
		"weight off the scale":           {weighted(coding(loinc, "LA6571-9"), "4"), is(3), warned("value", answer)},
		"weight that is no number":       {weighted(coding(loinc, "LA6571-9"), "high"), is(3), warned("value", answer)},
		"unknown code, weight off scale": {weighted(coding("x", "y"), "9"), missing, append(warned("value", answer), warned("code-invalid", value)...)},
	} {
		t.Run(name, func(t *testing.T) {
			resp, issues := response.Bind(def, form(asked("14363", c.answer)))
			if resp.Ordinals[0] != c.want {
				t.Errorf("%+v, not %+v", resp.Ordinals[0], c.want)
			}
			if diff := cmp.Diff(c.issues, complaints(issues)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestItemsAreFoundByAnyNameTheyHave(t *testing.T) {
	def := definition(t, "phq-9")
	for _, item := range []response.Item{
		asked("14371", integer("1")), asked("/44260-8", integer("1")), asked("phq-phq9-q09", integer("1")),
		asked("phq-9-9", integer("1")), asked("self-harm", integer("1")),
		{LinkID: "e1|77|9", Codes: []string{"urn:x|1", loinc + "|44260-8"}, Answers: []response.Answer{integer("1")}},
		{LinkID: "z", Codes: []string{instrument.ItemSystem + "|phq-9-self-harm"}, Answers: []response.Answer{integer("1")}},
	} {
		resp, issues := response.Bind(def, form(item))
		if !resp.Ordinals[8].Given || complaints(issues) != nil {
			t.Errorf("%s: %+v %v", item.LinkID, resp.Ordinals, issues)
		}
	}
}

func TestItemsAreFoundInGroupsAndUnderAnswersAtAnyDepth(t *testing.T) {
	def := definition(t, "phq-2")
	nested := asked("14363", integer("1"))
	nested.LinkID = "/44250-9"
	nested.Answers[0].Items = []response.Item{{LinkID: "why", Items: []response.Item{asked("/44255-8", integer("2"))}}}
	deep := response.Item{LinkID: "page", Items: []response.Item{{LinkID: "block", Items: []response.Item{nested}}}}
	resp, issues := response.Bind(def, form(deep))
	want := []response.Ordinal{{Value: 1, Given: true}, {Value: 2, Given: true}}
	if diff := cmp.Diff(want, resp.Ordinals); diff != "" || issues != nil {
		t.Error(diff, issues)
	}
}

func TestWhatIsAmbiguousIsUnanswered(t *testing.T) {
	def := definition(t, "phq-2")
	known := asked("/44255-8", integer("1"))
	for name, c := range map[string]struct {
		items []response.Item
		want  complaint
	}{
		"several answers": {
			[]response.Item{known, asked("/44250-9", integer("3"), integer("3"))},
			complaint{fault.Warning, "multiple-matches", "QuestionnaireResponse.item[1]"},
		},
		"a repeated item": {
			[]response.Item{known, asked("/44250-9", integer("3")), asked("anhedonia", integer("3"))},
			complaint{fault.Warning, "duplicate", "QuestionnaireResponse.item[2]"},
		},
		"a linkId and a code that disagree": {
			[]response.Item{{LinkID: "/44250-9", Codes: []string{loinc + "|44255-8"}, Answers: []response.Answer{integer("3")}}},
			complaint{fault.Warning, "conflict", "QuestionnaireResponse.item[0]"},
		},
	} {
		resp, issues := response.Bind(def, form(c.items...))
		if resp.Ordinals[0].Given {
			t.Errorf("%s: one was picked", name)
		}
		if diff := cmp.Diff([]complaint{c.want}, complaints(issues)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUnknownLinkIdsAreNamedAndIgnored(t *testing.T) {
	def := definition(t, "phq-2")
	resp, issues := response.Bind(def, form(
		asked("/44250-9", integer("1")), asked("/44255-8", integer("1")), asked("smoker", integer("3")), asked("thanks"),
	))
	want := []complaint{
		{fault.Warning, "not-found", "QuestionnaireResponse.item[2]"},
		{fault.Information, "not-found", "QuestionnaireResponse.item[3]"},
	}
	if diff := cmp.Diff(want, complaints(issues)); diff != "" || resp.Unscored != "" {
		t.Error(diff, resp.Unscored)
	}
}

func TestUnansweredItemsAreListedOnce(t *testing.T) {
	def := definition(t, "phq-9")
	_, issues := response.Bind(def, form(asked("14363", integer("1")), asked("14364")))
	want := []fault.Issue{fault.Warnf("required", "QuestionnaireResponse.item",
		"unanswered, the missing rule decides: item 2, 3, 4, 5, 6, 7, 8, 9")}
	if diff := cmp.Diff(want, issues); diff != "" {
		t.Error(diff)
	}
}

func TestAFormOfWhichNothingBelongsToTheInstrumentIsNotScored(t *testing.T) {
	def := definition(t, "phq-9")
	resp, issues := response.Bind(def, form(asked("a", integer("1")), asked("b", integer("2"))))
	want := []complaint{{fault.Warning, "not-supported", "QuestionnaireResponse.item"}}
	if diff := cmp.Diff(want, complaints(issues)); diff != "" || resp.Unscored != response.UnmatchedForm {
		t.Error(diff, resp.Unscored)
	}
}

func TestTheStatusDecidesWhetherAFormIsScored(t *testing.T) {
	def := definition(t, "phq-2")
	for status, unscored := range map[string]string{
		"completed": "", "amended": "", "in-progress": "in-progress", "stopped": "stopped",
		"entered-in-error": "entered-in-error", "": "unknown-status", "final": "unknown-status",
	} {
		d := form(asked("/44250-9", integer("1")), asked("/44255-8", integer("1")))
		d.Status = status
		resp, issues := response.Bind(def, d)
		if resp.Unscored != unscored || (unscored == "") != (issues == nil) {
			t.Errorf("%q: %q %v", status, resp.Unscored, issues)
		}
	}
}

func TestOrdinalsMustFitTheForm(t *testing.T) {
	def := definition(t, "srs")
	for name, c := range map[string]struct {
		ordinals []*float64
		path     string
	}{
		"too few":          {[]*float64{new(9.5)}, "answers"},
		"too many":         {make([]*float64, 5), "answers"},
		"above":            {[]*float64{new(9.5), nil, new(10.1), nil}, "answers[2]"},
		"between tenths":   {[]*float64{nil, new(9.25), nil, nil}, "answers[1]"},
		"millimetres sent": {[]*float64{new(95.0), nil, nil, nil}, "answers[0]"},
	} {
		_, issues := response.FromOrdinals(def, c.ordinals, "")
		if len(issues) != 1 || issues[0].Severity != fault.Error || issues[0].Path != c.path {
			t.Errorf("%s: %v", name, issues)
		}
	}
	phq := definition(t, "phq-9")
	for _, n := range []int{9, 10} {
		if _, issues := response.FromOrdinals(phq, make([]*float64, n), ""); issues != nil {
			t.Errorf("the difficulty item may be left out or given: %d answers: %v", n, issues)
		}
	}
}

// names are linkIds, some of which belong to some instrument.
var names = rapid.SampledFrom([]string{
	"", "x", "1", "9", "14363", "14371", "57492", "14372", "/44250-9", "/44260-8", "/44249-1", "phq-9-3", "phq-9-total",
	"sleep", "wai-sr-1", "wai-sr-12", "bond-likes", "srs-4", "ears-1", "pcs-13", "gad-7-7", "a|b|c",
})

var anyAnswer = rapid.Custom(func(t *rapid.T) response.Answer {
	return response.Answer{
		Kind:    rapid.SampledFrom([]string{"", "Coding", "Integer", "Decimal", "String", "Quantity", "Boolean", "Date"}).Draw(t, "kind"),
		System:  rapid.SampledFrom([]string{"", loinc, instrument.AnswerSystem, "urn:x"}).Draw(t, "system"),
		Code:    rapid.SampledFrom([]string{"", "LA6568-5", "LA6571-9", "LA6574-3", "0", "4", "-0", "NaN", "1e0"}).Draw(t, "code"),
		Display: rapid.SampledFrom([]string{"", "Not at all", "Nearly every day", "x"}).Draw(t, "display"),
		Number:  rapid.SampledFrom([]string{"", "0", "-0", "1", "3", "5", "9.9", "2.5", "1e400", "x", "NaN"}).Draw(t, "number"),
		Text:    rapid.SampledFrom([]string{"", "0", "1", "inf", "0x2", "+3", "1_0"}).Draw(t, "text"),
		Weight:  rapid.SampledFrom([]string{"", "", "0", "2", "4.0", "-1", "1e400", "NaN"}).Draw(t, "weight"),
	}
})

func anyItems(depth int) *rapid.Generator[[]response.Item] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) response.Item {
		item := response.Item{
			LinkID:  names.Draw(t, "linkId"),
			Codes:   rapid.SliceOfN(rapid.SampledFrom([]string{loinc + "|44250-9", loinc + "|44255-8", "x|y", ""}), 0, 2).Draw(t, "codes"),
			Answers: rapid.SliceOfN(anyAnswer, 0, 2).Draw(t, "answers"),
		}
		if depth > 0 {
			item.Items = anyItems(depth-1).Draw(t, "items")
			for i := range item.Answers {
				item.Answers[i].Items = anyItems(depth-1).Draw(t, "below")
			}
		}
		return item
	}), 0, 4)
}

func TestNoDraftIsRejectedAndNoAnswerCountsThatIsOffItsScale(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := response.Draft{
			Status: rapid.SampledFrom([]string{"completed", "amended", "stopped", "?"}).Draw(t, "status"),
			Items:  withPaths("QuestionnaireResponse", anyItems(2).Draw(t, "items")),
		}
		for _, def := range r.All() {
			resp, issues := response.Bind(def, d)
			if fault.Any(issues) || len(resp.Ordinals) != len(def.Items) {
				t.Fatal(def.ID, issues)
			}
			for i, o := range resp.Ordinals {
				if x, ok := def.Items[i].Answers().Ordinal(o.Value); o.Given && (!ok || x != o.Value) {
					t.Fatalf("%s item %d counts %v", def.ID, i+1, o.Value)
				}
			}
			for _, issue := range issues {
				if issue.Text == "" || issue.Path == "" || issue.Code == "" {
					t.Fatalf("an issue that says nothing: %+v", issue)
				}
			}
		}
	})
}
