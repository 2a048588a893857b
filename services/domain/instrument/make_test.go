package instrument_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

func known(t *testing.T, id string) *instrument.Definition {
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

func TestACloneThatIsChangedLeavesTheOriginalAlone(t *testing.T) {
	def := known(t, "phq-9")
	clone, err := def.Clone()
	if err != nil {
		t.Fatal(err)
	}
	clone.Scores[0].Bands.List[0].To, clone.Scores[0].Bands.List[1].From, clone.Items[0].Concept = 2, 3, "joyless"
	made, problems := instrument.Make(clone)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a, b := def.Score("total").Band(3, nil), made.Score("total").Band(3, nil); a != "minimal" || b != "mild" || def.Items[0].Concept == "joyless" {
		t.Error(a, b)
	}
	before, _ := def.Digest()
	after, _ := made.Digest()
	if again, _ := def.Digest(); before == after || before != again {
		t.Error("a digest tells the same facts from others")
	}
	if _, problems := instrument.Make(instrument.Definition{}); len(problems) < 5 {
		t.Error("an empty definition was taken", problems)
	}
}

func TestADefinitionThatWasKeptIsRestored(t *testing.T) {
	def := known(t, "pcs")
	clone, err := def.Clone()
	if err != nil {
		t.Fatal(err)
	}
	clone.Version += "+x"
	made, _ := instrument.Make(clone)
	body, err := made.Body()
	if err != nil {
		t.Fatal(err)
	}
	back := instrument.Restore(body, "the hash")
	if back == nil || back.Version != "1.0.0+x" || back.Hash != "the hash" || back.Score("rumination").Max != 16 {
		t.Error(back)
	}
	if instrument.Restore([]byte(`{"id":"x"}`), "") != nil {
		t.Error("half a definition was restored")
	}
	if _, issues := instrument.Parse("x.json", body); len(issues) == 0 {
		t.Error("a pack of no plain version was taken")
	}
}

func TestAScoreOfAVariantIsMovedOntoTheOwnScaleOrLeftAlone(t *testing.T) {
	def := known(t, "k10")
	total := def.Score("total")
	for _, c := range []struct {
		variant     string
		value, want float64
		ok          bool
	}{{"", 20, 20, true}, {"0-4", 0, 10, true}, {"0-4", 40, 50, true}, {"1-7", 3, 0, false}} {
		if got, ok := def.Shifted(total, c.variant, c.value); got != c.want || ok != c.ok {
			t.Errorf("%v in %q is %v, %t", c.value, c.variant, got, ok)
		}
	}
	table := *total
	table.Kind = instrument.KindTable
	if _, ok := def.Shifted(&table, "0-4", 3); ok {
		t.Error("a converted score cannot be moved")
	}
}

func TestAFormsOwnCodesAreKeptAndNeverMeanTwoThings(t *testing.T) {
	scale := &instrument.Scale{Evidence: "design", Options: []instrument.Option{
		{Ordinal: 0, Codes: []string{"s|a", "t|x"}}, {Ordinal: 1, Codes: []string{"s|b", "u|x"}},
	}}
	item := func(n int, link string) instrument.Item {
		return instrument.Item{Number: n, Concept: link, Scale: "yn", Codes: []string{"http://loinc.org|1-1"}}
	}
	d := instrument.Definition{
		ID: "form", Version: "any 2", Title: "A form", Construct: "other", Respondent: "patient", Status: "ready", Foreign: true,
		Licence: instrument.Licence{Notice: "x", Evidence: "design"}, Recall: instrument.Claim{Evidence: "design"},
		Cadence: instrument.Claim{Evidence: "design"}, ItemEvidence: "design", Scales: map[string]*instrument.Scale{"yn": scale},
		Items: []instrument.Item{item(1, "one"), item(2, "two")},
		Forms: []instrument.Form{{URL: "", Items: []string{"1", "b|c"}, Evidence: "design"}},
		Scores: []instrument.Score{{
			Code: "total", Kind: instrument.KindSum, Items: []int{1, 2}, Max: 2, Evidence: "unconfirmed: x",
			Missing: &instrument.Missing{Rule: instrument.MissingNone, Evidence: "design"},
		}},
	}
	made, problems := instrument.Make(d)
	if made == nil {
		t.Fatal(problems)
	}
	if i, ok := made.ItemByLink("1", false); !ok || i != 0 || made.LinkOf(2) != "b|c" {
		t.Error("its own linkIds name its items, whatever they look like", i, ok)
	}
	_, byCode := made.ItemByCode("http://loinc.org|1-1")
	_, byConcept := made.ItemByLink("two", false)
	if byCode || byConcept {
		t.Error("a code of two items, or a name that the form does not have, was taken")
	}
	_, ambiguous := scale.ByCode("", "x")
	if x, ok := scale.ByCode("u", "x"); ambiguous || !ok || x != 1 {
		t.Error("a bare code that stands for two answers says nothing", ambiguous, x, ok)
	}
	if len(made.Canonicals) > 0 && strings.HasPrefix(made.Canonicals[0], instrument.Base) {
		t.Error("a form of somebody else goes by our canonical", made.Canonicals)
	}
	d.Scores[0].Change = &instrument.Change{Important: &instrument.Important{Points: 1, Evidence: "design"}}
	if made, _ := instrument.Make(d); made != nil {
		t.Error("a change was taken without a direction")
	}
}
