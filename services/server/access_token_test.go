package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/server"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestTheTokenEndpointRefusesWithTheCodesOfTheStandard(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Guests.PerSecond = 0 })
	ehr := g.register("ehr", "default", "system/Observation.rs", nil)
	other := g.register("lab", "default", "system/*.rs", nil)
	stranger, impostor := &backend{access.Client{ID: "nobody"}, other.key}, &backend{ehr.client, other.key}
	used := g.assertion(ehr, nil)
	if status, body, _ := g.ask(form("system/Observation.rs", used)); status != http.StatusOK {
		t.Fatal(body)
	}
	spoilt := func(change func(*jwt.Claims, *jose.SignerOptions)) url.Values {
		return form("system/Observation.rs", g.assertion(ehr, change))
	}
	with := func(name string, values ...string) url.Values {
		f := form("system/Observation.rs", g.assertion(ehr, nil))
		f[name] = values
		return f
	}
	unsigned := func(alg string) string {
		return b64(`{"alg":"`+alg+`","kid":"k1"}`) + "." + b64(fmt.Sprintf(`{"iss":"ehr","sub":"ehr","jti":"x","exp":%d}`, g.now().Unix()+60)) + "." + b64("x")
	}
	for _, c := range []struct {
		what   string
		form   url.Values
		status int
		code   string
	}{
		{"another grant type", with("grant_type", "authorization_code"), 400, "unsupported_grant_type"},
		{"no grant type", with("grant_type"), 400, "unsupported_grant_type"},
		{"a parameter twice", with("grant_type", "client_credentials", "client_credentials"), 400, "invalid_request"},
		{"no scope", with("scope"), 400, "invalid_scope"},
		{"a scope that is not registered", with("scope", "system/Patient.rs"), 400, "invalid_scope"},
		{"verbs out of order", with("scope", "system/Observation.sr"), 400, "invalid_scope"},
		{"a scope of a user", with("scope", "user/Observation.rs"), 400, "invalid_scope"},
		{"no scope of a resource", with("scope", "openid"), 400, "invalid_scope"},
		{"no assertion", with("client_assertion"), 400, "invalid_request"},
		{"no assertion type", with("client_assertion_type"), 400, "invalid_request"},
		{"no JWT", with("client_assertion", "a.b.c"), 401, "invalid_client"},
		{"not signed", with("client_assertion", unsigned("none")), 401, "invalid_client"},
		{"signed with a shared secret", with("client_assertion", unsigned("HS384")), 401, "invalid_client"},
		{"an assertion that was used", form("system/Observation.rs", used), 401, "invalid_client"},
		{"another audience", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.Audience = jwt.Audience{"https://elsewhere/token"} }), 401, "invalid_client"},
		{"no audience", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.Audience = nil }), 401, "invalid_client"},
		{"six minutes ahead", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) {
			c.Expiry = jwt.NewNumericDate(g.now().Add(6 * time.Minute))
		}), 401, "invalid_client"},
		{"expired", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.Expiry = jwt.NewNumericDate(g.now().Add(-time.Minute)) }), 401, "invalid_client"},
		{"no exp", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.Expiry = nil }), 401, "invalid_client"},
		{"no jti", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.ID = "" }), 401, "invalid_client"},
		{"of the future", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.NotBefore = jwt.NewNumericDate(g.now().Add(time.Hour)) }), 401, "invalid_client"},
		{"another sub", spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) { c.Subject = "lab" }), 401, "invalid_client"},
		{"an unknown kid", spoilt(func(_ *jwt.Claims, o *jose.SignerOptions) { o.WithHeader("kid", "k2") }), 401, "invalid_client"},
		{"another jku", spoilt(func(_ *jwt.Claims, o *jose.SignerOptions) { o.WithHeader("jku", "https://elsewhere/jwks") }), 401, "invalid_client"},
		{"a stranger", form("system/Observation.rs", g.assertion(stranger, nil)), 401, "invalid_client"},
		{"another's key", form("system/Observation.rs", g.assertion(impostor, nil)), 401, "invalid_client"},
		{"another's client_id", with("client_id", "lab"), 401, "invalid_client"},
	} {
		status, body, _ := g.ask(c.form)
		if status != c.status || body["error"] != c.code || body["access_token"] != nil {
			t.Errorf("%s: %d %v, want %d %s", c.what, status, body, c.status, c.code)
		}
	}
	late := spoilt(func(c *jwt.Claims, _ *jose.SignerOptions) {
		c.Expiry = jwt.NewNumericDate(g.now().Add(-20 * time.Second))
	})
	if status, body, _ := g.ask(late); status != http.StatusOK {
		t.Errorf("a clock that is twenty seconds late: %d %v", status, body)
	}
}

func TestDiscoveryLeadsToTheTokenEndpointAndItsKeys(t *testing.T) {
	g := startGated(t, nil)
	text := g.want(http.StatusOK, "GET", "/fhir/.well-known/smart-configuration", "", "")
	for _, want := range []string{
		`"token_endpoint":"http://` + g.HTTPAddr() + `/auth/token"`, "client-confidential-asymmetric", "permission-v1", "permission-v2", "private_key_jwt",
		"ES384", "RS384", `"grant_types_supported":["client_credentials"]`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("discovery lacks %s: %s", want, text)
		}
	}
	if keys := g.want(http.StatusOK, "GET", access.KeysPath, "", ""); !strings.Contains(keys, `"crv":"P-384"`) || strings.Contains(keys, `"d":`) {
		t.Errorf("keys: %s", keys)
	}
}

func TestATokenEndsByItselfWithItsClientAndWithItsKeys(t *testing.T) {
	g := startGated(t, nil)
	ehr := g.register("ehr", "default", "system/*.cruds", nil)
	const path = "/fhir/Observation?patient=p1"
	token := g.token(ehr, "system/*.rs")
	g.want(http.StatusOK, "GET", path, token, "")
	g.later(301 * time.Second)
	g.want(http.StatusUnauthorized, "GET", path, token, "")

	token = g.token(ehr, "system/*.rs")
	next, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rotated := ehr.client
	rotated.Version, rotated.Generation, rotated.Keys = 2, 1, publicKeys(t, next)
	g.keep(rotated)
	g.want(http.StatusUnauthorized, "GET", path, token, "")
	if status, body, _ := g.ask(form("system/*.rs", g.assertion(ehr, nil))); status != http.StatusUnauthorized {
		t.Errorf("the old key: %d %v", status, body)
	}
	ehr = &backend{rotated, next}
	token = g.token(ehr, "system/*.rs")
	g.want(http.StatusOK, "GET", path, token, "")

	rotated.Version, rotated.Generation, rotated.Revoked = 3, 2, true
	g.keep(rotated)
	g.want(http.StatusUnauthorized, "GET", path, token, "")
	if status, body, _ := g.ask(form("system/*.rs", g.assertion(ehr, nil))); status != http.StatusUnauthorized || body["error"] != "invalid_client" {
		t.Errorf("revoked: %d %v", status, body)
	}
}

// keep changes a client and waits until the server counts by it.
func (g *gated) keep(c access.Client) {
	g.t.Helper()
	if err := g.records().KeepClient(g.t.Context(), c); err != nil {
		g.t.Fatal(err)
	}
	if err := g.RefreshClients(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func TestATokenOfOneServerCountsOnAnotherAndAnAssertionCountsOnceOnBoth(t *testing.T) {
	first := startGated(t, nil)
	ehr := first.register("ehr", "default", "system/*.rs", nil)
	token, used := first.token(ehr, "system/*.rs"), first.assertion(ehr, nil)
	if status, body, _ := first.ask(form("system/*.rs", used)); status != http.StatusOK {
		t.Fatal(body)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := startGated(t, func(c *server.Config) {
		c.Store, c.HTTPListen = first.config.Store, first.HTTPAddr() // the next server of the same address and store
	})
	second.want(http.StatusOK, "GET", "/fhir/Observation?patient=p1", token, "")
	if status, body, _ := second.ask(form("system/*.rs", used)); status != http.StatusUnauthorized {
		t.Errorf("the assertion again: %d %v", status, body)
	}
}

func TestKeysAreFetchedFromTheirURLKeptAndFetchedAgainWhenTheyChange(t *testing.T) {
	g := startGated(t, nil)
	first, second := newKey(t), newKey(t)
	var serving atomic.Pointer[ecdsa.PrivateKey]
	serving.Store(first)
	var asked, down atomic.Int64
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() > 0 {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(publicKeysNamed(t, serving.Load(), keyID(serving.Load() == second)))
	}))
	t.Cleanup(keys.Close)
	app := g.register("app", "default", "system/*.rs", func(c *access.Client) { c.Keys, c.KeysURL = nil, keys.URL })
	ask := func(key *ecdsa.PrivateKey) int {
		id := keyID(key == second)
		status, _, _ := g.ask(form("system/*.rs", g.assertion(&backend{app.client, key}, func(_ *jwt.Claims, o *jose.SignerOptions) { o.WithHeader("kid", id) })))
		return status
	}
	for range 3 {
		if got := ask(first); got != http.StatusOK {
			t.Fatalf("the first key: %d", got)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the keys were fetched %d times", asked.Load())
	}
	serving.Store(second)
	g.later(time.Minute)
	if got := ask(second); got != http.StatusOK || asked.Load() != 2 {
		t.Errorf("a new key: %d after %d fetches", got, asked.Load())
	}
	if got := ask(first); got != http.StatusUnauthorized || asked.Load() != 2 {
		t.Errorf("the old key: %d after %d fetches", got, asked.Load())
	}
	down.Store(1)
	g.later(time.Hour)
	if got := ask(second); got != http.StatusOK {
		t.Errorf("while the URL is down: %d", got)
	}
	if got := ask(first); got != http.StatusUnauthorized {
		t.Errorf("an unknown key while the URL is down: %d", got)
	}
}

func keyID(second bool) string {
	if second {
		return "k2"
	}
	return "k1"
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeysAreNotFetchedFromAPrivateAddress(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.PrivateKeys = false })
	var asked atomic.Int64
	keys := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(keys.Close)
	app := g.register("app", "default", "system/*.rs", func(c *access.Client) { c.Keys, c.KeysURL = nil, keys.URL })
	status, body, _ := g.ask(form("system/*.rs", g.assertion(app, nil)))
	if status != http.StatusUnauthorized || asked.Load() != 0 || strings.Contains(fmt.Sprint(body), "127.0.0.1") {
		t.Errorf("%d %v; asked %d times", status, body, asked.Load())
	}
}
