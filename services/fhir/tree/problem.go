package tree

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// mostProblems is after how many faults reading ends: who made fifty mistakes knows enough.
const mostProblems = 50

// problem is one fault of the text.
type problem struct {
	// offset is where it stands in the body.
	offset int
	// at is the node it is about, -1 for the whole document.
	at int
	// member is the name below the node whose value could not be read.
	member     string
	code, text string
}

func (p *parser) report(offset, at int, code, text string) {
	if len(p.problems) < mostProblems {
		p.problems = append(p.problems, problem{offset: offset, at: at, code: code, text: text})
	}
}

func (p *parser) reportf(offset, at int, code, format string, args ...any) {
	p.report(offset, at, code, fmt.Sprintf(format, args...))
}

// fault turns the problems into issues with paths, lines and columns, in the order of the text.
func (p *parser) fault() error {
	for at := p.top; at >= 0; at -= int(p.doc.nodes[at].up) {
		p.doc.nodes[at].size = uint32(len(p.doc.nodes) - at)
		if at == 0 {
			break
		}
	}
	slices.SortStableFunc(p.problems, func(a, b problem) int { return cmp.Compare(a.offset, b.offset) })
	issues := make([]fault.Issue, 0, len(p.problems))
	place := cursor{raw: p.doc.raw, line: 1}
	for _, q := range p.problems {
		line, column := place.to(q.offset)
		issues = append(issues, fault.Errorf(q.code, p.path(q), "%s (line %d, column %d)", q.text, line, column))
	}
	return fault.New(fault.Invalid, issues...)
}

func (p *parser) path(q problem) string {
	if q.at < 0 || q.at >= len(p.doc.nodes) {
		return p.pathless()
	}
	path := (Node{&p.doc, q.at}).Path()
	if q.member == "" {
		return path
	}
	if path == "" {
		return q.member
	}
	return path + "." + q.member
}

// pathless is the path of a problem that is no element's.
func (p *parser) pathless() string {
	if len(p.doc.nodes) == 0 {
		return ""
	}
	return p.doc.rootPath()
}

// cursor counts lines and columns forwards through a text.
type cursor struct {
	raw          []byte
	at           int
	line, column int
}

// to moves on to offset and gives its line and its column in characters, both from 1.
func (c *cursor) to(offset int) (line, column int) {
	offset = max(c.at, min(offset, len(c.raw)))
	passed := c.raw[c.at:offset]
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		c.line += bytes.Count(passed, []byte{'\n'})
		c.column = 0
		passed = passed[last+1:]
	}
	c.column += utf8.RuneCount(passed)
	c.at = offset
	return c.line, c.column + 1
}
