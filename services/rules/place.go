package rules

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// page is a rule file as it was written, to say where something stands in it.
type page struct {
	name  string
	lines [][]rune
}

func newPage(name string, raw []byte) page {
	p := page{name: name}
	for _, line := range strings.Split(string(raw), "\n") {
		p.lines = append(p.lines, []rune(line))
	}
	return p
}

// at is the place of a node: `file:line:column`.
func (p page) at(n *yaml.Node) string { return p.place(n.Line, n.Column) }

func (p page) place(line, column int) string { return fmt.Sprintf("%s:%d:%d", p.name, line, column) }

// byPlace orders issues of one file as they stand in it; those of the whole file come last.
func byPlace(a, b fault.Issue) int {
	line := func(i fault.Issue) (line, column int) {
		parts := strings.Split(i.Path, ":")
		if len(parts) < 3 {
			return math.MaxInt, 0
		}
		line, _ = strconv.Atoi(parts[len(parts)-2]) // places are written by page.place
		column, _ = strconv.Atoi(parts[len(parts)-1])
		return line, column
	}
	lineA, columnA := line(a)
	lineB, columnB := line(b)
	return cmp.Or(cmp.Compare(lineA, lineB), cmp.Compare(columnA, columnB))
}

// control is the place of the first control character.
func (p page) control() (place string, found bool) {
	for i, line := range p.lines {
		for j, r := range line {
			if unicode.IsControl(r) && r != '\t' && r != '\r' {
				return p.place(i+1, j+1), true
			}
		}
	}
	return "", false
}

// within is the place of a line (from 1) and column (from 0) of a scalar's value. YAML folds, indents and quotes;
// what it keeps are the characters that are no blanks, so those are counted.
func (p page) within(n *yaml.Node, line, column int) string {
	count := 0
	for i, text := range strings.Split(n.Value, "\n") {
		if i >= line {
			break
		}
		for j, r := range []rune(text) {
			if i == line-1 && j >= column {
				break
			}
			if !unicode.IsSpace(r) {
				count++
			}
		}
	}
	row, col := n.Line-1, n.Column-1
	switch n.Style {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		row, col = row+1, 0
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		col++
	}
	return p.walk(n.Style, row, col, count)
}

// walk passes over a number of characters that are no blanks, from a row and column counted from 0.
func (p page) walk(style yaml.Style, row, col, count int) string {
	for ; row < len(p.lines); row, col = row+1, 0 {
		for line := p.lines[row]; col < len(line); col++ {
			switch {
			case unicode.IsSpace(line[col]):
				continue
			case count == 0:
				return p.place(row+1, col+1)
			case col+1 < len(line) && (style == yaml.DoubleQuotedStyle && line[col] == '\\' || style == yaml.SingleQuotedStyle && line[col] == '\''):
				col++
			}
			count--
		}
	}
	return p.place(len(p.lines), 1)
}

// meant suggests the known name nearest to one that is not known; nothing when none is near.
func meant(name string, known []string) string {
	if nearest := fault.Nearest(name, known); nearest != "" {
		return fmt.Sprintf("; did you mean '%s'?", nearest)
	}
	return ""
}
