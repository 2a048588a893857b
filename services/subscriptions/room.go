// Package subscriptions is FHIR Subscriptions: they are made, shaken hands with, and told what was committed, in order and
// at least once, until they take it or are given up on.
//
// A subscription is one more feed. Its events are numbered in the transaction that makes them true. One server, under a
// lease, reads each feed from the place that is kept and calls the endpoint; over websockets every server tells those who have
// come to it. README.md tells subscribers what to expect.
package subscriptions

import (
	"context"
	"crypto/rand"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	conformance "github.com/rapport-health/rapport/api/fhir"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Lease is the name of the lease under which one of all servers tells subscribers.
const Lease = "subscriptions"

// Store is what the room asks of the database; both engines answer it.
type Store interface {
	store.Deliveries
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
	// Update commits what write decided, in the line of the tenant's writers.
	Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error)
	// Hold waits for a lease and owns it until the returned context ends.
	Hold(ctx context.Context, lease string) (context.Context, error)
	// Tenants lists them in order.
	Tenants(ctx context.Context) ([]ref.Tenant, error)
}

// Log is what events are read from; a watch.Log is one.
type Log interface {
	// Since returns up to max events after the cursor, in order and without a hole. Errors: TooOld, Invalid, Unavailable.
	Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error)
	// Tell calls tell after every move of a feed until stop is called. It may miss moves of other servers.
	Tell(tell func(moved []feed.Cursor)) (stop func())
}

// Resources reads resources as FHIR REST serves them.
type Resources interface {
	// Resource is the current version of one. Errors: NotFound.
	Resource(ctx context.Context, t ref.Tenant, of ref.Resource) ([]byte, error)
}

// Config of a Room.
type Config struct {
	// Store, Log and Resources are read; Store is also written.
	Store     Store
	Log       Log
	Resources Resources
	// Principal of a request, or why it may not be served: a fault of kind Unauthenticated or Forbidden.
	Principal func(*http.Request) (access.Principal, error)
	// BaseURL is the absolute URL under which clients reach FHIR REST, without a slash at the end.
	BaseURL string
	// Base is where a caller reaches FHIR REST; nil means BaseURL, whoever calls.
	Base func(*http.Request) string
	// AllowPrivate lets endpoints lie on private, loopback and link-local addresses, and be called without TLS there.
	AllowPrivate bool
	// Hosts are the only hosts that may be called, as `host` or `*.domain`; none means any.
	Hosts []string
	// Resolver finds the addresses of endpoints; nil is the system's.
	Resolver *net.Resolver
	// PerTenant is the most subscriptions of one tenant; each may keep one call waiting. At least 1.
	PerTenant int
	// Bindings gives out and reads the tokens that bind websockets.
	Bindings *auth.Bindings
	// Sockets is how many websockets may be open on this server: a quarter of them with nothing bound, and of one address a
	// fortieth by callers who have not said who they are. At least 1. One tenant may
	// bind half as many subscriptions, each counted once for each of its websockets.
	Sockets int
	// Keepalive is how often the other side of a websocket is asked for a sign of life, and how long it may stay open with
	// nothing bound any more.
	Keepalive time.Duration
	// Stopping closes when the server begins to stop; nil never does.
	Stopping <-chan struct{}
	// Poll is the time between looks at the database for what nobody told of.
	Poll time.Duration
	// Timeout bounds one call where the subscription names no other time; MaxTimeout bounds what it may name.
	Timeout, MaxTimeout time.Duration
	// MinHeartbeat is the shortest period between heartbeats that may be asked for.
	MinHeartbeat time.Duration
	// MaxCount is the most events of one notification that may be asked for.
	MaxCount int
	// Patience and MaxPatience bound the pauses between attempts, which double.
	Patience, MaxPatience time.Duration
	// Attempts is after how many failures in a row a subscription goes to error.
	Attempts int
	// Refusals is after how many refusals an event becomes a dead letter; after DeadInRow of them in a row the
	// subscription goes to error.
	Refusals, DeadInRow int
	// Overlap is how long the secret before signs beside a new one.
	Overlap time.Duration
	// Now is the clock; After is a timer of it.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Random is a number in [0, 1), for jitter.
	Random func() float64
	// Secret makes a new secret or id.
	Secret func() string
	// Logger takes what an operator must know; never patient data, headers or secrets.
	Logger *slog.Logger
	// Metrics is where the room's metrics are registered; nil for none.
	Metrics prometheus.Registerer
}

// Default lacks Store, Log, Resources, Principal, Bindings and BaseURL. It gives up on an endpoint after about five hours.
func Default() Config {
	return Config{
		PerTenant: 200, Sockets: 2000, Keepalive: 30 * time.Second, Poll: time.Second, Timeout: 10 * time.Second, MaxTimeout: 2 * time.Minute,
		MinHeartbeat: 10 * time.Second, MaxCount: 1000,
		Patience: time.Second, MaxPatience: 15 * time.Minute, Attempts: 30, Refusals: 3, DeadInRow: 10,
		Overlap: 24 * time.Hour, Now: time.Now, After: time.After, Random: mrand.Float64, Secret: rand.Text,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// Validate names every setting that cannot be.
func (c Config) Validate() error {
	var issues []fault.Issue
	must := func(holds bool, name, text string) {
		if !holds {
			issues = append(issues, fault.Errorf("value", name, "%s", text))
		}
	}
	must(c.Store != nil && c.Log != nil && c.Resources != nil && c.Principal != nil, "Store", "Store, Log, Resources and Principal are needed")
	must(c.Bindings != nil, "Bindings", "are needed")
	must(c.Sockets >= 1 && c.Keepalive > 0, "Sockets", "must be at least 1, and Keepalive positive")
	must(c.BaseURL != "", "BaseURL", "is needed")
	must(c.PerTenant >= 1 && c.MaxCount >= 1 && c.Attempts >= 1 && c.Refusals >= 1 && c.DeadInRow >= 1, "PerTenant", "counts must be at least 1")
	must(c.Poll > 0 && c.Timeout > 0 && c.MaxTimeout >= time.Second && c.MinHeartbeat >= time.Second, "Poll", "times must be positive, limits at least a second")
	must(c.Patience > 0 && c.MaxPatience >= c.Patience && c.Overlap >= 0, "Patience", "must be positive and at most MaxPatience")
	must(c.Now != nil && c.After != nil && c.Random != nil && c.Secret != nil && c.Logger != nil, "Now", "Now, After, Random, Secret and Logger are needed")
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// Room makes subscriptions and tells them.
type Room struct {
	config Config
	guard  guard
	caller *caller
	// sockets that are open on this server.
	sockets *sockets
	counts  *counts
	topics  map[string][]byte
	mux     *http.ServeMux
	// patterns of the mux.
	patterns []string
	// wake makes whoever leads look at once.
	wake chan struct{}
}

// New is a Room that tells nobody yet. It fails when the config is not valid or its metrics are already registered.
func New(config Config) (*Room, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Base == nil {
		config.Base = func(*http.Request) string { return config.BaseURL }
	}
	r := &Room{config: config, guard: guard{config.AllowPrivate, config.Hosts}, wake: make(chan struct{}, 1)}
	r.caller, r.sockets = newCaller(r.guard, config.Resolver), newSockets(r)
	r.counts = newCounts(r.sockets)
	var err error
	if r.topics, err = readTopics(conformance.Topics); err != nil {
		return nil, err
	}
	r.routes()
	if config.Metrics != nil {
		if err := config.Metrics.Register(r.counts); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "register the metrics of subscriptions")
		}
	}
	return r, nil
}

// look makes whoever tells on this server look at the database at once.
func (r *Room) look() {
	for _, wake := range []chan struct{}{r.wake, r.sockets.wake} {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// Hangup waits until all websockets are closed, which Config.Stopping makes them. The doors are closed already.
func (r *Room) Hangup() { r.sockets.all.Wait() }
