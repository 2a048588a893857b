package scoring

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// The columns at which texts begin.
const (
	atFacts = 14
	atScore = 16
	atNotes = 4
)

// Page is an instrument as a scoring sheet: plain text to be laid beside the paper, every fact with its evidence.
func Page(d *instrument.Definition) string {
	p := &page{}
	p.identity(d)
	p.items(d)
	p.scales(d)
	for i := range d.Scores {
		p.score(&d.Scores[i])
	}
	p.alerts(d)
	p.decisions(d)
	p.variants(d)
	p.forms(d)
	p.notes(d)
	p.doubts(d)
	return p.String()
}

func (p *page) identity(d *instrument.Definition) {
	p.line("%s  version %s", d.ID, d.Version)
	p.entry("", 0, d.Title)
	p.line("")
	p.field("Measures", atFacts, d.Construct+", answered by the "+d.Respondent)
	p.field("Recall", atFacts, backed(d.Recall.Text, d.Recall.Evidence))
	p.field("Cadence", atFacts, backed(d.Cadence.Text, d.Cadence.Evidence))
	p.field("Status", atFacts, statuses[d.Status])
	p.field("Licence", atFacts, backed(d.Licence.Notice, d.Licence.Evidence))
	p.field("", atFacts, d.Licence.Attribution)
	if d.Licence.Wording {
		p.field("Wording", atFacts, "may ship with the form")
	} else {
		p.field("Wording", atFacts, "does not ship: the items below are concept labels")
	}
	for i, panel := range d.Panels {
		p.field(first(i, "Codes"), atFacts, backed(code(panel.Code), panel.Evidence))
	}
	for i, canonical := range d.Canonicals {
		p.field(first(i, "Named as"), atFacts, canonical)
	}
	p.field("Content hash", atFacts, d.Hash)
	if n := len(d.Doubts); n > 0 {
		p.field("Unconfirmed", atFacts, fmt.Sprintf("%d of the facts here: each is marked so, and listed at the end", n))
	}
}

// statuses in words.
var statuses = map[string]string{
	instrument.Ready:         "ready",
	instrument.Provisional:   "provisional: the key or the bands are unconfirmed, and so is every score",
	instrument.LicenceReview: "licence review: the key is known, the licence is yet to be looked at by a lawyer",
}

// first is a label on the first line of a list alone.
func first(i int, label string) string {
	if i > 0 {
		return ""
	}
	return label
}

func (p *page) items(d *instrument.Definition) {
	p.heading("Items", d.ItemEvidence)
	concept, scale := 0, 0
	for i := range d.Items {
		concept = max(concept, utf8.RuneCountInString(d.Items[i].Concept))
		scale = max(scale, utf8.RuneCountInString(d.Items[i].Scale))
	}
	for i := range d.Items {
		item := &d.Items[i]
		head := fmt.Sprintf("  %2d  %s  %s  ", item.Number, pad(item.Concept, concept), pad(item.Scale, scale))
		p.entry(head, utf8.RuneCountInString(head)+1, uses(d, item))
	}
}

// uses say which scores an item belongs to, how its answer counts, and its codes.
func uses(d *instrument.Definition, item *instrument.Item) string {
	var in []string
	for i := range d.Scores {
		if s := &d.Scores[i]; slices.Contains(s.Items, item.Number) {
			in = append(in, s.Code)
		} else if s.Gate != nil && s.Gate.Item == item.Number {
			in = append(in, s.Code+" (gate)")
		}
	}
	said := []string{"in " + strings.Join(in, ", ")}
	if len(in) == 0 {
		said[0] = "kept, in no score"
	}
	for _, r := range item.Recode {
		said = append(said, fmt.Sprintf("%s counts %s", spanned(r.From, r.To), instrument.Decimal(r.Value)))
	}
	if item.Reverse != nil {
		said = append(said, "reversed: counts "+instrument.Decimal(*item.Reverse)+" - x")
	}
	if item.Optional {
		said = append(said, "may be left out")
	}
	if len(item.Codes) > 0 {
		said = append(said, codes(item.Codes))
	}
	return strings.Join(said, "; ")
}

// spanned is a range that may be a single value.
func spanned(from, to float64) string {
	if from == to {
		return instrument.Decimal(from)
	}
	return span(from, to)
}

func (p *page) scales(d *instrument.Definition) {
	p.heading("Answers", "")
	var shown []string
	for i := range d.Items {
		name := d.Items[i].Scale
		if slices.Contains(shown, name) {
			continue
		}
		shown = append(shown, name)
		p.scale(name, d.Scales[name])
	}
}

func (p *page) scale(name string, s *instrument.Scale) {
	if s.Code != "" {
		name += ", " + code(s.Code)
	}
	p.entry("", 2, backed(name, s.Evidence))
	if len(s.Options) == 0 {
		text := "any number from " + instrument.Decimal(s.From) + " to " + instrument.Decimal(s.To)
		if s.Step == 1 {
			text = "a whole number from " + instrument.Decimal(s.From) + " to " + instrument.Decimal(s.To)
		} else if s.Step != 0 {
			text += " in steps of " + instrument.Decimal(s.Step)
		}
		p.entry("", 6, text)
	}
	for i := range s.Options {
		o := &s.Options[i]
		text := o.Label
		if text == "" {
			text = strings.ToLower(o.Display)
		}
		p.option(instrument.Decimal(o.Ordinal), text, optionCodes(o.Codes))
	}
	if others := foreign(s.Options); len(others) > 0 {
		p.entry("", 6, "codes of "+strings.Join(others, ", "))
	}
	if len(s.Blank) > 0 {
		p.entry("", 6, "no answer: "+codes(s.Blank))
	}
	if s.Contrary {
		p.entry("", 6, "Some forms count it from the other end: a weight that contradicts the coded answer is not believed.")
	}
}

// optionCodes leave out the systems that have no usual name: they stand below the scale, once.
func optionCodes(list []string) string {
	said := make([]string, len(list))
	for i, full := range list {
		said[i] = code(full)
		if system, bare, found := strings.Cut(full, "|"); found && systems[system] == "" {
			said[i] = bare
		}
	}
	return strings.Join(said, ", ")
}

// foreign are the systems of option codes that have no usual name.
func foreign(options []instrument.Option) (list []string) {
	for i := range options {
		for _, full := range options[i].Codes {
			system, _, found := strings.Cut(full, "|")
			if found && systems[system] == "" && !slices.Contains(list, system) {
				list = append(list, system)
			}
		}
	}
	return list
}

// labelled is how wide the labels of options are set.
const labelled = 34

// option is an answer with its codes beside it, or below it where both are long.
func (p *page) option(ordinal, text, codes string) {
	if len(text) < labelled && 9+labelled+len(codes) <= columns {
		p.line("%7s  %s%s", ordinal, pad(text, labelled), codes)
		return
	}
	p.entry(fmt.Sprintf("%7s", ordinal), 9, text)
	p.field("", 9+labelled, codes)
}

func (p *page) alerts(d *instrument.Definition) {
	if len(d.Alerts) == 0 {
		return
	}
	p.heading("Item alerts, whatever the total says", "")
	for i := range d.Alerts {
		a := &d.Alerts[i]
		noun := "item "
		if len(a.Items) > 1 {
			noun = "items "
		}
		p.entry("", 2, backed(fmt.Sprintf("%s%s answered %s %s: %s", noun, instrument.Numbers(a.Items), a.When, instrument.Decimal(a.Value), a.Severity), a.Evidence))
	}
}

func (p *page) decisions(d *instrument.Definition) {
	for i := range d.Decisions {
		c := &d.Decisions[i]
		p.line("")
		p.line("DECISION %s", c.Code)
		p.entry("", 2, backed(c.Text, c.Evidence))
		for j := range c.Counts {
			p.entry("  "+c.Counts[j].Code, atScore, "how many of "+c.Counts[j].Words())
		}
		for j := range c.Rules {
			p.entry("  = "+c.Rules[j].Code, atScore, c.Rules[j].Words())
		}
	}
}

func (p *page) variants(d *instrument.Definition) {
	if len(d.Variants) == 0 {
		return
	}
	p.heading("Other numberings of the answers", "")
	for i := range d.Variants {
		v := &d.Variants[i]
		p.entry("  "+v.Code, atScore, backed(fmt.Sprintf("%s Add %s to each answer.", v.Text, instrument.Decimal(v.Shift)), v.Evidence))
	}
}

func (p *page) forms(d *instrument.Definition) {
	if len(d.Forms) == 0 {
		return
	}
	p.heading("Published forms", "")
	for i := range d.Forms {
		f := &d.Forms[i]
		said := []string{}
		if len(f.Versions) > 0 {
			said = append(said, "versions "+strings.Join(f.Versions, ", "))
		}
		if f.Variant != "" {
			said = append(said, "numbered as "+f.Variant)
		}
		if len(f.Items) > 0 {
			said = append(said, "linkIds "+linkIDs(f.Items))
		}
		p.entry("", 2, f.URL)
		p.field("", 6, backed(strings.Join(said, "; "), f.Evidence))
	}
}

// linkIDs are the first and the last of a list.
func linkIDs(list []string) string {
	var given []string
	for _, id := range list {
		if id != "" {
			given = append(given, id)
		}
	}
	switch n := len(given); {
	case n == 0:
		return "none"
	case n < 3:
		return strings.Join(given, ", ")
	default:
		return given[0] + " … " + given[n-1]
	}
}

func (p *page) notes(d *instrument.Definition) {
	if len(d.Notes) == 0 {
		return
	}
	p.heading("Notes", "")
	for _, n := range d.Notes {
		p.entry("  -", atNotes, backed(n.Text, n.Evidence))
	}
}

func (p *page) doubts(d *instrument.Definition) {
	if len(d.Doubts) > 0 {
		p.heading("Not confirmed by a source that was read", "")
		for _, doubt := range d.Doubts {
			text := d.Fact(doubt.Fact)
			if source := doubt.Evidence.Source(); source != "" {
				text += ": " + source
			}
			p.entry("  -", atNotes, text)
		}
	}
	if len(d.References) > 0 {
		p.heading("Sources", "")
		for _, r := range d.References {
			p.entry("  -", atNotes, r)
		}
	}
}
