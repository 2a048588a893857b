package relay

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// shard is the share of the feeds that one lease is about.
type shard struct {
	tools
	index int
	wake  chan struct{}

	mu    sync.Mutex
	lines map[place]*line
	// feeds are the feeds of the lines, by tenant.
	feeds map[ref.Tenant][]feed.Name
	// queue are the lines that wait for their turn, longest first.
	queue []*line
	// round are the places in the order in which they are looked at; again those that come first.
	round, again []place
	// hurry is how many lines are still to be looked at without waiting, because a stream lost entries.
	hurry     int
	leading   bool
	connected bool
	// good is when Redis last did what it was asked for.
	good time.Time
	// said is when the log last told how far behind the shard is, and mourned when it told of a stream that lost entries.
	said, mourned time.Time
}

func newShard(t tools, index int) *shard {
	return &shard{tools: t, index: index, wake: make(chan struct{}, 1)}
}

// lease is the name of the lease under which one server of all leads the shard. Servers with another number of shards
// have other leases.
func (r *shard) lease() string {
	if r.config.Shards == 1 {
		return "relay"
	}
	return fmt.Sprintf("relay %d of %d", r.index+1, r.config.Shards)
}

// place is a feed of a tenant.
type place struct {
	tenant ref.Tenant
	feed   feed.Name
}

func (p place) cursor(after int64) feed.Cursor {
	return feed.Cursor{Tenant: p.tenant, Feed: p.feed, After: after}
}

// owns says whether a place falls to the shard. The feeds of FHIR subscriptions fall to none: their events go to endpoints
// of their own.
func (r *shard) owns(p place) bool {
	if _, subscribed := p.feed.OfSubscription(); subscribed {
		return false
	}
	if r.config.Shards == 1 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(Key(p.tenant, p.feed))) // A hash never fails.
	return int(h.Sum32()%uint32(r.config.Shards)) == r.index
}

// run leads whenever the lease is to be had, until ctx ends.
func (r *shard) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		held, err := r.store.Hold(ctx, r.lease())
		if err != nil {
			if ctx.Err() == nil {
				r.config.Log.Warn("the relay cannot get its lease", "lease", r.lease(), "error", err)
			}
			failures++
			r.pause(ctx, failures, false)
			continue
		}
		failures = 0
		r.lead(held)
	}
}

// lead relays while the lease is held.
func (r *shard) lead(ctx context.Context) {
	r.config.Log.Info("the relay holds the lease", "lease", r.lease())
	r.begin()
	defer r.rest()
	defer r.log.Tell(r.moved)()
	next := schedule{shard: r}
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
	shard *shard
	sweep time.Time
}

// step looks around when it is time to, and then moves entries until there are none left or it is time again.
func (s *schedule) step(ctx context.Context) error {
	r := s.shard
	if now := time.Now(); !now.Before(s.sweep) {
		if err := r.sweep(ctx); err != nil {
			return err
		}
		took := time.Since(now)
		s.sweep = now.Add(max(r.config.Poll, 20*took))
		if err := r.look(ctx, r.page()); err != nil {
			return err
		}
		r.date(ctx)
	}
	for time.Now().Before(s.sweep) {
		worked, err := r.move(ctx)
		if err != nil {
			return err
		}
		switch {
		case r.hurries():
			err = r.look(ctx, pageLeast)
		case !worked:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pause waits for work or, after failures, for longer and longer.
func (r *shard) pause(ctx context.Context, failures int, listen bool) {
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

// sayEvery is how often the log tells how far behind the relay is while something is away.
const sayEvery = time.Minute

// failed notes a failed step. Whatever failed, no position is trusted any longer.
func (r *shard) failed(ctx context.Context, err error, failures int) {
	_, redisAway := errors.AsType[away](err)
	r.doubt(redisAway)
	r.date(ctx)
	level := slog.LevelDebug
	if now := r.config.Now(); failures == 1 || now.Sub(r.said) >= sayEvery {
		level, r.said = slog.LevelWarn, now
	}
	entries, oldest := r.backlog()
	r.config.Log.Log(ctx, level, "the relay waits and tries again",
		"attempt", failures, "behind", entries, "oldest", oldest, "error", err)
}

// backlog is how many entries the streams lack, and when the oldest of them that is known was committed.
func (r *shard) backlog() (entries int64, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		n := l.behind()
		entries += n
		if n > 0 && !l.oldest.IsZero() && (oldest.IsZero() || l.oldest.Before(oldest)) {
			oldest = l.oldest
		}
	}
	return entries, oldest
}
