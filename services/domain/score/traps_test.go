package score_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// The numbers in these tests are those of the list of traps that known scoring code fell into.

const loinc = "http://loinc.org"

var phqLinks = []string{"44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"}

func scored(t *testing.T, def *instrument.Definition, d response.Draft) (score.Sheet, []fault.Issue) {
	t.Helper()
	resp, issues := response.Bind(def, d)
	return score.Score(def, resp), issues
}

func wantTotal(t *testing.T, sheet score.Sheet, want float64) {
	t.Helper()
	if got := sheet.Result("total"); !got.Scorable() || got.Value != want {
		t.Errorf("total is %v (%s), not %v", got.Value, got.NotScorable, want)
	}
}

func TestLoincFormHasNumericLinkIdsAndNoWeights(t *testing.T) { // 8, 9
	def := lookup(t, registry(t), "http://loinc.org/q/44249-1")
	d := response.Draft{Questionnaire: "http://loinc.org/q/44249-1", Status: "completed"}
	for i, code := range []string{"LA6570-1", "LA6570-1", "LA6570-1", "LA6570-1", "LA6569-3", "LA6569-3", "LA6570-1", "LA6568-5", "LA6568-5"} {
		d.Items = append(d.Items, item(i, fmt.Sprint(14363+i), coded(loinc, code)))
	}
	sheet, issues := scored(t, def, d)
	wantTotal(t, sheet, 12)
	if len(issues) > 0 {
		t.Error(issues)
	}
}

func TestUSCoreFormHasSlashLinkIdsAndWeights(t *testing.T) { // 8
	def := lookup(t, registry(t), "http://hl7.org/fhir/us/core/Questionnaire/phq-9-example")
	d := response.Draft{Status: "completed"}
	for i, link := range phqLinks {
		a := coded(loinc, "LA6570-1")
		a.Weight = "2"
		d.Items = append(d.Items, item(i, "/"+link, a))
	}
	d.Items = append(d.Items, item(9, "/69722-7", coded(loinc, "LA6573-5")), item(10, "/44261-6", decimal(18)))
	sheet, issues := scored(t, def, d)
	wantTotal(t, sheet, 18)
	if len(issues) > 0 || len(sheet.Submitted) > 0 {
		t.Error(issues, sheet.Submitted)
	}
}

func TestWeightFourOfTheBrokenCodeSystemIsIgnored(t *testing.T) {
	def := lookup(t, registry(t), "phq-9")
	d := response.Draft{Status: "completed"}
	for i, link := range phqLinks {
		a := coded(loinc, "LA6571-9")
		a.Weight = "4"
		d.Items = append(d.Items, item(i, "/"+link, a))
	}
	sheet, issues := scored(t, def, d)
	wantTotal(t, sheet, 27)
	if len(issues) != 9 || issues[0].Severity != fault.Warning {
		t.Error("a weight off the scale must be warned of", issues)
	}
}

func TestVeryDifficultComesBeforeExtremelyDifficultAndIsNeverSummed(t *testing.T) { // 10
	def := lookup(t, registry(t), "phq-9")
	for code, want := range map[string]float64{"LA6572-7": 0, "LA6573-5": 1, "LA6575-0": 2, "LA6574-3": 3} {
		d := draftOf(def, []*float64{new(1.0), nil, new(0.0), new(0.0), new(0.0), new(0.0), new(0.0), new(0.0), new(0.0)})
		d.Items = append(d.Items, item(9, "57492", coded(loinc, code)))
		sheet, _ := scored(t, def, d)
		wantTotal(t, sheet, 1)
		if last := sheet.Items[9]; last.Answer != want || last.Scored || !last.Answered {
			t.Errorf("%s is kept as %+v", code, last)
		}
	}
}

func TestTheLowestGADOptionIsNotAtAll(t *testing.T) { // 11
	def := lookup(t, registry(t), "gad-7")
	d := response.Draft{Status: "completed", Items: []response.Item{
		item(0, "57541", response.Answer{Kind: "Coding", Display: "not at all"}),
		item(1, "57542", response.Answer{Kind: "Coding", Display: "Not at all sure"}),
	}}
	sheet, issues := scored(t, def, d)
	if !sheet.Items[0].Answered || sheet.Items[1].Answered {
		t.Error("only the display that the pack declares counts", sheet.Items, issues)
	}
}

func TestASevenPointAllianceFormIsNotTheFivePointOne(t *testing.T) { // 13
	def := lookup(t, registry(t), "wai-sr")
	form := make([]*float64, 12)
	for i := range form {
		form[i] = new(6.0)
	}
	sheet, issues := scored(t, def, draftOf(def, form))
	if sheet.Result("total").NotScorable != score.MissingItems || len(issues) != 13 {
		t.Error(sheet.Result("total"), issues)
	}
	for i := range def.Scores {
		if def.Scores[i].Bands != nil {
			t.Error("the WAI-SR has no validated band", def.Scores[i].Code)
		}
	}
	for i := range def.Items {
		if def.Items[i].Reverse != nil {
			t.Error("the WAI-SR has no reversed item", i+1)
		}
	}
}

func TestTheBlockKeyOfAnOpenAppIsWrong(t *testing.T) { // 17
	def := lookup(t, registry(t), "wai-sr")
	var form []*float64
	for _, x := range []float64{5, 4, 5, 3, 5, 4, 4, 3, 5, 4, 2, 4} {
		form = append(form, new(x))
	}
	sheet := sheetOf(t, def, form)
	got := []float64{sheet.Result("task").Value, sheet.Result("bond").Value, sheet.Result("goal").Value}
	if diff := cmp.Diff([]float64{17, 19, 12}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTotalsArriveAsTextAndAsWeightedCoding(t *testing.T) { // 18, 20
	def := lookup(t, registry(t), "phq-9")
	zeros := make([]*float64, 9)
	for i := range zeros {
		zeros[i] = new(0.0)
	}
	for name, a := range map[string]response.Answer{
		"text":    {Kind: "String", Text: "7"},
		"coding":  {Kind: "Coding", Code: "x", Weight: "7"},
		"decimal": decimal(7),
	} {
		d := draftOf(def, zeros)
		d.Items = append(d.Items, item(9, "14372", a))
		sheet, _ := scored(t, def, d)
		wantTotal(t, sheet, 0)
		if diff := cmp.Diff([]score.Discrepancy{{Score: "total", Submitted: 7}}, sheet.Submitted); diff != "" {
			t.Error(name, diff)
		}
	}
}

func TestWeightsOnUnknownCodingsAndPlainDecimalsCount(t *testing.T) { // 20
	def := lookup(t, registry(t), "phq-2")
	weighted := coded("urn:oid:1.2.3", "local-2")
	weighted.Weight = "2"
	sheet, _ := scored(t, def, response.Draft{Status: "completed", Items: []response.Item{
		item(0, "/44250-9", weighted), item(1, "/44255-8", decimal(1)),
	}})
	wantTotal(t, sheet, 3)
}

func TestTheUsualAdherenceBug(t *testing.T) {
	def := lookup(t, registry(t), "ears")
	var form []*float64
	for _, x := range []float64{0, 4, 4, 0, 4, 0} {
		form = append(form, new(x))
	}
	wantTotal(t, sheetOf(t, def, form), 24)
}

func TestAWeightOnAReversedItemIsNotReversedTwice(t *testing.T) {
	def := lookup(t, registry(t), "ears")
	a := coded(instrument.AnswerSystem, "0")
	a.Weight = "4" // the sender has reversed it already
	d := draftOf(def, []*float64{nil, new(4.0), new(4.0), new(0.0), new(4.0), new(0.0)})
	d.Items = append(d.Items, item(5, "ears-1", a))
	sheet, issues := scored(t, def, d)
	wantTotal(t, sheet, 24)
	if len(issues) != 1 || issues[0].Severity != fault.Warning {
		t.Error(issues)
	}
}

func TestBareItemNumbersCountUnderOurOwnCanonicalOnly(t *testing.T) {
	def := lookup(t, registry(t), "wai-sr")
	d := response.Draft{Status: "completed"}
	for i := range 12 {
		d.Items = append(d.Items, item(i, fmt.Sprint(i+1), decimal(4)))
	}
	for questionnaire, counts := range map[string]bool{
		def.Canonical(): true, def.Canonical() + "|1.0.0": true, "wai-sr": true,
		"": false, "Questionnaire/wai-sr": false, "https://clinic.example/Questionnaire/wai": false,
	} {
		d.Questionnaire = questionnaire
		sheet, issues := scored(t, def, d)
		if counts {
			wantTotal(t, sheet, 48)
			continue
		}
		if sheet.Result("total").NotScorable != response.UnmatchedForm || len(issues) != 1 {
			t.Errorf("%q: %+v %v", questionnaire, sheet.Result("total"), issues)
		}
	}
}
