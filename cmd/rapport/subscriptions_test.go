package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

func TestSubscriptionsAreLookedAfterFromTheCommandLine(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusGone)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	t.Cleanup(endpoint.Close)
	c := startClinic(t, func(config *server.Config) { config.AllowPrivateWebhooks = true })
	rapport(t, "subscriptions").want(t, exitDone, "No subscriptions.")
	body := `{"resourceType":"Subscription","status":"requested","reason":"a test","criteria":"DetectedIssue?code=phq9-item-9","channel":{"type":"rest-hook","endpoint":"` + endpoint.URL + `"}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+c.HTTPAddr()+"/fhir/Subscription/ward", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	becomes := func(word string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			r := rapport(t, "subscriptions", "list")
			if strings.Contains(r.out, word) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s:\n%s", word, r.out)
			}
		}
	}
	becomes("active")
	rapport(t, "subscriptions", "deadletters", "ward").want(t, exitDone, "No dead letters.")
	critical := strings.NewReader(`{"resourceType":"QuestionnaireResponse","id":"r1","questionnaire":"http://loinc.org/q/44249-1","status":"completed",` +
		`"subject":{"reference":"Patient/p1"},"authored":"2026-03-02T09:00:00Z","item":[{"linkId":"/44260-8","answer":[{"valueCoding":{"system":"http://loinc.org","code":"LA6570-1"}}]}]}`)
	rapportWith(t, streams{in: critical}, "ingest", "-").want(t, exitDone)
	becomes("error")
	rapport(t, "subscriptions", "show", "ward").want(t, exitDone, "given up after failing once: status 410", "DetectedIssue?code=phq9-item-9")
	rapport(t, "subscriptions", "deadletters", "ward").want(t, exitDone, "alert.opened", "DetectedIssue/")
	rapport(t, "subscriptions", "deadletters", "ward", "-o", "json").want(t, exitDone, `"number":"1"`)
	status.Store(http.StatusOK)
	rapport(t, "subscriptions", "redrive", "ward").want(t, exitDone, "0 dead letters are told again.")
	becomes("1 of 1")
	r := rapport(t, "subscriptions", "rotate", "ward").want(t, exitDone)
	if len(strings.TrimSpace(r.out)) < 20 {
		t.Errorf("the secret is %q", r.out)
	}
	rapport(t, "subscriptions", "show", "none").want(t, exitFailed, "no such subscription")
}
