package subscriptions

import (
	"context"
	"slices"
	"sync"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// sockets are the websockets that are open on this server, and what is bound over them.
type sockets struct {
	desk
	wake chan struct{}
	all  sync.WaitGroup
	// open is guarded by the lock of the desk.
	open map[*socket]struct{}
}

func newSockets(r *Room) *sockets {
	return &sockets{desk: newDesk(r), wake: make(chan struct{}, 1), open: map[*socket]struct{}{}}
}

// enter lets one more be open. Errors: Throttled.
func (s *sockets) enter(one *socket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.room.config.Sockets
	_, idle := s.counted()
	neighbours := 0
	for other := range s.open {
		if len(other.bound) == 0 && other.guest() && one.guest() && other.address == one.address {
			neighbours++
		}
	}
	if len(s.open) >= most || idle >= max(most/4, 1) || neighbours >= max(most/40, 1) {
		return fault.Newf(fault.Throttled, "throttled", "too many websockets are open: come again later")
	}
	s.open[one] = struct{}{}
	s.all.Add(1)
	return nil
}

// count is how many sockets have something bound, and how many nothing.
func (s *sockets) count() (bound, idle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted()
}

// counted is count with the lock held.
func (s *sockets) counted() (bound, idle int) {
	for one := range s.open {
		if len(one.bound) == 0 {
			idle++
		}
	}
	return len(s.open) - idle, idle
}

// leave forgets a socket and all that was bound over it.
func (s *sockets) leave(one *socket) {
	s.mu.Lock()
	delete(s.open, one)
	for at, b := range one.bound {
		s.forget(b, at)
	}
	s.mu.Unlock()
	s.all.Done()
}

// any says whether anything is bound over a socket.
func (s *sockets) any(of *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(of.bound) > 0
}

// holds says whether something is bound over a socket.
func (s *sockets) holds(of *socket, at place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return of.bound[at] != nil
}

// renewed is what is bound over a socket already, by another right from now on; nil when it is not any more.
func (s *sockets) renewed(of *socket, at place, right auth.Binding, stay *auth.Stay) *binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := of.bound[at]
	if b != nil {
		b.right, b.stay = right, stay
	}
	return b
}

// stayOf is by what is noted whose data is shown.
func (s *sockets) stayOf(b *binding) *auth.Stay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.stay
}

// add makes a binding known. Errors: Throttled when the tenant has too many.
func (s *sockets) add(b *binding, at place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	theirs := 0
	for p, lines := range s.lines {
		if p.tenant == at.tenant {
			theirs += len(lines)
		}
	}
	if theirs >= max(s.room.config.Sockets/2, 1) {
		b.end()
		return fault.Newf(fault.Throttled, "throttled", "too much is bound over websockets: close those that are not needed")
	}
	b.socket.bound[at] = b
	s.lines[at] = append(s.lines[at], b.line)
	return nil
}

// drop ends a binding.
func (s *sockets) drop(b *binding, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(b, at)
}

// forget ends a binding. The lock is held.
func (s *sockets) forget(b *binding, at place) {
	b.end()
	delete(b.socket.bound, at)
	s.lines[at] = slices.DeleteFunc(s.lines[at], func(l *line) bool { return l == b.line })
	if len(s.lines[at]) == 0 {
		delete(s.lines, at)
	}
}

// run keeps what is bound informed until ctx ends.
func (s *sockets) run(ctx context.Context) {
	defer s.room.config.Log.Tell(s.moved)()
	for ctx.Err() == nil {
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.room.config.Logger.Warn("subscriptions that are bound cannot be read; it will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-s.room.config.After(s.room.config.Poll):
		}
	}
}

// look ends what is bound without a right, and reads what changed about the others.
func (s *sockets) look(ctx context.Context) error {
	tenants := map[ref.Tenant]bool{}
	for at, bindings := range s.bindings() {
		for _, b := range bindings {
			if err := s.room.config.Bindings.Holds(b.right); err != nil {
				s.over(b.binding, at, err)
				continue
			}
			tenants[at.tenant] = true
		}
	}
	for t := range tenants {
		if err := s.lookAt(ctx, t, s.changed); err != nil {
			return err
		}
	}
	return nil
}

// held is a binding with its right as of now.
type held struct {
	*binding
	right auth.Binding
}

func (s *sockets) bindings() map[place][]held {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[place][]held{}
	for one := range s.open {
		for at, b := range one.bound {
			out[at] = append(out[at], held{b, b.right})
		}
	}
	return out
}

// changed lets bindings know what became of their subscriptions.
func (s *sockets) changed(_ context.Context, t ref.Tenant, all []subscription.Subscription) error {
	now := map[string]subscription.Subscription{}
	for _, one := range all {
		now[one.ID] = one
	}
	for at, bindings := range s.bindings() {
		if at.tenant != t {
			continue
		}
		for _, b := range bindings {
			switch one, there := now[at.id]; {
			case !there:
				s.over(b.binding, at, fault.Newf(fault.NotFound, "deleted", "the subscription %s was deleted", at.id))
			case one.Status != subscription.Active || one.Channel != subscription.Websocket:
				s.over(b.binding, at, fault.Newf(fault.Unprocessable, "business-rule", "the subscription %s has the status %s now, and is told no more%s", at.id, one.Status, prefixed(": ", one.Error)))
			default:
				b.become(one)
			}
		}
	}
	return nil
}

// over ends a binding and says why.
func (s *sockets) over(b *binding, at place, why error) {
	s.drop(b, at)
	go b.socket.say(fhir.OutcomeOf(why)) // a client that reads slowly holds up nobody else, and Timeout ends it
}
