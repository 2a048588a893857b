package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/scoring"
)

// instrumentsCmd lists the instruments.
type instrumentsCmd struct {
	outputFlag
	ID string `arg:"" optional:"" help:"Show this one as its scoring sheet."`
}

// Help shows examples.
func (instrumentsCmd) Help() string {
	return "Examples:\n  rapport instruments\n  rapport instruments phq-9\n  rapport instruments wai-sr -o json"
}

// Run lists, or shows one.
func (c instrumentsCmd) Run(s streams) error {
	registry, err := instrument.Builtin()
	if err != nil {
		return err
	}
	if c.ID == "" {
		return c.list(s, registry.All())
	}
	definition, err := registry.Lookup(c.ID)
	if err != nil {
		return fmt.Errorf("no instrument is called %q%s: `rapport instruments` lists them", c.ID,
			prefixed("; did you mean ", scoring.Nearest(c.ID, registry.All())))
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(definition)
	}
	_, err = fmt.Fprint(s.out, scoring.Page(definition))
	return err
}

// titleRoom is what 80 columns leave for a title.
const titleRoom = 34

func (c instrumentsCmd) list(s streams, all []*instrument.Definition) error {
	if c.json() {
		for _, d := range all {
			if err := json.NewEncoder(s.out).Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 4, 1, ' ', 0)
	fmt.Fprintln(w, "ID\tCONSTRUCT\tITEMS\t\tTITLE")
	for _, d := range all {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", d.ID, d.Construct, len(d.Items), marks(d), cut(d.Title, titleRoom))
	}
	if err := w.Flush(); err != nil {
		return err
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
