package rest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry of a Bundle.
func entry(method, url, resource string, more ...string) string {
	out := `{"request":{"method":"` + method + `","url":"` + url + `"` + strings.Join(more, "") + `}`
	if resource != "" {
		out += `,"resource":` + resource
	}
	return out + "}"
}

func bundleOf(typ string, entries ...string) string {
	out := `{"resourceType":"Bundle","type":"` + typ + `"`
	if len(entries) > 0 {
		out += `,"entry":[` + strings.Join(entries, ",") + `]`
	}
	return out + "}"
}

func TestATransactionAnswersEntryForEntry(t *testing.T) {
	h := newHouse(t)
	h.must(201, "POST", "/Observation", observation("old", "p", "1", "2026"))
	sent := bundleOf("transaction",
		entry("POST", "Observation", observation("new", "p", "unusable", "2026")),
		entry("PUT", "Observation/old", observation("old", "p", "1", "2026")),
		entry("PUT", "Observation/put", observation("put", "p", "1", "2026")))
	for _, path := range []string{"", "/"} {
		b := h.bundle(h.must(200, "POST", path, sent).body)
		if b.Type != "transaction-response" || len(b.Entry) != 3 {
			t.Fatalf("%+v", b)
		}
		if path == "/" {
			continue // a replay: everything is unchanged
		}
		var got []string
		for _, e := range b.Entry {
			got = append(got, e.Response.Status+" "+strings.TrimPrefix(e.Response.Location, h.base)+" "+e.Response.Etag+" "+e.Response.LastModified)
		}
		want := []string{
			`201 Created /Observation/new/_history/1 W/"1" 2026-03-04T12:00:00.000Z`,
			`200 OK /Observation/old/_history/1 W/"1" 2026-03-04T12:00:00.000Z`,
			`201 Created /Observation/put/_history/1 W/"1" 2026-03-04T12:00:00.000Z`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if b.Entry[0].Response.Outcome == nil || b.Entry[0].Response.Outcome.Issue[0].Severity != "warning" {
			t.Errorf("%+v", b.Entry[0])
		}
		if b.Entry[1].Response.Outcome == nil || b.Entry[1].Response.Outcome.Issue[0].Severity != "information" {
			t.Errorf("%+v", b.Entry[1])
		}
		if b.Entry[2].Response.Outcome != nil || b.Entry[2].Resource.ID != "" {
			t.Errorf("%+v", b.Entry[2])
		}
	}
	corrected := h.bundle(h.must(200, "POST", "", bundleOf("transaction",
		entry("PUT", "Observation/put", observation("put", "p", "1", "2025")), entry("POST", "Observation", observation("new", "p", "1", "2025")))).body)
	if first, second := corrected.Entry[0].Response, corrected.Entry[1].Response; first.Status != "200 OK" || second.Status != "201 Created" || second.Etag != `W/"2"` {
		t.Errorf("%+v", corrected)
	}
	b := h.bundle(h.must(200, "POST", "", sent, "Prefer", "return=representation").body)
	if b.Entry[2].Resource.ID != "put" || b.Entry[2].FullURL != h.base+"/Observation/put" {
		t.Errorf("%+v", b.Entry[2])
	}
}

func TestAnEmptyBundleIsAnsweredWithAnEmptyOne(t *testing.T) {
	h := newHouse(t)
	for _, typ := range []string{"transaction", "batch"} {
		if b := h.bundle(h.must(200, "POST", "", bundleOf(typ)).body); b.Type != typ+"-response" || b.Entry != nil {
			t.Errorf("%+v", b)
		}
	}
}

func TestATransactionWithOneBadEntryStoresNothing(t *testing.T) {
	h := newHouse(t)
	good := entry("POST", "Observation", observation("good", "p", "1", "2026"))
	for name, test := range map[string]struct {
		bad    string
		status int
		code   string
	}{
		"a rule":              {entry("POST", "Observation", `{"resourceType":"Observation"}`), 422, "required"},
		"a version":           {entry("PUT", "Observation/1", observation("1", "p", "1", "2026"), `,"ifMatch":"W/\"1\""`), 412, "conflict"},
		"no such method":      {entry("TRACE", "Patient/1", ""), 422, "not-supported"},
		"no request":          {`{"resource":` + observation("1", "p", "1", "2026") + `}`, 400, "required"},
		"no resource":         {entry("POST", "Observation", ""), 400, "required"},
		"another type":        {entry("POST", "Goal", observation("1", "p", "1", "2026")), 400, "value"},
		"another id":          {entry("PUT", "Observation/2", observation("1", "p", "1", "2026")), 400, "value"},
		"another type in PUT": {entry("PUT", "Goal/1", `{"resourceType":"Observation"}`), 400, "value"},
		"a DetectedIssue":     {entry("POST", "DetectedIssue", `{"resourceType":"DetectedIssue"}`), 422, "not-supported"},
	} {
		a := h.do("POST", "", bundleOf("transaction", good, test.bad))
		o := h.outcome(a.body)
		if a.status != test.status || o.Issue[0].Code != test.code || len(o.Issue) != 1 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.door.terse = true
	o := h.outcome(h.must(422, "POST", "", bundleOf("transaction", good, entry("POST", "Observation", `{"resourceType":"Observation"}`))).body)
	if len(o.Issue) != 1 || o.Issue[0].Code != "required" {
		t.Errorf("%+v", o)
	}
	h.must(404, "GET", "/Observation/good", "")
}

func TestABadEntryOfABatchDoesNotHurtItsNeighbours(t *testing.T) {
	h := newHouse(t)
	b := h.bundle(h.must(200, "POST", "", bundleOf("batch",
		entry("GET", "Patient/1", ""),
		entry("POST", "Observation", observation("a", "p", "1", "2026")),
		entry("POST", "Observation", `{"resourceType":"Observation","id":"b"}`),
		entry("PATCH", "Observation/a", `{"resourceType":"Binary"}`),
		entry("PUT", "Observation/c", observation("c", "p", "1", "2026")),
		entry("PUT", "Observation/d", `{"resourceType":"Observation","subject":{"reference":"Patient/p"}}`),
		entry("DELETE", "Observation/a", ""))).body)
	var got []string
	for _, e := range b.Entry {
		line := e.Response.Status
		if e.Response.Outcome != nil {
			line += " " + e.Response.Outcome.Issue[0].Code + " " + strings.Join(e.Response.Outcome.Issue[0].Expression, "")
		}
		got = append(got, line)
	}
	want := []string{
		"404 Not Found not-found ",
		"201 Created",
		// The place is that in the Bundle that was sent, although only three of its entries reached the door.
		"422 Unprocessable Entity required Bundle.entry[2].resource.subject",
		"415 Unsupported Media Type not-supported ",
		"201 Created",
		"400 Bad Request value Bundle.entry[5].request.url",
		"204 No Content",
	}
	if diff := cmp.Diff(want, got); diff != "" || b.Type != "batch-response" {
		t.Error(b.Type, diff)
	}
	h.must(200, "GET", "/Observation/a", "")
	h.must(200, "GET", "/Observation/c", "")
	h.must(404, "GET", "/Observation/b", "")
	if n := h.door.calls(); n != 2 {
		t.Errorf("%d calls of the door for one batch with one deletion", n)
	}
	all := h.bundle(h.must(200, "POST", "", bundleOf("batch", entry("GET", "Patient/1", ""))).body)
	if len(all.Entry) != 1 || h.door.calls() != 2 {
		t.Errorf("%+v, %d calls", all, h.door.calls())
	}
}
