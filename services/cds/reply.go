package cds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
)

// maxBody is the largest request, in bytes: prefetched resources come with it.
const maxBody = 4 << 20

// refusal is a fault whose HTTP status its kind does not tell.
type refusal struct {
	status int
	*fault.Fault
}

// Unwrap is the fault.
func (r *refusal) Unwrap() error { return r.Fault }

// answered sends what handle returns, or why it could not.
func (s *Server) answered(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := handle(r)
		if err != nil {
			s.problem(w, r, err)
			return
		}
		send(w, http.StatusOK, "application/json", body)
	}
}

// problem answers an error with an OperationOutcome.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = fault.Newf(fault.Unavailable, "timeout", "the time for the request ran out; send it again")
	}
	kind := fault.Of(err)
	status := fhir.Status(kind)
	if own, ok := errors.AsType[*refusal](err); ok {
		status = own.status
	}
	switch kind {
	case fault.Unauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case fault.Unavailable:
		w.Header().Set("Retry-After", "2")
	}
	if kind == fault.Internal || kind == fault.Unavailable {
		s.config.Log.Error("a CDS request failed", slog.String("route", r.Pattern), slog.String("kind", kind.String()), slog.Any("error", err))
	}
	send(w, status, "application/fhir+json", json.RawMessage(fhir.OutcomeOf(err)))
}

// misplaced says in FHIR what the mux would have said in plain text.
func (s *Server) misplaced(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	probe := &probeWriter{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.problem(w, r, &refusal{probe.status, fault.Newf(fault.NotSupported, "not-supported", "the method is not supported here")})
		return
	}
	s.problem(w, r, fault.Newf(fault.NotFound, "not-found", "there is nothing here; GET %s lists the services", Prefix))
}

// probeWriter learns what the mux would have answered, and drops it.
type probeWriter struct {
	header http.Header
	status int
}

func (p *probeWriter) Header() http.Header         { return p.header }
func (p *probeWriter) Write(b []byte) (int, error) { return len(b), nil }
func (p *probeWriter) WriteHeader(status int)      { p.status = status }

func send(w http.ResponseWriter, status int, contentType string, body any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		status = http.StatusInternalServerError // only structs of strings come here; the tests send each
		b.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", contentType+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that went away needs no answer
}

// read decodes the body. Errors: Invalid, TooLarge, with the place but never the value.
func read(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.Newf(fault.TooLarge, "too-long", "the body is larger than the limit of %d bytes", maxBody)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{http.StatusRequestTimeout, fault.Newf(fault.Invalid, "timeout", "the body did not arrive in time")}
	case err != nil:
		return fault.Newf(fault.Invalid, "incomplete", "the body broke off")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return fault.New(fault.Invalid, fault.Errorf("structure", wrong.Field, "it must not be a JSON %s", wrong.Value))
		}
		return fault.Newf(fault.Invalid, "structure", "the body is no JSON object of a CDS Hooks request")
	}
	return nil
}

// cross tells a browser of another origin whether it may call. It says whether the request was only that question.
func (s *Server) cross(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	asks := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if !slices.Contains(s.config.Origins, origin) {
		if asks {
			w.WriteHeader(http.StatusForbidden)
		}
		return asks
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if !asks {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+headerSource)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
