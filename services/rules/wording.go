package rules

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/judge"
)

// english is the language of the rules themselves.
const english = "en"

// tagForm is a BCP 47 tag of a language, with a region where it matters.
var tagForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// names are the numbers and texts that templates may use.
type names struct {
	figures []figure
	// numbers by their names; empty where an expression gives the name.
	numbers []string
	texts   []text
}

func (n *names) known() []string {
	known := slices.Clone(n.numbers)
	for _, t := range n.texts {
		known = append(known, t.name)
	}
	return slices.DeleteFunc(known, func(s string) bool { return s == "" })
}

// what a template may name.
func (n *names) what() string {
	if len(n.figures) == 0 && len(n.texts) > 0 {
		return "text (numbers stand in `seen` alone)"
	}
	return "number or text"
}

// text is a named piece of text that an expression gives, as a word of the glossary or a list of such words.
type text struct {
	name  string
	value *expression
}

// phrase is text with numbers and texts in it, or an expression that gives text. Of several the first counts whose
// condition holds.
type phrase struct{ choices []choice }

// choice is one way to say it.
type choice struct {
	// as it was written.
	as Said
	// when is nil where it always holds.
	when       *expression
	expression *expression
	pieces     []piece
}

// piece is literal text, or a number or a text by its index when that is not negative.
type piece struct {
	text      string
	number    int
	word      int
	reference bool
}

// referenceMark after a number's name in a template stands for what it is compared with.
const referenceMark = ":reference"

// phrase reads a template, `{cel: expression}`, or a list of `{when: condition, text: template}` of which the last has no
// condition.
func (l *loader) phrase(n *yaml.Node, of *names) (p phrase) {
	switch n.Kind {
	case yaml.MappingNode:
		var c choice
		l.fields(n, map[string]func(*yaml.Node){"cel": func(n *yaml.Node) {
			c.as.Text, c.expression = plain(n), l.expression(n, cel.StringType)
		}}, "cel")
		p.choices = []choice{c}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			var c choice
			l.fields(item, map[string]func(*yaml.Node){
				"when": func(n *yaml.Node) { c.as.When, c.when = plain(n), l.expression(n, cel.BoolType) },
				"text": func(n *yaml.Node) { c.as.Text, c.pieces = l.template(n, of) },
			}, "text")
			if last := i == len(n.Content)-1; last != (c.when == nil) {
				l.fail(l.at(item), "every way to say it but the last has its condition `when`")
			}
			p.choices = append(p.choices, c)
		}
	default:
		var c choice
		c.as.Text, c.pieces = l.template(n, of)
		p.choices = []choice{c}
	}
	return p
}

// template reads `{name}`, a number's value or a text, and `{name:reference}`, what a number is compared with.
func (l *loader) template(n *yaml.Node, of *names) (string, []piece) {
	whole := strings.Join(strings.Fields(l.scalar(n)), " ")
	var pieces []piece
	for rest := whole; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		if before != "" {
			pieces = append(pieces, piece{text: before, number: -1, word: -1})
		}
		if !found {
			break
		}
		name, following, closed := strings.Cut(after, "}")
		p, known := of.piece(name)
		if !closed || !known {
			l.fail(l.at(n), "there is no %s '%s'%s", of.what(), name, meant(name, of.known()))
		} else {
			pieces = append(pieces, p)
		}
		if !closed {
			break
		}
		rest = following
	}
	return whole, pieces
}

func (n *names) piece(name string) (piece, bool) {
	plain, reference := strings.CutSuffix(name, referenceMark)
	if i := slices.Index(n.numbers, plain); i >= 0 && plain != "" {
		return piece{number: i, word: -1, reference: reference}, true
	}
	i := slices.IndexFunc(n.texts, func(t text) bool { return t.name == name })
	return piece{number: -1, word: i}, i >= 0
}

// reading is what one finding says in numbers and texts, made once for all languages.
type reading struct {
	numbers []judge.Number
	texts   [][]string
}

func (n *names) read(v judge.View) (r reading, err error) {
	for _, f := range n.figures {
		number, err := f.read(v)
		if err != nil {
			return r, err
		}
		r.numbers = append(r.numbers, number)
	}
	for _, t := range n.texts {
		words, err := t.value.words(v)
		if err != nil {
			return r, err
		}
		r.texts = append(r.texts, words)
	}
	return r, nil
}

// write says it of a view in a language.
func (p phrase) write(v judge.View, r reading, in *tongue) (string, error) {
	for i := range p.choices {
		c := &p.choices[i]
		if c.when != nil {
			if holds, err := c.when.holds(v); err != nil || !holds {
				if err != nil {
					return "", err
				}
				continue
			}
		}
		if c.expression != nil {
			return c.expression.text(v)
		}
		return c.join(r, in), nil
	}
	return "", nil
}

func (c *choice) join(r reading, in *tongue) string {
	if len(c.pieces) == 1 && c.pieces[0].number < 0 && c.pieces[0].word < 0 {
		return c.pieces[0].text
	}
	var b strings.Builder
	for _, p := range c.pieces {
		switch {
		case p.word >= 0:
			b.WriteString(in.join(r.texts[p.word]))
		case p.number < 0:
			b.WriteString(p.text)
		case !p.reference:
			b.WriteString(in.number(r.numbers[p.number].Value))
		case r.numbers[p.number].Reference != nil:
			b.WriteString(in.number(*r.numbers[p.number].Reference))
		}
	}
	return b.String()
}

// figure is a number behind a finding.
type figure struct {
	name                          phrase
	value, reference, unconfirmed *expression
	unit                          string
}

func (f figure) read(v judge.View) (judge.Number, error) {
	name, err := f.name.write(v, reading{}, nil)
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

// figures reads the numbers.
func (l *loader) figures(n *yaml.Node, into *names) {
	for _, item := range l.list(n) {
		f, name := l.figure(item)
		if name != "" && slices.Contains(into.known(), name) {
			l.fail(l.at(item), "a second number or text '%s'", name)
		}
		into.figures, into.numbers = append(into.figures, f), append(into.numbers, name)
	}
}

// figure reads a number; its name is empty when an expression gives it, and `called` then names it in templates.
func (l *loader) figure(n *yaml.Node) (f figure, name string) {
	l.fields(n, map[string]func(*yaml.Node){
		"name": func(n *yaml.Node) {
			if f.name = l.phrase(n, &names{}); n.Kind == yaml.ScalarNode {
				name = n.Value
			}
		},
		"called":      func(n *yaml.Node) { name = l.scalar(n) },
		"value":       func(n *yaml.Node) { f.value = l.expression(n, cel.DoubleType, cel.IntType) },
		"reference":   func(n *yaml.Node) { f.reference = l.expression(n, cel.DoubleType, cel.IntType) },
		"unconfirmed": func(n *yaml.Node) { f.unconfirmed = l.expression(n, cel.BoolType) },
		"unit":        func(n *yaml.Node) { f.unit = l.scalar(n) },
	}, "name", "value")
	return f, name
}

// texts reads the named texts.
func (l *loader) texts(n *yaml.Node, into *names) {
	l.entries(n, func(key, value *yaml.Node) {
		if slices.Contains(into.known(), key.Value) {
			l.fail(l.at(key), "a second number or text '%s'", key.Value)
		}
		into.texts = append(into.texts, text{key.Value, l.expression(value, cel.StringType, cel.ListType(cel.StringType))})
	})
}

// words are everything a finding says in one language.
type words struct {
	// place where they stand.
	place string
	// plain wordings by their part, in the order of parts; a part that is absent is nil.
	parts [len(parts)]*phrase
	// proposal in this language.
	proposal string
}

// Said is one way to say a part of a wording, as it is written: a template with the names of numbers and texts in braces,
// and the condition under which it is said so; empty for the only or last way.
type Said struct {
	When string `json:"when,omitempty"`
	Text string `json:"text"`
}

// Passage is a part of a wording with the ways to say it.
type Passage struct {
	Name string `json:"name"`
	Ways []Said `json:"ways"`
}

// Script is the wording of a rule in a language as it is written, part by part; false when it is not written in it. The
// empty tag and `en` are English.
func (leaf Leaf) Script(tag string) (script []Passage, written bool) {
	if tag == english {
		tag = ""
	}
	w := leaf.words[tag]
	if w == nil {
		return nil, false
	}
	for i, p := range w.parts {
		if p == nil {
			continue
		}
		part := Passage{Name: parts[i]}
		for _, c := range p.choices {
			part.Ways = append(part.Ways, c.as)
		}
		script = append(script, part)
	}
	if w.proposal != "" {
		script = append(script, Passage{"proposal", []Said{{Text: w.proposal}}})
	}
	return script, true
}

// parts of a wording.
var parts = [...]string{"title", "seen", "withheld", "partner", "question", "phrase"}

const (
	partTitle = iota
	partSeen
	partWithheld
	partPartner
	partQuestion
	partPhrase
)

// words reads a wording in a language; English is the empty tag.
func (l *loader) words(n *yaml.Node, tag string, of *names) *words {
	w := &words{place: l.at(n)}
	lettered := &names{texts: of.texts}
	readers := map[string]func(*yaml.Node){}
	for i, part := range parts {
		readers[part] = func(n *yaml.Node) {
			names := of
			if i != partSeen { // the rest goes to those, too, who may not see the numbers
				names = lettered
			}
			p := l.phrase(n, names)
			w.parts[i] = &p
		}
	}
	if tag != "" {
		readers["proposal"] = func(n *yaml.Node) { w.proposal = strings.Join(strings.Fields(l.scalar(n)), " ") }
	}
	l.fields(n, readers, "seen")
	return w
}

// say writes the wording in a language.
func (w *words) say(v judge.View, r reading, in *tongue) (judge.Wording, error) {
	var said [len(parts)]string
	for i, p := range w.parts {
		if p == nil {
			continue
		}
		var err error
		if said[i], err = p.write(v, r, in); err != nil {
			return judge.Wording{}, err
		}
	}
	if slices.ContainsFunc(r.numbers, func(n judge.Number) bool { return n.Unconfirmed }) {
		said[partSeen] += in.doubt()
	}
	return judge.Wording{
		Title: said[partTitle], Seen: said[partSeen], Withheld: said[partWithheld], Partner: said[partPartner],
		Question: said[partQuestion], Phrase: said[partPhrase], Proposal: w.proposal,
	}, nil
}

// describe gives the wording in English and the numbers.
func (leaf *Leaf) describe(v judge.View) (judge.Wording, []judge.Number, error) {
	r, err := leaf.names.read(v)
	if err != nil {
		return judge.Wording{}, nil, err
	}
	w, err := leaf.words[""].say(v, r, leaf.tongue(english))
	return w, r.numbers, err
}

// translate gives the wording in the other languages.
func (leaf *Leaf) translate(v judge.View) (map[string]judge.Wording, error) {
	r, err := leaf.names.read(v)
	if err != nil {
		return nil, err
	}
	said := make(map[string]judge.Wording, len(leaf.Languages))
	for _, tag := range leaf.Languages {
		w := leaf.words[tag]
		wording, err := w.say(v, r, leaf.tongue(tag))
		if err != nil {
			return nil, err
		}
		said[tag] = wording
	}
	return said, nil
}
