package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/wire"
)

// told is a fact of a day of 2026.
func told(day int, id string, f fact.Fact) fact.Fact {
	f.ID, f.At = fmt.Sprintf("%s-%03d", id, day), time.Date(2026, 1, 5+day, 9, 0, 0, 0, time.UTC)
	return f
}

// allianceRated is a rating with its parts, in points of the form.
func allianceRated(day int, rater string, with ref.Clinician, task, bond, goal float64) fact.Fact {
	s := &fact.Scores{Instrument: "wai-sr", Version: "1.0.0", Construct: "alliance", Respondent: rater, Clinician: with}
	for _, x := range []struct {
		code             string
		value, low, high float64
	}{
		{"task", task, 4, 20},
		{"bond", bond, 4, 20},
		{"goal", goal, 4, 20},
		{"total", task + bond + goal, 12, 60},
		{"total-mean", (task + bond + goal) / 12, 1, 5},
	} {
		s.Scores = append(s.Scores, fact.Score{Code: x.code, Value: new(x.value), Min: x.low, Max: x.high, HigherBetter: true})
	}
	return told(day, rater+string(with), fact.Fact{Kind: fact.KindScores, Scores: s})
}

// allianceStory is a team of three: with the physical therapist there was a rupture that was repaired and there is one of
// the tasks, the psychologist is the weak link, and the occupational therapist sees it much better than the patient does.
func allianceStory() []fact.Fact {
	const pt, psy, ot = ref.Clinician("Practitioner/pt"), ref.Clinician("Practitioner/psy"), ref.Clinician("Practitioner/ot")
	facts := []fact.Fact{told(0, "team", fact.Fact{Kind: fact.KindTeam, Team: &fact.Team{ID: "spine", Active: true, Members: []fact.Member{
		{Clinician: pt, Roles: []string{"physical-therapist"}}, {Clinician: psy, Roles: []string{"psychologist"}},
	}}})}
	for week, form := range [][3]float64{{17, 17, 17}, {17, 18, 17}, {17, 17, 16}, {12, 13, 12}, {14, 15, 14}, {17, 17, 17}, {17, 17, 17}, {13, 17, 17}, {13, 18, 17}} {
		facts = append(facts, allianceRated(7*week, "patient", pt, form[0], form[1], form[2]))
	}
	facts = append(
		facts,
		told(25, "repair", fact.Fact{Kind: fact.KindRepair, Repair: &fact.Repair{
			Step: fact.RepairAttempted, Clinician: pt, Enhancers: []string{"invited-feedback", "changed-tasks"}, Eroders: []string{"pain-flare"},
		}}),
		told(60, "visit", fact.Fact{Kind: fact.KindVisit, Visit: &fact.Visit{ID: "Encounter/1", Status: "attended", Clinician: pt}}),
		allianceRated(20, "patient", psy, 13, 12, 13), allianceRated(48, "patient", psy, 12, 13, 12),
		allianceRated(6, "patient", ot, 16, 17, 16), allianceRated(34, "patient", ot, 16, 16, 16), allianceRated(50, "patient", ot, 16, 15, 16),
		allianceRated(36, "clinician", ot, 20, 20, 20), allianceRated(51, "clinician", ot, 20, 20, 20), allianceRated(52, "care-partner", "", 20, 20, 20),
		allianceRated(53, "care-partner", "", 20, 20, 20), allianceRated(54, "care-partner", "", 20, 20, 20),
	)
	slices.SortFunc(facts, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	return facts
}

func TestTheAllianceIsExplained(t *testing.T) {
	state := episode.Replay("p1", allianceStory())
	e, err := wire.Episode(state)
	if err != nil {
		t.Fatal(err)
	}
	onset := "patientPractitioner/pt-056"
	wire.Acknowledged(e, []alert.Alert{
		{ID: "other", Rule: "hep-low", Facts: []string{onset}, History: []alert.Step{{Status: alert.Acknowledged, Time: state.Now}}},
		{ID: "ours", Rule: "alliance-part", Facts: []string{onset}, History: []alert.Step{
			{Status: alert.Open, Time: state.Now}, {Status: alert.Acknowledged, Time: time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)},
		}},
	})
	var out bytes.Buffer
	writeAlliance(&out, e)
	const golden = "testdata/alliance.txt"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", golden, diff)
	}
}

func TestWithoutRatingsTheAllianceIsNotSpokenOf(t *testing.T) {
	e, err := wire.Episode(episode.New("p1"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if writeAlliance(&out, e); out.Len() > 0 {
		t.Error(out.String())
	}
}
