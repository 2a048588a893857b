package score_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/score"
)

// answers makes a form of ordinals; -1 leaves an item unanswered.
func answers(ordinals ...float64) []*float64 {
	form := make([]*float64, len(ordinals))
	for i, x := range ordinals {
		if x >= 0 {
			form[i] = new(x)
		}
	}
	return form
}

// adding makes a form of items that add up to a sum, each as low as it can be before the next one rises; the blank ones
// are left out.
func adding(def *instrument.Definition, items []int, sum float64, blank ...int) []*float64 {
	form := make([]*float64, len(def.Items))
	for _, number := range items {
		if slices.Contains(blank, number) {
			continue
		}
		low, _ := def.Items[number-1].Answers().Bounds()
		form[number-1], sum = new(low), sum-low
	}
	for _, number := range items {
		if form[number-1] == nil {
			continue
		}
		low, high := def.Items[number-1].Answers().Bounds()
		more := min(sum, high-low)
		*form[number-1] += more
		sum -= more
	}
	return form
}

// wantScore checks a score as the vectors do; a reason in place of a band says that there is none.
func wantScore(t *testing.T, sheet score.Sheet, code string, value float64, band string) {
	t.Helper()
	r := sheet.Result(code)
	if math.Abs(r.Value-value) > 0.0005 || r.Band+r.NotScorable != band {
		t.Errorf("%s %s is %v %q%s, not %v %q", sheet.Definition.ID, code, r.Value, r.Band, r.NotScorable, value, band)
	}
}

// symptom and function are the bands of a T-score as the fact sheet words them.
func symptom(t float64) string {
	switch {
	case t < 55:
		return "normal"
	case t < 60:
		return "mild"
	case t < 70:
		return "moderate"
	default:
		return "severe"
	}
}

func function(t float64) string {
	switch {
	case t > 45:
		return "normal"
	case t >= 40:
		return "mild"
	case t >= 30:
		return "moderate"
	default:
		return "severe"
	}
}

func TestEveryRowOfAPROMISTableGivesItsTWithErrorAndBand(t *testing.T) {
	rows := 0
	for _, def := range registry(t).All() {
		if !strings.HasPrefix(def.ID, "promis-") {
			continue
		}
		for i := range def.Scores {
			key := &def.Scores[i]
			if key.Table == nil {
				continue
			}
			word := symptom
			if key.HigherBetter() {
				word = function
			}
			for _, row := range key.Table.Rows {
				rows++
				sheet := sheetOf(t, def, adding(def, def.Score(key.Of[0]).Items, row[0]))
				wantScore(t, sheet, key.Of[0], row[0], "")
				wantScore(t, sheet, key.Code, row[1], word(row[1]))
				r := sheet.Result(key.Code)
				if se := r.SE(); se == nil || *se != row[2] {
					t.Errorf("%s %s at raw %v has the standard error %v", def.ID, key.Code, row[0], se)
				}
				if !r.Unconfirmed {
					t.Errorf("the bands of %s are unconfirmed, and nothing says so", key.Code)
				}
			}
		}
	}
	if want := 14*17 + 33; rows != want {
		t.Errorf("%d rows, not %d", rows, want)
	}
}

// Rows of each table as printed, at both ends and in the middle.
func TestConversionTablesAgreeWithTheirSource(t *testing.T) {
	type row struct{ raw, value, se float64 }
	for id, rows := range map[string][]row{
		"promis-anxiety-4a":           {{4, 40.3, 6.1}, {5, 48.0, 3.6}, {12, 63.4, 2.6}, {19, 77.9, 2.9}, {20, 81.6, 3.7}},
		"promis-depression-4a":        {{4, 41.0, 6.2}, {5, 49.0, 3.2}, {12, 62.2, 2.3}, {19, 75.7, 2.6}, {20, 79.4, 2.6}},
		"promis-fatigue-4a":           {{4, 33.7, 4.9}, {5, 39.7, 3.1}, {12, 57.0, 2.3}, {19, 71.6, 2.7}, {20, 75.8, 3.9}},
		"promis-sleep-disturbance-4a": {{4, 32.0, 5.2}, {5, 37.5, 4.0}, {12, 54.3, 3.4}, {19, 68.8, 3.7}, {20, 73.3, 4.6}},
		"promis-social-roles-4a":      {{4, 27.5, 4.1}, {5, 31.8, 2.5}, {12, 44.2, 2.3}, {19, 58.3, 2.7}, {20, 64.2, 5.1}},
		"promis-pain-interference-4a": {{4, 41.6, 6.1}, {5, 49.6, 2.5}, {12, 61.2, 1.8}, {19, 71.6, 2.1}, {20, 75.6, 3.7}},
		"promis-physical-function-4a": {{4, 22.5, 4.0}, {5, 26.6, 2.8}, {12, 36.7, 2.3}, {19, 48.3, 3.3}, {20, 57.0, 6.6}},
		"promis-depression-8a":        {{8, 38.2, 5.7}, {9, 44.7, 3.3}, {24, 62.1, 1.8}, {39, 78.2, 2.4}, {40, 81.3, 3.4}},
		"koos-jr":                     {{0, 100, 0}, {10, 61.583, 0}, {15, 50.012, 0}, {20, 36.931, 0}, {27, 8.291, 0}, {28, 0, 0}},
		"hoos-jr":                     {{0, 100, 0}, {10, 58.930, 0}, {11, 55.985, 0}, {20, 25.103, 0}, {23, 8.104, 0}, {24, 0, 0}},
	} {
		def := lookup(t, registry(t), id)
		key := &def.Scores[1]
		for _, want := range rows {
			got := sheetOf(t, def, adding(def, def.Scores[0].Items, want.raw)).Result(key.Code)
			se := 0.0
			if got.SE() != nil {
				se = *got.SE()
			}
			if diff := cmp.Diff(want, row{got.Row[0], got.Value, se}, cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("%s %s", id, diff)
			}
		}
	}
}

func TestThePROMIS29UsesTheTablesOfTheShortForms(t *testing.T) {
	r := registry(t)
	whole := lookup(t, r, "promis-29")
	for _, domain := range []string{
		"physical-function", "anxiety", "depression", "fatigue", "sleep-disturbance", "social-roles", "pain-interference",
	} {
		short := lookup(t, r, "promis-"+domain+"-4a")
		if diff := cmp.Diff(short.Score("t-score").Table, whole.Score(domain+"-t-score").Table); diff != "" {
			t.Error(domain, diff)
		}
		for i, number := range whole.Score(domain + "-raw").Items {
			if got := whole.Item(number); got.Concept != short.Items[i].Concept || got.Reverse != nil {
				t.Errorf("%s: item %d is %s", domain, number, got.Concept)
			}
		}
	}
}

func TestDisabilityIndicesAtTheEdgesOfTheirBands(t *testing.T) {
	r := registry(t)
	odi, ndi := lookup(t, r, "odi"), lookup(t, r, "ndi")
	for _, c := range []struct {
		sum     float64
		blank   []int
		percent float64
		odi     string
		total   float64
		ndi     string
	}{
		{0, nil, 0, "minimal", 0, "none"},
		{4, nil, 8, "minimal", 4, "none"},
		{5, nil, 10, "minimal", 5, "mild"},
		{10, nil, 20, "minimal", 10, "mild"},
		{11, nil, 22, "moderate", 11, "mild"},
		{14, nil, 28, "moderate", 14, "mild"},
		{15, nil, 30, "moderate", 15, "moderate"},
		{20, nil, 40, "moderate", 20, "moderate"},
		{21, nil, 42, "severe", 21, "moderate"},
		{24, nil, 48, "severe", 24, "moderate"},
		{25, nil, 50, "severe", 25, "severe"},
		{30, nil, 60, "severe", 30, "severe"},
		{31, nil, 62, "very-severe", 31, "severe"},
		{34, nil, 68, "very-severe", 34, "severe"},
		{35, nil, 70, "very-severe", 35, "complete"},
		{40, nil, 80, "very-severe", 40, "complete"},
		{41, nil, 82, "extreme", 41, "complete"},
		{50, nil, 100, "extreme", 50, "complete"},
		{4, []int{8}, 8.889, "minimal", 4.444, "none"},
		{5, []int{1}, 11.111, "minimal", 5.556, "mild"},
		{9, []int{8}, 20, "minimal", 10, "mild"},
		{13, []int{10}, 28.889, "moderate", 14.444, "mild"},
		{14, []int{8}, 31.111, "moderate", 15.556, "moderate"},
		{22, []int{8}, 48.889, "severe", 24.444, "moderate"},
		{23, []int{8}, 51.111, "severe", 25.556, "severe"},
		{31, []int{8}, 68.889, "very-severe", 34.444, "severe"},
		{32, []int{8}, 71.111, "very-severe", 35.556, "complete"},
		{45, []int{8}, 100, "extreme", 50, "complete"},
	} {
		back := sheetOf(t, odi, adding(odi, odi.Scores[0].Items, c.sum, c.blank...))
		wantScore(t, back, "percent", c.percent, c.odi)
		neck := sheetOf(t, ndi, adding(ndi, ndi.Scores[0].Items, c.sum, c.blank...))
		wantScore(t, neck, "total", c.total, c.ndi)
		wantScore(t, neck, "percent", c.percent, c.ndi)
		if prorated := len(c.blank) > 0; back.Scores[0].Prorated != prorated || neck.Scores[1].Prorated != prorated {
			t.Errorf("%v of %d answered: prorated must be %v", c.sum, 10-len(c.blank), prorated)
		}
	}
	for _, def := range []*instrument.Definition{odi, ndi} {
		wantScore(t, sheetOf(t, def, adding(def, odi.Scores[0].Items, 20, 8, 9)), "percent", 0, score.MissingItems)
	}
}

func TestTheModulesOfTheQuickDASHStandAlone(t *testing.T) {
	def := lookup(t, registry(t), "quickdash")
	whole := def.Scores[0].Items
	for _, c := range []struct {
		form  []*float64
		total float64
		band  string
	}{
		{adding(def, whole, 11), 0, ""},
		{adding(def, whole, 55), 100, ""},
		{adding(def, whole, 12), 2.273, ""},
		{adding(def, whole, 25, 3), 37.5, ""},
		{adding(def, whole, 25, 3, 4), 0, score.MissingItems},
	} {
		sheet := sheetOf(t, def, c.form)
		wantScore(t, sheet, "total", c.total, c.band)
		wantScore(t, sheet, "work", 0, score.MissingItems)
	}
	sheet := sheetOf(t, def, append(make([]*float64, 11), answers(2, 3, 4, 5, 1, 1, -1, 1)...))
	wantScore(t, sheet, "total", 0, score.MissingItems)
	wantScore(t, sheet, "work", 62.5, "")
	wantScore(t, sheet, "sport", 0, score.MissingItems)
	withoutModules := answers(1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1)
	wantScore(t, sheetOf(t, def, withoutModules), "total", 45.455, "")
}

func TestMissingRulesOfTheOtherScales(t *testing.T) {
	r := registry(t)
	void := score.MissingItems
	statements := func(marked, denied int) []*float64 {
		form := make([]*float64, 24)
		for i := range marked + denied {
			form[i] = new(0.0)
			if i < marked {
				*form[i] = 1
			}
		}
		return form
	}
	for _, c := range []struct {
		id, code string
		form     []*float64
		value    float64
		band     string
	}{
		{"psfs", "mean", answers(0, 0, 0), 0, ""},
		{"psfs", "mean", answers(2, 5, -1, -1, 9), 5.333, ""},
		{"psfs", "mean", answers(10, 10, 10, 10, 9), 9.8, ""},
		{"psfs", "mean", answers(10, 10, -1, -1), 0, void},
		{"psfs", "mean", answers(-1, -1, -1, -1, -1), 0, void},
		{"rmdq", "total", statements(0, 24), 0, ""},
		{"rmdq", "total", statements(0, 1), 0, ""},
		{"rmdq", "total", statements(1, 0), 1, ""},
		{"rmdq", "total", statements(24, 0), 24, ""},
		{"rmdq", "total", statements(0, 0), 0, void},
		{"nprs", "current", answers(-1, 3, 9), 0, void},
		{"nprs", "mean-24h", answers(10, 10, 9), 9.667, ""},
		{"nprs", "mean-24h", answers(5, -1, 9), 0, void},
		{"peg", "mean", answers(10, 10, 10), 10, ""},
		{"peg", "mean", answers(0, 1, 1), 0.667, ""},
		{"peg", "mean", answers(-1, -1, -1), 0, void},
		{"lefs", "percent", answers(4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 0, 0, 0, 0, 0, 0, 0), 62.5, ""},
		{"lefs", "percent", answers(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1.25, ""},
		{"koos-jr", "interval", answers(0, 0, 0, 0, 0, 0, -1), 0, void},
		{"hoos-jr", "interval", answers(-1, -1, -1, -1, -1, -1), 0, void},
		{"promis-29", "pain-intensity", append(make([]*float64, 28), new(0.0)), 0, ""},
	} {
		sheet := sheetOf(t, lookup(t, r, c.id), c.form)
		wantScore(t, sheet, c.code, c.value, c.band)
		if sheet.Result(c.code).Prorated {
			t.Errorf("%s %s is not prorated", c.id, c.code)
		}
	}
	if !sheetOf(t, lookup(t, r, "rmdq"), statements(9, 0)).Result("total").Unconfirmed {
		t.Error("that a blank is a no is unconfirmed")
	}
}

func TestRatingsOfChangeAtEveryValue(t *testing.T) {
	r := registry(t)
	pgic, groc := lookup(t, r, "pgic"), lookup(t, r, "groc")
	for x := 1.0; x <= 7; x++ {
		want := "not-improved"
		if x <= 2 {
			want = "improved"
		}
		wantScore(t, sheetOf(t, pgic, []*float64{new(x)}), "rating", x, want)
	}
	for x := -7.0; x <= 7; x++ {
		want := "unchanged"
		switch {
		case x <= -3:
			want = "worse"
		case x >= 3:
			want = "better"
		}
		wantScore(t, sheetOf(t, groc, []*float64{new(x)}), "rating", x, want)
	}
}
