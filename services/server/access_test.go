package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// backend is a registered system with its key.
type backend struct {
	client access.Client
	key    *ecdsa.PrivateKey
}

// gated is a server that wants to know who calls, with what registers clients at it.
type gated struct {
	*clinic
	config server.Config
}

func startGated(t *testing.T, change func(*server.Config)) *gated {
	t.Helper()
	g := &gated{}
	g.clinic = start(t, func(c *server.Config) {
		c.Access.Registered = true
		c.Access.PrivateKeys = true
		if change != nil {
			change(c)
		}
		g.config = *c
	})
	return g
}

// records are opened beside the running server.
func (g *gated) records() server.Records {
	g.t.Helper()
	records, err := server.OpenRecords(g.t.Context(), g.config.Store)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		if err := records.Close(); err != nil {
			g.t.Error(err)
		}
	})
	return records
}

func publicKeys(t *testing.T, key *ecdsa.PrivateKey) []byte { return publicKeysNamed(t, key, "k1") }

func publicKeysNamed(t *testing.T, key *ecdsa.PrivateKey, id string) []byte {
	t.Helper()
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: "ES384", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// register adds a client; change may alter what it may do.
func (g *gated) register(id string, tenant ref.Tenant, scopes string, change func(*access.Client)) *backend {
	g.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		g.t.Fatal(err)
	}
	c := access.Client{ID: id, Version: 1, Tenant: tenant, Scopes: scopes, Keys: publicKeys(g.t, key), Created: monday, Changed: monday}
	if change != nil {
		change(&c)
	}
	if err := c.Check(); err != nil {
		g.t.Fatal(err)
	}
	if err := g.records().KeepClient(g.t.Context(), c); err != nil {
		g.t.Fatal(err)
	}
	return &backend{c, key}
}

// assertion is a fresh one; change may spoil it.
func (g *gated) assertion(b *backend, change func(*jwt.Claims, *jose.SignerOptions)) string {
	g.t.Helper()
	said := jwt.Claims{
		Issuer: b.client.ID, Subject: b.client.ID, Audience: jwt.Audience{"http://" + g.HTTPAddr() + access.TokenPath}, ID: rand.Text(),
		Expiry: jwt.NewNumericDate(g.now().Add(4 * time.Minute)),
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1")
	if change != nil {
		change(&said, options)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: b.key}, options)
	if err != nil {
		g.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(said).Serialize()
	if err != nil {
		g.t.Fatal(err)
	}
	return text
}

// ask sends a form to the token endpoint.
func (g *gated) ask(form url.Values) (status int, body map[string]any, header http.Header) {
	g.t.Helper()
	resp, err := http.PostForm("http://"+g.HTTPAddr()+access.TokenPath, form)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header
}

func form(scope, assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

// token asks for one.
func (g *gated) token(b *backend, scope string) string {
	g.t.Helper()
	status, body, _ := g.ask(form(scope, g.assertion(b, nil)))
	if status != http.StatusOK {
		g.t.Fatalf("a token for %s: %d %v", scope, status, body)
	}
	return body["access_token"].(string)
}

// over is a call over HTTP with a token; headers are given as name, value.
func (g *gated) over(method, path, token, body string, headers ...string) (int, string, http.Header) {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func (g *gated) want(status int, method, path, token, body string, headers ...string) string {
	g.t.Helper()
	got, text, _ := g.over(method, path, token, body, headers...)
	if got != status {
		g.t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	return text
}

// as is a context with a token.
func as(ctx context.Context, token string, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append([]string{"authorization", "Bearer " + token}, pairs...)...)
}

// audited are the entries of a tenant so far, oldest first.
func (g *gated) audited(t ref.Tenant) []audit.Entry {
	g.t.Helper()
	found, err := g.records().AuditAfter(g.t.Context(), t, 0, 1000)
	if err != nil {
		g.t.Fatal(err)
	}
	var out []audit.Entry
	for _, r := range found {
		e, err := r.Entry()
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestABackendServiceGetsATokenAndItsScopesCountOnBothDoors(t *testing.T) {
	g := startGated(t, nil)
	ehr := g.register("ehr", "default", "system/*.cruds", func(c *access.Client) { c.Feeds = access.Grants{"*"} })
	code, body, header := g.ask(form("system/Observation.rs system/Patient.cu launch", g.assertion(ehr, nil)))
	if code != http.StatusOK || body["token_type"] != "bearer" || body["expires_in"] != 300.0 || body["scope"] != "system/Observation.rs system/Patient.cu" ||
		header.Get("Cache-Control") != "no-store" || body["refresh_token"] != nil {
		t.Fatalf("%d %v %v", code, body, header)
	}
	token := body["access_token"].(string)
	g.want(http.StatusUnauthorized, "GET", "/fhir/Observation?patient=p1", "", "")
	g.want(http.StatusUnauthorized, "GET", "/fhir/Observation?patient=p1", token+"x", "")
	g.want(http.StatusOK, "GET", "/fhir/Observation?patient=p1", token, "")
	g.want(http.StatusForbidden, "GET", "/fhir/QuestionnaireResponse?patient=p1", token, "")
	g.want(http.StatusCreated, "POST", "/fhir/Patient", token, patientP1)
	g.want(http.StatusForbidden, "POST", "/fhir/CareTeam", token, teamP1)
	item := func(body string) *rapportv1.IngestRequest {
		return &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(body)}}}
	}
	for _, c := range []struct {
		what string
		call func(context.Context) error
		want codes.Code
	}{
		{"scores, of which there are none", func(ctx context.Context) error {
			_, err := g.outcomes.ListScores(ctx, &rapportv1.ListScoresRequest{Patient: "p1"})
			return err
		}, codes.NotFound},
		{"alerts", func(ctx context.Context) error {
			_, err := g.alerts.ListAlerts(ctx, &rapportv1.ListAlertsRequest{})
			return err
		}, codes.PermissionDenied},
		{"a patient", func(ctx context.Context) error { _, err := g.ingest.Ingest(ctx, item(patientP1)); return err }, codes.OK},
		{"a care team", func(ctx context.Context) error { _, err := g.ingest.Ingest(ctx, item(teamP1)); return err }, codes.PermissionDenied},
	} {
		if err := c.call(as(t.Context(), token)); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if err := c.call(t.Context()); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s without a token: %v", c.what, err)
		}
	}
}
