package tree

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The limits of a JSON Patch.
const (
	// maxOperations bounds how many operations it may have.
	maxOperations = 1_000
	// maxPatched bounds what it may make, in bytes: a copy of a copy doubles.
	maxPatched = 32 << 20
)

// value is a JSON value that can be changed. What is not touched keeps its bytes.
type value struct {
	raw     []byte // of a leaf, or of what is not opened yet
	opened  bool
	object  bool
	names   []string // of the members of an object
	members []*value
}

// Operation is one step of a JSON Patch.
type operation struct {
	op         string
	path, from []string
	value      Node
	at         string // where it stands, for people
}

// Patch is the document after a JSON Patch (RFC 6902), an array of operations; what it does not touch keeps its bytes.
// It fails with fault.Invalid when the patch is malformed, with fault.TooLarge when it, or what it makes, is, and with
// fault.Unprocessable when it does not fit the document or one of its tests fails.
func Patch(d *Doc, patch []byte) ([]byte, error) {
	operations, err := readPatch(patch)
	if err != nil {
		return nil, err
	}
	root := &value{raw: d.Raw()}
	made := len(root.raw)
	for _, o := range operations {
		if made += len(o.value.Raw()); o.op == "copy" {
			if from := root.find(o.from); from != nil {
				made += len(from.bytes())
			}
		}
		if made > maxPatched {
			return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", "", "the patched resource would be too large"))
		}
		if why := o.apply(root); why != "" {
			return nil, fault.New(fault.Unprocessable, fault.Errorf("processing", "", "%s: %s", o.at, why))
		}
	}
	return root.bytes(), nil
}

// readPatch parses the operations; parse wants an object, so the array is put into one. A value may be any JSON: it is what
// the patch makes in the end that has to be FHIR.
func readPatch(patch []byte) ([]operation, error) {
	wrapped := slices.Concat([]byte(`{"patch":`), patch, []byte(`}`))
	d, err := parse(wrapped, Limits{}, true)
	if fault.Of(err) == fault.TooLarge && err != nil {
		return nil, err
	}
	if err != nil {
		return nil, malformed("the patch is no JSON, or an object in it names a member twice")
	}
	list := d.Root().Child("patch")
	if list.Kind() != Array || d.Root().Len() != 1 {
		return nil, malformed("a JSON Patch is an array of operations")
	}
	if list.Len() > maxOperations {
		return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", "", "a patch may have %d operations at most", maxOperations))
	}
	var out []operation
	for n := list.First(); n.Exists(); n = n.Next() {
		o, err := readOperation(n, "operation "+strconv.Itoa(len(out)+1))
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func malformed(text string) error {
	return fault.New(fault.Invalid, fault.Errorf("structure", "", "%s", text))
}

func readOperation(n Node, at string) (operation, error) {
	o := operation{op: n.Child("op").Text(), value: n.Child("value"), at: at}
	path, ok := pointer(n.Child("path"))
	if n.Kind() != Object || !ok {
		return o, malformed(at + ": op and path are needed, and path is a JSON Pointer such as /status")
	}
	o.path = path
	switch o.op {
	case "add", "replace", "test":
		if !o.value.Exists() {
			return o, malformed(at + ": " + o.op + " needs a value")
		}
	case "remove":
	case "move", "copy":
		if o.from, ok = pointer(n.Child("from")); !ok {
			return o, malformed(at + ": " + o.op + " needs from, a JSON Pointer")
		}
	default:
		return o, malformed(at + ": op is one of add, remove, replace, move, copy, test")
	}
	return o, nil
}

// pointer reads a JSON Pointer (RFC 6901).
func pointer(n Node) ([]string, bool) {
	text := n.Text()
	if n.Kind() != String || text != "" && text[0] != '/' {
		return nil, false
	}
	if text == "" {
		return nil, true // the whole document
	}
	parts := strings.Split(text[1:], "/")
	for i, part := range parts {
		for at := strings.IndexByte(part, '~'); at >= 0; {
			if at+1 == len(part) || part[at+1] != '0' && part[at+1] != '1' {
				return nil, false
			}
			next := strings.IndexByte(part[at+1:], '~')
			if next < 0 {
				break
			}
			at += 1 + next
		}
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts, true
}

// apply makes the step, or says why it cannot.
func (o *operation) apply(root *value) string {
	switch o.op {
	case "add":
		return root.add(o.path, &value{raw: o.value.Raw()})
	case "remove":
		return root.remove(o.path)
	case "replace":
		if root.find(o.path) == nil {
			return "there is nothing to replace"
		}
		return root.set(o.path, &value{raw: o.value.Raw()})
	case "test":
		found := root.find(o.path)
		if found == nil || !equal(found.bytes(), o.value.Raw()) {
			return "the test failed"
		}
		return ""
	}
	from := root.find(o.from)
	if from == nil {
		return "there is nothing at from"
	}
	moved := &value{raw: from.bytes()}
	if o.op == "move" {
		if len(o.path) > len(o.from) && slices.Equal(o.path[:len(o.from)], o.from) {
			return "nothing can be moved into itself"
		}
		if why := root.remove(o.from); why != "" {
			return why
		}
	}
	return root.add(o.path, moved)
}

// open reads the members of an object or array.
func (v *value) open() {
	if v.opened {
		return
	}
	v.opened = true
	raw := bytes.TrimSpace(v.raw)
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return
	}
	wrapped := slices.Concat([]byte(`{"v":`), raw, []byte(`}`))
	d, err := parse(wrapped, Limits{Bytes: len(wrapped) + 1}, true)
	if err != nil {
		return // cannot be: it stood in what was parsed before
	}
	v.object = raw[0] == '{'
	for n := d.Root().Child("v").First(); n.Exists(); n = n.Next() {
		v.names = append(v.names, n.Key())
		v.members = append(v.members, &value{raw: n.Raw()})
	}
	v.raw = nil
}

// container says whether it is an opened object or array.
func (v *value) container() bool { return v.opened && v.raw == nil }

// at is where a member stands; -1 when there is none. Behind the last of an array stands what is still to be added.
func (v *value) at(name string) int {
	v.open()
	if !v.container() {
		return -1
	}
	if v.object {
		return slices.Index(v.names, name)
	}
	if name == "-" {
		return len(v.members)
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n > len(v.members) || strconv.Itoa(n) != name {
		return -1
	}
	return n
}

func (v *value) find(path []string) *value {
	for _, name := range path {
		at := v.at(name)
		if at < 0 || at >= len(v.members) {
			return nil
		}
		v = v.members[at]
	}
	return v
}

const nowhere = "the path leads nowhere"

func (v *value) parent(path []string) *value {
	p := v.find(path[:len(path)-1])
	if p != nil {
		p.open()
	}
	if p == nil || !p.container() {
		return nil
	}
	return p
}

func (v *value) add(path []string, what *value) string {
	if len(path) == 0 {
		*v = *what
		return ""
	}
	p, name := v.parent(path), path[len(path)-1]
	if p == nil {
		return nowhere
	}
	at := p.at(name)
	switch {
	case p.object && at >= 0:
		p.members[at] = what
	case p.object:
		p.names, p.members = append(p.names, name), append(p.members, what)
	case at < 0:
		return nowhere
	default:
		p.names, p.members = slices.Insert(p.names, at, ""), slices.Insert(p.members, at, what)
	}
	return ""
}

func (v *value) set(path []string, what *value) string {
	if len(path) == 0 {
		*v = *what
		return ""
	}
	p := v.parent(path)
	if p == nil {
		return nowhere
	}
	p.members[p.at(path[len(path)-1])] = what
	return ""
}

func (v *value) remove(path []string) string {
	if len(path) == 0 {
		return "the whole resource cannot be removed"
	}
	p := v.parent(path)
	if p == nil {
		return nowhere
	}
	at := p.at(path[len(path)-1])
	if at < 0 || at >= len(p.members) {
		return "there is nothing to remove"
	}
	p.names, p.members = slices.Delete(p.names, at, at+1), slices.Delete(p.members, at, at+1)
	return ""
}

// empty says whether nothing is left in an object or array.
func (v *value) empty() bool {
	return v.container() && !slices.ContainsFunc(v.members, func(m *value) bool { return !m.empty() })
}

// bytes writes the value. An object or array in which nothing is left goes, for FHIR knows no empty ones.
func (v *value) bytes() []byte {
	if !v.container() {
		return v.raw
	}
	open, end := byte('['), byte(']')
	if v.object {
		open, end = '{', '}'
	}
	out := []byte{open}
	for i, m := range v.members {
		if m.empty() {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if v.object {
			out = append(append(out, quoted(v.names[i])...), ':')
		}
		out = append(out, m.bytes()...)
	}
	return append(out, end)
}

// equal compares as RFC 6902 does: members in any order, numbers by their value.
func equal(a, b []byte) bool {
	x, y := &value{raw: a}, &value{raw: b}
	x.open()
	y.open()
	if x.container() != y.container() || x.object != y.object || len(x.members) != len(y.members) {
		return false
	}
	if !x.container() {
		return sameLeaf(bytes.TrimSpace(a), bytes.TrimSpace(b))
	}
	for i, m := range x.members {
		other := i
		if x.object {
			if other = slices.Index(y.names, x.names[i]); other < 0 {
				return false
			}
		}
		if !equal(m.bytes(), y.members[other].bytes()) {
			return false
		}
	}
	return true
}

func sameLeaf(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	leaf := func(raw []byte) (text string, number float64, isNumber bool) {
		d, err := parse(slices.Concat([]byte(`{"v":`), raw, []byte(`}`)), Limits{Bytes: len(raw) + 8}, true)
		if err != nil {
			return string(raw), 0, false
		}
		n := d.Root().Child("v")
		if n.Kind() == String {
			return "s" + n.Text(), 0, false
		}
		number, err = strconv.ParseFloat(n.Number(), 64)
		return string(raw), number, err == nil && n.Kind() == Number
	}
	s, x, isX := leaf(a)
	t, y, isY := leaf(b)
	if isX && isY {
		return x == y
	}
	return isX == isY && s == t
}
