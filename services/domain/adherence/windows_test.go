package adherence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fact"
)

func percent(t *testing.T, w Window, ok bool) float64 {
	t.Helper()
	p, counts := w.Completion()
	if !ok || !counts {
		t.Fatalf("no completion of %+v", w)
	}
	return p
}

func TestThreeWindowsCloseOnOneGrid(t *testing.T) {
	story := begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4, 5, 6).until(7)
	if w, ok := story.p.Last(WeekDays, story.now); percent(t, w, ok) != 100 {
		t.Errorf("the first week: %+v", w)
	}
	if _, ok := story.p.Last(WindowDays, story.now); ok {
		t.Error("two weeks have closed after one")
	}
	story.until(28)
	for days, want := range map[int]float64{WeekDays: 0, WindowDays: 0, MonthDays: 25} {
		if w, ok := story.p.Last(days, story.now); percent(t, w, ok) != want {
			t.Errorf("%d days: %+v", days, w)
		}
	}
	story.log(1, 28, 29).until(30)
	if w := story.p.RunningOf(WeekDays, story.now); w.Done != 2 || w.Due != 6 || !w.Provisional {
		t.Errorf("the week under way: %+v", w)
	}
}

func TestADayWithoutALogIsUnknownUntilItsWindowCloses(t *testing.T) {
	story := begin().prescribe(0, daily(1)).log(1, 0).log(0, 1).until(6)
	if w := story.p.Running(story.now); !w.Provisional || w.Unlogged != 4 || w.Logged != 2 {
		t.Errorf("under way: %+v", w)
	}
	story.until(7)
	if w := story.p.Week; w.Provisional || w.Unlogged != 5 || w.Logged != 2 {
		t.Errorf("closed: %+v", w)
	}
}

func TestALogOfALateEveningCountsForThePatientsOwnDay(t *testing.T) {
	story := begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4, 5).until(7.1)
	if w := story.p.Week; w.Done != 6 || w.Unlogged != 1 {
		t.Fatalf("the week closed at midnight UTC: %+v", w)
	}
	story.p = story.p.Log(story.now, fact.Exercise{Done: 1, Day: "2026-01-11"})
	if w := story.p.Week; w.Done != 7 || w.Unlogged != 0 || w.Logged != 7 {
		t.Errorf("with Sunday's log, sent on Monday by UTC: %+v", w)
	}
	story.p = story.p.Log(story.now, fact.Exercise{Done: 1, Day: "2025-03-01"})
	if w := story.p.RunningOf(1, story.now); w.Done != 1 {
		t.Errorf("a day that cannot be is not believed: %+v", w)
	}
	east := begin().prescribe(0, daily(1)).until(0.9)
	east.p = east.p.Log(east.now, fact.Exercise{Done: 1, Day: "2026-01-06"})
	if w := east.until(2).p.RunningOf(3, east.now); w.Done != 1 || w.Due != 2 || w.Logged != 1 {
		t.Errorf("a day that has begun in the east: %+v", w)
	}
}

func TestPlannedRestsAskForNothing(t *testing.T) {
	rx := daily(1)
	rx.Rests = []fact.Span{{From: on(2), Until: on(5)}}
	if w := begin().prescribe(0, rx).until(7).p.Week; w.Due != 4 {
		t.Errorf("%+v", w)
	}
}

func TestDatesThatAreNamedAreTheOnlyOnes(t *testing.T) {
	rx := daily(1)
	rx.Sessions, rx.PeriodDays = 3, 7
	rx.Dates, rx.Until = []time.Time{on(1.3), on(1.7), on(4.3)}, on(6)
	story := begin().prescribe(0, rx).log(1, 1, 1.5, 4).until(7)
	if w := story.p.Week; w.Due != 3 || w.Done != 3 {
		t.Errorf("%+v", w)
	}
}

func TestACountOfSessionsEndsThePlan(t *testing.T) {
	rx := daily(1)
	rx.Count = 5
	if w := begin().prescribe(0, rx).until(14).p.Week; w.Due != 5 {
		t.Errorf("%+v", w)
	}
}

func TestAPlanThatReplacesAnotherEndsIt(t *testing.T) {
	next := daily(2)
	next.ID, next.Replaces = "ServiceRequest/next", []string{"ServiceRequest/hep"}
	if w := begin().prescribe(0, daily(1)).prescribe(3.5, next).until(7).p.Week; w.Due != 3+4*2 {
		t.Errorf("%+v", w)
	}
}

func TestTheDoseIsMeasuredByWhatIsPrescribed(t *testing.T) {
	rx := daily(1)
	rx.Dose = []fact.Part{{Name: "x|squat", Sets: 3, Reps: 10}, {Name: "x|walk", Minutes: 20}}
	log := func(parts ...fact.Part) fact.Exercise {
		return fact.Exercise{Prescription: rx.ID, Done: 1, Parts: parts}
	}
	single := func(part fact.Part) fact.Exercise {
		return fact.Exercise{Prescription: rx.ID, Partial: true, Parts: []fact.Part{part}}
	}
	cases := []struct {
		name       string
		logs       []fact.Exercise
		done, dose float64
		told       bool
	}{
		{"all of it", []fact.Exercise{log(rx.Dose...)}, 1, 100, true},
		{"half of each", []fact.Exercise{log(fact.Part{Name: "x|squat", Sets: 3, Reps: 5}, fact.Part{Name: "x|walk", Minutes: 10})}, 1, 50, true},
		{"one of the two", []fact.Exercise{log(fact.Part{Name: "x|squat", Sets: 3, Reps: 10}, fact.Part{Name: "x|walk", Missed: true})}, 1, 50, true},
		{"more than asked for is not capped", []fact.Exercise{log(fact.Part{Name: "x|squat", Sets: 6, Reps: 10}, fact.Part{Name: "x|walk", Minutes: 40})}, 1, 200, true},
		{"logged one by one they are one session", []fact.Exercise{single(rx.Dose[0]), single(rx.Dose[1])}, 1, 100, true},
		{"only missed ones are none", []fact.Exercise{single(fact.Part{Name: "x|squat", Missed: true})}, 0, 0, true},
		{"a session without its dose says nothing of it", []fact.Exercise{log()}, 1, 0, false},
		{"nor do other exercises", []fact.Exercise{log(fact.Part{Name: "x|swim", Minutes: 30})}, 1, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			story := begin().prescribe(0, rx).until(0.5)
			for _, l := range c.logs {
				story.p = story.p.Log(story.now, l)
			}
			w := story.p.Running(story.now)
			dose, told := w.DoseCompletion()
			if w.Done != c.done || dose != c.dose || told != c.told {
				t.Errorf("done %v, dose %v %v: %+v", w.Done, dose, told, w)
			}
		})
	}
}

func TestStreaksForgiveRestsAndOneSession(t *testing.T) {
	mwf := daily(1)
	mwf.Sessions, mwf.PeriodDays, mwf.Weekdays = 3, 7, []int{1, 3, 5}
	resting := daily(1)
	resting.Rests = []fact.Span{{From: on(2), Until: on(6)}}
	spread := daily(1)
	spread.Sessions, spread.PeriodDays = 3, 7
	cases := []struct {
		name   string
		story  *diary
		days   int
		lapsed bool
	}{
		{"five days in a row", begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4).until(5), 5, false},
		{"one left out is forgiven", begin().prescribe(0, daily(1)).log(1, 0, 1, 3, 4).until(5), 4, false},
		{"two in a row are not", begin().prescribe(0, daily(1)).log(1, 0, 1).until(4).log(1, 4).until(5), 1, false},
		{"three in a row are a lapse", begin().prescribe(0, daily(1)).log(1, 0, 1).until(5), 0, true},
		{"reported as not done is no exercise", begin().prescribe(0, daily(1)).log(1, 0).log(0, 1, 2, 3).until(4), 0, true},
		{"weekends of a weekday plan do not count", begin().prescribe(0, mwf).log(1, 0, 2, 4, 7, 9, 11).until(13), 6, false},
		{"planned rest does not count", begin().prescribe(0, resting).log(1, 0, 1, 6, 7).until(8), 4, false},
		{"three a week, whenever", begin().prescribe(0, spread).log(1, 0, 3, 5, 8, 9, 11).until(13), 6, false},
		{"a week without is a lapse of three a week", begin().prescribe(0, spread).log(1, 0).until(8), 0, true},
		{"back again", begin().prescribe(0, daily(1)).log(1, 0).until(6).log(1, 6, 7).until(8), 2, false},
		{"never begun", begin().prescribe(0, daily(1)).until(3), 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := c.story.p
			if p.Streak.Days != c.days || p.Lapsed() != c.lapsed {
				t.Errorf("streak %+v", p.Streak)
			}
		})
	}
}

func TestAPauseAsksForNothingAndEndsALapse(t *testing.T) {
	story := begin().prescribe(0, daily(1)).log(1, 0).until(5)
	if !story.p.Lapsed() {
		t.Fatal("no lapse")
	}
	story.p = story.p.Pause(story.now)
	if story.until(30); story.p.Lapsed() || !story.p.NextLapse(story.now).IsZero() || !story.p.NextClose(story.now).IsZero() {
		t.Errorf("paused: %+v, next lapse %v, next close %v", story.p.Streak, story.p.NextLapse(story.now), story.p.NextClose(story.now))
	}
	story.p = story.p.Resume()
	if got := story.p.NextLapse(story.now); !got.Equal(on(33)) {
		t.Errorf("after the return three days may pass: %v", got)
	}
	if l := story.p.Streak.Lapse; l.Returned || l.Ended != DateOf(on(5)) {
		t.Errorf("the lapse ended with the pause: %+v", l)
	}
}

func TestTheNextLapseIsTheDayItComes(t *testing.T) {
	story := begin().prescribe(0, daily(1)).log(1, 0, 1.5)
	next := story.p.NextLapse(story.now)
	if !next.Equal(on(5)) {
		t.Fatalf("next lapse %v", next)
	}
	if story.until(4.99); story.p.Lapsed() {
		t.Error("lapsed before")
	}
	if story.until(5); !story.p.Lapsed() {
		t.Error("not lapsed then")
	}
}

func TestAttendanceLeavesOutWhatIsNobodysFault(t *testing.T) {
	if got, ok := (Attended{Attended: 7, Missed: 1, Late: 1}).Percent(); !ok || got != 77.777777778 {
		t.Errorf("%v, %v", got, ok)
	}
	if _, ok := (Attended{}).Percent(); ok {
		t.Error("a rate of nothing")
	}
}

func TestMilestonesStandAgainstTheirDate(t *testing.T) {
	none := time.Time{}
	for _, c := range []struct {
		lifecycle, achievement string
		due, reached           time.Time
		want                   Milestone
	}{
		{"active", "in-progress", on(20), none, Ahead},
		{"active", "in-progress", on(10), none, Overdue},
		{"active", "", none, none, Ahead},
		{"completed", "achieved", on(10), on(9), OnTime},
		{"active", "achieved", on(5), on(9), Late},
		{"active", "sustaining", none, on(9), OnTime},
		{"cancelled", "", on(5), none, Dropped},
		{"active", "not-attainable", on(5), none, Dropped},
	} {
		if got := MilestoneOf(c.lifecycle, c.achievement, c.due, c.reached, on(10)); got != c.want {
			t.Errorf("%+v is %s", c, got)
		}
	}
}

func TestMonitoringFollowsTheTableInForce(t *testing.T) {
	days := func(m Monitoring, from, n int) Monitoring {
		for d := range n {
			m = m.Data(m.Since + Date(from+d)).Data(m.Since + Date(from+d))
		}
		return m
	}
	begun := func(year int) Monitoring {
		return Monitoring{Since: DateOf(time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC))}
	}
	late := func(m Monitoring) time.Time { return (m.Since + 400).Start() }
	talk := func(minutes float64, interactions int) Monitoring {
		return begun(2026).Manage(DateOf(time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)), minutes, interactions)
	}
	cases := []struct {
		name string
		m    Monitoring
		want map[string]int
	}{
		{"sixteen days", days(begun(2026), 0, 16), map[string]int{"98975": 1, "98977": 1}},
		{"two days", days(begun(2026), 0, 2), map[string]int{"98975": 1, "98985": 1}},
		{"fifteen days", days(begun(2026), 10, 15), map[string]int{"98975": 1, "98985": 1}},
		{"one day", days(begun(2026), 0, 1), map[string]int{"98975": 1}},
		{"fifteen days before 2026", days(begun(2025), 0, 15), map[string]int{"98975": 1}},
		{"days of two periods are not added", days(begun(2025), 20, 20), map[string]int{"98975": 1}},
		{"the set-up counts once", days(days(begun(2026), 0, 16), 30, 16), map[string]int{"98975": 1, "98977": 2}},
		{"ten minutes", talk(10, 1), map[string]int{"98979": 1}},
		{"nineteen minutes before 2026", begun(2025).Manage(DateOf(on(-60)), 19, 1), nil},
		{"twenty minutes", talk(20, 1), map[string]int{"98980": 1}},
		{"sixty-five minutes", talk(65, 2), map[string]int{"98980": 1, "98981": 2}},
		{"without a word exchanged", talk(65, 0), nil},
		{"taken back", talk(25, 1).Manage(DateOf(time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)), -25, -1), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got map[string]int
			for _, e := range c.m.Evidence(late(c.m)) {
				if got == nil {
					got = map[string]int{}
				}
				if got[e.Code] += e.Units; e.Provisional {
					t.Errorf("provisional after the end: %+v", e)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	running := days(begun(2026), 0, 3)
	if closes := running.Closes((running.Since + 5).Start()); !closes.Equal((running.Since + 30).Start()) {
		t.Errorf("the period closes at %v", closes)
	}
}
