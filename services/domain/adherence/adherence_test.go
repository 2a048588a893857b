package adherence

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// monday is 5 January 2026.
var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func on(day float64) time.Time { return monday.Add(time.Duration(day * 24 * float64(time.Hour))) }

func daily(sessions float64) fact.Prescription {
	return fact.Prescription{ID: "ServiceRequest/hep", Status: "active", Sessions: sessions, PeriodDays: 1, From: monday}
}

// diary tells a story in order of time.
type diary struct {
	p   Programme
	now time.Time
}

func (d *diary) until(day float64) *diary {
	d.p, d.now = d.p.Pass(d.now, on(day)), on(day)
	return d
}

func (d *diary) prescribe(day float64, rx fact.Prescription) *diary {
	d.until(day)
	d.p = d.p.Prescribe(d.now, rx)
	return d
}

func (d *diary) log(done float64, days ...float64) *diary {
	for _, day := range days {
		d.until(day)
		d.p = d.p.Log(d.now, fact.Exercise{Done: done})
	}
	return d
}

func begin() *diary { return &diary{now: monday} }

func TestHomeExerciseStories(t *testing.T) {
	onHold, dose2, mwf, thrice := daily(1), daily(2), daily(1), daily(1)
	onHold.Status = "on-hold"
	mwf.Sessions, mwf.PeriodDays, mwf.Weekdays = 3, 7, []int{1, 3, 5, 5, 9}
	thrice.Sessions, thrice.PeriodDays = 3, 7
	twoWeeks := daily(1)
	twoWeeks.Until = on(14)
	walking := daily(1)
	walking.ID = "ServiceRequest/walk"
	walking.Sessions, walking.PeriodDays = 7, 14

	cases := []struct {
		name   string
		story  *diary
		closed Window
		want   float64
	}{
		{
			"every day done", begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 14, Due: 14, Logged: 14},
			100,
		},
		{
			"more than asked for is not capped", begin().prescribe(0, daily(1)).log(2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 28, Due: 14, Logged: 14},
			200,
		},
		{
			"days without a log are missed once the window has closed", begin().prescribe(0, daily(1)).log(1, 0, 1, 2).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 3, Due: 14, Logged: 3},
			21.428571429,
		},
		{
			"reported as not done is logged, not done", begin().prescribe(0, daily(1)).log(0, 0, 1).log(1, 2).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 1, Due: 14, Logged: 3},
			7.142857143,
		},
		{
			"three a week spread evenly", begin().prescribe(0, thrice).log(1, 1, 3, 5, 8, 10, 12).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 6, Due: 6, Logged: 6},
			100,
		},
		{
			"three a week on their weekdays", begin().prescribe(0, mwf).log(1, 0, 2, 4, 7).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 4, Due: 6, Logged: 4},
			66.666666667,
		},
		{
			"a pause asks for nothing", begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4).prescribe(5.5, onHold).prescribe(10, daily(1)).log(1, 10, 11).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 7, Due: 9, Logged: 7},
			77.777777778,
		},
		{
			"a change of dose counts from its day", begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4, 5, 6).prescribe(7.4, dose2).log(1, 8, 9, 10, 11, 12, 13).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 13, Due: 21, Logged: 13},
			61.904761905,
		},
		{
			"two prescriptions add up", begin().prescribe(0, daily(1)).prescribe(0.1, walking).log(1, 0.2, 1, 2, 3, 4, 5, 6).until(14),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 7, Due: 21, Logged: 7},
			33.333333333,
		},
		{
			"the next window closes a week later", begin().prescribe(0, daily(1)).log(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13).until(23.7),
			Window{From: DateOf(on(7)), To: DateOf(on(21)), Done: 7, Due: 14, Logged: 7},
			50,
		},
		{
			"nothing closes after the prescription has ended", begin().prescribe(0, twoWeeks).log(1, 0, 1, 2, 3, 4, 5, 6).until(60),
			Window{From: DateOf(monday), To: DateOf(on(14)), Done: 7, Due: 14, Logged: 7},
			50,
		},
		{
			"revoked in mid-week still closes that week", begin().prescribe(0, daily(1)).log(1, 7, 8, 9, 10, 11, 12, 13, 14, 15).prescribe(16.5, onHold).until(40),
			Window{From: DateOf(on(7)), To: DateOf(on(21)), Done: 9, Due: 9, Logged: 9},
			100,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.closed, c.story.p.Closed, cmpopts.IgnoreFields(Window{}, "Unlogged")); diff != "" {
				t.Errorf("closed window (-want +got):\n%s", diff)
			}
			if got, ok := c.story.p.Closed.Completion(); !ok || got != c.want {
				t.Errorf("completion %v, %v, want %v", got, ok, c.want)
			}
		})
	}
}

func TestBeforeTheWindowClosesOnlyWhatWasDueSoFarCounts(t *testing.T) {
	everySecond := daily(1)
	everySecond.Sessions, everySecond.PeriodDays, everySecond.Weekdays = 4, 7, []int{1, 3, 5, 0}
	story := begin().prescribe(0, everySecond).log(1, 0.3, 2.3, 4.3, 6.3)
	running := story.p.Running(story.now)
	if got, ok := running.Completion(); !ok || got != 100 || !running.Provisional || running.Due != 4 {
		t.Errorf("four of four due so far: %+v", running)
	}
	story.until(6.9)
	if got := story.p.Running(story.now); got.Due != 4 {
		t.Errorf("today counts once it has a log: %+v", got)
	}
	story.until(7.1)
	if got := story.p.Running(story.now); got.Due != 4 {
		t.Errorf("today is not late before it is over: %+v", got)
	}
	story.until(8.1)
	if got := story.p.Running(story.now); got.Due != 5 {
		t.Errorf("yesterday's session is unknown, but was due: %+v", got)
	}
	if got := story.p.Closed; got != (Window{}) {
		t.Errorf("nothing has closed after eight days: %+v", got)
	}
}

func TestWithoutAPrescriptionThereIsNoRate(t *testing.T) {
	story := begin().log(1, 0, 1, 2).until(30)
	if _, ok := story.p.Running(story.now).Completion(); ok {
		t.Error("a rate without a prescription")
	}
	if !story.p.NextClose(story.now).IsZero() || story.p.Closed != (Window{}) {
		t.Error("a window closes though nothing was asked for")
	}
}

func TestNextCloseIsTheNextMomentThatMatters(t *testing.T) {
	later := daily(1)
	later.From = on(20)
	brief := daily(1)
	brief.Until = on(10)
	cases := []struct {
		name  string
		story *diary
		want  time.Time
	}{
		{"a week after the start", begin().prescribe(0.5, daily(1)), on(7)},
		{"then weekly", begin().prescribe(0.5, daily(1)).until(14), on(21)},
		{"from the day it starts, not from the day it was written", begin().prescribe(0, later), on(27)},
		{"a brief programme still closes its last window", begin().prescribe(0, brief).until(12), on(14)},
		{"and nothing after that", begin().prescribe(0, brief).until(14), time.Time{}},
		{"a programme resumed after a long pause starts anew", begin().prescribe(0, brief).prescribe(50, daily(1)), on(57)},
		{"a second prescription joins the programme", begin().prescribe(0, daily(1)).prescribe(3, fact.Prescription{ID: "b", Status: "active", Sessions: 1, PeriodDays: 1}), on(7)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.story.p.NextClose(c.story.now); !got.Equal(c.want) {
				t.Errorf("next close %v, want %v", got, c.want)
			}
		})
	}
}

func TestPrescriptionsThatAskForNothingAreNotKept(t *testing.T) {
	nothing, endless, ended := daily(0), daily(1), daily(1)
	endless.PeriodDays = 0
	ended.Until = monday
	for _, rx := range []fact.Prescription{nothing, endless, ended, {ID: "x", Status: "draft", Sessions: 1, PeriodDays: 1}} {
		if p := (Programme{}).Prescribe(monday, rx); len(p.Prescriptions) != 0 {
			t.Errorf("kept %+v", rx)
		}
	}
}

// programmes are stories of any kind, as steps in order of time.
func drawStory(t *rapid.T) (steps []func(*diary), hours []int) {
	hour := 0
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		hour += rapid.IntRange(0, 24*9).Draw(t, "pause")
		hours = append(hours, hour)
		if rapid.IntRange(0, 5).Draw(t, "pauses") == 0 {
			steps = append(steps, func(d *diary) {
				if d.p.Paused {
					d.p = d.p.Resume()
				} else {
					d.p = d.p.Pause(d.now)
				}
			})
			continue
		}
		if rapid.Bool().Draw(t, "log") {
			done := float64(rapid.IntRange(0, 3).Draw(t, "done"))
			steps = append(steps, func(d *diary) { d.p = d.p.Log(d.now, fact.Exercise{Done: done}) })
			continue
		}
		rx := fact.Prescription{
			ID:         rapid.SampledFrom([]string{"a", "b"}).Draw(t, "id"),
			Status:     rapid.SampledFrom([]string{"active", "active", "on-hold", "revoked"}).Draw(t, "status"),
			Replaces:   rapid.SampledFrom([][]string{nil, nil, {"a"}, {"a", "b"}}).Draw(t, "replaces"),
			Count:      float64(rapid.IntRange(0, 1).Draw(t, "counted") * rapid.IntRange(1, 20).Draw(t, "count")),
			Sessions:   float64(rapid.IntRange(1, 7).Draw(t, "sessions")),
			PeriodDays: float64(rapid.IntRange(1, 14).Draw(t, "period")),
			Weekdays:   rapid.SliceOfN(rapid.IntRange(0, 6), 0, 3).Draw(t, "weekdays"),
			From:       on(float64(rapid.IntRange(-10, 200).Draw(t, "from"))),
		}
		for range rapid.IntRange(0, 3).Draw(t, "rests") {
			from := rx.From.AddDate(0, 0, rapid.IntRange(-3, 60).Draw(t, "rest"))
			rx.Rests = append(rx.Rests, fact.Span{From: from, Until: from.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "days"))})
		}
		day := rx.From
		for range rapid.IntRange(0, 1).Draw(t, "dated") * rapid.IntRange(1, 9).Draw(t, "dates") {
			day = day.AddDate(0, 0, rapid.IntRange(0, 12).Draw(t, "next"))
			rx.Dates = append(rx.Dates, day)
		}
		if rapid.Bool().Draw(t, "ends") {
			rx.Until = rx.From.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "length")) * 24 * time.Hour)
		}
		steps = append(steps, func(d *diary) { d.p = d.p.Prescribe(d.now, rx) })
	}
	return steps, hours
}

func TestItDoesNotMatterHowOftenTheClockLooksIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, hours := drawStory(t)
		seldom, often := begin(), begin()
		for i, step := range steps {
			at := float64(hours[i]) / 24
			seldom.until(at)
			for next := often.p.NextClose(often.now); !next.IsZero() && !next.After(on(at)); next = often.p.NextClose(often.now) {
				before, closed := often.now, often.p.Week
				often.p, often.now = often.p.Pass(often.now, next), next
				if !often.now.After(before) {
					t.Fatal("the deadline did not advance")
				}
				if often.p.Week == closed {
					t.Fatalf("nothing closed at %v", next)
				}
			}
			often.until(at)
			step(seldom)
			step(often)
			if diff := cmp.Diff(seldom.p, often.p); diff != "" {
				t.Fatalf("seldom and often differ (-seldom +often):\n%s", diff)
			}
			if len(often.p.Days) > MonthDays || len(often.p.Prescriptions) > maxPrescriptions {
				t.Fatal("it grows")
			}
		}
	})
}

func TestNoStepChangesTheProgrammeItStartsFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, hours := drawStory(t)
		story := begin()
		for i, step := range steps {
			was := story.p
			before, err := json.Marshal(was)
			if err != nil {
				t.Fatal(err)
			}
			story.until(float64(hours[i]) / 24)
			step(story)
			if after, _ := json.Marshal(was); string(before) != string(after) {
				t.Fatalf("changed from\n%s to\n%s", before, after)
			}
			var back Programme
			now, _ := json.Marshal(story.p)
			if err := json.Unmarshal(now, &back); err != nil {
				t.Fatal(err)
			}
			if again, _ := json.Marshal(back); string(again) != string(now) {
				t.Fatalf("read back\n%s as\n%s", now, again)
			}
		}
	})
}

func TestSlipsOfThePenStayCountable(t *testing.T) {
	absurd := daily(math.Inf(1))
	absurd.Weekdays = []int{1}
	p := (Programme{}).Prescribe(monday, absurd).Log(monday, fact.Exercise{Done: 1e308}).Log(monday, fact.Exercise{Done: math.NaN()}).Pass(monday, on(14))
	if p.Closed.Due != 1400 || p.Closed.Done != 100 {
		t.Errorf("%+v", p.Closed)
	}
	nobody := daily(math.NaN())
	if p := (Programme{}).Prescribe(monday, nobody); len(p.Prescriptions) != 0 {
		t.Errorf("kept %+v", p.Prescriptions)
	}
}

func TestDatesAreUTCDays(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
		day  time.Weekday
	}{
		{time.Date(2026, 1, 5, 23, 59, 0, 0, time.UTC), "2026-01-05", time.Monday},
		{time.Date(2026, 1, 5, 23, 30, 0, 0, time.FixedZone("", -3600)), "2026-01-06", time.Tuesday},
		{time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC), "1969-12-31", time.Wednesday},
		{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "0001-01-01", time.Monday},
		{time.Date(9999, 12, 31, 5, 0, 0, 0, time.UTC), "9999-12-31", time.Friday},
	} {
		d := DateOf(c.at)
		if d.String() != c.want || d.Weekday() != c.day {
			t.Errorf("%v is %v, %v", c.at, d, d.Weekday())
		}
	}
	if lastDate.String() != "9999-12-31" {
		t.Errorf("the last date is %v", lastDate)
	}
}
