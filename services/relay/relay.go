// Package relay moves committed events to Redis Streams, in order and under a lease.
//
// Event n of a feed becomes entry n-0 of the stream `rapport:{<tenant>/<feed>}`. The relay keeps no position of its
// own: it asks the stream for its last id and goes on from there, so that a restart, a second relay, a lost
// connection and an emptied Redis are all the same case. README.md says what an entry holds and how to consume it.
package relay

import (
	"context"
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
	// Shards is how many leases the feeds are spread over, 1 to 64; the servers share the leases. Servers that differ in it
	// do the same work twice, without harm.
	Shards int
	// MaxLen is about how many entries a stream keeps that every group has handled; 0 keeps all.
	MaxLen int64
	// MaxAge is how old an entry may become that every group has handled, by the time of its event; 0 keeps all. The newest
	// is kept whatever its age.
	MaxAge time.Duration
	// HeldLen and HeldAge are what a stream keeps at the very most for a group that has not handled it; at least MaxLen and
	// MaxAge, and 0 for no limit. A group that falls further behind has a gap, which its numbers show.
	HeldLen int64
	HeldAge time.Duration
	// Poll is the time between looks at the database and at some of the streams for what nobody told of; positive.
	Poll time.Duration
	// Tidy is the time in which every stream is looked at once: whether it still has what was written, how far its groups
	// are, and what may go; positive.
	Tidy time.Duration
	// Trim is how many entries one look removes from one stream at most; at least 1.
	Trim int
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

// Default keeps a million entries or thirty days, for a group that is behind three times as much, and looks around every
// second.
func Default() Config {
	return Config{
		Shards: 1,
		MaxLen: 1_000_000, MaxAge: 30 * 24 * time.Hour,
		HeldLen: 3_000_000, HeldAge: 90 * 24 * time.Hour,
		Poll: time.Second, Tidy: time.Minute, Trim: 10_000,
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
	must(c.Shards >= 1 && c.Shards <= 64, "Shards", "must be 1 to 64")
	must(c.MaxLen >= 0, "MaxLen", "must not be negative")
	must(c.MaxAge >= 0, "MaxAge", "must not be negative")
	must(c.HeldLen == 0 || c.HeldLen >= c.MaxLen, "HeldLen", "must be 0 or at least MaxLen")
	must(c.HeldAge == 0 || c.HeldAge >= c.MaxAge, "HeldAge", "must be 0 or at least MaxAge")
	must(c.Trim >= 1, "Trim", "must be at least 1")
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
	tools
	shards []*shard
}

// tools are what every shard of a relay works with.
type tools struct {
	store  Store
	log    Log
	redis  redis.UniversalClient
	config Config
	counts counts
}

// New is a Relay that has not started. It fails when the config is not valid or its metrics are already registered.
func New(s Store, log Log, client redis.UniversalClient, config Config) (*Relay, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r := &Relay{tools: tools{store: s, log: log, redis: client, config: config, counts: newCounts()}}
	for i := range config.Shards {
		r.shards = append(r.shards, newShard(r.tools, i))
	}
	if config.Metrics != nil {
		if err := config.Metrics.Register(r); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "register the relay's metrics")
		}
	}
	return r, nil
}

// Run waits for the lease of each shard and then relays, again and again, until ctx ends; it returns ctx.Err().
// It waits for Redis and for the database for as long as they are away.
func (r *Relay) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, s := range r.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
	return ctx.Err()
}
