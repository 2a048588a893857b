package fact_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/fact"
)

func TestAReadyMadeTScoreOfAnotherFormOfTheBankIsTaken(t *testing.T) {
	def := definition(t, "promis-physical-function-4a")
	for value, band := range map[float64]string{65.2: "normal", 57: "normal", 20.1: "severe"} {
		got, ok := fact.External(def, "t-score", value, "")
		if !ok || *got.Scores[0].Value != value || got.Scores[0].Band != band || got.Scores[0].SE != nil {
			t.Errorf("%v: %v %+v", value, ok, got)
		}
	}
	for _, value := range []float64{9.9, 90.1, 700} {
		if _, ok := fact.External(def, "t-score", value, ""); ok {
			t.Errorf("%v is no T-score", value)
		}
	}
	if _, ok := fact.External(def, "raw", 21, ""); ok {
		t.Error("a raw score keeps its range")
	}
}
