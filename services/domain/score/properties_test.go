package score_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// forEach runs a property for every built-in instrument.
func forEach(t *testing.T, property func(*rapid.T, *instrument.Definition)) {
	for _, def := range registry(t).All() {
		t.Run(def.ID, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { property(t, def) })
		})
	}
}

// drawOrdinal is an answer on the item's scale.
func drawOrdinal(t *rapid.T, item *instrument.Item) float64 {
	low, high := item.Answers().Bounds()
	step := 1.0
	if _, tenths := item.Answers().Ordinal(low + 0.1); tenths {
		step = 0.1
	}
	n := rapid.IntRange(0, int(math.Round((high-low)/step))).Draw(t, fmt.Sprintf("item %d", item.Number))
	x, ok := item.Answers().Ordinal(low + float64(n)*step)
	if !ok {
		t.Fatalf("%v is not on the scale of item %d", low+float64(n)*step, item.Number)
	}
	return x
}

// drawForm answers every item, or leaves it blank now and then.
func drawForm(t *rapid.T, def *instrument.Definition, blanks bool) []*float64 {
	form := make([]*float64, len(def.Items))
	for i := range form {
		if blanks && rapid.IntRange(0, 4).Draw(t, "blank") == 0 {
			continue
		}
		form[i] = new(drawOrdinal(t, &def.Items[i]))
	}
	return form
}

func sheetOf(t interface{ Fatal(...any) }, def *instrument.Definition, form []*float64) score.Sheet {
	resp, issues := response.FromOrdinals(def, form, "")
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	return score.Score(def, resp)
}

func TestScoresStayInTheirRangeAndEachHasItsBand(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		for _, r := range sheetOf(t, def, drawForm(t, def, true)).Scores {
			if !r.Scorable() {
				if r.Value != 0 || r.Band != "" || r.Prorated {
					t.Fatalf("%s has no score but %+v", r.Key.Code, r)
				}
				continue
			}
			if r.Value < r.Key.Min || r.Value > r.Key.Max {
				t.Fatalf("%s %v outside %v to %v", r.Key.Code, r.Value, r.Key.Min, r.Key.Max)
			}
			if r.Key.Bands != nil && r.Band == "" {
				t.Fatalf("%s %v has no band", r.Key.Code, r.Value)
			}
			if r.Key.Distress != nil && r.Level == "" {
				t.Fatalf("%s %v has no level", r.Key.Code, r.Value)
			}
		}
	})
}

func TestRaisingOneUsedValueNeverLowersAScore(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, false)
		i := rapid.IntRange(0, len(form)-1).Draw(t, "which")
		before := sheetOf(t, def, form)
		form[i] = new(drawOrdinal(t, &def.Items[i]))
		after := sheetOf(t, def, form)
		for n := range before.Scores {
			moved := (after.Scores[n].Value - before.Scores[n].Value) * slope(before.Scores[n].Key)
			used := after.Items[i].Used - before.Items[i].Used
			if moved*used < 0 {
				t.Fatalf("%s moved by %v when item %d moved by %v", before.Scores[n].Key.Code, moved, i+1, used)
			}
		}
	})
}

// slope is -1 for a table that turns its raw score round, as that of the KOOS JR does, else 1.
func slope(key *instrument.Score) float64 {
	if key.Table == nil || key.Table.Rows[0][1] < key.Table.Rows[1][1] {
		return 1
	}
	return -1
}

func TestTheExtremeAnswersGiveTheExtremesOfTheRange(t *testing.T) {
	for _, def := range registry(t).All() {
		lowest, highest := make([]*float64, len(def.Items)), make([]*float64, len(def.Items))
		for i := range def.Items {
			low, high := def.Items[i].Answers().Bounds()
			if def.Items[i].Reverse != nil {
				low, high = high, low
			}
			lowest[i], highest[i] = new(low), new(high)
		}
		atLow, atHigh := sheetOf(t, def, lowest), sheetOf(t, def, highest)
		for n := range atLow.Scores {
			key := atLow.Scores[n].Key
			low, high := atLow.Scores[n].Value, atHigh.Scores[n].Value
			if slope(key) < 0 {
				low, high = high, low
			}
			if low != key.Min || high != key.Max {
				t.Errorf("%s %s: %v to %v, not %v to %v", def.ID, key.Code, low, high, key.Min, key.Max)
			}
		}
	}
}

func TestTheOrderOfItemsOnTheWireChangesNothing(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, true)
		draft := draftOf(def, form)
		want := sheetOf(t, def, form)
		draft.Items = rapid.Permutation(draft.Items).Draw(t, "order")
		resp, _ := response.Bind(def, draft)
		if diff := cmp.Diff(plain(want), plain(score.Score(def, resp))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAScoreIsThereWhenEnoughItemsAreAnswered(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, true)
		for _, r := range sheetOf(t, def, form).Scores {
			if len(r.Key.Items) == 0 {
				continue
			}
			answered := 0
			for _, number := range r.Key.Items {
				if form[number-1] != nil {
					answered++
				}
			}
			if r.Scorable() != (answered > 0 && answered >= r.Key.Required()) {
				t.Fatalf("%s with %d answered of %d required: %q", r.Key.Code, answered, r.Key.Required(), r.NotScorable)
			}
			if r.Prorated != (r.Scorable() && answered < len(r.Key.Items) && r.Key.Missing.Rule == instrument.MissingProrate) {
				t.Fatalf("%s with %d answered: prorated %v", r.Key.Code, answered, r.Prorated)
			}
		}
	})
}

func TestLeavingOutOneMoreAnswerNeverMakesAScoreAppear(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, true)
		before := sheetOf(t, def, form)
		form[rapid.IntRange(0, len(form)-1).Draw(t, "left out")] = nil
		after := sheetOf(t, def, form)
		for n := range after.Scores {
			if after.Scores[n].Scorable() && !before.Scores[n].Scorable() {
				t.Fatalf("%s appeared", after.Scores[n].Key.Code)
			}
		}
	})
}

func TestReversalTwiceIsTheAnswerAgain(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		item := &def.Items[rapid.IntRange(0, len(def.Items)-1).Draw(t, "which")]
		x := drawOrdinal(t, item)
		reversed := item.Used(x)
		if _, ok := item.Answers().Ordinal(reversed); !ok {
			t.Fatalf("%v of item %d is used as %v, which is off its scale", x, item.Number, reversed)
		}
		if again := item.Used(reversed); again != x {
			t.Fatalf("%v became %v", x, again)
		}
	})
}

func TestSafetyItemsAreJudgedOrUnknownNeverImputed(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, true)
		sheet := sheetOf(t, def, form)
		var critical []score.Critical
		var unknown []int
		for _, a := range def.Alerts {
			for _, number := range a.Items {
				switch x := form[number-1]; {
				case x == nil && a.Severity == "safety":
					unknown = append(unknown, number)
				case x != nil && (a.When == ">=" && *x >= a.Value || a.When == "<=" && *x <= a.Value):
					critical = append(critical, score.Critical{Item: number, Value: *x, Severity: a.Severity})
				}
			}
		}
		if diff := cmp.Diff(critical, sheet.Critical); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(unknown, sheet.SafetyUnknown); diff != "" {
			t.Fatal(diff)
		}
	})
}
