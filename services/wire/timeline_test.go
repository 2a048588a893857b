package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
)

func TestARuptureIsToldWithItsBeginningAndItsEnd(t *testing.T) {
	first := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var facts []fact.Fact
	for n, mean := range []float64{4.2, 4.3, 4.2, 4.2, 3.0, 3.1, 4.3} {
		facts = append(facts, fact.Fact{
			ID: fmt.Sprint("f", n), Kind: fact.KindScores, At: first.AddDate(0, 0, 7*n),
			Scores: &fact.Scores{
				Instrument: "wai-sr", Version: "1", Construct: "alliance", Respondent: "patient", Clinician: "Practitioner/a",
				Scores: []fact.Score{{Code: "total-mean", Value: &mean, Max: 5, HigherBetter: true}},
			},
		})
	}
	var got []string
	for _, turn := range (episode.Terms{}).Walk("p", facts).Turns {
		for _, b := range turn.Breaks {
			got = append(got, BreakEntry(turn, b).GetText())
		}
		if turn.Dyad != nil {
			got = append(got, AllianceEntry(turn).GetText())
		}
	}
	want := []string{
		"rupture begins, with Practitioner/a as the patient sees it on the wai-sr, total-mean 3 against usually 4.225",
		"rupture of 2026-03-30 repaired, with Practitioner/a as the patient sees it on the wai-sr",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s", strings.Join(got, "\n"))
	}
}

func TestEveryKindOfFactIsToldInWordsAndInFull(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	percent := 80.0
	for want, f := range map[string]fact.Fact{
		"home exercise done":                                   {Kind: fact.KindExercise, Exercise: &fact.Exercise{Done: 1}},
		"home exercise reported not done":                      {Kind: fact.KindExercise, Exercise: &fact.Exercise{}},
		"home exercise: 2 exercises logged":                    {Kind: fact.KindExercise, Exercise: &fact.Exercise{Partial: true, Parts: make([]fact.Part, 2)}},
		"home exercise 80 % done, as worked out elsewhere":     {Kind: fact.KindExercise, Exercise: &fact.Exercise{Percent: &percent}},
		"home exercise active, 3 × in 7 d":                     {Kind: fact.KindPrescription, Prescription: &fact.Prescription{Status: "active", Sessions: 3, PeriodDays: 7}},
		"visit cancelled-patient late, Practitioner/a":         {Kind: fact.KindVisit, Visit: &fact.Visit{Status: "cancelled-patient", Late: true, Clinician: "Practitioner/a"}},
		"visit planned, due 2026-03-02":                        {Kind: fact.KindVisit, Visit: &fact.Visit{Status: "planned", Due: at}},
		"team north no longer cares for the patient":           {Kind: fact.KindTeam, Team: &fact.Team{ID: "north"}},
		"goal Goal/g active, in-progress":                      {Kind: fact.KindGoal, Goal: &fact.Goal{ID: "Goal/g", Lifecycle: "active", Achievement: "in-progress"}},
		"LOINC 72514-3: 4 {score}, SNOMED CT 16982005, left":   {Kind: fact.KindMeasure, Measure: &fact.Measure{Code: "http://loinc.org|72514-3", Value: 4, Unit: "{score}", Site: "http://snomed.info/sct|16982005", Side: "left"}},
		"course EpisodeOfCare/e onhold, patient-choice":        {Kind: fact.KindCourse, Course: &fact.Course{ID: "EpisodeOfCare/e", Status: "onhold", Reason: "patient-choice"}},
		"repair of the alliance attempted, by gave-time":       {Kind: fact.KindRepair, Repair: &fact.Repair{Step: "attempted", Enhancers: []string{"gave-time"}}},
		"the patient died":                                     {Kind: fact.KindDeath, Death: &fact.Death{}},
		"time passed a deadline":                               {Kind: fact.KindClock, Clock: &fact.Clock{}},
		"pcs by the patient: total not scorable: missing-item": {Kind: fact.KindScores, Scores: &fact.Scores{Instrument: "pcs", Respondent: "patient", Scores: []fact.Score{{Code: "total", NotScorable: "missing-item"}}}},
	} {
		f.ID, f.At = "f", at
		got, err := FactEntry(f)
		if err != nil || got.GetText() != want || got.GetKind() != string(f.Kind) {
			t.Errorf("%s: %q %v", f.Kind, got.GetText(), err)
		}
		if full := got.GetFact() != nil || got.GetSheet() != nil; full == (f.Clock != nil) {
			t.Errorf("%s: the working is %v", f.Kind, got.GetDetail())
		}
	}
}
