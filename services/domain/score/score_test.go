package score_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

func zerosWith(item int, x float64) []*float64 {
	form := make([]*float64, 9)
	for i := range form {
		form[i] = new(0.0)
	}
	form[item-1] = new(x)
	return form
}

func TestAnUnfinishedFormIsNotScoredButItsSafetyItemIsJudged(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	for _, status := range []string{"in-progress", "stopped"} {
		d := draftOf(def, zerosWith(9, 2))
		d.Status = status
		sheet, issues := scored(t, def, d)
		if sheet.Result("total").NotScorable != status || len(sheet.Critical) != 1 || len(issues) != 1 {
			t.Errorf("%s: %+v %v %v", status, sheet.Result("total"), sheet.Critical, issues)
		}
	}
}

func TestAWithdrawnFormSaysNothing(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	d := draftOf(def, zerosWith(9, 2))
	d.Status = "entered-in-error"
	sheet, _ := scored(t, def, d)
	if sheet.Result("total").NotScorable != response.EnteredInError || sheet.Critical != nil || sheet.SafetyUnknown != nil {
		t.Errorf("%+v", sheet)
	}
}

func TestAnUnansweredSafetyItemIsUnknown(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	form := zerosWith(1, 1)
	form[8] = nil
	sheet := sheetOf(t, def, form)
	if len(sheet.SafetyUnknown) != 1 || sheet.SafetyUnknown[0] != 9 || len(sheet.Critical) != 0 {
		t.Errorf("%+v", sheet)
	}
	wantTotal(t, sheet, 1)
}

func TestAnEmptyFormMissesItsItems(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	sheet, _ := scored(t, def, response.Draft{Status: "completed"})
	if sheet.Result("total").NotScorable != score.MissingItems {
		t.Errorf("%+v", sheet.Result("total"))
	}
}

func TestStrictModeRequiresEveryItem(t *testing.T) {
	strict := lookup(t, registry(t), "phq-9").Strict()
	form := zerosWith(1, 1)
	if sheet := sheetOf(t, strict, form); !sheet.Result("total").Scorable() {
		t.Error("all nine are answered")
	}
	form[3] = nil
	if sheet := sheetOf(t, strict, form); sheet.Result("total").Scorable() {
		t.Error("eight of nine are not enough")
	}
}

func TestWhatRestsOnAnUnconfirmedFactSaysSo(t *testing.T) {
	r := registry(t)
	gad := lookup(t, r, "gad-7")
	whole := []*float64{new(1.0), new(1.0), new(1.0), new(1.0), new(1.0), new(1.0), new(1.0)}
	if sheetOf(t, gad, whole).Result("total").Unconfirmed {
		t.Error("a complete GAD-7 rests on confirmed facts")
	}
	whole[2] = nil
	if !sheetOf(t, gad, whole).Result("total").Unconfirmed {
		t.Error("5 of 7 is unconfirmed, so is a score that needs it")
	}
	tsk := lookup(t, r, "tsk-11")
	form := make([]*float64, 11)
	for i := range form {
		form[i] = new(2.0)
	}
	sheet := sheetOf(t, tsk, form)
	if !sheet.Result("somatic-focus").Unconfirmed || sheet.Result("total").Unconfirmed || !tsk.Unconfirmed {
		t.Errorf("the factors of the TSK-11 are unconfirmed, its total is not: %+v", sheet.Scores)
	}
}

func TestASubmittedTotalBesideAMissingOneIsADiscrepancy(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	d := draftOf(def, []*float64{new(3.0)})
	d.Items = append(d.Items, item(1, "phq-phq9-score-total", decimal(3)))
	sheet, _ := scored(t, def, d)
	if sheet.Result("total").Scorable() || len(sheet.Submitted) != 1 {
		t.Errorf("%+v", sheet)
	}
}

func TestAnUnfinishedFormIsNotComparedWithItsTotal(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	d := draftOf(def, zerosWith(1, 1))
	d.Status = "in-progress"
	d.Items = append(d.Items, item(9, "14372", decimal(3)))
	if sheet, _ := scored(t, def, d); sheet.Submitted != nil {
		t.Errorf("%+v", sheet.Submitted)
	}
}

func TestDecimalsAddUpExactly(t *testing.T) {
	def := lookup(t, registry(t), "srs")
	sheet := sheetOf(t, def, []*float64{new(0.1), new(0.2), new(0.0), new(0.0)})
	if got := sheet.Result("total").Value; got != 0.3 {
		t.Errorf("0.1 + 0.2 is %v", got)
	}
}

func TestAlertsLookAtThePrintedAnswerNotAtTheReversedOne(t *testing.T) {
	def, issues := instrument.Parse("mirror.json", []byte(`{
		"id": "mirror", "version": "1.0.0", "title": "Mirror", "construct": "distress", "respondent": "patient", "status": "ready",
		"licence": {"wording": false, "notice": "ours", "evidence": "design"},
		"recall": {"text": "now", "evidence": "design"}, "cadence": {"text": "daily", "evidence": "design"},
		"scales": {"s": {"from": 0, "to": 3, "evidence": "design"}},
		"items": [{"number": 1, "concept": "one", "scale": "s", "reverse": 3}], "itemEvidence": "design",
		"scores": [{"code": "total", "kind": "sum", "items": [1], "min": 0, "max": 3, "direction": "higher-worse",
			"missing": {"rule": "all", "evidence": "design"}, "evidence": "design"}],
		"alerts": [{"items": [1], "when": ">=", "value": 2, "severity": "safety", "evidence": "design"}]}`))
	if issues != nil {
		t.Fatal(issues)
	}
	if got := sheetOf(t, def, []*float64{new(3.0)}).Critical; len(got) != 1 || got[0].Value != 3 {
		t.Errorf("3 is printed, and beyond 2: %+v", got)
	}
	if got := sheetOf(t, def, []*float64{new(0.0)}).Critical; got != nil {
		t.Errorf("0 is printed: %+v", got)
	}
}

func TestAProxyAnswerHasNoBandsNorChangeStatistics(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	original := sheetOf(t, def, zerosWith(9, 3))
	proxy := original.By("care-partner")
	got := proxy.Result("total")
	if got.Value != 3 || got.Band != "" || got.Level != "" || got.Key.ReliableChange() != nil || len(proxy.Critical) != 1 {
		t.Errorf("%+v", got)
	}
	if original.Result("total").Band != "minimal" || def.Score("total").ReliableChange() == nil {
		t.Error("the proxy changed the original")
	}
	for _, own := range []string{"", "patient"} {
		if got := original.By(own).Result("total"); got.Band != "minimal" || got.Key.ReliableChange() == nil {
			t.Errorf("answered by %q, whom the form is for: %+v", own, got)
		}
	}
}

func TestLevelsOnTheCommonLadder(t *testing.T) {
	r := registry(t)
	for _, c := range []struct {
		instrument, band, level string
	}{
		{"phq-9", "minimal", "none"},
		{"phq-9", "moderately-severe", "severe"},
		{"phq-2", "positive", "moderate"},
		{"phq-2", "negative", "none"},
		{"gad-7", "severe", "severe"},
		{"pcs", "high", "moderate"},
		{"tsk-11", "low", "mild"},
		{"pseq", "minimal", "none"},
		{"pseq", "severe", "severe"},
		{"phq-8", "moderately-severe", "severe"},
		{"phq-4", "normal", "none"},
		{"phq-4", "severe", "severe"},
		{"gad-2", "positive", "moderate"},
		{"k10", "moderate", "mild"},
		{"k10", "very-high", "severe"},
		{"k6", "serious", "severe"},
		{"tsk-17", "high", "moderate"},
		{"pseq-2", "low", "moderate"},
		{"pseq-2", "desirable", "none"},
		{"isi", "subthreshold", "mild"},
		{"isi", "none", "none"},
	} {
		if got := lookup(t, r, c.instrument).Score("total").Level(c.band); got != c.level {
			t.Errorf("%s %s is %q on the ladder, not %q", c.instrument, c.band, got, c.level)
		}
	}
}
