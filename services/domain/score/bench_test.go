package score_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

func BenchmarkScorePHQ9(b *testing.B) {
	def := lookup(b, registry(b), "phq-9")
	resp, _ := response.FromOrdinals(def, zerosWith(9, 2), "")
	b.ReportAllocs()
	for b.Loop() {
		score.Score(def, resp)
	}
}

func BenchmarkScoreWAISR(b *testing.B) {
	def := lookup(b, registry(b), "wai-sr")
	resp, _ := response.Bind(def, allFours())
	b.ReportAllocs()
	for b.Loop() {
		score.Score(def, resp)
	}
}

func BenchmarkBindPHQ9(b *testing.B) {
	def := lookup(b, registry(b), "phq-9")
	d := response.Draft{Questionnaire: "http://loinc.org/q/44249-1", Status: "completed"}
	for i, link := range phqLinks {
		d.Items = append(d.Items, item(i, "/"+link, coded(loinc, "LA6570-1")))
	}
	b.ReportAllocs()
	for b.Loop() {
		response.Bind(def, d)
	}
}

func allFours() response.Draft {
	d := response.Draft{Status: "completed"}
	for i, link := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"} {
		d.Items = append(d.Items, item(i, "wai-sr-"+link, decimal(4)))
	}
	return d
}

func TestScoringAllocatesLittle(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	resp, _ := response.FromOrdinals(def, zerosWith(9, 2), "")
	if n := testing.AllocsPerRun(100, func() { score.Score(def, resp) }); n > 3 {
		t.Errorf("%v allocations for one PHQ-9, at most 3 are meant", n)
	}
}
