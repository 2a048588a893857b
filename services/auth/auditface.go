package auth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// AuditFace answers for the type AuditEvent below the base of FHIR REST: read and search. Nobody writes it but the gate.
type AuditFace struct {
	// Store is read from.
	Store store.Audit
	// Base of a request is where the caller reaches FHIR REST.
	Base func(*http.Request) string
}

// The bounds of one page.
const (
	auditCount    = 50
	auditMost     = 500
	auditExamined = 20_000
	// auditTold is how many records are read for a total that nobody asked for.
	auditTold = 2_000
)

// AuditRoutes are the patterns that an AuditFace answers.
var AuditRoutes = []string{
	"GET " + access.Prefix + "/AuditEvent", "GET " + access.Prefix + "/AuditEvent/{id}", "POST " + access.Prefix + "/AuditEvent/_search",
}

// ServeHTTP answers.
func (f *AuditFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := f.answer(w, r)
	if err != nil {
		Problem(w, err)
		return
	}
	fhirReply(w, http.StatusOK, encoded(body))
}

// answer is a resource. Where it is the method that is wrong, the header Allow says which are right.
func (f *AuditFace) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	p, err := From(r.Context())
	if err != nil {
		return nil, err
	}
	at := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, access.Prefix+"/AuditEvent"), "/")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case strings.Contains(at, "/") || strings.HasPrefix(at, "$"):
		return nil, fault.Newf(fault.NotFound, "not-supported", "there is no such endpoint; see [base]/metadata for those there are")
	case at == "_search" && r.Method == http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return nil, fault.Newf(fault.Invalid, "structure", "the form of the search cannot be read")
		}
		return f.search(r, p, r.Form)
	case at == "_search":
		w.Header().Set("Allow", http.MethodPost)
	case reads && at == "":
		params, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "invalid", "the parameters are not correctly URL-encoded")
		}
		return f.search(r, p, params)
	case reads:
		return f.read(r.Context(), p, at)
	default:
		w.Header().Set("Allow", "GET, HEAD")
	}
	return nil, fault.Newf(fault.NotSupported, "not-supported", "an AuditEvent can be read and searched for, and is written by the server alone")
}

func (f *AuditFace) read(ctx context.Context, p access.Principal, id string) (object, error) {
	missing := fault.Newf(fault.NotFound, "not-found", "there is no such AuditEvent")
	seq, index, ok := parseEventID(id)
	if !ok {
		return nil, missing
	}
	found, err := f.Store.AuditAfter(ctx, p.Tenant, seq-1, 1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].Seq != seq {
		return nil, missing
	}
	e, err := found[0].Entry()
	if err != nil {
		return nil, err
	}
	events := eventsOf(seq, e)
	if index >= len(events) || !p.Sees(thingOf(e, index), access.Read) {
		return nil, missing
	}
	return events[index], nil
}

// thingOf is one AuditEvent for a decision.
func thingOf(e audit.Entry, index int) access.Thing {
	t := access.Thing{Type: "AuditEvent"}
	if index < len(e.Patients) {
		t.Patient = e.Patients[index]
	}
	return t
}

// AuditCapability is what AuditFace offers, for the CapabilityStatement.
func AuditCapability() fhir.ResourceCapability {
	c := fhir.ResourceCapability{
		Type: "AuditEvent", Versioning: "no-version",
		Documentation: "Who saw what, as IHE BALP tells it; written by the server alone. It wants a scope that names AuditEvent, or one that allows everything.",
		Interactions:  []fhir.InteractionCapability{{Code: "read"}, {Code: "search-type"}},
	}
	c.SearchParams = []fhir.SearchParamCapability{{Name: "_id", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/Resource-id"}}
	for _, name := range slices.Sorted(maps.Keys(auditParams)) {
		c.SearchParams = append(c.SearchParams, fhir.SearchParamCapability{
			Name: name, Type: auditParams[name].kind, Definition: "http://hl7.org/fhir/SearchParameter/AuditEvent-" + name,
		})
	}
	return c
}
