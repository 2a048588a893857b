package rest

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// call is one request on its way through a handler.
type call struct {
	*Server
	w      http.ResponseWriter
	r      *http.Request
	tenant ref.Tenant
	base   string
	prefer preference
	// fetched are definitions that were not at hand; nil where none is known.
	fetched map[defined]*instrument.Definition
}

// routes are what is answered below Prefix. A handler refuses what its type does not offer.
func (s *Server) routes() {
	s.open("GET "+Prefix+"/metadata", (*call).metadata)
	for _, r := range []struct {
		pattern string
		handle  func(*call) error
	}{
		{"POST ", (*call).bundle},
		{"POST /{$}", (*call).bundle},
		{"GET /_history", (*call).historyOfAll},
		{"GET /{type}", (*call).searchURL},
		{"POST /{type}", (*call).create},
		{"PUT /{type}", (*call).updateWhere},
		{"PATCH /{type}", (*call).patchWhere},
		{"DELETE /{type}", (*call).deleteWhere},
		{"POST /{type}/_search", (*call).searchForm},
		{"GET /{type}/_history", (*call).historyOfType},
		{"GET /{type}/{id}", (*call).read},
		{"PUT /{type}/{id}", (*call).update},
		{"PATCH /{type}/{id}", (*call).patch},
		{"DELETE /{type}/{id}", (*call).delete},
		{"GET /{type}/{id}/_history", (*call).historyOf},
		{"GET /{type}/{id}/_history/{vid}", (*call).vread},
		{"GET /{type}/{id}/{tail}", (*call).compartment},
		{"POST /{type}/{id}/{tail}/_search", (*call).compartment},
	} {
		method, path, _ := strings.Cut(r.pattern, " ")
		s.closed(method+" "+Prefix+path, r.handle)
	}
	for i := range kinds {
		for _, o := range kinds[i].offered() {
			s.offer("/"+kinds[i].name, kinds[i].name, o, o.onType)
			s.offer("/"+kinds[i].name+"/{id}", kinds[i].name, o, o.onInstance)
		}
	}
}

// offer answers an operation.
func (s *Server) offer(path, typ string, o operation, handle func(*call) error) {
	if handle == nil {
		return
	}
	named := func(c *call) error {
		c.r.SetPathValue("type", typ)
		return handle(c)
	}
	s.closed("POST "+Prefix+path+"/$"+o.name, named)
	if o.getToo && strings.Contains(path, "{id}") {
		s.closed("GET "+Prefix+path+"/$"+o.name, named)
	}
}

// open routes are for everybody.
func (s *Server) open(pattern string, handle func(*call) error) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c := &call{Server: s, w: w, r: r, base: s.base(r), prefer: readPrefer(r.Header), fetched: map[defined]*instrument.Definition{}}
		c.finish(handle(c))
	})
}

// Routes are the patterns of what is answered, as http.ServeMux reads them.
func (s *Server) Routes() []string { return s.patterns }

// closed routes are for those who have a tenant.
func (s *Server) closed(pattern string, handle func(*call) error) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c := &call{Server: s, w: w, r: r, base: s.base(r), prefer: readPrefer(r.Header), fetched: map[defined]*instrument.Definition{}}
		tenant, err := s.config.Tenant(r)
		if err != nil {
			c.finish(err)
			return
		}
		c.tenant = tenant
		c.finish(handle(c))
	})
}

// ServeHTTP answers every request below Prefix with FHIR JSON, whatever happens.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Front(s.Inside()).ServeHTTP(w, r)
}

// Inside answers what has passed Front.
func (s *Server) Inside() http.Handler { return http.HandlerFunc(s.inside) }

func (s *Server) inside(w http.ResponseWriter, r *http.Request) {
	if err := noOperation(r.Method, r.URL.Path); err != nil {
		(&call{Server: s, w: w, r: r}).finish(err)
		return
	}
	handler, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	probe := &probeWriter{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	s.refuse(w, r, probe.status, probe.header.Get("Allow"))
}

// refuse says in FHIR what the mux would have said in plain text.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, allow string) {
	c := &call{Server: s, w: w, r: r}
	if status == http.StatusMethodNotAllowed {
		c.finish(notAllowed(r.Method, allow))
		return
	}
	c.finish(fault.Newf(fault.NotFound, "not-found", "there is no such FHIR endpoint; see [base]/metadata for those there are"))
}

// method of a request as it may stand in an answer.
func method(r *http.Request) string { return methodOf(r.Method) }

func methodOf(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	default:
		return "the method"
	}
}

// recovered turns a panic into an answer, or cuts the connection when part of an answer has left. The value of a panic
// may hold patient data, so only errors of the runtime are logged with their text.
func (s *Server) recovered(w *watchedWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	what := "a value that is not logged"
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	s.config.Log.Error("panic in a request", slog.String("method", method(r)), slog.String("route", r.Pattern),
		slog.String("panic", what), slog.String("stack", string(debug.Stack())))
	if w.wrote {
		panic(http.ErrAbortHandler)
	}
	clear(w.Header())
	(&call{Server: s, w: w, r: r}).problem(fault.New(fault.Internal))
}

// watchedWriter knows whether an answer has begun.
type watchedWriter struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader begins the answer.
func (w *watchedWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

// Write begins or goes on with the answer.
func (w *watchedWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// probeWriter learns what the mux would have answered, and drops it.
type probeWriter struct {
	header http.Header
	status int
}

func (p *probeWriter) Header() http.Header         { return p.header }
func (p *probeWriter) Write(b []byte) (int, error) { return len(b), nil }
func (p *probeWriter) WriteHeader(status int)      { p.status = status }

// base is the URL that clients use: configured, or made from a Host that is a loopback address. A Host that is not
// could be forged, so then it is the listener's own address.
func (s *Server) base(r *http.Request) string {
	here := loopback(r.Host)
	if s.config.BaseURL != "" && (!s.config.ByHost || !here) {
		return s.config.BaseURL
	}
	if base, ok := s.forwarded(r); ok {
		return base
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if here {
		return scheme + r.Host + Prefix
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return scheme + addr.String() + Prefix
	}
	return scheme + "localhost" + Prefix
}

// loopback says whether a Host header is an address of this machine, and nothing else beside it.
func loopback(host string) bool {
	u, err := url.Parse("//" + host)
	if err != nil || u.Host != host {
		return false
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}
