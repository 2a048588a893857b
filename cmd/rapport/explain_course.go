package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// writeCourse says which course of care it is, how it stands, and which went before.
func writeCourse(w io.Writer, e *rapportv1.Episode) {
	c := e.GetCourse()
	if c == nil {
		return
	}
	fmt.Fprintf(w, "  course %d, since %s", c.GetNumber(), day(c.GetBegun()))
	switch {
	case c.GetEnded() != nil:
		fmt.Fprintf(w, ", ended on %s (%s)", day(c.GetEnded()), courseEnds[c.GetWhy()])
	case c.GetPaused() != nil:
		fmt.Fprintf(w, ", paused since %s", day(c.GetPaused()))
		if c.GetPauseReason() == "patient-choice" {
			fmt.Fprint(w, " by the patient's choice")
		} else {
			fmt.Fprint(w, prefixed(": ", c.GetPauseReason()))
		}
		if c.GetPausedUntil() != nil {
			fmt.Fprintf(w, ", until %s", day(c.GetPausedUntil()))
		}
	}
	fmt.Fprintln(w)
	for _, past := range e.GetPastCourses() {
		fmt.Fprintf(w, "  course %d, %s to %s (%s): %d visits attended, %d missed%s\n", past.GetNumber(), day(past.GetBegun()),
			day(past.GetEnded()), courseEnds[past.GetWhy()], past.GetAttended(), past.GetMissed(), pastScores(past.GetScores()))
	}
}

// courseEnds puts why a course ended in words.
var courseEnds = map[string]string{
	"finished": "finished", "cancelled": "cancelled", "gap": "no care for long", "next-course": "another followed", "died": "the patient died",
}

func pastScores(scores []*rapportv1.PastScore) string {
	var b strings.Builder
	for _, s := range scores {
		fmt.Fprintf(&b, "; %s %s %s to %s%s", s.GetInstrument(), s.GetCode(), decimal(s.GetFirst()), decimal(s.GetLast()), prefixed(" ", s.GetDirection()))
	}
	return b.String()
}

func writeAdherence(w io.Writer, a *rapportv1.Adherence) {
	if a == nil {
		return
	}
	fmt.Fprintln(w, "\nHome exercise")
	for _, window := range a.GetWindows() {
		fmt.Fprintf(w, "  %2d days  %s of %s sessions", window.GetDays(), tenths(window.GetDone()), tenths(window.GetPrescribed()))
		if window.Completion != nil {
			fmt.Fprintf(w, ": %s %%", tenths(window.GetCompletion()))
		}
		if window.DoseCompletion != nil {
			fmt.Fprintf(w, ", %s %% of the dose", tenths(window.GetDoseCompletion()))
		}
		switch days := window.GetUnloggedDays(); {
		case window.GetProvisional() && days > 0:
			fmt.Fprintf(w, ", %s not known yet", several(days, "day"))
		case days > 0:
			fmt.Fprintf(w, ", %s missed", several(days, "day"))
		}
		if window.GetProvisional() {
			fmt.Fprint(w, ", provisional")
		}
		fmt.Fprintln(w)
	}
	if a.Elsewhere != nil {
		fmt.Fprintf(w, "  worked out elsewhere: %s %%\n", tenths(a.GetElsewhere()))
	}
	fmt.Fprintf(w, "  %s in a row, %d at most", several(a.GetStreakDays(), "day"), a.GetLongestStreakDays())
	fmt.Fprint(w, prefixed("; lapsed since ", a.GetLapsedSince()))
	if a.GetLastLog() != nil {
		fmt.Fprintf(w, "; last log on %s", day(a.GetLastLog()))
	}
	fmt.Fprintln(w)
}

// tenths rounds to one decimal: more would claim to know what nobody does.
func tenths(x float64) string { return decimal(math.Round(10*x) / 10) }

func writeVisits(w io.Writer, a *rapportv1.Attendance) {
	if a == nil {
		return
	}
	fmt.Fprintln(w, "\nVisits")
	fmt.Fprintf(w, "  %d attended, %d missed, %d cancelled late", a.GetAttended(), a.GetMissed(), a.GetCancelledLate())
	if a.Percent != nil {
		fmt.Fprintf(w, ": %s %%", tenths(a.GetPercent()))
	}
	if early := a.GetCancelledByPatient() - a.GetCancelledLate(); early > 0 || a.GetCancelledByClinic() > 0 {
		fmt.Fprintf(w, "; not counted: %d cancelled in time, %d by the clinic", early, a.GetCancelledByClinic())
	}
	if a.GetMissedInRow() > 1 {
		fmt.Fprintf(w, "; the last %d in a row", a.GetMissedInRow())
	}
	fmt.Fprintln(w)
}

func writeMilestones(w io.Writer, milestones []*rapportv1.Milestone) {
	if len(milestones) == 0 {
		return
	}
	fmt.Fprintln(w, "\nMilestones")
	for _, m := range milestones {
		fmt.Fprintf(w, "  %-11s %s", standingWord(m.GetStanding()), m.GetGoal())
		if m.GetDue() != nil {
			fmt.Fprintf(w, ", due %s", day(m.GetDue()))
		}
		if m.GetReached() != nil {
			fmt.Fprintf(w, ", reached %s", day(m.GetReached()))
		}
		fmt.Fprintln(w)
	}
}

// standingWord puts how a milestone stands in words: a goal that was closed without being reached was not always given up.
func standingWord(standing string) string {
	if standing == "dropped" {
		return "not reached"
	}
	return strings.ReplaceAll(standing, "-", " ")
}

func writeFunction(w io.Writer, lines []*rapportv1.FunctionLine) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\nFunction and pain since they last changed")
	for _, l := range lines {
		fmt.Fprintf(w, "  %s %s: %s on %s", l.GetInstrument(), l.GetCode(), decimal(l.GetLast().GetValue()), day(l.GetLast().GetAt()))
		if l.GetLast().GetAt().AsTime().After(l.GetSince().GetAt().AsTime()) {
			fmt.Fprintf(w, ", %s on %s", decimal(l.GetSince().GetValue()), day(l.GetSince().GetAt()))
		}
		if l.GetStalled() {
			fmt.Fprintf(w, ": no change for long, over %d visits", l.GetVisits())
		}
		fmt.Fprintln(w)
	}
}

func writeEngagement(w io.Writer, e *rapportv1.Engagement) {
	if e == nil {
		return
	}
	fmt.Fprintln(w, "\nEngagement")
	if e.GetHeard() != nil {
		fmt.Fprintf(w, "  last heard of on %s", day(e.GetHeard()))
		switch {
		case e.UsualGapDays == nil:
		case e.GetUsualGapDays() == 1:
			fmt.Fprint(w, ", usually every day")
		default:
			fmt.Fprintf(w, ", usually every %s days", decimal(e.GetUsualGapDays()))
		}
		fmt.Fprintln(w)
	}
	if len(e.GetSignals()) == 0 {
		return
	}
	fmt.Fprintf(w, "  risk of drop-out %s: %d points\n", e.GetLevel(), e.GetPoints())
	for _, s := range e.GetSignals() {
		fmt.Fprintf(w, "    %d  %s\n", s.GetPoints(), s.GetText())
		for _, line := range wrap(s.GetSource(), width-9) {
			fmt.Fprintf(w, "         %s\n", line)
		}
	}
}

func writeMonitoring(w io.Writer, evidence []*rapportv1.MonitoringEvidence) {
	if len(evidence) == 0 {
		return
	}
	fmt.Fprintln(w, "\nRemote monitoring (evidence of eligibility, no claim)")
	for _, e := range evidence {
		fmt.Fprintf(w, "  %s  %s to %s: %s", e.GetCode(), e.GetFrom(), e.GetTo(), e.GetTitle())
		if e.GetInteractions() > 0 {
			fmt.Fprintf(w, ": %s minutes, %d interactions", decimal(e.GetValue()), e.GetInteractions())
		} else {
			fmt.Fprintf(w, ": %s", decimal(e.GetValue()))
		}
		if e.GetUnits() > 1 {
			fmt.Fprintf(w, ", %d times", e.GetUnits())
		}
		if e.GetProvisional() {
			fmt.Fprint(w, ", provisional")
		}
		fmt.Fprintln(w)
	}
}
