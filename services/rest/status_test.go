package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestEveryErrorIsAnOperationOutcomeWithItsStatus(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxResource, c.MaxBundle = 2000, 3000 })
	ok := observation("1", "p", "1", "2026")
	long := `{"resourceType":"Observation","text":"` + strings.Repeat("x", 2000) + `"}`
	for _, test := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
		check                    func(answer) bool
	}{
		{name: "broken JSON", method: "POST", path: "/Observation", body: `{"a":`, status: 400, code: "structure"},
		{name: "a duplicate key", method: "POST", path: "/Observation", body: `{"resourceType":"Observation","resourceType":"Observation"}`, status: 400, code: "structure"},
		{name: "another type than the address", method: "POST", path: "/Goal", body: ok, status: 400, code: "invalid"},
		{name: "a rule", method: "POST", path: "/Observation", body: `{"resourceType":"Observation"}`, status: 422, code: "required"},
		{name: "no body", method: "POST", path: "/Observation", status: 400, code: "required"},
		{name: "a type that is not taken", method: "POST", path: "/Medication", body: `{"resourceType":"Medication"}`, status: 404, code: "not-supported"},
		{name: "a type that is no type", method: "POST", path: "/Jane%20Doe", body: `{}`, status: 404, code: "not-supported", check: func(a answer) bool { return !strings.Contains(string(a.body), "Jane") }},
		{name: "a Bundle at its type", method: "POST", path: "/Bundle", body: `{}`, status: 404, code: "not-supported"},
		{name: "a DetectedIssue", method: "POST", path: "/DetectedIssue", body: `{}`, status: 405, code: "not-supported", check: allow("GET, HEAD")},
		{name: "a body over the limit", method: "POST", path: "/Observation", body: long, status: 413, code: "too-long"},
		{name: "a Bundle over the limit", method: "POST", path: "", body: long + long, status: 413, code: "too-long"},
		{name: "another content type", method: "POST", path: "/Observation", body: ok, headers: []string{"Content-Type", "application/xml"}, status: 415, code: "not-supported"},
		{name: "a form", method: "POST", path: "", body: ok, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, code: "not-supported"},
		{name: "another FHIR version", method: "POST", path: "/Observation", body: ok, headers: []string{"Content-Type", "application/fhir+json; fhirVersion=5.0"}, status: 415, code: "not-supported"},
		{name: "a compressed body", method: "POST", path: "/Observation", body: ok, headers: []string{"Content-Encoding", "gzip"}, status: 415, code: "not-supported"},
		{name: "a reader of XML", method: "GET", path: "/metadata", headers: []string{"Accept", "application/fhir+xml"}, status: 406, code: "not-supported"},
		{name: "_format XML", method: "GET", path: "/metadata?_format=xml", status: 406, code: "not-supported"},
		{name: "JSON weighed with nothing", method: "GET", path: "/metadata", headers: []string{"Accept", "application/json;q=0"}, status: 406, code: "not-supported"},
		{name: "If-None-Exist without a condition", method: "POST", path: "/Observation", body: ok, headers: []string{"If-None-Exist", "?"}, status: 412, code: "multiple-matches"},
		{name: "If-None-Exist by what is not known", method: "POST", path: "/Observation", body: ok, headers: []string{"If-None-Exist", "colour=1"}, status: 400, code: "not-supported"},
		{name: "a source that is none", method: "POST", path: "/Observation", body: ok, headers: []string{"X-Rapport-Source", "a/b"}, status: 400, code: "value"},
		{name: "an update under another id", method: "PUT", path: "/Observation/2", body: ok, status: 400, code: "value"},
		{name: "an update of what the server makes", method: "PUT", path: "/DetectedIssue/1", body: ok, status: 405, code: "not-supported", check: allow("GET, HEAD")},
		{name: "an update of a version that is not there", method: "PUT", path: "/Observation/1", body: ok, headers: []string{"If-Match", `W/"1"`}, status: 412, code: "conflict"},
		{name: "an entity tag that is none", method: "PUT", path: "/Observation/1", body: ok, headers: []string{"If-Match", "one"}, status: 400, code: "value"},
		{name: "a deletion of what the server makes", method: "DELETE", path: "/Provenance/1", status: 405, code: "not-supported", check: allow("GET, HEAD")},
		{name: "a deletion without a condition", method: "DELETE", path: "/Observation", status: 412, code: "multiple-matches"},
		{name: "a deletion of everything", method: "DELETE", path: "/", status: 405, code: "not-supported"},
		{name: "a patch that is none", method: "PATCH", path: "/Observation/1", body: ok, status: 415, code: "not-supported"},
		{name: "a patch of nothing", method: "PATCH", path: "/Observation/1", body: `[]`, headers: []string{"Content-Type", "application/json-patch+json"}, status: 404, code: "not-found"},
		{name: "an invented method", method: "BREW", path: "/Observation", status: 405, code: "not-supported"},
		{name: "a search of everything", method: "GET", path: "", status: 405, code: "not-supported", check: allow("POST")},
		{name: "a route too deep", method: "GET", path: "/Observation/1/2/3/4", status: 404, code: "not-found"},
		{name: "a path to be cleaned", method: "GET", path: "//Observation", status: 404, code: "not-found"},
		{name: "a path with a trailing slash", method: "GET", path: "/Observation/", status: 404, code: "not-found"},
		{name: "history", method: "GET", path: "/Observation/1/_history", status: 404, code: "not-found"},
		{name: "an unknown id", method: "GET", path: "/Observation/nobody", status: 404, code: "not-found"},
		{name: "an impossible id", method: "GET", path: "/Observation/a%20b", status: 404, code: "not-found"},
		{name: "an unknown version", method: "GET", path: "/Observation/1/_history/7", status: 404, code: "not-found"},
		{name: "an impossible version", method: "GET", path: "/Observation/1/_history/one", status: 404, code: "not-found"},
		{name: "a search of all Provenance", method: "GET", path: "/Provenance", status: 400, code: "too-costly"},
		{name: "a search of an unknown type", method: "GET", path: "/Medication?patient=1", status: 404, code: "not-supported"},
		{name: "a modifier", method: "GET", path: "/Observation?code:above=1", status: 400, code: "not-supported"},
		{name: "a chain", method: "GET", path: "/Observation?patient.colour=red", status: 400, code: "not-supported"},
		{name: "an empty parameter", method: "GET", path: "/Observation?patient=", status: 400, code: "value"},
		{name: "another subject", method: "GET", path: "/Observation?patient=Group/1", status: 400, code: "value"},
		{name: "a bad date", method: "GET", path: "/Observation?date=yesterday", status: 400, code: "value"},
		{name: "a bad count", method: "GET", path: "/Observation?_count=-1", status: 400, code: "value"},
		{name: "a page of somebody else's", method: "GET", path: "/Observation?_page=e30", status: 400, code: "value"},
		{name: "a bad encoding", method: "GET", path: "/Observation?code=%25%zz", status: 400, code: "invalid"},
		{name: "strict handling", method: "GET", path: "/Observation?colour=red", headers: []string{"Prefer", "handling=strict"}, status: 400, code: "not-supported"},
		{name: "a _search that is no form", method: "POST", path: "/Observation/_search", body: `{}`, status: 415, code: "not-supported"},
		{name: "a searchset at the base", method: "POST", path: "", body: `{"resourceType":"Bundle","type":"searchset"}`, status: 400, code: "value"},
		{name: "a resource at the base", method: "POST", path: "/", body: ok, status: 400, code: "structure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := h.do(test.method, test.path, test.body, test.headers...)
			if a.status != test.status {
				t.Fatalf("%d %s, want %d", a.status, a.body, test.status)
			}
			o := h.outcome(a.body)
			if o.Issue[0].Code != test.code || o.Issue[0].Severity != "error" || o.Issue[0].Details.Text == "" {
				t.Errorf("%s, want %s", a.body, test.code)
			}
			if got := a.header.Get("Content-Type"); got != contentType {
				t.Errorf("content type %q", got)
			}
			if test.check != nil && !test.check(a) {
				t.Errorf("%v %s", a.header, a.body)
			}
		})
	}
}

func allow(methods string) func(answer) bool {
	return func(a answer) bool { return a.header.Get("Allow") == methods }
}

func TestTheFaultOfTheDoorDecidesTheStatus(t *testing.T) {
	h := newHouse(t)
	for kind, status := range map[fault.Kind]int{fault.Unavailable: 503, fault.Internal: 500, fault.Conflict: 409, fault.TooLarge: 413} {
		h.door.fails = fault.Wrap(kind, errors.New("secret words"), "store")
		for _, path := range []string{"/Observation", ""} {
			body := observation("1", "p", "1", "2026")
			if path == "" {
				body = `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST","url":"Observation"},"resource":` + body + `}]}`
			}
			a := h.must(status, "POST", path, body)
			h.outcome(a.body)
			if strings.Contains(string(a.body), "secret") {
				t.Errorf("%s", a.body)
			}
			if got := a.header.Get("Retry-After"); (got != "") != (kind == fault.Unavailable) {
				t.Errorf("%s: Retry-After %q", kind, got)
			}
		}
	}
	if !strings.Contains(h.log.String(), "secret words") {
		t.Error("the cause is not in the log")
	}
}

func TestAPanicIsAnsweredAndItsValueIsNotLogged(t *testing.T) {
	h := newHouse(t)
	h.door.panics = "Jane Doe, born 1970"
	a := h.must(500, "POST", "/Observation", observation("1", "p", "1", "2026"))
	if o := h.outcome(a.body); o.Issue[0].Code != "exception" {
		t.Errorf("%s", a.body)
	}
	if log := h.log.String(); !strings.Contains(log, "panic in a request") || strings.Contains(log, "Jane") {
		t.Errorf("%s", log)
	}
	h.door.panics = nil
	h.must(201, "POST", "/Observation", observation("1", "p", "1", "2026"))
}

func TestTheTokenIsAskedForEverywhereButAtMetadata(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.Tenant = func(r *http.Request) (ref.Tenant, error) {
			switch r.Header.Get("Authorization") {
			case "":
				return "", fault.Newf(fault.Unauthenticated, "login", "a bearer token is needed")
			case "Bearer good":
				return "default", nil
			default:
				return "", fault.Newf(fault.Forbidden, "forbidden", "not with this token")
			}
		}
	})
	h.must(200, "GET", "/metadata", "")
	for _, path := range []string{"/Observation", "/Observation/1", "/Observation/1/_history/1"} {
		a := h.must(401, "GET", path, "")
		h.outcome(a.body)
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%v", a.header)
		}
		h.outcome(h.must(403, "GET", path, "", "Authorization", "Bearer bad").body)
	}
	for _, path := range []string{"", "/", "/Observation", "/Observation/_search"} {
		h.outcome(h.must(401, "POST", path, "{}").body)
	}
	if n := h.door.calls(); n != 0 {
		t.Errorf("%d submissions came through without a token", n)
	}
	h.must(200, "GET", "/Observation", "", "Authorization", "Bearer good")
}

func TestABodyThatNeverEndsIsNotBuffered(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxResource = 1 << 20 })
	endless := blanks{}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/Observation", endless)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		response.Body.Close()
		if response.StatusCode != 413 {
			t.Errorf("status %d", response.StatusCode)
		}
	}
	if h.door.calls() != 0 {
		t.Error("it reached the door")
	}
}

// blanks gives blanks for ever.
type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestEveryWayToAskForJSONIsUnderstood(t *testing.T) {
	h := newHouse(t)
	for _, accept := range []string{
		"", "*/*", "application/fhir+json, */*; q=0.1", "application/json", "text/json", "application/json+fhir",
		"application/fhir+json;charset=UTF-8;fhirVersion=4.0", "application/xml;q=0.9, application/*;q=0.8", "APPLICATION/FHIR+JSON",
	} {
		h.must(200, "GET", "/metadata", "", "Accept", accept)
	}
	for _, format := range []string{"json", "application/json", "application/fhir+json", "application%2Ffhir%2Bjson"} {
		h.must(200, "GET", "/metadata?_format="+format, "", "Accept", "application/xml")
	}
	for i, sent := range []string{"application/json", "text/json; charset=latin1", "application/json+fhir", "application/fhir+json; fhirVersion=4.0.1"} {
		h.must(201, "POST", "/Observation", observation(itoa(i), "p", "1", "2026"), "Content-Type", sent)
	}
}

func TestTheCapabilityStatementFollowsTheTables(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.BaseURL, c.Version = "https://ehr.example/fhir/", "1.2.3" })
	got := h.must(200, "GET", "/metadata", "").body
	path := filepath.Join("testdata", "metadata.json")
	laid := laidOut(t, got)
	if *rewrite {
		if err := os.WriteFile(path, laid, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(laid)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnIncompleteConfigurationIsRefused(t *testing.T) {
	whole := Default()
	whole.Accept, whole.Store, whole.Score, whole.Definitions = &door{}, newHouse(t).store, scorer{}, catalogue{}
	whole.Tenant = func(*http.Request) (ref.Tenant, error) { return "", nil }
	if err := whole.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no door":        func(c *Config) { c.Accept = nil },
		"no store":       func(c *Config) { c.Store = nil },
		"no scorer":      func(c *Config) { c.Score = nil },
		"no definitions": func(c *Config) { c.Definitions = nil },
		"no tenant":      func(c *Config) { c.Tenant = nil },
		"no clock":       func(c *Config) { c.Now = nil },
		"no source":      func(c *Config) { c.Source = "" },
		"a relative URL": func(c *Config) { c.BaseURL = "/fhir" },
		"a URL with ?":   func(c *Config) { c.BaseURL = "http://h/fhir?a=b" },
		"a limit":        func(c *Config) { c.MaxBundle = -1 },
	} {
		c := whole
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestTheBaseFollowsOnlyALoopbackHost(t *testing.T) {
	h := newHouse(t)
	for host, want := range map[string]string{
		"localhost:81": "http://localhost:81/fhir", "127.0.0.1": "http://127.0.0.1/fhir", "[::1]:8": "http://[::1]:8/fhir",
		"evil.example": h.base, "127.0.0.1.evil.example": h.base,
	} {
		body := h.must(200, "GET", "/Observation", "", "Host", host).body
		if self := h.bundle(body).link("self"); self != want+"/Observation" {
			t.Errorf("%s: %s", host, self)
		}
	}
}

func TestTheTimeOfARequestCanRunOut(t *testing.T) {
	h := newHouse(t)
	h.door.fails = fmt.Errorf("wait for the commit: %w", context.DeadlineExceeded)
	a := h.must(503, "POST", "/Observation", observation("1", "p", "1", "2026"))
	if o := h.outcome(a.body); o.Issue[0].Code != "timeout" || a.header.Get("Retry-After") == "" {
		t.Errorf("%s", a.body)
	}
}

func TestAServerThatKnowsItsAddressStillAnswersByTheLoopbackNameThatIsUsed(t *testing.T) {
	const known = "https://127.0.0.1:7402/fhir"
	byHost := newHouse(t, func(c *Config) { c.BaseURL, c.ByHost = known, true })
	fixed := newHouse(t, func(c *Config) { c.BaseURL = known })
	for host, want := range map[string]string{
		"localhost:8080": "http://localhost:8080/fhir", "127.0.0.1": "http://127.0.0.1/fhir", "[::1]:7402": "http://[::1]:7402/fhir",
		"evil.example": known, "localhost.evil.example": known, "localhost:x": known, "127.0.0.1:80:x": known,
	} {
		for h, base := range map[*house]string{byHost: want, fixed: known} {
			body := h.must(200, "GET", "/Observation", "", "Host", host).body
			if got := h.bundle(body).link("self"); got != base+"/Observation" {
				t.Errorf("%s: %s, want %s", host, got, base)
			}
		}
	}
}

func TestTheCapabilityStatementLeadsToTheTokenEndpoint(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.BaseURL, c.TokenPath = "https://ehr.example/rapport/fhir", "/auth/token" })
	const want = `"extension":[{"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",` +
		`"extension":[{"url":"token","valueUri":"https://ehr.example/rapport/auth/token"}]}]`
	if got := h.must(200, "GET", "/metadata", "").body; !bytes.Contains(got, []byte(want)) {
		t.Errorf("%s", got)
	}
	if got := newHouse(t).must(200, "GET", "/metadata", "").body; bytes.Contains(got, []byte("oauth-uris")) {
		t.Errorf("where no tokens are given: %s", got)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if got := h.must(405, method, "/metadata", "").header.Get("Allow"); got != "GET, HEAD" {
			t.Errorf("%s: allowed are %q", method, got)
		}
	}
}
