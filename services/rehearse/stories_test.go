package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/rules"
)

// story is told day by day, from a Monday, and judged by the rules that ship.
type story struct {
	t     *testing.T
	facts []fact.Fact
}

func (s *story) tell(day float64, f fact.Fact) {
	f.At = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC).Add(time.Duration(day * 24 * float64(time.Hour)))
	f.ID = fmt.Sprintf("%s-%03d", f.Kind, len(s.facts))
	s.facts = append(s.facts, f)
}

// form is answered by the patient unless somebody else is named.
func (s *story) form(day float64, instrument, construct string, clinician ref.Clinician, by string, scores ...fact.Score) {
	s.tell(day, fact.Fact{Kind: fact.KindScores, Scores: &fact.Scores{
		Instrument: instrument, Version: "1", Construct: construct, Respondent: by, Clinician: clinician, Scores: scores,
	}})
}

func score(code string, value, low, high, reliable float64) fact.Score {
	s := fact.Score{Code: code, Value: &value, Min: low, Max: high}
	if reliable > 0 {
		s.Reliable = &reliable
	}
	return s
}

// alliance of so many points of four items each for task, bond and goal.
func (s *story) alliance(day float64, clinician ref.Clinician, by string, task, bond, goal float64) {
	total := task + bond + goal
	scores := []fact.Score{score("task", task, 4, 20, 0), score("bond", bond, 4, 20, 0), score("goal", goal, 4, 20, 0), score("total", total, 12, 60, 6.6), score("total-mean", total/12, 1, 5, 0.55)}
	for i := range scores {
		scores[i].HigherBetter = true
	}
	s.form(day, "wai-sr", "alliance", clinician, by, scores...)
}

func (s *story) visit(day float64, id, status string) {
	s.tell(day, fact.Fact{Kind: fact.KindVisit, Visit: &fact.Visit{ID: "Appointment/" + id, Status: status, Clinician: "Practitioner/pt"}})
}

func (s *story) log(day float64) {
	s.tell(day, fact.Fact{Kind: fact.KindExercise, Exercise: &fact.Exercise{Done: 1}})
}

// begins is a course of care with a team and a session of home exercise a day.
func (s *story) begins() {
	s.tell(0, fact.Fact{Kind: fact.KindTeam, Team: &fact.Team{ID: "team", Active: true}})
	s.tell(0.1, fact.Fact{Kind: fact.KindPrescription, Prescription: &fact.Prescription{
		ID: "ServiceRequest/hep", Status: "active", Sessions: 1, PeriodDays: 1, From: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
	}})
}

// found are the days on which each rule finds something, with the clock looking in at every deadline up to a last day.
func (s *story) found(last int) map[string][]int {
	s.t.Helper()
	all, err := rules.Default()
	if err != nil {
		s.t.Fatal(err)
	}
	slices.SortStableFunc(s.facts, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	begun := s.facts[0].At
	found := map[string][]int{}
	state := episode.New("p1")
	fold := func(f fact.Fact) {
		after := episode.Fold(state, f)
		for _, one := range judge.Judge(all, state, after, f) {
			found[one.Rule.ID] = append(found[one.Rule.ID], int(f.At.Sub(begun).Hours()/24))
		}
		state = after
	}
	until := func(to time.Time) {
		for d := state.Deadline; !d.IsZero() && !d.After(to); d = state.Deadline {
			fold(fact.Fact{ID: "clock", Kind: fact.KindClock, At: d, Clock: &fact.Clock{}})
		}
	}
	for _, f := range s.facts {
		until(f.At)
		fold(f)
	}
	until(begun.AddDate(0, 0, last))
	return found
}

// want says which rules find something, and within which days each does so first.
func (s *story) want(last int, rule map[string][2]int, quiet ...string) {
	s.t.Helper()
	found := s.found(last)
	for id, days := range rule {
		if on := found[id]; len(on) == 0 || on[0] < days[0] || on[0] > days[1] {
			s.t.Errorf("%s is found on days %v, want it first within %v", id, on, days)
		}
	}
	for _, id := range quiet {
		if len(found[id]) > 0 {
			s.t.Errorf("%s is found on days %v", id, found[id])
		}
	}
	if s.t.Failed() {
		s.t.Log(strings.ReplaceAll(fmt.Sprint(found), "] ", "]\n"))
	}
}

// A car from behind, and since then every turn of the head is a threat. The exercises are dropped, one sharp word at the
// fourth visit costs the trust, and nobody comes back for the next appointments.
func TestNeckPainWithFearOfMovementAfterAnAccident(t *testing.T) {
	s := &story{t: t}
	s.begins()
	s.form(0.3, "tsk-11", "beliefs", "", "patient", score("total", 34, 11, 44, 7.04))
	s.form(0.4, "pcs", "beliefs", "", "patient", score("total", 34, 0, 52, 12.751))
	for day := range 20 {
		s.log(float64(day) + 0.6)
	}
	for n, day := range []float64{1, 8, 15, 22} {
		s.visit(day, fmt.Sprint("v", n), "attended")
		level := []float64{17, 17, 16, 10}[n]
		s.alliance(day+0.05, "Practitioner/pt", "patient", level, level, level)
	}
	s.visit(29, "v5", "missed")
	s.visit(33, "v6", "missed")
	s.want(60, map[string][2]int{"alliance-drop": {22, 22}, "missed-visits": {33, 33}, "silence": {34, 40}, "drop-out-risk": {22, 40}}, "alliance-repaired")
}

// The stage is over for good. Week by week there is less to hope for; in the sixth week the last item of the form says so. What
// breaks with the therapist who speaks of plans too soon is mended when it is named.
func TestGriefAfterALostDancingCareer(t *testing.T) {
	s := &story{t: t}
	s.begins()
	for day := range 63 {
		s.log(float64(day) + 0.6)
	}
	for n, total := range []float64{9, 11, 14, 17} {
		s.form(float64(14*n)+0.3, "phq-9", "distress", "", "patient", score("total", total, 0, 27, 5.186))
	}
	s.facts[len(s.facts)-1].Scores.Critical = []fact.Critical{{Item: 9, Value: 1, Severity: "safety"}}
	for n, level := range []float64{17, 17, 17, 11, 13, 17} {
		day := float64(7*n) + 3
		s.visit(day, fmt.Sprint("v", n), "attended")
		s.alliance(day+0.05, "Practitioner/pt", "patient", level, level, level)
	}
	s.want(63, map[string][2]int{"reliable-worsening": {42, 42}, "phq9-item-9": {42, 42}, "alliance-drop": {24, 24}, "alliance-repaired": {38, 38}}, "silence", "missed-visits")
}

// Harvest time: six weeks without therapy, by agreement. Nothing that is missing then counts against anybody.
func TestAPauseByChoice(t *testing.T) {
	pause := func(agreed bool) *story {
		s := &story{t: t}
		s.begins()
		for day := range 21 {
			s.log(float64(day) + 0.6)
		}
		s.visit(1, "a", "attended")
		s.visit(15, "b", "attended")
		if agreed {
			s.tell(21, fact.Fact{Kind: fact.KindCourse, Course: &fact.Course{
				ID: "EpisodeOfCare/e", Status: fact.CoursePaused, Reason: fact.PatientChoice, Until: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC),
			}})
		}
		s.visit(29, "c", "missed")
		s.visit(36, "d", "missed")
		for day := 63; day < 77; day++ {
			s.log(float64(day) + 0.6)
		}
		return s
	}
	pause(true).want(77, nil, "silence", "missed-visits", "hep-low", "hep-very-low", "hep-lapse", "drop-out-risk")
	pause(false).want(77, map[string][2]int{"silence": {30, 36}, "missed-visits": {36, 36}, "hep-lapse": {21, 27}, "hep-very-low": {27, 36}}, "hep-low")
}

// The patient gives full marks, visit after visit; the partner, who sits beside, rates what is left of it at home.
func TestACarePartnerWhoSeesMoreThanThePatientSays(t *testing.T) {
	s := &story{t: t}
	s.begins()
	for day := range 35 {
		s.log(float64(day) + 0.6)
	}
	for n := range 5 {
		day := float64(7*n) + 1
		s.visit(day, fmt.Sprint("v", n), "attended")
		s.alliance(day+0.05, "", "patient", 20, 20, 20)
		s.alliance(day+0.3, "", "care-partner", 14, 15, 13)
	}
	s.want(35, map[string][2]int{"alliance-gap": {1, 9}}, "alliance-drop", "silence")
}

// Six people look after one patient, and one of them does not find the tone.
func TestATeamOfSixWhereOneLinkIsWeak(t *testing.T) {
	s := &story{t: t}
	s.begins()
	for day := range 35 {
		s.log(float64(day) + 0.6)
	}
	for round := range 3 {
		for n, who := range []ref.Clinician{"pt", "ot", "psych", "phys", "nurse", "coord"} {
			level := 17.0
			if who == "phys" {
				level = 11
			}
			s.alliance(float64(10*round+n)+0.2, "Practitioner/"+who, "patient", level, level, level)
		}
	}
	s.want(35, map[string][2]int{"team-weak-link": {10, 15}}, "alliance-drop", "silence")
}
