package auth

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// Bounds of an assertion.
const (
	// assertionLife is how far ahead its exp may lie, and skew how far two clocks may differ.
	assertionLife = 5 * time.Minute
	skew          = 30 * time.Second
	maxForm       = 64 << 10
	maxJTI        = 256
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ConfigurationPath is where clients learn how to ask for tokens.
const ConfigurationPath = access.Prefix + "/.well-known/smart-configuration"

// TokenEndpoint gives out access tokens: the token endpoint of SMART Backend Services.
type TokenEndpoint struct {
	// Clients are who may ask.
	Clients *Registry
	// Keys of the clients.
	Keys *KeySets
	// Issuer signs.
	Issuer *Issuer
	// Store notes what was used.
	Store store.Registrations
	// Base of a request is where the caller reaches this server, without a path.
	Base func(*http.Request) string
	// Now is the clock.
	Now func() time.Time
	// Heard is told how each request ended: who asked, as far as that is certain, and the error code, empty when a token
	// was given.
	Heard func(r *http.Request, client access.Client, code string)
}

// refusal is an OAuth error.
type refusal struct {
	status      int
	code, words string
}

// Error is its code and words.
func (r *refusal) Error() string { return r.code + ": " + r.words }

func refused(status int, code, words string) error { return &refusal{status, code, words} }

func badClient(words string) error {
	return refused(http.StatusUnauthorized, "invalid_client", words)
}

// ServeHTTP answers a request for a token.
func (t *TokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, answer, err := t.grant(w, r)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	status, code := http.StatusOK, ""
	var body any = answer
	if err != nil {
		refusal, ok := errors.AsType[*refusal](err)
		if !ok {
			refusal = outage(err)
		}
		status, code = refusal.status, refusal.code
		if status == http.StatusServiceUnavailable {
			h.Set("Retry-After", "2")
		}
		body = struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{refusal.code, refusal.words}
	}
	t.Heard(r, client, code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that went away asks again
}

// outage is what a caller is told of a failure of ours.
func outage(err error) *refusal {
	if fault.Of(err) == fault.Unavailable {
		return &refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "send the same request again, with a new assertion"}
	}
	return &refusal{http.StatusInternalServerError, "server_error", "the server failed"}
}

// granted is the answer of the token endpoint.
type granted struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

func (t *TokenEndpoint) grant(w http.ResponseWriter, r *http.Request) (access.Client, *granted, error) {
	form, err := readForm(w, r)
	if err != nil {
		return access.Client{}, nil, err
	}
	if form.Get("grant_type") != "client_credentials" {
		return access.Client{}, nil, refused(http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials")
	}
	if form.Get("client_assertion_type") != assertionType {
		return access.Client{}, nil, refused(http.StatusBadRequest, "invalid_request", "client_assertion_type must be "+assertionType)
	}
	audiences := []string{t.Base(r) + access.TokenPath}
	client, err := t.assertion(r.Context(), form.Get("client_assertion"), audiences)
	if err != nil {
		return access.Client{}, nil, err
	}
	if id := form.Get("client_id"); id != "" && id != client.ID {
		return client, nil, badClient("client_id is not that of the assertion")
	}
	scopes, err := t.scopes(client, form.Get("scope"))
	if err != nil {
		return client, nil, err
	}
	token, seconds, err := t.Issuer.Issue(r.Context(), client, scopes)
	if err != nil {
		return client, nil, err
	}
	return client, &granted{token, "bearer", seconds, scopes.String()}, nil
}

// readForm reads the body as a form; a parameter that is sent twice makes it none.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refused(http.StatusBadRequest, "invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, refused(http.StatusBadRequest, "invalid_request", "the body is no form of at most 64 KiB")
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, refused(http.StatusBadRequest, "invalid_request", "a parameter was sent twice")
		}
	}
	return r.PostForm, nil
}

func (t *TokenEndpoint) scopes(c access.Client, wanted string) (access.Scopes, error) {
	asked, err := access.ParseScopes(wanted)
	if err != nil || len(asked) == 0 {
		return nil, refused(http.StatusBadRequest, "invalid_scope", "scope must hold scopes such as system/Observation.rs")
	}
	if slices.ContainsFunc(asked, func(s access.Scope) bool { return s.Context != access.System }) {
		return nil, refused(http.StatusBadRequest, "invalid_scope", "a backend service has scopes of the context system alone")
	}
	allowed := c.Allowed().Narrow(asked)
	if len(allowed) == 0 {
		return nil, refused(http.StatusBadRequest, "invalid_scope", "none of the scopes is registered for this client")
	}
	return allowed, nil
}

// assertion is the client that signed it. What is wrong is said without the assertion's own words.
func (t *TokenEndpoint) assertion(ctx context.Context, text string, audiences []string) (access.Client, error) {
	var none access.Client
	if text == "" {
		return none, refused(http.StatusBadRequest, "invalid_request", "client_assertion is missing")
	}
	if len(text) > maxToken {
		return none, badClient("the assertion is too long")
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS384, jose.ES384})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].KeyID == "" {
		return none, badClient("the assertion is no JWT signed with RS384 or ES384 under a kid")
	}
	var said jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return none, badClient("the claims of the assertion cannot be read")
	}
	client, ok := t.client(ctx, said.Issuer)
	if !ok || said.Subject != said.Issuer {
		return none, badClient("iss and sub must both be the client_id of a registered client")
	}
	return client, t.signed(ctx, parsed, client, audiences)
}

// signed says whether a JWT is a client's own, for this place and time, and was not used before.
func (t *TokenEndpoint) signed(ctx context.Context, parsed *jwt.JSONWebToken, client access.Client, audiences []string) error {
	header := parsed.Headers[0]
	var said jwt.Claims
	if jku, sent := header.ExtraHeaders["jku"]; sent && (client.KeysURL == "" || jku != client.KeysURL) {
		return badClient("jku is not the URL that is registered for this client")
	}
	keys, err := t.Keys.Find(ctx, client, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		if fault.Of(err) == fault.Unavailable {
			return badClient("the client's keys cannot be fetched from their registered URL")
		}
		return badClient("no key of that kid and algorithm is registered for this client")
	}
	if !slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { said = jwt.Claims{}; return parsed.Claims(k.Key, &said) == nil }) {
		return badClient("the signature of the assertion is not right")
	}
	if err := t.timely(said, audiences); err != nil {
		return err
	}
	switch err := t.Store.UseOnce(ctx, client.ID, said.ID, said.Expiry.Time().Add(skew), t.Now()); {
	case fault.Of(err) == fault.Conflict:
		return badClient("the assertion was used before: sign a new one, with a jti of its own")
	case fault.Of(err) == fault.Unprocessable:
		return badClient("jti cannot be stored")
	case err != nil:
		return err
	}
	return nil
}

// client is one that is registered; one that is not known yet may have been added a moment ago.
func (t *TokenEndpoint) client(ctx context.Context, id string) (access.Client, bool) {
	if c, ok := t.Clients.Client(id); ok {
		return c, true
	}
	if t.Clients.Refresh(ctx) != nil {
		return access.Client{}, false
	}
	return t.Clients.Client(id)
}

// timely checks what the assertion says of time and place.
func (t *TokenEndpoint) timely(said jwt.Claims, audiences []string) error {
	now := t.Now()
	switch {
	case said.Expiry == nil:
		return badClient("exp is missing")
	case !now.Before(said.Expiry.Time().Add(skew)):
		return badClient("the assertion has expired")
	case said.Expiry.Time().After(now.Add(assertionLife + skew)):
		return badClient("exp lies more than five minutes ahead")
	case said.NotBefore != nil && said.NotBefore.Time().After(now.Add(skew)), said.IssuedAt != nil && said.IssuedAt.Time().After(now.Add(skew)):
		return badClient("the assertion is of the future")
	case said.ID == "" || len(said.ID) > maxJTI:
		return badClient("jti is missing or too long")
	case !slices.ContainsFunc(audiences, func(a string) bool { return said.Audience.Contains(a) }):
		return badClient("aud is not the URL of this token endpoint; see .well-known/smart-configuration")
	}
	return nil
}

// Configuration answers with SMART's discovery document.
func (t *TokenEndpoint) Configuration(w http.ResponseWriter, r *http.Request) {
	base := t.Base(r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": base, "jwks_uri": base + access.KeysPath,
		"token_endpoint":        base + access.TokenPath,
		"grant_types_supported": []string{"client_credentials"}, "response_types_supported": []string{},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 []string{"system/*.cruds", "system/*.rs", "system/*.read", "system/*.write", "system/*.*"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"capabilities":                                     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
	})
}

// PublicKeys answers with the keys by which our tokens can be checked.
func (t *TokenEndpoint) PublicKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := t.Issuer.ring.Public(r.Context())
	if err != nil {
		http.Error(w, "the keys cannot be read", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(keys)
}

// bearer is the token in an Authorization header. Errors: Unauthenticated.
func bearer(authorization string) (string, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", fault.Newf(fault.Unauthenticated, "login", "send `Authorization: Bearer <token>`")
	}
	return strings.TrimSpace(token), nil
}
