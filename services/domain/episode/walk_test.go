package episode

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fact"
)

func TestAWalkEndsWhereTheFoldDoesAndEveryReasonHasItsBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := inOrder(drawFacts(t))
		w := Terms{}.Walk("p", facts)
		if got, want := stored(t, w.State), stored(t, Replay("p", facts)); got != want {
			t.Fatalf("walked to\n%s\nfolded to\n%s", got, want)
		}
		view := New("p").View()
		for _, turn := range w.Turns {
			if turn.Viewed() && turn.Before.Tier != view.Tier {
				t.Fatalf("the view was %s, and turned from %s", view.Tier, turn.Before.Tier)
			}
			view = turn.After
		}
		final := w.State.View()
		if view.Tier != final.Tier || len(w.Begun) != len(final.Reasons) {
			t.Fatalf("the turns end with %s, the state with %s; %d of %d reasons have a beginning", view.Tier, final.Tier, len(w.Begun), len(final.Reasons))
		}
		for _, r := range final.Reasons {
			begun := w.Begun[r.Code]
			at := slices.IndexFunc(facts, func(f fact.Fact) bool { return f.Key() == begun.Key() })
			for n := at; n <= len(facts); n++ {
				has := slices.ContainsFunc(Replay("p", facts[:n]).View().Reasons, func(have Reason) bool { return have.Code == r.Code })
				if has != (n > at) {
					t.Fatalf("%s holds after %d facts: %t; it is said to have begun with fact %d", r.Code, n, has, at+1)
				}
			}
		}
	})
}

func TestTheTurnsOfARuptureAndItsRepairAreTold(t *testing.T) {
	var facts []fact.Fact
	for n, mean := range []float64{4.2, 4.3, 4.2, 4.2, 3.0, 3.1, 4.3} {
		facts = append(facts, wai(float64(7*n), mean, "Practitioner/a"))
	}
	facts = append(facts, phq9(45, 12), phq9(52, 3))
	var got []string
	for _, turn := range (Terms{}).Walk("p", facts).Turns {
		told := turn.Fact.At.Format("01-02")
		if turn.Dyad != nil {
			told += " " + string(turn.Dyad.Event)
		}
		for _, b := range turn.Breaks {
			told += fmt.Sprintf(" %s:%s", b.Rupture.Kind, b.Rupture.Status)
		}
		if turn.Viewed() {
			told += fmt.Sprintf(" %s-%s", turn.Before.Tier, turn.After.Tier)
		}
		got = append(got, told)
	}
	want := "[02-02 rupture:open steady-discuss 02-16 rupture:repaired discuss-steady 02-19 steady-discuss 02-26 discuss-steady]"
	if fmt.Sprint(got) != want {
		t.Errorf("told %v", got)
	}
}

func BenchmarkWalkOfTenThousandFacts(b *testing.B) {
	facts := make([]fact.Fact, 10_000)
	for n := range facts {
		facts[n] = logged(float64(n)/8, 1)
		if n%40 == 0 {
			facts[n] = wai(float64(n)/8, 4+float64(n%3)/10, "Practitioner/a")
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Terms{}.Walk("p", facts)
	}
}
