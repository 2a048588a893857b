package main

import (
	"fmt"
	"io"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// writeWorkings prints how each score came about.
func writeWorkings(w io.Writer, sheet *rapportv1.ScoreSheet) {
	fmt.Fprintf(w, "  answered by      %s\n  content hash     %s\n", sheet.GetRespondent(), sheet.GetDefinitionHash())
	for _, working := range sheet.GetWorkings() {
		fmt.Fprintln(w)
		for n, line := range wrap(working.GetScore()+" = "+working.GetFormula(), width-2) {
			fmt.Fprintf(w, "  %*s%s\n", min(n, 1)*2, "", line)
		}
		for _, step := range working.GetSteps() {
			for n, line := range wrap(step, width-8) {
				fmt.Fprintf(w, "    %*s%s\n", min(n, 1)*2, "", line)
			}
		}
		writeBackings(w, working.GetRestsOn())
	}
}

// writeBackings prints what something rests on.
func writeBackings(w io.Writer, list []*rapportv1.Backing) {
	for n, b := range list {
		label := "rests on"
		if n > 0 {
			label = ""
		}
		for i, line := range wrap(b.GetFact()+" ("+b.GetEvidence()+")", width-14) {
			if i > 0 {
				label, line = "", "  "+line
			}
			fmt.Fprintf(w, "  %-12s%s\n", label, line)
		}
	}
}
