package tree

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// instantForm is how the server writes an instant.
const instantForm = "2006-01-02T15:04:05.000Z07:00"

// Splice is a copy of the resource raw with the server's own id, meta.versionId and meta.lastUpdated; all other bytes
// stay as they are. Members that are missing are put in: id after resourceType, meta after id. Text that Parse would
// refuse comes back unchanged.
func Splice(raw []byte, id, versionID string, lastUpdated time.Time) []byte {
	top, ok := outline(raw)
	if !ok || len(top.members) == 0 {
		return bytes.Clone(raw)
	}
	inner := func(meta span) members {
		if o, ok := outline(raw[meta.start:meta.end]); ok && len(o.members) > 0 {
			return o
		}
		return nil
	}
	return apply(raw, splice(top, inner, id, versionID, lastUpdated))
}

// Splice is as the function Splice, of a document that was parsed already.
func (d *Doc) Splice(id, versionID string, lastUpdated time.Time) []byte {
	raw, root := d.Raw(), d.Root()
	if !root.First().Exists() {
		return bytes.Clone(raw)
	}
	inner := func(span) members {
		if meta := root.Child("meta"); meta.Kind() == Object && meta.First().Exists() {
			return within{meta, int(d.nodes[meta.at].start)}
		}
		return nil
	}
	return apply(raw, splice(within{root, int(d.nodes[0].start)}, inner, id, versionID, lastUpdated))
}

// splice are the edits that set what is the server's own. Inner gives the members of meta, with places within it; nil when
// it is empty or no object.
func splice(top members, inner func(meta span) members, id, versionID string, lastUpdated time.Time) []edit {
	instant := lastUpdated.UTC().Format(instantForm)
	edits := make([]edit, 0, 3)
	behind := top.opens() // where a missing member goes in
	if m, has := top.member("resourceType"); has {
		behind = m.end
	}
	if m, has := top.member("id"); has {
		edits, behind = append(edits, edit{m.start, m.end, quoted(id)}), m.end
	} else {
		edits = append(edits, insert(top, behind, `"id":`+quoted(id)))
	}
	whole := `{"versionId":` + quoted(versionID) + `,"lastUpdated":` + quoted(instant) + `}`
	meta, has := top.member("meta")
	if !has {
		return append(edits, insert(top, behind, `"meta":`+whole))
	}
	own := inner(meta)
	if own == nil {
		return append(edits, edit{meta.start, meta.end, whole})
	}
	for _, set := range [2][2]string{{"versionId", versionID}, {"lastUpdated", instant}} {
		e := insert(own, own.opens(), `"`+set[0]+`":`+quoted(set[1]))
		if m, has := own.member(set[0]); has {
			e = edit{m.start, m.end, quoted(set[1])}
		}
		e.start, e.end = e.start+meta.start, e.end+meta.start
		edits = append(edits, e)
	}
	return edits
}

// Named is a copy of the resource raw with an id; all other bytes stay as they are. Text that Parse would refuse comes back
// unchanged.
func Named(raw []byte, id string) []byte {
	top, ok := outline(raw)
	if !ok || len(top.members) == 0 {
		return bytes.Clone(raw)
	}
	if m, has := top.members["id"]; has {
		return apply(raw, []edit{{m.start, m.end, quoted(id)}})
	}
	behind := top.open
	if m, has := top.members["resourceType"]; has {
		behind = m.end
	}
	return apply(raw, []edit{insert(top, behind, `"id":`+quoted(id))})
}

// Without is a copy of the document that lacks the elements of arrays that drop names, and the members that are arrays of
// which nothing is left; all other bytes stay as they are.
func Without(d *Doc, drop func(Node) bool) []byte {
	emptied := func(n Node) bool {
		if n.Kind() != Array || n.Len() == 0 {
			return false
		}
		for element := n.First(); element.Exists(); element = element.Next() {
			if !drop(element) {
				return false
			}
		}
		return true
	}
	raw, base := d.Raw(), int(d.nodes[0].start)
	var edits []edit
	for i := 0; i < len(d.nodes); i++ {
		n := Node{d, i}
		leave := emptied
		switch inArray := i > 0 && n.Parent().Kind() == Array; {
		case inArray && drop(n), emptied(n):
			i += int(d.nodes[i].size) - 1 // what stands below goes with it
			continue
		case n.Kind() == Array:
			leave = drop
		case n.Kind() != Object:
			continue
		}
		for _, s := range d.cut(n, leave) {
			edits = append(edits, edit{s.start - base, s.end - base, ""})
		}
	}
	return apply(raw, edits)
}

// span is where a value begins and ends.
type span struct{ start, end int }

// object is the outline of a JSON object: where it opens, and where its members' values are.
type object struct {
	open    int
	members map[string]span
}

func (o object) opens() int { return o.open }

func (o object) filled() bool { return len(o.members) > 0 }

func (o object) member(name string) (span, bool) {
	m, has := o.members[name]
	return m, has
}

// members of an object: where it opens, whether it has any, and where their values are.
type members interface {
	opens() int
	filled() bool
	member(name string) (span, bool)
}

// within is a parsed object, with places counted from base.
type within struct {
	Node
	base int
}

func (w within) opens() int { return int(w.doc.nodes[w.at].start) + len("{") - w.base }

func (w within) filled() bool { return w.First().Exists() }

func (w within) member(name string) (span, bool) {
	child := w.Child(name)
	if !child.Exists() {
		return span{}, false
	}
	n := &w.doc.nodes[child.at]
	return span{int(n.start) - w.base, int(n.end) - w.base}, true
}

// outline finds the members of the object raw without reading what is in them.
func outline(raw []byte) (object, bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return object{}, false
	}
	o := object{open: int(dec.InputOffset()), members: make(map[string]span, 16)}
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			return object{}, false
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return object{}, false
		}
		end := int(dec.InputOffset())
		o.members[key] = span{end - len(value), end}
	}
	token, err := dec.ReadToken()
	return o, err == nil && token.Kind() == jsontext.KindEndObject
}

// insert puts a member in at a place: right behind the opening brace or behind another member.
func insert(into members, at int, member string) edit {
	switch {
	case at != into.opens():
		member = "," + member
	case into.filled():
		member += ","
	}
	return edit{at, at, member}
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// apply makes the edits; those at one place keep their order.
func apply(raw []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	size := len(raw)
	for _, e := range edits {
		size += len(e.text)
	}
	out := make([]byte, 0, size)
	from := 0
	for _, e := range edits {
		out = append(out, raw[from:e.start]...)
		out = append(out, e.text...)
		from = e.end
	}
	return append(out, raw[from:]...)
}

func quoted(text string) string {
	out, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return `""`
	}
	return string(out)
}
