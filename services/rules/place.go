package rules

import (
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
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
	best, nearest := max(1, len(name)/3)+1, ""
	for _, k := range known {
		if d := distance(name, k); d < best {
			best, nearest = d, k
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean '%s'?", nearest)
}

// distance is the number of letters to add, drop, change or swap with the next to come from a to b.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
