package tree

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Parse reads one JSON object. It fails with fault.TooLarge for a body over the limit, and otherwise with
// fault.Invalid and every fault found (the first alone where the JSON itself is broken), each with its FHIRPath and
// line and column: broken JSON, invalid UTF-8, lone surrogates, data after the object, a top level that is no object,
// nesting or a number of values over the limit, a member name given twice, empty objects, arrays and strings,
// characters that FHIR forbids in strings, and null outside an array of primitives that is paired with its `_` twin.
// The document keeps raw, which must not be changed afterwards.
func Parse(raw []byte, limits Limits) (*Doc, error) { return parse(raw, limits, false) }

// parse is Parse. Loosely it takes all JSON that names no member twice: what is empty, null, and arrays of arrays.
func parse(raw []byte, limits Limits, loosely bool) (*Doc, error) {
	limits = limits.filled()
	if len(raw) > limits.Bytes {
		return nil, fault.Newf(fault.TooLarge, "too-long", "the body has %d bytes, more than the limit of %d", len(raw), limits.Bytes)
	}
	p := parser{
		doc:    Doc{raw: raw, nodes: make([]node, 0, len(raw)/20+8)},
		dec:    jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true)),
		limits: limits,
		loose:  loosely,
		top:    -1,
	}
	p.run()
	if len(p.problems) > 0 {
		return nil, p.fault()
	}
	doc := p.doc
	return &doc, nil
}

// parser builds the nodes of one document from its tokens.
type parser struct {
	doc    Doc
	dec    *jsontext.Decoder
	limits Limits
	// loose says to take what is JSON and not FHIR.
	loose bool
	// prev is the end of the last token.
	prev int
	// top is the innermost open container, -1 for none; depth is how many are open.
	top, depth int
	// keyStart and keyEnd are the member name waiting for its value.
	keyStart, keyEnd int
	keyEscaped       bool
	named            bool
	// ords count the children of the open containers.
	ords     []uint32
	problems []problem
}

// run reads all tokens. It returns early when the rest cannot be read or too much is wrong.
func (p *parser) run() {
	for len(p.problems) < mostProblems {
		token, err := p.dec.ReadToken()
		if err != nil {
			p.broken(err)
			return
		}
		start, end := p.span()
		switch token.Kind() {
		case jsontext.KindEndObject, jsontext.KindEndArray:
			p.close(end)
			if p.top < 0 {
				p.trailing()
				return
			}
		default:
			if !p.value(token.Kind(), start, end) {
				return
			}
		}
	}
}

// span is where the token just read begins and ends.
func (p *parser) span() (start, end int) {
	raw, start, end := p.doc.raw, p.prev, int(p.dec.InputOffset())
	for start < end {
		switch raw[start] {
		case ' ', '\t', '\r', '\n':
			p.doc.spaced = true
		case ',', ':':
		default:
			p.prev = end
			return start, end
		}
		start++
	}
	p.prev = end
	return start, end
}

// value takes a member name or a value. It is false when reading must end.
func (p *parser) value(kind jsontext.Kind, start, end int) bool {
	if p.top >= 0 && !p.named && p.doc.nodes[p.top].kind == Object {
		p.name(start, end)
		return true
	}
	n := node{start: uint32(start), end: uint32(end), size: 1}
	switch kind {
	case jsontext.KindBeginObject:
		n.kind = Object
	case jsontext.KindBeginArray:
		n.kind = Array
	case jsontext.KindString:
		n.kind = String
		n.escaped = bytes.IndexByte(p.doc.raw[start:end], '\\') >= 0
	case jsontext.KindNumber:
		n.kind = Number
	case jsontext.KindNull:
		n.kind = Null
	default:
		n.kind = Bool
	}
	return p.add(n)
}

// name keeps a member name until its value comes.
func (p *parser) name(start, end int) {
	p.keyStart, p.keyEnd, p.named = start+1, end-1, true
	p.keyEscaped = bytes.IndexByte(p.doc.raw[start:end], '\\') >= 0
	if start+2 == end && !p.loose {
		p.report(start, p.top, "structure", "a member name must not be empty")
	}
}

// add appends a value to the innermost container. It is false when reading must end.
func (p *parser) add(n node) bool {
	if p.top < 0 && n.kind != Object {
		p.report(int(n.start), -1, "structure", "the top level must be a JSON object, not "+n.kind.phrase())
		return false
	}
	at := len(p.doc.nodes)
	if at == p.limits.Values {
		p.reportf(int(n.start), p.top, "too-costly", "more than %d values", p.limits.Values)
		return false
	}
	if p.top >= 0 {
		n.up = uint32(at - p.top)
		n.ord = p.ords[p.depth-1]
		p.ords[p.depth-1]++
		if p.named {
			n.keyStart, n.keyEnd, n.keyEscaped = uint32(p.keyStart), uint32(p.keyEnd), p.keyEscaped
			p.named = false
		}
	}
	p.doc.nodes = append(p.doc.nodes, n)
	if n.kind == Array && p.doc.nodes[p.top].kind == Array && !p.loose {
		p.report(int(n.start), at, "structure", "FHIR has no arrays of arrays")
	}
	switch n.kind {
	case Object, Array:
		return p.open(at)
	case String:
		p.text(at)
	case Null:
		p.null(at)
	}
	return true
}

// open enters a container. It is false when it lies too deep.
func (p *parser) open(at int) bool {
	if p.depth == p.limits.Depth {
		p.reportf(int(p.doc.nodes[at].start), at, "too-costly", "nested deeper than %d levels", p.limits.Depth)
		return false
	}
	p.top = at
	p.depth++
	p.ords = append(p.ords, 0)
	return true
}

// close leaves the innermost container and judges it as a whole.
func (p *parser) close(end int) {
	n := &p.doc.nodes[p.top]
	n.end = uint32(end)
	n.size = uint32(len(p.doc.nodes) - p.top)
	count := int(p.ords[p.depth-1])
	switch {
	case count == 0 && p.loose:
	case count == 0:
		p.report(int(n.start), p.top, "structure", "an "+n.kind.String()+" must not be empty: leave it out instead")
	case n.kind == Object:
		p.members(p.top, count)
	}
	p.depth--
	p.ords = p.ords[:p.depth]
	if p.top == 0 {
		p.top = -1
		return
	}
	p.top -= int(n.up)
}

// text judges one string.
func (p *parser) text(at int) {
	n := &p.doc.nodes[at]
	if n.start+2 == n.end && !p.loose {
		p.report(int(n.start), at, "value", "a string must not be empty: leave it out instead")
		return
	}
	if int(n.end-n.start)-2 > p.limits.String && !longName(p.doc.raw[n.keyStart:n.keyEnd]) {
		p.reportf(int(n.start), at, "too-long", "a string must not be longer than %d bytes", p.limits.String)
		return
	}
	if !n.escaped || p.loose {
		return // raw control characters are broken JSON already
	}
	for _, r := range (Node{&p.doc, at}).Text() {
		if r < ' ' && r != '\t' && r != '\r' && r != '\n' {
			p.reportf(int(n.start), at, "value", "a string must not hold the control character U+%04X", r)
			return
		}
	}
}

// longName says whether a member of that name is no string in FHIR: base64Binary or xhtml.
func longName(name []byte) bool {
	return string(name) == "data" || string(name) == "div" || string(name) == "valueBase64Binary"
}

// null judges one null: only elements may be null, and members judges those.
func (p *parser) null(at int) {
	if p.loose {
		return
	}
	if parent := &p.doc.nodes[p.top]; parent.kind == Array {
		parent.nulls = true
		return
	}
	p.report(int(p.doc.nodes[at].start), at, "structure", "null is not a value in FHIR: leave the element out instead")
}

// trailing refuses anything but white space after the document.
func (p *parser) trailing() {
	rest := bytes.TrimLeft(p.doc.raw[p.prev:], " \t\r\n")
	if len(rest) > 0 {
		p.report(len(p.doc.raw)-len(rest), -1, "structure", "there is more data after the end of the JSON object")
	}
}

// broken reports what the tokenizer could not read.
func (p *parser) broken(err error) {
	at, text := len(p.doc.raw), "the JSON is cut off"
	var syntax *jsontext.SyntacticError
	switch {
	case len(bytes.TrimSpace(p.doc.raw)) == 0:
		text = "the body is empty"
	case bytes.HasPrefix(p.doc.raw, []byte("\xef\xbb\xbf")):
		at, text = 0, "the body begins with a byte order mark: send UTF-8 without one"
	case errors.As(err, &syntax):
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			at, text = int(syntax.ByteOffset), "malformed JSON: "+spoken(syntax.Err)
		}
	}
	p.report(at, p.top, "structure", text)
	if p.named {
		p.problems[len(p.problems)-1].member = string(pathName(p.doc.raw[p.keyStart:p.keyEnd]))
	}
}

// spoken is the tokenizer's message without the text that it may quote.
func spoken(err error) string {
	text := err.Error()
	for _, quoting := range []string{"invalid surrogate pair", "invalid escape sequence"} {
		if strings.HasPrefix(text, quoting) {
			return quoting + " in string"
		}
	}
	return text
}

// phrase is the kind with its article.
func (k Kind) phrase() string {
	switch k {
	case Array, Object:
		return "an " + k.String()
	case Null:
		return "null"
	default:
		return "a " + k.String()
	}
}
