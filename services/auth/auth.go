// Package auth turns a bearer token into a Principal, on gRPC and REST alike.
package auth

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Authenticator turns what the caller sent in `Authorization` into a Principal. Errors: Unauthenticated.
type Authenticator interface {
	Principal(authorization string) (access.Principal, error)
}

// ContextAuthenticator is an Authenticator that may have to ask the store or an issuer.
type ContextAuthenticator interface {
	Authenticator
	// PrincipalIn is Principal within ctx. Errors: Unauthenticated, Unavailable.
	PrincipalIn(ctx context.Context, authorization string) (access.Principal, error)
}

// Loopback takes every caller for one principal. It is only for servers that nobody but this machine can reach.
type Loopback struct {
	// As is who everybody is.
	As access.Principal
}

// Principal is always the same.
func (l Loopback) Principal(string) (access.Principal, error) { return l.As, nil }

type principalKey struct{}

// With puts a principal into a context.
func With(ctx context.Context, p access.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From is the principal of a call. Errors: Unauthenticated when no door let it in.
func From(ctx context.Context) (access.Principal, error) {
	if p, ok := ctx.Value(principalKey{}).(access.Principal); ok {
		return p, nil
	}
	return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "not authenticated")
}
