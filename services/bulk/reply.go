package bulk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
)

// Prefix of all routes, which lie below FHIR REST.
const Prefix = "/fhir"

// Patterns are the routes of the room, for the mux of the server. They are more exact than those of FHIR REST.
var Patterns = []string{
	Prefix + "/$export", Prefix + "/Patient/$export", Prefix + "/Group/{id}/$export", Prefix + "/$import",
	Prefix + "/bulk/{job}", Prefix + "/bulk/{job}/{file}", Prefix + "/bulk-file/{tenant}/{job}/{secret}/{file}",
}

// IsFile says whether a path is that of a file of an export, which is NDJSON.
func IsFile(path string) bool {
	rest, isJob := strings.CutPrefix(path, Prefix+"/bulk/")
	return isJob && strings.Contains(rest, "/") || strings.HasPrefix(path, Prefix+"/bulk-file/")
}

const (
	fhirJSON = "application/fhir+json; charset=utf-8"
	ndjson   = "application/fhir+ndjson"
)

// busy is the answer to who asks too much: 429, and when to come again.
type busy struct {
	after int
	*fault.Fault
}

// Unwrap is the fault.
func (b *busy) Unwrap() error { return b.Fault }

// routes are refused with 405 by other methods than these.
func (r *Room) routes() {
	for _, route := range []struct {
		pattern string
		methods map[string]func(*call) error
	}{
		{Patterns[0], both((*call).exportAll)},
		{Patterns[1], both((*call).exportPatients)},
		{Patterns[2], both((*call).exportGroup)},
		{Patterns[3], map[string]func(*call) error{http.MethodPost: (*call).bring}},
		{Patterns[4], map[string]func(*call) error{http.MethodGet: (*call).status, http.MethodDelete: (*call).remove}},
		{Patterns[5], map[string]func(*call) error{http.MethodGet: (*call).file, http.MethodHead: (*call).file}},
		{Patterns[6], map[string]func(*call) error{http.MethodGet: (*call).secretFile, http.MethodHead: (*call).secretFile}},
	} {
		for method := range route.methods {
			r.patterns = append(r.patterns, method+" "+route.pattern)
		}
		r.mux.HandleFunc(route.pattern, func(w http.ResponseWriter, req *http.Request) {
			c := &call{Room: r, w: w, r: req}
			c.finish(c.routed(route.methods, route.pattern == Patterns[6]))
		})
	}
}

func both(handle func(*call) error) map[string]func(*call) error {
	return map[string]func(*call) error{http.MethodGet: handle, http.MethodPost: handle}
}

// Routes are the patterns of what is answered with their methods, in order.
func (r *Room) Routes() []string { return slices.Sorted(slices.Values(r.patterns)) }

// ServeHTTP answers what Patterns lead here.
func (r *Room) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// call is one request.
type call struct {
	*Room
	w   http.ResponseWriter
	r   *http.Request
	who access.Principal
	ctx context.Context
}

// routed finds out who asks, unless the URL itself is the secret.
func (c *call) routed(methods map[string]func(*call) error, open bool) error {
	handle, ok := methods[c.r.Method]
	if !ok {
		for method := range methods {
			c.w.Header().Add("Allow", method)
		}
		return fault.Newf(fault.NotSupported, "not-supported", "the method is not supported here")
	}
	c.ctx = c.r.Context()
	if open {
		return handle(c)
	}
	var err error
	if c.who, err = c.Caller(c.r); err != nil {
		return err
	}
	c.ctx = c.As(c.ctx, c.who)
	return handle(c)
}

// finish answers with an OperationOutcome what a handler could not answer.
func (c *call) finish(err error) {
	if err == nil {
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = fault.Newf(fault.Unavailable, "timeout", "the time for the request ran out; send it again")
	}
	kind := fault.Of(err)
	status := fhir.Status(kind)
	h := c.w.Header()
	switch b, isBusy := errors.AsType[*busy](err); {
	case isBusy:
		status = http.StatusTooManyRequests
		h.Set("Retry-After", strconv.Itoa(b.after))
	case h.Get("Allow") != "":
		status = http.StatusMethodNotAllowed
	case kind == fault.Unauthenticated:
		h.Set("WWW-Authenticate", "Bearer")
	case kind == fault.NotSupported:
		status = http.StatusBadRequest
	case kind == fault.Unavailable:
		h.Set("Retry-After", "2")
	}
	if kind == fault.Internal {
		c.Log.Error("a bulk request failed", slog.String("route", c.r.Pattern), slog.Any("error", err))
	}
	c.reply(status, fhirJSON, fhir.OutcomeOf(err))
}

func (c *call) reply(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil {
		c.Log.Debug("an answer did not reach its client", slog.String("route", c.r.Pattern))
	}
}

// accepted answers a kick-off.
func (c *call) accepted(job string) {
	c.w.Header().Set("Content-Location", c.Face.Base(c.r)+"/bulk/"+job)
	c.reply(http.StatusAccepted, fhirJSON, fhir.Outcome(fault.Infof("informational", "", "accepted: Content-Location is where to ask how far it is")))
}
