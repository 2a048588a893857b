package engagement

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/adherence"
)

var begun = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func rhythm(days ...int) (r Rhythm) {
	for _, d := range days {
		r = r.Hear(adherence.Date(d))
	}
	return r
}

func day(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }

func TestSilenceIsMeasuredByThePersonsOwnRhythm(t *testing.T) {
	cases := []struct {
		name    string
		rhythm  Rhythm
		silence time.Duration
		quiet   time.Duration
	}{
		{"nothing known", nil, day(14), 0},
		{"too early to tell", rhythm(0, 1, 2, 3), day(14), 0},
		{"heard of daily", rhythm(0, 1, 2, 3, 4, 5), day(14), day(5)},
		{"every third day", rhythm(0, 3, 6, 9, 12), day(14), day(9)},
		{"weekly: silence comes before quiet", rhythm(0, 7, 14, 21, 28), day(14), 0},
		{"every fortnight", rhythm(0, 14, 28, 42, 56), day(28), 0},
		{"twice a year", rhythm(0, 180, 360, 540, 720), day(60), 0},
		{"one long gap does not make a rhythm", rhythm(0, 1, 2, 30, 31, 32, 33), day(14), day(5)},
		{"twice a day is a day", rhythm(0, 0, 1, 1, 2, 2), day(14), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			quiet, _ := c.rhythm.Quiet()
			if got := c.rhythm.Silence(); got != c.silence || quiet != c.quiet {
				t.Errorf("silence %v, quiet %v", got, quiet)
			}
		})
	}
}

func TestARhythmStaysSmallAndIsNeverChangedInPlace(t *testing.T) {
	var r Rhythm
	for d := range 100 {
		before := append(Rhythm(nil), r...)
		next := r.Hear(adherence.Date(d))
		if !cmp.Equal(before, append(Rhythm(nil), r...)) || len(next) > maxContacts || next[len(next)-1] != adherence.Date(d) {
			t.Fatalf("%v to %v", r, next)
		}
		r = next
	}
}

func TestCheckInsAreOverdueAtIntakeAndMilestones(t *testing.T) {
	at := func(d int) time.Time { return begun.AddDate(0, 0, d) }
	never := time.Time{}
	cases := []struct {
		name          string
		rested        time.Duration
		answered, now time.Time
		want          string
	}{
		{"before intake is due", 0, never, at(13), ""},
		{"nothing at intake", 0, never, at(14), "intake"},
		{"answered at intake", 0, at(2), at(30), ""},
		{"answered late", 0, at(20), at(21), ""},
		{"week 6 opens: intake is past", 0, never, at(28), ""},
		{"nothing at week 6", 0, at(2), at(49), "week-6"},
		{"answered for week 6", 0, at(28), at(60), ""},
		{"nothing at week 12", 0, at(40), at(98), "week-12"},
		{"a pause of four weeks moves it", day(28), at(2), at(49), ""},
		{"and then it comes", day(28), at(2), at(77), "week-6"},
	}
	plan := PlanOf(nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _, overdue := plan.Overdue(begun, c.rested, c.answered, c.now)
			if overdue != (c.want != "") || overdue && got.Code != c.want {
				t.Errorf("%v overdue: %v", got, overdue)
			}
		})
	}
	if got := PlanOf([]string{"x|y", "http://terminology.hl7.org/CodeSystem/episodeofcare-type|cacp"}).Checks[1].Code; got != "month-3" {
		t.Errorf("a course over years is looked at in %s", got)
	}
}

func TestNothingChangesBeforeTheNextMomentOfThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := plans[rapid.IntRange(0, len(plans)-1).Draw(t, "plan")]
		rested := day(float64(rapid.IntRange(0, 40).Draw(t, "rested")))
		var answered time.Time
		if rapid.Bool().Draw(t, "answered") {
			answered = begun.AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "day"))
		}
		now := begun.AddDate(0, 0, rapid.IntRange(0, 420).Draw(t, "now"))
		next := plan.Next(begun, rested, answered, now)
		_, _, is := plan.Overdue(begun, rested, answered, now)
		for d := 1; d < 500; d++ {
			later := now.AddDate(0, 0, d)
			_, _, will := plan.Overdue(begun, rested, answered, later)
			if !next.IsZero() && !later.Before(next) {
				if at := next; !at.After(now) {
					t.Fatalf("the next moment %v is not ahead of %v", next, now)
				}
				return
			}
			if will != is {
				t.Fatalf("overdue becomes %v at %v, before %v", will, later, next)
			}
		}
	})
}

func TestSignals(t *testing.T) {
	cases := []struct {
		name   string
		signs  Signs
		codes  string
		points int
	}{
		{"all well", Signs{Completion: new(90.0), Gaps: []float64{7, 7, 7, 7}, Booked: true, Books: true}, "", 0},
		{"one missed visit", Signs{MissedInRow: 1}, "missed-one", 1},
		{"one missed visit and none booked", Signs{MissedInRow: 1, Books: true}, "missed-one not-booked", 3},
		{"where visits ahead are never told none is missed", Signs{MissedInRow: 1}, "missed-one", 1},
		{"two missed visits", Signs{MissedInRow: 2, Booked: true, Books: true}, "missed-two", 3},
		{"growing gaps", Signs{Gaps: []float64{7, 7, 9, 14}}, "gaps-growing", 2},
		{"one long gap", Signs{Gaps: []float64{7, 7, 7, 21}}, "", 0},
		{"gaps that hardly grow", Signs{Gaps: []float64{7, 7, 8, 9}}, "", 0},
		{"silent, not quiet as well", Signs{SilentDays: 14, QuietDays: 14}, "silent", 3},
		{"quieter than usual", Signs{QuietDays: 6}, "quiet", 2},
		{"half-filled forms", Signs{Halves: 2, Overdue: "week-6"}, "check-in-overdue half-filled", 2},
		{"one half-filled form", Signs{Halves: 1}, "", 0},
		{"a lapse and little done", Signs{Lapsed: true, Completion: new(20.0)}, "exercise-lapsed exercise-low", 3},
		{"a lapse is a quiet spell", Signs{Lapsed: true, QuietDays: 5}, "exercise-lapsed", 2},
		{"little done", Signs{Completion: new(50.0)}, "exercise-low", 1},
		{"a rupture and little trust", Signs{Ruptures: 1, LowSelfEfficacy: true}, "rupture low-self-efficacy", 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			signals, points := Weigh(c.signs)
			var codes []string
			for _, s := range signals {
				codes = append(codes, s.Code)
				if s.Source == "" || s.Text == "" || s.Points < 1 {
					t.Errorf("a signal without its working: %+v", s)
				}
			}
			if got := strings.Join(codes, " "); got != c.codes || points != c.points {
				t.Errorf("%q with %d points", got, points)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	for points, want := range map[int]string{0: "low", 2: "low", 3: "raised", 4: "raised", 5: "high", 12: "high"} {
		if got := Level(points); got != want {
			t.Errorf("%d points are %s", points, got)
		}
	}
}
