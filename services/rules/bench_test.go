package rules

import (
	"fmt"
	"testing"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// sheet is a form with a few scores.
func sheet(day int, instrument, construct string, codes ...string) fact.Fact {
	f := fact.Fact{
		ID: fmt.Sprintf("%s-%d", instrument, day), Kind: fact.KindScores, At: dayZero.AddDate(0, 0, day),
		Scores: &fact.Scores{Instrument: instrument, Construct: construct, Respondent: "patient"},
	}
	for _, code := range codes {
		f.Scores.Scores = append(f.Scores.Scores, fact.Score{Code: code, Value: new(float64(8 + day%9)), Reliable: new(5.186), Band: "mild"})
	}
	return f
}

func BenchmarkJudge(b *testing.B) {
	rules := defaultRules(b)
	before := episode.New("p1")
	for day := range 60 {
		before = episode.Fold(before, sheet(day, []string{"phq-9", "gad-7", "pseq", "ears"}[day%4], "distress", "total"))
	}
	quiet := sheet(70, "phq-9", "distress", "total")
	quiet.Scores.Scores[0].Value = new(9.0)
	critical := sheet(70, "phq-9", "distress", "total")
	critical.Scores.Critical = []fact.Critical{{Item: 9, Value: 1, Severity: "safety"}}
	for name, f := range map[string]fact.Fact{
		"phq-9":                quiet,
		"phq-9 worse":          sheet(70, "phq-9", "distress", "total"),
		"phq-9 with a finding": critical,
		"pcs":                  sheet(70, "pcs", "beliefs", "total", "rumination", "magnification", "helplessness"),
		"wai-sr":               sheet(70, "wai-sr", "alliance", "total", "task", "bond", "goal", "total-mean"),
		"exercise":             {ID: "e", Kind: fact.KindExercise, At: dayZero.AddDate(0, 0, 70), Exercise: &fact.Exercise{Done: 1}},
	} {
		after := episode.Fold(before, f)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				judge.Judge(rules, before, after, f)
			}
		})
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		if _, err := Default(); err != nil {
			b.Fatal(err)
		}
	}
}
