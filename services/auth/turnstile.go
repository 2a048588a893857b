package auth

import (
	"context"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Turnstile lets so many calls work at once, and shares the places out among the tenants. A tenant that is alone may have
// all but one of them; of several each has its equal part, so that the next call of any finds a place free, however many
// another keeps waiting. Who waits is let in tenant by tenant in turn.
type Turnstile struct {
	// places at once.
	places int
	// queue is how many calls of one tenant may wait.
	queue int
	now   func() time.Time

	mu      sync.Mutex
	inside  int
	tenants map[ref.Tenant]*line
	// turn is the order in which waiting tenants are served.
	turn []*line
}

// line is one tenant at the turnstile.
type line struct {
	tenant  ref.Tenant
	inside  int
	waiting []chan struct{}
	// queued says that it is in the turn.
	queued bool
	// seen is when it came or left last.
	seen time.Time
}

// present is how long a tenant that has left still counts as there: its next call should find its part free.
const present = 2 * time.Second

// NewTurnstile has so many places, at least 2.
func NewTurnstile(places, queue int, now func() time.Time) *Turnstile {
	return &Turnstile{places: max(places, 2), queue: queue, now: now, tenants: map[ref.Tenant]*line{}}
}

// share is how many places one tenant may hold now.
func (t *Turnstile) share() int {
	since, there := t.now().Add(-present), 0
	for name, l := range t.tenants {
		switch {
		case l.inside > 0 || len(l.waiting) > 0 || l.seen.After(since):
			there++
		case !l.queued:
			delete(t.tenants, name)
		}
	}
	if there < 2 {
		return t.places - 1
	}
	return max(t.places/there, 1)
}

// Enter waits for a place and returns how to leave it. Errors: Throttled when too many of the tenant wait already;
// Unavailable when ctx ends before.
func (t *Turnstile) Enter(ctx context.Context, tenant ref.Tenant) (leave func(), err error) {
	t.mu.Lock()
	l := t.lineOf(tenant)
	l.seen = t.now()
	if t.inside < t.places && l.inside < t.share() && len(l.waiting) == 0 {
		t.inside++
		l.inside++
		t.mu.Unlock()
		return t.leaving(l), nil
	}
	if len(l.waiting) >= t.queue {
		t.mu.Unlock()
		return nil, fault.Newf(fault.Throttled, "throttled", "too many requests wait already; send the same request again later")
	}
	in := make(chan struct{})
	l.waiting = append(l.waiting, in)
	if !l.queued {
		l.queued = true
		t.turn = append(t.turn, l)
	}
	t.mu.Unlock()
	select {
	case <-in:
		return t.leaving(l), nil
	case <-ctx.Done():
		return nil, t.giveUp(ctx, l, in)
	}
}

func (t *Turnstile) lineOf(tenant ref.Tenant) *line {
	l, ok := t.tenants[tenant]
	if !ok {
		l = &line{tenant: tenant}
		t.tenants[tenant] = l
	}
	return l
}

func (t *Turnstile) leaving(l *line) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.inside--
			l.inside--
			l.seen = t.now()
			t.admit()
		})
	}
}

// admit lets in who waits, one of each tenant in turn, until nobody more may come in.
func (t *Turnstile) admit() {
	share := t.share()
	for passed := 0; passed < len(t.turn) && t.inside < t.places; {
		l := t.turn[0]
		t.turn = t.turn[1:]
		passed++
		if len(l.waiting) > 0 && l.inside < share {
			close(l.waiting[0])
			l.waiting = l.waiting[1:]
			t.inside++
			l.inside++
			passed = 0 // look at everybody again
		}
		if len(l.waiting) > 0 {
			t.turn = append(t.turn, l)
			continue
		}
		l.queued = false
		passed = 0
	}
}

// giveUp takes a call out of its line; one that was let in at the same moment gives its place back.
func (t *Turnstile) giveUp(ctx context.Context, l *line, in chan struct{}) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, one := range l.waiting {
		if one == in {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for a place")
		}
	}
	t.inside--
	l.inside--
	t.admit()
	return fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for a place")
}
