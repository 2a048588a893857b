package rest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// firstBuffer bounds what is set aside on the mere word of a Content-Length.
const firstBuffer = 512 << 10

// body reads the request's body, and never more than limit bytes of it.
func (c *call) body(limit int64) ([]byte, error) {
	if c.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var b bytes.Buffer
	b.Grow(int(max(min(c.r.ContentLength, firstBuffer), 0)) + bytes.MinRead)
	_, err := io.Copy(&b, http.MaxBytesReader(c.w, c.r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{http.StatusRequestTimeout, "", fault.Newf(fault.Invalid, "timeout", "the body did not arrive in time")}
	case err != nil:
		return nil, fault.Newf(fault.Invalid, "incomplete", "the body broke off")
	case b.Len() == 0:
		return nil, fault.Newf(fault.Invalid, "required", "the body is empty")
	}
	return b.Bytes(), nil
}

func tooLarge(limit int64) error {
	return fault.Newf(fault.TooLarge, "too-long", "the body is larger than the limit of %d bytes", limit)
}

// submission is what goes through the door: the body with the headers that say where it comes from.
func (c *call) submission(typ string, limit int64) (decision.Submission, error) {
	none := decision.Submission{}
	if err := sendable(c.r.Header); err != nil {
		return none, err
	}
	source := ref.Source(c.r.Header.Get(headerSource))
	if source == "" {
		source = c.config.Source
	}
	if !ref.ValidSource(string(source)) {
		return none, fault.Newf(fault.Invalid, "value", "%s must be 1 to 64 letters, digits, `-` or `.`", headerSource)
	}
	// Some clients send the key as a quoted string, as its specification asks; others send it bare.
	key := strings.Trim(c.r.Header.Get(headerKey), `"`)
	body, err := c.body(limit)
	if err != nil {
		return none, err
	}
	return decision.Submission{Tenant: c.tenant, Source: source, Key: key, Body: body, Type: typ, Bases: c.bases(source)}, nil
}

// bases are those below which a reference leads to what is here, or to what the source has. Where none is known of the
// source there are none, and every base is its own, as at every other door: a form that is scored for nobody is an alert lost.
func (c *call) bases(source ref.Source) []string {
	known := c.config.Bases[source]
	if len(known) == 0 {
		return nil
	}
	return append([]string{c.base}, known...)
}
