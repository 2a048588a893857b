package rest

import (
	"errors"
	"net/http"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// delete deletes a resource.
func (c *call) delete() error {
	of, err := c.removable()
	if err != nil {
		return err
	}
	if err := c.own(of); err != nil {
		return err
	}
	g, err := c.guard()
	if err != nil {
		return err
	}
	return c.deleted(of, g.guarded(of))
}

// removable is the resource that the path names, which may also be one of a type that is not taken here and was kept because it
// came in a Bundle through the other door.
func (c *call) removable() (ref.Resource, error) {
	of, _, err := c.target()
	if _, known := kindOf(of.Type); err == nil || known || !ref.ValidID(of.ID) {
		return of, err
	}
	kept, failed := c.kept(of)
	if failed != nil {
		return of, failed
	}
	if kept {
		err = nil
	}
	return of, err
}

// kept says whether there is, or was, such a resource.
func (c *call) kept(of ref.Resource) (there bool, err error) {
	err = c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) (err error) {
		_, there, err = headOf(r, of)
		return err
	})
	return there, err
}

// deleteWhere deletes the one resource that meets the condition of the query.
func (c *call) deleteWhere() error {
	k, err := c.changeable(c.r.PathValue("type"))
	if err != nil {
		return err
	}
	for range attempts {
		q, err := c.conditional(k, c.r.URL.RawQuery)
		if err != nil {
			return err
		}
		of, err := c.find(q)
		if err != nil {
			return err
		}
		if of.ID == "" {
			c.reply(http.StatusNoContent, nil)
			return nil
		}
		if err := c.deleted(of, c.still(q, of)); !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

func (c *call) deleted(of ref.Resource, holds func(store.Reader) error) error {
	receipt, err := c.config.Accept.AcceptIf(c.r.Context(), decision.Submission{
		Tenant: c.tenant, Source: c.config.Source, Gone: []ref.Resource{of},
	}, holds)
	switch {
	case err != nil:
		return err
	case moved(receipt):
		return errMoved
	case receipt.Outcome == record.Rejected:
		return rejected(receipt)
	}
	if receipt.Resource.Version > 0 {
		c.versioned(receipt.Resource.Version, receipt.Received)
	}
	c.reply(http.StatusNoContent, nil)
	return nil
}

// gone turns the store's word for what was deleted, or never was, into that of HTTP.
func gone(err error) error {
	if fault.Of(err) != fault.NotFound || err == nil {
		return err
	}
	for _, issue := range fault.IssuesOf(err) {
		if issue.Code == "deleted" {
			return wasDeleted()
		}
	}
	return unknownResource()
}

func wasDeleted() error {
	return &refusal{http.StatusGone, "", fault.Newf(fault.TooOld, "deleted", "the resource was deleted; its earlier versions can be read by their numbers")}
}
