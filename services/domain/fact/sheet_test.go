package fact_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

func definition(t *testing.T, id string) *instrument.Definition {
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

func TestASheetBecomesAFactWithItsWorking(t *testing.T) {
	def := definition(t, "phq-9")
	resp, _ := response.FromOrdinals(def, []*float64{
		new(2.0), new(2.0), new(1.0), new(2.0), new(2.0), nil, new(2.0), new(0.0), new(1.0), new(2.0),
	}, "")
	resp.Submitted = []response.Submitted{{Score: "total", Value: 12}}
	got := fact.FromSheet(score.Score(def, resp))
	want := []fact.Score{{
		Code: "total", Value: new(14.0), Band: "moderate", BandPlace: 3, Prorated: true, Max: 27,
		Reliable: new(5.186), Important: new(5.0), ReliableUnconfirmed: true, Cutoff: new(8.597), CutoffUnconfirmed: true,
		Missing: "prorate 7 of 9, half-up", Submitted: new(12.0), Part: "depression", Level: "moderate",
	}}
	if diff := cmp.Diff(want, got.Scores, cmpopts.EquateApprox(0, 0.001)); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fact.Critical{{Item: 9, Value: 1, Severity: "safety"}}, got.Critical); diff != "" {
		t.Errorf("critical (-want +got):\n%s", diff)
	}
	if got.Instrument != "phq-9" || got.Version != "1.0.0" || got.Hash != def.Hash || got.Respondent != "patient" || got.Construct != "distress" {
		t.Errorf("%+v", got)
	}
	if got.Discrepancy == nil || *got.Discrepancy != 12 || got.DiscrepancyOf != "total" {
		t.Error("the submitted total differs and must be kept", got.Discrepancy)
	}
	items := []fact.Item{
		{Item: 6, Concept: "worthlessness"},
		{Item: 9, Concept: "self-harm", Answer: new(1.0), Used: new(1.0)},
		{Item: 10, Concept: "difficulty", Answer: new(2.0)},
	}
	if diff := cmp.Diff(items, []fact.Item{got.Items[5], got.Items[8], got.Items[9]}); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotScorableHasNoValue(t *testing.T) {
	def := definition(t, "wai-sr")
	resp, _ := response.FromOrdinals(def, make([]*float64, 12), "")
	got := fact.FromSheet(score.Score(def, resp))
	for _, s := range got.Scores {
		if s.Value != nil || s.NotScorable != score.MissingItems || !s.HigherBetter {
			t.Errorf("%+v", s)
		}
	}
	if got.Value("total") != nil || len(got.Scores) != 8 {
		t.Errorf("%+v", got.Scores)
	}
}

func TestReversedItemsShowBothNumbers(t *testing.T) {
	def := definition(t, "ears")
	resp, _ := response.FromOrdinals(def, []*float64{new(0.0), new(4.0), new(4.0), new(0.0), new(4.0), new(0.0)}, "")
	got := fact.FromSheet(score.Score(def, resp))
	want := fact.Item{Item: 1, Concept: "as-recommended", Answer: new(0.0), Used: new(4.0)}
	if diff := cmp.Diff(want, got.Items[0]); diff != "" {
		t.Error(diff)
	}
}

func TestAReadyMadeTotalIsTakenAsItIs(t *testing.T) {
	def := definition(t, "phq-9")
	got, ok := fact.External(def, "total", 17, "")
	if !ok || got.Version != fact.VersionExternal || got.Hash != "" || got.Items != nil {
		t.Errorf("%+v", got)
	}
	if s := got.Scores[0]; *s.Value != 17 || s.Band != "moderately-severe" || s.Level != "severe" || s.Reliable == nil {
		t.Errorf("%+v", s)
	}
	for _, value := range []float64{-1, 28, math.NaN(), math.Inf(1)} {
		if _, ok := fact.External(def, "total", value, ""); ok {
			t.Errorf("%v is no PHQ-9 total", value)
		}
	}
	if _, ok := fact.External(def, "bond", 5, ""); ok {
		t.Error("the PHQ-9 has no bond")
	}
}
