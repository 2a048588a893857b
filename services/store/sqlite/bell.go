package sqlite

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// bell tells listeners of commits without ever making a writer wait for them.
type bell struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

// listener gathers how far feeds came since it last looked.
type listener struct {
	mu    sync.Mutex
	rung  map[ref.Tenant]map[feed.Name]int64
	awake chan struct{}
}

// Listen calls ring after commits until ctx ends, one tenant after the other; commits that come while ring runs
// are told together. It returns nil when ctx ends and Unavailable when the store is closed.
func (s *Store) Listen(ctx context.Context, ring func(ref.Tenant, []feed.Cursor)) error {
	l := &listener{rung: map[ref.Tenant]map[feed.Name]int64{}, awake: make(chan struct{}, 1)}
	s.bell.join(l)
	defer s.bell.leave(l)
	for {
		select {
		case <-l.awake:
			for t, moved := range l.take() {
				ring(t, moved)
			}
		case <-ctx.Done():
			return nil
		case <-s.closed:
			return errClosed()
		}
	}
}

func (b *bell) join(l *listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[*listener]struct{}{}
	}
	b.listeners[l] = struct{}{}
}

func (b *bell) leave(l *listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, l)
}

func (b *bell) ring(t ref.Tenant, moved []feed.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		l.add(t, moved)
	}
}

func (l *listener) add(t ref.Tenant, moved []feed.Cursor) {
	if len(moved) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rung[t] == nil {
		l.rung[t] = map[feed.Name]int64{}
	}
	for _, c := range moved {
		l.rung[t][c.Feed] = c.After
	}
	select {
	case l.awake <- struct{}{}:
	default:
	}
}

func (l *listener) take() map[ref.Tenant][]feed.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[ref.Tenant][]feed.Cursor, len(l.rung))
	for t, feeds := range l.rung {
		for name, last := range feeds {
			out[t] = append(out[t], feed.Cursor{Tenant: t, Feed: name, After: last})
		}
	}
	clear(l.rung)
	return out
}
