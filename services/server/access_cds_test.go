package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
)

func TestACDSClientIsKnownByTheJWTThatItSigns(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	g.put(full, patientP1, phq9("r1", "p1", monday.Add(-time.Hour), 3, 3, 3, 3, 3, 3, 3, 3, 3))
	here := "http://" + g.HTTPAddr() + "/cds-services/patient-view"
	feeds := func(c *access.Client) { c.Feeds, c.Labels = access.Grants{"*"}, []string{"*"} }
	ehr := g.register("https://ehr.example.org/", "default", "system/*.rs", feeds)
	elsewhere := g.register("https://elsewhere.example.org/", "elsewhere", "system/*.rs", feeds)
	revoked := g.register("https://revoked.example.org/", "default", "system/*.rs", func(c *access.Client) { feeds(c); c.Revoked = true })
	poor := g.register("https://poor.example.org/", "default", "system/Patient.rs", feeds)
	if err := g.RefreshClients(t.Context()); err != nil {
		t.Fatal(err)
	}
	sign := func(b *backend, change func(*jwt.Claims, *jose.SignerOptions)) string {
		return g.assertion(b, func(c *jwt.Claims, o *jose.SignerOptions) {
			c.Subject, c.Audience, c.IssuedAt = "", jwt.Audience{here}, jwt.NewNumericDate(g.now())
			if change != nil {
				change(c, o)
			}
		})
	}
	hook := `{"hook":"patient-view","hookInstance":"d1577c69-dfbe-44ad-ba6d-3e05e953b2ea","context":{"userId":"Practitioner/pt","patientId":"p1"}}`
	call := func(token string) (int, string) {
		code, text, _ := g.over("POST", "/cds-services/patient-view", token, hook, "Content-Type", "application/json")
		return code, text
	}
	good := sign(ehr, nil)
	if code, text := call(good); code != http.StatusOK || !strings.Contains(text, `"summary"`) {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := call(sign(elsewhere, nil)); code != http.StatusOK || strings.Contains(text, `"summary"`) {
		t.Errorf("of another tenant: %d %s", code, text)
	}
	for what, token := range map[string]string{
		"the same once more": good,
		"for another service": sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) {
			c.Audience = jwt.Audience{"https://cds.example.org/cds-services/x"}
		}),
		"without an audience":   sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Audience = nil }),
		"expired":               sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Expiry = jwt.NewNumericDate(g.now().Add(-time.Minute)) }),
		"for a long time":       sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Expiry = jwt.NewNumericDate(g.now().Add(time.Hour)) }),
		"without an end":        sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Expiry = nil }),
		"without a jti":         sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.ID = "" }),
		"about somebody else":   sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Subject = "x" }),
		"with keys from afar":   sign(ehr, func(_ *jwt.Claims, o *jose.SignerOptions) { o.WithHeader("jku", "https://evil.example.org/keys") }),
		"with another kid":      sign(ehr, func(_ *jwt.Claims, o *jose.SignerOptions) { o.WithHeader("kid", "k2") }),
		"of a revoked client":   sign(revoked, nil),
		"of nobody":             sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) { c.Issuer = "https://nobody.example.org/" }),
		"signed by another":     sign(&backend{ehr.client, elsewhere.key}, nil),
		"without any signature": strings.Join(append(strings.Split(sign(ehr, nil), ".")[:2], ""), "."),
	} {
		if code, text := call(token); code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", what, code, text)
		}
	}
	if code, text := call(sign(poor, nil)); code != http.StatusForbidden {
		t.Errorf("of one whose scopes do not reach so far: %d %s", code, text)
	}
	// It is good for CDS Hooks alone: what reads FHIR asks for an access token.
	if code, _, _ := g.over("GET", "/fhir/Patient/p1", sign(ehr, func(c *jwt.Claims, _ *jose.SignerOptions) {
		c.Audience = jwt.Audience{"http://" + g.HTTPAddr() + "/fhir/Patient/p1"}
	}), ""); code != http.StatusUnauthorized {
		t.Errorf("at another door: %d", code)
	}
}
