package subscriptions

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// The bounds of what a client may say over a websocket, and how often it may be wrong.
const (
	maxFrame    = 20 << 10
	maxMistakes = 10
)

// socket is one websocket. What its client says is obeyed in order; each binding has a worker of its own.
type socket struct {
	room *Room
	conn *websocket.Conn
	// known is the right of who came in; without a tenant for who has not said who they are.
	known auth.Binding
	visit *auth.Visit
	// address it comes from, and base where it reaches FHIR REST.
	address, base string
	ctx           context.Context
	// end closes the socket for good.
	end     context.CancelFunc
	workers sync.WaitGroup
	// bound is guarded by the lock of the sockets.
	bound map[place]*binding
}

// binding is a subscription that is told over a socket.
type binding struct {
	*line
	socket *socket
	// working ends with the binding, and greeting says that it is being greeted.
	working  context.Context
	greeting atomic.Bool
	// right by which it is told, and stay by which that is noted; guarded by the lock of the sockets.
	right auth.Binding
	stay  *auth.Stay
}

// connect opens a websocket and stays until it is closed.
func (c *request) connect() error {
	p, err := c.config.Principal(c.r)
	visit := auth.VisitOf(c.r.Context())
	if fault.Of(err) == fault.Unauthenticated && visit != nil { // the gate has let in who upgrades
		p, err = access.Principal{}, nil // a token will tell
	}
	if err != nil {
		return err
	}
	if !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		c.w.Header().Set("Connection", "Upgrade")
		c.w.Header().Set("Upgrade", "websocket")
		c.reply(http.StatusUpgradeRequired, fhir.Outcome(fault.Errorf("not-supported", "", "this is where websockets are opened: ask for an upgrade")))
		return nil
	}
	s := &socket{room: c.Room, known: c.config.Bindings.Of(p), visit: visit, address: hostOf(c.r.RemoteAddr), base: c.base, bound: map[place]*binding{}}
	if err := c.sockets.enter(s); err != nil {
		return err
	}
	defer c.sockets.leave(s)
	upgrade := &upgrading{ResponseWriter: c.w}
	// Who may be told is decided by tokens, and by the gate for what a browser sends by itself; the origin adds nothing.
	s.conn, err = websocket.Accept(upgrade, c.r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		c.reply(upgrade.status, fhir.Outcome(fault.Errorf("structure", "", "this is no correct request for a websocket of version 13")))
		return nil
	}
	s.ctx, s.end = context.WithCancel(c.r.Context())
	s.run()
	return nil
}

// upgrading lets an upgrade pass, and keeps a refusal to itself.
type upgrading struct {
	http.ResponseWriter
	status int
}

// WriteHeader passes on what changes protocols.
func (u *upgrading) WriteHeader(status int) {
	if u.status = status; status == http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
	}
}

// Write drops a refusal in plain text.
func (u *upgrading) Write(b []byte) (int, error) { return len(b), nil }

// Unwrap is for whoever takes the connection over.
func (u *upgrading) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// guest says whether nobody knows yet who it is.
func (s *socket) guest() bool { return s.known.Principal.Tenant == "" }

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// frame is one message of the client.
type frame struct {
	kind websocket.MessageType
	text string
}

// maxWaiting is how much a client may have said that was not obeyed yet.
const maxWaiting = 32

// run reads what the client says until either side closes. It does nothing else: by reading it also hears the signs of life for
// which those wait who tell.
func (s *socket) run() {
	defer s.workers.Wait()
	defer s.end()
	defer func() { _ = s.conn.CloseNow() }()
	said := make(chan frame, maxWaiting)
	s.workers.Go(s.guard)
	s.workers.Go(func() { s.obey(said) })
	s.conn.SetReadLimit(maxFrame)
	for {
		kind, text, err := s.conn.Read(s.ctx)
		if err != nil {
			return
		}
		select {
		case said <- frame{kind, string(text)}:
		default:
			s.close(websocket.StatusPolicyViolation, "too much at once")
			return
		}
	}
}

// obey does what the client says.
func (s *socket) obey(said <-chan frame) {
	for mistakes := 0; ; {
		var f frame
		select {
		case <-s.ctx.Done():
			return
		case f = <-said:
		}
		err := error(errText)
		if f.kind == websocket.MessageText {
			err = s.hear(f.text)
		}
		if err == nil {
			continue
		}
		if mistakes++; mistakes > maxMistakes {
			s.close(websocket.StatusPolicyViolation, "too many mistakes")
			return
		}
		s.say(fhir.OutcomeOf(err))
	}
}

var errText = fault.Newf(fault.Invalid, "not-supported", "say it as text")

// introduction is how long somebody may take at first to bind something.
const introduction = 10 * time.Second

// guard sees that the other side is there, and closes when the server stops or nobody binds anything.
func (s *socket) guard() {
	c := &s.room.config
	for wait := min(introduction, c.Keepalive); ; wait = c.Keepalive {
		select {
		case <-s.ctx.Done():
			return
		case <-c.Stopping:
			s.close(websocket.StatusGoingAway, "the server is stopping: come again")
			return
		case <-c.After(wait):
		}
		if !s.room.sockets.any(s) {
			s.close(websocket.StatusPolicyViolation, "nothing is bound")
			return
		}
		ctx, cancel := context.WithTimeout(s.ctx, c.Timeout)
		err := s.conn.Ping(ctx)
		cancel()
		if err != nil {
			s.end()
			return
		}
	}
}

// farewell is how long the other side is waited for to close too.
const farewell = time.Second

// close says why, and closes.
func (s *socket) close(code websocket.StatusCode, why string) {
	defer time.AfterFunc(farewell, s.end).Stop()
	_ = s.conn.Close(code, why)
	s.end()
}

// say sends something that is no notification. When it cannot be sent the reader will see why.
func (s *socket) say(text []byte) {
	ctx, cancel := context.WithTimeout(s.ctx, s.room.config.Timeout)
	defer cancel()
	if s.conn.Write(ctx, websocket.MessageText, text) != nil {
		s.end()
	}
}

// spoken is what a client says.
type spoken struct {
	// verb is bind, bind-with-token or ping; what is bound by bind is an id.
	verb, what string
}

// readSpoken reads `bind :id` of R4, `bind-with-token :token` of the backport, and the latter and ping in the JSON of clients
// that frame it.
func readSpoken(text string) (spoken, error) {
	text = strings.TrimSpace(text)
	var framed struct {
		Type    string `json:"type"`
		Payload struct {
			Token string `json:"token"`
		} `json:"payload"`
	}
	said := spoken{}
	if strings.HasPrefix(text, "{") {
		if json.Unmarshal([]byte(text), &framed) != nil {
			return said, errSpoken
		}
		said = spoken{framed.Type, framed.Payload.Token}
	} else {
		said.verb, said.what, _ = strings.Cut(text, " ")
	}
	said.what = strings.TrimSpace(said.what)
	switch {
	case said.verb == "ping" && said.what == "":
		return said, nil
	case said.verb == "bind" && ref.ValidID(said.what), said.verb == "bind-with-token" && said.what != "":
		return said, nil
	default:
		return spoken{}, errSpoken
	}
}

var errSpoken = fault.Newf(fault.Invalid, "structure", "say `bind ID`, or `bind-with-token TOKEN` with a token of $get-ws-binding-token")

func (s *socket) hear(text string) error {
	said, err := readSpoken(text)
	if err != nil {
		return err
	}
	switch said.verb {
	case "ping":
		s.say([]byte(`{"type":"pong"}`))
		return nil
	case "bind":
		if s.guest() {
			return s.unknown(fault.Newf(fault.Unauthenticated, "login", "nobody knows who you are: ask $get-ws-binding-token for a token, and say bind-with-token"))
		}
		if err := s.room.config.Bindings.Holds(s.known); err != nil {
			return s.unknown(err)
		}
		return s.bind(s.known, said.what)
	}
	right, err := s.room.config.Bindings.Read(s.ctx, said.what)
	if err != nil {
		return s.unknown(err)
	}
	for _, id := range right.Subscriptions {
		if err := s.bind(right, id); err != nil {
			s.say(fhir.OutcomeOf(err)) // the others of the token are bound nevertheless
		}
	}
	return nil
}

// unknown refuses who may not bind: it is counted and noted, as at any door.
func (s *socket) unknown(err error) error {
	if wait := s.visit.Try(); wait != nil {
		err = wait
	}
	s.visit.Refused(s.ctx, s.known.Principal, err)
	return err
}

// bind begins to tell a subscription from where the last socket ended, or goes on by another right. What is refused is noted.
func (s *socket) bind(right auth.Binding, id string) error {
	at := place{right.Principal.Tenant, id}
	err := s.renew(at, right)
	if err == nil && !s.room.sockets.holds(s, at) {
		err = s.begin(at, right)
	}
	if err != nil {
		s.visit.Refused(s.ctx, right.Principal, err)
	}
	return err
}

// renew goes on by another right with what is bound already.
func (s *socket) renew(at place, right auth.Binding) error {
	if !s.room.sockets.holds(s, at) {
		return nil
	}
	stay, err := s.visit.Stay(s.ctx, right.Principal, "Subscription/"+at.id)
	if err != nil {
		return err
	}
	b := s.room.sockets.renewed(s, at, right, stay)
	if b != nil && b.greeting.CompareAndSwap(false, true) { // one at a time, however often it is asked for
		s.workers.Go(b.greet)
	}
	return nil
}

// begin makes a binding. It is known to the sockets before its subscription is read, so that no change of it is missed.
func (s *socket) begin(at place, right auth.Binding) error {
	wish, err := s.bindable(at)
	if err != nil {
		return err
	}
	told, err := s.room.told(s.ctx, at.tenant)
	if err != nil {
		return err
	}
	b := &binding{socket: s, right: right}
	b.line = newLine(s.room, at.tenant, wish, told[at.id], b, s.base)
	b.working, b.end = context.WithCancel(s.ctx)
	if err := s.room.sockets.add(b, at); err != nil {
		return err
	}
	if err := s.settle(b, at); err != nil {
		s.room.sockets.drop(b, at)
		return err
	}
	b.greeting.Store(true)
	s.workers.Go(func() {
		b.greet()
		b.run(b.working)
	})
	return nil
}

// settle reads what a binding begins with, and notes that it begins.
func (s *socket) settle(b *binding, at place) error {
	wish, err := s.bindable(at)
	if err != nil {
		return err
	}
	b.become(wish)
	x, err := s.room.extent(s.ctx, at.tenant, at.id)
	if err != nil {
		return err
	}
	b.reached(x.Last)
	stay, err := s.visit.Stay(s.ctx, b.right.Principal, "Subscription/"+at.id)
	if err != nil {
		return err
	}
	s.room.sockets.renewed(s, at, b.right, stay)
	return nil
}

// bindable is a subscription that can be told over a websocket now.
func (s *socket) bindable(at place) (subscription.Subscription, error) {
	wish, err := s.room.view(s.ctx, at.tenant, at.id)
	switch {
	case err != nil:
		return wish, err
	case wish.Channel != subscription.Websocket:
		return wish, fault.Newf(fault.Unprocessable, "business-rule", "the subscription %s is told by %s, not over a websocket", at.id, wish.Channel)
	case wish.Status != subscription.Active:
		return wish, fault.Newf(fault.Unprocessable, "business-rule", "the subscription %s has the status %s: bring it back by a PUT with the status requested", at.id, wish.Status)
	}
	return wish, nil
}

// greet says that a binding counts: by the handshake of a topic, which holds the number of the last event, or as plain R4 does.
func (b *binding) greet() {
	defer b.greeting.Store(false)
	s, _ := b.now()
	if s.Topic == subscription.Criteria {
		b.socket.say([]byte("bound " + s.ID))
		return
	}
	b.call(b.socket.ctx, b.handshake(s), fhir.ToldHandshake)
}

// bring sends a message, and then asks for a sign of life: once that comes, the client has received all before it. A socket
// on which this fails is closed, and what was not received waits for the next.
func (b *binding) bring(_ context.Context, m message) answer {
	text := m.body
	if len(text) == 0 {
		s, _ := b.now()
		text = []byte("ping " + s.ID)
	}
	b.socket.room.sockets.stayOf(b).Shown(m.patients)
	ctx, cancel := context.WithTimeout(b.socket.ctx, m.timeout) // that of the socket: to end a binding must not cut off the others
	defer cancel()
	err := b.socket.conn.Write(ctx, websocket.MessageText, text)
	if err == nil {
		err = b.socket.conn.Ping(ctx)
	}
	if err != nil {
		b.socket.end()
		return answer{verdict: failed, failure: "the websocket was closed, or its client did not take in time what was sent"}
	}
	return answer{}
}
