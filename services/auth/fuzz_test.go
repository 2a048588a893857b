package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// oneClient is a registry with one client, that has seen every jti once it is used.
type oneClient struct {
	store.Registrations
	client access.Client
	used   map[string]bool
}

func (o *oneClient) Clients(context.Context) ([]access.Client, error) {
	return []access.Client{o.client}, nil
}

func (o *oneClient) UseOnce(_ context.Context, _, jti string, _, _ time.Time) error {
	if o.used[jti] {
		return fault.Newf(fault.Conflict, "duplicate", "used")
	}
	o.used[jti] = true
	return nil
}

const fuzzEndpoint = "https://rapport.example" + access.TokenPath

// The signature is the client's own in every case: what is searched for are claims and headers that slip through.
func FuzzAnAssertionIsTakenOnceAndOnlyWithEveryClaimInOrder(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES384", Use: "sig"}}})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	registered := &oneClient{client: access.Client{ID: "ehr", Version: 1, Tenant: "t", Scopes: "system/*.rs", Keys: keys}}
	registry := NewRegistry(registered, slog.New(slog.DiscardHandler))
	if err := registry.Refresh(f.Context()); err != nil {
		f.Fatal(err)
	}
	endpoint := &TokenEndpoint{Clients: registry, Keys: NewKeySets(false, clock), Store: registered, Now: clock}
	for _, seed := range []struct{ header, claims string }{
		{`{"alg":"ES384","kid":"k"}`, `{"iss":"ehr","sub":"ehr","aud":"` + fuzzEndpoint + `","exp":1772453100,"jti":"1"}`},
		{`{"alg":"ES384","kid":"k","jku":"https://evil.example"}`, `{"iss":"ehr","sub":"ehr","aud":["x","` + fuzzEndpoint + `"],"exp":1772453100.5,"jti":"1"}`},
		{`{"alg":"none","kid":"k"}`, `{"iss":"ehr","sub":"ehr","exp":1e99}`},
		{`{"alg":"RS384","kid":"k","crit":["exp"],"b64":false}`, `{"iss":["ehr"],"sub":"ehr","exp":-1,"nbf":null}`},
		{`{"alg":"ES384","kid":""}`, `[]`},
	} {
		f.Add(seed.header, seed.claims)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		registered.used = map[string]bool{}
		text := assertionOf(t, key, header, payload)
		client, err := endpoint.assertion(t.Context(), text, []string{fuzzEndpoint})
		if err != nil {
			return
		}
		var said struct {
			Iss, Sub, Jti string
			Aud           any
			Exp           float64
		}
		if err := json.Unmarshal([]byte(payload), &said); err != nil {
			t.Fatalf("claims that cannot be read are taken: %s", payload)
		}
		ahead := said.Exp - float64(now.Unix())
		if client.ID != "ehr" || said.Iss != "ehr" || said.Sub != "ehr" || said.Jti == "" || said.Aud == nil || ahead < -30 || ahead > 331 {
			t.Errorf("taken as %s: %s", client.ID, payload)
		}
		if _, err := endpoint.assertion(t.Context(), text, []string{fuzzEndpoint}); err == nil {
			t.Errorf("taken twice: %s", payload)
		}
	})
}

// assertionOf is a JWT of any header and payload with a right ES384 signature.
func assertionOf(t *testing.T, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	digest := sha512.Sum384([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
