package rest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// bundle takes a transaction or a batch.
func (c *call) bundle() error {
	s, err := c.submission("Bundle", c.config.MaxBundle)
	if err != nil {
		return err
	}
	typ, entries, err := c.requests(s.Body)
	if err != nil {
		return err
	}
	switch typ {
	case "transaction":
		return c.transaction(s, entries)
	case "batch":
		return c.batch(s, entries)
	default:
		return fault.New(fault.Invalid, fault.Errorf("value", "Bundle.type", "only a transaction or a batch can be sent to the base"))
	}
}

// largeBundle is from where on Bundles are read one after another: reading takes many times the memory of the body.
const largeBundle = 256 << 10

// requests reads what the entries ask for, a large Bundle when its turn has come.
func (c *call) requests(body []byte) (typ string, entries []fhir.Request, err error) {
	if len(body) > largeBundle {
		select {
		case c.turn <- struct{}{}:
			defer func() { <-c.turn }()
		case <-c.r.Context().Done():
			return "", nil, fault.Wrap(fault.Unavailable, c.r.Context().Err(), "waiting for a turn to read a large Bundle")
		}
	}
	return fhir.ReadRequests(body, int(c.config.MaxBundle))
}

// transaction stores all entries or none.
func (c *call) transaction(s decision.Submission, entries []fhir.Request) error {
	var issues []fault.Issue
	kind := fault.Invalid
	for _, e := range entries {
		if err := entryAllowed(e); err != nil {
			issues = append(issues, fault.IssuesOf(err)...)
			if fault.Of(err) == fault.NotSupported {
				kind = fault.Unprocessable
			}
		}
	}
	if issues != nil {
		return fault.New(kind, issues...)
	}
	receipt, err := c.config.Accept.Accept(c.r.Context(), s)
	if err != nil {
		return err
	}
	if receipt.Outcome == record.Rejected {
		return rejected(receipt)
	}
	if len(receipt.Entries) != len(entries) {
		return fmt.Errorf("a transaction of %d entries was answered with %d receipts", len(entries), len(receipt.Entries))
	}
	return c.answered(fhir.TransactionResponse, entries, receipt.Entries)
}

// batch answers each entry for itself. Those that ask for what is not supported do not reach the door.
func (c *call) batch(s decision.Submission, entries []fhir.Request) error {
	receipts := make([]decision.Receipt, len(entries))
	var sent []fhir.Request
	var at []int
	for i, e := range entries {
		if err := entryAllowed(e); err != nil {
			receipts[i] = decision.Receipt{Outcome: record.Rejected, Kind: fault.Of(err), Issues: fault.IssuesOf(err)}
			continue
		}
		sent, at = append(sent, e), append(at, i)
	}
	if len(sent) > 0 {
		if len(sent) < len(entries) {
			s.Body = fhir.Batch(sent)
		}
		receipt, err := c.config.Accept.Accept(c.r.Context(), s)
		if err != nil {
			return err
		}
		if len(receipt.Entries) != len(sent) {
			if receipt.Outcome == record.Rejected {
				return rejected(receipt)
			}
			return fmt.Errorf("a batch of %d entries was answered with %d receipts", len(sent), len(receipt.Entries))
		}
		for i, r := range receipt.Entries {
			r.Issues = movedIssues(r.Issues, i, at[i])
			receipts[at[i]] = r
		}
	}
	return c.answered(fhir.BatchResponse, entries, receipts)
}

// movedIssues names the entry by its place in the Bundle that the client sent.
func movedIssues(issues []fault.Issue, from, to int) []fault.Issue {
	if from == to {
		return issues
	}
	old, now := "Bundle.entry["+strconv.Itoa(from)+"]", "Bundle.entry["+strconv.Itoa(to)+"]"
	out := make([]fault.Issue, len(issues))
	for i, issue := range issues {
		if rest, ok := strings.CutPrefix(issue.Path, old); ok {
			issue.Path = now + rest
		}
		out[i] = issue
	}
	return out
}

var putForm = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}$`)

// entryAllowed refuses what an entry may not ask for: anything but a plain POST, or a PUT to an id.
func entryAllowed(e fhir.Request) error {
	request := e.Path + ".request"
	url := strings.TrimPrefix(e.URL, "/")
	switch {
	case e.Method == "":
		return fault.New(fault.Invalid, fault.Errorf("required", request+".method", "an entry of a transaction or batch needs a request with method and url"))
	case e.Method != http.MethodPost && e.Method != http.MethodPut:
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", request+".method", "only POST, and PUT with an id, are supported in a Bundle"))
	case e.Condition != "":
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", request+"."+e.Condition, "conditional requests are not supported in a Bundle"))
	case e.Type == "":
		return fault.New(fault.Invalid, fault.Errorf("required", e.Path+".resource", "a resource with a resourceType is needed"))
	case e.Type == "DetectedIssue":
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource", "a DetectedIssue is made by the server and cannot be sent"))
	case e.Type == "Subscription":
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource", "a Subscription cannot stand in a Bundle: send it to [base]/Subscription"))
	case e.Method == http.MethodPost && url != e.Type:
		return fault.New(fault.Invalid, fault.Errorf("value", request+".url", "the url of a POST must be the type of the resource"))
	case e.Method == http.MethodPut && !putForm.MatchString(url):
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", request+".url", "the url of a PUT must be type/id"))
	case e.Method == http.MethodPut && url != e.Type+"/"+e.ID && (e.ID != "" || !strings.HasPrefix(url, e.Type+"/")):
		return fault.New(fault.Invalid, fault.Errorf("value", request+".url", "the url of a PUT must name the type and the id of the resource"))
	}
	return nil
}

// answered is the Bundle that answers a Bundle.
func (c *call) answered(typ string, entries []fhir.Request, receipts []decision.Receipt) error {
	bodies := c.prefer.returns == "representation"
	stored, err := c.storedAll(receipts, bodies)
	if err != nil {
		return err
	}
	answers := make([]fhir.Answer, len(receipts))
	for i, r := range receipts {
		answers[i] = c.answer(entries[i].Method, r, stored[i])
	}
	c.reply(http.StatusOK, fhir.ResponseBundle(typ, answers))
	return nil
}

func (c *call) answer(method string, r decision.Receipt, stored storedVersion) fhir.Answer {
	if r.Outcome == record.Rejected {
		return fhir.Answer{Status: statusLine(entryStatus(r.Kind)), Outcome: fhir.Outcome(fhir.Issues(r.Kind, r.Issues)...)}
	}
	a := fhir.Answer{Status: statusLine(writtenStatus(method, r)), LastModified: stored.received, Resource: stored.body}
	if r.Resource != (ref.Resource{}) {
		a.Location, a.ETag = c.base+"/"+r.Resource.String(), etag(r.Resource.Version)
	}
	if a.Resource != nil {
		a.FullURL = c.base + "/" + r.Resource.Unversioned().String()
	}
	if issues := told(r); len(issues) > 0 {
		a.Outcome = fhir.Outcome(issues...)
	}
	return a
}

// entryStatus differs from that of a whole request: within a Bundle, what is not supported is a method that is not
// allowed there, not a missing page.
func entryStatus(k fault.Kind) int {
	if k == fault.NotSupported {
		return http.StatusMethodNotAllowed
	}
	return fhir.Status(k)
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }
