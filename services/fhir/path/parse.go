package path

import "strconv"

// nodeKind is what stands at a place of an expression.
type nodeKind uint8

const (
	emptyNode    nodeKind = iota // {}
	booleanNode                  // text is true or false
	numberNode                   // text is the number
	stringNode                   // text is the decoded string
	temporalNode                 // text is the literal with its @
	quantityNode                 // text is the number, unit the unit
	variableNode                 // text is the name
	thisNode                     // $this
	indexNode                    // $index
	totalNode                    // $total
	memberNode                   // text is the name; input
	callNode                     // text is the function; input and args
	indexerNode                  // input and args[0]
	signNode                     // text is + or -; args[0]
	binaryNode                   // text is the operator; args
	typeNode                     // text is `is` or `as`; args[0] and unit, the type
)

// node is one part of a parsed expression.
type node struct {
	kind   nodeKind
	text   string
	unit   string
	column int
	// input is what a member, a function or an indexer applies to; nil for the focus of the place.
	input *node
	args  []*node
}

// levels are the binary operators, loosest first.
var levels = [][]string{
	{"implies"},
	{"or", "xor"},
	{"and"},
	{"in", "contains"},
	{"=", "~", "!=", "!~"},
	{"<=", "<", ">", ">="},
	{"|"},
	{"is", "as"},
	{"+", "-", "&"},
	{"*", "/", "div", "mod"},
}

// parser builds the tree of one expression.
type parser struct {
	tokens []token
	at     int
	depth  int
}

// parse reads a whole expression.
func parse(text string) (*node, error) {
	words, err := tokens(text)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: words}
	if p.peek().kind == endToken {
		return nil, refuse("required", 0, "the expression is empty")
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, refuse("structure", t.column, "the expression should end here")
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// sign takes a sign if it comes next.
func (p *parser) sign(text string) bool {
	if t := p.peek(); t.kind == signToken && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if p.sign(text) {
		return nil
	}
	return refuse("structure", p.peek().column, "`"+text+"` is missing here")
}

// enter bounds the nesting; each enter has its leave.
func (p *parser) enter() error {
	p.depth++
	if p.depth > mostNested {
		return refuse("too-costly", p.peek().column, "the expression nests deeper than "+strconv.Itoa(mostNested)+" levels")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// operator takes an operator of the level if one comes next.
func (p *parser) operator(level int) (token, bool) {
	t := p.peek()
	if t.kind != signToken && t.kind != nameToken {
		return t, false
	}
	for _, op := range levels[level] {
		if t.text == op {
			p.at++
			return t, true
		}
	}
	return t, false
}

// expression reads operators of the level and of all tighter ones.
func (p *parser) expression(level int) (*node, error) {
	if level == len(levels) {
		return p.polarity()
	}
	left, err := p.expression(level + 1)
	if err != nil {
		return nil, err
	}
	for steps := 0; ; steps++ {
		op, ok := p.operator(level)
		if !ok {
			return left, nil
		}
		if steps == mostSteps {
			return nil, refuse("too-costly", op.column, "the chain is longer than "+strconv.Itoa(mostSteps)+" steps")
		}
		if op.text == "is" || op.text == "as" {
			typ, err := p.typeName()
			if err != nil {
				return nil, err
			}
			left = &node{kind: typeNode, text: op.text, unit: typ, column: op.column, args: []*node{left}}
			continue
		}
		right, err := p.expression(level + 1)
		if err != nil {
			return nil, err
		}
		left = &node{kind: binaryNode, text: op.text, column: op.column, args: []*node{left, right}}
	}
}

func (p *parser) polarity() (*node, error) {
	t := p.peek()
	if t.kind != signToken || t.text != "+" && t.text != "-" {
		return p.steps()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.take()
	operand, err := p.polarity()
	if err != nil {
		return nil, err
	}
	return &node{kind: signNode, text: t.text, column: t.column, args: []*node{operand}}, nil
}

// steps reads a term and what follows it by dots and brackets.
func (p *parser) steps() (*node, error) {
	n, err := p.term()
	for steps := 0; err == nil; steps++ {
		column := p.peek().column
		if steps == mostSteps {
			return nil, refuse("too-costly", column, "the chain is longer than "+strconv.Itoa(mostSteps)+" steps")
		}
		switch {
		case p.sign("."):
			n, err = p.invocation(n)
		case p.sign("["):
			n, err = p.indexer(n, column)
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) indexer(input *node, column int) (*node, error) {
	index, err := p.inner("]")
	if err != nil {
		return nil, err
	}
	return &node{kind: indexerNode, column: column, input: input, args: []*node{index}}, nil
}

// inner reads an expression within brackets, and the closing one.
func (p *parser) inner(closing string) (*node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	return n, p.expect(closing)
}

// invocation reads what may stand behind a dot, or a name at the start of a path.
func (p *parser) invocation(input *node) (*node, error) {
	t := p.take()
	switch t.kind {
	case specialToken:
		if input != nil {
			return nil, refuse("structure", t.column, "`"+t.text+"` cannot follow a dot")
		}
		return special(t)
	case nameToken, quotedNameToken:
		if p.sign("(") {
			return p.call(input, t)
		}
		return &node{kind: memberNode, text: t.text, column: t.column, input: input}, nil
	}
	return nil, refuse("structure", t.column, "a name is missing here")
}

func special(t token) (*node, error) {
	switch t.text {
	case "$this":
		return &node{kind: thisNode, column: t.column}, nil
	case "$index":
		return &node{kind: indexNode, column: t.column}, nil
	case "$total":
		return &node{kind: totalNode, column: t.column}, nil
	}
	return nil, refuse("structure", t.column, "FHIRPath has $this, $index and $total")
}

// call reads the arguments of a function.
func (p *parser) call(input *node, name token) (*node, error) {
	n := &node{kind: callNode, text: name.text, column: name.column, input: input}
	if p.sign(")") {
		return n, nil
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	for {
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, arg)
		if !p.sign(",") {
			return n, p.expect(")")
		}
	}
}

// term reads a literal, a variable, an expression in parentheses or the start of a path.
func (p *parser) term() (*node, error) {
	t := p.peek()
	switch t.kind {
	case numberToken:
		p.take()
		return p.number(t), nil
	case stringToken:
		p.take()
		return &node{kind: stringNode, text: t.text, column: t.column}, nil
	case temporalToken:
		p.take()
		return &node{kind: temporalNode, text: t.text, column: t.column}, nil
	case variableToken:
		p.take()
		return &node{kind: variableNode, text: t.text, column: t.column}, nil
	case nameToken:
		if t.text == "true" || t.text == "false" {
			p.take()
			return &node{kind: booleanNode, text: t.text, column: t.column}, nil
		}
	case signToken:
		if p.sign("(") {
			return p.inner(")")
		}
		if p.sign("{") {
			return &node{kind: emptyNode, column: t.column}, p.expect("}")
		}
	}
	return p.invocation(nil)
}

var calendarUnits = map[string]bool{
	"year": true, "month": true, "week": true, "day": true, "hour": true, "minute": true, "second": true, "millisecond": true,
	"years": true, "months": true, "weeks": true, "days": true, "hours": true, "minutes": true, "seconds": true, "milliseconds": true,
}

// number reads a number, and the unit that makes it a quantity.
func (p *parser) number(t token) *node {
	unit := p.peek()
	if unit.kind == stringToken || unit.kind == nameToken && calendarUnits[unit.text] {
		p.take()
		return &node{kind: quantityNode, text: t.text, unit: unit.text, column: t.column}
	}
	return &node{kind: numberNode, text: t.text, column: t.column}
}

// typeName reads a type such as Coding or FHIR.Coding.
func (p *parser) typeName() (string, error) {
	t := p.take()
	if t.kind != nameToken && t.kind != quotedNameToken {
		return "", refuse("structure", t.column, "a type is missing here")
	}
	name := t.text
	if (name == "FHIR" || name == "System") && p.sign(".") {
		t = p.take()
		if t.kind != nameToken && t.kind != quotedNameToken {
			return "", refuse("structure", t.column, "a type is missing here")
		}
		name += "." + t.text
	}
	return name, nil
}
