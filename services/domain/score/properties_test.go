package score_test

import (
	"fmt"
	"math"
	"slices"
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
	return rapid.SampledFrom(slices.Collect(item.Answers().All())).Draw(t, fmt.Sprintf("item %d", item.Number))
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

func TestRaisingOneUsedValueMovesAScoreOneWayOnly(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, false)
		i := rapid.IntRange(0, len(form)-1).Draw(t, "which")
		before := sheetOf(t, def, form)
		form[i] = new(drawOrdinal(t, &def.Items[i]))
		after := sheetOf(t, def, form)
		for n := range before.Scores {
			moved := after.Scores[n].Value - before.Scores[n].Value
			used := after.Items[i].Used - before.Items[i].Used
			if falls(before.Scores[n].Key) {
				moved = -moved
			}
			if moved*used < 0 {
				t.Fatalf("%s moved by %v when item %d moved by %v", before.Scores[n].Key.Code, moved, i+1, used)
			}
		}
	})
}

// falls says that a score goes down as its items go up: a table may turn the direction round.
func falls(key *instrument.Score) bool {
	return key.Table != nil && key.Table.Rows[0][1] > key.Table.Rows[len(key.Table.Rows)-1][1]
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
			key, low, high := atLow.Scores[n].Key, atLow.Scores[n].Value, atHigh.Scores[n].Value
			if falls(key) {
				low, high = high, low
			}
			if low != key.Min || high != key.Max {
				t.Errorf("%s %s: %v to %v, not %v to %v", def.ID, key.Code, low, high, key.Min, key.Max)
			}
		}
	}
}

func TestWhatAScoreDoesNotUseDoesNotMoveIt(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		form := drawForm(t, def, true)
		i := rapid.IntRange(0, len(form)-1).Draw(t, "which")
		before := sheetOf(t, def, form)
		form[i] = new(drawOrdinal(t, &def.Items[i]))
		after := sheetOf(t, def, form)
		for n := range before.Scores {
			key := before.Scores[n].Key
			uses := slices.Contains(key.Items, i+1) || len(key.Of) > 0 || key.Gate != nil && key.Gate.Item == i+1
			if b, a := before.Scores[n], after.Scores[n]; !uses && (a.Value != b.Value || a.NotScorable != b.NotScorable) {
				t.Fatalf("item %d moved %s from %v to %v", i+1, key.Code, b.Value, a.Value)
			}
		}
	})
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
			there, prorated := expected(r.Key, form)
			if r.Scorable() != there || r.Prorated != prorated {
				t.Fatalf("%s: %q, prorated %v; expected there %v, prorated %v", r.Key.Code, r.NotScorable, r.Prorated, there, prorated)
			}
		}
	})
}

// expected says whether the answers are enough for a score of items, and whether they then stand for missing ones.
func expected(key *instrument.Score, form []*float64) (there, prorated bool) {
	if g := key.Gate; g != nil {
		if x := form[g.Item-1]; x == nil || *x != g.Open {
			return x != nil, false
		}
	}
	answered := 0
	for _, number := range key.Items {
		if form[number-1] != nil {
			answered++
		}
	}
	there = answered > 0 && answered >= key.Required()
	return there, there && answered < len(key.Items) && key.Missing.Rule == instrument.MissingProrate
}

func TestAScoreMadeOfOthersNeedsEveryOneOfThem(t *testing.T) {
	forEach(t, func(t *rapid.T, def *instrument.Definition) {
		sheet := sheetOf(t, def, drawForm(t, def, true))
		for _, r := range sheet.Scores {
			if len(r.Key.Of) == 0 {
				continue
			}
			there, prorated := true, false
			for _, code := range r.Key.Of {
				part := sheet.Result(code)
				there, prorated = there && part.Scorable(), prorated || part.Prorated
			}
			off := r.NotScorable == score.NotInTable && prorated
			if r.Scorable() != there && !off || r.Prorated != (r.Scorable() && prorated) {
				t.Fatalf("%s: %q, prorated %v; its parts there %v, prorated %v", r.Key.Code, r.NotScorable, r.Prorated, there, prorated)
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
		item := def.Items[rapid.IntRange(0, len(def.Items)-1).Draw(t, "which")]
		x := drawOrdinal(t, &item)
		used := item.Used(x)
		if low, high := item.Bounds(); used < low || used > high {
			t.Fatalf("%v of item %d is used as %v, outside %v to %v", x, item.Number, used, low, high)
		}
		item.Recode = nil // what a recode puts together nothing takes apart
		reversed := item.Used(x)
		if _, ok := item.Answers().Ordinal(reversed); !ok {
			t.Fatalf("%v of item %d is used as %v, which is off its scale", x, item.Number, reversed)
		}
		if again := item.Used(reversed); math.Abs(again-x) > instrument.Tolerance {
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
