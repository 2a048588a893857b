package subscriptions

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// times says how often.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

// prefixed is a text behind a prefix, or nothing.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// below is the place of a resource below an endpoint.
func below(endpoint, name string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.JoinPath(name).String()
}

func faultOf(err error) (*fault.Fault, bool) { return errors.AsType[*fault.Fault](err) }
