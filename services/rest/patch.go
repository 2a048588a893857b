package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// patch changes parts of a resource.
func (c *call) patch() error {
	of, _, err := c.target()
	if err != nil {
		return err
	}
	return c.patched(func() (ref.Resource, error) { return of, nil })
}

// patchWhere changes parts of the one resource that meets the condition of the query.
func (c *call) patchWhere() error {
	k, err := c.changeable(c.r.PathValue("type"))
	if err != nil {
		return err
	}
	q, err := c.conditional(k, c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return c.patched(func() (ref.Resource, error) {
		again := *q
		again.conditions = slices.Clone(q.conditions)
		of, err := c.find(&again)
		if err == nil && of.ID == "" {
			err = fault.Newf(fault.NotFound, "not-found", "no %s meets the condition", k.name)
		}
		return of, err
	})
}

// patched patches what which finds. The result goes the way of an update.
func (c *call) patched(which func() (ref.Resource, error)) error {
	body, err := c.patchBody()
	if err != nil {
		return err
	}
	g, err := c.guard()
	if err != nil {
		return err
	}
	return decided(func() (bool, error) {
		of, err := which()
		if err == nil {
			err = c.own(of)
		}
		if err != nil {
			return false, err
		}
		// Who patches what others patch too would lose to them again and again; only another server can still be first.
		leave, err := c.patching.take(c.r.Context(), string(c.tenant)+" "+of.String())
		if err != nil {
			return false, err
		}
		defer leave()
		rec, err := c.current(of)
		if err == nil {
			err = g.holds(rec.Head(), true)
		}
		if err != nil {
			return false, err
		}
		s, err := c.patchOf(rec, body)
		if err != nil {
			return false, err
		}
		receipt, err := c.config.Accept.AcceptIf(c.r.Context(), s, unmoved(rec.Resource))
		if err != nil || moved(receipt) {
			return moved(receipt), err
		}
		if receipt.Outcome == record.Rejected && receipt.Kind == fault.Invalid {
			receipt.Kind = fault.Unprocessable // the patch can be read; what it makes is not FHIR
		}
		return false, c.created(receipt, http.StatusOK)
	})
}

func (c *call) patchBody() ([]byte, error) {
	mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json-patch+json") {
		return nil, unsupported("a patch must be a JSON Patch: Content-Type application/json-patch+json")
	}
	return c.body(c.config.MaxResource)
}

// current reads the current version. Errors: NotFound, or gone.
func (c *call) current(of ref.Resource) (rec record.Record, err error) {
	err = c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
		rec, err = r.Record(of)
		return err
	})
	if err != nil {
		return rec, gone(err)
	}
	return rec, nil
}

// patchOf is the submission of a patched resource.
func (c *call) patchOf(rec record.Record, patch []byte) (decision.Submission, error) {
	doc, err := tree.Parse(fhir.Served(rec), tree.Limits{})
	if err != nil {
		return decision.Submission{}, err
	}
	body, err := tree.Patch(doc, patch)
	if err != nil {
		return decision.Submission{}, err
	}
	after, err := tree.Parse(body, tree.Limits{})
	if err != nil {
		return decision.Submission{}, fault.New(fault.Unprocessable, fault.IssuesOf(err)...)
	}
	if !after.Root().Child("id").Is(rec.ID) || !after.Root().Child("resourceType").Is(rec.Type) {
		return decision.Submission{}, fault.New(fault.Unprocessable, fault.Errorf("business-rule", rec.Type+".id", "a patch may not change what resource it is"))
	}
	s := decision.Submission{Tenant: c.tenant, Source: c.config.Source, Body: body, Type: rec.Type}
	if source := c.r.Header.Get(headerSource); source != "" {
		s.Source = ref.Source(source)
	}
	c.placed(&s, rec.Unversioned(), rec.Head(), true)
	if s.Bases = c.bases(s.Source); s.Bases != nil {
		s.Bases = append(s.Bases, takenBases(doc, rec)...)
	}
	return s, nil
}

// unmoved is the condition that a version is still the current one.
func unmoved(of ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		head, _, err := headOf(r, of)
		if err == nil && head.Version != of.Version {
			err = errMoved
		}
		return err
	}
}

// takenBases is the base by which a stored resource names whom it is about: as it was taken for the source's own before, it stays
// so when something else is patched.
func takenBases(doc *tree.Doc, rec record.Record) []string {
	if rec.Patient == "" {
		return nil
	}
	for _, name := range [2]string{"subject", "patient"} {
		text := doc.Root().Child(name).Child("reference").Text()
		if at := strings.LastIndex(text, "/Patient/"); at > 0 && strings.Contains(text, "://") {
			return []string{text[:at]}
		}
	}
	return nil
}
