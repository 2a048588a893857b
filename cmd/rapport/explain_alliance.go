package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// writeAlliance prints the dyads with their ruptures, the team beside one another, and where two views lie apart.
func writeAlliance(w io.Writer, e *rapportv1.Episode) {
	if len(e.GetDyads()) == 0 {
		return
	}
	fmt.Fprintln(w, "\nAlliance")
	for _, d := range e.GetDyads() {
		writeDyad(w, d)
	}
	writeTeam(w, e.GetTeam())
	writeGaps(w, e.GetAllianceGaps())
}

// withWhom is a clinician with a role, or the team as a whole.
func withWhom(clinician, role string) string {
	if clinician == "" {
		return "the team as a whole"
	}
	if role != "" {
		return clinician + " (" + roleWord(role) + ")"
	}
	return clinician
}

// roleWords are those of the SNOMED CT codes by which care teams usually name roles.
var roleWords = map[string]string{
	"36682004": "physical therapist", "80546007": "occupational therapist", "59944000": "psychologist", "309343006": "physician",
	"224571005": "nurse practitioner", "106292003": "nurse", "224535009": "registered nurse", "106328005": "social worker",
	"768820003": "care coordinator", "159021002": "community health worker", "449161006": "physician assistant",
}

func roleWord(role string) string {
	if word := roleWords[role]; word != "" {
		return word
	}
	return strings.ReplaceAll(role, "-", " ")
}

func writeDyad(w io.Writer, d *rapportv1.Dyad) {
	fmt.Fprintf(w, "  %s, rated by the %s on the %s: %s, last on %s", withWhom(d.GetClinician(), d.GetRole()), d.GetRater(), d.GetInstrument(),
		several(d.GetSessions(), "session"), day(d.GetLastRated()))
	if d.GetLeft() != nil {
		fmt.Fprintf(w, "; left on %s", day(d.GetLeft()))
	} else if n := d.GetSessionsSince(); n > 0 {
		fmt.Fprintf(w, "; %s since without a rating", several(n, "visit"))
	}
	fmt.Fprintln(w)
	for _, line := range wrap(strings.Join(levelWords(d), ", "), width-4) {
		fmt.Fprintf(w, "    %s\n", line)
	}
	if d.Usual != nil && d.Change != nil && d.GetEvent() != "" && d.GetEvent() != "none" {
		fmt.Fprintf(w, "    the last rating: %s\n", d.GetEvent())
	}
	switch {
	case d.GetConstantMaximum():
		fmt.Fprintln(w, "    always the highest rating: it may say more about the form than about the alliance")
	case d.GetCeiling():
		fmt.Fprintln(w, "    at the ceiling: watch for a fall, a rise could not show")
	}
	if n := len(d.GetStrains()); n > 0 {
		fmt.Fprintf(w, "    strained %s, last on %s\n", several(d.GetStrainCount(), "time"), day(d.GetStrains()[n-1].GetTime()))
	}
	for _, r := range d.GetRuptures() {
		for i, line := range wrap(ruptureWords(r), width-6) {
			fmt.Fprintf(w, "    %s%s\n", [2]string{"", "  "}[min(i, 1)], line)
		}
	}
}

// levelWords are the scores with their usual level, the total first: `bond 16 (usual 18.2, -2.2)`. A mean that only repeats
// a sum is left out.
func levelWords(d *rapportv1.Dyad) (words []string) {
	levels := slices.DeleteFunc(slices.Clone(d.GetLevels()), func(l *rapportv1.AllianceLevel) bool {
		sum, mean := strings.CutSuffix(l.GetCode(), "-mean")
		return mean && d.GetLast()[sum] != 0
	})
	if i := slices.IndexFunc(levels, func(l *rapportv1.AllianceLevel) bool { return l.GetCode() == "total" }); i > 0 {
		whole := levels[i]
		levels = slices.Insert(slices.Delete(levels, i, i+1), 0, whole)
	}
	for _, l := range levels {
		text := l.GetCode() + " " + decimal(l.GetLast())
		if l.Usual != nil {
			text += fmt.Sprintf(" (usual %s, %+.2f)", decimal(l.GetUsual()), l.GetChange())
		}
		words = append(words, text)
	}
	return words
}

// ruptureWords tell the life of a rupture.
func ruptureWords(r *rapportv1.Rupture) string {
	text := fmt.Sprintf("%s on %s: %s %s against a usual %s", r.GetKind(), day(r.GetOnset()), r.GetScore(), decimal(r.GetValue()), decimal(r.GetUsual()))
	var steps []string
	if s := r.GetAcknowledged(); s != nil {
		steps = append(steps, "acknowledged "+lapse(s))
	}
	for _, a := range r.GetAttempts() {
		steps = append(steps, "repair attempted "+lapse(a.GetStep())+named(" with ", a.GetEnhancers())+named(", worn down by ", a.GetEroders()))
	}
	switch {
	case r.GetEnded() == nil:
		steps = append(steps, "still open")
	case r.GetBecause() != "":
		steps = append(steps, fmt.Sprintf("%s %s (%s)", r.GetStatus(), lapse(r.GetEnded()), strings.ReplaceAll(r.GetBecause(), "-", " ")))
	default:
		steps = append(steps, r.GetStatus()+" "+lapse(r.GetEnded()))
	}
	return text + "; " + strings.Join(steps, "; ")
}

func named(before string, all []string) string {
	if len(all) == 0 {
		return ""
	}
	return before + strings.Join(all, ", ")
}

// lapse is the time from the detection to a step.
func lapse(s *rapportv1.RuptureStep) string {
	text := "after " + several(int32(s.GetDays()+0.5), "day")
	if n := s.GetSessions(); n > 0 {
		text += " and " + several(n, "rated session")
	}
	return text
}

// several counts a thing: `1 day`, `3 days`.
func several(n int32, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func writeTeam(w io.Writer, team []*rapportv1.TeamLink) {
	if len(team) < 2 {
		return
	}
	fmt.Fprintln(w, "  The team side by side (mean of the last three ratings)")
	longest := 0
	for _, l := range team {
		longest = max(longest, len(withWhom(l.GetClinician(), l.GetRole())))
	}
	for _, l := range team {
		fmt.Fprintf(w, "    %-*s  %s  %.2f of %s-%s, %s", longest, withWhom(l.GetClinician(), l.GetRole()), l.GetInstrument(), l.GetLevel(),
			decimal(l.GetLeast()), decimal(l.GetMost()), trendWord(l.GetTrend()))
		if l.GetRuptureOpen() {
			fmt.Fprint(w, ", rupture open")
		}
		if l.GetWeak() {
			fmt.Fprintf(w, ", weak link: %.2f below the others", l.GetBelow())
		}
		fmt.Fprintln(w)
	}
}

func trendWord(trend string) string {
	switch trend {
	case "improved":
		return "rising"
	case "deteriorated":
		return "falling"
	}
	return "steady"
}

func writeGaps(w io.Writer, gaps []*rapportv1.AllianceGap) {
	for _, g := range gaps {
		side := "higher"
		if g.GetValue() < 0 {
			side = "lower"
		}
		text := fmt.Sprintf("Two views of %s: the %s rates %.2f per item %s than the patient", withWhom(g.GetClinician(), ""), g.GetRater(), max(g.GetValue(), -g.GetValue()), side)
		var parts []string
		for _, part := range []string{"bond", "goal", "task"} {
			if v, ok := g.GetParts()[part]; ok {
				parts = append(parts, fmt.Sprintf("%s %+.2f", part, v))
			}
		}
		if len(parts) > 0 {
			text += " (" + strings.Join(parts, ", ") + ")"
		}
		if moved := g.GetMoved(); g.Moved != nil && moved > 0.005 {
			text += fmt.Sprintf(", wider by %.2f", moved)
		} else if g.Moved != nil && moved < -0.005 {
			text += fmt.Sprintf(", narrower by %.2f", -moved)
		}
		if g.GetWide() {
			text += "; far apart, and not for the first time"
		}
		for i, line := range wrap(text, width-4) {
			fmt.Fprintf(w, "  %s%s\n", [2]string{"", "  "}[min(i, 1)], line)
		}
	}
}
