package distress

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// phq9 tells totals at days from the baseline on.
func phq9(days []int, totals ...float64) Part {
	var track trend.Track
	for n, total := range totals {
		track = track.Follow(time.Date(2026, 1, 5+days[n], 9, 0, 0, 0, time.UTC), fact.Score{
			Code: "total", Value: &total, Part: Depression, Level: LevelModerate, Reliable: new(5.186),
		})
	}
	p := New()
	p.Add("phq-9", track)
	part, _ := p.Part(Depression)
	return part
}

func TestResponseAndRemission(t *testing.T) {
	cases := []struct {
		name         string
		part         Part
		want         Outcome
		unresponsive bool
	}{
		{"the baseline alone", phq9([]int{0}, 18), "", false},
		{"half of it", phq9([]int{0, 28}, 18, 9), Response, false},
		{"nearly half", phq9([]int{0, 28}, 18, 10), "", false},
		{"below five", phq9([]int{0, 28}, 18, 4), Remission, false},
		{"below five is remission though it is no half", phq9([]int{0, 28}, 10, 4), Remission, false},
		{"nothing to respond from", phq9([]int{0, 70}, 9, 9), "", false},
		{"no response after eight weeks", phq9([]int{0, 28, 56}, 18, 16, 12), "", true},
		{"nor before", phq9([]int{0, 28, 55}, 18, 16, 12), "", false},
		{"a relapse", phq9([]int{0, 28, 70}, 18, 4, 17), "", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.part.Outcome(); got != c.want || c.part.Unresponsive() != c.unresponsive {
				t.Errorf("%q, unresponsive %v", got, c.part.Unresponsive())
			}
		})
	}
}

func TestPartsAge(t *testing.T) {
	part := phq9([]int{0}, 12)
	now := part.Measured().AddDate(0, 0, StaleDays)
	if part.Age(now) != StaleDays || part.Stale(now) || !part.Stale(now.AddDate(0, 0, 1)) {
		t.Errorf("age %d", part.Age(now))
	}
	if missing := (Part{Level: LevelMissing}); missing.Age(now) != 0 || missing.Stale(now) {
		t.Error("what was never measured has no age")
	}
}

func TestWorseThanTheBaseline(t *testing.T) {
	if phq9([]int{0, 14}, 8, 13).Worsened() || !phq9([]int{0, 14}, 8, 14).Worsened() || phq9([]int{0, 14}, 14, 8).Worsened() {
		t.Error("worse is beyond measurement error only")
	}
}
