package watch

import (
	"context"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Ring says that another server may have moved feeds of a tenant, and how far where that is known; of any tenant when it is
// empty. It does not block. Run then follows.
func (l *Log) Ring(t ref.Tenant, moved []feed.Cursor) {
	l.mu.Lock()
	if len(moved) == 0 {
		l.rung[t] = struct{}{}
	}
	for _, c := range moved {
		c.Tenant = t
		l.reached[placeOf(c)] = max(l.reached[placeOf(c)], c.After)
	}
	l.mu.Unlock()
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// Run listens at the store's doorbell, if it has one, and follows what it says, until ctx ends: it looks at the tenants of
// which it does not say what moved. Without it commits of other servers are seen at the next heartbeat.
func (l *Log) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	defer listening.Wait()
	if bell, ok := l.source.(store.Doorbell); ok {
		listening.Go(func() { l.listen(ctx, bell) })
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.bell:
		}
		pause(ctx, l.config.Calm) // of this server's own commits, Moved tells more meanwhile
		for t, moved := range l.heard() {
			l.raise(t, moved)
		}
		for _, t := range l.answer() {
			if err := l.look(ctx, t, nil, map[place]feed.Extent{}); err != nil && ctx.Err() == nil {
				l.config.Log.Warn("a ring could not be answered; followers look again at their heartbeat", "tenant", t, "error", err)
			}
		}
	}
}

// heard takes how far feeds are said to have come, of those that are not known to be there.
func (l *Log) heard() map[ref.Tenant][]feed.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[ref.Tenant][]feed.Cursor{}
	for p, after := range l.reached {
		if t := l.tails[p]; t == nil || t.end() < after {
			out[p.tenant] = append(out[p.tenant], feed.Cursor{Tenant: p.tenant, Feed: p.feed, After: after})
		}
	}
	clear(l.reached)
	return out
}

// listen keeps an ear at the doorbell, however often it breaks.
func (l *Log) listen(ctx context.Context, bell store.Doorbell) {
	for ctx.Err() == nil {
		err := bell.Listen(ctx, l.Ring)
		if ctx.Err() != nil {
			return
		}
		l.config.Log.Warn("the doorbell broke; commits of other servers are seen at the next heartbeat", "error", err)
		pause(ctx, l.config.Retry)
		l.Ring("", nil)
	}
}

// answer takes the tenants that were rung for and that somebody cares about.
func (l *Log) answer() []ref.Tenant {
	l.mu.Lock()
	defer l.mu.Unlock()
	rung := l.rung
	l.rung = map[ref.Tenant]struct{}{}
	_, every := rung[""]
	wanted := map[ref.Tenant]struct{}{}
	if len(l.tellers) > 0 {
		wanted = rung
		delete(wanted, "")
	}
	for p, t := range l.tails {
		if _, one := rung[p.tenant]; (one || every) && (len(l.tellers) > 0 || t.followed()) {
			wanted[p.tenant] = struct{}{}
		}
	}
	tenants := make([]ref.Tenant, 0, len(wanted))
	for t := range wanted {
		tenants = append(tenants, t)
	}
	return tenants
}

func pause(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}
