// Package relay moves committed events to Redis Streams, in order and under a lease.
//
// Event n of a feed becomes entry n-0 of the stream `rapport:{<tenant>/<feed>}`. The relay keeps no position of its
// own: it asks the stream for its last id and goes on from there, so that a restart, a second relay, a lost
// connection and an emptied Redis are all the same case. README.md says what an entry holds and how to consume it.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Lease is the name of the lease under which one relay of all servers works.
const Lease = "relay"

// Store is what the relay asks of the database; both engines answer it.
type Store interface {
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
	// Tenants lists them in order.
	Tenants(ctx context.Context) ([]ref.Tenant, error)
	// Hold waits for a lease and owns it until the returned context ends.
	Hold(ctx context.Context, lease string) (context.Context, error)
}

// Log is what the relay reads events from; a watch.Log is one.
type Log interface {
	// Since returns up to max events after the cursor, in order and without a hole. Errors: TooOld, Invalid, Unavailable.
	Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error)
	// Tell calls tell after every move of a feed until stop is called. It may miss moves of other servers.
	Tell(tell func(moved []feed.Cursor)) (stop func())
}

// Config of a Relay.
type Config struct {
	// MaxLen is about how many entries a stream keeps; 0 keeps all.
	MaxLen int64
	// MaxAge is how old an entry may become, by the time of its event; 0 keeps all. The newest is kept whatever its age.
	MaxAge time.Duration
	// Poll is the time between looks at the database and at the streams for what nobody told of; positive.
	Poll time.Duration
	// Tidy is the time between removals of entries older than MaxAge; positive.
	Tidy time.Duration
	// Chunk is how many entries one script appends at most, and Batch how many one round trip carries; at least 1.
	Chunk, Batch int
	// Patience and MaxPatience bound the pauses between attempts while Redis or the database is away.
	Patience, MaxPatience time.Duration
	// Now is the clock, for ages.
	Now func() time.Time
	// Random is a number in [0, 1), for jitter.
	Random func() float64
	// Log receives what an operator must know.
	Log *slog.Logger
	// Metrics is where the relay's metrics are registered; nil for none.
	Metrics prometheus.Registerer
}

// Default keeps a million entries or thirty days and looks around every second.
func Default() Config {
	return Config{
		MaxLen: 1_000_000, MaxAge: 30 * 24 * time.Hour,
		Poll: time.Second, Tidy: time.Minute,
		Chunk: 128, Batch: 1024,
		Patience: 50 * time.Millisecond, MaxPatience: 5 * time.Second,
		Now: time.Now, Random: rand.Float64,
		Log: slog.New(slog.DiscardHandler),
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
	must(c.MaxLen >= 0, "MaxLen", "must not be negative")
	must(c.MaxAge >= 0, "MaxAge", "must not be negative")
	must(c.Poll > 0, "Poll", "must be positive")
	must(c.Tidy > 0, "Tidy", "must be positive")
	must(c.Chunk >= 1 && c.Chunk <= 1000, "Chunk", "must be 1 to 1000")
	must(c.Batch >= 1, "Batch", "must be at least 1")
	must(c.Patience > 0 && c.MaxPatience >= c.Patience, "Patience", "must be positive and at most MaxPatience")
	must(c.Now != nil && c.Random != nil && c.Log != nil, "Now", "Now, Random and Log are needed")
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// Relay moves the events of all tenants to one Redis.
type Relay struct {
	store  Store
	log    Log
	redis  redis.UniversalClient
	config Config
	wake   chan struct{}
	counts counts

	mu        sync.Mutex
	lines     map[place]*line
	queue     []*line
	round     []place
	leading   bool
	connected bool
}

// place is a feed of a tenant.
type place struct {
	tenant ref.Tenant
	feed   feed.Name
}

func (p place) cursor(after int64) feed.Cursor {
	return feed.Cursor{Tenant: p.tenant, Feed: p.feed, After: after}
}

// New is a Relay that has not started. It fails when the config is not valid or its metrics are already registered.
func New(s Store, log Log, client redis.UniversalClient, config Config) (*Relay, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r := &Relay{
		store: s, log: log, redis: client, config: config,
		wake:   make(chan struct{}, 1),
		counts: newCounts(),
		lines:  map[place]*line{},
	}
	if config.Metrics != nil {
		if err := config.Metrics.Register(r); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "register the relay's metrics")
		}
	}
	return r, nil
}

// Run waits for the lease and then relays, again and again, until ctx ends; it returns ctx.Err().
// It waits for Redis and for the database for as long as they are away.
func (r *Relay) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		held, err := r.store.Hold(ctx, Lease)
		if err != nil {
			if ctx.Err() == nil {
				r.config.Log.Warn("the relay cannot get its lease", "error", err)
			}
			failures++
			r.pause(ctx, failures, false)
			continue
		}
		failures = 0
		r.lead(held)
	}
	return ctx.Err()
}

// lead relays while the lease is held.
func (r *Relay) lead(ctx context.Context) {
	r.config.Log.Info("the relay holds the lease")
	r.begin()
	defer r.rest()
	defer r.log.Tell(r.moved)()
	next := schedule{relay: r}
	for failures := 0; ctx.Err() == nil; {
		err := next.step(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failures++
			r.failed(ctx, err, failures)
			r.pause(ctx, failures, false)
		default:
			if failures > 0 {
				r.config.Log.Info("the relay is back", "attempts", failures)
			}
			failures = 0
			r.pause(ctx, 0, true)
		}
	}
}

// schedule does what is due.
type schedule struct {
	relay       *Relay
	sweep, tidy time.Time
}

// step looks around when it is time to, and then moves entries until there are none left or it is time again.
func (s *schedule) step(ctx context.Context) error {
	r := s.relay
	if now := time.Now(); !now.Before(s.sweep) {
		if err := r.sweep(ctx); err != nil {
			return err
		}
		took := time.Since(now)
		s.sweep = now.Add(max(r.config.Poll, 20*took))
		if err := r.audit(ctx); err != nil {
			return err
		}
	}
	for time.Now().Before(s.sweep) {
		worked, err := r.move(ctx)
		if err != nil {
			return err
		}
		if !worked {
			break
		}
	}
	if now := time.Now(); r.config.MaxAge > 0 && !now.Before(s.tidy) {
		s.tidy = now.Add(r.config.Tidy)
		return r.tidy(ctx)
	}
	return nil
}

// pause waits for work or, after failures, for longer and longer.
func (r *Relay) pause(ctx context.Context, failures int, listen bool) {
	wait, wake := r.config.Poll, r.wake
	if failures > 0 {
		wait = backOff(failures, r.config.Patience, r.config.MaxPatience, r.config.Random())
	}
	if !listen {
		wake = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// backOff doubles with every failure up to a limit and takes between half and all of it.
func backOff(failures int, least, most time.Duration, random float64) time.Duration {
	wait := most
	if failures < 20 {
		wait = min(most, least<<(failures-1))
	}
	return wait/2 + time.Duration(random*float64(wait/2))
}

// away says that Redis did not do what it was asked for; the same can be asked again.
type away struct{ cause error }

func (a away) Error() string { return "redis: " + a.cause.Error() }
func (a away) Unwrap() error { return a.cause }

// failed notes a failed step. Whatever failed, no position is trusted any longer.
func (r *Relay) failed(ctx context.Context, err error, failures int) {
	_, redisAway := errors.AsType[away](err)
	r.doubt(redisAway)
	level := slog.LevelWarn
	if failures > 1 {
		level = slog.LevelDebug
	}
	r.config.Log.Log(ctx, level, "the relay waits and tries again", "attempt", failures, "error", err)
	r.date(ctx)
}
