package path

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Resource is one FHIR resource made ready for evaluation: checked JSON in one spelling, so that equal values are
// equal bytes. It is read-only and may be shared between goroutines. The zero Resource is none.
type Resource struct {
	raw []byte
	typ string
	// places say of what stands in an answer which item it answers; keyed by where its bytes begin.
	places map[*byte]answerPlace
}

// answerPlace is an answer of an item.
type answerPlace struct {
	linkID string
	answer tree.Node
}

// Read checks the JSON of a resource and makes it ready. It fails as tree.Parse does, with fault.Invalid where there is
// no resourceType, and with fault.Unprocessable for numbers that no FHIR server can mean.
func Read(raw []byte) (Resource, error) {
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		return Resource{}, err
	}
	return From(doc)
}

// From is Read for what has been parsed already.
func From(doc *tree.Doc) (Resource, error) {
	typ := doc.Root().Child("resourceType").Text()
	if typ == "" {
		return Resource{}, fault.New(fault.Invalid, fault.Errorf("required", "", "the resource has no resourceType"))
	}
	w := writer{out: make([]byte, 0, len(doc.Raw()))}
	w.object(doc.Root(), position{kind: typ})
	if w.err != nil {
		return Resource{}, w.err
	}
	return w.resource(typ), nil
}

// Type is the resource's type; empty for the zero Resource.
func (r Resource) Type() string { return r.typ }

// collection is the resource as a value of the engine.
func (r Resource) collection() types.Collection {
	if r.typ == "" {
		return types.Collection{}
	}
	return types.Collection{types.NewObjectValue(r.raw)}
}

// writer writes JSON in one spelling: no white space, one form of string, the members of leaves in order.
type writer struct {
	out   []byte
	marks []mark
	err   error
}

// mark remembers where in the output something of an answer begins.
type mark struct {
	offset int
	place  answerPlace
}

// position is where the writer stands in a QuestionnaireResponse.
type position struct {
	kind   string // QuestionnaireResponse, item, answer, value, or anything else
	linkID string
	answer tree.Node
}

// step is the position of a member.
func (p position) step(key string, value tree.Node) position {
	switch {
	case p.kind == "QuestionnaireResponse" && key == "item", p.kind == "item" && key == "item", p.kind == "answer" && key == "item":
		return position{kind: "item", linkID: p.linkID}
	case p.kind == "item" && key == "answer":
		return position{kind: "answer", linkID: p.linkID}
	case p.kind == "answer" && strings.HasPrefix(key, "value"):
		return position{kind: "value", linkID: p.linkID, answer: p.answer}
	}
	return position{}
}

func (w *writer) resource(typ string) Resource {
	r := Resource{raw: w.out, typ: typ, places: make(map[*byte]answerPlace, len(w.marks))}
	for _, m := range w.marks {
		r.places[&w.out[m.offset]] = m.place
	}
	return r
}

func (w *writer) object(n tree.Node, at position) {
	switch at.kind {
	case "item":
		at.linkID = n.Child("linkId").Text()
	case "answer":
		at.answer = n
	}
	if at.kind == "answer" || at.kind == "value" {
		w.marks = append(w.marks, mark{len(w.out), answerPlace{at.linkID, at.answer}})
	}
	w.out = append(w.out, '{')
	first := true
	for m := range members(n) {
		w.comma(&first)
		w.key(m.Key())
		w.value(m, at.step(m.Key(), m))
	}
	w.out = append(w.out, '}')
}

// members are in the order of the document, but those of a leaf by name: leaves are what expressions compare.
func members(n tree.Node) func(func(tree.Node) bool) {
	var all []tree.Node
	leaf := true
	for m := range n.Children() {
		all = append(all, m)
		leaf = leaf && m.Kind() != tree.Object && m.Kind() != tree.Array
	}
	if leaf {
		slices.SortFunc(all, func(a, b tree.Node) int { return strings.Compare(a.Key(), b.Key()) })
	}
	return slices.Values(all)
}

func (w *writer) comma(first *bool) {
	if !*first {
		w.out = append(w.out, ',')
	}
	*first = false
}

func (w *writer) key(name string) {
	w.out = append(w.out, quoted(name)...)
	w.out = append(w.out, ':')
}

func (w *writer) value(n tree.Node, at position) {
	switch n.Kind() {
	case tree.Object:
		w.object(n, at)
	case tree.Array:
		w.out = append(w.out, '[')
		first := true
		for e := range n.Children() {
			w.comma(&first)
			w.value(e, at)
		}
		w.out = append(w.out, ']')
	case tree.String:
		w.text(n)
	case tree.Number:
		w.number(n)
	default:
		w.out = append(w.out, n.Raw()...)
	}
}

func (w *writer) text(n tree.Node) {
	if raw := n.Raw(); !slices.Contains(raw, '\\') {
		w.out = append(w.out, raw...)
		return
	}
	w.out = append(w.out, quoted(n.Text())...)
}

// number keeps a number as it is written, unless its exponent would cost the engine time without end.
func (w *writer) number(n tree.Node) {
	text := n.Number()
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		if exponent, err := strconv.Atoi(text[e+1:]); err != nil || exponent > mostExponent || exponent < -mostExponent {
			w.err = fault.New(fault.Unprocessable, fault.Errorf("value", n.Path(), "the number's exponent is beyond anything that can be meant"))
			return
		}
	}
	w.out = append(w.out, text...)
}

func quoted(text string) []byte {
	out, err := json.Marshal(text)
	if err != nil {
		return []byte(`""`)
	}
	return out
}
