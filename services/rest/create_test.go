package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestANewResourceIsCreatedAndServedAsItWasSent(t *testing.T) {
	h := newHouse(t)
	sent := observation("o1", "p1", "44261-6", "2026-03-01")
	a := h.must(201, "POST", "/Observation", sent)
	want := strings.Replace(sent, `"id":"o1"`, `"id":"o1","meta":{"versionId":"1","lastUpdated":"2026-03-04T12:00:00.000Z"}`, 1)
	if diff := cmp.Diff(want, string(a.body)); diff != "" {
		t.Error(diff)
	}
	for name, value := range map[string]string{
		"Location": h.base + "/Observation/o1/_history/1", "ETag": `W/"1"`, "Last-Modified": "Wed, 04 Mar 2026 12:00:00 GMT",
		"X-Rapport-Outcome": "scored", "Content-Type": contentType, "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for _, path := range []string{"/Observation/o1", "/Observation/o1/_history/1"} {
		read := h.must(200, "GET", path, "")
		if string(read.body) != want || read.header.Get("ETag") != `W/"1"` || read.header.Get("Last-Modified") == "" {
			t.Errorf("%s: %s %v", path, read.body, read.header)
		}
	}
}

func TestAReplayIsAnswered200WithTheSameLocation(t *testing.T) {
	h := newHouse(t)
	sent := observation("o1", "p1", "44261-6", "2026-03-01")
	first := h.must(201, "POST", "/Observation", sent)
	again := h.must(200, "POST", "/Observation", sent)
	if again.header.Get("Location") != first.header.Get("Location") || again.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("%v", again.header)
	}
	if string(again.body) != string(first.body) || again.header.Get("X-Rapport-Outcome") != "unchanged" {
		t.Errorf("%v %s", again.header, again.body)
	}
	if issue := again.header.Get("X-Rapport-Issue"); !strings.HasPrefix(issue, "information informational: unchanged") {
		t.Errorf("%q", issue)
	}
	o := h.outcome(h.must(200, "POST", "/Observation", sent, "Prefer", "return=OperationOutcome").body)
	if o.Issue[0].Severity != "information" || o.Issue[0].Code != "informational" {
		t.Errorf("%+v", o)
	}
}

func TestACorrectionIsANewVersionAndTheOldOneStays(t *testing.T) {
	h := newHouse(t)
	h.must(201, "PUT", "/Observation/o1", observation("o1", "p1", "44261-6", "2026-03-01"))
	a := h.must(200, "PUT", "/Observation/o1", observation("o1", "p1", "44261-6", "2026-03-02"))
	if a.header.Get("ETag") != `W/"2"` || !strings.HasSuffix(a.header.Get("Location"), "/Observation/o1/_history/2") {
		t.Errorf("%v", a.header)
	}
	if got := h.must(200, "GET", "/Observation/o1/_history/1", "").body; !strings.Contains(string(got), "2026-03-01") {
		t.Errorf("%s", got)
	}
	if got := h.must(200, "GET", "/Observation/o1", "").body; !strings.Contains(string(got), "2026-03-02") {
		t.Errorf("%s", got)
	}
}

func TestWhatWasStoredButNotUsedIsToldWhicheverAnswerIsPreferred(t *testing.T) {
	h := newHouse(t)
	for i, prefer := range []string{"", "return=minimal", "return=representation", "return=OperationOutcome", "return=presentation"} {
		a := h.must(201, "POST", "/Observation", observation(itoa(i), "p1", "unusable", "2026"), "Prefer", prefer)
		if a.header.Get("X-Rapport-Outcome") != "stored" || a.header.Get("X-Rapport-Issue") != "warning code-invalid Observation.code: the code is not known: kept, not used" {
			t.Errorf("%q: %v", prefer, a.header)
		}
		switch prefer {
		case "return=minimal":
			if len(a.body) != 0 || a.header.Get("Content-Type") != "" {
				t.Errorf("%v %s", a.header, a.body)
			}
		case "return=OperationOutcome":
			if o := h.outcome(a.body); o.Issue[0].Severity != "warning" || o.Issue[0].Expression[0] != "Observation.code" {
				t.Errorf("%s", a.body)
			}
		default:
			if !strings.Contains(string(a.body), `"resourceType":"Observation"`) {
				t.Errorf("%q: %s", prefer, a.body)
			}
		}
	}
}

func TestSourceAndKeyReachTheDoor(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Source = "clinic" })
	sent := observation("o1", "p1", "1", "2026")
	h.must(201, "POST", "/Observation", sent)
	if s := h.door.last(); s.Source != "clinic" || s.Key != "" || s.Type != "Observation" || s.Tenant != "default" || string(s.Body) != sent {
		t.Errorf("%+v", s)
	}
	for _, key := range []string{`8e03978e`, `"8e03978e"`} {
		h.must(200, "POST", "/Observation", sent, "X-Rapport-Source", "lab.2", "Idempotency-Key", key)
		if s := h.door.last(); s.Source != "lab.2" || s.Key != "8e03978e" {
			t.Errorf("%+v", s)
		}
	}
}

func TestAClientThatHasTheVersionIsToldSo(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/Observation", observation("o1", "p1", "1", "2026"))
	for _, same := range [][]string{
		{"If-None-Match", `W/"1"`},
		{"If-None-Match", `"1"`},
		{"If-None-Match", `W/"7", W/"1"`},
		{"If-None-Match", "*"},
		{"If-Modified-Since", noon.Format(http.TimeFormat)},
	} {
		a := h.must(304, "GET", "/Observation/o1", "", same...)
		if len(a.body) != 0 || a.header.Get("ETag") != `W/"1"` {
			t.Errorf("%v: %v %s", same, a.header, a.body)
		}
	}
	for _, other := range [][]string{
		{"If-None-Match", `W/"2"`},
		{"If-Modified-Since", noon.Add(-time.Second).Format(http.TimeFormat)},
		{"If-Modified-Since", "soon"},
		{"If-None-Match", `W/"2"`, "If-Modified-Since", noon.Format(http.TimeFormat)},
	} {
		h.must(200, "GET", "/Observation/o1", "", other...)
	}
	head := h.must(200, "HEAD", "/Observation/o1", "")
	if len(head.body) != 0 || head.header.Get("Content-Length") == "0" {
		t.Errorf("%v %s", head.header, head.body)
	}
}

func TestWhatRapportDefinesCanBeRead(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/CodeSystem/rapport-adherence", "/SearchParameter/rapport-detectedissue-status"} {
		if got := h.must(200, "GET", path, "").body; !strings.Contains(string(got), "https://github.com/rapport-health/rapport/fhir") {
			t.Errorf("%s", got)
		}
	}
}
