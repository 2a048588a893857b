package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// writeTrajectories prints what has become of each score since the start: what has changed in full, the rest by name.
func writeTrajectories(w io.Writer, list []*rapportv1.Trajectory) {
	var same, unknown []string
	headed := false
	for _, t := range list {
		since := t.GetSinceFirst()
		moved := decimal(t.GetFirst().GetValue()) + " to " + decimal(t.GetLast().GetValue())
		switch {
		case since == nil || repeats(t, list):
			continue
		case !judged(since):
			unknown = append(unknown, trajectoryName(t)+" "+moved)
			continue
		case unmoved(since):
			same = append(same, trajectoryName(t)+" "+moved)
			continue
		}
		if !headed {
			fmt.Fprintln(w, "\nChange since the start")
			headed = true
		}
		fmt.Fprintf(w, "  %s\n", trajectoryName(t))
		text := fmt.Sprintf("%s on %s to %s on %s (%s)%s", decimal(t.GetFirst().GetValue()), day(t.GetFirst().GetAt()),
			decimal(t.GetLast().GetValue()), day(t.GetLast().GetAt()), signed(since.GetPoints()), prefixed(": ", verdictWords(since)))
		hang(w, "    ", text)
	}
	if !headed && len(same)+len(unknown) > 0 {
		fmt.Fprintln(w, "\nChange since the start")
	}
	if len(same) > 0 {
		hang(w, "  ", "no change that counts: "+strings.Join(same, ", "))
	}
	if len(unknown) > 0 {
		hang(w, "  ", "nothing known to judge the change by: "+strings.Join(unknown, ", "))
	}
}

// hang prints a text whose further lines stand two columns in.
func hang(w io.Writer, indent, text string) {
	for n, line := range wrap(text, width-len(indent)-2) {
		fmt.Fprintf(w, "%s%*s%s\n", indent, min(n, 1)*2, "", line)
	}
}

// trajectoryName says of what, about whom and by whom.
func trajectoryName(t *rapportv1.Trajectory) string {
	name := t.GetInstrument() + " " + t.GetScore() + prefixed(" with ", t.GetClinician())
	if by := t.GetRespondent(); by != "" && by != "patient" {
		name += " as the " + by + " sees it"
	}
	return name
}

// repeats says that a score is the mean of a sum that is listed too.
func repeats(t *rapportv1.Trajectory, list []*rapportv1.Trajectory) bool {
	sum, mean := strings.CutSuffix(t.GetScore(), "-mean")
	return mean && slices.ContainsFunc(list, func(o *rapportv1.Trajectory) bool {
		return o.GetScore() == sum && o.GetInstrument() == t.GetInstrument() && o.GetClinician() == t.GetClinician() && o.GetRespondent() == t.GetRespondent()
	})
}

// judged says whether anything is known by which a change can be told from chance; unmoved that it then amounts to nothing.
func judged(v *rapportv1.ChangeVerdict) bool {
	return v.Reliable != nil || v.Important != nil || v.GetBand() != "" || v.GetClass() != ""
}

func unmoved(v *rapportv1.ChangeVerdict) bool {
	return !v.GetReliable() && !v.GetImportant() && (v.GetBand() == "" || v.GetBand() == "same")
}

// verdictWords are the verdicts in one line.
func verdictWords(v *rapportv1.ChangeVerdict) string {
	var said []string
	if v.GetDirection() != "" {
		said = append(said, v.GetDirection())
	}
	for _, one := range []struct {
		holds       *bool
		yes, no, of string
	}{
		{v.Reliable, "reliable", "within measurement error", "reliable"},
		{v.Important, "important", "below what matters to patients", "important"},
	} {
		switch {
		case one.holds == nil:
		case *one.holds:
			said = append(said, one.yes+doubted(contains(v.GetDoubts(), one.of)))
		default:
			said = append(said, one.no+doubted(contains(v.GetDoubts(), one.of)))
		}
	}
	if v.GetBand() != "" {
		said = append(said, "band "+bandWords(v))
	}
	if v.GetClass() != "" && v.GetClass() != v.GetDirection() {
		said = append(said, v.GetClass()+doubted(contains(v.GetDoubts(), "class")))
	}
	if contains(v.GetDoubts(), "values") {
		said = append(said, "scores or bands unconfirmed")
	}
	return strings.Join(said, "; ")
}
