package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// tokenLife is how long an access token counts: what SMART allows a backend service.
const tokenLife = 300 * time.Second

// audience of our access tokens, and issuer where none is configured.
const audience = "rapport"

// claims of our access tokens. What the client may do beyond its scopes is read from the registry, so that a change
// counts for tokens that are out.
type claims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	// Generation of the client when it was given out.
	Generation int64 `json:"generation"`
}

// Issuer gives out access tokens and knows its own again: JWTs signed by a key of the Ring, so every server checks them
// without asking anybody, and the registry says whether they were revoked.
type Issuer struct {
	ring    *Ring
	clients *Registry
	now     func() time.Time
	known   known
}

// NewIssuer is over a ring of keys and a registry.
func NewIssuer(ring *Ring, clients *Registry, now func() time.Time) *Issuer {
	return &Issuer{ring: ring, clients: clients, now: now}
}

// Issue is a token for a client with the scopes that were granted, and how many seconds it counts.
func (i *Issuer) Issue(ctx context.Context, c access.Client, granted access.Scopes) (token string, seconds int, err error) {
	k, err := i.ring.current(ctx)
	if err != nil {
		return "", 0, err
	}
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: k.private}, options)
	if err != nil {
		return "", 0, fault.Wrap(fault.Internal, err, "signing a token")
	}
	now := i.now()
	token, err = jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: audience, Subject: c.ID, Audience: jwt.Audience{audience}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife)),
		},
		ClientID: c.ID, Scope: granted.String(), Generation: c.Generation,
	}).Serialize()
	return token, int(tokenLife.Seconds()), fault.Wrap(fault.Internal, err, "signing a token")
}

// Principal is whom one of our tokens was given to. ours is false for a token that another gave out. Errors:
// Unauthenticated; Unavailable when the keys cannot be read.
func (i *Issuer) Principal(ctx context.Context, token string) (p access.Principal, ours bool, err error) {
	digest := sha256.Sum256([]byte(token))
	read, ok := i.known.find(digest)
	if !ok {
		if read, ours, err = i.check(ctx, token); err != nil || !ours {
			return p, ours, err
		}
		i.known.keep(digest, read, i.now())
	}
	now := i.now()
	if !now.Before(read.Expiry.Time()) {
		return p, true, expired()
	}
	c, ok := i.clients.Client(read.ClientID)
	if !ok || read.Generation != c.Generation {
		return p, true, fault.Newf(fault.Unauthenticated, "login", "the token was revoked")
	}
	scopes, err := access.ParseScopes(read.Scope)
	if err != nil {
		return p, true, expired()
	}
	// What the registration allows now bounds what the token was given.
	p = c.Principal(c.Allowed().Narrow(scopes))
	p.Token = read.ID
	return p, true, nil
}

func expired() error { return fault.Newf(fault.Unauthenticated, "expired", "the token has expired") }

// check verifies a token that was not seen before.
func (i *Issuer) check(ctx context.Context, token string) (c claims, ours bool, err error) {
	if strings.Count(token, ".") != 2 || len(token) > maxToken {
		return c, false, nil
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES384})
	if err != nil || len(parsed.Headers) != 1 {
		return c, false, nil
	}
	k, ok, err := i.ring.find(ctx, parsed.Headers[0].KeyID)
	if err != nil || !ok {
		return c, false, err
	}
	wrong := fault.Newf(fault.Unauthenticated, "login", "the token does not count here")
	if typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string); typ != "at+jwt" {
		return c, true, wrong
	}
	if parsed.Claims(k.private.Public(), &c) != nil || c.Expiry == nil || c.IssuedAt == nil || c.Issuer != audience || !c.Audience.Contains(audience) {
		return c, true, wrong
	}
	return c, true, nil
}

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// known remembers tokens whose signature was found right, by their digest: checking one costs a millisecond.
type known struct {
	mu sync.Mutex
	by map[[32]byte]claims
}

// maxKnown bounds what is remembered.
const maxKnown = 10_000

func (k *known) find(digest [32]byte) (claims, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.by[digest]
	return c, ok
}

func (k *known) keep(digest [32]byte, c claims, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[[32]byte]claims{}
	}
	if len(k.by) >= maxKnown {
		for d, old := range k.by {
			if !now.Before(old.Expiry.Time()) {
				delete(k.by, d)
			}
		}
	}
	if len(k.by) >= maxKnown {
		clear(k.by)
	}
	k.by[digest] = c
}
