package episode

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/fact"
)

// careOf tells of an EpisodeOfCare.
func careOf(day float64, id, status string, more ...func(*fact.Course)) fact.Fact {
	f := at(day, fact.KindCourse, func(f *fact.Fact) {
		f.Course = &fact.Course{ID: "EpisodeOfCare/" + id, Status: status}
		for _, tell := range more {
			tell(f.Course)
		}
	})
	f.ID += id
	return f
}

func byChoice(until float64) func(*fact.Course) {
	return func(c *fact.Course) {
		c.Reason = fact.PatientChoice
		if until > 0 {
			c.Until = on(until)
		}
	}
}

func codes(s *State) (found []string) {
	for _, r := range s.View().Reasons {
		found = append(found, r.Code)
	}
	return found
}

// telling puts facts into the order of time.
func telling(groups ...[]fact.Fact) *State { return Replay("p1", inOrder(slices.Concat(groups...))) }

func days(from, to int, tell func(day float64) fact.Fact) (facts []fact.Fact) {
	for d := from; d < to; d++ {
		facts = append(facts, tell(float64(d)+0.7))
	}
	return facts
}

func didIt(day float64) fact.Fact { return logged(day, 1) }

func TestAPatientWhoPausesByChoice(t *testing.T) {
	start := []fact.Fact{
		careOf(0, "a", fact.CourseActive), cared(0.1, "spine", true), prescribed(0.2, 1, "active"), phq9(0.5, 7),
		visited(1, fact.Visit{ID: "Appointment/1", Status: attended}),
	}
	pause := []fact.Fact{careOf(20, "a", fact.CoursePaused, byChoice(62))}
	missedThen := []fact.Fact{
		visited(25, fact.Visit{ID: "Appointment/2", Status: missed}), visited(32, fact.Visit{ID: "Appointment/3", Status: missed}),
	}
	s := telling(start, days(0, 20, didIt), pause, missedThen, []fact.Fact{clock(60)})
	if !s.Paused() || s.Silent() || s.Programme.Lapsed() {
		t.Errorf("in the pause: paused %v, silent %v, lapsed %v", s.Paused(), s.Silent(), s.Programme.Lapsed())
	}
	if got := codes(s); len(got) != 0 {
		t.Errorf("nothing is wrong with a pause: %v", got)
	}
	if _, points := s.Dropout(); points != 0 {
		t.Errorf("%d points of drop-out in a pause", points)
	}
	if percent, _ := s.Attendance().Percent(); s.Visits.Missed != 0 || percent != 100 {
		t.Errorf("missed in a pause: %+v", s.Visits)
	}
	if _, _, overdue := s.Overdue(); overdue {
		t.Error("week 6 is not due in a pause")
	}
	back := telling(start, days(0, 20, didIt), pause, missedThen, []fact.Fact{clock(62)})
	if back.Paused() || !back.Course.Resumed.Equal(on(62)) || back.Course.Number != 1 || back.Course.Rested != 42*24*3600 {
		t.Errorf("back as planned: %+v", back.Course)
	}
	if track, _ := back.Instrument("phq-9", patient).Track("total"); track.First.Value != 7 {
		t.Error("a pause does not begin a new baseline")
	}
	if day := tick(back, (*State).Silent); day != 76 {
		t.Errorf("silence is counted from the return: day %v", day)
	}
	if day := tick(back, func(s *State) bool { return s.Programme.Lapsed() }); day != 65 {
		t.Errorf("a lapse is counted from the return: day %v", day)
	}
	if day := tick(back, func(s *State) bool { c, _, is := s.Overdue(); return is && c.Code == "week-6" }); day != 49+42 {
		t.Errorf("week 6 comes six weeks later: day %v", day)
	}
	early := telling(start, days(0, 20, didIt), pause, []fact.Fact{careOf(30, "a", fact.CourseActive), didIt(30.5), clock(40)})
	if early.Paused() || early.Course.Rested != 10*24*3600 {
		t.Errorf("back early: %+v", early.Course)
	}
	withdrawn := telling(start, days(0, 20, didIt), missedThen, []fact.Fact{clock(60)})
	if !withdrawn.Silent() || withdrawn.Visits.Missed != 2 || !slices.Contains(codes(withdrawn), "missed-visits") {
		t.Errorf("when the pause turns out to be an error, all of it counts: %v", codes(withdrawn))
	}
}

func TestCoursesOfCare(t *testing.T) {
	type course struct {
		Number     int
		Begun      float64
		Why        string
		PastsWhy   []string
		FirstTotal float64
	}
	cases := []struct {
		name  string
		facts []fact.Fact
		want  course
	}{
		{"one", []fact.Fact{phq9(3, 12), phq9(30, 9)}, course{Number: 1, Begun: 3, FirstTotal: 12}},
		{"merely on a list there is none", []fact.Fact{cared(0, "t", true)}, course{}},
		{"half a year without care ends it", []fact.Fact{phq9(3, 12), clock(183)}, course{Number: 1, Begun: 3, Why: whyGap, FirstTotal: 12}},
		{"care after that is a new one", []fact.Fact{phq9(3, 12), phq9(200, 9)}, course{Number: 2, Begun: 200, PastsWhy: []string{whyGap}, FirstTotal: 9}},
		{"less is the same one", []fact.Fact{phq9(3, 12), phq9(180, 9)}, course{Number: 1, Begun: 3, FirstTotal: 12}},
		{
			"a visit ahead bridges it",
			[]fact.Fact{phq9(3, 12), visited(10, fact.Visit{ID: "Appointment/x", Status: planned, Due: on(190)}), phq9(200, 9)},
			course{Number: 1, Begun: 3, FirstTotal: 12},
		},
		{"an EpisodeOfCare adopts a young one", []fact.Fact{phq9(3, 12), careOf(20, "a", fact.CourseActive)}, course{Number: 1, Begun: 3, FirstTotal: 12}},
		{
			"and begins a new one beside an old one",
			[]fact.Fact{phq9(3, 12), careOf(60, "a", fact.CourseActive), phq9(61, 9)},
			course{Number: 2, Begun: 60, PastsWhy: []string{whyNext}, FirstTotal: 9},
		},
		{
			"it ends as its source says, with its form at discharge",
			[]fact.Fact{careOf(0, "a", fact.CourseActive), phq9(3, 12), careOf(90, "a", fact.CourseFinished), phq9(92, 4)},
			course{Number: 1, Begun: 0, Why: whyFinished, FirstTotal: 12},
		},
		{
			"those who go on with their exercises are not in care again",
			[]fact.Fact{careOf(0, "a", fact.CourseActive), phq9(3, 12), careOf(90, "a", fact.CourseFinished), logged(120, 1)},
			course{Number: 1, Begun: 0, Why: whyFinished, FirstTotal: 12},
		},
		{
			"those who come back are",
			[]fact.Fact{careOf(0, "a", fact.CourseActive), phq9(3, 12), careOf(90, "a", fact.CourseFinished), phq9(120, 15)},
			course{Number: 2, Begun: 120, PastsWhy: []string{whyFinished}, FirstTotal: 15},
		},
		{
			"its end was known",
			[]fact.Fact{careOf(0, "a", fact.CourseActive, func(c *fact.Course) { c.End = on(60) }), phq9(3, 12), clock(61)},
			course{Number: 1, Begun: 0, Why: whyFinished, FirstTotal: 12},
		},
		{
			"two at once are one, until both have ended",
			[]fact.Fact{careOf(0, "a", fact.CourseActive), careOf(5, "b", fact.CourseActive), phq9(6, 12), careOf(30, "a", fact.CourseFinished)},
			course{Number: 1, Begun: 0, FirstTotal: 12},
		},
		{"one that is only planned is none yet", []fact.Fact{careOf(0, "a", fact.CoursePlanned)}, course{}},
		{"death ends all", []fact.Fact{phq9(3, 12), at(9, fact.KindDeath, func(f *fact.Fact) { f.Death = &fact.Death{} })}, course{Number: 1, Begun: 3, Why: whyDied, FirstTotal: 12}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := Replay("p1", inOrder(c.facts))
			got := course{Number: s.Course.Number, Why: s.Course.Why}
			if got.Number > 0 {
				got.Begun = s.Course.Begun.Sub(monday).Hours() / 24
			}
			for _, p := range s.Past {
				got.PastsWhy = append(got.PastsWhy, p.Why)
			}
			if i := s.Instrument("phq-9", patient); i != nil {
				got.FirstTotal = i.Tracks[0].First.Value
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANewCourseStartsAnewAndKeepsWhatStands(t *testing.T) {
	goal := at(2, fact.KindGoal, func(f *fact.Fact) { f.Goal = &fact.Goal{ID: "Goal/open", Lifecycle: "active", Due: on(400)} })
	reached := at(3, fact.KindGoal, func(f *fact.Fact) {
		f.Goal = &fact.Goal{ID: "Goal/done", Lifecycle: "completed", Achievement: "achieved"}
	})
	var ratings []fact.Fact
	for n, mean := range []float64{4.2, 4.3, 4.2, 3.2} {
		ratings = append(ratings, wai(float64(7*n)+1, mean, "Practitioner/pt"))
	}
	before := []fact.Fact{
		careOf(0, "a", fact.CourseActive), prescribed(0.1, 1, "active"), phq9(0.5, 14, 1), goal, reached,
		visited(1, fact.Visit{ID: "Encounter/1", Status: attended}), visited(8, fact.Visit{ID: "Encounter/2", Status: missed}), phq9(50, 6, -1),
	}
	ruptured := telling(before, ratings)
	if !ruptured.Dyads[0].Chart.Open() {
		t.Fatal("no rupture")
	}
	s := telling(before, ratings, days(0, 50, didIt), []fact.Fact{careOf(60, "a", fact.CourseFinished), careOf(100, "b", fact.CourseActive), clock(101)})
	if d := s.Dyads[0]; d.Chart.Open() || len(d.Chart.Base) != 0 {
		t.Errorf("the rupture outlived its course: %+v", d.Chart)
	}
	if len(s.Critical) != 1 {
		t.Errorf("critical items stay until they are answered otherwise: %+v", s.Critical)
	}
	if len(s.Goals) != 1 || s.Goals[0].ID != "Goal/open" {
		t.Errorf("goals %+v", s.Goals)
	}
	if s.Visits.Attended != 0 || len(s.Instruments) != 0 || s.Programme.Closed != (adherence.Window{}) || s.Programme.Streak.Days != 0 {
		t.Errorf("windows, visits and baselines start anew: %+v %+v", s.Visits, s.Programme)
	}
	if !s.Programme.Asks(s.Now) {
		t.Error("what is prescribed stays prescribed")
	}
	want := PastCourse{
		Number: 1, Source: "EpisodeOfCare/a", Begun: on(0), Ended: on(60), Why: whyFinished, Attended: 1, Missed: 1,
		Scores: []PastScore{{Instrument: "phq-9", Code: "total", First: 14, Last: 6, Direction: "improved"}},
	}
	if diff := cmp.Diff([]PastCourse{want}, s.Past); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTermsSayHowLongAGapIs(t *testing.T) {
	s := Terms{GapDays: 60}.New("p1").Replay([]fact.Fact{phq9(3, 12), phq9(70, 9)})
	if s.Course.Number != 2 {
		t.Errorf("%+v", s.Course)
	}
	if back := read(t, stored(t, s)); back.GapDays != 60 {
		t.Error("the terms are lost")
	}
}

// neck is one patient with neck pain and fear of movement after an accident, told week by week.
func neck() (facts []fact.Fact) {
	tsk := func(day, total float64) fact.Fact {
		f := scored(day, "tsk-11", "beliefs", points("total", total, "", false, 7.04))
		level := map[bool]string{true: "moderate", false: "mild"}[total >= 29]
		f.Scores.Scores[0].Part, f.Scores.Scores[0].Level = "fear-of-movement", level
		return f
	}
	ndi := func(day, total float64) fact.Fact {
		f := scored(day, "ndi", "function", points("total", total, "", false, 10.2))
		f.Scores.Scores[0].Max = 50
		return f
	}
	facts = append(facts,
		careOf(0, "neck", fact.CourseActive), cared(0.1, "spine", true), tsk(0.4, 34), ndi(0.42, 28), phq9(0.45, 8),
		prescribed(1, 1, "active"),
	)
	for week := range 9 {
		day := float64(7 * week)
		facts = append(facts, visited(day+1, fact.Visit{ID: fmt.Sprint("Encounter/", week), Status: attended, Clinician: "Practitioner/pt"}))
		for d := range 7 {
			// she exercises at first, then moves less and less, until the fear has been talked about in week 5
			if week < 2 || week >= 5 || week < 4 && d%3 == 0 {
				facts = append(facts, logged(day+float64(d)+1.7, 1))
			}
		}
	}
	return append(facts, tsk(28.4, 33), ndi(28.42, 26), ndi(43.4, 27), tsk(56.4, 22), ndi(56.42, 12), phq9(56.45, 3))
}

func TestNeckPainWithFearOfMovementAfterAnAccident(t *testing.T) {
	asOf := func(day float64) *State {
		known := slices.DeleteFunc(inOrder(neck()), func(f fact.Fact) bool { return f.At.After(on(day)) })
		return Replay("p1", append(known, clock(day)))
	}
	for _, c := range []struct {
		day   float64
		tier  Tier
		codes []string
	}{
		{1.5, Watch, []string{"tsk-11"}},
		{15.5, Watch, []string{"tsk-11"}},
		{29.9, Discuss, []string{"adherence-low", "tsk-11"}},
		{34.5, Discuss, []string{"adherence-low", "exercise-lapsed", "tsk-11"}},
		{44, Discuss, []string{"adherence-low", "stagnation", "tsk-11"}},
		{57, Steady, nil},
	} {
		s := asOf(c.day)
		if v := s.View(); v.Tier != c.tier || !cmp.Equal(c.codes, codes(s)) {
			t.Errorf("day %v: %s %v, want %s %v", c.day, v.Tier, codes(s), c.tier, c.codes)
		}
		for _, r := range s.View().Reasons {
			if len(r.Facts) == 0 {
				t.Errorf("day %v: %s points to no fact", c.day, r.Code)
			}
		}
	}
	end := asOf(62)
	profile := end.Distress()
	fear, _ := profile.Part("fear-of-movement")
	if v, ok := fear.Track.SinceFirst(); !ok || v.Direction != "improved" || fear.Level != "mild" {
		t.Errorf("fear of movement: %s %+v", fear.Level, v)
	}
	line := end.Lines[0]
	if line.Instrument != "ndi" || line.Since.First.Value != 12 || line.Stalled(end.Visits.Attended) {
		t.Errorf("function: %+v", line)
	}
	if lapse := end.Programme.Streak.Lapse; !lapse.Returned || end.Programme.Streak.Days < 20 {
		t.Errorf("she came back to her exercises: %+v", end.Programme.Streak)
	}
	if w, ok := end.Programme.Last(adherence.MonthDays, end.Now); !ok || w.Unlogged == 0 {
		t.Errorf("the month still knows of the lapse: %+v", w)
	}
}

func TestSomebodyWhoFadesOutIsSeenBeforeTheLastVisit(t *testing.T) {
	facts := []fact.Fact{cared(0, "spine", true), prescribed(0.1, 1, "active"), phq9(0.5, 6)}
	for n, day := range []float64{1, 8, 15, 24, 37} {
		facts = append(facts, visited(day, fact.Visit{ID: fmt.Sprint("Encounter/", n), Status: attended}))
	}
	facts = append(facts, days(0, 20, didIt)...)
	s := telling(facts, []fact.Fact{clock(37.5)})
	signals, points := s.Dropout()
	var got []string
	for _, signal := range signals {
		got = append(got, signal.Code)
		if len(s.SignalFacts(signal.Code)) == 0 {
			t.Errorf("%s points to no fact", signal.Code)
		}
	}
	if want := []string{"gaps-growing", "exercise-lapsed", "exercise-low"}; !cmp.Equal(want, got) || points != 5 {
		t.Errorf("%v with %d points", got, points)
	}
}

func TestACourseThatWasAnnouncedBeginsOnItsDay(t *testing.T) {
	from := func(day float64) func(*fact.Course) { return func(c *fact.Course) { c.Start = on(day) } }
	to := func(day float64) func(*fact.Course) { return func(c *fact.Course) { c.End = on(day) } }
	for name, tt := range map[string]struct {
		facts []fact.Fact
		// on which day it begins; negative never.
		begins float64
		number int
	}{
		"active from a day ahead":             {[]fact.Fact{careOf(0, "a", fact.CourseActive, from(10))}, 10, 1},
		"planned for a day ahead":             {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10))}, 10, 1},
		"waiting for a place":                 {[]fact.Fact{careOf(0, "a", fact.CourseWaiting, from(10))}, -1, 0},
		"called off in time":                  {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10)), careOf(5, "a", fact.CourseCancelled, from(10))}, -1, 0},
		"put off":                             {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10)), careOf(5, "a", fact.CoursePlanned, from(20))}, 20, 1},
		"begun before its day":                {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10)), careOf(5, "a", fact.CourseActive)}, 5, 1},
		"after one that ends on the day":      {[]fact.Fact{careOf(0, "a", fact.CourseActive, to(10)), careOf(5, "b", fact.CoursePlanned, from(10))}, 10, 2},
		"beside one that goes on":             {[]fact.Fact{careOf(0, "a", fact.CourseActive), careOf(5, "b", fact.CoursePlanned, from(10))}, 0, 1},
		"after one that nobody told of":       {[]fact.Fact{phq9(0, 5), careOf(50, "b", fact.CoursePlanned, from(60))}, 60, 2},
		"of a patient who died before":        {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10)), at(5, fact.KindDeath, func(f *fact.Fact) { f.Death = &fact.Death{} })}, -1, 0},
		"announced, with the first care then": {[]fact.Fact{careOf(0, "a", fact.CoursePlanned, from(10)), phq9(12, 5)}, 10, 1},
	} {
		s := tell(tt.facts...)
		for n := 0; n < 20 && !s.Deadline.IsZero() && s.Deadline.Before(on(70)); n++ {
			s = tickAt(s, s.Deadline)
		}
		if s.Course.Number != tt.number || tt.begins >= 0 && !s.Course.Begun.Equal(on(tt.begins)) {
			t.Errorf("%s: course %d since %v, want %d since day %v", name, s.Course.Number, s.Course.Begun, tt.number, tt.begins)
		}
	}
}

func TestAnEncounterThatWasCalledOffDoesNotOutweighItsAppointment(t *testing.T) {
	const day = 7.4
	calledOff := fact.Visit{ID: "Encounter/e", Status: cancelledByClinic, Clinician: "Practitioner/pt"}
	linked := calledOff
	linked.Appointment = "Appointment/a"
	elsewhere := calledOff
	elsewhere.Clinician = "Practitioner/other"
	for name, tt := range map[string]struct {
		encounter fact.Visit
		status    string
		want      Visits
	}{
		"missed":                            {calledOff, missed, Visits{Missed: 1}},
		"missed, and the encounter says so": {linked, missed, Visits{Missed: 1}},
		"called off by the patient":         {calledOff, cancelledByPatient, Visits{CancelledByPatient: 1}},
		"arrived all the same":              {calledOff, attended, Visits{Attended: 1}},
		"called off by the clinic":          {calledOff, cancelledByClinic, Visits{CancelledByClinic: 1}},
		"with somebody else":                {elsewhere, missed, Visits{Missed: 1, CancelledByClinic: 1}},
	} {
		encounter := visited(day, tt.encounter)
		appointment := visited(day, fact.Visit{ID: "Appointment/a", Status: tt.status, Clinician: "Practitioner/pt"})
		for n, order := range [][2]string{{"1", "2"}, {"2", "1"}} {
			encounter.ID, appointment.ID = order[0], order[1]
			s := telling([]fact.Fact{encounter, appointment})
			got := s.Visits
			got.Recent = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, order %d (-want +got):\n%s", name, n, diff)
			}
		}
	}
}

func TestARemoteVisitCountsForTheMonthOfThePatientsOwnCalendar(t *testing.T) {
	call := visited(27.1, fact.Visit{ID: "Encounter/1", Status: attended, Virtual: true, Minutes: 12}) // in UTC it is February already
	call.Visit.Day = "2026-01-31"
	s := tell(phq9(0, 3), call)
	if len(s.Monitoring.Months) != 1 || s.Monitoring.Months[0].First.String() != "2026-01-01" {
		t.Fatalf("%+v", s.Monitoring.Months)
	}
	taken := call
	taken.ID, taken.Visit = "later", &fact.Visit{ID: "Encounter/1", Status: missed}
	taken.At = on(27.2)
	if s = tell(phq9(0, 3), call, taken); s.Monitoring.Months[0].Minutes != 0 || s.Monitoring.Months[0].Interactions != 0 {
		t.Errorf("what was taken back stays in %+v", s.Monitoring.Months)
	}
}
