package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Front stands before all that is answered below Prefix, by this room and by others: paths, formats, odd queries and panics
// are treated alike wherever a request leads.
func (s *Server) Front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		defer s.recovered(watched, r)
		if !clean(r.URL.Path) {
			s.refuse(watched, r, http.StatusNotFound, "")
			return
		}
		r, err := s.understood(watched, r)
		if err == nil {
			err = misplaced(r.Method, r.URL.Path)
		}
		if err != nil {
			(&call{Server: s, w: watched, r: r}).finish(err)
			return
		}
		next.ServeHTTP(watched, r)
	})
}

// clean says whether a path is written in one way alone: a mux would send who writes it otherwise elsewhere, in plain text.
func clean(p string) bool {
	return p == path.Clean(p) || p == Prefix+"/" || !below(p) && p == path.Clean(p)+"/" && p != "//"
}

// below says whether a path is one of FHIR REST.
func below(p string) bool { return p == Prefix || strings.HasPrefix(p, Prefix+"/") }

// understood is the request with its parameters as they were meant, if it can be answered in a format that the client reads.
func (s *Server) understood(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if !below(r.URL.Path) {
		return r, nil
	}
	if strings.Contains(r.URL.RawQuery, ";") {
		at := *r.URL
		at.RawQuery = plainQuery(at.RawQuery)
		r = r.WithContext(r.Context())
		r.URL = &at
	}
	format := r.URL.Query()["_format"]
	if searches(r) {
		form, err := readForm(w, r)
		if err != nil {
			return r, err
		}
		sent, _ := url.ParseQuery(form) // who reads the form tells what is wrong with it
		format = append(format, sent["_format"]...)
	}
	if s.config.OwnFormat != nil && s.config.OwnFormat(r.URL.Path) {
		return r, nil
	}
	return r, acceptable(r.Header, format)
}

// searches says whether a form of parameters is sent.
func searches(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/x-www-form-urlencoded" && r.Method == http.MethodPost && path.Base(r.URL.Path) == "_search"
}

// readForm reads the form of a search, and leaves it to be read again.
func readForm(w http.ResponseWriter, r *http.Request) (string, error) {
	form, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", tooLarge(maxForm)
	}
	if err != nil {
		return "", fault.Newf(fault.Invalid, "incomplete", "the form broke off")
	}
	plain := plainQuery(string(form))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte(plain))), int64(len(plain))
	return plain, nil
}

// plainQuery writes a semicolon as the part of a value that it is: net/url takes it for neither that nor a separator.
func plainQuery(query string) string { return strings.ReplaceAll(query, ";", "%3B") }
