package fhir

import (
	"net/url"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// pointer is where a FHIR Reference leads, in its source's own ids.
type pointer struct {
	// typ is the type, by the reference or by what stands at that place; id the logical id, identifier `system|value`.
	typ, id, identifier string
}

// String is `Type/id`, or `Type?identifier=system|value` where only that is known; empty when neither is.
func (p pointer) String() string {
	switch {
	case p.id != "":
		return p.typ + "/" + p.id
	case p.identifier != "":
		return p.typ + "?identifier=" + p.identifier
	default:
		return ""
	}
}

// reference reads a Reference. fallback is the type where it names none.
func (w *work) reference(n tree.Node, fallback string) pointer {
	text := n.Child("reference").Text()
	p := pointer{}
	if contained, ok := strings.CutPrefix(text, "#"); ok {
		p = w.contained(contained)
	} else {
		p = w.parseReference(text)
	}
	if w.foreign(text) {
		p.id = "" // somebody else's numbers are not the source's
	}
	if id := identifier(n.Child("identifier")); id != "" {
		p.identifier = id
	}
	if t := n.Child("type").Text(); p.typ == "" && w.types[t] {
		p.typ = t
	}
	if p.typ == "" {
		p.typ = fallback
	}
	return p
}

// foreign says whether a reference leads to a server that is none of the source's.
func (w *work) foreign(text string) bool {
	if len(w.bases) == 0 || !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		return false
	}
	return !slices.ContainsFunc(w.bases, func(base string) bool {
		return strings.HasPrefix(text, strings.TrimSuffix(base, "/")+"/")
	})
}

// parseReference reads `Type/id`, with or without a base before it and `/_history/n` behind it, `urn:uuid:id`, and the
// conditional `Type?identifier=system|value`.
func (s *structure) parseReference(text string) pointer {
	for _, scheme := range [2]string{"urn:uuid:", "urn:oid:"} {
		if id, ok := strings.CutPrefix(text, scheme); ok && ref.ValidID(id) {
			return pointer{id: id}
		}
	}
	path, query, conditional := strings.Cut(text, "?")
	if conditional {
		typ := path[strings.LastIndexByte(path, '/')+1:]
		values, err := url.ParseQuery(query)
		if err != nil || !s.types[typ] {
			return pointer{}
		}
		return pointer{typ: typ, identifier: systemValue(values.Get("identifier"))}
	}
	path, _, _ = strings.Cut(path, "/_history/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return pointer{}
	}
	typ, id := path[strings.LastIndexByte(path[:slash], '/')+1:slash], path[slash+1:]
	if !s.types[typ] || !ref.ValidID(id) {
		return pointer{}
	}
	return pointer{typ: typ, id: id}
}

// systemValue keeps a token only if it has a system and a value.
func systemValue(token string) string {
	if system, value, ok := strings.Cut(token, "|"); ok && system != "" && value != "" {
		return token
	}
	return ""
}

// contained is the contained resource of an id. It has no logical id of its own, but it may have an identifier.
func (w *work) contained(id string) pointer {
	for n := w.root.Child("contained").First(); n.Exists(); n = n.Next() {
		if !n.Child("id").Is(id) {
			continue
		}
		p := pointer{typ: n.Child("resourceType").Text()}
		ids := n.Child("identifier")
		if ids.Kind() == tree.Object {
			p.identifier = identifier(ids)
			return p
		}
		for i := ids.First(); i.Exists() && p.identifier == ""; i = i.Next() {
			p.identifier = identifier(i)
		}
		return p
	}
	return pointer{}
}

// identifier is `system|value`; empty unless both are there.
func identifier(n tree.Node) string {
	system, value := n.Child("system").Text(), n.Child("value").Text()
	if system == "" || value == "" {
		return ""
	}
	return system + "|" + value
}

// clinician is the reference of a practitioner or a practitioner in a role; empty for others. fallback is the type
// where the reference names none, as a urn:uuid outside its Bundle.
func (w *work) clinician(n tree.Node, fallback string) ref.Clinician {
	p := w.reference(n, fallback)
	if p.typ != "Practitioner" && p.typ != "PractitionerRole" {
		return ""
	}
	return ref.Clinician(p.String())
}

// Who may have answered.
const (
	patient     = "patient"
	clinician   = "clinician"
	carePartner = "care-partner"
)

// respondent is who a reference says has answered; empty for others.
func (w *work) respondent(n tree.Node) string {
	switch w.reference(n, "").typ {
	case "Patient":
		return patient
	case "Practitioner", "PractitionerRole":
		return clinician
	case "RelatedPerson":
		return carePartner
	default:
		return ""
	}
}
