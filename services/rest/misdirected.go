package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// misplaced tells what a method cannot do at a path whose last part would be taken for an id; nil when nothing of that kind is
// wrong.
func misplaced(method, path string) error {
	parts := strings.Split(strings.TrimPrefix(path, Prefix+"/"), "/")
	last := parts[len(parts)-1]
	switch {
	case last == "_search" && len(parts) > 1 && method != http.MethodPost:
		return notAllowed(method, http.MethodPost)
	case last == "metadata" && len(parts) == 1, last == "_history", len(parts) > 1 && parts[len(parts)-2] == "_history":
		if method != http.MethodGet && method != http.MethodHead {
			return notAllowed(method, "GET, HEAD")
		}
	}
	return nil
}

func notAllowed(method, allow string) error {
	return &refusal{http.StatusMethodNotAllowed, allow, fault.Newf(fault.NotSupported, "not-supported",
		"%s is not supported here; allowed are %s", methodOf(method), allow)}
}

// noOperation says why a path that ends in the name of an operation is not answered; nil when it is, or is none.
func noOperation(method, path string) error {
	parts := strings.Split(strings.TrimPrefix(path, Prefix+"/"), "/")
	name, ok := strings.CutPrefix(parts[len(parts)-1], "$")
	if !ok {
		return nil
	}
	unknown := fault.Newf(fault.NotFound, "not-supported", "there is no such operation here; see [base]/metadata for those there are")
	k, ok := kindOf(parts[0])
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return unknown
	}
	offered := k.offered()
	at := slices.IndexFunc(offered, func(o operation) bool { return o.name == name })
	if at < 0 {
		return unknown
	}
	o := &offered[at]
	allow := http.MethodPost
	switch {
	case len(parts) == 2 && o.onType == nil || len(parts) == 3 && o.onInstance == nil:
		return unknown
	case method == http.MethodPost:
		return nil
	case o.getToo && len(parts) == 3:
		if method == http.MethodGet || method == http.MethodHead {
			return nil
		}
		allow = "GET, HEAD, POST"
	}
	return notAllowed(method, allow)
}
