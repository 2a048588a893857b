package fhir

import (
	"net/url"
)

// Extraction is a transaction Bundle of Observations taken from one answered form, for the caller's own server.
func Extraction(of []Observed) []byte {
	b := appendMember([]byte(`{"resourceType":"Bundle"`), "type", "transaction")
	for i, o := range of {
		sheet := *o.Sheet
		sheet.Extracted = true
		part, _ := sheet.part(o.Name)
		b = append(b, entryOpening(i)...)
		b = append(appendString(append(b, `{"fullUrl":`...), sheet.URL(o.Name)), `,"resource":`...)
		b = append(b, sheet.Observation(part, Version{Standing: o.Standing})...)
		b = append(sheet.request(append(b, `,"request":`...), o), '}')
	}
	return append(b, bundleEnd(len(of))...)
}

// part of a name.
func (s *Sheet) part(name string) (Part, bool) {
	for _, p := range s.Parts() {
		if p.Name == name {
			return p, true
		}
	}
	return Part{}, false
}

// request creates an Observation unless it is there, by its identifier, and replaces it when the form was amended: done
// twice it does no harm.
func (s *Sheet) request(b []byte, o Observed) []byte {
	query := url.Values{"identifier": {SystemObservation + "|" + s.ID(o.Name)}}.Encode()
	if o.Standing == Later || s.Answered.Status == amended {
		b = appendMember(append(b, `{"method":"PUT"`...), "url", "Observation?"+query)
	} else {
		b = appendMember(append(b, `{"method":"POST","url":"Observation"`...), "ifNoneExist", query)
	}
	return append(b, '}')
}

// Extracted is the answer to $extract: the Bundle, with what there is to say about it beside.
func Extracted(bundle, outcome []byte) []byte {
	if outcome == nil {
		return bundle
	}
	b := append([]byte(`{"resourceType":"Parameters","parameter":[{"name":"return","resource":`), bundle...)
	return append(append(append(b, `},{"name":"issues","resource":`...), outcome...), `}]}`...)
}
