package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// ExternalConfig says whose tokens are taken, and which of their claims say what. A claim is named by a path of names
// parted by dots, such as `ext.tenant`.
type ExternalConfig struct {
	// Issuer is the URL of the OpenID issuer; its keys are found by discovery.
	Issuer string
	// Audience that its tokens must be for.
	Audience string
	// Tenant is the claim that names the tenant. It may only be one of Tenants, unless that is empty.
	Tenant  string
	Tenants []ref.Tenant
	// FixedTenant is that of every token, where no claim names it.
	FixedTenant ref.Tenant
	// Person, Role, Scope, Feeds, Purposes, Labels and Patient are the claims that say the rest. Empty ones say nothing.
	Person, Role, Scope, Feeds, Purposes, Labels, Patient string
	// Now is the clock.
	Now func() time.Time
}

// DefaultExternal has the usual names of claims.
func DefaultExternal() ExternalConfig {
	return ExternalConfig{
		Tenant: "tenant", Person: "fhirUser", Role: "role", Scope: "scope", Feeds: "feeds", Purposes: "purpose", Labels: "labels",
		Patient: "patient", Now: time.Now,
	}
}

// Validate says what is missing.
func (c ExternalConfig) Validate() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the issuer is no URL")
	case u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
		return errors.New("the issuer must be https")
	case c.Audience == "":
		return errors.New("an issuer needs the audience that its tokens must be for")
	case c.Tenant == "" && c.FixedTenant == "", c.Scope == "":
		return errors.New("an issuer needs a tenant, or the claim that names it, and the claim of the scopes")
	}
	return nil
}

// External takes the tokens of an OpenID issuer. The issuer is asked for its keys when the first token of it comes, and
// again when they change, so that a server starts without it.
type External struct {
	config ExternalConfig
	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tried    time.Time
}

// NewExternal asks nobody yet.
func NewExternal(c ExternalConfig) (*External, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &External{config: c, client: &http.Client{Timeout: fetchTimeout}}, nil
}

// signing are the algorithms that tokens of an issuer may be signed with: all that nobody can forge who knows the public
// keys.
var signing = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

// Principal is whom the issuer gave a token to. theirs is false for a token of another. Errors: Unauthenticated;
// Unavailable while the issuer does not answer.
func (e *External) Principal(ctx context.Context, token string) (p access.Principal, theirs bool, err error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return p, false, nil
	}
	algorithms := make([]jose.SignatureAlgorithm, len(signing))
	for i, name := range signing {
		algorithms[i] = jose.SignatureAlgorithm(name)
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	var said jwt.Claims
	if err != nil || parsed.UnsafeClaimsWithoutVerification(&said) != nil || said.Issuer != e.config.Issuer {
		return p, false, nil
	}
	verifier, err := e.ready(ctx)
	if err != nil {
		return p, true, err
	}
	checked, err := verifier.Verify(e.within(ctx), token)
	if err != nil {
		return p, true, fault.Newf(fault.Unauthenticated, "login", "the token of the issuer does not count here: it has expired, is for another audience, or is not signed by it")
	}
	var claims map[string]any
	if err := checked.Claims(&claims); err != nil {
		return p, true, fault.Newf(fault.Unauthenticated, "login", "the claims of the token cannot be read")
	}
	p, err = e.principal(said, claims)
	return p, true, err
}

func (e *External) within(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, e.client)
}

// ready finds the issuer, once in a few seconds at most.
func (e *External) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.verifier != nil {
		return e.verifier, nil
	}
	now := e.config.Now()
	if !e.tried.IsZero() && now.Sub(e.tried) < 5*time.Second {
		return nil, fault.Newf(fault.Unavailable, "transient", "the issuer of the token does not answer")
	}
	e.tried = now
	// The context of a key set outlives the call that made it.
	provider, err := oidc.NewProvider(e.within(context.WithoutCancel(ctx)), e.config.Issuer)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("discovery of the issuer failed"), "asking the issuer of a token")
	}
	e.verifier = provider.Verifier(&oidc.Config{ClientID: e.config.Audience, SupportedSigningAlgs: signing, Now: e.config.Now})
	return e.verifier, nil
}

// principal reads the claims by their configured names.
func (e *External) principal(said jwt.Claims, claims map[string]any) (access.Principal, error) {
	deny := func(words string) (access.Principal, error) {
		return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "%s", words)
	}
	tenant := e.config.FixedTenant
	if tenant == "" {
		tenant = ref.Tenant(textAt(claims, e.config.Tenant))
	}
	if !ref.ValidID(string(tenant)) || len(e.config.Tenants) > 0 && !slices.Contains(e.config.Tenants, tenant) {
		return deny("the token names no tenant of this server")
	}
	scopes, err := access.ParseScopes(strings.Join(wordsAt(claims, e.config.Scope), " "))
	if err != nil {
		return deny("the token has scopes that cannot be read")
	}
	name := textAt(claims, "client_id")
	if name == "" {
		name = textAt(claims, "azp")
	}
	if name == "" {
		name = said.Subject
	}
	feeds := wordsAt(claims, e.config.Feeds)
	if access.CheckGrants(feeds) != nil {
		return deny("the token grants feeds that there cannot be")
	}
	return access.Principal{
		Name: name, Tenant: tenant, Person: person(textAt(claims, e.config.Person)), Role: textAt(claims, e.config.Role), Scopes: scopes,
		Feeds: feeds, Purposes: wordsAt(claims, e.config.Purposes), Labels: wordsAt(claims, e.config.Labels),
		Patient: ref.Patient(strings.TrimPrefix(textAt(claims, e.config.Patient), "Patient/")), Token: said.ID,
	}, nil
}

// person is a reference without the base that a fhirUser claim has in front.
func person(claim string) string {
	parts := strings.Split(claim, "/")
	if n := len(parts); n > 2 {
		return parts[n-2] + "/" + parts[n-1]
	}
	return claim
}

// at is what lies at a path of names.
func at(claims map[string]any, path string) any {
	if path == "" {
		return nil
	}
	if v, ok := claims[path]; ok {
		return v // a name with dots in it, such as a URL
	}
	name, rest, deeper := strings.Cut(path, ".")
	v := claims[name]
	if !deeper {
		return v
	}
	inner, _ := v.(map[string]any)
	return at(inner, rest)
}

func textAt(claims map[string]any, path string) string {
	s, _ := at(claims, path).(string)
	return s
}

// wordsAt is a claim that is a text of words, or a list.
func wordsAt(claims map[string]any, path string) []string {
	switch v := at(claims, path).(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var words []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				words = append(words, s)
			}
		}
		return words
	case json.Number:
		return []string{v.String()}
	default:
		return nil
	}
}
