package subscriptions_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// found is a Bundle as far as tests look at it.
type found struct {
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource struct{ ResourceType, ID string }
		Search   struct{ Mode string }
	}
}

func (h *house) finds(path string) found {
	h.Helper()
	var f found
	if err := json.Unmarshal(h.must(http.StatusOK, "GET", path, "").body, &f); err != nil || f.Total == nil {
		h.Fatalf("%s: no Bundle with a total: %v", path, err)
	}
	return f
}

func TestAMethodThatIsNotSupportedIsToldWhichAre(t *testing.T) {
	h := newHouse(t)
	e := newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL})
	for call, want := range map[string]string{
		"PATCH /Subscription/" + id:                      "405 DELETE, GET, HEAD, PUT",
		"POST /Subscription/" + id + "/$foo":             "404 ",
		"POST /Subscription/$foo":                        "404 ",
		"DELETE /Subscription/$get-ws-binding-token":     "405 GET, HEAD, POST",
		"DELETE /Subscription/" + id + "/$status":        "405 GET, HEAD, POST",
		"GET /Subscription/" + id + "/$rotate-key":       "405 POST",
		"DELETE /Subscription":                           "405 GET, HEAD, POST",
		"POST /Basic":                                    "405 GET, HEAD",
		"DELETE /Basic/rapport-score":                    "405 GET, HEAD",
		"GET /Subscription/" + id + "/more/and/more":     "404 ",
		"GET /Subscription/none":                         "404 ",
		"GET /Subscription/none/$get-ws-binding-token":   "404 ",
		"GET /Subscription/$get-ws-binding-token?id=non": "404 ",
		"GET /Subscription/$get-ws-binding-token":        "404 ",
	} {
		method, path, _ := strings.Cut(call, " ")
		got := h.do(method, path, "")
		if told := fmt.Sprint(got.status, " ", got.header.Get("Allow")); told != want {
			t.Errorf("%s: %s, want %s: %s", call, told, want, got.body)
		}
		if !strings.Contains(string(got.body), `"OperationOutcome"`) {
			t.Errorf("%s: %s", call, got.body)
		}
	}
	h.must(http.StatusNoContent, "DELETE", "/Subscription/"+id, "")
	for _, path := range []string{"", "/_history/1", "/$status", "/$events"} {
		h.must(http.StatusGone, "GET", "/Subscription/"+id+path, "")
	}
}

func TestNoParameterOfASubscriptionOrATopicIsIgnoredInSilence(t *testing.T) {
	h := newHouse(t)
	e := newEndpoint(t, nil)
	h.subscribe(wish{endpoint: e.URL})
	h.subscribe(wish{endpoint: e.URL, topic: "score"})
	h.subscribe(wish{endpoint: e.URL, criteria: "DetectedIssue?severity=high"})
	const topic = "https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/"
	for query, want := range map[string]string{
		"Subscription": "3", "Subscription?foo=x": "3 and a word", "Subscription?topic=" + topic + "score": "1", "Subscription?topic:missing=true": "1",
		"Subscription?topic:missing=false": "2", "Subscription?criteria=" + topic: "2", "Subscription?criteria=detectedissue": "1",
		"Subscription?payload:missing=true": "1", "Subscription?status:missing=false": "3", "Subscription?type=rest-hook": "3",
		"Basic": "2", "Basic?foo=x": "2 and a word", "Basic?code:missing=true": "0", "Basic?code:missing=false": "2", "Basic?code=SubscriptionTopic": "2",
		"Basic?code=other": "0", "Basic?_id=rapport-score": "1", "Basic?_count=1": "2 on 1, and more", "Basic?_count=1&_page=1": "2 on 1", "Basic?_count=0": "2 on 0",
	} {
		got := h.finds("/" + query)
		told, matches := fmt.Sprint(*got.Total), 0
		for _, entry := range got.Entry {
			if entry.Search.Mode == "outcome" {
				told += " and a word"
			} else {
				matches++
			}
		}
		if matches != *got.Total {
			told += fmt.Sprint(" on ", matches)
		}
		if len(got.Link) > 1 {
			told += ", and more"
		}
		if told != want {
			t.Errorf("%s: %s, want %s", query, told, want)
		}
	}
	for _, query := range []string{"/Subscription?status:not=off", "/Basic?code:text=x", "/Basic?code:missing=x", "/Subscription?_count=-1", "/Basic?_page=x"} {
		h.must(http.StatusBadRequest, "GET", query, "")
	}
	for query, want := range map[string]int{"/Subscription?foo=x": 400, "/Basic?foo=x": 400, "/Basic?_format=json&code=x": 200} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", h.door.URL+"/fhir"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Prefer", "handling=strict")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s, strictly: %d", query, resp.StatusCode)
		}
	}
}
