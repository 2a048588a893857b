package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/scoring"
)

// instrumentsCmd lists the instruments and checks those of a clinic.
type instrumentsCmd struct {
	Show instrumentsShowCmd `cmd:"" default:"withargs" help:"List the instruments, or show one as its scoring sheet."`
	Lint instrumentsLintCmd `cmd:"" help:"Check packs, FHIR Questionnaires, overlays and source maps."`
}

// instrumentsFlag is the folder of a clinic.
type instrumentsFlag struct {
	Instruments string `placeholder:"DIR" help:"Folder of instruments, FHIR Questionnaires, overlays and source maps that are added to what ships." env:"RAPPORT_INSTRUMENTS"`
}

// instrumentsShowCmd lists the instruments, or shows one.
type instrumentsShowCmd struct {
	outputFlag
	instrumentsFlag
	ID string `arg:"" optional:"" help:"Show this one as its scoring sheet."`
}

// Help shows examples.
func (instrumentsShowCmd) Help() string {
	return "Examples:\n  rapport instruments\n  rapport instruments phq-9\n  rapport instruments wai-sr -o json"
}

// Run lists, or shows one.
func (c instrumentsShowCmd) Run(s streams) error {
	known, err := catalogue.Open(c.Instruments)
	if err != nil {
		return err
	}
	if c.ID == "" {
		return c.list(s, known.All())
	}
	definition, err := known.Lookup(c.ID)
	if err != nil {
		return fmt.Errorf("no instrument is called %q%s: `rapport instruments` lists them", c.ID,
			prefixed("; did you mean ", scoring.Nearest(c.ID, known.All())))
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(definition)
	}
	_, err = fmt.Fprint(s.out, scoring.Page(definition))
	return err
}

func (c instrumentsShowCmd) list(s streams, all []*instrument.Definition) error {
	if c.json() {
		for _, d := range all {
			if err := json.NewEncoder(s.out).Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	wide := 0
	for _, d := range all {
		wide = max(wide, len(d.ID))
	}
	const line = "%-*s  %-9s  %5s  %-2s  %s\n"
	fmt.Fprintf(s.out, line, wide, "ID", "CONSTRUCT", "ITEMS", "", "TITLE")
	for _, d := range all {
		fmt.Fprintf(s.out, line, wide, d.ID, d.Construct, strconv.Itoa(len(d.Items)), marks(d), cut(d.Title, max(12, width-wide-24)))
	}
	_, err := fmt.Fprintln(s.out, "\n? a scoring key or band is unconfirmed   L licence review pending\n"+
		"`rapport instruments ID` shows the scoring sheet of one.")
	return err
}

// marks are what must be known of an instrument before its scores are used.
func marks(d *instrument.Definition) string {
	text := ""
	if d.Unconfirmed {
		text = "?"
	}
	if d.Status == instrument.LicenceReview {
		text += "L"
	}
	return text
}
