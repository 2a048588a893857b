package fhir

import (
	"bytes"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// subsetted is the tag of a resource of which not all is told.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// Reduced is a resource with those of its top-level members that are kept, tagged as SUBSETTED. What is kept keeps its
// bytes.
func Reduced(doc *tree.Doc, keep func(name string) bool) []byte {
	out := []byte{'{'}
	add := func(name string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, encode(name)...), ':'), value...)
	}
	tagged := false
	for n := doc.Root().First(); n.Exists(); n = n.Next() {
		switch {
		case n.Key() == "meta" && n.Kind() == tree.Object:
			add("meta", tag(n))
			tagged = true
		case keep(n.Key()):
			add(n.Key(), n.Raw())
		}
	}
	if !tagged {
		add("meta", []byte(`{"tag":[`+subsetted+`]}`))
	}
	return append(out, '}')
}

// tag adds the tag to a meta.
func tag(meta tree.Node) []byte {
	raw := meta.Raw()
	tags := meta.Child("tag")
	if tags.Len() == 0 {
		return append(bytes.TrimRight(raw[:len(raw)-1:len(raw)-1], " \t\r\n"), `,"tag":[`+subsetted+`]}`...)
	}
	list := tags.Raw()
	grown := append(list[:len(list)-1:len(list)-1], ","+subsetted+"]"...)
	at := bytes.Index(raw, list)
	return append(append(append([]byte{}, raw[:at]...), grown...), raw[at+len(list):]...)
}
