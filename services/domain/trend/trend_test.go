package trend_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/trend"
)

type vector struct {
	Name, Instrument, Score string
	From, To                float64
	Expect                  struct {
		Reliable, MIC *bool
		Direction     trend.Direction
	}
}

func TestChangeVectors(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			def, err := r.Lookup(v.Instrument)
			if err != nil {
				t.Fatal(err)
			}
			key := def.Score(v.Score)
			from, ok := fact.External(def, v.Score, v.From, "")
			to, within := fact.External(def, v.Score, v.To, "")
			if !ok || !within {
				t.Fatalf("%s: %v or %v is no value of %s", v.Instrument, v.From, v.To, v.Score)
			}
			before, after := trend.Read(time.Time{}, from.Scores[0]), trend.Read(time.Time{}, to.Scores[0])
			before.SE, after.SE = key.ErrorAt(v.From), key.ErrorAt(v.To)
			got := trend.Measure(from.Scores[0]).Compare(before, after)
			if diff := cmp.Diff(v.Expect.Reliable, got.Reliable); diff != "" {
				t.Errorf("reliable (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v.Expect.MIC, got.Important); diff != "" {
				t.Errorf("minimal important change (-want +got):\n%s", diff)
			}
			if got.Direction != v.Expect.Direction {
				t.Errorf("%s, not %s", got.Direction, v.Expect.Direction)
			}
		})
	}
}

func vectors(t *testing.T) []vector {
	data, err := os.ReadFile("testdata/change.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// at is a reading of a value alone.
func at(value float64) trend.Reading { return trend.Reading{Value: value} }

// measured is a reading with its standard error.
func measured(value, se float64) trend.Reading { return trend.Reading{Value: value, SE: &se} }

func TestTheThresholdItselfCounts(t *testing.T) {
	v := trend.Yardstick{HigherBetter: true, Reliable: new(0.2)}.Compare(at(0.1), at(0.3))
	if v.Reliable == nil || !*v.Reliable || v.Direction != trend.Improved || v.Points != 0.2 {
		t.Errorf("0.3 - 0.1 with a threshold of 0.2: %+v", v)
	}
}

func TestNoChangeIsNoDirection(t *testing.T) {
	if v := (trend.Yardstick{HigherBetter: true, Reliable: new(0.0)}).Compare(at(5), at(5)); v.Direction != trend.Unchanged {
		t.Errorf("a threshold of 0 made %v of no difference", v.Direction)
	}
}

func TestWithoutStatisticsNothingIsClaimed(t *testing.T) {
	v := trend.Yardstick{HigherBetter: true}.Compare(at(0), at(40))
	if diff := cmp.Diff(trend.Verdict{Points: 40, Direction: trend.Unchanged}, v); diff != "" {
		t.Error(diff)
	}
}

func TestAScoreWithoutDirectionClaimsNone(t *testing.T) {
	y := trend.Yardstick{NoDirection: true, Reliable: new(2.0), Important: new(1.0), Cutoff: new(5.0)}
	v := y.Compare(trend.Reading{Value: 9, Band: "high", Place: 2}, trend.Reading{Value: 1, Band: "low", Place: 1})
	if v.Direction != "" || v.Band != "" || v.Class != "" || !*v.Reliable || !*v.Important {
		t.Errorf("%+v", v)
	}
}

// depression is the PHQ-9 with the cut-off of the fact sheet, which nobody has confirmed.
func depression() trend.Yardstick {
	c := instrument.Cutoff{Clinical: instrument.Distribution{Mean: 17.1, SD: 6.1}, Norm: instrument.Distribution{Mean: 3.3, SD: 3.8}}
	return trend.Yardstick{Reliable: new(5.186), Important: new(5.0), Cutoff: new(c.At()), CutoffUnconfirmed: true}
}

func TestTheWorkedExamplesOfTheFactSheet(t *testing.T) {
	if c := *depression().Cutoff; math.Abs(c-8.60) > 0.005 {
		t.Errorf("the cut-off is %.3f, not 8.60", c)
	}
	for name, c := range map[string]struct {
		from, to float64
		class    trend.Class
		reliable bool
	}{
		"seven points, the cut-off not crossed":        {16, 9, "improved", true},
		"eight points, beyond the cut-off":             {16, 8, trend.Recovered, true},
		"three points":                                 {12, 9, "unchanged", false},
		"six points up":                                {9, 15, "deteriorated", true},
		"improved within the functional range":         {8, 1, "improved", true},
		"beyond the cut-off by less than the error":    {10, 7, "unchanged", false},
		"back from the functional range, deteriorated": {3, 16, "deteriorated", true},
	} {
		v := depression().Compare(at(c.from), at(c.to))
		if v.Class != c.class || *v.Reliable != c.reliable {
			t.Errorf("%s: %s, reliable %t", name, v.Class, *v.Reliable)
		}
		if !v.Unconfirmed.Class || v.Unconfirmed.Reliable {
			t.Errorf("%s: the cut-off alone is unconfirmed: %+v", name, v.Unconfirmed)
		}
	}
	if index := *trend.Index(16, 9, 1.8708, 1.8708, false); math.Abs(index-2.65) > 0.005 {
		t.Errorf("16 to 9 has the index %.3f: better by 2.65", index)
	}
	if index := *trend.Index(44, 30, 4.7434, 4.7434, false); math.Abs(index-14/6.708) > 0.005 {
		t.Errorf("44 to 30 has the index %.3f", index)
	}
	if v := (trend.Yardstick{Reliable: new(13.148), Important: new(10.0)}).Compare(at(40), at(28)); *v.Reliable || !*v.Important || v.Direction != trend.Unchanged {
		t.Errorf("ODI 40 to 28 is important, not reliable: %+v", v)
	}
}

func TestByStandardErrorsTheDifferenceMustExceedTheirSum(t *testing.T) {
	y := trend.Yardstick{BySE: true, Important: new(3.0)}
	v := y.Compare(measured(63.9, 2.3), measured(55.7, 2.3))
	if !*v.Reliable || v.Direction != trend.Improved || math.Abs(*v.Index-8.2/(2.3*math.Sqrt2)) > 1e-9 {
		t.Errorf("8.2 is more than 6.37: %+v", v)
	}
	if v := y.Compare(measured(60, 2.3), measured(54, 2.3)); *v.Reliable || !*v.Important {
		t.Errorf("6 is less than 6.37: %+v", v)
	}
	limit := 1.96 * 5
	if v := y.Compare(measured(50, 3), measured(50+limit, 4)); *v.Reliable {
		t.Error("the limit itself is not beyond it")
	}
	if v := y.Compare(measured(50, 2.3), at(30)); v.Reliable != nil || v.Index != nil || v.Direction != trend.Improved {
		t.Errorf("without the second error only the important change decides: %+v", v)
	}
}

func TestBandsMoveByTheirPlaceAndTheDirectionOfTheScore(t *testing.T) {
	low, high := trend.Reading{Value: 4, Band: "low", Place: 1}, trend.Reading{Value: 30, Band: "high", Place: 2}
	worse, better := trend.Yardstick{}, trend.Yardstick{HigherBetter: true}
	for name, c := range map[string]struct {
		y        trend.Yardstick
		from, to trend.Reading
		want     trend.Movement
	}{
		"down where high is worse":        {worse, high, low, trend.Better},
		"up where high is worse":          {worse, low, high, trend.Worse},
		"up where high is better":         {better, low, high, trend.Better},
		"the same band":                   {worse, low, low, trend.Same},
		"no band":                         {worse, low, at(9), ""},
		"a band whose place nobody knows": {worse, low, trend.Reading{Value: 30, Band: "high"}, ""},
	} {
		if got := c.y.Compare(c.from, c.to).Band; got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

func TestWhatIsUnconfirmedIsNamedOnlyWhereItWasUsed(t *testing.T) {
	y := trend.Yardstick{ReliableUnconfirmed: true, ImportantUnconfirmed: true, CutoffUnconfirmed: true}
	if v := y.Compare(at(1), at(2)); v.Unconfirmed.Any() {
		t.Errorf("no statistic was used: %+v", v.Unconfirmed)
	}
	y.Reliable, y.Cutoff = new(5.0), new(8.0)
	v := y.Compare(trend.Reading{Value: 1, Unconfirmed: true}, at(2))
	if diff := cmp.Diff(trend.Unconfirmed{Values: true, Reliable: true, Class: true}, v.Unconfirmed); diff != "" {
		t.Error(diff)
	}
}

func TestGoingBackMirrorsTheVerdict(t *testing.T) {
	direction := map[trend.Direction]trend.Direction{
		trend.Improved: trend.Deteriorated, trend.Deteriorated: trend.Improved, trend.Unchanged: trend.Unchanged,
	}
	movement := map[trend.Movement]trend.Movement{trend.Better: trend.Worse, trend.Worse: trend.Better, trend.Same: trend.Same}
	points := rapid.Ptr(rapid.Float64Range(0, 60), true)
	reading := rapid.Custom(func(t *rapid.T) trend.Reading {
		place := rapid.IntRange(1, 4).Draw(t, "band")
		return trend.Reading{
			Value: rapid.Float64Range(0, 60).Draw(t, "value"), Place: place, Band: string(rune('a' + place)),
			SE: rapid.Ptr(rapid.Float64Range(0.1, 9), false).Draw(t, "se"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		from, to := reading.Draw(t, "from"), reading.Draw(t, "to")
		y := trend.Yardstick{
			Reliable: points.Draw(t, "reliable"), Important: points.Draw(t, "important"), Cutoff: points.Draw(t, "cutoff"),
			HigherBetter: rapid.Bool().Draw(t, "higher is better"), BySE: rapid.Bool().Draw(t, "by standard errors"),
		}
		other := y
		other.HigherBetter = !y.HigherBetter
		there := y.Compare(from, to)
		for how, back := range map[string]trend.Verdict{"back": y.Compare(to, from), "flipped": other.Compare(from, to)} {
			if back.Direction != direction[there.Direction] || back.Band != movement[there.Band] {
				t.Fatalf("there %+v, %s %+v", there, how, back)
			}
			if diff := cmp.Diff(there.Reliable, back.Reliable); diff != "" {
				t.Fatal(how, diff)
			}
			if there.Index != nil && *there.Index != -*back.Index {
				t.Fatalf("index there %v, %s %v", *there.Index, how, *back.Index)
			}
			if there.Class == trend.Recovered && back.Class != trend.Class(trend.Deteriorated) {
				t.Fatalf("recovered there, %s %s", how, back.Class)
			}
		}
	})
}
