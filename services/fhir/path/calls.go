package path

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (t *translator) call(n *node, at place) (piece, error) {
	f, known := functions()[n.text]
	if !known {
		if why, refused := refusedFunctions[n.text]; refused {
			return piece{}, refuse("not-supported", n.column, n.text+"() is not supported: "+why)
		}
		return piece{}, refuse("not-supported", n.column, "there is no function "+spoken(n.text)+"() here")
	}
	if len(n.args) < f.min || len(n.args) > f.max {
		return piece{}, refuse("structure", n.column, n.text+"() takes "+counted(f)+", not "+strconv.Itoa(len(n.args)))
	}
	if f.custom {
		return t.custom(n, at)
	}
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	if input, err = t.inputGuarded(input, n, f.input); err != nil {
		return piece{}, err
	}
	args, err := t.arguments(n, at, f)
	if err != nil {
		return piece{}, err
	}
	out := piece{text: input.text + "." + n.text + "(" + strings.Join(args, ", ") + ")", kinds: input.kinds}
	return f.shape(out, input), nil
}

// custom translates the functions that need more than guards.
func (t *translator) custom(n *node, at place) (piece, error) {
	switch n.text {
	case "where":
		return t.where(n, at)
	case "select":
		return t.selected(n, at)
	case "all":
		return t.every(n, at)
	case "aggregate":
		return t.folded(n, at)
	case "iif":
		return t.conditional(n, at)
	case "repeat":
		return t.repeated(n, at)
	case "union":
		return t.united(n, at)
	case "trace":
		return t.traced(n, at)
	case "ofType", "as", "is":
		return t.narrowed(n, at)
	case "extension":
		return t.extension(n, at)
	case "matches":
		return t.matches(n, at)
	case "single":
		return t.onlyOne(n, at)
	case "not":
		return t.negated(n, at)
	case "weight", "ordinal":
		return t.weighed(n, at)
	case "children", "descendants":
		return t.tree(n, at)
	case "sum", "avg", "min", "max":
		return t.aggregated(n, at)
	default:
		return t.exists(n, at)
	}
}

func counted(f function) string {
	if f.min == f.max {
		return strconv.Itoa(f.min) + " arguments"
	}
	return fmt.Sprintf("%d to %d arguments", f.min, f.max)
}

// inputGuarded guards the input of a call, at the place of the call.
func (t *translator) inputGuarded(p piece, n *node, g guard) (piece, error) {
	if g == noGuard {
		return p, nil
	}
	if err := unfit(p.kinds, g, n.column); err != nil {
		return p, err
	}
	if n.input != nil && harmless(p, n.input, g) {
		return p, nil
	}
	p.text += "." + string(g) + "(" + strconv.Itoa(n.column) + ")"
	return p, nil
}

// arguments translates the arguments of a function that does not go through elements.
func (t *translator) arguments(n *node, at place, f function) ([]string, error) {
	var out []string
	for _, arg := range n.args {
		if err := settled(arg, at); err != nil {
			return nil, err
		}
		p, err := t.operand(arg, at, f.args)
		if err != nil {
			return nil, err
		}
		out = append(out, p.text)
	}
	if f.ours {
		out = append(out, strconv.Itoa(n.column))
	}
	return out, nil
}

// shape sets the type of the result.
func (f function) shape(out, input piece) piece {
	switch f.result {
	case sameOutcome:
		out.single = f.single
	case truthOutcome:
		out.kinds, out.single, out.truth = of("boolean"), true, true
	case numberOutcome:
		out.kinds, out.single, out.number = of("decimal"), true, true
	case integerOutcome:
		out.kinds, out.single = of("integer"), true
	case wordOutcome:
		out.kinds, out.single, out.word = of("string"), true, true
	case numbersOutcome:
		out.kinds = of("decimal")
	case wordsOutcome:
		out.kinds = of("string")
	}
	return out
}

// settled refuses an argument that depends on the element at hand: the engine evaluates arguments on the input of the
// function instead. At the root the focus is written out as %context, so nothing depends on it.
func settled(arg *node, at place) error {
	if at.root {
		return nil
	}
	if n := dependent(arg); n != nil {
		return refuse("not-supported", n.column, "this depends on the element at hand, which an argument here does not see: start it at %resource, %context or a variable")
	}
	return nil
}

// dependent finds what depends on the focus of the place.
func dependent(n *node) *node {
	switch n.kind {
	case thisNode:
		return n
	case memberNode:
		if n.input == nil {
			return n
		}
	case callNode:
		if n.input == nil && n.text != "iif" {
			return n
		}
		if through(n.text) && n.input != nil {
			return dependent(n.input)
		}
	}
	if n.input != nil {
		if found := dependent(n.input); found != nil {
			return found
		}
	}
	for _, arg := range n.args {
		if found := dependent(arg); found != nil {
			return found
		}
	}
	return nil
}

// through says whether a function goes through elements, so that its arguments have a focus of their own, or takes
// what is no expression.
func through(name string) bool {
	return slices.Contains([]string{"where", "select", "all", "exists", "repeat", "ofType", "as", "is", "trace"}, name)
}

// each translates the argument of a function that goes through elements.
func (t *translator) each(arg *node, input piece, g guard) (piece, error) {
	at := place{focus: input.kinds}
	if g == truthGuard {
		return t.operand(arg, at, g)
	}
	return t.translate(arg, at)
}

func (t *translator) where(n *node, at place) (piece, error) { return t.filter(n, at, false) }
func (t *translator) every(n *node, at place) (piece, error) { return t.filter(n, at, true) }

func (t *translator) filter(n *node, at place, truth bool) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	criterion, err := t.each(n.args[0], input, truthGuard)
	if err != nil {
		return piece{}, err
	}
	out := piece{text: input.text + "." + n.text + "(" + criterion.text + ")", kinds: input.kinds, single: input.single}
	if truth {
		out.kinds, out.single, out.truth = of("boolean"), true, true
	}
	return out, nil
}

func (t *translator) exists(n *node, at place) (piece, error) {
	if len(n.args) == 1 {
		return t.filter(n, at, true)
	}
	input, err := t.input(n, at)
	return piece{text: input.text + ".exists()", kinds: of("boolean"), single: true, truth: true}, err
}

func (t *translator) selected(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	projection, err := t.each(n.args[0], input, noGuard)
	return piece{text: input.text + ".select(" + projection.text + ")", kinds: projection.kinds, single: input.single && projection.single}, err
}

// folded is aggregate(). The engine keeps only the first of several totals, so there must be one.
func (t *translator) folded(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	step, err := t.operand(n.args[0], place{focus: input.kinds}, oneGuard)
	if err != nil {
		return piece{}, err
	}
	text := input.text + ".aggregate(" + step.text
	if len(n.args) == 2 {
		if err := settled(n.args[1], at); err != nil {
			return piece{}, err
		}
		start, err := t.operand(n.args[1], at, oneGuard)
		if err != nil {
			return piece{}, err
		}
		text += ", " + start.text
	}
	return piece{text: text + ")", kinds: anything, single: true}, nil
}

func (t *translator) conditional(n *node, at place) (piece, error) {
	if n.input != nil {
		return piece{}, refuse("not-supported", n.column, "iif() stands on its own here: write iif(condition, then, else), within select() if need be")
	}
	condition, err := t.operand(n.args[0], at, truthGuard)
	if err != nil {
		return piece{}, err
	}
	text := "iif(" + condition.text
	out := piece{single: true, number: true, word: true, truth: true}
	for _, branch := range n.args[1:] {
		p, err := t.translate(branch, at)
		if err != nil {
			return piece{}, err
		}
		text += ", " + p.text
		out.kinds = out.kinds.with(p.kinds)
		out.single = out.single && p.single
		out.number = out.number && (p.number || branch.kind == emptyNode) && branch.kind != numberNode
		out.word = out.word && (p.word || branch.kind == emptyNode)
		out.truth = out.truth && (p.truth || branch.kind == emptyNode)
	}
	out.text = text + ")"
	return out, nil
}

// repeated writes the three forms of repeat() that questionnaires use; the engine's own returns its input unchanged.
func (t *translator) repeated(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	form := repeatForm(n.args[0])
	if form == "" {
		return piece{}, refuse("not-supported", n.column, "repeat() takes `item`, `item | answer` or `item | answer.item` here")
	}
	item, err := input.kinds.member("item", n.column)
	if err != nil {
		return piece{}, err
	}
	out := piece{text: input.text + ".rapportItems('" + form + "', " + strconv.Itoa(n.column) + ")", kinds: item}
	if form == "item" {
		return out, nil
	}
	answer, err := item.member("answer", n.column)
	if form == "item|answer" {
		out.kinds = out.kinds.with(answer)
	}
	return out, err
}

// repeatForm names the form of an argument of repeat(); empty for any other.
func repeatForm(n *node) string {
	switch {
	case isMember(n, "item"):
		return "item"
	case n.kind != binaryNode || n.text != "|":
		return ""
	case isMember(n.args[0], "item") && isMember(n.args[1], "answer"):
		return "item|answer"
	case isMember(n.args[0], "item") && n.args[1].kind == memberNode && n.args[1].text == "item" && n.args[1].input != nil && isMember(n.args[1].input, "answer"):
		return "item|answer.item"
	}
	return ""
}

func isMember(n *node, name string) bool {
	return n.kind == memberNode && n.text == name && (n.input == nil || n.input.kind == thisNode)
}

func (t *translator) united(n *node, at place) (piece, error) {
	input := n.input
	if input == nil {
		input = &node{kind: thisNode, column: n.column}
	}
	return t.union(input, n.args[0], at)
}

// traced lets values pass and prints nothing: they are patient data.
func (t *translator) traced(n *node, at place) (piece, error) {
	if n.args[0].kind != stringNode {
		return piece{}, refuse("value", n.column, "trace() takes a name in quotes")
	}
	input, err := t.input(n, at)
	if err == nil && len(n.args) == 2 {
		_, err = t.each(n.args[1], input, noGuard)
	}
	return input, err
}

// extension is written out, since the engine's own takes strings in extensions for dates.
func (t *translator) extension(n *node, at place) (piece, error) {
	if n.args[0].kind != stringNode {
		return piece{}, refuse("not-supported", n.column, "extension() takes a url in quotes")
	}
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	k, err := input.kinds.member("extension", n.column)
	return piece{text: input.text + ".`extension`.where($this.`url` = " + t.word(n.args[0].text) + ")", kinds: k}, err
}

// matches takes a pattern that is known, so that a broken one is found now.
func (t *translator) matches(n *node, at place) (piece, error) {
	if n.args[0].kind != stringNode {
		return piece{}, refuse("not-supported", n.column, "matches() takes a pattern in quotes")
	}
	if len(n.args[0].text) > 500 {
		return piece{}, refuse("too-costly", n.args[0].column, "the pattern is longer than 500 bytes")
	}
	re, err := regexp.Compile("(?s)" + n.args[0].text)
	if err != nil {
		return piece{}, refuse("value", n.args[0].column, "the pattern is none that is supported here")
	}
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	if input, err = t.inputGuarded(input, n, wordGuard); err != nil {
		return piece{}, err
	}
	text := input.text + ".matches(" + t.constant(pattern{re}) + ", " + strconv.Itoa(n.column) + ")"
	return piece{text: text, kinds: of("boolean"), single: true, truth: true}, nil
}

func (t *translator) onlyOne(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil || input.single {
		return input, err
	}
	input.text += "." + string(oneGuard) + "(" + strconv.Itoa(n.column) + ")"
	input.single = true
	return input, nil
}

func (t *translator) negated(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	if input, err = t.inputGuarded(input, n, truthGuard); err != nil {
		return piece{}, err
	}
	return piece{text: input.text + ".not()", kinds: of("boolean"), single: true, truth: true}, nil
}

// weighed asks the answer rather than its value, since a value that is a number or a string does not know its item.
func (t *translator) weighed(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err == nil && len(input.choices) > 0 && n.input.text == "value" {
		owner, err := t.input(n.input, at)
		if err != nil {
			return piece{}, err
		}
		if owner.kinds.only("QuestionnaireResponse.item.answer") {
			input = owner
		}
	}
	return piece{text: input.text + ".weight(" + strconv.Itoa(n.column) + ")", kinds: of("decimal")}, err
}

func (t *translator) tree(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	return piece{text: input.text + "." + n.text + "(" + strconv.Itoa(n.column) + ")", kinds: kinds{any: true, loose: true}}, err
}

// aggregated is sum() and its like, which take numbers alone.
func (t *translator) aggregated(n *node, at place) (piece, error) {
	input, err := t.input(n, at)
	if err != nil {
		return piece{}, err
	}
	if err := unfit(input.kinds, numberGuard, n.column); err != nil {
		return piece{}, err
	}
	if n.input != nil && n.input.kind == binaryNode && n.input.text == "|" && (n.text == "sum" || n.text == "avg") {
		t.warnings = append(t.warnings, refusal{"business-rule", "`|` keeps equal numbers only once, so this " + n.text + "() may leave some out", n.column})
	}
	out := piece{text: input.text + "." + n.text + "(" + strconv.Itoa(n.column) + ")"}
	return function{result: numberOutcome}.shape(out, input), nil
}
