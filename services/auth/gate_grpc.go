package auth

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// The metadata and headers by which a call says what it is for.
const (
	purposeHeader  = "X-Purpose"
	breakingHeader = "X-Break-Glass"
)

// Tap refuses calls before their messages are read, so that nobody who is not known fills the memory.
func (g *Gate) Tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	rule := access.Methods[info.FullMethodName]
	if rule.Open {
		return ctx, nil
	}
	a := &asked{door: "grpc", method: info.FullMethodName, rule: rule, authorization: first(info.Header, "authorization")}
	a.certificate, a.address = peerOf(ctx)
	a.begun = g.config.Now()
	if _, err := g.identify(ctx, a); err != nil {
		if wait := g.throttled(g.guests, a.address); wait != nil {
			err = wait
		}
		g.refused(ctx, a, g.config.Status(err))
		return ctx, g.config.Refuse(err)
	}
	return ctx, nil
}

func (g *Gate) askedOf(ctx context.Context, method string) *asked {
	a := &asked{door: "grpc", method: method, rule: access.Methods[method]}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		a.authorization, a.purpose, a.breaking = first(md, "authorization"), first(md, purposeHeader), first(md, breakingHeader)
	}
	a.certificate, a.address = peerOf(ctx)
	return a
}

func first(md metadata.MD, name string) string {
	if values := md.Get(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// peerOf is who is at the other end: a certificate that was verified, and the address.
func peerOf(ctx context.Context) (*x509.Certificate, string) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, ""
	}
	address := ""
	if p.Addr != nil {
		address = host(p.Addr.String())
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
		return info.State.VerifiedChains[0][0], address
	}
	return nil, address
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// Unary passes gRPC calls through the gate.
func (g *Gate) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	a := g.askedOf(ctx, info.FullMethod)
	sent := Sent{}
	err := g.enter(ctx, a)
	if err == nil && !a.rule.Open {
		sent = g.config.Read(req)
		err = g.inspect(ctx, a, sent)
	}
	if err != nil {
		g.refused(ctx, a, g.config.Status(err))
		return nil, g.config.Refuse(err)
	}
	if a.rule.Open {
		return handle(ctx, req)
	}
	inside, err := g.admitted(ctx, a)
	if err != nil {
		return nil, g.config.Refuse(err)
	}
	for _, p := range sent.Patients {
		Touched(inside, p, "")
	}
	leave, err := g.place(ctx, a, int64(sent.Size))
	if err != nil {
		return nil, g.config.Refuse(err)
	}
	resp, err := handle(inside, req)
	leave()
	g.shown(inside, resp)
	patients, things := trailOf(inside).take()
	code := g.config.Status(err)
	if noted := g.record(ctx, a, outcomeOf(code), code, patients, things); noted != nil && err == nil && !a.writes() {
		return nil, g.config.Refuse(noted)
	}
	return resp, err
}

// writes says whether the call has changed something, which cannot be taken back when its audit fails: the record of it
// is then tried again in the background.
func (a *asked) writes() bool {
	return a.rule.Action == "C" || a.rule.Action == "U" || a.rule.Action == "D"
}

// place waits for one of the tenant's places, and for room for what was sent.
func (g *Gate) place(ctx context.Context, a *asked, bytes int64) (leave func(), err error) {
	bounded, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	take, err := g.memory.put(bounded, bytes)
	if err != nil {
		return nil, busy(ctx, err)
	}
	turnstile := g.reads
	if a.writes() || a.rule.Body {
		turnstile = g.writes
	}
	out, err := turnstile.Enter(bounded, a.who.Tenant)
	if err != nil {
		take()
		return nil, busy(ctx, err)
	}
	return func() { out(); take() }, nil
}

// busy is what a caller is told who waited in vain.
func busy(ctx context.Context, err error) error {
	if ctx.Err() != nil || fault.Of(err) != fault.Unavailable {
		return err
	}
	return fault.Newf(fault.Throttled, "throttled", "the server is busy; send the same request again later")
}

func (g *Gate) shown(ctx context.Context, msg any) {
	if msg == nil || g.config.Shown == nil {
		return
	}
	patients, things := g.config.Shown(msg)
	for _, p := range patients {
		Touched(ctx, p, "")
	}
	for _, t := range things {
		Touched(ctx, "", t)
	}
}

// outcomeOf the name of a gRPC code.
func outcomeOf(code string) audit.Outcome {
	switch code {
	case "OK", "Canceled": // a stream ends when its caller goes away
		return audit.Done
	case "Internal", "Unknown", "Unavailable", "DataLoss", "DeadlineExceeded":
		return audit.Failed
	default:
		return audit.Refused
	}
}

// inspect decides by what was sent: the types in the bodies, and the feeds.
func (g *Gate) inspect(ctx context.Context, a *asked, sent Sent) error {
	if !a.rule.Body {
		return nil
	}
	for _, body := range sent.Bodies {
		if err := mayWrite(a.who, body, access.Create|access.Update, true); err != nil {
			return err
		}
	}
	if sent.Actor != "" && a.who.Person != "" && sent.Actor != a.who.Person {
		return fault.Newf(fault.Forbidden, "forbidden", "the actor is not the person for whom the client acts")
	}
	for _, id := range sent.Alerts {
		if g.config.Alert == nil {
			return forbidden()
		}
		if err := g.config.Alert(With(ctx, a.who), a.who.Tenant, id); err != nil {
			return err
		}
	}
	return g.follows(ctx, a.who, sent.Feeds)
}

// Stream passes gRPC streams through the gate. The audit of one is durable before its first answer, and goes on while it
// runs.
func (g *Gate) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx := stream.Context()
	a := g.askedOf(ctx, info.FullMethod)
	if err := g.enter(ctx, a); err != nil {
		g.refused(ctx, a, g.config.Status(err))
		return g.config.Refuse(err)
	}
	if a.rule.Open {
		return handle(srv, stream)
	}
	inside, err := g.admitted(ctx, a)
	if err != nil {
		return g.config.Refuse(err)
	}
	s := &passing{ServerStream: stream, gate: g, asked: a, ctx: inside}
	err = handle(srv, s)
	if s.refusal != nil {
		g.refused(ctx, a, g.config.Status(s.refusal))
		return g.config.Refuse(s.refusal)
	}
	s.close(err)
	return err
}

// passing is a stream on its way.
type passing struct {
	grpc.ServerStream
	gate  *Gate
	asked *asked
	ctx   context.Context

	mu      sync.Mutex
	begun   bool
	refusal error
}

// Context carries the principal and the trail.
func (s *passing) Context() context.Context { return s.ctx }

// RecvMsg looks into what was sent before the room does.
func (s *passing) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	sent := s.gate.config.Read(m)
	if err := s.gate.inspect(s.ctx, s.asked, sent); err != nil {
		s.mu.Lock()
		s.refusal = err
		s.mu.Unlock()
		return s.gate.config.Refuse(err)
	}
	for _, p := range sent.Patients {
		Touched(s.ctx, p, "")
	}
	return nil
}

// SendMsg sends once the audit of what is sent is under way, and of the stream itself durable.
func (s *passing) SendMsg(m any) error {
	s.gate.shown(s.ctx, m)
	if err := s.begin(); err != nil {
		return s.gate.config.Refuse(err)
	}
	if trailOf(s.ctx).waiting() >= auditPatients {
		s.gate.rest(s.ctx, s.asked, trailOf(s.ctx), audit.Done, "OK")
	}
	return s.ServerStream.SendMsg(m)
}

func (s *passing) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return nil
	}
	patients, things := trailOf(s.ctx).take()
	if err := s.gate.record(s.ctx, s.asked, audit.Done, "OK", patients, things); err != nil {
		return err
	}
	s.begun = true
	return nil
}

// close notes how the stream ended, and what it touched last.
func (s *passing) close(err error) {
	s.mu.Lock()
	begun := s.begun
	s.mu.Unlock()
	code := s.gate.config.Status(err)
	if begun {
		s.gate.rest(s.ctx, s.asked, trailOf(s.ctx), outcomeOf(code), code)
		return
	}
	patients, things := trailOf(s.ctx).take()
	entries := s.asked.entries(outcomeOf(code), code, patients, things)
	if noted := s.gate.config.Audit.Note(context.WithoutCancel(s.ctx), entries...); noted != nil {
		s.gate.config.Log.Error("a stream could not be audited", "error", noted)
	}
}

func cutTeam(name feed.Name) (string, bool) { return strings.CutPrefix(string(name), "team:") }
