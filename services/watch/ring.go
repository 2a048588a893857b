package watch

import (
	"context"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Ring says that another server may have moved feeds of a tenant; of any tenant when it is empty. It does not block.
// Run then looks.
func (l *Log) Ring(t ref.Tenant) {
	l.mu.Lock()
	l.rung[t] = struct{}{}
	l.mu.Unlock()
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// Run listens at the store's doorbell, if it has one, and looks at the tenants that were rung for, until ctx ends.
// Without it commits of other servers are seen at the next heartbeat.
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
		for _, t := range l.answer() {
			if err := l.look(ctx, t, nil, map[place]feed.Extent{}); err != nil && ctx.Err() == nil {
				l.config.Log.Warn("a ring could not be answered; followers look again at their heartbeat", "tenant", t, "error", err)
			}
		}
		pause(ctx, l.config.Calm)
	}
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
		l.Ring("")
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
