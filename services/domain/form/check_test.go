package form_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/response"
)

const (
	qr    = "QuestionnaireResponse"
	item0 = qr + ".item[0]"
	item1 = qr + ".item[1]"
	value = item0 + ".answer[0].value"
)

// row is one finding of the severity policy, held against our own forms (enforced) and an EHR's.
type row struct {
	name  string
	items []form.Item
	given response.Draft
	// code and path of the finding; own and ehr are its severities, 0 for none.
	code, path string
	own, ehr   fault.Severity
	// left are the answers that still count.
	left []string
}

const (
	e = fault.Error
	w = fault.Warning
	i = fault.Information
)

func rows() []row {
	day := func(s string) time.Time { at, _ := time.Parse(time.DateOnly, s); return at }
	status := func(d response.Draft, s string) response.Draft { d.Status = s; return d }
	named := func(d response.Draft, q string) response.Draft { d.Questionnaire = q; return d }
	worded := func(item response.Item, s string) response.Item { item.Text = s; return item }
	under := func(item response.Item, items ...response.Item) response.Item {
		item.Answers[0].Items = items
		return item
	}
	one := func(items ...form.Item) []form.Item { return items }
	none := []string(nil)
	quantity := func(n, code string) response.Answer {
		return response.Answer{Kind: "Quantity", Number: n, System: "http://unitsofmeasure.org", Code: code}
	}
	kg := func(item *form.Item) {
		item.Units = []form.Value{{Kind: "Coding", System: "http://unitsofmeasure.org", Code: "kg"}}
	}
	to10 := func(item *form.Item) { item.Min, item.Max = new(whole("0")), new(whole("10")) }
	exclusive := func(item *form.Item) { item.Options[0].Exclusive = true }
	return []row{
		{
			"qrs-1", one(with(asking("q", form.Integer), func(x *form.Item) { x.Items = one(asking("sub", form.Integer)) })),
			draft(response.Item{LinkID: "q", Answers: []response.Answer{integer("1")}, Items: []response.Item{answered("sub", integer("2"))}}),
			"invariant", item0, e, e,
			[]string{"q=1", "sub=2"},
		},
		{"no questionnaire", one(asking("q", form.Integer)), named(draft(answered("q", integer("1"))), ""), "required", qr + ".questionnaire", e, w, []string{"q=1"}},
		{
			"text differs", one(with(asking("q", form.Integer), func(x *form.Item) { x.Text = "How many?" })),
			draft(worded(answered("q", integer("1")), "How much?")), "value", item0 + ".text", w, i,
			[]string{"q=1"},
		},
		{
			"text differs in white space", one(with(asking("q", form.Integer), func(x *form.Item) { x.Text = "How many?" })),
			draft(worded(answered("q", integer("1")), " How  many?")), "", "", 0, 0,
			[]string{"q=1"},
		},
		{"unknown linkId", one(asking("q", form.Integer)), draft(answered("q", integer("1")), answered("r", integer("2"))), "not-found", item1, e, w, []string{"q=1"}},
		{"unknown group around a known item", one(asking("q", form.Integer)), draft(holding("page", answered("q", integer("1")))), "not-found", item0, e, w, []string{"q=1"}},
		{"wrong group", one(group("g", asking("q", form.Integer))), draft(answered("q", integer("1"))), "structure", item0, e, w, []string{"q=1"}},
		{
			"wrong order", one(asking("q", form.Integer), asking("r", form.Integer)), draft(answered("r", integer("2")), answered("q", integer("1"))),
			"structure", item1, e, w,
			[]string{"r=2", "q=1"},
		},
		{"repeated linkId", one(asking("q", form.Integer)), draft(answered("q", integer("1")), answered("q", integer("1"))), "duplicate", item1, e, w, none},
		{
			"repeated group", one(group("g", asking("q", form.Integer))), draft(holding("g", answered("q", integer("1"))), holding("g", answered("q", integer("2")))),
			"duplicate", item1, e, w, none,
		},
		{"several answers", one(asking("q", form.Integer)), draft(answered("q", integer("1"), integer("2"))), "multiple-matches", item0, e, w, none},
		{
			"fewer than minOccurs", one(repeating(with(asking("q", form.Integer), func(x *form.Item) { x.MinOccurs = 2 }))),
			draft(answered("q", integer("1"))), "structure", item0, e, w,
			[]string{"q=1"},
		},
		{
			"more than maxOccurs", one(repeating(with(asking("q", form.Integer), func(x *form.Item) { x.MaxOccurs = 2 }))),
			draft(answered("q", integer("1"), integer("2"), integer("3"))), "structure", item0, e, w,
			[]string{"q=1", "q=2", "q=3"},
		},
		{
			"exactly maxOccurs", one(repeating(with(asking("q", form.Integer), func(x *form.Item) { x.MaxOccurs = 2 }))),
			draft(answered("q", integer("1"), integer("2"))), "", "", 0, 0,
			[]string{"q=1", "q=2"},
		},
		{
			"too many groups", one(repeating(with(group("g", asking("q", form.Integer)), func(x *form.Item) { x.MaxOccurs = 1 }))),
			draft(holding("g", answered("q", integer("1"))), holding("g", answered("q", integer("2")))), "structure", qr, e, w,
			[]string{"q=1", "q=2"},
		},
		{"group with answers", one(group("g", asking("q", form.Integer))), draft(answered("g", integer("1"))), "structure", item0, e, w, none},
		{"display with answers", one(asking("d", form.Display)), draft(answered("d", text("x"))), "structure", item0, e, w, none},
		{
			"item for answer.item", one(with(asking("q", form.Integer), func(x *form.Item) { x.Items = one(asking("sub", form.Integer)) })),
			draft(holding("q", answered("sub", integer("2")))), "structure", item0, e, w,
			[]string{"sub=2"},
		},
		{
			"answer.item for item", one(group("g", asking("q", form.Integer))),
			draft(under(answered("g", response.Answer{}), answered("q", integer("1")))), "structure", item0, e, w,
			[]string{"q=1"},
		},
		{"a decimal that is whole for an integer", one(asking("q", form.Integer)), draft(answered("q", decimal("3.0"))), "structure", value, e, w, []string{"q=3.0"}},
		{"a number as text for an integer", one(asking("q", form.Integer)), draft(answered("q", text("3"))), "structure", value, e, w, []string{"q=3"}},
		{"a fraction for an integer", one(asking("q", form.Integer)), draft(answered("q", decimal("3.5"))), "structure", value, e, w, none},
		{"text for an integer", one(asking("q", form.Integer)), draft(answered("q", text("three"))), "structure", value, e, w, none},
		{"an integer for a decimal", one(asking("q", form.Decimal)), draft(answered("q", integer("3"))), "structure", value, e, w, []string{"q=3"}},
		{"a number for a quantity", one(asking("q", form.Quantity)), draft(answered("q", decimal("3"))), "structure", value, e, w, []string{"q=3"}},
		{"a boolean for text", one(asking("q", form.String)), draft(answered("q", boolean(true))), "structure", value, e, w, none},
		{"a weight for a choice", one(frequency("q")), draft(answered("q", integer("2"))), "structure", value, e, w, []string{"q=2"}},
		{"a number that is no weight", one(frequency("q")), draft(answered("q", integer("7"))), "structure", value, e, w, none},
		{"text for a choice", one(frequency("q")), draft(answered("q", text("Several days"))), "structure", value, e, w, none},
		{"required item absent", one(required(asking("q", form.Integer)), asking("r", form.Integer)), draft(answered("r", integer("1"))), "required", qr, e, w, []string{"r=1"}},
		{"required item absent from an amended form", one(required(asking("q", form.Integer))), status(draft(), "amended"), "required", qr, e, w, none},
		{"required item without an answer", one(required(asking("q", form.Integer))), draft(answered("q")), "required", qr, e, w, none},
		{"required item absent from a group", one(group("g", required(asking("q", form.Integer)))), draft(holding("g")), "required", item0, e, w, none},
		{"required item of an absent group", one(group("g", required(asking("q", form.Integer)))), draft(), "", "", 0, 0, none},
		{
			"required item below an answer", one(with(asking("p", form.Integer), func(x *form.Item) { x.Items = one(required(asking("q", form.Integer))) })),
			draft(answered("p", integer("1"))), "required", item0 + ".answer[0]", e, w,
			[]string{"p=1"},
		},
		{
			"required item below a question without an answer", one(with(asking("p", form.Integer), func(x *form.Item) { x.Items = one(required(asking("q", form.Integer))) })),
			draft(answered("p")), "", "", 0, 0, none,
		},
		{"required item absent, in progress", one(required(asking("q", form.Integer))), status(draft(), "in-progress"), "required", qr, w, w, none},
		{"required item absent, stopped", one(required(asking("q", form.Integer))), status(draft(), "stopped"), "required", qr, w, w, none},
		{
			"required item that is disabled", one(asking("p", form.Boolean), required(when(asking("q", form.Integer), "p", "=", yes()))),
			draft(answered("p", boolean(false))), "", "", 0, 0,
			[]string{"p=false"},
		},
		{
			"answer on a disabled item", one(asking("p", form.Boolean), when(asking("q", form.Integer), "p", "=", yes())),
			draft(answered("p", boolean(false)), answered("q", integer("1"))), "business-rule", item1, e, w,
			[]string{"p=false"},
		},
		{
			"stub of a disabled item", one(asking("p", form.Boolean), when(asking("q", form.Integer), "p", "=", yes())),
			draft(answered("p", boolean(false)), answered("q")), "", "", 0, 0,
			[]string{"p=false"},
		},
		{
			"answer below a disabled group", one(asking("p", form.Boolean), when(group("g", asking("q", form.Integer)), "p", "=", yes())),
			draft(answered("p", boolean(false)), holding("g", answered("q", integer("1")))), "business-rule", item1, e, w,
			[]string{"p=false"},
		},
		{"code outside the options", one(frequency("q")), draft(answered("q", coding(loinc, "LA9-1"))), "code-invalid", value, e, w, none},
		{"code of another system", one(frequency("q")), draft(answered("q", coding("urn:x", "LA6569-3"))), "code-invalid", value, e, w, none},
		{"code without a system", one(frequency("q")), draft(answered("q", coding("", "LA6569-3"))), "code-invalid", value, e, i, []string{"q=LA6569-3"}},
		{"display without a code", one(frequency("q")), draft(answered("q", response.Answer{Kind: "Coding", Display: "several days"})), "code-invalid", value, e, i, []string{"q=several days"}},
		{
			"integer outside the options", one(with(asking("q", form.Integer), func(x *form.Item) { x.Options = []form.Option{{Value: whole("1")}, {Value: whole("2")}} })),
			draft(answered("q", integer("3"))), "code-invalid", value, e, w, none,
		},
		{
			"value set that is not known", one(with(asking("q", form.Choice), func(x *form.Item) { x.ValueSet, x.Unresolved = "urn:vs", true })),
			draft(answered("q", coding("urn:x", "y"))), "not-found", value, w, w,
			[]string{"q=y"},
		},
		{
			"exclusive option with others", one(repeating(with(frequency("q"), exclusive))), draft(answered("q", coding(loinc, "LA6568-5"), coding(loinc, "LA6569-3"))),
			"business-rule", item0, e, w, none,
		},
		{"exclusive option alone", one(repeating(with(frequency("q"), exclusive))), draft(answered("q", coding(loinc, "LA6568-5"))), "", "", 0, 0, []string{"q=LA6568-5"}},
		{"text equal to an option", one(with(frequency("q"), func(x *form.Item) { x.Type = form.OpenChoice })), draft(answered("q", text("Several days"))), "value", value, i, i, []string{"q=Several days"}},
		{"free text of an open choice", one(with(frequency("q"), func(x *form.Item) { x.Type = form.OpenChoice })), draft(answered("q", text("At night"))), "", "", 0, 0, []string{"q=At night"}},
		{"line break in a string", one(asking("q", form.String)), draft(answered("q", text("a\nb"))), "value", value, i, i, []string{"q=a\nb"}},
		{"line break in a text", one(asking("q", form.Text)), draft(answered("q", text("a\nb"))), "", "", 0, 0, []string{"q=a\nb"}},
		{"above the range", one(with(asking("q", form.Integer), to10)), draft(answered("q", integer("11"))), "value", value, e, w, none},
		{"below the range", one(with(asking("q", form.Integer), to10)), draft(answered("q", integer("-1"))), "value", value, e, w, none},
		{"at the bounds", one(with(asking("q", form.Integer), to10), with(asking("r", form.Integer), to10)), draft(answered("q", integer("0")), answered("r", integer("10"))), "", "", 0, 0, []string{"q=0", "r=10"}},
		{
			"before the first day", one(with(asking("q", form.Date), func(x *form.Item) { x.Min = &form.Value{Kind: "Date", Text: "2026-01-01"} })),
			draft(answered("q", response.Answer{Kind: "Date", Text: "2025-12-31"})), "value", value, e, w, none,
		},
		{"too long", one(with(asking("q", form.String), func(x *form.Item) { x.MaxLength = 3 })), draft(answered("q", text("äöüß"))), "too-long", value, e, w, []string{"q=äöüß"}},
		{"as long as may be", one(with(asking("q", form.String), func(x *form.Item) { x.MaxLength = 4 })), draft(answered("q", text("äöüß"))), "", "", 0, 0, []string{"q=äöüß"}},
		{"too short", one(with(asking("q", form.String), func(x *form.Item) { x.MinLength = 3 })), draft(answered("q", text("ab"))), "too-long", value, e, w, []string{"q=ab"}},
		{"not of the pattern", one(with(asking("q", form.String), func(x *form.Item) { x.Regex = "[0-9]{3}" })), draft(answered("q", text("1234"))), "value", value, e, w, []string{"q=1234"}},
		{"of the pattern", one(with(asking("q", form.String), func(x *form.Item) { x.Regex = "a|[0-9]{3}" })), draft(answered("q", text("123"))), "", "", 0, 0, []string{"q=123"}},
		{"too many decimals", one(with(asking("q", form.Decimal), func(x *form.Item) { x.Decimals = new(1) })), draft(answered("q", decimal("1.25"))), "value", value, e, w, []string{"q=1.25"}},
		{"a foreign unit", one(with(asking("q", form.Quantity), kg)), draft(answered("q", quantity("70", "[lb_av]"))), "value", value, e, w, none},
		{"a comparator", one(asking("q", form.Quantity)), draft(answered("q", response.Answer{Kind: "Quantity", Text: "<"})), "value", value, e, w, none},
		{
			"a type of attachment", one(with(asking("q", form.Attachment), func(x *form.Item) { x.Mimes = []string{"image/png"} })),
			draft(answered("q", response.Answer{Kind: "Attachment", Code: "text/html"})), "value", value + ".contentType", e, w,
			[]string{"q=text/html"},
		},
		{
			"a large attachment", one(with(asking("q", form.Attachment), func(x *form.Item) { x.MaxSize = 100 })),
			draft(answered("q", response.Answer{Kind: "Attachment", Number: "101"})), "too-long", value + ".size", e, w,
			[]string{"q=101"},
		},
		{
			"a type of reference", one(with(asking("q", form.Reference), func(x *form.Item) { x.References = []string{"Practitioner"} })),
			draft(answered("q", response.Answer{Kind: "Reference", Text: "https://ehr.example/fhir/Patient/1/_history/2"})), "value", value, e, w,
			[]string{"q=https://ehr.example/fhir/Patient/1/_history/2"},
		},
		{
			"clean", one(group("g", frequency("q"), asking("r", form.Integer)), asking("s", form.Text)),
			draft(holding("g", answered("q", coding(loinc, "LA6569-3")), answered("r", integer("1"))), answered("s", text("x"))), "", "", 0, 0,
			[]string{"q=LA6569-3", "r=1", "s=x"},
		},
		{"outside of the effective period", nil, response.Draft{Questionnaire: "x", Status: "completed", Authored: day("2026-02-01")}, "business-rule", qr + ".authored", w, w, none},
		{"at the last moment of the period", nil, response.Draft{Questionnaire: "x", Status: "completed", Authored: day("2026-02-01").Add(-1)}, "", "", 0, 0, none},
	}
}

func TestEachFindingHasTheSeverityOfThePolicy(t *testing.T) {
	for _, r := range rows() {
		f, issues := form.New(form.Form{
			Items: r.items, From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
		})
		if f == nil {
			t.Fatalf("%s: %v", r.name, issues)
		}
		for name, c := range map[string]struct {
			policy form.Policy
			want   fault.Severity
		}{"own": {form.Policy{Enforce: true}, r.own}, "ehr": {form.Policy{}, r.ehr}} {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				left, issues := f.Check(r.given, c.policy)
				var want []told
				if c.want != 0 {
					want = []told{{c.want, r.code, r.path}}
				}
				if diff := cmp.Diff(want, tell(issues)); diff != "" {
					t.Errorf("(-want +got):\n%s%v", diff, issues)
				}
				if name == "own" && r.own != r.ehr {
					return // what is rejected is not stored
				}
				if diff := cmp.Diff(r.left, counted(left.Items)); diff != "" {
					t.Errorf("what counts (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	f := made(t, required(asking("a", form.Integer)), frequency("b"), asking("c", form.String), asking("d", form.Date))
	_, issues := f.Check(draft(answered("x", integer("1")), answered("c", integer("1")), answered("b", coding(loinc, "z"))), form.Policy{Enforce: true})
	want := []told{
		{fault.Error, "not-found", item0},
		{fault.Error, "structure", qr + ".item[2]"},
		{fault.Error, "structure", item1 + ".answer[0].value"},
		{fault.Error, "code-invalid", qr + ".item[2].answer[0].value"},
		{fault.Error, "required", qr},
	}
	if diff := cmp.Diff(want, tell(issues)); diff != "" {
		t.Error(diff)
	}
}

func TestAWithdrawalIsNeverRefused(t *testing.T) {
	f := made(t, required(asking("a", form.Integer)), frequency("b"))
	d := draft(answered("b", integer("9")), answered("z", integer("1")))
	d.Status = response.EnteredInError
	if _, issues := f.Check(d, form.Policy{Enforce: true}); fault.Any(issues) || len(issues) == 0 {
		t.Error(issues)
	}
}

func TestNoIssueShowsWhatWasAnswered(t *testing.T) {
	const secret = "hunter2"
	f := made(t, with(asking("a", form.Integer), func(x *form.Item) { x.Text = "A" }), frequency("b"), with(asking("c", form.String), func(x *form.Item) { x.Regex, x.MaxLength = "x", 2 }))
	item := answered("a", text(secret))
	item.Text = secret
	_, issues := f.Check(draft(item, answered("b", coding(secret, secret)), answered("c", text(secret)), answered(secret, text(secret))), form.Policy{})
	if len(issues) < 5 {
		t.Fatalf("only %v", issues)
	}
	for _, issue := range issues {
		if strings.Contains(issue.Text+issue.Path, secret) {
			t.Error(issue)
		}
	}
}

func TestAnEndlessListOfFaultsIsCutShort(t *testing.T) {
	f := made(t, asking("a", form.Integer))
	items := make([]response.Item, 10_000)
	for n := range items {
		items[n].LinkID = "x"
	}
	if _, issues := f.Check(draft(items...), form.Policy{Enforce: true}); len(issues) > 300 || !fault.Any(issues) {
		t.Error(len(issues))
	}
}
