package sqlite

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// leases are held within the process: the file belongs to one server.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease
}

type lease struct {
	released chan struct{}
	cancel   context.CancelFunc
}

// Hold waits for the lease within this process, of which there is one per file.
func (s *Store) Hold(ctx context.Context, name string) (context.Context, error) {
	for {
		if err := s.ready(ctx); err != nil {
			return nil, err
		}
		held, current := s.leases.try(ctx, name)
		if current == nil {
			return held, nil
		}
		select {
		case <-current.released:
		case <-s.closed:
			return nil, errClosed()
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for a lease")
		}
	}
}

// ready says whether the store is open and the caller still there.
func (s *Store) ready(ctx context.Context) error {
	select {
	case <-s.closed:
		return errClosed()
	default:
		return fault.Wrap(fault.Unavailable, ctx.Err(), "using the store")
	}
}

// try takes the lease when it is free; otherwise it returns who holds it.
func (l *leases) try(ctx context.Context, name string) (context.Context, *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if current, ok := l.held[name]; ok {
		return nil, current
	}
	if l.held == nil {
		l.held = map[string]*lease{}
	}
	held, cancel := context.WithCancel(ctx)
	mine := &lease{make(chan struct{}), cancel}
	l.held[name] = mine
	context.AfterFunc(held, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
		close(mine.released)
	})
	return held, nil
}

func (l *leases) releaseAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, held := range l.held {
		held.cancel()
	}
}
