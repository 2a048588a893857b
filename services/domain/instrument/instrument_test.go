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
		"care", "dass-21", "ears", "fabq", "gad-2", "gad-7", "isi", "k10", "k6", "ompsq-sf", "pc-ptsd-5", "pcs", "phq-2", "phq-4",
		"phq-8", "phq-9", "pseq", "pseq-2", "siras", "srs", "start-back", "start-msk", "tsk-11", "tsk-17", "wai-s", "wai-sr", "wai-srt",
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

func BenchmarkLoadTheCatalogue(b *testing.B) {
	for b.Loop() {
		builtin(b)
	}
}
