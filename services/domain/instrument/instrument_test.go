package instrument_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

func builtin(t testing.TB) *instrument.Registry {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryBuiltInPackLoads(t *testing.T) {
	var ids []string
	for _, d := range builtin(t).All() {
		ids = append(ids, d.ID)
	}
	want := []string{
		"care", "dass-21", "ears", "fabq", "gad-2", "gad-7", "groc", "hoos-jr", "isi", "k10", "k6", "koos-jr",
		"lefs", "ndi", "nprs", "odi", "ompsq-sf", "pc-ptsd-5", "pcs", "peg", "pgic", "phq-2", "phq-4", "phq-8",
		"phq-9", "promis-29", "promis-anxiety-4a", "promis-depression-4a", "promis-depression-8a",
		"promis-fatigue-4a", "promis-pain-interference-4a", "promis-physical-function-4a",
		"promis-sleep-disturbance-4a", "promis-social-roles-4a", "pseq", "pseq-2", "psfs", "quickdash", "rmdq",
		"siras", "srs", "start-back", "start-msk", "tsk-11", "tsk-17", "wai-s", "wai-sr", "wai-srt",
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
}

func TestLookupByAnyNameButNeverByTheNearest(t *testing.T) {
	r := builtin(t)
	own := instrument.Base + "/Questionnaire/phq-9"
	for name, want := range map[string]string{
		"phq-9": "phq-9", "phq-9|1.0.0": "phq-9", own: "phq-9", own + "|1.0.0": "phq-9", "Questionnaire/phq-9": "phq-9",
		"http://loinc.org/q/44249-1":                              "phq-9",
		"http://hl7.org/fhir/us/core/Questionnaire/phq-9-example": "phq-9",
		"http://loinc.org/q/69737-5":                              "gad-7",
		"https://www.medizininformatik-initiative.de/fhir/ext/modul-pro/Questionnaire/mii-qst-pro-phq-9": "phq-9",
		"wai-sr": "wai-sr",
	} {
		if d, err := r.Lookup(name); err != nil || d.ID != want {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
	for _, name := range []string{
		"", "PHQ-9", "phq-9|", "phq-9|1.0", "phq-9|1.0.1", own + "|2.0.0", "http://loinc.org/q/44249-1|1.0.0",
		"http://loinc.org/q/44249-1|2.82", "Questionnaire/eU7x", "Questionnaire/phq-9|1.0.0", "phq-15", own + "#1",
	} {
		if d, err := r.Lookup(name); fault.Of(err) != fault.NotFound || err == nil || d != nil {
			t.Errorf("%q found %v, %v", name, d, err)
		}
	}
}

func TestPreScoredObservationsAreKnownByTheirCode(t *testing.T) {
	r := builtin(t)
	for code, want := range map[string][2]string{
		"http://loinc.org|44261-6":                 {"phq-9", "total"},
		"http://loinc.org|44249-1":                 {"phq-9", "total"},
		"http://snomed.info/sct|720433000":         {"phq-9", "total"},
		"http://loinc.org|55758-7":                 {"phq-2", "total"},
		"http://loinc.org|70274-6":                 {"gad-7", "total"},
		instrument.ScoreSystem + "|wai-sr-bond":    {"wai-sr", "bond"},
		instrument.ScoreSystem + "|phq-9-total":    {"phq-9", "total"},
		instrument.ScoreSystem + "|tsk-11-total":   {"tsk-11", "total"},
		instrument.ScoreSystem + "|pcs-rumination": {"pcs", "rumination"},
	} {
		d, score, ok := r.ByScoreCode(code)
		if !ok || d.ID != want[0] || score != want[1] {
			t.Errorf("%s: %v %s %v", code, d, score, ok)
		}
	}
	for _, code := range []string{"", "44261-6", "http://loinc.org|70273-8", "http://loinc.org|73831-0", "http://loinc.org|44260-8"} {
		if d, _, ok := r.ByScoreCode(code); ok {
			t.Errorf("%s is %s", code, d.ID)
		}
	}
}

// The error bands as the fact sheet prints them, to three decimals.
func TestChangeStatisticsFollowFromTheirBasis(t *testing.T) {
	r := builtin(t)
	for _, c := range []struct {
		id, score           string
		reliable, important float64
	}{
		{"wai-sr", "total-mean", 0.550, 0},
		{"wai-sr", "total", 6.600, 0},
		{"srs", "total", 7.484, 0},
		{"phq-9", "total", 5.186, 5},
		{"gad-7", "total", 6, 4},
		{"pcs", "total", 12.751, 8},
		{"tsk-11", "total", 7.040, 4},
		{"pseq", "total", 11.52, 5.5},
		{"ears", "total", 0, 5.5},
		{"phq-2", "total", 0, 0},
		{"pcs", "rumination", 0, 0},
		{"wai-sr", "bond", 0, 0},
		{"tsk-17", "total", 8.759, 4},
		{"fabq", "physical-activity", 3.69, 4},
		{"fabq", "work", 5.95, 7},
		{"pseq-2", "total", 0, 1.5},
		{"isi", "total", 0, 6},
		{"nprs", "current", 0, 2},
		{"nprs", "mean-24h", 0, 0},
		{"peg", "mean", 0, 1},
		{"odi", "percent", 13.148, 10},
		{"ndi", "total", 10.2, 7.5},
		{"ndi", "percent", 0, 0},
		{"quickdash", "total", 12.85, 15.91},
		{"quickdash", "work", 0, 0},
		{"lefs", "total", 9, 9},
		{"lefs", "percent", 0, 0},
		{"psfs", "mean", 2, 2},
		{"rmdq", "total", 5, 5},
		{"koos-jr", "interval", 0, 15.1},
		{"koos-jr", "raw", 0, 0},
		{"hoos-jr", "interval", 0, 18},
		{"pgic", "rating", 0, 0},
		{"groc", "rating", 0, 0},
	} {
		d, err := r.Lookup(c.id)
		if err != nil {
			t.Fatal(err)
		}
		s := d.Score(c.score)
		same := func(name string, got *float64, want float64) {
			if (got == nil) != (want == 0) || got != nil && math.Abs(*got-want) > 0.0006 {
				t.Errorf("%s %s %s: %v, not %v", c.id, c.score, name, got, want)
			}
		}
		same("reliable", s.ReliableChange(), c.reliable)
		same("important", s.ImportantChange(), c.important)
	}
}

func TestNoChangeStatisticIsInvented(t *testing.T) {
	for _, d := range builtin(t).All() {
		switch d.ID {
		case "care", "phq-8", "phq-4", "k6", "k10", "dass-21", "siras", "ompsq-sf", "start-back", "start-msk", "wai-s", "wai-srt",
			"phq-2", "gad-2", "pc-ptsd-5":
			for i := range d.Scores {
				if d.Scores[i].Change != nil {
					t.Errorf("%s %s has a change statistic, and none was found", d.ID, d.Scores[i].Code)
				}
			}
		}
	}
}

func TestTheCutoffDividesPatientsFromHealthyPeople(t *testing.T) {
	d, err := builtin(t).Lookup("phq-9")
	if err != nil {
		t.Fatal(err)
	}
	cutoff := d.Score("total").Change.Cutoff
	if at := cutoff.At(); math.Abs(at-8.60) > 0.005 || cutoff.Evidence.Confirmed() {
		t.Errorf("c is %v (%s), not 8.60 (unconfirmed)", at, cutoff.Evidence)
	}
}

// What a clinic may choose instead: the bands at their edges, and their rung on the ladder.
func TestAlternativeBandsOfTheCatalogue(t *testing.T) {
	r := builtin(t)
	for _, c := range []struct {
		id, set     string
		value       float64
		band, level string
	}{
		{"k10", "likely-disorder", 10, "likely-well", "none"},
		{"k10", "likely-disorder", 19, "likely-well", "none"},
		{"k10", "likely-disorder", 20, "mild", "mild"},
		{"k10", "likely-disorder", 24, "mild", "mild"},
		{"k10", "likely-disorder", 25, "moderate", "moderate"},
		{"k10", "likely-disorder", 29, "moderate", "moderate"},
		{"k10", "likely-disorder", 30, "severe", "severe"},
		{"k10", "likely-disorder", 50, "severe", "severe"},
		{"pc-ptsd-5", "cut-4", 3, "negative", ""},
		{"pc-ptsd-5", "cut-4", 4, "positive", ""},
	} {
		d, err := r.Lookup(c.id)
		if err != nil {
			t.Fatal(err)
		}
		chosen := *d.Score("total")
		if !chosen.Choose(c.set) {
			t.Fatalf("%s has no %s", c.id, c.set)
		}
		if band := chosen.Band(c.value, nil); band != c.band || chosen.Level(band) != c.level {
			t.Errorf("%s %s %v is %s %s, not %s %s", c.id, c.set, c.value, band, chosen.Level(band), c.band, c.level)
		}
	}
}

// The facts that the fact sheet marks unconfirmed, beside the cadence, which is usual practice everywhere.
func TestWhatNobodyConfirmedIsMarked(t *testing.T) {
	r := builtin(t)
	for id, want := range map[string][]string{
		"wai-srt": {
			"scales.how-often", "itemEvidence", "scores[0]", "scores[1]", "scores[2]", "scores[3]", "scores[4]", "scores[5]",
		},
		"wai-s":      nil,
		"care":       {"licence"},
		"phq-8":      {"scores[0].missing", "notes[2]"},
		"phq-9":      {"scores[0].change.reliable", "scores[0].change.cutoff"},
		"gad-2":      nil,
		"phq-4":      nil,
		"k10":        {"licence", "notes[3]"},
		"k6":         nil,
		"tsk-17":     nil,
		"fabq":       {"scores[0].bands"},
		"pseq-2":     {"itemEvidence", "scores[0].bands"},
		"ompsq-sf":   {"itemEvidence"},
		"start-back": nil,
		"start-msk":  {"scales.yes-no", "scales.zero-to-ten", "itemEvidence", "scores[0]", "scores[0].bands"},
		"pc-ptsd-5":  nil,
		"isi":        nil,
		"dass-21":    {"licence", "scores[0].missing", "scores[1].missing", "scores[2].missing"},
		"siras":      nil,
	} {
		d, err := r.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, doubt := range d.Doubts {
			if doubt.Fact != "cadence" {
				got = append(got, doubt.Fact)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-sheet +pack):\n%s", id, diff)
		}
	}
}

func TestDoubtsAreNamed(t *testing.T) {
	d, err := builtin(t).Lookup("gad-7")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(d.Doubts, instrument.Doubt{Fact: "scores[0].missing", Evidence: "unconfirmed: 5 of 7"}) {
		t.Error(d.Doubts)
	}
}

func TestOnlyWordingThatMayShipIsShipped(t *testing.T) {
	for _, d := range builtin(t).All() {
		for name, scale := range d.Scales {
			for _, o := range scale.Options {
				if o.Display != "" && !d.Licence.Wording {
					t.Errorf("%s %s ships the display of an option", d.ID, name)
				}
			}
		}
	}
}

func TestBandsMeetAtTheirEdges(t *testing.T) {
	r := builtin(t)
	for _, c := range []struct {
		id    string
		value float64
		band  string
	}{
		{"srs", 36, "discuss"},
		{"srs", 36.1, "ok"},
		{"srs", 36.04, "discuss"},
		{"srs", 40, "ok"},
		{"srs", 0, "discuss"},
		{"phq-9", 9, "mild"},
		{"phq-9", 9.5, "moderate"},
		{"phq-9", 27, "severe"},
		{"pcs", 29, "low"},
		{"pcs", 30, "high"},
		{"tsk-11", 11, "minimal"},
		{"pseq", 30, "moderate"},
		{"wai-sr", 48, ""},
		{"ears", 17, ""},
	} {
		d, err := r.Lookup(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Score("total").Band(c.value, nil); got != c.band {
			t.Errorf("%s %v is %q, not %q", c.id, c.value, got, c.band)
		}
	}
}

func TestStrictIsAnotherVersion(t *testing.T) {
	d, err := builtin(t).Lookup("phq-9")
	if err != nil {
		t.Fatal(err)
	}
	strict := d.Strict()
	if strict.Version != "1.0.0+strict" || strict.Hash == d.Hash || strict.Score("total").Required() != 9 {
		t.Errorf("%s %s requires %d", strict.Version, strict.Hash, strict.Score("total").Required())
	}
	if d.Score("total").Required() != 7 {
		t.Error("the original changed")
	}
}

// The whole catalogue is to load in 50 ms on one core (-cpu 1).
func BenchmarkLoadTheCatalogue(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		builtin(b)
	}
}
