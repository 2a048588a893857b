package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// searchURL searches by the query of a GET.
func (c *call) searchURL() error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	return c.search(c.r.PathValue("type"), values)
}

func badQuery() error {
	return fault.Newf(fault.Invalid, "invalid", "the parameters are not correctly URL-encoded")
}

// searchForm searches by the form of a POST, to which those of the URL are added.
func (c *call) searchForm() error {
	values, err := c.form()
	if err != nil {
		return err
	}
	return c.search(c.r.PathValue("type"), values)
}

// compartment searches what is about one patient.
func (c *call) compartment() error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if c.r.Method == http.MethodPost {
		values, err = c.form()
	} else if err != nil {
		err = badQuery()
	}
	if err != nil {
		return err
	}
	id := c.r.PathValue("id")
	if c.r.PathValue("type") != "Patient" || !ref.ValidID(id) {
		return fault.Newf(fault.NotFound, "not-found", "there is no such FHIR endpoint; see [base]/metadata for those there are")
	}
	k, ok := kindOf(c.r.PathValue("tail"))
	if !ok {
		return unknownKind(c.r.PathValue("tail"))
	}
	name, value, ok := k.compartment(ref.Patient(id))
	if !ok {
		return fault.Newf(fault.NotFound, "not-supported", "resources of type %s belong to no patient: search for them by themselves", k.name)
	}
	values.Add(name, value)
	return c.search(k.name, values)
}

// compartment is the condition by which a type belongs to a patient; ok is false for a type that belongs to none.
func (k *kind) compartment(p ref.Patient) (name, value string, ok bool) {
	switch {
	case k.find == nil:
		return "", "", false
	case k.name == "Patient":
		return "_id", string(p), true
	case k.name == "Group":
		return "member", p.Reference(), true
	default:
		return "patient", p.Reference(), search.Find(k.name, "patient") != nil
	}
}

func (c *call) form() (url.Values, error) {
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); c.r.ContentLength != 0 && (err != nil || t != "application/x-www-form-urlencoded") {
		return nil, unsupported("a _search must be sent as application/x-www-form-urlencoded")
	}
	var form bytes.Buffer
	_, err := io.Copy(&form, http.MaxBytesReader(c.w, c.r.Body, maxForm))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(maxForm)
	}
	values, err := url.ParseQuery(form.String())
	if err != nil {
		return nil, badQuery()
	}
	more, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, badQuery()
	}
	for name, list := range more {
		values[name] = append(values[name], list...)
	}
	return values, nil
}

func (c *call) search(name string, values url.Values) error {
	k, ok := kindOf(name)
	if !ok {
		return unknownKind(name)
	}
	if k.find == nil {
		return fault.Newf(fault.Invalid, "not-supported", "%s cannot be searched, only read by id; searched can be %s",
			name, names(func(k *kind) bool { return k.find != nil }))
	}
	q, err := readInquiry(k, values, c.base, c.config.Now().In(c.config.Zone))
	if err != nil {
		return err
	}
	if refused := q.ignoredIssues(fault.Error); c.prefer.strict && len(refused) > 0 {
		return fault.New(fault.Invalid, refused...)
	}
	var f found
	var named []ref.Patient
	ctx := c.r.Context()
	aside := auth.Aside(ctx)
	err = c.lookIn(aside, func(v *sight) (err error) {
		again := *q // the reading below changes it, and it may be read again
		if f, err = again.run(ctx, v); err != nil {
			return err
		}
		if named = again.patients; len(f.hits) == 0 {
			err = v.lookAt(named) // that there is nothing tells something of them too
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range named {
		if auth.Looked(aside, p) {
			auth.Touched(ctx, p, "")
		}
	}
	for _, h := range slices.Concat(f.hits, f.included) {
		auth.Touched(ctx, h.doc.Patient, h.typ+"/"+h.id)
	}
	c.issueHeaders(q.ignoredIssues(fault.Warning))
	c.reply(http.StatusOK, q.bundle(c.base, f))
	return nil
}

// lookAt looks at patients, so that it is known which of them are there.
func (v *sight) lookAt(patients []ref.Patient) error {
	names := make([]ref.Resource, len(patients))
	for i, p := range patients {
		names[i] = ref.Resource{Type: "Patient", ID: string(p)}
	}
	_, err := v.Records(names...)
	return err
}

func (q *inquiry) ignoredIssues(severity fault.Severity) []fault.Issue {
	var out []fault.Issue
	for _, name := range q.ignored {
		out = append(out, fault.Issue{
			Severity: severity, Code: "not-supported",
			Text: "the search parameter " + name + " is not supported for " + q.kind.name + " and was not applied",
		})
	}
	return out
}

// bundle is the answer to a search.
func (q *inquiry) bundle(base string, f found) []byte {
	target := base + "/" + q.kind.name
	out := fhir.Searchset{Self: withQuery(target, q.used), Total: f.total}
	if q.later() {
		out.Self = q.pageURL(target, q.cursor)
	}
	if f.more && q.count > 0 {
		out.Next = q.pageURL(target, cursor{after: f.reached, seen: q.cursor.seen + len(f.hits), now: q.cursor.now, upto: &f.upto, total: q.onward(&f)})
	}
	for _, h := range f.hits {
		out.Matches = append(out.Matches, fhir.Match{FullURL: base + "/" + h.typ + "/" + h.id, Resource: q.shape.of(h.typ, h.served)})
	}
	for _, h := range f.included {
		out.Included = append(out.Included, fhir.Match{FullURL: base + "/" + h.typ + "/" + h.id, Resource: h.served})
	}
	if ignored := q.ignoredIssues(fault.Warning); ignored != nil && q.count > 0 {
		out.Outcome = fhir.Outcome(ignored...)
	}
	return out.Bundle()
}

func (q *inquiry) pageURL(target string, at cursor) string {
	values := url.Values{pageParam: {at.String()}}
	for name, list := range q.used {
		values[name] = list
	}
	return withQuery(target, values)
}

func withQuery(target string, values url.Values) string {
	if len(values) == 0 {
		return target
	}
	return target + "?" + values.Encode()
}

// absolute says whether a canonical is a whole URL.
func absolute(url string) bool { return strings.Contains(url, ":") }
