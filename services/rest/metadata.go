package rest

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/rapport-health/rapport/services/fhir"
)

// The bases of the canonical URLs of search parameters.
const (
	hl7 = "http://hl7.org/fhir/SearchParameter/"
	own = fhir.Canonical + "/SearchParameter/"
)

// statement is the CapabilityStatement, made from the same tables as the routes.
func (s *Server) statement(base string) ([]byte, error) {
	c := fhir.Capability{Base: base, Version: s.config.Version, Date: s.since}
	if s.config.Rules != nil {
		c.Rules = s.config.Rules()
	}
	for _, k := range kinds {
		c.Resources = append(c.Resources, k.capability())
	}
	if s.config.Subscriptions {
		c.Instantiates = []string{"http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4"}
		c.Resources = append(c.Resources, subscriptionCapabilities()...)
	}
	return c.Statement(s.fixed)
}

func (k kind) capability() fhir.ResourceCapability {
	out := fhir.ResourceCapability{
		Type: k.name, Documentation: k.doc, Versioning: "versioned", ReadHistory: k.created,
		Interactions: []fhir.InteractionCapability{{Code: "read"}, {Code: "vread"}},
	}
	if k.created {
		out.Interactions = append(out.Interactions, fhir.InteractionCapability{Code: "create"})
	}
	if k.params != nil {
		out.Interactions = append(out.Interactions, fhir.InteractionCapability{Code: "search-type"})
	}
	for _, p := range k.params {
		out.SearchParams = append(out.SearchParams, fhir.SearchParamCapability{Name: p.name, Type: p.typ, Definition: p.definition})
	}
	for _, o := range k.operations {
		out.Operations = append(out.Operations, fhir.OperationCapability{Name: o.name, Definition: o.definition, Documentation: o.doc})
	}
	return out
}

// readArtefacts reads the conformance resources that Rapport defines, keyed by Type/id.
func readArtefacts(files fs.FS) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, folder := range []string{"codesystem", "searchparameter", "structuredefinition"} {
		paths, err := fs.Glob(files, folder+"/*.json")
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			body, err := fs.ReadFile(files, path)
			if err != nil {
				return nil, err
			}
			var head struct{ ResourceType, ID string }
			if err := json.Unmarshal(body, &head); err != nil || head.ID == "" {
				return nil, fmt.Errorf("rest: %s is no resource with an id", path)
			}
			out[head.ResourceType+"/"+head.ID] = body
		}
	}
	return out, nil
}
