package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

// subscribed sends a Subscription to a topic and returns the answer.
func (c *clinic) subscribed(topic, content, filter, endpoint string) *http.Response {
	c.t.Helper()
	const backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	body := `{"resourceType":"Subscription","status":"requested","reason":"a test","criteria":"https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/` + topic + `",
		"_criteria":{"extension":[{"url":"` + backport + `backport-filter-criteria","valueString":"` + filter + `"}]},
		"channel":{"type":"rest-hook","endpoint":"` + endpoint + `","payload":"application/fhir+json",
		"_payload":{"extension":[{"url":"` + backport + `backport-payload-content","valueCode":"` + content + `"}]}}}`
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.HTTPAddr()+"/fhir/Subscription", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// received is one call of a subscriber's endpoint.
type received struct {
	path, signature string
	body            []byte
}

func TestASubscriberIsToldOfASafetyAlertAndOfScoresWithTheirResources(t *testing.T) {
	calls := make(chan received, 100)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- received{r.URL.Path, r.Header.Get(client.HeaderSignature), body}
	}))
	t.Cleanup(endpoint.Close)
	c := start(t, func(config *server.Config) { config.AllowPrivateWebhooks = true })
	next := func() received {
		t.Helper()
		select {
		case r := <-calls:
			return r
		case <-time.After(20 * time.Second):
			t.Fatal("waited in vain for a call")
			return received{}
		}
	}
	secrets := map[string]string{}
	for topic, filter := range map[string]string{"care-alert": "DetectedIssue?patient=Patient/p1&code=phq9-item-9", "score": "Observation?patient=p1"} {
		resp := c.subscribed(topic, "full-resource", filter, endpoint.URL+"/"+topic)
		if resp.StatusCode != http.StatusCreated {
			body, _ := io.ReadAll(resp.Body)
			t.Fatalf("%s: %d %s", topic, resp.StatusCode, body)
		}
		secrets["/"+topic] = resp.Header.Get("Rapport-Webhook-Secret")
		if got := next(); got.path != "/"+topic || !strings.Contains(string(got.body), `"handshake"`) {
			t.Fatalf("the handshake is %s %s", got.path, got.body)
		}
	}
	c.send(phq9("other", "p2", monday, 0, 0, 0, 0, 0, 0, 0, 0, 2), phq9("r1", "p1", monday, 2, 2, 1, 1, 0, 0, 0, 0, 2))
	bodies := map[string][]byte{}
	for range 2 {
		got := next()
		bodies[got.path] = got.body
		if err := client.VerifySignature(got.signature, got.body, monday, time.Minute, secrets[got.path]); err != nil {
			t.Errorf("%s: %v", got.path, err)
		}
	}
	for path, want := range map[string][]string{
		"/care-alert": {`"resourceType":"DetectedIssue"`, `"resourceType":"Task"`, `"priority":"stat"`, `"Patient/p1"`, `-panel"`},
		"/score":      {`"resourceType":"Observation"`, `"resourceType":"QuestionnaireResponse"`, `-panel"`},
	} {
		for _, one := range want {
			if !strings.Contains(string(bodies[path]), one) {
				t.Errorf("%s lacks %s: %s", path, one, bodies[path])
			}
		}
		if strings.Contains(string(bodies[path]), "Patient/p2") {
			t.Errorf("%s tells of another patient", path)
		}
	}
	testbed.Valid(t, bodies)
	list, err := rapportv1.NewSubscriptionServiceClient(c.conn).ListSubscriptions(t.Context(), &rapportv1.ListSubscriptionsRequest{})
	if err != nil || len(list.GetSubscriptions()) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	resp, err := http.Get("http://" + c.HTTPAddr() + "/fhir/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var statement struct {
		Rest []struct{ Resource []struct{ Type string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&statement); err != nil {
		t.Fatal(err)
	}
	offered := map[string]bool{}
	for _, r := range statement.Rest[0].Resource {
		offered[r.Type] = true
	}
	for _, typ := range []string{"Subscription", "Basic", "Task", "Flag", "DetectedIssue"} {
		if !offered[typ] {
			t.Errorf("%s is not offered", typ)
		}
	}
}

func TestWithoutLeaveAServerCallsNothingInside(t *testing.T) {
	c := start(t, nil)
	for _, endpoint := range []string{"https://127.0.0.1:9/", "http://ehr.example.org/"} {
		if resp := c.subscribed("care-alert", "empty", "DetectedIssue?severity=high", endpoint); resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", endpoint, resp.StatusCode)
		}
	}
}
