package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/server"
)

// raw sends a request whose path is left as it is written.
func (c *clinic) raw(method, path, body string, headers ...string) heardOf {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.HTTPAddr(), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.URL.Opaque = path
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return heardOf{response.StatusCode, response.Header, got}
}

func TestEveryRoomOfTheFHIRDoorIsAnsweredByOneFront(t *testing.T) {
	c := start(t, nil)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	xml := []string{"Accept", "application/fhir+xml"}
	for _, typ := range []string{"Observation", "AuditEvent", "Subscription", "Basic"} {
		at := "/fhir/" + typ
		for _, test := range []struct {
			says, method, path, body string
			headers                  []string
			status                   int
		}{
			{"a doubled slash", "GET", "//fhir/" + typ, "", nil, 404},
			{"a doubled slash within", "GET", "/fhir//" + typ, "", nil, 404},
			{"a dot", "GET", "/fhir/./" + typ, "", nil, 404},
			{"dots", "GET", "/fhir/Patient/../" + typ, "", nil, 404},
			{"encoded dots", "GET", "/fhir/Patient/%2e%2e/" + typ, "", nil, 404},
			{"a slash at the end", "GET", at + "/", "", nil, 404},
			{"JSON", "GET", at, "", []string{"Accept", "application/json"}, 200},
			{"XML", "GET", at, "", xml, 406},
			{"XML by _format", "GET", at + "?_format=xml", "", nil, 406},
			{"JSON by _format before XML", "GET", at + "?_format=json", "", xml, 200},
			{"XML, searched by POST", "POST", at + "/_search", "_count=1", append(form, xml...), 406},
			{"JSON in the form before XML", "POST", at + "/_search", "_format=json", append(form, xml...), 200},
			{"XML in the form", "POST", at + "/_search", "_format=xml", form, 406},
			{"a read of _search", "GET", at + "/_search", "", nil, 405},
			{"an invented operation", "POST", at + "/$foo", "", form, 404},
		} {
			got := c.raw(test.method, test.path, test.body, test.headers...)
			if got.status != test.status {
				t.Errorf("%s of %s: %d %s, want %d", test.says, typ, got.status, got.body, test.status)
			}
			if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/fhir+json") {
				t.Errorf("%s of %s: %s", test.says, typ, kind)
			}
			if test.status == 405 && got.header.Get("Allow") == "" {
				t.Errorf("%s of %s: no Allow", test.says, typ)
			}
		}
	}
	if got := c.raw("GET", "/fhir/.well-known/smart-configuration", "", xml...); got.status != 200 {
		t.Errorf("SMART: %d %s", got.status, got.body)
	}
}

func TestBehindATrustedProxyEveryRoomTellsTheOuterAddress(t *testing.T) {
	g := startGated(t, func(config *server.Config) { config.TrustedProxies = []string{"127.0.0.0/8"} })
	forwarded := []string{"Forwarded", "proto=https;host=pub.example.org"}
	full := g.register("full", "default", "system/*.cruds", nil)
	var found struct {
		Token string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(g.raw("GET", "/fhir/.well-known/smart-configuration", "", forwarded...).body, &found); err != nil {
		t.Fatal(err)
	}
	if want := "https://pub.example.org" + access.TokenPath; found.Token != want {
		t.Fatalf("%s, want %s", found.Token, want)
	}
	assertion := g.assertion(full, func(c *jwt.Claims, _ *jose.SignerOptions) {
		c.Audience = jwt.Audience{found.Token}
		c.Expiry = jwt.NewNumericDate(g.now().Add(4 * time.Minute))
	})
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.cruds"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	granted := g.raw("POST", access.TokenPath, form.Encode(), append(forwarded, "Content-Type", "application/x-www-form-urlencoded")...)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(granted.body, &token); err != nil || granted.status != 200 {
		t.Fatalf("%d %s", granted.status, granted.body)
	}
	for _, path := range []string{"/fhir/Basic", "/fhir/AuditEvent", "/fhir/Subscription", "/fhir/Patient", "/fhir/Subscription/$status"} {
		got := g.raw("GET", path, "", append(forwarded, "Authorization", "Bearer "+token.Access)...)
		if got.status != 200 || !bytes.Contains(got.body, []byte("https://pub.example.org/fhir/")) || bytes.Contains(got.body, []byte("127.0.0.1:")) {
			t.Errorf("%s: %d %.300s", path, got.status, got.body)
		}
	}
}

func TestAPrefixThatIsNoCleanPathIsNotBelieved(t *testing.T) {
	c := start(t, func(config *server.Config) { config.TrustedProxies = []string{"127.0.0.0/8"} })
	for prefix, want := range map[string]string{
		"/rapport": "https://pub.example.org/rapport/fhir", "/a/b/": "https://pub.example.org/a/b/fhir", "/": "https://pub.example.org/fhir",
		"/r/../..": "http://127.0.0.1", "//evil": "http://127.0.0.1", "/./": "http://127.0.0.1", "/%2e%2e": "http://127.0.0.1",
		"evil": "http://127.0.0.1", "/a//b": "http://127.0.0.1", "/a b": "http://127.0.0.1",
	} {
		got := c.raw("GET", "/fhir/Patient", "", "X-Forwarded-Host", "pub.example.org", "X-Forwarded-Proto", "https", "X-Forwarded-Prefix", prefix)
		var b listing
		if err := json.Unmarshal(got.body, &b); err != nil || len(b.Link) == 0 || !strings.HasPrefix(b.Link[0].URL, want) {
			t.Errorf("%s: %s, want %s", prefix, got.body, want)
		}
	}
}
