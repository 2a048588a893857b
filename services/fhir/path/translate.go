package path

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gofhir/fhirpath/types"
)

// translator turns a checked expression into the text that the engine evaluates. The engine is never given what it
// gets silently wrong: such a part is refused, or written with the functions of functions.go, which compute it rightly
// or fail aloud. Each of those takes the column as its last argument, so that a failure has its place.
type translator struct {
	variables map[string]kinds
	constants map[string]types.Collection
	used      map[string]bool
	warnings  []refusal
}

// place is where a part of an expression stands: what its focus is.
type place struct {
	// root: the focus is %context; else the element at hand of a function such as where().
	root  bool
	focus kinds
}

// piece is a translated part.
type piece struct {
	text  string
	kinds kinds
	// single: at most one value; truth, number, word: nothing but what the name says.
	single, truth, number, word bool
	// choices are the types of the choice element that the part ends in.
	choices []string
}

// reserved names cannot clash: an expression's own variables have plain names.
const (
	constantPrefix = "rapport:"
	runVariable    = "rapport:run"
)

func (t *translator) translate(n *node, at place) (piece, error) {
	p, err := t.part(n, at)
	if err == nil && len(p.text) > mostEmitted {
		return p, refuse("too-costly", n.column, "the expression grows too large here")
	}
	return p, err
}

func (t *translator) part(n *node, at place) (piece, error) {
	switch n.kind {
	case emptyNode:
		return piece{text: "{}", single: true}, nil
	case booleanNode:
		return piece{text: n.text, kinds: of("boolean"), single: true, truth: true}, nil
	case numberNode:
		return numberPiece(n)
	case stringNode:
		return piece{text: t.word(n.text), kinds: of("string"), single: true, word: true}, nil
	case temporalNode:
		return temporalPiece(n)
	case quantityNode:
		return piece{}, refuse("not-supported", n.column, "quantities are not compared or computed here: use the `.value` of an element, and test its `.code`")
	case variableNode:
		return t.variable(n)
	case thisNode:
		return piece{text: at.text(), kinds: at.focus, single: !at.root}, nil
	case indexNode:
		return loopPiece(n, at, "$index", of("integer"))
	case totalNode:
		return loopPiece(n, at, "$total", anything)
	case memberNode:
		return t.member(n, at)
	case indexerNode:
		return t.indexer(n, at)
	case signNode:
		return t.polarity(n, at)
	case binaryNode:
		return t.binary(n, at)
	case typeNode:
		return t.typed(n, n.args[0], n.text, n.unit, at)
	default:
		return t.call(n, at)
	}
}

// text is how the focus of a place is written.
func (at place) text() string {
	if at.root {
		return "%`context`"
	}
	return "$this"
}

func loopPiece(n *node, at place, text string, k kinds) (piece, error) {
	if at.root {
		return piece{}, refuse("structure", n.column, "`"+text+"` means nothing outside a function that goes through elements")
	}
	return piece{text: text, kinds: k, single: true}, nil
}

func numberPiece(n *node) (piece, error) {
	if len(n.text) > mostPower {
		return piece{}, refuse("value", n.column, "the number has more than "+strconv.Itoa(mostPower)+" characters")
	}
	p := piece{text: n.text, kinds: of("integer"), single: true, number: true}
	if strings.Contains(n.text, ".") {
		p.kinds = of("decimal")
	}
	return p, nil
}

var (
	dateForm     = regexp.MustCompile(`^@\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)
	dateTimeForm = regexp.MustCompile(`^@\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$`)
	timeForm     = regexp.MustCompile(`^@T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?$`)
)

func temporalPiece(n *node) (piece, error) {
	p := piece{text: n.text, single: true}
	switch {
	case dateForm.MatchString(n.text):
		p.kinds = of("date")
	case dateTimeForm.MatchString(n.text):
		p.kinds = of("dateTime")
	case timeForm.MatchString(n.text):
		p.kinds = of("time")
	default:
		return p, refuse("not-supported", n.column, "a date must be whole (@2026-01-31), a time whole to the second, and both together with their zone")
	}
	return p, nil
}

// simpleWord is a string that the engine reads as it stands; it decodes escapes wrongly.
var simpleWord = regexp.MustCompile(`^[ !#-&(-\[\]-~]*$`)

// word writes a string: as a literal where the engine cannot mistake it, else as a constant.
func (t *translator) word(text string) string {
	if simpleWord.MatchString(text) {
		return "'" + text + "'"
	}
	return t.constant(types.NewString(text))
}

func (t *translator) constant(value types.Value) string {
	name := constantPrefix + strconv.Itoa(len(t.constants))
	t.constants[name] = types.Collection{value}
	return "%`" + name + "`"
}

func (t *translator) variable(n *node) (piece, error) {
	k, known := t.variables[n.text]
	if !known {
		return piece{}, refuse("not-found", n.column, "there is no variable %"+spoken(n.text)+" here")
	}
	t.used[n.text] = true
	single := n.text != "context" && fixedVariables[n.text]
	return piece{text: "%`" + n.text + "`", kinds: k, single: single}, nil
}

// spoken is a name as it may stand in a message.
func spoken(name string) string {
	if plainName(name) && len(name) <= 64 {
		return name
	}
	return "?"
}

// member steps into an element, from what precedes it or from the focus.
func (t *translator) member(n *node, at place) (piece, error) {
	if !plainName(n.text) {
		return piece{}, refuse("value", n.column, "no element of R4 has this name")
	}
	if n.input == nil && n.text[0] >= 'A' && n.text[0] <= 'Z' {
		return t.rootType(n, at)
	}
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	k, err := input.kinds.member(n.text, n.column)
	choices, _ := input.kinds.choice(n.text)
	return piece{text: input.text + ".`" + n.text + "`", kinds: k, choices: choices}, err
}

// rootType takes the type that a path may start with, such as Patient in Patient.name.
func (t *translator) rootType(n *node, at place) (piece, error) {
	if !at.root || !at.focus.any && !at.focus.only(n.text) {
		return piece{}, refuse("value", n.column, "the path cannot start at "+n.text+" here: start it at %resource or at an element")
	}
	if at.focus.any {
		return piece{text: "%`context`.ofType(" + n.text + ")", kinds: of(n.text)}, nil
	}
	return piece{text: at.text(), kinds: at.focus}, nil
}

// input translates what a step applies to.
func (t *translator) input(n *node, at place) (piece, error) {
	if n.input == nil {
		return piece{text: at.text(), kinds: at.focus, single: !at.root}, nil
	}
	p, err := t.translate(n.input, at)
	if err != nil {
		return p, err
	}
	switch n.input.kind {
	case binaryNode, signNode, typeNode, numberNode, temporalNode, emptyNode:
		p.text = "(" + p.text + ")"
	}
	return p, nil
}

func (t *translator) indexer(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	index, err := t.operand(n.args[0], at, wholeGuard)
	if err != nil {
		return piece{}, err
	}
	input.text += "[" + index.text + "]"
	input.single = true
	return input, nil
}

func (t *translator) polarity(n *node, at place) (piece, error) {
	p, err := t.operand(n.args[0], at, numberGuard)
	if err != nil {
		return p, err
	}
	return piece{text: n.text + "(" + p.text + ")", kinds: of("decimal"), single: true, number: true}, nil
}

// guard is a function that lets through what an operator can take and fails aloud on anything else.
type guard string

const (
	noGuard      guard = ""
	oneGuard     guard = "rapportOne"
	truthGuard   guard = "rapportTruth"
	numberGuard  guard = "rapportNumber"
	byGuard      guard = "rapportDivisor"
	wholeGuard   guard = "rapportWhole"
	wholeByGuard guard = "rapportWholeDivisor"
	wordGuard    guard = "rapportWord"
	addGuard     guard = "rapportAddend"
	equalGuard   guard = "rapportEqual"
	alikeGuard   guard = "rapportAlike"
	orderGuard   guard = "rapportOrder"
	manyGuard    guard = "rapportMany"
	// membersGuard is manyGuard for the operators that look for a value.
	membersGuard guard = "rapportMembers"
)

// operand translates a part and puts its guard behind it, unless the part cannot offend.
func (t *translator) operand(n *node, at place, g guard) (piece, error) {
	p, err := t.translate(n, at)
	if err != nil {
		return p, err
	}
	return t.guarded(p, n, g)
}

func (t *translator) guarded(p piece, n *node, g guard) (piece, error) {
	if err := unfit(p.kinds, g, n.column); err != nil {
		return p, err
	}
	if harmless(p, n, g) {
		if n.kind == binaryNode || n.kind == typeNode {
			p.text = "(" + p.text + ")"
		}
		return p, nil
	}
	p.text = "(" + p.text + ")." + string(g) + "(" + strconv.Itoa(n.column) + ")"
	p.single = g != manyGuard && g != membersGuard
	return p, nil
}

// harmless says whether a guard would let a part through unchanged whatever the data.
func harmless(p piece, n *node, g guard) bool {
	literal := n.kind == numberNode || n.kind == stringNode || n.kind == booleanNode || n.kind == emptyNode
	switch g {
	case noGuard:
		return true
	case oneGuard:
		return p.single
	case truthGuard:
		return p.truth
	case numberGuard:
		return p.number && n.kind != numberNode
	case addGuard:
		return p.number && n.kind != numberNode || n.kind == stringNode
	case wholeGuard:
		return n.kind == numberNode && p.kinds.only("integer")
	case wordGuard:
		return p.word
	case equalGuard, orderGuard:
		return literal || p.number || p.word || p.truth && p.single
	case alikeGuard:
		return literal && n.kind != numberNode
	}
	return false
}

// unfit refuses what is known before evaluation to be of no type that the guard lets through.
func unfit(k kinds, g guard, column int) error {
	if k.any || len(k.names) == 0 {
		return nil
	}
	switch g {
	case truthGuard:
		if !slices.Contains(k.names, "boolean") {
			return refuse("value", column, "a condition must be true or false, not "+strings.Join(k.names, ", ")+": write .exists() or a comparison")
		}
	case numberGuard, byGuard, wholeGuard, wholeByGuard:
		if !slices.ContainsFunc(k.names, isNumber) {
			return refuse("value", column, "a number is needed here, not "+strings.Join(k.names, ", "))
		}
	case addGuard:
		if !slices.ContainsFunc(k.names, func(name string) bool { return isNumber(name) || slices.Contains(words, name) }) {
			return refuse("value", column, "a number or a string is needed here, not "+strings.Join(k.names, ", "))
		}
	case wordGuard:
		if !slices.ContainsFunc(k.names, func(name string) bool { return slices.Contains(words, name) }) {
			return refuse("value", column, "a string is needed here, not "+strings.Join(k.names, ", "))
		}
	case equalGuard, alikeGuard, orderGuard:
		if k.only(quantities...) {
			return refuse("not-supported", column, "quantities are not compared here: compare their .value, and test their .code")
		}
	}
	return nil
}

func isNumber(name string) bool { return slices.Contains(numbers, name) }
