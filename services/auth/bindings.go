package auth

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// bindingLife is how long a binding of a websocket counts: its client binds anew before, over the same connection or another.
const bindingLife = time.Hour

// bindingAudience and bindingType tell the tokens that bind websockets from those that give access.
const (
	bindingAudience = "rapport-websocket"
	bindingType     = "ws+jwt"
)

// Binding is the right to be told of subscriptions over a websocket.
type Binding struct {
	// Principal who may.
	Principal access.Principal
	// Generation of its registration; 0 for who is not registered.
	Generation int64
	// Subscriptions by id; none for all that the principal asks for.
	Subscriptions []string
	// Until is when it ends.
	Until time.Time
}

type bindingClaims struct {
	jwt.Claims
	Tenant        string   `json:"tenant"`
	Generation    int64    `json:"generation"`
	Subscriptions []string `json:"subscriptions"`
}

// Bindings gives out the tokens that bind websockets: JWTs signed by a key of the Ring, so that any server takes them.
type Bindings struct {
	ring    *Ring
	clients *Registry
	now     func() time.Time
}

// NewBindings is over a ring of keys and a registry.
func NewBindings(ring *Ring, clients *Registry, now func() time.Time) *Bindings {
	return &Bindings{ring: ring, clients: clients, now: now}
}

// Of is the right of somebody whom a door has let in.
func (b *Bindings) Of(p access.Principal, subscriptions ...string) Binding {
	c, _ := b.clients.Client(p.Name)
	return Binding{p, c.Generation, subscriptions, b.now().Add(bindingLife).Truncate(time.Second)}
}

// Issue is a token for a binding.
func (b *Bindings) Issue(ctx context.Context, of Binding) (token string, err error) {
	k, err := b.ring.current(ctx)
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType(bindingType).WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: k.private}, options)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "signing a token")
	}
	token, err = jwt.Signed(signer).Claims(bindingClaims{
		Claims: jwt.Claims{
			Issuer: audience, Subject: of.Principal.Name, Audience: jwt.Audience{bindingAudience}, ID: rand.Text(), Expiry: jwt.NewNumericDate(of.Until),
		},
		Tenant: string(of.Principal.Tenant), Generation: of.Generation, Subscriptions: of.Subscriptions,
	}).Serialize()
	return token, fault.Wrap(fault.Internal, err, "signing a token")
}

// Read is what a token binds. Errors: Unauthenticated; Unavailable when the keys cannot be read.
func (b *Bindings) Read(ctx context.Context, token string) (Binding, error) {
	wrong := fault.Newf(fault.Unauthenticated, "login", "this is no token of $get-ws-binding-token")
	if len(token) > maxToken {
		return Binding{}, wrong
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES384})
	if err != nil || len(parsed.Headers) != 1 {
		return Binding{}, wrong
	}
	k, ok, err := b.ring.find(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return Binding{}, err
	}
	var c bindingClaims
	if typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string); !ok || typ != bindingType ||
		parsed.Claims(k.private.Public(), &c) != nil || c.Expiry == nil || !c.Audience.Contains(bindingAudience) || len(c.Subscriptions) == 0 {
		return Binding{}, wrong
	}
	p := access.Principal{Name: c.Subject, Tenant: ref.Tenant(c.Tenant), Token: c.ID}
	read := Binding{p, c.Generation, c.Subscriptions, c.Expiry.Time()}
	return read, b.Holds(read)
}

// Holds says why a binding counts no more: it has expired, or its client was revoked or has new keys.
// Errors: Unauthenticated.
func (b *Bindings) Holds(of Binding) error {
	if !b.now().Before(of.Until) {
		return fault.Newf(fault.Unauthenticated, "expired", "the binding has expired: ask $get-ws-binding-token for a new token")
	}
	c, registered := b.clients.Client(of.Principal.Name)
	if b.clients.Revoked(of.Principal.Name) || registered && c.Generation != of.Generation {
		return fault.Newf(fault.Unauthenticated, "login", "the client was revoked, or has new keys: ask for new tokens")
	}
	return nil
}
