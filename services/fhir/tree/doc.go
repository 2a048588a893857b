// Package tree is lossless, strict JSON with paths: a document keeps its bytes as they came, every value knows its
// FHIRPath, and what FHIR forbids in JSON is refused with the place of each fault.
package tree

import "iter"

// Limits bound what Parse takes. A zero field means the default.
type Limits struct {
	// Bytes is the largest body; 32 MiB by default, never more than 1 GiB.
	Bytes int
	// Depth is how deep objects and arrays may nest; 64 by default.
	Depth int
	// Values is how many values a body may hold, counting objects, arrays and leaves; 4,000,000 by default.
	// It bounds memory: one value costs about 32 bytes beside its text.
	Values int
	// String is the longest string, in bytes as they were sent; 1 MiB by default, as FHIR says. What is no string in FHIR, such
	// as a narrative or the data of an attachment, may be as long as the body.
	String int
}

// Default limits: a Bundle of 10,000 questionnaire responses fits.
func Default() Limits { return Limits{Bytes: 32 << 20, Depth: 64, Values: 4_000_000, String: 1 << 20} }

const mostBytes = 1 << 30

// filled replaces zero fields by the defaults.
func (l Limits) filled() Limits {
	d := Default()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	l.Bytes = min(l.Bytes, mostBytes)
	if l.String <= 0 {
		l.String = d.String
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Values <= 0 {
		l.Values = d.Values
	}
	return l
}

// Doc is one parsed JSON object. It is read-only and may be shared between goroutines.
type Doc struct {
	raw []byte
	// nodes lie in document order; a node's descendants follow it directly. All references between nodes are
	// relative, so that a run of nodes is a document of its own.
	nodes []node
	// prefix is the path of the root; empty means its resourceType.
	prefix string
	spaced bool
}

// node is one value. Offsets are into Doc.raw.
type node struct {
	start, end       uint32 // of the value; strings with their quotes
	keyStart, keyEnd uint32 // of the member name, within its quotes; equal in arrays and at the root
	size             uint32 // nodes from here to the end of the subtree, itself included
	up               uint32 // distance back to the parent; 0 at the root of the parsed document
	ord              uint32 // position within the parent
	kind             Kind
	escaped          bool // the string has escapes
	keyEscaped       bool
	nulls            bool // an array with null elements
}

// Root is the top-level object.
func (d *Doc) Root() Node { return Node{d, 0} }

// Doc is the document that the value stands in; nil for an absent one.
func (n Node) Doc() *Doc { return n.doc }

// References are the texts of all members called `reference`, in the order of the document.
func (d *Doc) References() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 1; i < len(d.nodes); i++ {
			n := &d.nodes[i]
			if n.kind == String && string(d.raw[n.keyStart:n.keyEnd]) == "reference" && !yield((Node{d, i}).Text()) {
				return
			}
		}
	}
}

// Raw are the bytes of the document as they came, without white space round it. They must not be changed.
func (d *Doc) Raw() []byte { return d.raw[d.nodes[0].start:d.nodes[0].end:d.nodes[0].end] }

// Again is what raw holds in the place of d: what was made of d by Named or Rewrite, with paths that lead from where those
// of d do. Errors: as Parse, without a limit on the bytes.
func Again(d *Doc, raw []byte) (*Doc, error) {
	again, err := Parse(raw, Limits{Bytes: mostBytes})
	if err == nil {
		again.prefix = d.prefix
	}
	return again, err
}

// Sub is the document that starts at n, such as the resource of a Bundle entry. It shares the bytes and the nodes
// of d, so it costs next to nothing; its paths keep leading from the root of d. The zero Node gives nil.
func (d *Doc) Sub(n Node) *Doc {
	if n.doc != d || n.Kind() != Object {
		return nil
	}
	at := &d.nodes[n.at]
	sub := &Doc{raw: d.raw, nodes: d.nodes[n.at : n.at+int(at.size)], prefix: n.Path(), spaced: d.spaced}
	return sub
}
