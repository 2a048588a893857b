package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/rest"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/wire"
)

// Access is the part of Config that says who is let in, and how much at once.
type Access struct {
	// Registered says that registered clients may ask for tokens, and that nobody comes in without one.
	Registered bool
	// Issuer whose tokens are taken too; its zero value takes none.
	Issuer auth.ExternalConfig
	// ClientCA is a PEM file of authorities; clients that show a certificate of theirs come in by its subject.
	ClientCA string
	// PrivateKeys says that the URLs of clients' keys may lead to private addresses and be plain http.
	PrivateKeys bool
	// Policy holds where no consent speaks.
	Policy access.Policy
	// Rate bounds each client, where callers are known; Guests each address of callers who are not.
	Rate, Guests auth.Rate
	// Reads, Writes and Queue bound how many calls work and wait at once.
	Reads, Writes, Queue int
	// Memory bounds the bytes of gRPC messages that are worked on at once.
	Memory int64
	// AuditFile gets every audit record as a line of JSON; empty for none.
	AuditFile string
	// AuditStream says that every audit record goes to Redis too, as `rapport:{<tenant>/audit}`.
	AuditStream bool
}

// DefaultAccess is that of a clinic.
func DefaultAccess() Access {
	return Access{
		Policy: access.DefaultPolicy(), Rate: auth.Rate{PerSecond: 1000, Burst: 2000}, Guests: auth.Rate{PerSecond: 20, Burst: 100},
		Reads: 8 * runtime.GOMAXPROCS(0), Writes: 1024, Queue: 4096, Memory: 256 << 20,
	}
}

// patience is how long a call waits for its turn.
const patience = 10 * time.Second

// knowsCallers says whether callers must say who they are.
func (c Config) knowsCallers() bool {
	return c.Tokens != "" || c.Access.Registered || c.Access.Issuer.Issuer != ""
}

func (c Config) validateAccess() error {
	var wrong []error
	if c.Access.ClientCA != "" && c.TLSCert == "" {
		wrong = append(wrong, errors.New("--client-ca needs --tls-cert and --tls-key"))
	}
	if c.Access.Issuer.Issuer != "" {
		if err := c.Access.Issuer.Validate(); err != nil {
			wrong = append(wrong, fmt.Errorf("--issuer: %w", err))
		}
	}
	if c.Access.Rate.PerSecond < 0 || c.Access.Rate.PerSecond > 0 && c.Access.Rate.Burst < 1 {
		wrong = append(wrong, errors.New("--rate must not be negative"))
	}
	return errors.Join(wrong...)
}

// entrance is all that decides who comes in.
type entrance struct {
	gate         *auth.Gate
	guard        *auth.Guard
	registry     *auth.Registry
	audit        *auth.Auditor
	tokens       *auth.TokenEndpoint
	bindings     *auth.Bindings
	callers      *auth.Callers
	certificates *auth.Certificates
	files        []*auth.Files
	// spread takes audit records further; none by default.
	spread []func(context.Context)
}

// openAccess opens everything that decides who comes in. The store is open.
func (s *Server) openAccess(ctx context.Context) (err error) {
	c := s.config
	e := &s.entrance
	e.guard = auth.NewGuard(s.store, c.Access.Policy, c.Now)
	e.registry = auth.NewRegistry(s.store, c.Log)
	if err := e.registry.Refresh(ctx); err != nil {
		return err
	}
	if err := s.openSpread(); err != nil {
		return err
	}
	if e.audit, err = auth.NewAuditor(s.store, c.Log, c.Metrics); err != nil {
		return err
	}
	s.later("the audit", e.audit.Close)
	ring := auth.NewRing(s.store, c.Now)
	issuer := auth.NewIssuer(ring, e.registry, c.Now)
	e.bindings = auth.NewBindings(ring, e.registry, c.Now)
	e.tokens = &auth.TokenEndpoint{
		Clients: e.registry, Keys: auth.NewKeySets(c.Access.PrivateKeys, c.Now), Issuer: issuer, Store: s.store, Base: s.origin, Now: c.Now,
		Heard: s.heardOfToken,
	}
	known, err := s.callers(issuer)
	if err != nil {
		return err
	}
	rate, guests := c.Access.Rate, c.Access.Guests
	if !c.knowsCallers() {
		rate, guests = auth.Rate{}, auth.Rate{} // nobody but this machine is there
	}
	e.gate, err = auth.NewGate(auth.Config{
		Known: known, CDSClient: e.tokens.CDSClient, Clients: e.registry, Audit: e.audit, Members: s.members, Alert: s.seesAlert, Broke: s.broke, Read: sentIn, Shown: shownIn,
		Status: codeName, Refuse: wire.Error,
		Rate: rate, Guests: guests, Reads: c.Access.Reads, Writes: c.Access.Writes, Queue: c.Access.Queue, Patience: patience,
		Memory: c.Access.Memory, MaxBody: rest.MaxBundle, Now: c.Now, Log: c.Log, Metrics: c.Metrics,
	})
	return err
}

// codeName is the gRPC code of an error, of a room's own or of a fault.
func codeName(err error) string {
	code := status.Code(err)
	if code == codes.Unknown {
		code = status.Code(wire.Error(err))
	}
	return code.String()
}

// callers are those of the token file, of our own tokens and of the issuer. Where none of them is configured everybody on
// this machine may do everything, but for those who come with a token of ours.
func (s *Server) callers(issuer *auth.Issuer) (auth.Authenticator, error) {
	c, e := s.config, &s.entrance
	var external *auth.External
	if c.Access.Issuer.Issuer != "" {
		settings := c.Access.Issuer
		settings.Now = c.Now
		var err error
		if external, err = auth.NewExternal(settings); err != nil {
			return nil, fmt.Errorf("--issuer: %w", err)
		}
	}
	e.callers = auth.NewCallers(nil, issuer, external)
	if c.Tokens != "" {
		files, err := auth.NewFiles(c.Log, func() error {
			tokens, err := readTokens(c.Tokens)
			if err == nil {
				e.callers.Replace(tokens)
			}
			return err
		}, c.Tokens)
		if err != nil {
			return nil, err
		}
		e.files = append(e.files, files)
	}
	if c.knowsCallers() {
		return e.callers, nil
	}
	return localCallers{e.callers, access.Everything("loopback", c.Tenant)}, nil
}

// localCallers are everybody on this machine.
type localCallers struct {
	*auth.Callers
	everybody access.Principal
}

// Principal is PrincipalIn without a bound.
func (l localCallers) Principal(authorization string) (access.Principal, error) {
	return l.PrincipalIn(context.Background(), authorization)
}

// PrincipalIn is whom a token of ours was given to, and else everybody.
func (l localCallers) PrincipalIn(ctx context.Context, authorization string) (access.Principal, error) {
	if p, ours, err := l.Ours(ctx, authorization); ours {
		return p, err
	}
	return l.everybody, nil
}

// keepAccess keeps what was read up to date until ctx ends.
func (s *Server) keepAccess(ctx context.Context) {
	for _, run := range s.entrance.spread {
		s.running.Go(func() { run(ctx) })
	}
	for _, files := range s.entrance.files {
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGHUP)
		s.running.Go(func() {
			defer signal.Stop(again)
			files.Run(ctx, again)
		})
	}
	s.entrance.registry.Run(ctx)
}

// tls is what to show clients; nil without a certificate.
func (s *Server) tls() (*tls.Config, error) {
	e := &s.entrance
	if s.config.TLSCert == "" {
		return nil, nil
	}
	if e.certificates == nil {
		e.certificates = auth.NewCertificates(s.config.TLSCert, s.config.TLSKey, s.config.Access.ClientCA)
		files, err := auth.NewFiles(s.config.Log, e.certificates.Load, e.certificates.Paths()...)
		if err != nil {
			return nil, err
		}
		e.files = append(e.files, files)
	}
	return e.certificates.TLS(), nil
}

// RefreshClients reads the registry of clients at once.
func (s *Server) RefreshClients(ctx context.Context) error { return s.entrance.registry.Refresh(ctx) }

// Reload looks at once whether the certificates or the token file have changed.
func (s *Server) Reload() {
	for _, f := range s.entrance.files {
		f.Look()
	}
}

// doors adds what is below no room: tokens, their keys, and how to ask for them.
func (s *Server) doors(mux *routes) {
	t := s.entrance.tokens
	mux.Handle("POST "+access.TokenPath, t)
	mux.HandleFunc("GET "+access.KeysPath, t.PublicKeys)
	mux.HandleFunc("GET "+auth.ConfigurationPath, t.Configuration)
	events := &auth.AuditFace{Store: s.store, Base: func(r *http.Request) string { return s.origin(r) + rest.Prefix }}
	mux.mount(events, auth.AuditRoutes, access.Prefix+"/AuditEvent", access.Prefix+"/AuditEvent/")
}

// routes is a mux that knows what it answers, so that no route can be added without a rule for it: see access_matrix_test.go.
type routes struct {
	http.ServeMux
	answered []string
}

// Handle answers one pattern.
func (r *routes) Handle(pattern string, h http.Handler) { r.mount(h, []string{pattern}, pattern) }

// HandleFunc answers one pattern.
func (r *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// mount puts a room behind patterns. Answered are the routes of its own.
func (r *routes) mount(room http.Handler, answered []string, patterns ...string) {
	r.answered = append(r.answered, answered...)
	for _, pattern := range patterns {
		r.ServeMux.Handle(pattern, room)
	}
}

// HTTPRoutes are the patterns that are answered outside of FHIR REST.
func (s *Server) HTTPRoutes() []string { return slices.Clone(s.routes.answered) }

// RESTRoutes are the patterns of FHIR REST.
func (s *Server) RESTRoutes() []string { return s.face.Routes() }

// Services are the gRPC services with their methods.
func (s *Server) Services() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// origin is where a caller reaches this server, without a path: where FHIR REST is for it, without its own.
func (s *Server) origin(r *http.Request) string {
	return strings.TrimSuffix(s.face.Base(r), rest.Prefix)
}

// heardOfToken notes for the audit who asked for a token, and what became of it.
func (s *Server) heardOfToken(r *http.Request, client access.Client, code string) {
	e := audit.Entry{
		Tenant: client.Tenant, At: s.config.Now(), Request: rand.Text(), Door: "http", Method: "POST " + access.TokenPath, Action: "E",
		Outcome: audit.Done, Status: "200", Client: client.ID,
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.Address = host
	}
	if code != "" {
		e.Outcome, e.Status = audit.Refused, code
	}
	if err := s.entrance.audit.Note(r.Context(), e); err != nil {
		s.config.Log.Error("a request for a token could not be audited", "error", err)
	}
}

// members of a care team.
func (s *Server) members(ctx context.Context, t ref.Tenant, team string) (members []access.Member, err error) {
	err = s.store.View(ctx, t, func(r store.Reader) error {
		members, err = auth.TeamMembers(r, team)
		return err
	})
	return members, err
}

// seesAlert says whether the caller in ctx may see an alert: nobody does anything to one that they may not see.
func (s *Server) seesAlert(ctx context.Context, t ref.Tenant, id string) error {
	return s.entrance.guard.View(ctx, t, func(r store.Reader) error {
		_, err := r.Alert(id)
		return err
	})
}

// broke tells the privacy role that the glass was broken, before anything is shown.
func (s *Server) broke(ctx context.Context, p access.Principal, request string) error {
	data, err := protojson.Marshal(&rapportv1.Alert{
		Id: request, Rule: "break-glass", Title: "The glass was broken: " + p.Broken, Seen: strings.TrimSpace(p.Name + " " + p.Person),
		Severity: rapportv1.Severity_SEVERITY_HIGH, Opened: timestamppb.New(s.config.Now()),
	})
	if err != nil {
		return err
	}
	draft := feed.Draft{Feeds: []feed.Name{feed.Privacy}, ID: request, Type: feed.BrokenGlass, Time: s.config.Now(), Data: data}
	moved, err := s.store.Update(ctx, p.Tenant, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Events: []feed.Draft{draft}})
	})
	if err == nil {
		s.log.Moved(p.Tenant, moved)
	}
	return err
}

// audited notes whom and what is written through FHIR REST.
type audited struct{ rest.Accepter }

// Accept passes a submission on.
func (a audited) Accept(ctx context.Context, sub decision.Submission) (decision.Receipt, error) {
	for _, p := range auth.PatientsIn(sub.Body) {
		auth.Touched(ctx, p, "")
	}
	receipt, err := a.Accepter.Accept(ctx, sub)
	for _, r := range append(receipt.Entries, receipt) {
		if r.Resource.ID != "" {
			auth.Touched(ctx, "", r.Resource.Unversioned().String())
		}
	}
	return receipt, err
}

// command is what somebody does to an alert.
type command interface {
	GetId() string
	GetActor() string
}

// sentIn is what a gate must know of a message that came in.
func sentIn(msg any) auth.Sent {
	var sent auth.Sent
	items := func(of ...*rapportv1.Item) {
		for _, i := range of {
			sent.Bodies = append(sent.Bodies, i.GetBody())
			sent.Patients = append(sent.Patients, auth.PatientsIn(i.GetBody())...)
		}
	}
	switch m := msg.(type) {
	case *rapportv1.IngestRequest:
		items(m.GetItems()...)
	case *rapportv1.IngestStreamRequest:
		if m.GetItem() != nil {
			items(m.GetItem())
		}
	case *rapportv1.SubscribeRequest:
		for _, c := range m.GetCursors() {
			sent.Feeds = append(sent.Feeds, feed.Name(c.GetFeed()))
		}
	}
	if m, ok := msg.(command); ok {
		sent.Alerts, sent.Actor = []string{m.GetId()}, m.GetActor()
	}
	if m, ok := msg.(proto.Message); ok {
		sent.Size = proto.Size(m)
	}
	return sent
}

// shownIn is whom a message is about, where it was not read through the guard.
func shownIn(msg any) (patients []ref.Patient, things []string) {
	of := func(subject string) {
		if id, ok := strings.CutPrefix(subject, "Patient/"); ok {
			patients = append(patients, ref.Patient(id))
		}
	}
	results := func(found ...*rapportv1.Result) {
		for _, r := range found {
			name, _, _ := strings.Cut(r.GetReference(), "/_history/")
			of(name)
			if name != "" {
				things = append(things, name)
			}
		}
	}
	switch m := msg.(type) {
	case *rapportv1.SubscribeResponse:
		of(m.GetEvent().GetSubject())
	case *rapportv1.IngestResponse:
		results(m.GetResults()...)
	case *rapportv1.IngestStreamResponse:
		results(m.GetResult())
	}
	return patients, things
}
