package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// attempts is how often an interaction decides anew when what it has decided by was changed by another in the meantime.
const attempts = 30

// errMoved says that what a decision rests on is no longer so: decide again.
var errMoved = fault.Newf(fault.Conflict, "conflict", "another writer was first; send the request again")

// moved says whether a receipt was refused because what it rests on is no longer so.
func moved(r decision.Receipt) bool {
	return r.Outcome == record.Rejected && r.Kind == fault.Conflict && len(r.Issues) > 0 && r.Issues[0] == errMoved.Issues[0]
}

// decided tries until nobody else is first.
func decided(try func() (again bool, err error)) error {
	for range attempts {
		if again, err := try(); err != nil || !again {
			return err
		}
	}
	return errMoved
}

// conditional reads the search by which an interaction names a resource. A condition of which a part is not understood
// would mean another resource, so it is refused.
func (c *call) conditional(k *kind, query string) (*inquiry, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badQuery()
	}
	for name := range controls {
		if name != "_format" && name != "_pretty" && values.Has(name) {
			return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the parameter %s cannot stand in a condition", name))
		}
		delete(values, name)
	}
	q, err := readInquiry(k, values, c.base, c.config.Now().In(c.config.Zone))
	if err != nil {
		return nil, err
	}
	if refused := q.ignoredIssues(fault.Error); len(refused) > 0 {
		return nil, fault.New(fault.Invalid, refused...)
	}
	if len(q.conditions)+len(q.ids)+len(q.updated)+len(q.linked) == 0 || len(q.includes) > 0 {
		return nil, &refusal{http.StatusPreconditionFailed, "", fault.Newf(fault.Precondition, "multiple-matches", "the condition must name at least one search parameter")}
	}
	return q, nil
}

// only finds the resource that meets a condition; the zero one when none does. Errors: Precondition for several.
func (c *call) only(r store.Reader, q *inquiry) (ref.Resource, error) {
	ids, err := c.matches(c.r.Context(), r, q, 2)
	switch {
	case err != nil:
		return ref.Resource{}, err
	case len(ids) > 1:
		return ref.Resource{}, fault.Newf(fault.Precondition, "multiple-matches", "the condition is met by more than one %s", q.kind.name)
	case len(ids) == 0:
		return ref.Resource{}, nil
	}
	return ref.Resource{Type: q.kind.name, ID: ids[0]}, nil
}

// find is only, in a view of its own.
func (c *call) find(q *inquiry) (of ref.Resource, err error) {
	err = c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
		of, err = c.only(r, q)
		return err
	})
	return of, err
}

// still is the condition that a search finds what it found before.
func (c *call) still(q *inquiry, want ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		of, err := c.only(r, q)
		if fault.Of(err) == fault.Precondition && err != nil || err == nil && of != want {
			return errMoved
		}
		return err
	}
}

// free is the condition that there is no resource under an id: an update by a search that finds nothing creates, and changes
// nothing that does not meet the condition.
func free(of ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		head, there, err := headOf(r, of)
		if err == nil && there && !head.Gone() && !head.Stub {
			err = fault.New(fault.Conflict, fault.Errorf("duplicate", "id",
				"the id of the body is that of a resource that does not meet the condition"))
		}
		return err
	}
}

// createUnless creates a resource unless one meets the condition of If-None-Exist.
func (c *call) createUnless(k *kind, condition string, s decision.Submission) error {
	return decided(func() (bool, error) {
		q, err := c.conditional(k, strings.TrimPrefix(condition, "?"))
		if err != nil {
			return false, err
		}
		of, err := c.find(q)
		if err != nil {
			return false, err
		}
		if of.ID != "" {
			return false, c.foundInstead(of)
		}
		return c.createIf(s, c.still(q, of))
	})
}

// createIf creates a resource if holds is true of the state that it is committed to; if not, again says to decide anew.
func (c *call) createIf(s decision.Submission, holds func(store.Reader) error) (again bool, err error) {
	receipt, err := c.config.Accept.AcceptIf(c.r.Context(), s, holds)
	if err != nil || moved(receipt) {
		return moved(receipt), err
	}
	return false, c.created(receipt, writtenStatus(http.MethodPost, receipt))
}

// foundInstead answers with what is there already.
func (c *call) foundInstead(of ref.Resource) error {
	var rec record.Record
	err := c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) (err error) {
		rec, err = r.Record(of)
		return err
	})
	if err != nil {
		return gone(err)
	}
	return c.created(decision.Receipt{Outcome: record.Unchanged, Resource: rec.Resource, Received: rec.Received, Issues: rec.Issues}, http.StatusOK)
}

// updateWhere updates the one resource that meets the condition of the query, or creates it.
func (c *call) updateWhere() error {
	typ := c.r.PathValue("type")
	k, err := c.changeable(typ)
	if err != nil {
		return err
	}
	s, err := c.submission(typ, c.config.MaxResource)
	if err != nil {
		return err
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: len(s.Body) + 1})
	if err != nil {
		return err
	}
	id := doc.Root().Child("id").Text()
	return decided(func() (bool, error) {
		q, err := c.conditional(k, c.r.URL.RawQuery)
		if err != nil {
			return false, err
		}
		of, err := c.find(q)
		if err != nil {
			return false, err
		}
		switch {
		case of.ID == "" && id == "":
			return c.createIf(s, c.still(q, of))
		case of.ID == "":
			err = c.put(ref.Resource{Type: typ, ID: id}, s, c.still(q, of), free(ref.Resource{Type: typ, ID: id}))
		case id != "" && id != of.ID:
			return false, fault.New(fault.Invalid, fault.Errorf("value", doc.Root().Path()+".id", "the id of the body is not that of the resource that meets the condition"))
		default:
			named := s
			named.Body = tree.Named(s.Body, of.ID)
			err = c.put(of, named, c.still(q, of))
		}
		if errors.Is(err, errMoved) {
			return true, nil
		}
		return false, err
	})
}
