package episode

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// monday is 5 January 2026, the first day of every story.
var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func on(day float64) time.Time { return monday.Add(time.Duration(day * 24 * float64(time.Hour))) }

func at(day float64, kind fact.Kind, tell func(*fact.Fact)) fact.Fact {
	f := fact.Fact{Kind: kind, At: on(day)}
	tell(&f)
	f.ID = fmt.Sprintf("%s-%07.3f", kind, day)
	return f
}

func points(code string, value float64, band string, higherBetter bool, reliable float64) fact.Score {
	s := fact.Score{Code: code, Value: &value, Band: band, HigherBetter: higherBetter, Max: 100}
	if reliable > 0 {
		s.Reliable = &reliable
	}
	return s
}

func scored(day float64, instrument, construct string, scores ...fact.Score) fact.Fact {
	return at(day, fact.KindScores, func(f *fact.Fact) {
		f.Scores = &fact.Scores{Instrument: instrument, Version: "1", Construct: construct, Respondent: patient, Scores: scores}
	})
}

func phq9(day, total float64, item9 ...float64) fact.Fact {
	f := scored(day, "phq-9", "distress", points("total", total, "", false, 5.186))
	f.Scores.Scores[0].Part, f.Scores.Scores[0].Level = "depression", "moderate"
	for _, v := range item9 {
		if v < 0 {
			f.Scores.SafetyUnknown = []int{9}
		} else if v > 0 {
			f.Scores.Critical = []fact.Critical{{Item: 9, Value: v, Severity: "safety"}}
		}
	}
	return f
}

func wai(day, mean float64, clinician string) fact.Fact {
	f := scored(day, "wai-sr", "alliance", points("total", 12*mean, "", true, 6.6), points("total-mean", mean, "", true, 0.55))
	f.Scores.Clinician = ref.Clinician(clinician)
	return f
}

// rated is a rating of the alliance with its parts, in points of the form.
func rated(day float64, clinician ref.Clinician, task, bond, goal float64) fact.Fact {
	mean := (task + bond + goal) / 12
	f := scored(day, "wai-sr", "alliance")
	f.Scores.Clinician = clinician
	for code, value := range map[string]float64{"task": task, "bond": bond, "goal": goal, "total": 12 * mean, "total-mean": mean} {
		s := points(code, value, "", true, 0)
		switch code {
		case "total":
			s.Min, s.Max, s.Reliable = 12, 60, new(6.6)
		case "total-mean":
			s.Min, s.Max, s.Reliable = 1, 5, new(0.55)
		default:
			s.Min, s.Max = 4, 20
		}
		f.Scores.Scores = append(f.Scores.Scores, s)
	}
	slices.SortFunc(f.Scores.Scores, func(a, b fact.Score) int { return strings.Compare(a.Code, b.Code) })
	return f
}

// by gives a rating to another rater.
func by(rater string, f fact.Fact) fact.Fact {
	f.Scores.Respondent, f.ID = rater, f.ID+"-"+rater
	if rater == "clinician" {
		f.Scores.Instrument = "wai-srt"
	}
	return f
}

func mended(day float64, step string, clinician ref.Clinician, codes ...string) fact.Fact {
	return at(day, fact.KindRepair, func(f *fact.Fact) {
		f.Repair = &fact.Repair{Step: step, Clinician: clinician, Enhancers: codes, Eroders: codes}
	})
}

func logged(day, done float64) fact.Fact {
	return at(day, fact.KindExercise, func(f *fact.Fact) { f.Exercise = &fact.Exercise{Done: done} })
}

func prescribed(day, perDay float64, status string) fact.Fact {
	return at(day, fact.KindPrescription, func(f *fact.Fact) {
		f.Prescription = &fact.Prescription{ID: "ServiceRequest/hep", Status: status, Sessions: perDay, PeriodDays: 1, From: on(day)}
	})
}

func visited(day float64, v fact.Visit) fact.Fact {
	return at(day, fact.KindVisit, func(f *fact.Fact) { f.Visit = &v })
}

func cared(day float64, id string, active bool, within ...ref.CareTeam) fact.Fact {
	f := at(day, fact.KindTeam, func(f *fact.Fact) { f.Team = &fact.Team{ID: ref.CareTeam(id), Active: active, Within: within} })
	f.ID += id
	return f
}

func clock(day float64) fact.Fact {
	return at(day, fact.KindClock, func(f *fact.Fact) { f.Clock = &fact.Clock{} })
}

func tell(facts ...fact.Fact) *State { return Replay("p1", facts) }

func TestEachScoreIsComparedWithItsBaselineAndWithTheOneBefore(t *testing.T) {
	s := tell(phq9(0, 8), phq9(14, 12), phq9(28, 14))
	track, ok := s.Instrument("phq-9", patient).Track("total")
	if !ok || track.First.Value != 8 || track.Previous.Value != 12 || track.Last.Value != 14 || track.Count != 3 {
		t.Fatalf("track %+v", track)
	}
	if first, _ := track.SinceFirst(); !first.Worse() {
		t.Errorf("six points since the baseline: %+v", first)
	}
	if previous, _ := track.SincePrevious(); previous.Worse() {
		t.Errorf("two points since the last: %+v", previous)
	}
}

func TestACarePartnersAnswersAreKeptApart(t *testing.T) {
	partner := phq9(7, 20)
	partner.Scores.Respondent = "care-partner"
	s := tell(phq9(0, 8), partner)
	if track, _ := s.Instrument("phq-9", patient).Track("total"); track.Count != 1 || track.Last.Value != 8 {
		t.Errorf("the patient's own: %+v", track)
	}
	profile := s.Distress()
	if part, _ := profile.Part("depression"); part.Track.Last.Value != 8 {
		t.Errorf("the profile speaks of %v", part.Track.Last.Value)
	}
	if !s.Heard.Equal(on(0)) {
		t.Error("a partner's answer was taken for the patient's word")
	}
}

func TestTheClinicianIsLearntFromTheVisit(t *testing.T) {
	rating := wai(1.1, 4.2, "")
	rating.Scores.Encounter = "Encounter/e1"
	elsewhere := wai(1.2, 3, "")
	elsewhere.Scores.Encounter = "Encounter/unknown"
	s := tell(
		visited(1, fact.Visit{ID: "Encounter/e1", Status: attended, Clinician: "Practitioner/pt"}),
		rating, elsewhere, wai(8, 4.4, "Practitioner/pt"), wai(9, 4, "Practitioner/ot"),
	)
	got := map[ref.Clinician]int{}
	for _, d := range s.Dyads {
		got[d.Clinician] = d.Sessions
	}
	if diff := cmp.Diff(map[ref.Clinician]int{"Practitioner/pt": 2, "Practitioner/ot": 1, "": 1}, got); diff != "" {
		t.Errorf("sessions by clinician (-want +got):\n%s", diff)
	}
}

func TestARuptureWithOneClinicianIsNotOneWithAnother(t *testing.T) {
	var facts []fact.Fact
	for n, mean := range []float64{4.2, 4.3, 4.2, 4.3, 4.2, 3.4} {
		facts = append(facts, wai(float64(7*n), mean, "Practitioner/pt"), wai(float64(7*n)+0.5, 4.5, "Practitioner/ot"))
	}
	s := tell(facts...)
	for _, d := range s.Dyads {
		if open := d.Chart.Open(); open != (d.Clinician == "Practitioner/pt") {
			t.Errorf("%s: rupture open %v", d.Clinician, open)
		}
	}
	if s.Dyads[0].Event != alliance.Ruptured {
		t.Errorf("event %s", s.Dyads[0].Event)
	}
}

func TestACriticalItemStandsUntilItIsAnsweredOtherwise(t *testing.T) {
	cases := []struct {
		name  string
		facts []fact.Fact
		want  int
	}{
		{"answered above zero", []fact.Fact{phq9(0, 4, 1)}, 1},
		{"answered zero later", []fact.Fact{phq9(0, 4, 1), phq9(14, 4, 0)}, 0},
		{"left unanswered later: unknown, not negative", []fact.Fact{phq9(0, 4, 1), phq9(14, 4, -1)}, 1},
		{"another form says nothing about it", []fact.Fact{phq9(0, 4, 1), scored(14, "gad-7", "distress", points("total", 3, "", false, 6))}, 1},
		{"answered above zero twice stands once", []fact.Fact{phq9(0, 4, 1), phq9(14, 4, 3)}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if s := tell(c.facts...); len(s.Critical) != c.want {
				t.Errorf("stands: %+v", s.Critical)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	ended := prescribed(0, 1, "active")
	ended.Prescription.Until = on(10)
	cases := []struct {
		name     string
		facts    []fact.Fact
		deadline float64 // the next silence; -1 when none is ahead
		silent   bool
	}{
		{"a log, then nothing", []fact.Fact{cared(0, "t", true), logged(1, 1)}, 15, false},
		{"fourteen days later", []fact.Fact{cared(0, "t", true), logged(1, 1), clock(15)}, -1, true},
		{"a word ends it", []fact.Fact{cared(0, "t", true), logged(1, 1), clock(15), phq9(16, 5)}, 30, false},
		{"what clinicians write is not the patient's word", []fact.Fact{cared(0, "t", true), logged(1, 1), visited(13, fact.Visit{ID: "Appointment/a", Status: missed})}, 15, false},
		{"a visit attended is", []fact.Fact{cared(0, "t", true), logged(1, 1), visited(13, fact.Visit{ID: "Appointment/a", Status: attended})}, 27, false},
		{"merely on a list", []fact.Fact{cared(0, "t", true)}, -1, false},
		{"nobody cares for the patient any more", []fact.Fact{cared(0, "t", true), logged(1, 1), cared(5, "t", false)}, -1, false},
		{"care that ends before silence is reached still closes its window", []fact.Fact{ended, logged(1, 1)}, 14, false},
		{"and no silence follows", []fact.Fact{ended, logged(1, 1), clock(14)}, -1, false},
		{"a new team does not begin with a silence", []fact.Fact{logged(1, 1), cared(40, "t", true)}, 54, false},
		{"a visit ahead keeps the episode alive", []fact.Fact{logged(1, 1), visited(1.5, fact.Visit{ID: "Appointment/a", Status: planned, Due: on(30)})}, 15.5, false},
		{"and not after it", []fact.Fact{logged(1, 1), visited(1.5, fact.Visit{ID: "Appointment/a", Status: planned, Due: on(10)})}, -1, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := tell(c.facts...)
			if s.Silent() != c.silent {
				t.Errorf("silent %v since %v", s.Silent(), s.SilentSince)
			}
			var want time.Time
			if c.deadline >= 0 {
				want = on(c.deadline)
			}
			if !s.Deadline.Equal(want) {
				t.Errorf("deadline %v, want %v", s.Deadline, want)
			}
		})
	}
}

func TestSomebodyWhoNeverStartedTheExercisesBecomesSilent(t *testing.T) {
	s := tell(prescribed(0.5, 1, "active"))
	if !s.Deadline.Equal(on(14)) {
		t.Fatalf("first the window closes: %v", s.Deadline)
	}
	s = Fold(s, clock(14))
	if w, ok := s.Completed(); !ok || w.Due != 14 || w.Done != 0 {
		t.Errorf("window %+v, %v", w, ok)
	}
	if !s.Deadline.Equal(on(14.5)) || s.Silent() {
		t.Fatalf("then the silence: %v", s.Deadline)
	}
	if s = Fold(s, clock(14.5)); !s.Silent() || !s.Deadline.Equal(on(21)) {
		t.Errorf("silent %v, then the next window: %v", s.Silent(), s.Deadline)
	}
}

func TestAPlannedVisitDatedAheadPassesNoTime(t *testing.T) {
	s := tell(cared(0, "t", true), logged(1, 1), visited(60, fact.Visit{ID: "Appointment/a", Status: planned}))
	if s.Silent() || !s.Now.Equal(on(1)) || !s.Last.At.Equal(on(60)) || !s.Deadline.Equal(on(15)) {
		t.Errorf("now %v, last %v, deadline %v, silent %v", s.Now, s.Last.At, s.Deadline, s.Silent())
	}
	if s = tell(visited(60, fact.Visit{ID: "Appointment/a", Status: planned})); !s.Deadline.IsZero() || !s.Begun.IsZero() {
		t.Errorf("an announcement alone began the episode: %+v", s)
	}
}

func TestAnAppointmentAndItsEncounterAreOneVisit(t *testing.T) {
	appointment := visited(3, fact.Visit{ID: "Appointment/a", Status: attended})
	encounter := visited(3.1, fact.Visit{ID: "Encounter/e", Appointment: "Appointment/a", Status: attended, Clinician: "Practitioner/pt"})
	noShow := visited(3, fact.Visit{ID: "Appointment/a", Status: missed})
	early := visited(2.9, fact.Visit{ID: "Encounter/e", Appointment: "Appointment/a", Status: attended, Clinician: "Practitioner/pt"})
	cases := []struct {
		name           string
		facts          []fact.Fact
		attends, fails int
	}{
		{"the appointment first", []fact.Fact{appointment, encounter}, 1, 0},
		{"the encounter first", []fact.Fact{early, appointment}, 1, 0},
		{"the encounter wins over a no-show", []fact.Fact{noShow, encounter}, 1, 0},
		{"also when it came first", []fact.Fact{early, noShow}, 1, 0},
		{"two visits", []fact.Fact{appointment, visited(5, fact.Visit{ID: "Appointment/b", Status: missed})}, 1, 1},
		{"what the clinic cancelled is nobody's fault", []fact.Fact{visited(5, fact.Visit{ID: "Appointment/b", Status: cancelledByClinic})}, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := tell(c.facts...)
			if s.Visits.Attended != c.attends || s.Visits.Missed != c.fails {
				t.Errorf("%+v", s.Visits)
			}
			asked := &fact.Scores{Encounter: "Encounter/e"}
			if got := s.Clinician(asked); len(c.facts) == 2 && c.fails == 0 && got != "Practitioner/pt" {
				t.Errorf("clinician %q", got)
			}
		})
	}
}

func TestAlertsGoToEveryTeamThatCaresAndToTheTeamsWithin(t *testing.T) {
	cases := []struct {
		name  string
		facts []fact.Fact
		want  []feed.Name
	}{
		{"no team", nil, []feed.Name{feed.Unassigned}},
		{"two teams, one within both", []fact.Fact{cared(0, "spine", true, "pain", "desk"), cared(1, "pcp", true, "desk")}, []feed.Name{"team:desk", "team:pain", "team:pcp", "team:spine"}},
		{"a team that left", []fact.Fact{cared(0, "spine", true, "pain"), cared(1, "pcp", true), cared(2, "spine", false)}, []feed.Name{"team:pcp"}},
		{"the last team left", []fact.Fact{cared(0, "spine", true), cared(2, "spine", false)}, []feed.Name{feed.Unassigned}},
		{"a team changed", []fact.Fact{cared(0, "spine", true, "pain"), cared(2, "spine", true, "desk")}, []feed.Name{"team:desk", "team:spine"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, tell(c.facts...).Feeds()); diff != "" {
				t.Errorf("feeds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGoalsAndMeasuresStandAsLastSaid(t *testing.T) {
	goal := func(day float64, achievement string) fact.Fact {
		return at(day, fact.KindGoal, func(f *fact.Fact) {
			f.Goal = &fact.Goal{ID: "Goal/g", Lifecycle: "active", Achievement: achievement, Due: on(90)}
		})
	}
	pain := func(day, value float64) fact.Fact {
		return at(day, fact.KindMeasure, func(f *fact.Fact) { f.Measure = &fact.Measure{Code: "http://loinc.org|72514-3", Value: value} })
	}
	s := tell(goal(0, "in-progress"), pain(1, 7), pain(8, 4), goal(30, "achieved"))
	if len(s.Goals) != 1 || s.Goals[0].Achievement != "achieved" || !s.Goals[0].At.Equal(on(30)) {
		t.Errorf("goals %+v", s.Goals)
	}
	if len(s.Measures) != 1 || s.Measures[0].First.Value != 7 || s.Measures[0].Last.Value != 4 {
		t.Errorf("measures %+v", s.Measures)
	}
}

func TestTheFusedView(t *testing.T) {
	diary := func(done int) []fact.Fact {
		facts := []fact.Fact{prescribed(0, 1, "active")}
		for day := range done {
			facts = append(facts, logged(float64(day)+0.5, 1))
		}
		return append(facts, clock(14))
	}
	ruptured := []fact.Fact{wai(14.1, 4.2, "p"), wai(14.2, 4.3, "p"), wai(14.3, 4.2, "p"), wai(14.4, 3.2, "p")}
	strained := append(ruptured[:3:3], wai(14.4, 3.9, "p"))
	cases := []struct {
		name  string
		facts []fact.Fact
		tier  Tier
		codes []string
	}{
		{"nothing known", nil, Steady, nil},
		{"all well", append(diary(13), phq9(14.5, 9)), Steady, nil},
		{"item 9, whatever the total", []fact.Fact{phq9(0, 1, 1)}, ActNow, []string{"phq-9-item-9"}},
		{"a rupture", append(diary(13), ruptured...), Discuss, []string{"rupture"}},
		{"a rupture while the exercises lapse", append(diary(6), ruptured...), ActNow, []string{"rupture-and-low-adherence", "rupture", "adherence-low"}},
		{"strain", append(diary(13), strained...), Watch, []string{"strain"}},
		{"a positive screen", []fact.Fact{phq9(0, 10)}, Discuss, []string{"phq-9"}},
		{"low adherence", diary(9), Discuss, []string{"adherence-low"}},
		{"borderline adherence", diary(11), Watch, []string{"adherence-borderline"}},
		{"before the window closes adherence says nothing", diary(3)[:4], Steady, nil},
		{"long after the programme adherence says nothing", append(diary(3), prescribed(15, 1, "completed"), phq9(60, 0)), Steady, nil},
		{"a session rated 36", []fact.Fact{scored(0, "srs", "alliance", points("total", 36, "discuss", true, 0))}, Discuss, []string{"srs"}},
		{"a session rated 36.1", []fact.Fact{scored(0, "srs", "alliance", points("total", 36.1, "ok", true, 0))}, Steady, nil},
		{"beliefs", []fact.Fact{scored(0, "pcs", "beliefs", points("total", 30, "high", false, 0)), scored(1, "tsk-11", "beliefs", points("total", 29, "moderate", false, 0))}, Watch, []string{"pcs", "tsk-11"}},
		{"a safety item left open", []fact.Fact{phq9(0, 3, -1)}, Watch, []string{"safety-unknown"}},
		{"silence", []fact.Fact{cared(0, "t", true), logged(1, 1), clock(15)}, Watch, []string{"silence"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := tell(c.facts...).View()
			var codes []string
			for _, r := range v.Reasons {
				codes = append(codes, r.Code)
			}
			if diff := cmp.Diff(c.codes, codes); diff != "" || v.Tier != c.tier {
				t.Errorf("tier %s, reasons (-want +got):\n%s", v.Tier, diff)
			}
		})
	}
}

func TestAReasonThatRestsOnAnUnconfirmedErrorBandSaysSo(t *testing.T) {
	for _, unconfirmed := range []bool{true, false} {
		var facts []fact.Fact
		for n, mean := range []float64{4.2, 4.3, 4.2, 3.2} {
			f := wai(float64(n), mean, "p")
			f.Scores.Scores[1].ReliableUnconfirmed = unconfirmed
			facts = append(facts, f)
		}
		reasons := tell(facts...).View().Reasons
		if len(reasons) != 1 || reasons[0].Code != "rupture" || reasons[0].Unconfirmed != unconfirmed {
			t.Errorf("%v: %+v", unconfirmed, reasons)
		}
	}
	if reasons := tell(phq9(0, 10)).View().Reasons; len(reasons) != 1 || reasons[0].Unconfirmed {
		t.Errorf("a confirmed score: %+v", reasons)
	}
}

func TestTheTableIsInOrderOfWeight(t *testing.T) {
	for i := 1; i < len(table); i++ {
		if table[i].weight >= table[i-1].weight {
			t.Errorf("%s is out of order", table[i].code)
		}
	}
}
