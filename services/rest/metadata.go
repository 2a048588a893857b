package rest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// hl7 is the base of the canonical URLs of FHIR's own search parameters.
const hl7 = "http://hl7.org/fhir/SearchParameter/"

// statement is the CapabilityStatement, made from the same tables as the routes.
func (s *Server) statement(base string) ([]byte, error) {
	c := fhir.Capability{
		Base: base, Version: s.config.Version, Date: s.since, Operations: s.config.Operations[""], Instantiates: s.config.Instantiates, Guarded: s.config.Guarded,
	}
	if s.config.TokenPath != "" {
		c.Token = strings.TrimSuffix(base, Prefix) + s.config.TokenPath
	}
	if s.config.Rules != nil {
		c.Rules = s.config.Rules()
	}
	for i := range kinds {
		r := kinds[i].capability()
		r.Operations = append(r.Operations, s.config.Operations[r.Type]...)
		c.Resources = append(c.Resources, r)
	}
	if s.config.Subscriptions {
		c.Websocket = access.SocketURL(base)
		c.Instantiates = append(slices.Clip(c.Instantiates), "http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4")
		c.Resources = append(c.Resources, subscriptionCapabilities()...)
	}
	c.Resources = append(c.Resources, s.config.Elsewhere...)
	return c.Statement(s.fixed)
}

func (k *kind) capability() fhir.ResourceCapability {
	out := fhir.ResourceCapability{Type: k.name, Documentation: k.doc, Versioning: "versioned", ReadHistory: k.sent}
	for _, interaction := range interactions {
		if interaction.of(k) {
			out.Interactions = append(out.Interactions, fhir.InteractionCapability{Code: interaction.code})
		}
	}
	if k.sent {
		out.Versioning, out.UpdateCreate = "versioned-update", true
		out.ConditionalCreate, out.ConditionalUpdate, out.ConditionalDelete, out.ConditionalRead = true, true, "single", "full-support"
		out.ReferencePolicy = []string{"literal", "logical"}
	}
	if k.name == "Observation" {
		out.Profiles = []string{fhir.Profile} // of those that are derived; what is sent is held against no profile
	}
	if k.find == nil {
		return out
	}
	for _, p := range append(own(), k.params()...) {
		out.SearchParams = append(out.SearchParams, fhir.SearchParamCapability{
			Name: p.Name, Type: string(p.Type), Definition: p.Definition, Documentation: aside(&p),
		})
		if p.Type == search.Reference {
			out.SearchInclude = append(out.SearchInclude, k.name+":"+p.Name)
		}
	}
	for i := range kinds {
		for _, p := range kinds[i].params() {
			if p.Type == search.Reference && !p.Canonical() && p.LeadsTo(k.name) && kinds[i].includesBack(&p) {
				out.SearchRevInclude = append(out.SearchRevInclude, kinds[i].name+":"+p.Name)
			}
		}
	}
	for _, o := range k.offered() {
		out.Operations = append(out.Operations, fhir.OperationCapability{Name: o.name, Definition: o.definition, Documentation: o.doc})
	}
	return out
}

// includesBack says whether what leads by a parameter to something else can be looked for. Provenance is made of what it is
// about, so it is looked for by that alone.
func (k *kind) includesBack(p *search.Param) bool {
	if k.name == "Provenance" {
		return slices.Contains(provenanceWays, p.Name)
	}
	return len(p.Targets) > 0
}

// interactions with a type, and the kinds that offer them: the routes are made from the same words.
var interactions = []struct {
	code string
	of   func(*kind) bool
}{
	{"read", func(*kind) bool { return true }},
	{"vread", func(*kind) bool { return true }},
	{"update", func(k *kind) bool { return k.sent }},
	{"patch", func(k *kind) bool { return k.sent }},
	{"delete", func(k *kind) bool { return k.sent }},
	{"history-instance", func(k *kind) bool { return k.sent }},
	{"history-type", func(k *kind) bool { return k.sent }},
	{"create", func(k *kind) bool { return k.sent }},
	{"search-type", func(k *kind) bool { return k.find != nil }},
}

// own are the parameters of every type.
func own() []search.Param {
	return append([]search.Param{
		{Name: "_id", Type: search.Token, Definition: hl7 + "Resource-id"},
		{Name: "_lastUpdated", Type: search.Date, Definition: hl7 + "Resource-lastUpdated"},
	}, search.Params("")...)
}

// aside is what is to be known of a parameter beside its definition.
func aside(p *search.Param) string {
	if p.Of == "Observation" && strings.HasSuffix(p.Name, "value-quantity") {
		return "Finds valueInteger too, as a number without unit or with the unit {score}."
	}
	return ""
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
