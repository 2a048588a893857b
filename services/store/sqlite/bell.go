package sqlite

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// bell tells listeners of commits without ever making a writer wait for them.
type bell struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

// listener gathers the tenants that committed since it last looked.
type listener struct {
	mu    sync.Mutex
	rung  map[ref.Tenant]struct{}
	awake chan struct{}
}

// Listen calls ring after commits until ctx ends, one tenant after the other; commits that come while ring runs
// are told together. It returns nil when ctx ends and Unavailable when the store is closed.
func (s *Store) Listen(ctx context.Context, ring func(ref.Tenant)) error {
	l := &listener{rung: map[ref.Tenant]struct{}{}, awake: make(chan struct{}, 1)}
	s.bell.join(l)
	defer s.bell.leave(l)
	for {
		select {
		case <-l.awake:
			for _, t := range l.take() {
				ring(t)
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

func (b *bell) ring(t ref.Tenant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		l.add(t)
	}
}

func (l *listener) add(t ref.Tenant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rung[t] = struct{}{}
	select {
	case l.awake <- struct{}{}:
	default:
	}
}

func (l *listener) take() []ref.Tenant {
	l.mu.Lock()
	defer l.mu.Unlock()
	tenants := make([]ref.Tenant, 0, len(l.rung))
	for t := range l.rung {
		tenants = append(tenants, t)
	}
	clear(l.rung)
	return tenants
}
