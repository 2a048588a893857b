package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// openID is an issuer that only tests know.
type openID struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newOpenID(t *testing.T) *openID {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &openID{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": o.URL, "jwks_uri": o.URL + "/keys", "authorization_endpoint": o.URL + "/a", "token_endpoint": o.URL + "/t",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: o.key.Public(), KeyID: "o1", Algorithm: "ES256", Use: "sig"}}})
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// token with claims, signed by a key.
func (o *openID) token(key *ecdsa.PrivateKey, claims map[string]any) string {
	o.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "o1"))
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

func TestTokensOfAnIssuerAreTakenByTheirClaims(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	issuer := newOpenID(t)
	config := DefaultExternal()
	config.Issuer, config.Audience, config.Tenant, config.Tenants = issuer.URL, "rapport-api", "ext.tenant", []ref.Tenant{"north"}
	config.Now = func() time.Time { return now }
	external, err := NewExternal(config)
	if err != nil {
		t.Fatal(err)
	}
	said := func(change func(map[string]any)) map[string]any {
		c := map[string]any{
			"iss": issuer.URL, "sub": "u1", "aud": []string{"rapport-api"}, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "jti": "j1",
			"ext": map[string]any{"tenant": "north"}, "fhirUser": "https://ehr.example/fhir/Practitioner/p1", "role": "physio",
			"scope": "openid user/Observation.rs", "feeds": []string{"team:t1"}, "purpose": "TREAT HOPERAT", "client_id": "app",
		}
		if change != nil {
			change(c)
		}
		return c
	}
	p, theirs, err := external.Principal(t.Context(), issuer.token(issuer.key, said(nil)))
	if err != nil || !theirs || p.Name != "app" || p.Tenant != "north" || p.Person != "Practitioner/p1" || p.Role != "physio" || p.Token != "j1" ||
		!p.Allow("Observation", access.Search) || p.Allow("Patient", access.Read) || !p.MayClaim("HOPERAT") || p.Feeds.All() {
		t.Fatalf("%+v, %t, %v", p, theirs, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"expired":          issuer.token(issuer.key, said(func(c map[string]any) { c["exp"] = now.Add(-time.Minute).Unix() })),
		"another audience": issuer.token(issuer.key, said(func(c map[string]any) { c["aud"] = "other" })),
		"another key":      issuer.token(other, said(nil)),
		"another tenant":   issuer.token(issuer.key, said(func(c map[string]any) { c["ext"] = map[string]any{"tenant": "south"} })),
		"no tenant":        issuer.token(issuer.key, said(func(c map[string]any) { delete(c, "ext") })),
		"a broken scope":   issuer.token(issuer.key, said(func(c map[string]any) { c["scope"] = "user/Observation.sr" })),
	} {
		if _, theirs, err := external.Principal(t.Context(), token); !theirs || fault.Of(err) != fault.Unauthenticated {
			t.Errorf("%s: %t, %v", what, theirs, err)
		}
	}
	if _, theirs, err := external.Principal(t.Context(), issuer.token(issuer.key, said(func(c map[string]any) { c["iss"] = "https://elsewhere" }))); theirs || err != nil {
		t.Errorf("of another issuer: %t, %v", theirs, err)
	}
}

func TestAnIssuerThatIsAwayIsAskedAgainLater(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	issuer := newOpenID(t)
	config := DefaultExternal()
	config.Issuer, config.Audience, config.Now = issuer.URL, "a", func() time.Time { return now }
	external, err := NewExternal(config)
	if err != nil {
		t.Fatal(err)
	}
	token := issuer.token(issuer.key, map[string]any{"iss": issuer.URL, "sub": "u", "aud": "a", "exp": now.Add(time.Hour).Unix(), "tenant": "t", "scope": "user/*.rs"})
	served := issuer.Config.Handler
	issuer.Config.Handler = http.NotFoundHandler()
	for range 2 {
		if _, _, err := external.Principal(t.Context(), token); fault.Of(err) != fault.Unavailable {
			t.Errorf("while it is away: %v", err)
		}
	}
	issuer.Config.Handler = served
	now = now.Add(10 * time.Second)
	if _, _, err := external.Principal(t.Context(), token); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

func FuzzATokenOfAStrangerIsNobody(f *testing.F) {
	for _, s := range []string{"a.b.c", "eyJhbGciOiJub25lIn0.e30.", "..", "eyJhbGciOiJFUzM4NCIsImtpZCI6ImsxIn0.e30.AA", "\x00"} {
		f.Add(s)
	}
	tokens := &Tokens{}
	callers := NewCallers(tokens, nil, &External{config: ExternalConfig{Issuer: "https://issuer.example"}})
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := callers.Principal("Bearer " + token); err == nil || p.Tenant != "" {
			t.Errorf("%q is %+v", token, p)
		}
	})
}

func FuzzAKeySetHoldsUsableKeysOrIsRefused(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA","kid":"a"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","kid":"a"}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ReadKeySet(text)
		if err != nil {
			return
		}
		for _, k := range keys {
			if !usable(k) {
				t.Errorf("a key that is of no use is taken: %v", k.KeyID)
			}
		}
	})
}
