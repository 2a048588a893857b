package instrument_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// important are the smallest T-score differences that matter, by domain; 0 where none is known.
var important = map[string]float64{
	"anxiety": 3, "depression": 3, "pain-interference": 3, "physical-function": 2,
	"fatigue": 0, "sleep-disturbance": 0, "social-roles": 0,
}

// tScores calls visit for every T-score of the catalogue with its domain.
func tScores(t *testing.T, visit func(d *instrument.Definition, domain string, key *instrument.Score)) {
	found := 0
	for _, d := range builtin(t).All() {
		if !strings.HasPrefix(d.ID, "promis-") {
			continue
		}
		short := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(d.ID, "promis-"), "-4a"), "-8a")
		for i := range d.Scores {
			if key := &d.Scores[i]; key.Table != nil {
				found++
				if domain := strings.TrimSuffix(key.Code, "-t-score"); domain != "t-score" {
					short = domain
				}
				visit(d, short, key)
			}
		}
	}
	if found != 15 {
		t.Errorf("%d T-scores, not 15", found)
	}
}

func TestATScoreChangesByItsTwoStandardErrors(t *testing.T) {
	tScores(t, func(d *instrument.Definition, domain string, key *instrument.Score) {
		if !key.BySE() || key.ReliableChange() != nil {
			t.Errorf("%s %s: reliable by %v", d.ID, key.Code, key.Change.Reliable)
		}
		got := 0.0
		if points := key.ImportantChange(); points != nil {
			got = *points
		}
		if want, known := important[domain]; !known || got != want {
			t.Errorf("%s %s: important from %v, not %v", d.ID, key.Code, got, want)
		}
	})
}

func TestPROMISNeedsALegalReview(t *testing.T) {
	tScores(t, func(d *instrument.Definition, domain string, key *instrument.Score) {
		if d.Status != "licence-review" || d.Licence.Wording || !strings.Contains(d.Licence.Notice, "Legal review pending") {
			t.Errorf("%s: %s, %+v", d.ID, d.Status, d.Licence)
		}
		better := domain == "physical-function" || domain == "social-roles"
		if !key.Unconfirmed() || key.HigherBetter() != better {
			t.Errorf("%s %s: unconfirmed %v, higher is better %v", d.ID, key.Code, key.Unconfirmed(), key.HigherBetter())
		}
	})
}

func TestPROMISSpeaksForPartsOfTheDistressProfile(t *testing.T) {
	parts := map[string]string{"anxiety": "anxiety", "depression": "depression", "sleep-disturbance": "sleep"}
	tScores(t, func(d *instrument.Definition, domain string, key *instrument.Score) {
		if key.Part() != parts[domain] {
			t.Errorf("%s %s speaks for %q", d.ID, key.Code, key.Part())
		}
		for band, level := range map[string]string{"normal": "none", "mild": "mild", "moderate": "moderate", "severe": "severe"} {
			if key.Part() != "" && key.Level(band) != level {
				t.Errorf("%s %s: %s is %q", d.ID, key.Code, band, key.Level(band))
			}
		}
	})
}

func TestAReadyMadeTScoreMayLieBeyondTheTable(t *testing.T) {
	tScores(t, func(d *instrument.Definition, domain string, key *instrument.Score) {
		worst, best := "severe", "normal"
		low, high := best, worst
		if key.HigherBetter() {
			low, high = worst, best
		}
		for value, want := range map[float64]string{10: low, key.Min: low, key.Max: high, 90: high} {
			if got := key.Band(value, nil); !key.Takes(value) || got != want {
				t.Errorf("%s %s %v is %q, taken %v", d.ID, key.Code, value, got, key.Takes(value))
			}
		}
		if key.Takes(9.9) || key.Takes(90.1) {
			t.Errorf("%s %s takes what is no T-score", d.ID, key.Code)
		}
	})
	if raw, err := builtin(t).Lookup("promis-anxiety-4a"); err != nil || raw.Score("raw").Takes(21) || !raw.Score("raw").Takes(20) {
		t.Error("a raw score keeps its range", err)
	}
}

func TestBandsOfTScoresMeetBetweenTwoTenths(t *testing.T) {
	r := builtin(t)
	for _, c := range []struct {
		id    string
		value float64
		band  string
	}{
		{"promis-anxiety-4a", 54.9, "normal"},
		{"promis-anxiety-4a", 54.94, "normal"},
		{"promis-anxiety-4a", 55, "mild"},
		{"promis-anxiety-4a", 59.9, "mild"},
		{"promis-anxiety-4a", 60, "moderate"},
		{"promis-anxiety-4a", 69.9, "moderate"},
		{"promis-anxiety-4a", 70, "severe"},
		{"promis-physical-function-4a", 45.1, "normal"},
		{"promis-physical-function-4a", 45, "mild"},
		{"promis-physical-function-4a", 40, "mild"},
		{"promis-physical-function-4a", 39.9, "moderate"},
		{"promis-physical-function-4a", 30, "moderate"},
		{"promis-physical-function-4a", 29.9, "severe"},
	} {
		d, err := r.Lookup(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Score("t-score").Band(c.value, nil); got != c.band {
			t.Errorf("%s %v is %q, not %q", c.id, c.value, got, c.band)
		}
	}
}

func TestTheCanonicalsOfTheAccessGuideAreKnown(t *testing.T) {
	r := builtin(t)
	for name, want := range map[string]string{
		"OswestryDisabilityIndex": "odi", "NeckDisabilityIndex": "ndi", "QuickDASH": "quickdash", "KOOSJR": "koos-jr",
		"HOOSJR": "hoos-jr", "MSKPGIC": "pgic", "PROMISNRS": "promis-29",
	} {
		if d, err := r.Lookup("http://example.org/Questionnaire/" + name + "Questionnaire"); err != nil || d.ID != want {
			t.Errorf("%s: %v %v", name, d, err)
		}
	}
}
