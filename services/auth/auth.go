// Package auth turns a bearer token into a Principal, on gRPC and REST alike.
package auth

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Authenticator turns what the caller sent in `Authorization` into a Principal. Errors: Unauthenticated.
type Authenticator interface {
	Principal(authorization string) (access.Principal, error)
}

// Loopback takes every caller for one principal. It is only for servers that nobody but this machine can reach.
type Loopback struct {
	// As is who everybody is.
	As access.Principal
}

// Principal is always the same.
func (l Loopback) Principal(string) (access.Principal, error) { return l.As, nil }

// Tokens are the SHA-256 digests of bearer tokens with their principals.
type Tokens struct{ byDigest map[[32]byte]access.Principal }

// ReadTokens reads lines of `name tenant sha256-hex`; empty lines and lines that begin with # do not count.
// The file never holds a token itself.
func ReadTokens(r io.Reader) (*Tokens, error) {
	t := &Tokens{byDigest: map[[32]byte]access.Principal{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d: want `name tenant sha256-hex`", n)
		}
		digest, err := hex.DecodeString(fields[2])
		if err != nil || len(digest) != sha256.Size {
			return nil, fmt.Errorf("line %d: the third field is not the 64 hex digits of a SHA-256", n)
		}
		t.byDigest[[32]byte(digest)] = access.Principal{Name: fields[0], Tenant: ref.Tenant(fields[1])}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	if len(t.byDigest) == 0 {
		return nil, fmt.Errorf("no token in the file: add one with `rapport token`")
	}
	return t, nil
}

// NewToken is a fresh token and the line that lets it in.
func NewToken(name string, tenant ref.Tenant) (token, line string) {
	token = rand.Text()
	digest := sha256.Sum256([]byte(token))
	return token, fmt.Sprintf("%s %s %s", name, tenant, hex.EncodeToString(digest[:]))
}

// Principal looks the token up by its digest, so that comparing takes the same time for every wrong one.
func (t *Tokens) Principal(authorization string) (access.Principal, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "send `Authorization: Bearer <token>`")
	}
	p, ok := t.byDigest[sha256.Sum256([]byte(strings.TrimSpace(token)))]
	if !ok {
		return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "the token is not known here")
	}
	return p, nil
}

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

// open lists the gRPC methods that anybody may call: health and reflection say nothing about patients.
func open(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.v1.") || strings.HasPrefix(method, "/grpc.reflection.")
}

// Unary lets gRPC calls in.
func Unary(a Authenticator, refuse func(error) error) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx, err := enter(ctx, a, info.FullMethod)
		if err != nil {
			return nil, refuse(err)
		}
		return handle(ctx, req)
	}
}

// Stream lets gRPC streams in.
func Stream(a Authenticator, refuse func(error) error) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx, err := enter(stream.Context(), a, info.FullMethod)
		if err != nil {
			return refuse(err)
		}
		return handle(srv, &entered{stream, ctx})
	}
}

type entered struct {
	grpc.ServerStream
	ctx context.Context
}

// Context carries the principal.
func (e *entered) Context() context.Context { return e.ctx }

func enter(ctx context.Context, a Authenticator, method string) (context.Context, error) {
	if open(method) {
		return ctx, nil
	}
	var authorization string
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if values := md.Get("authorization"); len(values) > 0 {
			authorization = values[0]
		}
	}
	p, err := a.Principal(authorization)
	if err != nil {
		return nil, err
	}
	return With(ctx, p), nil
}

// Tenant is the tenant of an HTTP request. Errors: Unauthenticated.
func Tenant(a Authenticator) func(*http.Request) (ref.Tenant, error) {
	return func(r *http.Request) (ref.Tenant, error) {
		p, err := a.Principal(r.Header.Get("Authorization"))
		return p.Tenant, err
	}
}
