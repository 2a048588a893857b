package tree

import (
	"bytes"
	"iter"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind of a JSON value.
type Kind uint8

// The kinds. Absent is the kind of the zero Node: a value that is not there.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"absent", "null", "boolean", "number", "string", "array", "object"}

// String is the kind in JSON's words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Node is one value of a document. The zero Node is an absent value: every method of it answers with nothing,
// so that a path of children needs no checks in between.
type Node struct {
	doc *Doc
	at  int
}

// Kind of the value; Absent when there is none.
func (n Node) Kind() Kind {
	if n.doc == nil {
		return Absent
	}
	return n.doc.nodes[n.at].kind
}

// Exists says whether there is a value.
func (n Node) Exists() bool { return n.doc != nil }

// Len is the number of members or elements; 0 for other kinds.
func (n Node) Len() int {
	count := 0
	for range n.Children() {
		count++
	}
	return count
}

// Children are the members or elements in order; none for other kinds.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.doc == nil {
			return
		}
		for at, end := n.at+1, n.at+int(n.doc.nodes[n.at].size); at < end; at += int(n.doc.nodes[at].size) {
			if !yield(Node{n.doc, at}) {
				return
			}
		}
	}
}

// First is the first member or element; absent when there is none.
func (n Node) First() Node {
	if n.doc == nil || n.doc.nodes[n.at].size < 2 {
		return Node{}
	}
	return Node{n.doc, n.at + 1}
}

// Next is the member or element after this one; absent at the last, and at the root of a document.
func (n Node) Next() Node {
	if n.doc == nil || n.at == 0 {
		return Node{}
	}
	nodes := n.doc.nodes
	next, parent := n.at+int(nodes[n.at].size), n.at-int(nodes[n.at].up)
	if next >= parent+int(nodes[parent].size) {
		return Node{}
	}
	return Node{n.doc, next}
}

// Child is the member called key; absent when there is none or n is no object.
func (n Node) Child(key string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	nodes, raw := n.doc.nodes, n.doc.raw
	for at, end := n.at+1, n.at+int(nodes[n.at].size); at < end; at += int(nodes[at].size) {
		m := &nodes[at]
		if string(raw[m.keyStart:m.keyEnd]) == key && !m.keyEscaped || m.keyEscaped && (Node{n.doc, at}).Key() == key {
			return Node{n.doc, at}
		}
	}
	return Node{}
}

// At is the element i of an array; absent when there is none.
func (n Node) At(i int) Node {
	if n.Kind() != Array || i < 0 {
		return Node{}
	}
	for child := range n.Children() {
		if i == 0 {
			return child
		}
		i--
	}
	return Node{}
}

// Key is the member name; empty for elements and the root.
func (n Node) Key() string {
	if n.doc == nil {
		return ""
	}
	m := &n.doc.nodes[n.at]
	if m.keyStart == m.keyEnd {
		return ""
	}
	if m.keyEscaped {
		return unquote(n.doc.raw[m.keyStart-1 : m.keyEnd+1])
	}
	return string(n.doc.raw[m.keyStart:m.keyEnd])
}

// KeyBytes are the bytes of the member name, decoded; empty for elements and the root. They must not be changed.
func (n Node) KeyBytes() []byte {
	if n.doc == nil {
		return nil
	}
	m := &n.doc.nodes[n.at]
	if m.keyEscaped {
		return []byte(n.Key())
	}
	return n.doc.raw[m.keyStart:m.keyEnd]
}

// TextBytes are the bytes of the string, decoded; empty for other kinds. They must not be changed.
func (n Node) TextBytes() []byte {
	if n.Kind() != String {
		return nil
	}
	m := &n.doc.nodes[n.at]
	if m.escaped {
		return []byte(n.Text())
	}
	return n.doc.raw[m.start+1 : m.end-1]
}

// Text is the decoded string; empty for other kinds.
func (n Node) Text() string {
	if n.Kind() != String {
		return ""
	}
	m := &n.doc.nodes[n.at]
	if m.escaped {
		return unquote(n.doc.raw[m.start:m.end])
	}
	return string(n.doc.raw[m.start+1 : m.end-1])
}

// Is says whether the value is this string; it spares the copy that Text makes.
func (n Node) Is(text string) bool {
	if n.Kind() != String {
		return false
	}
	m := &n.doc.nodes[n.at]
	if m.escaped {
		return n.Text() == text
	}
	return string(n.doc.raw[m.start+1:m.end-1]) == text
}

// Number is the number as it was written; empty for other kinds.
func (n Node) Number() string {
	if n.Kind() != Number {
		return ""
	}
	return string(n.Raw())
}

// Bool is the boolean, and whether it is one.
func (n Node) Bool() (value, ok bool) {
	if n.Kind() != Bool {
		return false, false
	}
	return n.doc.raw[n.doc.nodes[n.at].start] == 't', true
}

// Raw are the bytes of the value as written. They must not be changed.
func (n Node) Raw() []byte {
	if n.doc == nil {
		return nil
	}
	m := &n.doc.nodes[n.at]
	return n.doc.raw[m.start:m.end:m.end]
}

// Parent is the object or array the value stands in; absent at the root.
func (n Node) Parent() Node {
	if n.doc == nil || n.at == 0 {
		return Node{}
	}
	return Node{n.doc, n.at - int(n.doc.nodes[n.at].up)}
}

// Line is the line on which the value begins, from 1; 0 when there is none.
func (n Node) Line() int {
	if n.doc == nil {
		return 0
	}
	return 1 + bytes.Count(n.doc.raw[:n.doc.nodes[n.at].start], []byte{'\n'})
}

// Path is the FHIRPath of the value with all indices, such as `QuestionnaireResponse.item[2].answer[0]`.
func (n Node) Path() string {
	if n.doc == nil {
		return ""
	}
	var held [24]int
	steps := held[:0] // the values on the way, innermost first
	for at := n.at; at != 0; at -= int(n.doc.nodes[at].up) {
		steps = append(steps, at)
	}
	b := make([]byte, 0, 96)
	b = append(b, n.doc.rootPath()...)
	for i := len(steps) - 1; i >= 0; i-- {
		m := &n.doc.nodes[steps[i]]
		if m.keyStart == m.keyEnd {
			b = append(b, '[')
			b = strconv.AppendUint(b, uint64(m.ord), 10)
			b = append(b, ']')
			continue
		}
		if len(b) > 0 {
			b = append(b, '.')
		}
		b = append(b, pathName(Node{n.doc, steps[i]}.KeyBytes())...)
	}
	return string(b)
}

// rootPath is the path of the root.
func (d *Doc) rootPath() string {
	if d.prefix != "" {
		return d.prefix
	}
	if t := d.Root().Child("resourceType").TextBytes(); isName(t) {
		return string(t)
	}
	return ""
}

// masked stands for a member name that no FHIR element could have, since such a name may hold anything.
var masked = []byte("`?`")

// pathName is a member name as it may stand in a message.
func pathName(key []byte) []byte {
	if isName(key) {
		return key
	}
	return masked
}

// isName says whether s could name a FHIR element or type.
func isName(s []byte) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i, c := range s {
		if c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || i > 0 && c >= '0' && c <= '9' {
			continue
		}
		return false
	}
	return true
}

// unquote decodes a JSON string that the tokenizer has found valid.
func unquote(quoted []byte) string {
	decoded, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return ""
	}
	return string(decoded)
}
