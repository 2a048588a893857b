package scoring

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

func (p *page) score(s *instrument.Score) {
	p.line("")
	direction := "nobody has said which way is better"
	if s.Direction != "" {
		direction = strings.ReplaceAll(s.Direction, "-", " is ")
	}
	p.line("SCORE %s  %s, %s", s.Code, span(s.Min, s.Max), direction)
	p.fact("Formula", backed(s.Words(), s.Evidence))
	if s.Gate != nil {
		p.fact("Gate", backed(fmt.Sprintf("item %d; unanswered, there is no score", s.Gate.Item), s.Gate.Evidence))
	}
	if s.Linear != nil {
		p.fact("Model", backed(s.Linear.Name, s.Linear.Evidence))
	}
	if s.Missing != nil {
		p.fact("Missing", backed(s.Missing.Words(len(s.Items)), s.Missing.Evidence))
	}
	if s.Table != nil {
		p.table(s.Table)
	}
	if s.Bands != nil {
		p.bands("Bands", s.Bands)
	}
	for i := range s.Alternatives {
		p.bands("or "+s.Alternatives[i].Name, &s.Alternatives[i])
	}
	for _, cut := range s.Cuts {
		p.fact("Cut", backed(fmt.Sprintf("%s and beyond: %s", instrument.Decimal(cut.At), cut.Text), cut.Evidence))
	}
	p.change(s)
	if s.Accepts != nil {
		p.fact("Ready-made", "taken from "+instrument.Decimal(s.Accepts.From)+" to "+instrument.Decimal(s.Accepts.To)+", as other forms on the same metric reach")
	}
	if s.Distress != nil && s.Bands != nil {
		p.fact("Distress", backed(s.Distress.Part+": "+ladder(s.Bands, s.Distress.Levels), s.Distress.Evidence))
	}
	for i, c := range s.Codes {
		text := code(c.Code)
		if c.Shared {
			text += ", shared with other instruments"
		}
		p.fact(first(i, "Codes"), backed(text, c.Evidence))
	}
}

// fact is a line of a score.
func (p *page) fact(label, text string) { p.field("  "+label, atScore, text) }

// prefixed is the text behind its prefix, or nothing.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func (p *page) bands(label string, b *instrument.Bands) {
	p.fact(label, backed("", b.Evidence))
	wide := 0
	for _, c := range b.Codes() {
		wide = max(wide, len(c))
	}
	for i := range b.List {
		p.line("%s%s  %s", pad("", atScore), pad(b.List[i].Code, wide), spanned(b.List[i].From, b.List[i].To))
	}
	for i := range b.Rules {
		p.line("%s%s  %s", pad("", atScore), pad(b.Rules[i].Code, wide), b.Rules[i].Words())
	}
	if b.Levels != nil {
		p.fact("", "on the distress ladder "+ladder(b, b.Levels))
	}
}

func (p *page) change(s *instrument.Score) {
	if s.Change == nil {
		return
	}
	if r := s.Change.Reliable; r != nil {
		text := "a change " + r.Words()
		if points := s.ReliableChange(); points != nil {
			text = fmt.Sprintf("from %s points on: %s", instrument.Decimal(*points), r.Words())
		}
		if sem := s.ErrorOfMeasurement(); sem != nil && r.SEM == 0 {
			text += ", SEM " + instrument.Decimal(*sem)
		}
		p.fact("Reliable", backed(text+population(r.Population, r.N), r.Evidence))
	}
	if i := s.Change.Important; i != nil {
		text := fmt.Sprintf("from %s points on", instrument.Decimal(i.Points))
		if i.Percent != 0 {
			text += fmt.Sprintf(", or %s %% of the first value (not used)", instrument.Decimal(i.Percent))
		}
		p.fact("Important", backed(text+population(i.Population, i.N), i.Evidence))
	}
	if c := s.Change.Cutoff; c != nil {
		p.fact("Cut-off", backed(fmt.Sprintf("%s, between patients (mean %s, SD %s) and healthy people (mean %s, SD %s)", instrument.Decimal(c.At()),
			instrument.Decimal(c.Clinical.Mean), instrument.Decimal(c.Clinical.SD), instrument.Decimal(c.Norm.Mean), instrument.Decimal(c.Norm.SD)), c.Evidence))
	}
	p.fact("Not used", s.Change.Others)
}

func population(who string, n int) string {
	if n > 0 {
		who = strings.TrimPrefix(fmt.Sprintf("%s, n%[2]s=%[2]s%[3]d", who, together, n), ", ")
	}
	return prefixed("; ", who)
}

// ladder is the place of bands on the common ladder of distress.
func ladder(b *instrument.Bands, levels map[string]string) string {
	var said []string
	for _, band := range b.Codes() {
		said = append(said, band+" = "+levels[band])
	}
	return strings.Join(slices.Compact(said), ", ")
}

// blocks is how many blocks of rows stand side by side.
const blocks = 3

// table shows every row, in blocks that are read downwards.
func (p *page) table(t *instrument.Table) {
	p.fact("Table", backed(t.Name, t.Evidence))
	value, errors := decimals(t.Rows, 1), decimals(t.Rows, 2)
	head, withErrors := "   raw    value", len(t.Rows[0]) > 2
	if withErrors {
		head += "    SE"
	}
	lines := (len(t.Rows) + blocks - 1) / blocks
	p.line("  %s", strings.Repeat(head+"   ", min(blocks, (len(t.Rows)+lines-1)/lines)))
	for i := range lines {
		var b strings.Builder
		for at := i; at < len(t.Rows); at += lines {
			row := t.Rows[at]
			fmt.Fprintf(&b, "%6s %8.*f", instrument.Decimal(row[0]), value, row[1])
			if withErrors {
				fmt.Fprintf(&b, " %5.*f", errors, row[2])
			}
			b.WriteString("   ")
		}
		p.line("  %s", b.String())
	}
}

// decimals is how many of them a column of a table needs, three at most.
func decimals(rows [][]float64, column int) (n int) {
	for _, row := range rows {
		for n < 3 && column < len(row) && math.Abs(row[column]*math.Pow10(n)-math.Round(row[column]*math.Pow10(n))) > instrument.Tolerance {
			n++
		}
	}
	return n
}
