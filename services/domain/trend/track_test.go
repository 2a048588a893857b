package trend

import (
	"math"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

func TestAnEpisodeOfDepressionScores(t *testing.T) {
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	reliable, important := 5.186, 5.0
	follow := func(track Track, week int, value float64, band string) Track {
		return track.Follow(start.AddDate(0, 0, 7*week), fact.Score{Code: "total", Value: &value, Band: band, Max: 27, Reliable: &reliable, Important: &important})
	}
	track := follow(Track{}, 0, 12, "moderate")
	if _, ok := track.SinceFirst(); ok {
		t.Error("a baseline was compared with itself")
	}
	track = follow(track, 2, 17, "moderately-severe")
	if s, _ := track.SinceFirst(); s.Direction != Unchanged || *s.Reliable || !*s.Important || s.Worse() {
		t.Errorf("five points are important, not reliable: %+v", s)
	}
	track = follow(track, 4, 18, "moderately-severe")
	first, _ := track.SinceFirst()
	previous, _ := track.SincePrevious()
	if !first.Worse() || previous.Direction != Unchanged {
		t.Errorf("six points from baseline, one from the last: %+v, %+v", first, previous)
	}
	void := track.Follow(start, fact.Score{Code: "total", NotScorable: "missing-items"})
	if void != track {
		t.Error("a form that could not be scored moved the track")
	}
	for _, absurd := range []float64{math.NaN(), math.Inf(1), -1e300} {
		if track.Follow(start, fact.Score{Code: "total", Value: &absurd}) != track {
			t.Errorf("%v moved the track", absurd)
		}
	}
}
