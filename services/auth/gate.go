package auth

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Sent is what a gate must know of a gRPC message that came in.
type Sent struct {
	// Bodies are the FHIR resources in it.
	Bodies [][]byte
	// Feeds that are asked for.
	Feeds []feed.Name
	// Patients whom the resources name.
	Patients []ref.Patient
	// Alerts are those that something is done to, and Actor who is said to do it.
	Alerts []string
	Actor  string
	// Size in bytes.
	Size int
}

// Config of a Gate.
type Config struct {
	// Known turns what callers send into principals.
	Known Authenticator
	// CDSClient is who signed what a CDS client sends instead of a token; ours is false when nobody did. Nil knows none.
	CDSClient func(r *http.Request, authorization string) (p access.Principal, ours bool, err error)
	// Clients are who may come in by certificate; nil lets nobody in that way.
	Clients *Registry
	// Audit takes every access and refusal.
	Audit *Auditor
	// Members of a care team; nil knows none.
	Members func(ctx context.Context, t ref.Tenant, team string) ([]access.Member, error)
	// Alert says whether the caller in ctx may see an alert; nil lets nobody.
	Alert func(ctx context.Context, t ref.Tenant, id string) error
	// Broke tells the privacy role that the glass was broken.
	Broke func(ctx context.Context, p access.Principal, request string) error
	// Read says what a gRPC message that came in holds.
	Read func(msg any) Sent
	// Shown says whom a gRPC message is about, and which resources it names as `Type/id`.
	Shown func(msg any) (patients []ref.Patient, things []string)
	// Status is the name of a gRPC error's code, and Refuse gives an error its code.
	Status func(error) string
	Refuse func(error) error
	// Rate of each client, and Guests of everybody at one address who is not known yet.
	Rate, Guests Rate
	// Reads and Writes are how many calls of either kind work at once; Queue how many of one tenant may wait for a place,
	// and Patience how long.
	Reads, Writes, Queue int
	Patience             time.Duration
	// Memory bounds the bytes of gRPC messages that are worked on at once.
	Memory int64
	// MaxBody bounds an HTTP body after it was unpacked, in bytes.
	MaxBody int64
	// Now is the clock.
	Now func() time.Time
	// Log never gets patient data.
	Log *slog.Logger
	// Metrics is where it registers; nil registers nowhere.
	Metrics prometheus.Registerer
}

// Gate is what every call on every door passes: who is it, may they, how much at once, and the audit of it.
type Gate struct {
	config Config
	rate   *buckets
	guests *buckets
	reads  *Turnstile
	writes *Turnstile
	memory *scales
	calls  *prometheus.CounterVec
}

// NewGate fails only when its metrics are registered already.
func NewGate(c Config) (*Gate, error) {
	g := &Gate{
		config: c, rate: newBuckets(c.Rate, c.Now), guests: newBuckets(c.Guests, c.Now), reads: NewTurnstile(c.Reads, c.Queue, c.Now), writes: NewTurnstile(c.Writes, c.Queue, c.Now),
		memory: newScales(c.Memory),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rapport_access_total", Help: "Calls at the doors, by what became of them."},
			[]string{"door", "result"}),
	}
	if c.Metrics != nil {
		if err := c.Metrics.Register(g.calls); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "registering metrics of the gate")
		}
	}
	return g, nil
}

// asked is one call at the gate.
type asked struct {
	door, method  string
	rule          access.Rule
	authorization string
	certificate   *x509.Certificate
	address       string
	purpose       string
	breaking      string
	typ           string
	query         string
	things        []string
	request       string
	begun         time.Time
	// signed is who signed the request itself; nil where nobody does so.
	signed func() (access.Principal, bool, error)
	who    access.Principal
}

// enter lets a call in or says why not: who is it, how much do they ask for, for what purpose, and may they.
func (g *Gate) enter(ctx context.Context, a *asked) error {
	a.begun, a.request = g.config.Now(), rand.Text()
	if a.rule.Open {
		return g.throttled(g.guests, a.address)
	}
	who, err := g.identify(ctx, a)
	if err != nil {
		if wait := g.throttled(g.guests, a.address); wait != nil {
			return wait // whoever guesses tokens is slowed down
		}
		return err
	}
	a.who = who
	if err := g.throttled(g.rate, string(who.Tenant)+" "+who.Name); err != nil {
		return err
	}
	if err := g.purpose(a); err != nil {
		return err
	}
	if !a.rule.Decide(a.who) {
		return fault.Newf(fault.Forbidden, "forbidden", "the scopes of the token do not allow this")
	}
	return nil
}

// identify is who calls: by the token, or by the certificate when there is none.
func (g *Gate) identify(ctx context.Context, a *asked) (access.Principal, error) {
	if a.authorization == "" && a.certificate != nil && g.config.Clients != nil {
		if c, ok := g.config.Clients.ByCertificate(Names(a.certificate)); ok {
			p := c.Principal(c.Allowed())
			p.Token = "certificate:" + a.certificate.SerialNumber.Text(16)
			return p, nil
		}
	}
	if a.signed != nil {
		if p, ours, err := a.signed(); ours {
			return p, err
		}
	}
	if own, ok := g.config.Known.(ContextAuthenticator); ok {
		return own.PrincipalIn(ctx, a.authorization)
	}
	return g.config.Known.Principal(a.authorization)
}

// Names of a certificate by which it may be registered: its subject, and its DNS and URI names.
func Names(c *x509.Certificate) []string {
	names := []string{c.Subject.String()}
	names = append(names, c.DNSNames...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

// TooSoon is the fault of a client that asks for too much, with how long it should wait.
type TooSoon struct {
	*fault.Fault
	Wait time.Duration
}

// Unwrap is the fault.
func (t *TooSoon) Unwrap() error { return t.Fault }

func (g *Gate) throttled(b *buckets, client string) error {
	wait := b.take(client)
	if wait == 0 {
		return nil
	}
	return &TooSoon{fault.Newf(fault.Throttled, "throttled", "too many requests: send the same request again after %d s", seconds(wait)), wait}
}

// seconds are rounded up: who comes a moment too early would be refused again.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// purpose takes over what the call says it is for, as far as its principal may say so.
func (g *Gate) purpose(a *asked) error {
	if a.purpose != "" {
		if !a.who.MayClaim(a.purpose) {
			return fault.Newf(fault.Forbidden, "forbidden", "this client may not act for that purpose of use")
		}
		a.who.Purpose = a.purpose
	}
	if a.breaking == "" {
		return nil
	}
	if !a.who.MayBreak(a.breaking) {
		return fault.Newf(fault.Forbidden, "forbidden", "this client may not break the glass, or not for that reason")
	}
	a.who.Broken = a.breaking
	return nil
}

// admitted is what follows once a call is let in: the privacy role is told of a broken glass before anything is shown.
func (g *Gate) admitted(ctx context.Context, a *asked) (context.Context, error) {
	if a.who.Broken != "" && g.config.Broke != nil {
		if err := g.config.Broke(ctx, a.who, a.request); err != nil {
			return ctx, err
		}
	}
	return withTrail(With(ctx, a.who), newTrail(a.verbs())), nil
}

// verbs by which the call may reach what it reads.
func (a *asked) verbs() access.Verbs {
	verbs := access.Read | access.Search
	if a.rule.Action == "C" || a.rule.Action == "U" || a.rule.Action == "D" || a.rule.Body {
		verbs = access.AllVerbs
	}
	return verbs
}

// entries say what became of a call.
func (a *asked) entries(outcome audit.Outcome, status string, patients []ref.Patient, things []string) []audit.Entry {
	e := audit.Entry{
		Tenant: a.who.Tenant, At: a.begun, Request: a.request, Door: a.door, Method: a.method, Action: a.rule.Action,
		Interaction: a.rule.Interaction, Outcome: outcome, Status: status, Client: a.who.Name, Person: a.who.Person, Role: a.who.Role,
		Token: a.who.Token, Broken: a.who.Broken, Address: a.address, Type: a.typ, Patients: patients, Things: things,
	}
	if outcome == audit.Done {
		e.Things = append(a.things, things...)
	} else {
		e.Query = a.query // what was asked for and is not there, or not for them: only the database keeps it
	}
	if e.Action == "" {
		e.Action = "E"
	}
	if a.who.Tenant != "" {
		e.Purpose = a.who.For()
	}
	if a.rule.Action == "E" {
		e.Query = a.query
	}
	return split(e)
}

// refused notes a call that was not let in.
func (g *Gate) refused(ctx context.Context, a *asked, status string) {
	g.calls.WithLabelValues(a.door, "refused").Inc()
	if err := g.config.Audit.Note(context.WithoutCancel(ctx), a.entries(audit.Refused, status, nil, nil)...); err != nil {
		g.config.Log.Error("a refusal could not be audited", "door", a.door, "error", err)
	}
}

// record writes what became of a call that was let in. Where patient data is about to be shown it returns once the record
// is durable, and its error means that nothing may be shown. A write is durable itself, with its source and time, so its
// record follows within a moment.
func (g *Gate) record(ctx context.Context, a *asked, outcome audit.Outcome, status string, patients []ref.Patient, things []string) error {
	g.calls.WithLabelValues(a.door, "let in").Inc()
	entries := a.entries(outcome, status, patients, things)
	if a.rule.Patients && !a.writes() || a.who.Broken != "" {
		return g.config.Audit.Write(ctx, entries...)
	}
	return g.config.Audit.Note(ctx, entries...)
}

// rest notes what was touched since a call's record was written.
func (g *Gate) rest(ctx context.Context, a *asked, trail *Trail, outcome audit.Outcome, status string) {
	patients, things := trail.take()
	if len(patients) == 0 && outcome == audit.Done {
		return
	}
	if err := g.config.Audit.Note(context.WithoutCancel(ctx), a.entries(outcome, status, patients, things)...); err != nil {
		g.config.Log.Error("an access could not be audited to its end", "door", a.door, "error", err)
	}
}

// follows says whether a call may follow feeds.
func (g *Gate) follows(ctx context.Context, p access.Principal, feeds []feed.Name) error {
	for _, name := range feeds {
		var members []access.Member
		team, isTeam := cutTeam(name)
		if isTeam && p.Feeds.ByRole() && g.config.Members != nil {
			var err error
			if members, err = g.config.Members(ctx, p.Tenant, team); err != nil {
				return err
			}
		}
		if !p.Follows(name, members) {
			return fault.Newf(fault.Forbidden, "forbidden", "a feed that is asked for is not granted to this client")
		}
	}
	return nil
}
