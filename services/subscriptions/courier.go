package subscriptions

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
)

// courier tells the subscribers of all tenants that have an endpoint while its server holds the lease. Each subscription has
// a worker of its own, and at most one call under way, so that an endpoint that does not answer holds nobody else up; how many
// there can be is bounded by how many may be made.
type courier struct {
	desk
	workers sync.WaitGroup
}

// Run tells those who have bound a websocket on this server, and, whenever it holds the lease, those who have an endpoint,
// until ctx ends; it returns ctx.Err().
func (r *Room) Run(ctx context.Context) error {
	var bound sync.WaitGroup
	defer bound.Wait()
	bound.Go(func() { r.sockets.run(ctx) })
	for failures := 0; ctx.Err() == nil; {
		held, err := r.config.Store.Hold(ctx, Lease)
		if err == nil {
			failures = 0
			r.lead(held)
			continue
		}
		failures++
		if ctx.Err() == nil {
			r.config.Logger.Warn("subscribers cannot be told: no lease", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-r.config.After(backOff(failures, r.config.Patience, r.config.MaxPatience, r.config.Random())):
		}
	}
	return ctx.Err()
}

// lead tells subscribers while the lease is held.
func (r *Room) lead(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	c := &courier{desk: newDesk(r)}
	r.counts.lead(c)
	defer r.counts.lead(nil)
	defer c.workers.Wait()
	defer end()
	defer r.config.Log.Tell(c.moved)()
	for ctx.Err() == nil {
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			r.config.Logger.Warn("subscriptions cannot be read; it will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-r.config.After(r.config.Poll):
		}
	}
}

// look reads what changed about subscriptions, and how far their feeds are.
func (c *courier) look(ctx context.Context) error {
	tenants, err := c.room.config.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := c.lookAt(ctx, t, c.follow); err != nil {
			return err
		}
	}
	return nil
}

// follow starts workers for new subscriptions, tells the others what changed, and ends those of deleted ones.
func (c *courier) follow(ctx context.Context, t ref.Tenant, all []subscription.Subscription) error {
	kept, err := c.room.config.Store.Deliveries(ctx, t)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "reading how far subscribers were told")
	}
	deliveries := map[string]subscription.Delivery{}
	for _, d := range kept {
		deliveries[d.ID] = d
	}
	there := map[string]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range all {
		there[s.ID] = true
		at := place{t, s.ID}
		if lines := c.lines[at]; lines != nil {
			lines[0].become(s)
			continue
		}
		var way channel
		if s.Channel == subscription.RestHook {
			way = c.room.caller
		}
		l := newLine(c.room, t, s, deliveries[s.ID], way, c.room.config.BaseURL)
		c.lines[at] = []*line{l}
		working, end := context.WithCancel(ctx)
		l.end = end
		c.workers.Go(func() { l.run(working) })
	}
	for at, lines := range c.lines {
		if at.tenant == t && !there[at.id] {
			lines[0].end()
			delete(c.lines, at)
		}
	}
	return nil
}
