package rest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// shape is how much of each resource is told.
type shape struct {
	// summary is true, text or data; empty for all of it.
	summary string
	// elements that are told beside the required ones; nil for all.
	elements []string
}

// whole says that all is told.
func (s shape) whole() bool { return s.summary == "" && s.elements == nil }

// readShape reads _summary and _elements.
func (q *inquiry) readShape(values url.Values) error {
	switch summary := values.Get("_summary"); summary {
	case "", "false":
	case "count":
		q.count = 0
		q.used.Set("_summary", summary)
	case "true", "text", "data":
		q.shape.summary = summary
		q.used.Set("_summary", summary)
	default:
		return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _summary must be true, text, data, count or false"))
	}
	if text := values.Get("_elements"); text != "" {
		q.used.Set("_elements", text)
		for one := range strings.SplitSeq(text, ",") {
			typ, name, qualified := strings.Cut(one, ".")
			switch {
			case !qualified:
				q.shape.elements = append(q.shape.elements, strings.TrimSpace(one))
			case typ == q.kind.name:
				q.shape.elements = append(q.shape.elements, name)
			}
		}
		if q.shape.elements == nil {
			q.shape.elements = []string{}
		}
	}
	return nil
}

// always is told of every resource.
var always = []string{"resourceType", "id", "meta", "implicitRules", "modifierExtension"}

// of is the resource as it is told, tagged as incomplete when it is.
func (s shape) of(typ string, body []byte) []byte {
	if s.whole() {
		return body
	}
	doc, err := tree.Parse(body, tree.Limits{Bytes: len(body) + 1})
	if err != nil {
		return body // cannot be: it was read before
	}
	keep := func(name string) bool {
		switch {
		case slices.Contains(always, name) || search.Required(typ, name):
			return true
		case s.summary == "data":
			return name != "text"
		case s.summary == "text":
			return name == "text"
		case s.summary == "true":
			return search.InSummary(typ, name)
		}
		return slices.ContainsFunc(s.elements, func(e string) bool {
			return e == name || strings.HasPrefix(name, e) && len(name) > len(e) && name[len(e)] >= 'A' && name[len(e)] <= 'Z'
		})
	}
	return fhir.Reduced(doc, keep)
}
