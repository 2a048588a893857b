package subscriptions

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// desk lets lines know how far their feeds are.
type desk struct {
	room *Room

	mu    sync.Mutex
	lines map[place][]*line
	// versions of the subscriptions, by tenant, as of the last look.
	versions map[ref.Tenant]int64
}

// place is a subscription of a tenant.
type place struct {
	tenant ref.Tenant
	id     string
}

func newDesk(r *Room) desk {
	return desk{room: r, lines: map[place][]*line{}, versions: map[ref.Tenant]int64{}}
}

// moved wakes the workers of feeds that moved.
func (d *desk) moved(cursors []feed.Cursor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, cursor := range cursors {
		if id, ok := cursor.Feed.OfSubscription(); ok {
			d.reached(place{cursor.Tenant, id}, cursor.After)
		}
	}
}

// reached says how far a feed is. The lock is held.
func (d *desk) reached(at place, last int64) {
	for _, l := range d.lines[at] {
		l.reached(last)
	}
}

// lookAt reads how far the feeds of a tenant's lines are, and lets changed know of all its subscriptions when one changed.
func (d *desk) lookAt(ctx context.Context, t ref.Tenant, changed func(context.Context, ref.Tenant, []subscription.Subscription) error) error {
	known, seen := d.versions[t]
	var version int64
	var all []subscription.Subscription
	var extents []feed.Extent
	err := d.room.config.Store.View(ctx, t, func(r store.Reader) (err error) {
		if version, err = r.SubscriptionsVersion(); err != nil {
			return err
		}
		if !seen || version != known {
			if all, err = r.ListSubscriptions(); err != nil {
				return err
			}
		}
		if feeds := d.feeds(t, all); len(feeds) > 0 {
			extents, err = r.Extents(feeds...)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !seen || version != known {
		if err := changed(ctx, t, all); err != nil {
			return err
		}
		d.versions[t] = version
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range extents {
		if id, ok := x.Feed.OfSubscription(); ok {
			d.reached(place{t, id}, x.Last)
		}
	}
	return nil
}

// feeds are those of the tenant's lines, and of subscriptions that have none yet.
func (d *desk) feeds(t ref.Tenant, all []subscription.Subscription) []feed.Name {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []feed.Name
	for p := range d.lines {
		if p.tenant == t {
			names = append(names, feed.Subscription(p.id))
		}
	}
	for i := range all {
		if d.lines[place{t, all[i].ID}] == nil {
			names = append(names, all[i].Feed())
		}
	}
	return names
}
