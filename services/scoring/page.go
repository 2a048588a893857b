package scoring

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// columns is how wide a page is.
const columns = 80

// page is plain text in lines of at most 80 columns; a single word may be longer.
type page struct{ strings.Builder }

// line writes a line as it is.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.ReplaceAll(strings.TrimRight(fmt.Sprintf(format, args...), " "), together, " "))
	p.WriteByte('\n')
}

// heading begins a section.
func (p *page) heading(title string, e instrument.Evidence) {
	p.line("")
	p.entry(strings.ToUpper(title), len(title)+1, backed("", e))
}

// entry writes text behind a first word, and folds it under itself, from a column on. No text, no entry.
func (p *page) entry(first string, column int, text string) {
	room := columns - column
	head := pad(first, column)
	if first != "" && utf8.RuneCountInString(first) >= column && text != "" {
		p.line("%s", first)
		head = pad("", column)
	}
	for _, l := range fold(text, room) {
		p.line("%s%s", head, l)
		head = pad("", column)
	}
}

// field is an entry that is left out when there is nothing to say.
func (p *page) field(label string, column int, text string) {
	if strings.TrimSpace(text) != "" {
		p.entry(label, column, text)
	}
}

// pad fills a text with blanks up to a column.
func pad(text string, column int) string {
	return text + strings.Repeat(" ", max(0, column-utf8.RuneCountInString(text)))
}

// together is a blank at which no line is broken.
const together = "\u00a0"

// fold breaks a text between words.
func fold(text string, room int) []string {
	var lines []string
	line := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// backed is a text with its evidence in brackets.
func backed(text string, e instrument.Evidence) string {
	if e == "" {
		return text
	}
	return strings.TrimSpace(text + " (" + string(e) + ")")
}

// systems are the code systems that have a usual name.
var systems = map[string]string{"http://loinc.org": "LOINC", "http://snomed.info/sct": "SNOMED CT"}

// code is `system|code` as people say it.
func code(full string) string {
	system, c, found := strings.Cut(full, "|")
	switch name := systems[system]; {
	case !found:
		return full
	case name != "":
		return name + together + c
	default:
		return c + " (" + system + ")"
	}
}

func codes(list []string) string {
	said := make([]string, len(list))
	for i := range list {
		said[i] = code(list[i])
	}
	return strings.Join(said, ", ")
}

// span is a range: `0-27`, `-7 to 7`.
func span(from, to float64) string {
	if from < 0 {
		return instrument.Decimal(from) + " to " + instrument.Decimal(to)
	}
	return instrument.Decimal(from) + "-" + instrument.Decimal(to)
}
