package form_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

var strict = form.Policy{Enforce: true}

// ours is a response to our own canonical of an instrument.
func ours(def *instrument.Definition, items ...response.Item) response.Draft {
	d := draft(items...)
	d.Questionnaire = def.Canonical()
	return d
}

func TestOurOwnFormTakesItsItemsByAnyOfTheirNames(t *testing.T) {
	def := definition(t, "phq-9")
	f := form.Of(def)
	coded := response.Item{LinkID: "e|77|9", Codes: []string{loinc + "|44260-8"}, Answers: []response.Answer{integer("0")}}
	d := ours(def, // in no order, and in a group of the sender's own
		holding("page-1", answered("/44255-8", coding(loinc, "LA6569-3")), answered("1", coding(instrument.AnswerSystem, "3"))),
		coded, answered("sleep", integer("2")), answered("phq-9-4", decimal("2.0")), answered("14367", integer("0")),
		answered("phq-9-total", integer("8")), answered("6"),
	)
	left, issues := f.Check(d, strict)
	if diff := cmp.Diff([]told{{fault.Information, "not-found", item0}}, tell(issues)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(d, left); diff != "" {
		t.Errorf("what is clean was changed: %s", diff)
	}
	if resp, issues := response.Bind(def, left); resp.Unscored != "" || fault.Any(issues) || len(resp.Submitted) != 1 {
		t.Error(resp, issues)
	}
}

func TestOurOwnFormIsStrict(t *testing.T) {
	phq, line := definition(t, "phq-9"), definition(t, "srs")
	for name, c := range map[string]struct {
		def  *instrument.Definition
		item response.Item
		want told
	}{
		"an unknown linkId":          {phq, answered("mood", integer("1")), told{e, "not-found", item0}},
		"a code outside":             {phq, answered("1", coding(loinc, "LA9-1")), told{e, "code-invalid", value}},
		"a code without a system":    {phq, answered("1", coding("", "LA6569-3")), told{e, "code-invalid", value}},
		"a number outside":           {phq, answered("1", integer("4")), told{e, "value", value}},
		"text":                       {phq, answered("1", text("2")), told{e, "structure", value}},
		"a boolean":                  {phq, answered("1", boolean(true)), told{e, "structure", value}},
		"several answers":            {phq, answered("1", integer("1"), integer("2")), told{e, "multiple-matches", item0}},
		"between two steps":          {line, answered("1", decimal("9.25")), told{e, "value", value}},
		"above the line":             {line, answered("1", decimal("10.1")), told{e, "value", value}},
		"a total that is no number":  {phq, answered("phq-9-total", text("high")), told{e, "structure", value}},
		"the same item by two names": {phq, answered("1", integer("1")), told{e, "duplicate", item1}},
	} {
		items := []response.Item{c.item}
		if c.want.Code == "duplicate" {
			items = append(items, answered("phq-9-1", integer("1")))
		}
		left, issues := form.Of(c.def).Check(ours(c.def, items...), strict)
		if diff := cmp.Diff([]told{c.want}, tell(issues)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := counted(left.Items); got != nil {
			t.Errorf("%s: %v counts", name, got)
		}
	}
}

func TestOurOwnFormRequiresNothing(t *testing.T) {
	for _, def := range definitions(t) {
		if _, issues := form.Of(def).Check(ours(def), strict); issues != nil {
			t.Error(def.ID, issues)
		}
	}
}

func TestEveryAnswerOfEveryInstrumentIsTakenByItsOwnForm(t *testing.T) {
	for _, def := range definitions(t) {
		f := form.Of(def)
		for i := range def.Items {
			item := &def.Items[i]
			link := def.ID + "-" + strconv.Itoa(item.Number)
			given := []response.Answer{}
			for _, o := range f.Item(link).Options {
				given = append(given, coding(o.System, o.Code))
			}
			for ordinal := range item.Answers().All() {
				given = append(given, decimal(strconv.FormatFloat(ordinal, 'f', -1, 64)))
			}
			for _, a := range given {
				if _, issues := f.Check(ours(def, answered(link, a)), strict); issues != nil {
					t.Error(def.ID, link, a, issues)
				}
			}
		}
	}
}

func TestAWithdrawnFormOfOursIsLeftToItsInstrument(t *testing.T) {
	def := definition(t, "phq-9")
	d := ours(def, answered("1", text("2")))
	d.Status = response.EnteredInError
	if left, issues := form.Of(def).Check(d, strict); issues != nil || len(counted(left.Items)) != 1 {
		t.Error(issues)
	}
}

func TestTheKeyOfAnInstrumentKnowsMoreThanTheForm(t *testing.T) {
	def := definition(t, "phq-9")
	f := made(t, asking("/44250-9", form.String), with(asking("/44255-8", form.Choice), func(x *form.Item) {
		x.Options = []form.Option{{Value: form.Value{Kind: "Coding", System: "urn:mine", Code: "often"}}}
	}))
	d := draft(
		answered("/44250-9", integer("2")), answered("/44255-8", coding(loinc, "LA6570-1")),
		answered("/44259-0", integer("1")), answered("/44261-6", integer("5")), answered("smoker", boolean(true)),
	)
	left, issues := f.Check(d, form.Policy{Mapping: form.Key(def, &d)})
	if diff := cmp.Diff([]string{"/44250-9=2", "/44255-8=LA6570-1", "/44259-0=1", "/44261-6=5"}, counted(left.Items)); diff != "" {
		t.Error(diff)
	}
	want := []told{
		{i, "not-found", qr + ".item[2]"},
		{i, "not-found", qr + ".item[3]"},
		{w, "not-found", qr + ".item[4]"},
		{w, "structure", value},
		{w, "code-invalid", item1 + ".answer[0].value"},
	}
	if diff := cmp.Diff(want, tell(issues)); diff != "" {
		t.Error(diff)
	}
	alone, _ := f.Check(d, form.Policy{})
	if got := counted(alone.Items); got != nil {
		t.Errorf("without the key %v counts", got)
	}
}
