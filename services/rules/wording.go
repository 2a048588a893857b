package rules

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/judge"
)

// phrase is text with numbers in it, or an expression that gives text.
type phrase struct {
	expression *expression
	pieces     []piece
}

// piece is literal text, or a number when index is not negative.
type piece struct {
	text      string
	index     int
	reference bool
}

// referenceMark after a number's name in a template stands for what it is compared with.
const referenceMark = ":reference"

// newPhrase reads a template: `{name}` is a number's value, `{name:reference}` what it is compared with.
// It returns the names that are not among the numbers.
func newPhrase(template string, numbers []string) (p phrase, unknown []string) {
	for template != "" {
		before, rest, found := strings.Cut(template, "{")
		p.pieces = append(p.pieces, piece{text: before, index: -1})
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return p, append(unknown, rest)
		}
		template = after
		name, reference := strings.CutSuffix(name, referenceMark)
		index := -1
		for i, n := range numbers {
			if n == name {
				index = i
			}
		}
		if index < 0 {
			unknown = append(unknown, name)
			continue
		}
		p.pieces = append(p.pieces, piece{index: index, reference: reference})
	}
	return p, unknown
}

func (p phrase) write(v judge.View, numbers []judge.Number) (string, error) {
	if p.expression != nil {
		return p.expression.text(v)
	}
	if len(p.pieces) == 1 {
		return p.pieces[0].text, nil
	}
	var b strings.Builder
	for _, piece := range p.pieces {
		switch {
		case piece.index < 0:
			b.WriteString(piece.text)
		case !piece.reference:
			b.WriteString(show(numbers[piece.index].Value))
		case numbers[piece.index].Reference != nil:
			b.WriteString(show(*numbers[piece.index].Reference))
		}
	}
	return b.String(), nil
}

// figure is a number behind a finding.
type figure struct {
	name                          phrase
	value, reference, unconfirmed *expression
	unit                          string
}

func (f figure) read(v judge.View) (judge.Number, error) {
	name, err := f.name.write(v, nil)
	if err != nil {
		return judge.Number{}, err
	}
	n := judge.Number{Name: name, Unit: f.unit}
	if n.Value, err = f.value.number(v); err != nil {
		return n, err
	}
	if f.unconfirmed != nil {
		if n.Unconfirmed, err = f.unconfirmed.holds(v); err != nil {
			return n, err
		}
	}
	if f.reference == nil {
		return n, nil
	}
	reference, err := f.reference.number(v)
	n.Reference = &reference
	return n, err
}

// doubt follows what was seen where one of its numbers is unconfirmed.
const doubt = " Unconfirmed: no source that was read backs the key, band or error band behind this."

// words are everything a finding says.
type words struct {
	figures                []figure
	seen, question, phrase phrase
}

func (w words) describe(v judge.View) (judge.Wording, []judge.Number, error) {
	var numbers []judge.Number
	for _, f := range w.figures {
		n, err := f.read(v)
		if err != nil {
			return judge.Wording{}, nil, err
		}
		numbers = append(numbers, n)
	}
	var said [3]string
	for i, p := range []phrase{w.seen, w.question, w.phrase} {
		var err error
		if said[i], err = p.write(v, numbers); err != nil {
			return judge.Wording{}, nil, err
		}
	}
	if slices.ContainsFunc(numbers, func(n judge.Number) bool { return n.Unconfirmed }) {
		said[0] += doubt
	}
	return judge.Wording{Seen: said[0], Question: said[1], Phrase: said[2]}, numbers, nil
}
