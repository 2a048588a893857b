package form_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// scored is a definition with one score over all items that can be summed, as the catalogue would add it.
func scored(t *testing.T, def instrument.Definition) *instrument.Definition {
	t.Helper()
	total := instrument.Score{
		Code: "total", Kind: instrument.KindSum, Direction: "higher-worse", Evidence: "design: test",
		Missing: &instrument.Missing{Rule: instrument.MissingNone, Evidence: "design: test"},
	}
	for _, item := range def.Items {
		if item.Unscored {
			continue
		}
		total.Items = append(total.Items, item.Number)
		s := def.Scales[item.Scale]
		if len(s.Options) > 0 {
			total.Min += s.Options[0].Ordinal
			total.Max += s.Options[len(s.Options)-1].Ordinal
			continue
		}
		total.Min += s.From
		total.Max += s.To
	}
	def.Version = "1.0.0"
	def.Construct = "function"
	def.Scores = []instrument.Score{total}
	data, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	made, issues := instrument.Parse("made.json", data)
	if made == nil {
		t.Fatalf("%v\n%s", issues, data)
	}
	return made
}

func TestAFormBecomesAnInstrument(t *testing.T) {
	unsystematic := asking("Q_4", form.Choice)
	for n, code := range []string{"never", "no answer", "often"} {
		unsystematic.Options = append(unsystematic.Options, form.Option{
			Value: form.Value{Kind: "Coding", Code: code, Display: code}, Weight: new([]float64{0, 0, 2}[n]),
		})
	}
	partly := with(frequency("partly"), func(x *form.Item) { x.Options[2].Weight = nil })
	numbers := with(asking("3", form.Integer), func(x *form.Item) { x.Min, x.Max = new(whole("0")), new(whole("10")) })
	f, issues := form.New(form.Form{
		URL: "https://forms.example/Questionnaire/NeckPainIndex", Version: "2024-01", Title: "Neck pain",
		Items: []form.Item{
			with(frequency("/1.0"), func(x *form.Item) { x.Codes = []string{"urn:items|one", "two"} }),
			group("part", numbers, unsystematic, asking("why", form.Text), asking("score", form.Decimal)),
			partly, repeating(frequency("many")), with(asking("list", form.Choice), func(x *form.Item) { x.ValueSet, x.Unresolved = "urn:vs", true }),
			with(asking("eleven", form.Choice), func(x *form.Item) {
				x.Options = []form.Option{{Value: whole("1")}, {Value: whole("5")}}
			}),
		},
	})
	if f == nil {
		t.Fatal(issues)
	}
	def, issues := form.Instrument(f)
	if diff := cmp.Diff([]told{
		{fault.Information, "informational", "Questionnaire.item[2]"}, {w, "not-supported", "Questionnaire.item[3]"}, {w, "not-supported", "Questionnaire.item[4]"},
	}, tell(issues)); diff != "" {
		t.Error(diff)
	}
	type is struct {
		Number   int
		Concept  string
		Unscored bool
		Codes    int
	}
	var items []is
	for _, item := range def.Items {
		items = append(items, is{item.Number, item.Concept, item.Unscored, len(item.Codes)})
	}
	want := []is{
		{1, "item-1-0", false, 1},
		{2, "item-3", false, 0},
		{3, "q-4", false, 0},
		{4, "partly", false, 0},
		{5, "many", true, 0},
		{6, "eleven", false, 0},
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
	wantForms := []instrument.Form{{
		URL: f.URL, Versions: []string{"2024-01"}, Items: []string{"/1.0", "3", "Q_4", "partly", "many", "eleven"}, Evidence: def.ItemEvidence,
	}}
	if diff := cmp.Diff(wantForms, def.Forms); diff != "" || def.ID != "neck-pain-index" {
		t.Error(def.ID, diff)
	}
	def.Forms[0].Items[1] = "three" // a pack would not say 3
	made := scored(t, def)
	if x, ok := made.Items[2].Answers().ByCode("", "no answer"); !ok || x != 0 {
		t.Error("two options of one weight are one answer", x, ok)
	}
}

func TestOurOwnFormsBecomeTheInstrumentsThatTheyCameFrom(t *testing.T) {
	for _, def := range definitions(t) {
		f, issues := form.New(form.Published(def))
		if f == nil || issues != nil {
			t.Fatal(def.ID, issues)
		}
		again, issues := form.Instrument(f)
		warned := slices.ContainsFunc(issues, func(i fault.Issue) bool { return i.Severity != fault.Information })
		if warned || again.ID != def.ID || len(again.Items) != len(def.Items) {
			t.Errorf("%s: %v, %d items", def.ID, issues, len(again.Items))
			continue
		}
		for n := range def.Items {
			var want, got []float64
			for x := range def.Items[n].Answers().All() {
				want = append(want, x)
			}
			for x := range again.Scales[again.Items[n].Scale].All() {
				got = append(got, x)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s item %d: %s", def.ID, n+1, diff)
			}
		}
	}
}
