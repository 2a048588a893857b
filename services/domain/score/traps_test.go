package score_test

import (
	"fmt"
	"strings"
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

func TestTheJointReplacementTablesAreThoseOfTheSurgeons(t *testing.T) { // 1
	r := registry(t)
	knee, hip := lookup(t, r, "koos-jr"), lookup(t, r, "hoos-jr")
	wantScore(t, sheetOf(t, knee, adding(knee, knee.Scores[0].Items, 11)), "interval", 59.381, "")
	wantScore(t, sheetOf(t, knee, adding(knee, knee.Scores[0].Items, 15)), "interval", 50.012, "")
	wantScore(t, sheetOf(t, hip, adding(hip, hip.Scores[0].Items, 24)), "interval", 0, "")
}

func TestFormsWithoutATrustworthyTableAreNotScored(t *testing.T) { // 2
	r := registry(t)
	for _, name := range []string{
		"promis-pain-interference-6a", "promis-physical-function-6b", "promis-29-mental-health-summary", "koos", "hoos",
		"http://example.org/Questionnaire/PROMISPainInterferenceSFQuestionnaire",
		"http://example.org/Questionnaire/PROMISPhysicalFunctionQuestionnaire",
	} {
		if def, err := r.Lookup(name); err == nil {
			t.Errorf("%s is read as %s", name, def.ID)
		}
	}
}

// germanProfile is the PROMIS-29 of the German PRO module, answered as its example is, in the order of its page.
func germanProfile() response.Draft {
	const form = "https://www.medizininformatik-initiative.de/fhir/ext/modul-pro/Questionnaire/mii-qst-pro-promis-29"
	d := response.Draft{Questionnaire: form, Status: "completed"}
	for _, a := range [][2]string{
		{"pfa11", "LA13920-6"},
		{"pfa21", "LA13920-6"},
		{"pfa23", "LA13918-0"},
		{"pfa53", "LA13920-6"},
		{"sleep109", "LA8968-5"},
		{"sleep116", "LA13902-4"},
		{"sleep20", "LA13902-4"},
		{"sleep44", "LA6568-5"},
		{"srpper23-caps", "LA6270-8"},
		{"srpper11-caps", "LA9933-8"},
		{"srpper18-caps", "LA10044-8"},
		{"srpper46-caps", "LA10066-1"},
		{"painin9", "LA13909-9"},
		{"painin22", "LA13909-9"},
		{"painin31", "LA13863-8"},
		{"painin34", "LA13909-9"},
	} {
		d.Items = append(d.Items, item(len(d.Items), "promis-"+a[0], coded(loinc, a[1])))
	}
	return d
}

func TestTheTScoresOfAGermanExampleAreIllustrative(t *testing.T) { // 3
	def := lookup(t, registry(t), germanProfile().Questionnaire)
	d := germanProfile()
	d.Items = append(d.Items,
		item(16, "promis-29-physical-function-tscore", decimal(42.6)),
		item(17, "promis-29-pain-interference-tscore", decimal(60.9)),
		item(18, "promis-29-pain-interference-raw", decimal(11)))
	sheet, _ := scored(t, def, d)
	wantScore(t, sheet, "physical-function-t-score", 37.9, "moderate")
	wantScore(t, sheet, "pain-interference-t-score", 59.9, "mild")
	want := []score.Discrepancy{
		{Score: "physical-function-t-score", Submitted: 42.6}, {Score: "pain-interference-t-score", Submitted: 60.9},
	}
	if diff := cmp.Diff(want, sheet.Submitted); diff != "" {
		t.Error(diff)
	}
}

func TestPROMISItemsAreBoundByTheirIdWhateverTheOrder(t *testing.T) { // 15
	def := lookup(t, registry(t), "promis-29")
	for _, weighted := range []bool{false, true} {
		d := germanProfile()
		for i := range d.Items {
			if a := &d.Items[i].Answers[0]; weighted && a.Code == "LA6270-8" {
				a.Weight = "1" // that form counts one social item from the other end
			}
		}
		sheet, _ := scored(t, def, d)
		wantScore(t, sheet, "sleep-disturbance-raw", 3+2+4+1, "")
		wantScore(t, sheet, "social-roles-raw", 5+1+2+4, "")
		wantScore(t, sheet, "anxiety-raw", 0, score.MissingItems)
	}
	for i := range def.Items {
		if def.Items[i].Reverse != nil || def.Items[i].Recode != nil {
			t.Errorf("item %d is printed the way it counts", i+1)
		}
	}
}

func TestSixteenOfFortyFiveIsNotThirtySixPercent(t *testing.T) { // 14
	def := lookup(t, registry(t), "odi")
	d := draftOf(def, answers(5, 5, 3, 3, 0, 0, 0, 0, 0))
	d.Items = append(d.Items, item(9, "score", decimal(36)), item(10, "odi-8-comment", decimal(1)))
	sheet, _ := scored(t, def, d)
	wantScore(t, sheet, "percent", 35.556, "moderate")
	if diff := cmp.Diff([]score.Discrepancy{{Score: "percent", Submitted: 36}}, sheet.Submitted); diff != "" {
		t.Error(diff)
	}
}

func TestASectionThatDoesNotApplyIsUnanswered(t *testing.T) {
	def := lookup(t, registry(t), "odi")
	d := draftOf(def, answers(2, 2, 2, 2, 2, 2, 2, -1, 2, 2))
	d.Items = append(d.Items, item(9, "odi-8", response.Answer{Kind: "Coding", System: "urn:clinic", Code: "not-applicable"}))
	sheet, _ := scored(t, def, d)
	wantScore(t, sheet, "percent", 40, "moderate")
	if !sheet.Scores[0].Prorated {
		t.Error("nine sections of ten are prorated")
	}
}

// accessForm answers a form of the CMS ACCESS guide as its examples do: weights on codings of its own or of LOINC.
func accessForm(questionnaire, prefix string, weights []string, scoreLink, total string) response.Draft {
	d := response.Draft{Questionnaire: "http://example.org/Questionnaire/" + questionnaire, Status: "completed"}
	for i, w := range weights {
		a := response.Answer{Kind: "Coding", Display: "a phrase", Weight: w}
		d.Items = append(d.Items, item(i, fmt.Sprintf("%s-%d", prefix, i+1), a))
	}
	if scoreLink != "" {
		a := response.Answer{Kind: "Coding", System: loinc, Code: "97909-6", Weight: total}
		d.Items = append(d.Items, item(len(d.Items), scoreLink, a))
	}
	return d
}

func TestTheExamplesOfCMSACCESSAgreeWithOurScores(t *testing.T) { // 20
	r := registry(t)
	for _, c := range []struct {
		draft    response.Draft
		id, code string
		value    float64
		band     string
	}{
		{accessForm("OswestryDisabilityIndexQuestionnaire", "odi", strings.Split("2121221232", ""), "score", "36"), "odi", "percent", 36, "moderate"},
		{accessForm("NeckDisabilityIndexQuestionnaire", "ndi", strings.Split("2222222222", ""), "total-score", "40"), "ndi", "percent", 40, "moderate"},
		{accessForm("QuickDASHQuestionnaire", "qd", strings.Split("34333333323", ""), "score", "50"), "quickdash", "total", 50, ""},
		{accessForm("KOOSJRQuestionnaire", "koosjr", strings.Split("2213223", ""), "total-interval-score", "50.012"), "koos-jr", "interval", 50.012, ""},
		{accessForm("HOOSJRQuestionnaire", "hoosjr", strings.Split("222311", ""), "total-interval-score", "55.985"), "hoos-jr", "interval", 55.985, ""},
		{accessForm("MSKPGICQuestionnaire", "pgic", []string{"1"}, "", ""), "pgic", "rating", 1, "improved"},
		{accessForm("PROMISNRSQuestionnaire", "nrs", []string{"6"}, "", ""), "promis-29", "pain-intensity", 6, ""},
	} {
		def := lookup(t, r, c.draft.Questionnaire)
		if def.ID != c.id {
			t.Errorf("%s is read as %s", c.draft.Questionnaire, def.ID)
			continue
		}
		sheet, _ := scored(t, def, c.draft)
		wantScore(t, sheet, c.code, c.value, c.band)
		if sheet.Submitted != nil {
			t.Errorf("%s: %+v", c.id, sheet.Submitted)
		}
	}
}

func TestPlainNumbersAnswerTheFormsOfCMSACCESS(t *testing.T) { // 20
	def := lookup(t, registry(t), "http://example.org/Questionnaire/QuickDASHQuestionnaire")
	d := response.Draft{Questionnaire: "http://example.org/Questionnaire/QuickDASHQuestionnaire", Status: "completed"}
	for i := range 11 {
		d.Items = append(d.Items, item(i, fmt.Sprintf("qd-%d", i+1), decimal(3)))
	}
	sheet, issues := scored(t, def, d)
	wantScore(t, sheet, "total", 50, "")
	if len(issues) > 0 {
		t.Error("the modules are not on that form, and nobody need be told", issues)
	}
}

func TestPROMISScoreCodesBelongToTheRightVersion(t *testing.T) { // 21
	r := registry(t)
	for code, want := range map[string]string{
		"77854-8": "promis-social-roles-4a t-score", "91721-1": "promis-physical-function-4a t-score",
		"77861-3": "promis-depression-4a t-score", "77862-1": "promis-anxiety-4a t-score",
		"77864-7": "promis-fatigue-4a t-score", "77860-5": "promis-sleep-disturbance-4a t-score",
		"77865-4": "promis-pain-interference-4a t-score", "89924-5": "promis-pain-interference-4a t-score",
		"71959-1": "promis-29 physical-function-t-score", "71967-4": "promis-29 anxiety-t-score",
		"71965-8": "promis-29 depression-t-score", "71963-3": "promis-29 fatigue-t-score",
		"71955-9": "promis-29 sleep-disturbance-t-score", "71961-7": "promis-29 pain-interference-t-score",
		"75261-8": "promis-29 pain-intensity", "72514-3": "nprs current", "91147-9": "peg mean", "97909-6": "odi percent",
		"82237-9": "ndi total", "82332-8": "koos-jr interval", "82323-7": "hoos-jr interval",
		"71957-5": "", "77866-2": "",
	} {
		got := ""
		if def, key, ok := r.ByScoreCode(loinc + "|" + code); ok {
			got = def.ID + " " + key
		}
		if got != want {
			t.Errorf("%s is %q, not %q", code, got, want)
		}
	}
}

func TestSixtyEightPercentOfTheNeckIndexIsSevere(t *testing.T) { // 24
	key := lookup(t, registry(t), "ndi").Score("percent")
	for percent, want := range map[float64]string{64: "severe", 66: "severe", 68: "severe", 68.889: "severe", 69: "complete", 70: "complete"} {
		if got := key.Band(percent, nil); got != want {
			t.Errorf("%v %% is %s", percent, got)
		}
	}
}
