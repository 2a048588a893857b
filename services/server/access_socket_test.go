package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

const overWebsocket = `{"resourceType":"Subscription","status":"requested","reason":"a test",
	"criteria":"https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/care-alert","channel":{"type":"websocket","payload":"application/fhir+json",
	"_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"full-resource"}]}}}`

// socket is the client's end of a websocket.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

// socket opens one; the headers are given as name, value.
func (c *clinic) socket(headers ...string) (*socket, *http.Response) {
	c.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	conn, resp, err := websocket.Dial(c.t.Context(), "ws://"+c.HTTPAddr()+access.SocketPath, &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		return nil, resp
	}
	conn.SetReadLimit(1 << 20)
	c.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{c.t, conn}, resp
}

func (s *socket) say(text string) *socket {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// hear is the next message, or how the other side closed.
func (s *socket) hear() (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := s.conn.Read(ctx)
	return string(text), err
}

// hears wants words in the next message, and gives it.
func (s *socket) hears(words ...string) string {
	s.t.Helper()
	text, err := s.hear()
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.t.Fatalf("heard is %s (%v), which lacks %s", text, err, word)
		}
	}
	return text
}

// subscribedOver makes a subscription over websockets and gives its id.
func (g *gated) subscribedOver(token string) string {
	g.t.Helper()
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(g.want(http.StatusCreated, "POST", "/fhir/Subscription", token, overWebsocket)), &made); err != nil {
		g.t.Fatal(err)
	}
	return made.ID
}

// bindingToken of a subscription.
func (g *gated) bindingToken(id, token string) string {
	g.t.Helper()
	var got struct {
		Parameter []struct{ Name, ValueString string }
	}
	if err := json.Unmarshal([]byte(g.want(http.StatusOK, "GET", "/fhir/Subscription/"+id+"/$get-ws-binding-token", token, "")), &got); err != nil {
		g.t.Fatal(err)
	}
	return got.Parameter[0].ValueString
}

func TestAWebsocketIsForWhomASubscriptionIsAndIsAudited(t *testing.T) {
	g := startGated(t, nil)
	who, token := g.full("default")
	id := g.subscribedOver(token)
	stranger, _ := g.socket()
	stranger.say("bind " + id).hears(`"login"`)
	stranger.say("bind-with-token " + token).hears(`"login"`) // one for access binds nothing
	stranger.say("bind-with-token " + g.bindingToken(id, token)).hears(`"handshake"`)
	known, _ := g.socket("Authorization", "Bearer "+token)
	known.say("bind " + id).hears(`"handshake"`)
	g.put(token, patientP1)
	g.want(http.StatusCreated, "PUT", "/fhir/QuestionnaireResponse/r1", token, phq9("r1", "p1", monday, 2, 2, 1, 1, 0, 0, 0, 0, 2))
	for _, s := range []*socket{stranger, known} {
		for range 2 { // the alert, and that nobody is assigned to hear it
			s.hears(`"event-notification"`, `"resourceType":"DetectedIssue"`, `Patient/p1`)
		}
	}
	if _, resp := g.socket("Authorization", "Bearer "+g.bindingToken(id, token)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token for websockets opens another door: %s", resp.Status)
	}
	var shown, bound, refused int
	within(t, func() bool {
		shown, bound, refused = 0, 0, 0
		for _, e := range append(g.audited("default"), g.audited("")...) {
			switch {
			case e.Method != "GET "+access.SocketPath:
			case e.Outcome == audit.Refused:
				refused++
			case slices.Contains(e.Patients, ref.Patient("p1")) && e.Client == who.client.ID:
				shown++
			case slices.Contains(e.Things, "Subscription/"+id) && e.Client == who.client.ID:
				bound++
			}
		}
		return shown == 4 && bound == 2 && refused >= 2
	}, func() string { return fmt.Sprintf("audited are %d shown, %d bound, %d refused", shown, bound, refused) })

	// Whoever is revoked is told no more.
	who.client.Revoked = true
	who.client.Generation++
	who.client.Version++
	g.keep(who.client)
	if err := g.RefreshClients(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*socket{stranger, known} {
		s.hears(`"login"`, "revoked")
	}
	known.say("bind "+id).hears(`"login"`, "revoked")
	if _, resp := g.socket("Authorization", "Bearer "+token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("another websocket for who was revoked: %s", resp.Status)
	}
}

func TestNewKeysEndWhatWasBoundByTheOldOnes(t *testing.T) {
	g := startGated(t, nil)
	who, token := g.full("default")
	id := g.subscribedOver(token)
	s, _ := g.socket("Authorization", "Bearer "+token)
	s.say("bind " + id).hears(`"handshake"`)
	who.client.Generation++
	who.client.Version++
	g.keep(who.client)
	if err := g.RefreshClients(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.hears(`"login"`)
	s.say("bind " + id).hears(`"login"`)
}

func TestOneAddressOpensOnlySoManyWebsocketsWithoutSayingWhoItIs(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Guests.PerSecond = 0 })
	_, token := g.full("default")
	for n := range 50 {
		if s, resp := g.socket(); s == nil {
			t.Fatalf("number %d: %s", n, resp.Status)
		}
	}
	if s, resp := g.socket(); s != nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more: %s", resp.Status)
	}
	if s, resp := g.socket("Authorization", "Bearer "+token); s == nil {
		t.Errorf("who is known is kept out too: %s", resp.Status)
	}
}

func TestTheGlassIsNotBrokenOverAWebsocket(t *testing.T) {
	g := startGated(t, nil)
	_, token := g.full("default")
	if s, resp := g.socket("Authorization", "Bearer "+token, "X-Break-Glass", "BTG"); s != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("it opened: %s", resp.Status)
	}
}

// within waits until something holds that others bring about.
func within(t *testing.T, holds func() bool, what func() string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatal(what())
		case <-tick.C:
		}
	}
}

func TestWhoMayNotReadEverythingHearsNothingOfASubscription(t *testing.T) {
	g := startGated(t, nil)
	_, token := g.full("default")
	id := g.subscribedOver(token)
	g.put(token, patientP1)
	g.want(http.StatusCreated, "PUT", "/fhir/QuestionnaireResponse/r1", token, phq9("r1", "p1", monday, 2, 2, 1, 1, 0, 0, 0, 0, 2))
	for name, of := range map[string]struct {
		scopes string
		change func(*access.Client)
	}{
		"one type":        {"system/Subscription.rs", nil},
		"some labels":     {"system/*.rs?_security=N", nil},
		"for a clinician": {"system/*.rs", func(c *access.Client) { c.Person, c.Role = "Practitioner/d1", "physio" }},
	} {
		t.Run(name, func(t *testing.T) {
			narrow := g.token(g.register(strings.ReplaceAll(name, " ", "-"), "default", of.scopes, of.change), of.scopes)
			for _, path := range []string{"/$get-ws-binding-token", "/" + id + "/$get-ws-binding-token", "/" + id + "/$events?content=full-resource"} {
				for _, method := range []string{"GET", "POST"} {
					g.want(http.StatusForbidden, method, "/fhir/Subscription"+path, narrow, "")
				}
			}
			if s, resp := g.socket("Authorization", "Bearer "+narrow); s != nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("a websocket opened: %s", resp.Status)
			}
		})
	}
	t.Run("another tenant", func(t *testing.T) {
		_, other := g.full("north")
		g.want(http.StatusNotFound, "GET", "/fhir/Subscription/"+id+"/$get-ws-binding-token", other, "")
		s, _ := g.socket("Authorization", "Bearer "+other)
		s.say("bind " + id).hears(`"not-found"`)
	})
}

func TestAPageElsewhereOpensNoWebsocketInTheNameOfWhoLooksAtIt(t *testing.T) {
	c := start(t, nil) // on this machine everybody may do everything
	heard := c.must(http.StatusCreated, "POST", "/Subscription", overWebsocket)
	var made struct{ ID string }
	if err := json.Unmarshal(heard.body, &made); err != nil {
		t.Fatal(err)
	}
	foreign, _ := c.socket("Origin", "https://elsewhere.example.org")
	foreign.say("bind " + made.ID).hears(`"login"`)
	own, _ := c.socket("Origin", "http://"+c.HTTPAddr())
	own.say("bind " + made.ID).hears(`"handshake"`)
	if answer := c.ask("GET", "http://"+c.HTTPAddr()+access.SocketPath, ""); answer.status != http.StatusUpgradeRequired {
		t.Errorf("without an upgrade: %d %s", answer.status, answer.body)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(context.WithoutCancel(t.Context())) }()
	if _, err := own.hear(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the server stops, and the websocket says %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestWhoGuessesTokensOverAWebsocketIsSlowedDown(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Guests.PerSecond, c.Access.Guests.Burst = 1, 5 })
	s, _ := g.socket()
	for range 5 {
		if text := s.say("bind-with-token guess").hears(`"OperationOutcome"`); strings.Contains(text, "throttled") {
			return
		}
	}
	t.Error("five guesses were not too many")
}
