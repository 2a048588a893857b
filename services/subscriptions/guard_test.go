package subscriptions_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/subscriptions"
)

func open(c *subscriptions.Config) { c.AllowPrivate = false }

func TestAnEndpointOnAnAddressThatIsNotPublicIsRefusedWhenItIsNamed(t *testing.T) {
	h := newHouse(t, open)
	for _, endpoint := range []string{
		"https://127.0.0.1/hook", "https://localhost/hook", "https://LOCALHOST./hook", "https://api.localhost/hook", "https://[::1]/hook",
		"https://10.1.2.3/hook", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest", "https://100.64.0.1/",
		"https://[fd00::1]/", "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
		"https://[::127.0.0.1]/", "https://0.0.0.0/", "https://[::]/", "https://224.0.0.1/", "https://255.255.255.255/", "https://168.63.129.16/",
		"http://203.0.113.1/hook", "http://ehr.example.org/hook", "ftp://ehr.example.org/", "https://user:pw@ehr.example.org/", "//ehr.example.org/", "hook", "https:///hook", "https://ehr.example.org/#x",
	} {
		r := h.do("POST", "/Subscription", wish{endpoint: endpoint}.body())
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "Subscription.channel.endpoint") {
			t.Errorf("%s: status %d: %s", endpoint, r.status, r.body)
		}
	}
	for _, endpoint := range []string{"https://ehr.example.org/hook", "https://93.184.215.14/hook", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/"} {
		h.must(http.StatusCreated, "POST", "/Subscription", changed(func(s, c map[string]any) {
			s["status"], c["endpoint"] = "off", endpoint // nobody is called
		}))
	}
}

func TestOnlyHostsOnTheListAreCalled(t *testing.T) {
	h := newHouse(t, open, func(c *subscriptions.Config) { c.Hosts = []string{"ehr.example.org", "*.clinic.example"} })
	for endpoint, status := range map[string]int{
		"https://ehr.example.org/": 201, "https://a.clinic.example/": 201, "https://a.b.Clinic.Example/": 201,
		"https://clinic.example/": 422, "https://evilclinic.example/": 422, "https://ehr.example.org.evil.example/": 422,
	} {
		if r := h.do("POST", "/Subscription", wish{endpoint: endpoint}.body()); r.status != status {
			t.Errorf("%s: status %d, want %d", endpoint, r.status, status)
		}
	}
}

// liar is a resolver to whom every name is an address of IPv4.
func liar(t *testing.T, address [4]byte) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = socket.WriteTo(answerTo(query[:n], address), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

// answerTo answers a DNS query for an A record with an address, and any other with none.
func answerTo(query []byte, address [4]byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	out := append([]byte{}, query[:end]...)
	out[2], out[3] = 0x81, 0x80
	copy(out[6:12], []byte{0, 0, 0, 0, 0, 0})
	if query[end-3] == 1 {
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, address[:]...)
	}
	return out
}

func TestANameThatLeadsToAPrivateAddressIsNotCalled(t *testing.T) {
	called := false
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, open)
	id, _ := h.subscribe(wish{endpoint: "https://rebound.example.org:" + port + "/hook"})
	if text, _ := h.stands(id, "error")["error"].(string); !strings.Contains(text, "not one that may be called") {
		t.Errorf("the error is %q", text)
	}
	if called {
		t.Error("the server inside was called")
	}
}

func TestWithoutTLSOnlyPrivateAddressesAreCalled(t *testing.T) {
	h := newHouse(t, func(c *subscriptions.Config) { c.Resolver = liar(t, [4]byte{93, 184, 215, 14}) })
	id, _ := h.subscribe(wish{endpoint: "http://ehr.example.org/hook"})
	if text, _ := h.stands(id, "error")["error"].(string); !strings.Contains(text, "not one that may be called") {
		t.Errorf("the error is %q", text)
	}
}

func TestACertificateThatNobodyVouchesForIsNotTrusted(t *testing.T) {
	e := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(e.Close)
	h := newHouse(t)
	id, _ := h.subscribe(wish{endpoint: e.URL})
	if text, _ := h.stands(id, "error")["error"].(string); !strings.Contains(text, "certificate") {
		t.Errorf("the error is %q", text)
	}
}

// changed is a Subscription with one thing about it changed.
func changed(change func(s, channel map[string]any)) string {
	var s map[string]any
	_ = json.Unmarshal([]byte(wish{endpoint: "https://ehr.example.org/hook"}.body()), &s)
	change(s, s["channel"].(map[string]any))
	text, _ := json.Marshal(s)
	return string(text)
}

func extension(url, member string, value any) []any {
	return []any{map[string]any{"url": url, member: value}}
}

func TestWhatIsNotSupportedIsRefusedWhenItIsAskedFor(t *testing.T) {
	h := newHouse(t, open)
	type object = map[string]any
	for name, test := range map[string]struct {
		change func(s, channel object)
		where  string
	}{
		"an unknown topic": {func(s, _ object) { s["criteria"] = "http://example.org/SubscriptionTopic/x" }, "Subscription.criteria"},
		"a filter on another type": {func(s, _ object) {
			s["_criteria"] = object{"extension": extension(backport+"backport-filter-criteria", "valueString", "Patient?_id=1")}
		}, "valueString"},
		"an unknown filter": {func(s, _ object) {
			s["_criteria"] = object{"extension": extension(backport+"backport-filter-criteria", "valueString", "DetectedIssue?author=1")}
		}, "valueString"},
		"a modifier": {func(s, _ object) {
			s["_criteria"] = object{"extension": extension(backport+"backport-filter-criteria", "valueString", "DetectedIssue?patient:missing=true")}
		}, "valueString"},
		"a filter without a value": {func(s, _ object) {
			s["_criteria"] = object{"extension": extension(backport+"backport-filter-criteria", "valueString", "DetectedIssue?patient=")}
		}, "valueString"},
		"a search that is unknown": {func(s, _ object) { s["criteria"] = "Medication?code=1" }, "Subscription.criteria"},
		"content without a topic":  {func(s, _ object) { s["criteria"] = "DetectedIssue" }, "_payload"},
		"another channel":          {func(_, c object) { c["type"] = "email" }, "Subscription.channel.type"},
		"a custom channel": {func(_, c object) {
			c["_type"] = object{"extension": extension(backport+"backport-channel-type", "valueCoding", object{"code": "x"})}
		}, "_type"},
		"another payload": {func(_, c object) { c["payload"] = "application/fhir+xml" }, "payload"},
		"no payload":      {func(_, c object) { delete(c, "payload") }, "payload"},
		"no content":      {func(_, c object) { delete(c, "_payload") }, "payload"},
		"another content": {func(_, c object) {
			c["_payload"] = object{"extension": extension(backport+"backport-payload-content", "valueCode", "everything")}
		}, "_payload"},
		"too long a time": {func(_, c object) { c["extension"] = extension(backport+"backport-timeout", "valueUnsignedInt", 4000) }, "extension"},
		"too short a heartbeat": {func(_, c object) {
			c["extension"] = extension(backport+"backport-heartbeat-period", "valueUnsignedInt", 0)
		}, "extension"},
		"too many events": {func(_, c object) {
			c["extension"] = extension(backport+"backport-max-count", "valuePositiveInt", 100000)
		}, "extension"},
		"an unknown extension": {func(_, c object) { c["extension"] = extension(backport+"backport-additional", "valueCode", "x") }, "extension"},
		"an R5 extension": {func(s, _ object) {
			s["extension"] = extension("http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic", "valueUri", "x")
		}, "extension"},
		"a modifier extension":       {func(s, _ object) { s["modifierExtension"] = extension("http://example.org/x", "valueCode", "x") }, "modifierExtension"},
		"a status of ours":           {func(s, _ object) { s["status"] = "active" }, "Subscription.status"},
		"no reason":                  {func(s, _ object) { delete(s, "reason") }, "Subscription.reason"},
		"an end that has passed":     {func(s, _ object) { s["end"] = "2020-01-01T00:00:00Z" }, "Subscription.end"},
		"a header that is no header": {func(_, c object) { c["header"] = []any{"no colon"} }, "Subscription.channel.header"},
		"a header with a line break": {func(_, c object) { c["header"] = []any{"X: a\r\nHost: b"} }, "Subscription.channel.header"},
		"a header of ours":           {func(_, c object) { c["header"] = []any{"Host: evil.example"} }, "Subscription.channel.header"},
		"a masked header":            {func(_, c object) { c["header"] = []any{"Authorization: ********"} }, "Subscription.channel.header"},
		"no channel":                 {func(s, _ object) { delete(s, "channel") }, "Subscription.channel"},
	} {
		r := h.do("POST", "/Subscription", changed(test.change))
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), test.where) || !strings.Contains(string(r.body), `"OperationOutcome"`) {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
	}
	for body, status := range map[string]int{`{`: 400, `{"resourceType":"Patient"}`: 400, "": 400} {
		if r := h.do("POST", "/Subscription", body); r.status != status {
			t.Errorf("%q: status %d, want %d", body, r.status, status)
		}
	}
	if got := string(h.must(http.StatusOK, "GET", "/Subscription", "").body); !strings.Contains(got, `"total":0`) {
		t.Errorf("something was made: %s", got)
	}
}

func TestASubscriptionIsShownAsItWasSentWithoutItsSecrets(t *testing.T) {
	h := newHouse(t, open)
	body := changed(func(s, c map[string]any) {
		c["header"] = []any{"Authorization: Bearer opensesame", "X-Key: hush"}
		s["status"] = "off" // nobody is called, so the version stays
		s["contact"] = []any{map[string]any{"system": "email", "value": "it@example.org"}}
		s["id"] = "mine"
	})
	made := h.must(http.StatusCreated, "PUT", "/Subscription/mine", body)
	if made.header.Get(subscriptions.HeaderSecret) == "" || made.header.Get("ETag") != `W/"1"` {
		t.Errorf("headers are %v", made.header)
	}
	got := string(h.must(http.StatusOK, "GET", "/Subscription/mine", "").body)
	if strings.Contains(got, "opensesame") || strings.Contains(got, "hush") || !strings.Contains(got, `"Authorization: ********"`) || !strings.Contains(got, "it@example.org") {
		t.Errorf("it is shown as %s", got)
	}
	h.must(http.StatusOK, "GET", strings.TrimPrefix(made.header.Get("Location"), "https://rapport.example.org/fhir"), "")
	h.must(http.StatusNotFound, "GET", "/Subscription/mine/_history/99", "")
	again := h.must(http.StatusOK, "PUT", "/Subscription/mine", body)
	if again.header.Get(subscriptions.HeaderSecret) != "" {
		t.Error("the secret was shown a second time")
	}
	for query, total := range map[string]string{"?status=active": "0", "?url=https://ehr.example.org/hook&type=rest-hook": "1", "?topic=https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/care-alert": "1", "?topic=x": "0", "?_id=mine,other": "1"} {
		if got := string(h.must(http.StatusOK, "GET", "/Subscription"+query, "").body); !strings.Contains(got, `"total":`+total) {
			t.Errorf("%s: %s", query, got)
		}
	}
}

func TestThereAreOnlySoManySubscriptionsOfATenant(t *testing.T) {
	h := newHouse(t, open, func(c *subscriptions.Config) { c.PerTenant = 2 })
	for range 2 {
		h.subscribe(wish{endpoint: "https://ehr.example.org/hook"})
	}
	h.must(http.StatusUnprocessableEntity, "POST", "/Subscription", wish{endpoint: "https://ehr.example.org/hook"}.body())
}
