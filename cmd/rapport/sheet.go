package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// show prints a definition as a scoring sheet that can be laid beside its paper.
func (c instrumentsShowCmd) show(s streams, d *instrument.Definition) error {
	if c.json() {
		return json.NewEncoder(s.out).Encode(d)
	}
	w := s.out
	fmt.Fprintf(w, "%s  version %s\n%s\n\n", d.ID, d.Version, d.Title)
	for _, line := range []struct{ label, text string }{
		{"Measures", d.Construct + ", answered by the " + d.Respondent},
		{"Recall", claim(d.Recall)},
		{"Cadence", claim(d.Cadence)},
		{"Licence", strings.TrimSpace(d.Licence.Notice + " " + d.Licence.Attribution)},
		{"Canonicals", strings.Join(d.Canonicals, "\n              ")},
		{"Content hash", d.Hash},
	} {
		fmt.Fprintf(w, "%-13s %s\n", line.label, line.text)
	}
	fmt.Fprintf(w, "\nItems (%s)\n", d.ItemEvidence)
	for i := range d.Items {
		writeItem(w, &d.Items[i])
	}
	for i := range d.Scores {
		writeScore(w, &d.Scores[i])
	}
	for _, a := range d.Alerts {
		fmt.Fprintf(w, "\nItem %s answered %s %s: %s (%s)\n", numbers(a.Items), a.When, decimal(a.Value), a.Severity, a.Evidence)
	}
	if len(d.Doubts) > 0 {
		fmt.Fprintln(w, "\nNot confirmed by a source that was read")
		for _, doubt := range d.Doubts {
			fmt.Fprintf(w, "  %-28s %s\n", doubt.Fact, doubt.Evidence)
		}
	}
	if len(d.References) > 0 {
		fmt.Fprintf(w, "\nSources\n  %s\n", strings.Join(d.References, "\n  "))
	}
	return nil
}

func claim(c instrument.Claim) string {
	if c.Evidence.Confirmed() {
		return c.Text
	}
	return c.Text + " (unconfirmed)"
}

func writeItem(w io.Writer, i *instrument.Item) {
	var options []string
	for _, o := range i.Answers().Options {
		options = append(options, decimal(o.Ordinal))
	}
	note := ""
	if i.Reverse != nil {
		note = fmt.Sprintf(", scored as %s - x", decimal(*i.Reverse))
	}
	if i.Unscored {
		note += ", not scored"
	}
	fmt.Fprintf(w, "  %2d  %-28s %s%s\n", i.Number, i.Concept, strings.Join(options, " "), note)
}

func writeScore(w io.Writer, s *instrument.Score) {
	made := "items " + numbers(s.Items)
	if len(s.Of) > 0 {
		made = strings.Join(s.Of, " + ")
	}
	if s.Divisor != 0 && s.Divisor != 1 {
		made += " / " + decimal(s.Divisor)
	}
	fmt.Fprintf(w, "\nScore %s: %s of %s, %s-%s, %s (%s)\n", s.Code, s.Kind, made, decimal(s.Min), decimal(s.Max),
		strings.ReplaceAll(s.Direction, "-", " is "), s.Evidence)
	if m := s.Missing; m != nil {
		rule := "every item is needed"
		if m.Rule == instrument.MissingProrate {
			rule = fmt.Sprintf("from %d answered items on the others count as their mean%s", m.Answered, prefixed(", rounded ", m.Round))
		}
		fmt.Fprintf(w, "  missing     %s (%s)\n", rule, m.Evidence)
	}
	if s.Bands != nil {
		for _, b := range s.Bands.List {
			fmt.Fprintf(w, "  %-22s %s-%s\n", b.Code, decimal(b.From), decimal(b.To))
		}
		fmt.Fprintf(w, "  bands       (%s)\n", s.Bands.Evidence)
	}
	for _, cut := range s.Cuts {
		fmt.Fprintf(w, "  cut >= %-5s %s (%s)\n", decimal(cut.At), cut.Text, cut.Evidence)
	}
	writeChange(w, s)
}

func writeChange(w io.Writer, s *instrument.Score) {
	if s.Change == nil {
		return
	}
	if r := s.Change.Reliable; r != nil {
		points := "beyond 1.96 standard errors of the difference"
		if !s.BySE() {
			points = decimal(*s.ReliableChange()) + " points"
		}
		fmt.Fprintf(w, "  reliable    %s (%s)%s (%s)\n", points, r.Level, population(r.Population, r.N), r.Evidence)
	}
	if i := s.Change.Important; i != nil {
		fmt.Fprintf(w, "  important   %s points%s (%s)\n", decimal(i.Points), population(i.Population, i.N), i.Evidence)
	}
	if s.Change.Others != "" {
		fmt.Fprintf(w, "  others      %s\n", s.Change.Others)
	}
}

func population(who string, n int) string {
	if n > 0 {
		who = strings.TrimSpace(fmt.Sprintf("%s n = %d", who, n))
	}
	return prefixed(", ", who)
}

func numbers(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}
