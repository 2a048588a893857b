package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// create takes one resource.
func (c *call) create() error {
	typ := c.r.PathValue("type")
	if typ == "Bundle" {
		return fault.Newf(fault.NotSupported, "not-supported", "a Bundle is not kept as a resource; send a transaction or batch to [base]")
	}
	k, err := c.changeable(typ)
	if err != nil {
		return err
	}
	s, err := c.submission(typ, c.config.MaxResource)
	if err != nil {
		return err
	}
	s.Creates = true
	if condition := c.r.Header.Get("If-None-Exist"); condition != "" {
		return c.createUnless(k, condition, s)
	}
	receipt, err := c.config.Accept.Accept(c.r.Context(), s)
	if err != nil {
		return err
	}
	return c.created(receipt, writtenStatus(http.MethodPost, receipt))
}

// created answers a receipt that is not of a Bundle.
func (c *call) created(receipt decision.Receipt, status int) error {
	if receipt.Outcome == record.Rejected {
		return rejected(receipt)
	}
	stored, err := c.stored(receipt)
	if err != nil {
		return err
	}
	issues := told(receipt)
	h := c.w.Header()
	h.Set("Location", c.base+"/"+receipt.Resource.String())
	h.Set(headerOutcome, receipt.Outcome.String())
	c.versioned(receipt.Resource.Version, stored.received)
	c.issueHeaders(issues)
	switch c.prefer.returns {
	case "minimal":
		c.reply(status, nil)
	case "OperationOutcome":
		c.reply(status, fhir.Outcome(issues...))
	default:
		c.reply(status, stored.body)
	}
	return nil
}

// rejected is the fault of a receipt. One that does not say itself what is wrong speaks through the entries that were
// at fault; those that fell with them have no error of their own.
func rejected(receipt decision.Receipt) error {
	if fault.Any(receipt.Issues) {
		return fault.New(receipt.Kind, receipt.Issues...)
	}
	kind, issues := receipt.Kind, slices.Clip(receipt.Issues)
	for _, entry := range receipt.Entries {
		if entry.Outcome != record.Rejected || !fault.Any(entry.Issues) {
			continue
		}
		if kind == fault.Internal {
			kind = entry.Kind
		}
		issues = append(issues, entry.Issues...)
	}
	return fault.New(kind, issues...)
}

// writtenStatus is 201 for what was created: by a POST whatever its version (it may complete a stub, or correct what
// the source sent before), by a PUT only as the first version. It is 200 otherwise, and for a replay.
func writtenStatus(method string, receipt decision.Receipt) int {
	if receipt.Outcome == record.Unchanged || (method == http.MethodPut && receipt.Resource.Version > 1) {
		return http.StatusOK
	}
	return http.StatusCreated
}

// told are the issues of a receipt, and a word on what happened when it was not simply stored and scored.
func told(receipt decision.Receipt) []fault.Issue {
	issues := receipt.Issues
	if receipt.Outcome == record.Unchanged {
		issues = append([]fault.Issue{fault.Infof("informational", "",
			"unchanged: nothing was written; stored is %s", receipt.Resource)}, issues...)
	}
	return issues
}

// storedVersion is a version as it can be told of.
type storedVersion struct {
	received time.Time
	body     []byte // as served; nil unless asked for
}

// stored reads what a receipt speaks of, unless the receipt says all that is wanted.
func (c *call) stored(receipt decision.Receipt) (storedVersion, error) {
	all, err := c.storedAll([]decision.Receipt{receipt}, c.prefer.returns == "" || c.prefer.returns == "representation")
	if err != nil {
		return storedVersion{}, err
	}
	return all[0], nil
}

// storedAll is stored for many receipts, in one view; for those rejected it gives nothing.
func (c *call) storedAll(receipts []decision.Receipt, bodies bool) ([]storedVersion, error) {
	out := make([]storedVersion, len(receipts))
	missing := bodies
	for i, r := range receipts {
		out[i].received = r.Received
		missing = missing || (r.Outcome != record.Rejected && r.Received.IsZero())
	}
	if !missing {
		return out, nil
	}
	return out, c.config.Store.View(c.r.Context(), c.tenant, func(reader store.Reader) error {
		for i, r := range receipts {
			if r.Outcome == record.Rejected || r.Resource.ID == "" || (!bodies && !r.Received.IsZero()) {
				continue
			}
			rec, err := reader.Record(r.Resource)
			if err != nil {
				return fault.Wrap(fault.Internal, err, "read what was just stored")
			}
			out[i].received = rec.Received
			if bodies {
				out[i].body = fhir.Served(rec)
			}
		}
		return nil
	})
}
