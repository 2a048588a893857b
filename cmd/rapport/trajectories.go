package main

import (
	"fmt"
	"io"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// writeTrajectories prints what has become of each score since the start.
func writeTrajectories(w io.Writer, list []*rapportv1.Trajectory) {
	headed := false
	for _, t := range list {
		since := t.GetSinceFirst()
		if since == nil {
			continue
		}
		if !headed {
			fmt.Fprintln(w, "\nChange since the start")
			headed = true
		}
		fmt.Fprintf(w, "  %s %s%s\n", t.GetInstrument(), t.GetScore(), prefixed(", about ", t.GetClinician()))
		text := fmt.Sprintf("%s on %s to %s on %s (%s)%s", decimal(t.GetFirst().GetValue()), day(t.GetFirst().GetAt()),
			decimal(t.GetLast().GetValue()), day(t.GetLast().GetAt()), signed(since.GetPoints()), prefixed(": ", verdictWords(since)))
		for n, line := range wrap(text, width-6) {
			fmt.Fprintf(w, "    %*s%s\n", min(n, 1)*2, "", line)
		}
	}
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
