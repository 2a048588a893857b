package trend_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
			if key == nil {
				t.Fatalf("%s has no score %s", v.Instrument, v.Score)
			}
			got := trend.Change(v.From, v.To, reliable(key, v.From, v.To), key.ImportantChange(), key.HigherBetter())
			want := trend.Verdict{Reliable: v.Expect.Reliable, Important: v.Expect.MIC, Direction: v.Expect.Direction}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// reliable is the error band of a difference, for a score by table that of its two standard errors.
func reliable(key *instrument.Score, from, to float64) *float64 {
	if !key.BySE() {
		return key.ReliableChange()
	}
	square := 0.0
	for _, row := range key.Table.Rows {
		if row[1] == from || row[1] == to {
			square += row[2] * row[2]
		}
	}
	return new(1.96 * math.Sqrt(square))
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

func TestTheThresholdItselfCounts(t *testing.T) {
	v := trend.Change(0.1, 0.3, new(0.2), nil, true)
	if v.Reliable == nil || !*v.Reliable || v.Direction != trend.Improved {
		t.Errorf("0.3 - 0.1 with a threshold of 0.2: %+v", v)
	}
}

func TestNoChangeIsNoDirection(t *testing.T) {
	if v := trend.Change(5, 5, new(0.0), nil, true); v.Direction != trend.Unchanged {
		t.Errorf("a threshold of 0 made %v of no difference", v.Direction)
	}
}

func TestWithoutStatisticsNothingIsClaimed(t *testing.T) {
	v := trend.Change(0, 40, nil, nil, true)
	if v.Reliable != nil || v.Important != nil || v.Direction != trend.Unchanged {
		t.Errorf("%+v", v)
	}
}

func TestGoingBackMirrorsTheVerdict(t *testing.T) {
	mirror := map[trend.Direction]trend.Direction{
		trend.Improved: trend.Deteriorated, trend.Deteriorated: trend.Improved, trend.Unchanged: trend.Unchanged,
	}
	points := rapid.Ptr(rapid.Float64Range(0, 60), true)
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.Float64Range(0, 60).Draw(t, "from"), rapid.Float64Range(0, 60).Draw(t, "to")
		reliable, important := points.Draw(t, "reliable"), points.Draw(t, "important")
		better := rapid.Bool().Draw(t, "higher is better")
		there := trend.Change(from, to, reliable, important, better)
		back := trend.Change(to, from, reliable, important, better)
		flipped := trend.Change(from, to, reliable, important, !better)
		if back.Direction != mirror[there.Direction] || flipped.Direction != mirror[there.Direction] {
			t.Fatalf("there %v, back %v, flipped %v", there.Direction, back.Direction, flipped.Direction)
		}
		if diff := cmp.Diff(there.Reliable, back.Reliable); diff != "" {
			t.Fatal(diff)
		}
	})
}
