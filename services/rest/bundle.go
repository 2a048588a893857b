package rest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// bundle takes a transaction or a batch.
func (c *call) bundle() error {
	s, err := c.submission("Bundle", c.config.MaxBundle)
	if err != nil {
		return err
	}
	s.Creates = true
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

// batch answers each entry for itself. Resources that are simply sent go through the door together, all else as if it came
// alone.
func (c *call) batch(s decision.Submission, entries []fhir.Request) error {
	answers := make([]fhir.Answer, len(entries))
	var sent []fhir.Request
	var at []int
	for i, e := range entries {
		var err error
		if e.Type != "Subscription" {
			err = entryAllowed(e)
		}
		switch {
		case err != nil:
			answers[i] = refusedEntry(err)
		case plainly(e):
			sent, at = append(sent, e), append(at, i)
		default:
			if answers[i], err = c.alone(e); err != nil {
				return err
			}
		}
	}
	if len(sent) > 0 {
		if len(sent) < len(entries) {
			s.Body, s.Places = fhir.Batch(sent), make([]decision.Place, len(sent))
			for i, id := range fhir.GivenTo(sent, s.Source) {
				s.Places[i].Given = id
			}
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
		for i := range receipt.Entries {
			receipt.Entries[i].Issues = movedIssues(receipt.Entries[i].Issues, i, at[i])
		}
		told, err := c.answers(sent, receipt.Entries)
		if err != nil {
			return err
		}
		for i := range told {
			answers[at[i]] = told[i]
		}
	}
	c.reply(http.StatusOK, fhir.ResponseBundle(fhir.BatchResponse, answers))
	return nil
}

// plainly says whether an entry simply sends a resource.
func plainly(e fhir.Request) bool {
	return e.Condition == "" && e.Type != "Subscription" && (e.Method == http.MethodPost && !isOperation(e) || e.Method == http.MethodPut && !strings.Contains(e.URL, "?"))
}

// isOperation says whether an entry calls an operation.
func isOperation(e fhir.Request) bool {
	path, _, _ := strings.Cut(e.URL, "?")
	return e.Method == http.MethodPost && strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], "$")
}

func refusedEntry(err error) fhir.Answer {
	status := entryStatus(fault.Of(err))
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
	}
	return fhir.Answer{Status: statusLine(status), Outcome: fhir.OutcomeOf(err)}
}

// alone answers an entry as if it had come by itself.
func (c *call) alone(e fhir.Request) (fhir.Answer, error) {
	heard, err := c.heard(e)
	if err != nil {
		return refusedEntry(err), c.r.Context().Err()
	}
	return heard.answer(c.base, e.Method), c.r.Context().Err()
}

// heard is the answer to an entry as if it had come by itself. Errors: why it cannot be asked.
func (c *call) heard(e fhir.Request) (*heardWriter, error) {
	body, contentType, err := entryBody(e)
	if err != nil {
		return nil, err
	}
	r := c.r.Clone(c.r.Context())
	r.Method, r.RequestURI = e.Method, ""
	r.URL, err = url.Parse(Prefix + "/" + strings.TrimPrefix(e.URL, "/"))
	if err != nil || r.URL.Path != path.Clean(r.URL.Path) || r.URL.Path == Prefix {
		return nil, fault.New(fault.Invalid, fault.Errorf("value", e.Path+".request.url", "is no URL below the base"))
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	for header, value := range map[string]string{
		"Content-Type": contentType, "If-Match": e.IfMatch, "If-None-Match": e.IfNoneMatch, "If-Modified-Since": e.IfModifiedSince,
		"If-None-Exist": e.IfNoneExist, "Content-Encoding": "", "Content-Length": "", headerKey: "",
	} {
		if r.Header.Del(header); value != "" {
			r.Header.Set(header, value)
		}
	}
	if e.Method != http.MethodGet && !isOperation(e) && c.prefer.returns == "" {
		r.Header.Set("Prefer", "return=minimal") // as for entries that go through the door together
	}
	heard := &heardWriter{header: http.Header{}, status: http.StatusOK}
	c.whole().ServeHTTP(heard, r)
	return heard, nil
}

// whole answers all that is served below the base.
func (s *Server) whole() http.Handler {
	if s.config.Whole == nil {
		return s
	}
	return s.Front(s.config.Whole())
}

// entryBody is what an entry sends: its resource, or the patch that it holds as a Binary.
func entryBody(e fhir.Request) (body []byte, contentType string, err error) {
	if !e.Resource.Exists() {
		return nil, "", nil
	}
	if e.Method != http.MethodPatch {
		return e.Resource.Raw(), "application/fhir+json", nil
	}
	body, err = base64.StdEncoding.DecodeString(e.Resource.Child("data").Text())
	if err != nil || !e.Resource.Child("resourceType").Is("Binary") {
		return nil, "", fault.New(fault.Invalid, fault.Errorf("value", e.Path+".resource", "a PATCH holds its JSON Patch as the data of a Binary"))
	}
	return body, e.Resource.Child("contentType").Text(), nil
}

// heardWriter keeps an answer.
type heardWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header of the answer.
func (h *heardWriter) Header() http.Header { return h.header }

// WriteHeader keeps the status.
func (h *heardWriter) WriteHeader(status int) { h.status = status }

// Write keeps the body.
func (h *heardWriter) Write(b []byte) (int, error) { return h.body.Write(b) }

// answer is what was heard, as that of an entry.
func (h *heardWriter) answer(base, method string) fhir.Answer {
	a := fhir.Answer{Status: statusLine(h.status), Location: cmp.Or(h.header.Get("Location"), h.header.Get("Content-Location")), ETag: h.header.Get("ETag")}
	a.LastModified, _ = http.ParseTime(h.header.Get("Last-Modified"))
	if h.body.Len() == 0 {
		return a
	}
	doc, err := tree.Parse(h.body.Bytes(), tree.Limits{Bytes: h.body.Len() + 1})
	switch {
	case err != nil:
	case doc.Root().Child("resourceType").Is("OperationOutcome"):
		a.Outcome = doc.Raw()
	case method == http.MethodGet || method == http.MethodHead || h.header.Get(headerOutcome) == "":
		a.Resource = doc.Raw()
	default:
		a.Resource = doc.Raw()
		a.FullURL = base + "/" + doc.Root().Child("resourceType").Text() + "/" + doc.Root().Child("id").Text()
	}
	return a
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

var (
	namedForm = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}$`)
	whereForm = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}\?.+$`)
)

// entryAllowed refuses what an entry may not ask for.
func entryAllowed(e fhir.Request) error {
	request := e.Path + ".request"
	url := strings.TrimPrefix(e.URL, "/")
	named := namedForm.MatchString(url) || whereForm.MatchString(url)
	wrong := func(code, path, text string) error {
		return fault.New(fault.Invalid, fault.Errorf(code, path, "%s", text))
	}
	switch e.Method {
	case "":
		return wrong("required", request+".method", "an entry of a transaction or batch needs a request with method and url")
	case http.MethodGet, http.MethodHead:
		if url == "" {
			return wrong("required", request+".url", "the url is missing")
		}
		return nil
	case http.MethodDelete, http.MethodPatch:
		if !named {
			return wrong("value", request+".url", "the url of a "+e.Method+" must be Type/id or Type?search")
		}
	case http.MethodPost, http.MethodPut:
	default:
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", request+".method", "the method is none of GET, HEAD, POST, PUT, PATCH and DELETE"))
	}
	if e.Method == http.MethodDelete || e.Method == http.MethodPatch || isOperation(e) {
		return nil
	}
	k, ok := kindOf(e.Type)
	switch {
	case e.Type == "":
		return wrong("required", e.Path+".resource", "a resource with a resourceType is needed")
	case e.Type == "Subscription":
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource", "a Subscription cannot stand in a transaction: send it in a batch, or to [base]/Subscription"))
	case !ok:
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource", "%s", unknownKind(e.Type).Issues[0].Text))
	case !k.sent:
		return fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource", "a %s is made by the server and cannot be sent", e.Type))
	case e.Method == http.MethodPost && url != e.Type:
		return wrong("value", request+".url", "the url of a POST must be the type of the resource")
	case e.Method == http.MethodPut && !named:
		return wrong("value", request+".url", "the url of a PUT must be Type/id or Type?search")
	case e.Method == http.MethodPut && namedForm.MatchString(url) && url != e.Type+"/"+e.ID:
		return wrong("value", request+".url", "the url of a PUT must name the type and the id that the resource has")
	case e.Method == http.MethodPut && whereForm.MatchString(url) && !strings.HasPrefix(url, e.Type+"?"):
		return wrong("value", request+".url", "the url of a PUT must name the type of the resource")
	}
	return nil
}

// answers are those to entries that went through the door.
func (c *call) answers(entries []fhir.Request, receipts []decision.Receipt) ([]fhir.Answer, error) {
	bodies := c.prefer.returns == "representation"
	stored, err := c.storedAll(receipts, bodies)
	if err != nil {
		return nil, err
	}
	out := make([]fhir.Answer, len(receipts))
	for i, r := range receipts {
		out[i] = c.answer(entries[i].Method, r, stored[i])
	}
	return out, nil
}

func (c *call) answer(method string, r decision.Receipt, stored storedVersion) fhir.Answer {
	if r.Outcome == record.Rejected {
		return fhir.Answer{Status: statusLine(entryStatus(r.Kind)), Outcome: fhir.Outcome(fhir.Issues(r.Kind, r.Issues)...)}
	}
	if r.Outcome == record.Gone || method == http.MethodDelete {
		a := fhir.Answer{Status: statusLine(http.StatusNoContent), LastModified: r.Received}
		if r.Resource.Version > 0 {
			a.ETag = etag(r.Resource.Version)
		}
		return a
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
