package episode

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// course is a usual course of care: n facts, of which most are logs, with forms each fortnight and a visit a week.
func course(n int) []fact.Fact {
	facts := []fact.Fact{cared(0, "spine", true), prescribed(0.1, 1, "active")}
	for day := 0; len(facts) < n; day++ {
		d := float64(day)
		if day%7 == 1 {
			facts = append(facts, visited(d+0.4, fact.Visit{ID: "Encounter/" + on(d).Format("0102"), Status: attended, Clinician: "Practitioner/pt"}), usualAlliance(d+0.41))
		}
		if day%14 == 1 {
			facts = append(facts, usualForms(d)...)
		}
		if day%5 != 4 {
			facts = append(facts, logged(d+0.7, 1))
		}
	}
	return facts[:n]
}

func usualAlliance(day float64) fact.Fact {
	f := scored(day, "wai-sr", "alliance")
	f.Scores.Clinician = "Practitioner/pt"
	for i, code := range []string{"total", "task", "bond", "goal", "total-mean", "task-mean", "bond-mean", "goal-mean"} {
		f.Scores.Scores = append(f.Scores.Scores, points(code, 4.25+float64((int(day)+i)%5)/8, "", true, 0.55))
	}
	return f
}

func usualForms(day float64) []fact.Fact {
	v := func(n int) float64 { return float64((int(day)*7 + n) % 20) }
	f := []fact.Fact{
		phq9(day+0.5, v(1)),
		scored(day+0.51, "gad-7", "distress", points("total", v(2), "moderate", false, 6)),
		scored(day+0.52, "pcs", "beliefs", points("total", v(3), "low", false, 12.751), points("rumination", v(4), "", false, 0), points("magnification", v(5), "", false, 0), points("helplessness", v(6), "", false, 0)),
		scored(day+0.53, "tsk-11", "beliefs", points("total", v(7)+11, "low", false, 7.04), points("somatic-focus", v(8), "", false, 0), points("activity-avoidance", v(9), "", false, 0)),
		scored(day+0.54, "pseq", "beliefs", points("total", v(9), "moderate", true, 11.52)),
		scored(day+0.55, "ears", "adherence", points("total", v(10), "", true, 0)),
	}
	for i := range f {
		for j := range f[i].Scores.Scores {
			f[i].Scores.Scores[j].Part, f[i].Scores.Scores[j].Level = "", ""
		}
		f[i].Scores.Scores[0].Part, f[i].Scores.Scores[0].Level = "depression", "moderate"
	}
	return f
}

// nextDay is the day after the last fact of a state: what comes next usually comes then.
func nextDay(s *State) float64 { return math.Ceil(s.Now.Sub(monday).Hours()/24) + 0.5 }

func BenchmarkFold(b *testing.B) {
	facts := course(200)
	s := Replay("p1", facts[:199])
	next := nextDay(s)
	for name, f := range map[string]fact.Fact{
		"scores": phq9(next, 12), "log": logged(next, 1), "alliance": usualAlliance(next), "after a month": logged(next+30, 1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(s, f)
			}
		})
	}
}

// What a fold may leave behind for the garbage collector says, without a clock, that it stays far below 20 µs, and 10,000
// facts below 50 ms.
func TestAFoldStaysCheap(t *testing.T) {
	facts := course(200)
	s := Replay("p1", facts[:199])
	next := nextDay(s)
	for name, tt := range map[string]struct {
		fact fact.Fact
		most float64
	}{"scores": {phq9(next, 12), 14}, "log": {logged(next, 1), 14}, "alliance": {usualAlliance(next), 32}} {
		if n := testing.AllocsPerRun(100, func() { Fold(s, tt.fact) }); n > tt.most {
			t.Errorf("a fold of %s makes %v allocations, want at most %v", name, n, tt.most)
		}
	}
	long := course(10_000)
	if n := testing.AllocsPerRun(1, func() { Replay("p1", long) }); n > 60_000 {
		t.Errorf("10,000 facts make %v allocations, want at most 6 each", n)
	}
}

func BenchmarkReplay10000(b *testing.B) {
	facts := course(10_000)
	b.ReportAllocs()
	for b.Loop() {
		Replay("p1", facts)
	}
}

func BenchmarkStored(b *testing.B) {
	s := Replay("p1", course(200))
	raw := must(s.AppendJSON(nil))
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 2*len(raw))
		for b.Loop() {
			if _, err := s.AppendJSON(buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(raw)), "bytes")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Read(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write by encoding json", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read by encoding json", func(b *testing.B) {
		for b.Loop() {
			if err := json.Unmarshal(raw, &State{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestTheUsualCourseIsInOrder(t *testing.T) {
	if facts := course(500); !slices.IsSortedFunc(facts, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) }) {
		t.Error("the benchmarks fold facts out of order")
	}
}
