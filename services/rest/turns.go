package rest

import (
	"context"
	"sync"
)

// turns let one after another at each of many things. Its zero value is ready.
type turns struct {
	mu   sync.Mutex
	each map[string]*turn
}

// turn is whose it is at one thing: free holds a token while it is nobody's. Known counts who has it or waits for it.
type turn struct {
	free  chan struct{}
	known int
}

// take waits for the turn at a thing; leave ends it. Errors: those of ctx.
func (t *turns) take(ctx context.Context, thing string) (leave func(), err error) {
	t.mu.Lock()
	if t.each == nil {
		t.each = map[string]*turn{}
	}
	at := t.each[thing]
	if at == nil {
		at = &turn{free: make(chan struct{}, 1)}
		at.free <- struct{}{}
		t.each[thing] = at
	}
	at.known++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if at.known--; at.known == 0 {
			delete(t.each, thing)
		}
	}
	select {
	case <-at.free:
		return func() { at.free <- struct{}{}; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}
