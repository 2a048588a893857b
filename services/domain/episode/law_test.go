package episode

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func stored(t interface{ Fatal(...any) }, s *State) string {
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func read(t interface{ Fatal(...any) }, raw string) *State {
	var s State
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// often tries a law on five times as many random histories as rapid would: .ci/run asks for thousands.
func often(t *testing.T, law func(*rapid.T)) {
	t.Helper()
	for range 5 {
		rapid.Check(t, law)
	}
}

func TestTheRandomHistoriesHoldEveryKindOfFact(t *testing.T) {
	drawn := map[fact.Kind]int{}
	for seed := range 3000 {
		drawn[rapid.Custom(drawFact).Example(seed).Kind]++
	}
	for _, kind := range []fact.Kind{
		fact.KindScores, fact.KindExercise, fact.KindPrescription, fact.KindVisit, fact.KindTeam, fact.KindGoal,
		fact.KindMeasure, fact.KindCourse, fact.KindDeath, fact.KindRepair, fact.KindClock,
	} {
		if drawn[kind] == 0 {
			t.Errorf("%s is never drawn", kind)
		}
	}
}

func drawFact(t *rapid.T) fact.Fact {
	day := float64(rapid.IntRange(0, 24*rapid.SampledFrom([]int{90, 90, 90, 500}).Draw(t, "span")).Draw(t, "hour")) / 24
	var f fact.Fact
	switch rapid.IntRange(0, 17).Draw(t, "kind") {
	case 0, 1:
		f = phq9(day, float64(rapid.IntRange(0, 27).Draw(t, "total")), float64(rapid.IntRange(-1, 3).Draw(t, "item9")))
	case 2, 3:
		f = wai(day, float64(rapid.IntRange(10, 50).Draw(t, "mean"))/10, rapid.SampledFrom([]string{"", "Practitioner/a", "Practitioner/b"}).Draw(t, "clinician"))
		f.Scores.Encounter = rapid.SampledFrom([]string{"", "Encounter/0", "Encounter/1"}).Draw(t, "encounter")
	case 4, 5:
		f = drawLog(t, day)
	case 6:
		f = prescribed(day, float64(rapid.IntRange(1, 3).Draw(t, "dose")), rapid.SampledFrom([]string{"active", "on-hold", "completed"}).Draw(t, "status"))
		f.Prescription.Dose = []fact.Part{{Name: "x|squat", Sets: 3, Reps: 10}}
		if rapid.Bool().Draw(t, "rests") {
			f.Prescription.Rests = []fact.Span{{From: on(day + 3), Until: on(day + 12)}}
		}
		if rapid.Bool().Draw(t, "ends") {
			f.Prescription.Until = on(day + float64(rapid.IntRange(1, 40).Draw(t, "length")))
		}
	case 7:
		f = cared(day, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "team"), rapid.Bool().Draw(t, "active"), "z")
	case 8:
		n := rapid.IntRange(0, 3).Draw(t, "visit")
		f = visited(day, fact.Visit{
			ID:          fmt.Sprintf("%s/%d", rapid.SampledFrom([]string{"Encounter", "Appointment"}).Draw(t, "type"), n),
			Appointment: rapid.SampledFrom([]string{"", "Appointment/1"}).Draw(t, "fulfils"),
			Status:      rapid.SampledFrom([]string{planned, attended, missed, cancelledByPatient, cancelledByClinic}).Draw(t, "status"),
			Clinician:   "Practitioner/a",
			Clinicians:  rapid.SampledFrom([][]ref.Clinician{nil, {"Practitioner/a", "Practitioner/b"}}).Draw(t, "joint"),
			Late:        rapid.Bool().Draw(t, "late"),
			Virtual:     rapid.Bool().Draw(t, "virtual"),
			Minutes:     float64(rapid.IntRange(0, 30).Draw(t, "minutes")),
			Day:         rapid.SampledFrom([]string{"", "", on(day - 1).Format(time.DateOnly), on(day + 1).Format(time.DateOnly)}).Draw(t, "local"),
		})
		if rapid.Bool().Draw(t, "booked") {
			f.Visit.Due = on(day + 20)
		}
	case 9:
		f = at(day, fact.KindGoal, func(f *fact.Fact) {
			f.Goal = &fact.Goal{
				ID: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "goal"), Lifecycle: "active", Due: on(day + 10),
				Achievement: rapid.SampledFrom([]string{"in-progress", "achieved"}).Draw(t, "achievement"),
			}
		})
	case 10:
		f = at(day, fact.KindMeasure, func(f *fact.Fact) {
			f.Measure = &fact.Measure{
				Code: "http://loinc.org|72514-3", Value: float64(rapid.IntRange(0, 10).Draw(t, "pain")),
				Side: rapid.SampledFrom([]string{"", "left"}).Draw(t, "side"),
			}
		})
	case 11, 12:
		f = drawCourse(t, day)
	case 13:
		f = drawParts(t, day)
	case 14:
		f = scored(day, "srs", "alliance", points("total", float64(rapid.IntRange(20, 40).Draw(t, "srs")), rapid.SampledFrom([]string{"discuss", "ok"}).Draw(t, "band"), true, 7.48))
		f.Scores.Clinician = drawClinician(t)
	case 15:
		f = mended(day, rapid.SampledFrom([]string{fact.RepairAcknowledged, fact.RepairAttempted}).Draw(t, "step"), drawClinician(t), "invited-feedback", "unknown")
	case 16:
		f = cared(day, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "team"), true)
		for range rapid.IntRange(0, 2).Draw(t, "members") {
			f.Team.Members = append(f.Team.Members, fact.Member{Clinician: drawClinician(t), Roles: rapid.SampledFrom([][]string{nil, {"pt"}, {"ot"}}).Draw(t, "roles")})
		}
	default:
		f = clock(day)
		if rapid.IntRange(0, 9).Draw(t, "dies") == 0 {
			f = at(day, fact.KindDeath, func(f *fact.Fact) { f.Death = &fact.Death{} })
		}
	}
	f.ID = fmt.Sprintf("%s-%d", f.Kind, rapid.IntRange(0, 1_000_000).Draw(t, "id"))
	return f
}

func drawClinician(t *rapid.T) ref.Clinician {
	return rapid.SampledFrom([]ref.Clinician{"", "Practitioner/a", "Practitioner/b"}).Draw(t, "clinician")
}

// drawParts is a rating with its parts, by anybody, that tends to lie near 16 but for one part.
func drawParts(t *rapid.T, day float64) fact.Fact {
	part := func(name string) float64 {
		return float64(rapid.SampledFrom([]int{16, 16, 16, 17, 15, 9}).Draw(t, name))
	}
	f := rated(day, drawClinician(t), part("task"), part("bond"), part("goal"))
	f.Scores.Respondent = rapid.SampledFrom([]string{patient, patient, "clinician", "care-partner"}).Draw(t, "rater")
	if f.Scores.Respondent == "clinician" && rapid.Bool().Draw(t, "own form") {
		f.Scores.Instrument = "wai-srt"
	}
	return f
}

func drawLog(t *rapid.T, day float64) fact.Fact {
	f := logged(day, float64(rapid.IntRange(0, 2).Draw(t, "done")))
	f.Exercise.Partial = rapid.IntRange(0, 3).Draw(t, "partial") == 0
	f.Exercise.Day = rapid.SampledFrom([]string{"", "", on(day - 1).Format(time.DateOnly), on(day + 1).Format(time.DateOnly)}).Draw(t, "local")
	if rapid.Bool().Draw(t, "dosed") {
		f.Exercise.Parts = []fact.Part{{Name: "x|squat", Sets: 2, Reps: 10, Missed: rapid.Bool().Draw(t, "missed")}}
	}
	if rapid.IntRange(0, 5).Draw(t, "elsewhere") == 0 {
		f.Exercise.Percent = new(float64(rapid.IntRange(0, 120).Draw(t, "percent")))
	}
	return f
}

// drawStory is a course in which the alliance may be strained or break in the third week: a diary kept well up to then,
// weekly ratings at visits, and afterwards ratings, visits missed or attended, or nothing at all.
func drawStory(t *rapid.T) []fact.Fact {
	srs := rapid.Bool().Draw(t, "by the session form")
	rating := func(day, level float64) fact.Fact {
		if srs {
			return scored(day, "srs", "alliance", points("total", 4*level, "ok", true, 7.48))
		}
		return rated(day, "Practitioner/a", level, level, level)
	}
	facts := []fact.Fact{cared(0, "x", true), prescribed(0.1, 0.5, "active")}
	for week := range 3 {
		facts = append(facts, rating(7.3+7*float64(week), 9), logged(float64(7*week)+0.6, 4))
	}
	fall := rapid.SampledFrom([]float64{9, 8, 7.9, 6}).Draw(t, "fall")
	facts = append(facts, rating(28.3, fall))
	for n := range rapid.IntRange(0, 6).Draw(t, "afterwards") {
		day := 29.5 + float64(rapid.IntRange(0, 30).Draw(t, "day")) + float64(n)/100
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			facts = append(facts, rating(day, rapid.SampledFrom([]float64{9, 7, 6}).Draw(t, "level")))
		case 1:
			facts = append(facts, logged(day, 1))
		default:
			facts = append(facts, visited(day, fact.Visit{
				ID:     fmt.Sprintf("Appointment/c%d", n),
				Status: rapid.SampledFrom([]string{attended, missed, cancelledByPatient, cancelledByClinic}).Draw(t, "status"),
			}))
		}
	}
	return facts
}

func drawCourse(t *rapid.T, day float64) fact.Fact {
	return at(day, fact.KindCourse, func(f *fact.Fact) {
		f.Course = &fact.Course{
			ID:     rapid.SampledFrom([]string{"EpisodeOfCare/a", "EpisodeOfCare/b"}).Draw(t, "course"),
			Status: rapid.SampledFrom([]string{fact.CoursePlanned, fact.CourseActive, fact.CourseActive, fact.CoursePaused, fact.CoursePaused, fact.CourseFinished}).Draw(t, "status"),
			Reason: fact.PatientChoice, Types: []string{"x|rehab"},
		}
		if rapid.Bool().Draw(t, "until") {
			f.Course.Until = on(day + float64(rapid.IntRange(-3, 30).Draw(t, "pause")))
		}
		if rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
			f.Course.End = on(day + float64(rapid.IntRange(-3, 60).Draw(t, "end")))
		}
		if rapid.IntRange(0, 2).Draw(t, "starts") == 0 {
			f.Course.Start = on(day + float64(rapid.IntRange(-3, 60).Draw(t, "start")))
		}
	})
}

func drawFacts(t *rapid.T) []fact.Fact {
	var facts []fact.Fact
	if rapid.Bool().Draw(t, "a believable course") {
		facts = drawStory(t)
	}
	facts = append(facts, rapid.SliceOfN(rapid.Custom(drawFact), 1, 40-len(facts)).Draw(t, "facts")...)
	seen := map[string]bool{}
	return slices.DeleteFunc(facts, func(f fact.Fact) bool {
		again := seen[f.ID]
		seen[f.ID] = true
		return again
	})
}

func inOrder(facts []fact.Fact) []fact.Fact {
	return slices.SortedFunc(slices.Values(facts), func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
}

// book keeps an episode as the service does: it folds what is new, and replays what is late.
type book struct {
	facts []fact.Fact
	state *State
}

func (b *book) add(f fact.Fact) {
	b.facts = inOrder(append(b.facts, f))
	if f.Key().Compare(b.state.Last) > 0 {
		b.state = Fold(b.state, f)
	} else {
		b.state = Replay(b.state.Patient, b.facts)
	}
}

func TestFactsMayArriveInAnyOrder(t *testing.T) {
	often(t, func(t *rapid.T) {
		b := book{state: New("p1")}
		for _, f := range drawFacts(t) { // in the order drawn, which is not that of time
			before := stored(t, b.state)
			was := b.state
			b.add(f)
			if after := stored(t, was); after != before {
				t.Fatalf("folding changed the state it started from:\n%s", cmp.Diff(before, after))
			}
			b.state = read(t, stored(t, b.state)) // it is kept as JSON between two facts
		}
		scratch := Replay("p1", b.facts)
		if diff := cmp.Diff(scratch, b.state, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("folded one by one and from scratch (-scratch +one by one):\n%s", diff)
		}
		if a, b := stored(t, scratch), stored(t, b.state); a != b {
			t.Fatalf("stored from scratch and one by one:\n%s\n%s", a, b)
		}
		if twice := Replay("p1", inOrder(append(b.facts, b.facts...))); stored(t, twice) != stored(t, scratch) {
			t.Fatal("facts told twice count twice")
		}
	})
}

func TestTheStoredFormLosesNothing(t *testing.T) {
	often(t, func(t *rapid.T) {
		s := Replay("p1", inOrder(drawFacts(t)))
		raw := stored(t, s)
		back := read(t, raw)
		if diff := cmp.Diff(s, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-kept +read):\n%s", diff)
		}
		if again := stored(t, back); again != raw {
			t.Fatalf("written again:\n%s\n%s", raw, again)
		}
	})
}

// picture is everything that a reader sees of a state and that time alone can change, without the numbers that grow
// day by day.
func picture(s *State) string {
	var b strings.Builder
	view := s.View()
	fmt.Fprint(&b, "view ", view.Tier)
	for _, r := range view.Reasons {
		fmt.Fprint(&b, " ", r.Code)
	}
	signals, points := s.Dropout()
	fmt.Fprint(&b, "\nsignals ", points)
	for _, signal := range signals {
		fmt.Fprint(&b, " ", signal.Code)
	}
	check, since, overdue := s.Overdue()
	if overdue {
		fmt.Fprint(&b, "\noverdue ", check.Code, since)
	}
	fmt.Fprint(&b, "\nsilent ", s.Silent(), " lapse ", s.Programme.Lapsed(), s.Programme.Streak.Lapse)
	for _, days := range []int{adherence.WeekDays, adherence.WindowDays, adherence.MonthDays} {
		w, ok := s.Programme.Last(days, s.Now)
		fmt.Fprint(&b, "\nwindow ", ok)
		if ok {
			fmt.Fprint(&b, w)
		}
	}
	_, elsewhere := s.Programme.Elsewhere(s.Now)
	fmt.Fprint(&b, "\nelsewhere ", elsewhere)
	for _, g := range s.Goals {
		if !s.Paused() && !s.Over() {
			fmt.Fprint(&b, "\ngoal ", g.ID, s.Milestone(g))
		}
	}
	for _, p := range s.Monitoring.Periods {
		fmt.Fprint(&b, "\nperiod ", p.From, p.Days(), !s.Died.IsZero() || adherence.DateOf(s.Now) >= p.From+adherence.PeriodDays)
	}
	for _, d := range s.Dyads {
		fmt.Fprint(&b, "\ndyad ", d.Event, d.Open() != nil, d.Closed, d.Left)
	}
	c := s.Course
	fmt.Fprint(&b, "\ncourse ", c.Number, c.Ended, c.Why, c.Paused, c.Until, len(s.Past), len(s.Ahead), len(s.Teams))
	return b.String()
}

func tickAt(s *State, at time.Time) *State {
	return Fold(s, fact.Fact{ID: "clock-" + at.Format(time.RFC3339Nano), Kind: fact.KindClock, At: at, Clock: &fact.Clock{}})
}

func TestTheDeadlineIsTheNextMomentAtWhichTimeAloneChangesSomething(t *testing.T) {
	often(t, func(t *rapid.T) {
		b := book{state: New("p1")}
		for _, f := range inOrder(drawFacts(t)) {
			b.add(f)
		}
		for n := 0; n < 30; n++ {
			now, due := b.state.Now, b.state.Deadline
			before := picture(b.state)
			until := due
			if due.IsZero() {
				until = now.AddDate(1, 0, 0)
			}
			if !until.After(now) {
				t.Fatalf("the deadline %v is not ahead of %v", due, now)
			}
			between := now.Add(time.Duration(rapid.Float64Range(0, 0.999).Draw(t, "between") * float64(until.Sub(now))))
			if now.IsZero() || between.Before(b.state.Last.At) {
				return
			}
			if early := picture(tickAt(b.state, between)); early != before {
				t.Fatalf("at %v, before the deadline %v:\n%s", between, due, cmp.Diff(before, early))
			}
			if due.IsZero() {
				return
			}
			if !due.After(b.state.Last.At) {
				return
			}
			b.add(fact.Fact{ID: fmt.Sprintf("clock-%s", due.Format(time.RFC3339Nano)), Kind: fact.KindClock, At: due, Clock: &fact.Clock{}})
			if after := picture(b.state); after == before {
				t.Fatalf("nothing changed at the deadline %v:\n%s\n%s", due, before, stored(t, b.state))
			}
		}
	})
}

func TestItDoesNotMatterWhetherTheClockLookedIn(t *testing.T) {
	often(t, func(t *rapid.T) {
		facts := inOrder(drawFacts(t))
		plain, watched := New("p1"), New("p1")
		for _, f := range facts {
			for !watched.Deadline.IsZero() && !watched.Deadline.After(f.At) && !undated(f) {
				watched = Fold(watched, fact.Fact{ID: "clock", Kind: fact.KindClock, At: watched.Deadline, Clock: &fact.Clock{}})
			}
			plain, watched = Fold(plain, f), Fold(watched, f)
			watched.Facts, watched.Last = plain.Facts, plain.Last
			if diff := cmp.Diff(plain, watched, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("at %v (-plain +watched):\n%s", f.At, diff)
			}
		}
	})
}

func TestTheStateIsBoundedWhateverTheHistory(t *testing.T) {
	id := func(prefix string, n int) string {
		return prefix + strings.Repeat("x", 60-len(prefix)) + fmt.Sprintf("%04d", n)
	}
	s := New("p1")
	for n := range 1200 {
		day := float64(n) / 8
		sheet := scored(day, id("i", n), "distress")
		dyad := scored(day, id("i", n), "alliance")
		dyad.Scores.Clinician = ref.Clinician(id("Practitioner/", n))
		for c := range 100 {
			score := points(id("s", c), 1.25, id("b", 1), false, 5.186)
			score.Important, score.Part, score.Level = score.Reliable, id("p", 1), id("l", 1)
			sheet.Scores.Scores = append(sheet.Scores.Scores, score)
			sheet.Scores.Critical = append(sheet.Scores.Critical, fact.Critical{Item: c, Value: 1, Severity: "safety"})
		}
		dyad.Scores.Scores = sheet.Scores.Scores
		team := cared(day, id("t", n), true)
		for w := range 100 {
			team.Team.Within = append(team.Team.Within, ref.CareTeam(id("w", w)))
		}
		for m := range 100 {
			team.Team.Members = append(team.Team.Members, fact.Member{Clinician: ref.Clinician(id("m", m)), Roles: []string{id("r", 1), id("r", 2), id("r", 3), id("r", 4), id("r", 5)}})
		}
		rx := prescribed(day, 1, "active")
		rx.Prescription.ID = id("r", n)
		care := careOf(day, id("c", n/60), fact.CourseActive)
		for c := range 100 {
			rx.Prescription.Dose = append(rx.Prescription.Dose, fact.Part{Name: id("d", c), Sets: 3, Reps: 10})
			rx.Prescription.Dates = append(rx.Prescription.Dates, on(day+float64(c)/3))
			rx.Prescription.Rests = append(rx.Prescription.Rests, fact.Span{From: on(day + float64(2*c)), Until: on(day + float64(2*c+1))})
			care.Course.Types = append(care.Course.Types, id("type", c))
		}
		function := scored(day, id("f", n), "function", points("total", 50, id("b", 1), false, 10))
		function.ID, sheet.ID, rx.ID = id("f", n), id("s", n), id("r", n)
		ended := careOf(day+0.1, id("c", n/60), fact.CourseFinished)
		seen := fact.Visit{
			ID: id("Encounter/", n), Appointment: id("Appointment/", n), Status: attended, Clinician: ref.Clinician(id("p", n)),
			Virtual: true, Minutes: 30,
		}
		for c := range 16 {
			seen.Clinicians = append(seen.Clinicians, ref.Clinician(id("p", c)))
		}
		ahead := careOf(day+0.01, id("a", n), fact.CoursePlanned, func(c *fact.Course) { c.Start, c.Types = on(day+500), care.Course.Types })
		turn := []fact.Fact{care}
		if n%60 == 59 && n < 500 {
			turn = append(turn, ended)
		}
		turn = append(turn,
			sheet, dyad, team, rx, logged(day, 1),
			visited(day, seen), function,
			at(day, fact.KindGoal, func(f *fact.Fact) { f.Goal = &fact.Goal{ID: id("g", n), Lifecycle: "active", Due: on(1)} }),
			at(day, fact.KindMeasure, func(f *fact.Fact) { f.Measure = &fact.Measure{Code: id("m", n), Value: 1} }),
		)
		turn = append(turn, ahead)
		for _, f := range turn {
			s = Fold(s, f)
		}
	}
	size := max(len(stored(t, s)), len(stored(t, unhappy(s, id))))
	t.Logf("the largest state is %d bytes, with %d past courses and %d lines", size, len(s.Past), len(s.Lines))
	if size > maxBytes {
		t.Errorf("%d bytes, bound %d", size, maxBytes)
	}
}

// unhappy breaks the alliance with as many clinicians as are remembered, again and again, and nobody mends it: every list
// of every dyad is filled.
func unhappy(s *State, id func(string, int) string) *State {
	codes := func(of alliance.Codes) (all []string) {
		for _, c := range of {
			all = append(all, c.Code)
		}
		return all
	}
	day := 1000.0
	for round := range 3 * 8 {
		for n := range maxDyads {
			day += 0.01
			low := []float64{16, 16, 17, 6, 7, 6, 7, 15}[round%8]
			rating := rated(day, ref.Clinician(id("Practitioner/", n)), low, low, low)
			repair := mended(day+0.005, fact.RepairAttempted, rating.Scores.Clinician)
			repair.Repair.Enhancers, repair.Repair.Eroders = codes(alliance.Enhancers), codes(alliance.Eroders)
			rating.ID, repair.ID = id("f", n), id("g", n)
			s = Fold(Fold(s, rating), repair)
		}
	}
	return s
}

// maxBytes is what the comment on the bounds promises.
const maxBytes = 1 << 20

func TestAbsurdNumbersAndDatesCanBeStored(t *testing.T) {
	never := time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC)
	var facts []fact.Fact
	for n, x := range []float64{math.MaxFloat64, -math.MaxFloat64, math.NaN(), math.Inf(1), math.SmallestNonzeroFloat64, 1e8} {
		day := float64(10 * n)
		rx := prescribed(day+0.1, x, "active")
		rx.Prescription.Weekdays, rx.Prescription.Until = []int{2}, never
		facts = append(
			facts, phq9(day, x), rx, logged(day+0.2, x), wai(day+0.3, x, "p"), wai(day+0.4, x, "p"),
			at(day+0.5, fact.KindMeasure, func(f *fact.Fact) { f.Measure = &fact.Measure{Code: "m", Value: x} }),
			at(day+0.6, fact.KindGoal, func(f *fact.Fact) { f.Goal = &fact.Goal{ID: "g", Due: never} }),
			visited(day+0.7, fact.Visit{ID: "Appointment/a", Status: planned, Due: never}),
		)
	}
	s := New("p1")
	for _, f := range facts {
		s = Fold(s, f)
		if diff := cmp.Diff(s, read(t, stored(t, s)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("at %v (-kept +read):\n%s", f.At, diff)
		}
	}
}

func TestFarDatesAreHarmless(t *testing.T) {
	for _, year := range []int{1, 1583, 1969, 9998, 9999} {
		far := time.Date(year, 12, 31, 23, 0, 0, 0, time.UTC)
		rx := prescribed(0, 1, "active")
		rx.Prescription.From = far
		s := tell(rx, logged(1, 1))
		if diff := cmp.Diff(s, read(t, stored(t, s)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("from %d:\n%s", year, diff)
		}
		rx.Prescription.From, rx.Prescription.Until = monday, far
		late := logged(1, 1)
		late.At = far
		s = Replay("p1", inOrder([]fact.Fact{rx, late}))
		if diff := cmp.Diff(s, read(t, stored(t, s)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("until %d:\n%s", year, diff)
		}
	}
}
