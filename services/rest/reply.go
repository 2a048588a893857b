package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
)

// contentType of every answer that has a body.
const contentType = "application/fhir+json; charset=utf-8"

// retryAfter is how many seconds a client is asked to wait when the store is away.
const retryAfter = "2"

// The headers of ours.
const (
	headerSource  = "X-Rapport-Source"
	headerKey     = "Idempotency-Key"
	headerOutcome = "X-Rapport-Outcome"
	headerIssue   = "X-Rapport-Issue"
)

// refusal is a fault whose HTTP status its kind does not tell.
type refusal struct {
	status int
	allow  string
	*fault.Fault
}

// Unwrap is the fault.
func (r *refusal) Unwrap() error { return r.Fault }

// finish answers what a handler could not.
func (c *call) finish(err error) {
	if err != nil {
		c.problem(err)
	}
}

// problem answers an error with an OperationOutcome.
func (c *call) problem(err error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = fault.Newf(fault.Unavailable, "timeout", "the time for the request ran out; send it again")
	}
	kind := fault.Of(err)
	status := fhir.Status(kind)
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
		if r.allow != "" {
			c.w.Header().Set("Allow", r.allow)
		}
	}
	switch kind {
	case fault.Unavailable:
		c.w.Header().Set("Retry-After", retryAfter)
	case fault.Unauthenticated:
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if level := slog.LevelWarn; kind == fault.Internal || kind == fault.Unavailable {
		if kind == fault.Internal {
			level = slog.LevelError
		}
		c.config.Log.Log(c.r.Context(), level, "a request failed", slog.String("method", method(c.r)), slog.String("route", c.r.Pattern),
			slog.String("kind", kind.String()), slog.Any("error", err))
	}
	c.reply(status, fhir.OutcomeOf(err))
}

// reply sends an answer; body nil means that there is none.
func (c *call) reply(status int, body []byte) {
	if body != nil && c.pretty() {
		var laid bytes.Buffer
		if json.Indent(&laid, body, "", "  ") == nil {
			body = append(laid.Bytes(), '\n')
		}
	}
	h := c.w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if body != nil {
		h.Set("Content-Type", contentType)
	}
	if status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil && len(body) > 0 {
		c.config.Log.Debug("an answer did not reach its client", slog.String("route", c.r.Pattern))
	}
}

// pretty says whether the client wants JSON for people.
func (c *call) pretty() bool {
	return strings.Contains(c.r.URL.RawQuery, "_pretty") && c.r.URL.Query().Get("_pretty") == "true"
}

// etag of a version.
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// versioned sets the headers that name a stored version.
func (c *call) versioned(version int64, updated time.Time) {
	c.w.Header().Set("ETag", etag(version))
	if !updated.IsZero() {
		c.w.Header().Set("Last-Modified", updated.UTC().Format(http.TimeFormat))
	}
}

// The issues that accompany a body that is no OperationOutcome go into headers, so that none is lost.
const (
	maxIssueHeaders = 8
	maxIssueText    = 300
)

func (c *call) issueHeaders(issues []fault.Issue) {
	for i, issue := range issues {
		if i == maxIssueHeaders {
			c.w.Header().Add(headerIssue, strconv.Itoa(len(issues)-i)+" more; ask with Prefer: return=OperationOutcome")
			return
		}
		line := issue.Severity.String() + " " + issue.Code
		if issue.Path != "" {
			line += " " + issue.Path
		}
		c.w.Header().Add(headerIssue, plain(line+": "+issue.Text))
	}
}

// plain is text as it may stand in a header: printable ASCII, not too long.
func plain(text string) string {
	if len(text) > maxIssueText {
		text = text[:maxIssueText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
