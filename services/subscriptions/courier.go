package subscriptions

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// courier tells the subscribers of all tenants while its server holds the lease. Each subscription has a worker of its
// own, and at most one call under way, so that an endpoint that does not answer holds nobody else up; how many there can be
// is bounded by how many may be made.
type courier struct {
	room *Room

	mu    sync.Mutex
	lines map[place]*line
	// versions of the subscriptions, by tenant, as of the last look.
	versions map[ref.Tenant]int64
	workers  sync.WaitGroup
}

// place is a subscription of a tenant.
type place struct {
	tenant ref.Tenant
	id     string
}

// Run waits for the lease and then tells subscribers, again and again, until ctx ends; it returns ctx.Err().
func (r *Room) Run(ctx context.Context) error {
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
	c := &courier{room: r, lines: map[place]*line{}, versions: map[ref.Tenant]int64{}}
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

// moved wakes the workers of feeds that moved.
func (c *courier) moved(cursors []feed.Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cursor := range cursors {
		id, ok := cursor.Feed.OfSubscription()
		if !ok {
			continue
		}
		if l := c.lines[place{cursor.Tenant, id}]; l != nil {
			l.reached(cursor.After)
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
		if err := c.lookAt(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *courier) lookAt(ctx context.Context, t ref.Tenant) error {
	known, seen := c.versions[t]
	var version int64
	var all []subscription.Subscription
	var extents []feed.Extent
	err := c.room.config.Store.View(ctx, t, func(r store.Reader) (err error) {
		if version, err = r.SubscriptionsVersion(); err != nil {
			return err
		}
		if !seen || version != known {
			if all, err = r.ListSubscriptions(); err != nil {
				return err
			}
		}
		if feeds := c.feeds(t, all); len(feeds) > 0 {
			extents, err = r.Extents(feeds...)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !seen || version != known {
		if err := c.follow(ctx, t, all); err != nil {
			return err
		}
		c.versions[t] = version
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range extents {
		if id, ok := x.Feed.OfSubscription(); ok && c.lines[place{t, id}] != nil {
			c.lines[place{t, id}].reached(x.Last)
		}
	}
	return nil
}

// feeds are those of the tenant's subscriptions, known ones and new ones.
func (c *courier) feeds(t ref.Tenant, all []subscription.Subscription) []feed.Name {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []feed.Name
	for p := range c.lines {
		if p.tenant == t {
			names = append(names, feed.Subscription(p.id))
		}
	}
	for i := range all {
		if c.lines[place{t, all[i].ID}] == nil {
			names = append(names, all[i].Feed())
		}
	}
	return names
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
		if l := c.lines[at]; l != nil {
			l.become(s)
			continue
		}
		d := deliveries[s.ID]
		d.ID = s.ID
		l := newLine(c.room, t, s, d)
		c.lines[at] = l
		working, end := context.WithCancel(ctx)
		l.end = end
		c.workers.Go(func() { l.run(working) })
	}
	for at, l := range c.lines {
		if at.tenant == t && !there[at.id] {
			l.end()
			delete(c.lines, at)
		}
	}
	return nil
}
