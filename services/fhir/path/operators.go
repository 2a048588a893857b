package path

import (
	"slices"
	"strconv"
)

// operation is how a binary operator is checked and written.
type operation struct {
	left, right guard
	kinds       kinds
	truth       bool
	number      bool
}

var operations = map[string]operation{
	"*":        {left: numberGuard, right: numberGuard, kinds: of("decimal"), number: true},
	"/":        {left: numberGuard, right: byGuard, kinds: of("decimal"), number: true},
	"div":      {left: wholeGuard, right: wholeByGuard, kinds: of("integer")},
	"mod":      {left: wholeGuard, right: wholeByGuard, kinds: of("integer")},
	"-":        {left: numberGuard, right: numberGuard, kinds: of("decimal"), number: true},
	"&":        {left: wordGuard, right: wordGuard, kinds: of("string")},
	"=":        {left: equalGuard, right: equalGuard, kinds: of("boolean"), truth: true},
	"!=":       {left: equalGuard, right: equalGuard, kinds: of("boolean"), truth: true},
	"~":        {left: alikeGuard, right: alikeGuard, kinds: of("boolean"), truth: true},
	"!~":       {left: alikeGuard, right: alikeGuard, kinds: of("boolean"), truth: true},
	"<":        {left: orderGuard, right: orderGuard, kinds: of("boolean"), truth: true},
	"<=":       {left: orderGuard, right: orderGuard, kinds: of("boolean"), truth: true},
	">":        {left: orderGuard, right: orderGuard, kinds: of("boolean"), truth: true},
	">=":       {left: orderGuard, right: orderGuard, kinds: of("boolean"), truth: true},
	"in":       {left: equalGuard, right: membersGuard, kinds: of("boolean"), truth: true},
	"contains": {left: membersGuard, right: equalGuard, kinds: of("boolean"), truth: true},
	"and":      {left: truthGuard, right: truthGuard, kinds: of("boolean"), truth: true},
	"or":       {left: truthGuard, right: truthGuard, kinds: of("boolean"), truth: true},
	"xor":      {left: truthGuard, right: truthGuard, kinds: of("boolean"), truth: true},
	"implies":  {left: truthGuard, right: truthGuard, kinds: of("boolean"), truth: true},
}

func (t *translator) binary(n *node, at place) (piece, error) {
	switch n.text {
	case "|":
		return t.union(n.args[0], n.args[1], at)
	case "+":
		return t.plus(n, at)
	case "-":
		if n.args[1].kind == quantityNode {
			return t.plus(n, at)
		}
	}
	op := operations[n.text]
	left, err := t.left(n, at, op.left)
	if err != nil {
		return piece{}, err
	}
	right, err := t.operand(n.args[1], at, op.right)
	if err != nil {
		return piece{}, err
	}
	return piece{
		text: left.text + " " + n.text + " " + right.text, kinds: op.kinds,
		single: true, truth: op.truth, number: op.number, word: n.text == "&",
	}, nil
}

// left translates the left operand. Parentheses round a chain of one operator would only nest it deeper.
func (t *translator) left(n *node, at place, g guard) (piece, error) {
	first := n.args[0]
	if first.kind != binaryNode || first.text != n.text {
		return t.operand(first, at, g)
	}
	p, err := t.translate(first, at)
	if err != nil || harmless(p, first, g) {
		return p, err
	}
	return t.guarded(p, first, g)
}

// plus adds numbers, joins strings, and adds days to a date; the engine's other date arithmetic is wrong.
func (t *translator) plus(n *node, at place) (piece, error) {
	if n.args[1].kind == quantityNode {
		return t.days(n, at)
	}
	left, err := t.left(n, at, addGuard)
	if err != nil {
		return piece{}, err
	}
	right, err := t.operand(n.args[1], at, addGuard)
	if err != nil {
		return piece{}, err
	}
	if left.kinds.only(words...) && right.kinds.only(numbers...) || left.kinds.only(numbers...) && right.kinds.only(words...) {
		return piece{}, refuse("value", n.column, "a number and a string cannot be added")
	}
	number := left.number || right.number
	out := piece{text: left.text + " + " + right.text, kinds: anything, single: true, number: number}
	if number {
		out.kinds = of("decimal")
	}
	return out, nil
}

func (t *translator) days(n *node, at place) (piece, error) {
	step := n.args[1]
	if step.unit != "day" && step.unit != "days" || !wholeText(step.text) {
		return piece{}, refuse("not-supported", step.column, "only whole days are added to a date or taken from it")
	}
	left, err := t.operand(n.args[0], at, oneGuard)
	if err != nil {
		return piece{}, err
	}
	if !left.kinds.any && !slices.ContainsFunc(left.kinds.names, isDate) {
		return piece{}, refuse("value", n.column, "days can only be added to a date")
	}
	return piece{text: "(" + left.text + ").rapportDate(" + strconv.Itoa(n.column) + ") " + n.text + " " + step.text + " days", kinds: left.kinds, single: true}, nil
}

// union is the one of spec: each value once. The engine keeps what stands twice on its left.
func (t *translator) union(a, b *node, at place) (piece, error) {
	left, err := t.many(a, at)
	if err != nil {
		return piece{}, err
	}
	right, err := t.many(b, at)
	if err != nil {
		return piece{}, err
	}
	return piece{text: "(" + left.text + " | " + right.text + ").distinct()", kinds: left.kinds.with(right.kinds)}, nil
}

// many translates a collection and bounds it.
func (t *translator) many(n *node, at place) (piece, error) {
	p, err := t.translate(n, at)
	if err != nil || p.single {
		if n.kind == binaryNode || n.kind == typeNode {
			p.text = "(" + p.text + ")"
		}
		return p, err
	}
	return t.guarded(p, n, manyGuard)
}

func wholeText(text string) bool { return digits(text) == len(text) && len(text) <= 6 }

func isDate(name string) bool { return name == "date" || name == "dateTime" || name == "instant" }
