package path

import (
	"slices"
	"strconv"
	"strings"
)

// narrowed is ofType(), as() and is() as functions.
func (t *translator) narrowed(n *node, at place) (piece, error) {
	typ, ok := typeText(n.args[0])
	if !ok {
		return piece{}, refuse("structure", n.column, n.text+"() takes a type")
	}
	input := n.input
	if input == nil {
		input = &node{kind: thisNode, column: n.column}
	}
	return t.typed(n, input, n.text, typ, at)
}

func typeText(n *node) (string, bool) {
	if n.kind != memberNode {
		return "", false
	}
	if n.input == nil {
		return n.text, true
	}
	if n.input.kind == memberNode && n.input.input == nil && (n.input.text == "FHIR" || n.input.text == "System") {
		return n.input.text + "." + n.text, true
	}
	return "", false
}

// typed is `is`, `as` and ofType(). Behind a choice the type is part of the JSON name, which is read instead: the engine
// takes a decimal that is whole for an integer and a code for a string.
func (t *translator) typed(n, subject *node, op, typ string, at place) (piece, error) {
	typ = strings.TrimPrefix(typ, "FHIR.")
	m := loadModel()
	if strings.HasPrefix(typ, "System.") || m.types[typ] == nil {
		return piece{}, refuse("value", n.column, "R4 has no type "+spoken(typ)+": a primitive starts with a small letter, such as `string`")
	}
	p, err := t.translate(subject, at)
	if err != nil {
		return p, err
	}
	if len(p.choices) > 0 {
		return chosen(n, p, op, typ)
	}
	if m.primitive(typ) {
		return piece{}, refuse("not-supported", n.column, "whether this is "+typ+" cannot be told here: ask it of a choice such as `value`")
	}
	if op == "is" {
		text := "(" + p.text + ")." + string(oneGuard) + "(" + strconv.Itoa(n.column) + ").is(" + typ + ")"
		return piece{text: text, kinds: of("boolean"), single: true, truth: true}, nil
	}
	return piece{text: "(" + p.text + ").ofType(" + typ + ")", kinds: of(typ), single: p.single}, nil
}

// chosen narrows a choice by its JSON name.
func chosen(n *node, p piece, op, typ string) (piece, error) {
	if !slices.Contains(p.choices, typ) {
		return p, refuse("value", n.column, "this is never "+typ+": it is one of "+strings.Join(p.choices, ", "))
	}
	text := strings.TrimSuffix(p.text, "`") + titled(typ) + "`"
	if op != "is" {
		return piece{text: text, kinds: of(typ)}, nil
	}
	whole := p.text + "." + string(oneGuard) + "(" + strconv.Itoa(n.column) + ")"
	return piece{text: "iif(" + whole + ".exists(), " + text + ".exists())", kinds: of("boolean"), single: true, truth: true}, nil
}
