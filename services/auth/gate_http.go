package auth

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// HTTP passes requests through the gate to what lies behind.
func (g *Gate) HTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := askedOver(r)
		if a.rule.Socket {
			g.socket(w, r, a, next)
			return
		}
		if g.config.CDSClient != nil {
			a.signed = func() (access.Principal, bool, error) { return g.config.CDSClient(r, a.authorization) }
		}
		if err := g.enter(r.Context(), a); err != nil {
			g.refused(r.Context(), a, statusOf(err))
			Problem(w, err)
			return
		}
		r, err := unpack(w, r, g.config.MaxBody)
		if err == nil && !a.rule.Open {
			r, err = g.body(a, r)
		}
		if err != nil {
			g.refused(r.Context(), a, statusOf(err))
			Problem(w, err)
			return
		}
		if a.rule.Open {
			next.ServeHTTP(w, r)
			return
		}
		g.serve(w, r, a, next)
	})
}

// statusOf is the HTTP status of an error, for the audit.
func statusOf(err error) string { return strconv.Itoa(fhir.Status(fault.Of(err))) }

func (g *Gate) serve(w http.ResponseWriter, r *http.Request, a *asked, next http.Handler) {
	ctx, err := g.admitted(r.Context(), a)
	if err != nil {
		Problem(w, err)
		return
	}
	leave, err := g.place(ctx, a, 0)
	if err != nil {
		g.refused(ctx, a, statusOf(err))
		Problem(w, err)
		return
	}
	defer leave()
	answer := &audited{ResponseWriter: w, gate: g, asked: a, ctx: ctx}
	defer answer.close()
	next.ServeHTTP(answer, r.WithContext(ctx))
	answer.begin(http.StatusOK)
}

func askedOver(r *http.Request) *asked {
	a := &asked{
		door: "http", rule: access.Door(r.Method, path.Clean(r.URL.Path)), authorization: r.Header.Get("Authorization"),
		address: host(r.RemoteAddr), purpose: r.Header.Get(purposeHeader), breaking: r.Header.Get(breakingHeader),
		query: r.Method + " " + r.URL.RequestURI(),
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		a.certificate = r.TLS.VerifiedChains[0][0]
	}
	a.method, a.typ, a.things = shape(r)
	return a
}

// outside are the first parts of paths beside those of FHIR REST.
var outside = []string{"", "metrics", "healthz", "auth", "cds-services", "board", "websocket"}

// shape is a request without what its caller chose freely: the audit names the route, the type and the resource.
func shape(r *http.Request) (method, typ string, things []string) {
	verb := "OTHER"
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		verb = r.Method
	}
	below, fhirPath := strings.CutPrefix(path.Clean(r.URL.Path), access.Prefix+"/")
	if !fhirPath {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !slices.Contains(outside, first) {
			first = "{}"
		}
		return verb + " /" + first, "", nil
	}
	parts := strings.Split(below, "/")
	out := verb + " " + access.Prefix
	for i, part := range parts {
		switch {
		case i == 0 && fhir.ResourceType(part):
			typ = part
			out += "/" + part
		case access.KnownOperation(part) || part == "_search" || part == "_history":
			out += "/" + part
		case i == 1 && typ != "" && ref.ValidID(part):
			things = []string{typ + "/" + part}
			out += "/{id}"
		default:
			out += "/{}"
		}
	}
	return out, typ, things
}

// unpack undoes a Content-Encoding of gzip, within the bounds of an unpacked body.
func unpack(w http.ResponseWriter, r *http.Request, most int64) (*http.Request, error) {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if !strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		return r, nil
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return r, fault.Newf(fault.Invalid, "structure", "the body is not gzip, as its Content-Encoding says")
	}
	r.Header.Del("Content-Encoding")
	r.Header.Del("Content-Length")
	r.ContentLength = -1
	r.Body = http.MaxBytesReader(w, struct {
		io.Reader
		io.Closer
	}{unzipped, r.Body}, most)
	return r, nil
}

// body looks into what was sent where the scopes do not allow everything.
func (g *Gate) body(a *asked, r *http.Request) (*http.Request, error) {
	if !a.rule.Body || a.who.AllowAll(access.AllVerbs) {
		return r, nil
	}
	if a.rule.Interaction == "create" && a.typ != "" && r.Header.Get("If-None-Exist") != "" && !a.who.Allow(a.typ, access.Search) {
		return r, forbidden()
	}
	verb := access.Create
	switch a.rule.Interaction {
	case "update":
		verb = access.Update
	case "batch":
		verb = access.Create | access.Update
	}
	if a.typ != "" && a.who.AllowFreely(a.typ, verb) && !a.who.Scopes.ByPatient() {
		return r, nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return r, fault.Newf(fault.TooLarge, "too-long", "the body is larger than %d bytes", g.config.MaxBody)
		}
		return r, fault.Newf(fault.Invalid, "structure", "the body broke off")
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	return r, mayWrite(a.who, text, verb, false)
}

// Problem answers with an OperationOutcome: with 405 for what is not supported where the header Allow says what is.
func Problem(w http.ResponseWriter, err error) {
	h := w.Header()
	kind := fault.Of(err)
	switch kind {
	case fault.Unauthenticated:
		h.Set("WWW-Authenticate", "Bearer")
	case fault.Throttled, fault.Unavailable:
		wait := 2
		if soon, ok := errors.AsType[*TooSoon](err); ok {
			wait = seconds(soon.Wait)
		}
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	status := fhir.Status(kind)
	if kind == fault.NotSupported && h.Get("Allow") != "" {
		status = http.StatusMethodNotAllowed
	}
	fhirReply(w, status, fhir.OutcomeOf(err))
}

// fhirReply answers with a resource.
func fhirReply(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever went away asks again
}

// audited holds an answer back until the audit of it is durable.
type audited struct {
	http.ResponseWriter
	gate  *Gate
	asked *asked
	ctx   context.Context

	begun, blocked bool
	status         int
}

// begin writes the audit at the first sign of an answer.
func (w *audited) begin(status int) {
	if w.begun {
		return
	}
	w.begun, w.status = true, status
	patients, things := trailOf(w.ctx).take()
	err := w.gate.record(w.ctx, w.asked, outcomeOfStatus(status), strconv.Itoa(status), patients, things)
	if err == nil || w.asked.writes() {
		return
	}
	w.blocked = true
	h := w.Header()
	for name := range h {
		h.Del(name) // nothing of the answer is shown, also not its ETag
	}
	Problem(w.ResponseWriter, err)
}

func outcomeOfStatus(status int) audit.Outcome {
	switch {
	case status < 400:
		return audit.Done
	case status < 500:
		return audit.Refused
	default:
		return audit.Failed
	}
}

// WriteHeader begins the answer.
func (w *audited) WriteHeader(status int) {
	if status >= 200 {
		w.begin(status)
	}
	if !w.blocked {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write goes on with the answer. What is blocked is swallowed.
func (w *audited) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	if w.blocked {
		return len(b), nil
	}
	if trailOf(w.ctx).waiting() >= auditPatients {
		w.gate.rest(w.ctx, w.asked, trailOf(w.ctx), audit.Done, strconv.Itoa(w.status))
	}
	return w.ResponseWriter.Write(b)
}

// FlushError sends what was written so far.
func (w *audited) FlushError() error {
	w.begin(http.StatusOK)
	if w.blocked {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for those who do not ask how it went.
func (w *audited) Flush() { _ = w.FlushError() }

// close notes what was touched after the answer had begun.
func (w *audited) close() {
	w.gate.rest(w.ctx, w.asked, trailOf(w.ctx), audit.Done, strconv.Itoa(w.status))
}

// TenantOf is the tenant of a request that has passed the gate. Errors: Unauthenticated.
func TenantOf(r *http.Request) (ref.Tenant, error) {
	p, err := From(r.Context())
	return p.Tenant, err
}
