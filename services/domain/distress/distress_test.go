package distress

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/trend"
)

func track(day int, part, level string, value float64) trend.Track {
	at := time.Date(2026, 1, 5+day, 9, 0, 0, 0, time.UTC)
	return trend.Track{}.Follow(at, fact.Score{Code: "total", Value: &value, Part: part, Level: level})
}

func levels(p Profile) map[string]string {
	got := map[string]string{}
	for _, part := range p {
		got[part.Name] = part.Level + " " + part.Instrument
	}
	return got
}

func TestWhatWasNotMeasuredIsShownAsMissing(t *testing.T) {
	p := New()
	p.Add("phq-9", track(0, Depression, LevelModerate, 12))
	p.Add("pcs", track(0, Catastrophizing, LevelSevere, 34))
	p.Add("ears", track(0, "", "", 20))
	p.Add("isi", track(0, Sleep, LevelMild, 9))
	p.Add("promis-29", track(0, "fatigue", LevelMild, 57))
	p.Add("gad-7", trend.Track{Part: Anxiety, Level: LevelSevere})
	want := map[string]string{
		Depression: "moderate phq-9", Anxiety: "missing ", Catastrophizing: "severe pcs",
		FearOfMovement: "missing ", LowSelfEfficacy: "missing ", Sleep: "mild isi", General: "missing ",
	}
	if diff := cmp.Diff(want, levels(p)); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
	if part, ok := p.Part(Anxiety); !ok || !part.Missing() || !part.Measured().IsZero() {
		t.Errorf("anxiety: %+v", part)
	}
	if _, ok := p.Part("mood"); ok {
		t.Error("a part that does not exist was found")
	}
}

// orders of three.
var orders = [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

func TestTheLastMeasurementOfAPartCountsInWhateverOrderTheyAreAdded(t *testing.T) {
	old, recent, older := track(0, Depression, LevelSevere, 22), track(14, Depression, LevelMild, 7), track(13, Depression, LevelModerate, 11)
	for _, order := range orders {
		p := New()
		for _, i := range order {
			p.Add([]string{"dass-21", "phq-8", "phq-9"}[i], []trend.Track{old, recent, older}[i])
		}
		if part, _ := p.Part(Depression); part.Instrument != "phq-8" || part.Track.Last.Value != 7 {
			t.Errorf("order %v leads to %s", order, part.Instrument)
		}
	}
}

func TestOfOneMomentTheHigherRungCountsThenTheName(t *testing.T) {
	screen, whole, other := track(0, Depression, LevelModerate, 5), track(0, Depression, LevelSevere, 21), track(0, Depression, LevelSevere, 20)
	for _, order := range orders {
		p := New()
		for _, i := range order {
			p.Add([]string{"phq-2", "phq-9", "phq-8"}[i], []trend.Track{screen, whole, other}[i])
		}
		if part, _ := p.Part(Depression); part.Instrument != "phq-8" || part.Level != LevelSevere {
			t.Errorf("order %v leads to %s %s", order, part.Level, part.Instrument)
		}
	}
}
