package score_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// Further traps of the same list: keys that are mistaken for one another.

// answered is the sheet of a list of ordinals; a negative one leaves its item out.
func answered(t *testing.T, id string, ordinals ...float64) score.Sheet {
	t.Helper()
	return sheetOf(t, lookup(t, registry(t), id), answers(ordinals...))
}

// all answers alike.
func all(n int, x float64) []float64 { return slices.Repeat([]float64{x}, n) }

func TestNoInstrumentTakesTheCodeOfAnother(t *testing.T) { // 5, 19
	r := registry(t)
	for _, id := range []string{"phq-8", "gad-2"} {
		if codes := lookup(t, r, id).Score("total").Codes; codes != nil {
			t.Errorf("the total of the %s has no LOINC code: %v", id, codes)
		}
	}
	for code, owner := range map[string]string{
		"http://loinc.org|44261-6": "phq-9", "http://snomed.info/sct|720433000": "phq-9", "http://loinc.org|55758-7": "phq-2",
		"http://loinc.org|70272-0": "phq-4", "http://loinc.org|91351-7": "start-back",
	} {
		if def, score, _ := r.ByScoreCode(code); def == nil || def.ID != owner || score != "total" {
			t.Errorf("%s is not the total of the %s", code, owner)
		}
	}
	for _, code := range []string{"70273-8", "73831-0", "73832-8", "71957-5"} {
		if def, _, ok := r.ByScoreCode("http://loinc.org|" + code); ok {
			t.Errorf("%s is taken for the %s", code, def.ID)
		}
	}
}

func TestTheBackScreenIsInTheOrderOfKeele(t *testing.T) { // 6
	want := []int{5, 6, 7, 8, 9}
	if got := lookup(t, registry(t), "start-back").Score("psychosocial").Items; !slices.Equal(got, want) {
		t.Errorf("psychosocial is %v, not %v", got, want)
	}
	sheet := answered(t, "start-back", 1, 0, 0, 1, 0, 0, 1, 1, 4) // all five of the paper of 2008
	wantScore(t, sheet, "psychosocial", 3, "")
	wantScore(t, sheet, "total", 5, "medium")
}

func TestHighRiskIsFourPsychosocialPointsNotATotalOfNine(t *testing.T) { // 7
	wantScore(t, answered(t, "start-back", 0, 0, 0, 0, 1, 1, 1, 1, 2), "total", 4, "high")
	wantScore(t, answered(t, "start-back", 1, 1, 1, 1, 1, 1, 1, 1, 2), "total", 8, "high")
	wantScore(t, answered(t, "start-back", 1, 1, 1, 1, 1, 1, 1, 0, 2), "total", 7, "medium")
	wantScore(t, answered(t, "start-back", 0, 0, 0, 0, 1, 1, 0, 0, 3), "total", 3, "low")
}

func TestADistressFormFromZeroIsReadOnlyWhenItSaysSo(t *testing.T) { // 12
	def := lookup(t, registry(t), "k10")
	form := make([]*float64, 10)
	for i := range form {
		form[i] = new(2.0)
	}
	resp, issues := response.FromOrdinals(def, form, "0-4")
	if issues != nil {
		t.Fatal(issues)
	}
	sheet := score.Score(def, resp)
	wantScore(t, sheet, "total", 30, "very-high")
	if sheet.Variant != "0-4" {
		t.Errorf("the variant is not kept: %q", sheet.Variant)
	}
	wantScore(t, sheetOf(t, def, form), "total", 20, "moderate")
}

func TestATotalIsComparedInTheNumberingOfItsSender(t *testing.T) { // 12
	def := lookup(t, registry(t), "k10")
	for _, c := range []struct {
		variant    string
		answer     float64
		total      float64
		discrepant bool
	}{
		{"0-4", 2, 20, false}, // a 30 here
		{"0-4", 2, 30, true},
		{"", 3, 30, false},
		{"", 3, 20, true},
	} {
		form := make([]*float64, 10)
		for i := range form {
			form[i] = new(c.answer)
		}
		d := draftOf(def, form)
		d.Variant = c.variant
		d.Items = append(d.Items, item(10, "k10-total", decimal(c.total)))
		sheet, _ := scored(t, def, d)
		wantTotal(t, sheet, 30)
		if discrepant := len(sheet.Submitted) == 1; discrepant != c.discrepant {
			t.Errorf("%+v: %+v", c, sheet.Submitted)
		}
	}
}

func TestTheAllianceFormOfSevenPointsHasItsOwnKey(t *testing.T) { // 13
	def := lookup(t, registry(t), "wai-s")
	var reversed []int
	for _, item := range def.Items {
		if item.Reverse != nil {
			reversed = append(reversed, item.Number)
		}
	}
	if !slices.Equal(reversed, []int{4, 10}) {
		t.Errorf("reversed are %v", reversed)
	}
	for _, s := range def.Scores {
		if s.Bands != nil {
			t.Errorf("the WAI-S has no validated band, but %s has", s.Code)
		}
		if other := lookup(t, registry(t), "wai-sr").Score(s.Code); len(s.Items) > 0 && slices.Contains([]string{"task", "goal"}, s.Code) && slices.Equal(other.Items, s.Items) {
			t.Errorf("%s has the key of the WAI-SR", s.Code)
		}
	}
}

func TestTheWorkScaleOfFearAvoidanceLeavesOutFiveItems(t *testing.T) { // 16
	def := lookup(t, registry(t), "fabq")
	if got := def.Score("work").Items; !slices.Equal(got, []int{6, 7, 9, 10, 11, 12, 15}) {
		t.Errorf("work is %v", got)
	}
	form := all(16, 0)
	for _, number := range []int{1, 8, 13, 14, 16} {
		form[number-1] = 6
		if !def.Item(number).Unscored {
			t.Errorf("item %d is scored", number)
		}
	}
	sheet := answered(t, "fabq", form...)
	wantScore(t, sheet, "physical-activity", 0, "low")
	wantScore(t, sheet, "work", 0, "low")
}

func TestTheSwappedItemsOfAnEditionAreToldByConceptAndLeaveTheTotalAlone(t *testing.T) { // 22
	def := lookup(t, registry(t), "k10")
	if def.Item(8).Concept != "nothing-cheers" || def.Item(9).Concept != "effort" {
		t.Errorf("8 is %s, 9 is %s", def.Item(8).Concept, def.Item(9).Concept)
	}
	d := response.Draft{Status: "completed"}
	for i, concept := range []string{
		"tired", "nervous", "so-nervous", "hopeless", "restless", "could-not-sit-still", "depressed", "effort", "nothing-cheers", "worthless",
	} {
		d.Items = append(d.Items, item(i, concept, decimal(float64(1+i%5))))
	}
	sheet, _ := scored(t, def, d)
	wantTotal(t, sheet, 30)
	if sheet.Items[7].Answer != 4 || sheet.Items[8].Answer != 3 {
		t.Errorf("8 is %+v, 9 is %+v", sheet.Items[7], sheet.Items[8])
	}
}

func TestTheBandsOfTheDASSAreOnTheDoubledScale(t *testing.T) { // 23
	wantScore(t, answered(t, "dass-21", all(21, 1)...), "depression", 14, "moderate")
	form := all(21, 0)
	form[2], form[4] = 3, 1 // a sum of 4, the last normal one of the undoubled tables
	wantScore(t, answered(t, "dass-21", form...), "depression", 8, "normal")
	form[4] = 2 // 5: the first mild of both
	wantScore(t, answered(t, "dass-21", form...), "depression", 10, "mild")
}

func TestThirtySevenIsNotAboveThirtySeven(t *testing.T) {
	form := all(17, 2)
	form[0] = 1 // and the four reversed ones, answered 2, count 3
	wantScore(t, answered(t, "tsk-17", form...), "total", 37, "low")
	form[0] = 2
	wantScore(t, answered(t, "tsk-17", form...), "total", 38, "high")
}

func TestTheShortFormsAskWhatTheLongOnesAsk(t *testing.T) {
	r := registry(t)
	concepts := func(id string, numbers ...int) []string {
		def, list := lookup(t, r, id), []string(nil)
		for _, n := range numbers {
			list = append(list, def.Item(n).Concept)
		}
		return list
	}
	for _, c := range []struct {
		short, long string
		numbers     []int
	}{
		{"tsk-11", "tsk-17", []int{1, 2, 3, 5, 6, 7, 10, 11, 13, 15, 17}},
		{"phq-8", "phq-9", []int{1, 2, 3, 4, 5, 6, 7, 8}},
		{"phq-2", "phq-9", []int{1, 2}},
		{"gad-2", "gad-7", []int{1, 2}},
		{"pseq-2", "pseq", []int{5, 9}},
	} {
		var own []int
		for n := range len(c.numbers) {
			own = append(own, n+1)
		}
		if diff := cmp.Diff(concepts(c.long, c.numbers...), concepts(c.short, own...)); diff != "" {
			t.Errorf("%s of %s (-long +short):\n%s", c.short, c.long, diff)
		}
	}
	both := slices.Concat(concepts("gad-2", 1, 2), concepts("phq-2", 1, 2))
	if diff := cmp.Diff(both, concepts("phq-4", 1, 2, 3, 4)); diff != "" {
		t.Error("the PHQ-4 has the anxiety items first", diff)
	}
}

func TestAForbiddenSumOfWhatIsPresent(t *testing.T) {
	for id, n := range map[string]int{"ompsq-sf": 10, "k10": 10, "isi": 7, "start-msk": 10, "tsk-17": 17, "siras": 3, "k6": 6} {
		form := all(n, 1)
		form[n-1] = -1
		if got := answered(t, id, form...).Result("total"); got.NotScorable != score.MissingItems || got.Value != 0 {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestWithoutTraumaTheScreenIsNoughtWhateverFollows(t *testing.T) {
	wantScore(t, answered(t, "pc-ptsd-5", 0, 1, 1, 1, 1, 1), "total", 0, "negative")
	wantScore(t, answered(t, "pc-ptsd-5", 0, -1, -1, -1, -1, -1), "total", 0, "negative")
	wantScore(t, answered(t, "pc-ptsd-5", 1, 1, 1, 1, 0, 0), "total", 3, "positive")
	if got := answered(t, "pc-ptsd-5", -1, 1, 1, 1, 1, 1).Result("total"); got.Scorable() {
		t.Errorf("nobody asked about trauma: %+v", got)
	}
}

func TestADoesNotApplyIsLeftOutOfTheMean(t *testing.T) {
	def := lookup(t, registry(t), "care")
	d := draftOf(def, []*float64{nil, new(4.0), new(5.0), new(4.0), new(4.0), new(5.0), new(4.0), new(4.0), new(4.0), new(4.0)})
	d.Items = append(d.Items, item(9, "care-1", response.Answer{Kind: "Coding", Display: "Does not apply"}))
	sheet, _ := scored(t, def, d)
	if got := sheet.Result("total"); got.Value != 42.222222222 || !got.Prorated {
		t.Errorf("38 of nine answers: %+v", got)
	}
}

func TestTheCountingRuleOfDepression(t *testing.T) {
	for _, c := range []struct {
		id     string
		form   []float64
		result string
	}{
		{"phq-9", []float64{2, 2, 2, 2, 1, 1, 2, 0, 0}, "major"},
		{"phq-9", []float64{1, 2, 1, 2, 1, 1, 0, 0, 1}, "other"},
		{"phq-9", []float64{1, 1, 2, 2, 1, 1, 1, 1, 0}, "none"},
		{"phq-9", []float64{2, 0, 2, 2, 2, 0, 0, 0, 1}, "major"}, // item 9 counts from 1
		{"phq-9", []float64{2, 0, 2, 2, 2, 0, 0, 0, 0}, "other"},
		{"phq-9", []float64{2, 1, 1, 1, 1, 1, 1, 1, 0}, "none"}, // one symptom is not two
		{"phq-9", []float64{1, 1, 3, 3, 3, 3, 3, 3, 3}, "none"}, // no core symptom
		{"phq-8", []float64{2, 2, 2, 2, 1, 1, 2, 0}, "major"},
		{"phq-8", []float64{0, 3, 0, 0, 0, 0, 0, 3}, "other"},
		{"phq-8", []float64{0, 3, 0, 0, 0, 0, 0, 1}, "none"},
	} {
		sheet := answered(t, c.id, c.form...)
		if len(sheet.Decisions) != 1 || sheet.Decisions[0].Key.Code != "dsm" || sheet.Decisions[0].Result != c.result {
			t.Errorf("%s %v: %+v, not %s", c.id, c.form, sheet.Decisions, c.result)
		}
	}
	open := answered(t, "phq-9", 3, 3, 3, 3, 3, 3, -1, 0, 0)
	if d := open.Decisions[0]; d.Result != "" || d.NotScorable != score.MissingItems || !open.Result("total").Scorable() {
		t.Errorf("nothing is imputed to a decision: %+v", d)
	}
	if proxy := answered(t, "phq-9", 2, 2, 2, 2, 1, 1, 2, 0, 0).By("care-partner"); proxy.Decisions != nil {
		t.Errorf("the rule is for the patient's own answers: %+v", proxy.Decisions)
	}
}

func TestWhatMustNotShipDoesNot(t *testing.T) {
	forbidden := []string{
		"watoci", "pctr", "p-trem", "itq", "ospro", "ies-6", "promis-pain-interference-6a", "promis-physical-function-6b", "cat",
		"wai-36", "wai-gp", "ors", "haq", "koos", "hoos",
	}
	for _, def := range registry(t).All() {
		for _, name := range forbidden {
			if def.ID == name || strings.HasPrefix(def.ID, name+"-") && name != "koos" && name != "hoos" {
				t.Errorf("%s is built in, and must not be", def.ID)
			}
		}
		if len(def.Items) > 29 {
			t.Errorf("%s has %d items: no key of this length was recorded", def.ID, len(def.Items))
		}
	}
}

func TestEveryScoreOfAProvisionalInstrumentIsUnconfirmed(t *testing.T) {
	var provisional []string
	for _, def := range registry(t).All() {
		if def.Status != "provisional" {
			continue
		}
		provisional = append(provisional, def.ID)
		form := make([]*float64, len(def.Items))
		for i := range form {
			low, _ := def.Items[i].Answers().Bounds()
			form[i] = new(low)
		}
		for _, r := range sheetOf(t, def, form).Scores {
			if !r.Unconfirmed {
				t.Errorf("%s %s does not say so", def.ID, r.Key.Code)
			}
		}
	}
	if diff := cmp.Diff([]string{"pseq-2", "start-msk", "wai-s", "wai-srt"}, provisional); diff != "" {
		t.Error(diff)
	}
}

func TestAScoreSpeaksForOnePartAndNoTwoOfAnInstrumentForTheSame(t *testing.T) {
	got := map[string][]string{}
	for _, def := range registry(t).All() {
		for i := range def.Scores {
			if s := &def.Scores[i]; s.Part() != "" {
				got[def.ID] = append(got[def.ID], s.Code+" "+s.Part())
			}
		}
	}
	for id, want := range map[string][]string{
		"phq-8":    {"total depression"},
		"gad-2":    {"total anxiety"},
		"phq-4":    {"anxiety anxiety", "depression depression", "total general"},
		"dass-21":  {"depression depression", "anxiety anxiety", "stress general"},
		"k10":      {"total general"},
		"k6":       {"total general"},
		"tsk-17":   {"total fear-of-movement"},
		"pseq-2":   {"total low-self-efficacy"},
		"isi":      {"total sleep"},
		"fabq":     nil,
		"ompsq-sf": nil, "start-back": nil, "start-msk": nil, "pc-ptsd-5": nil, "care": nil, "siras": nil, "wai-s": nil, "wai-srt": nil,
	} {
		if diff := cmp.Diff(want, got[id]); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

func TestEveryLadderRisesWithTheScore(t *testing.T) {
	ladder := []string{"none", "mild", "moderate", "severe"}
	rises := func(id string, s *instrument.Score, codes []string, levels map[string]string) {
		last := -1
		if s.HigherBetter() {
			codes = slices.Clone(codes)
			slices.Reverse(codes)
		}
		for _, code := range codes {
			rung := slices.Index(ladder, levels[code])
			if rung < last {
				t.Errorf("%s %s: %s is lower on the ladder than the band before it", id, s.Code, code)
			}
			last = rung
		}
	}
	for _, def := range registry(t).All() {
		for i := range def.Scores {
			s := &def.Scores[i]
			if s.Distress == nil {
				continue
			}
			rises(def.ID, s, s.Bands.Codes(), s.Distress.Levels)
			for k := range s.Alternatives {
				rises(def.ID, s, s.Alternatives[k].Codes(), s.Alternatives[k].Levels)
			}
		}
	}
}
