package auth

import (
	"context"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// scales let so many bytes be worked on at once. Who comes first is served first, so that a large one is not passed by
// small ones for ever; one that is larger than all is let in alone.
type scales struct {
	most int64

	mu      sync.Mutex
	on      int64
	waiting []*weight
}

type weight struct {
	bytes int64
	in    chan struct{}
}

func newScales(most int64) *scales { return &scales{most: most} }

// put waits until there is room, and returns how to take the bytes off again. Errors: Unavailable when ctx ends before.
func (s *scales) put(ctx context.Context, bytes int64) (take func(), err error) {
	if s.most <= 0 || bytes <= 0 {
		return func() {}, nil
	}
	bytes = min(bytes, s.most)
	s.mu.Lock()
	if len(s.waiting) == 0 && s.on+bytes <= s.most {
		s.on += bytes
		s.mu.Unlock()
		return s.taking(bytes), nil
	}
	w := &weight{bytes, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.in:
		return s.taking(bytes), nil
	case <-ctx.Done():
		s.giveUp(w)
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for memory")
	}
}

func (s *scales) taking(bytes int64) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.on -= bytes
			s.admit()
		})
	}
}

func (s *scales) admit() {
	for len(s.waiting) > 0 && s.on+s.waiting[0].bytes <= s.most {
		s.on += s.waiting[0].bytes
		close(s.waiting[0].in)
		s.waiting = s.waiting[1:]
	}
}

func (s *scales) giveUp(w *weight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.waiting {
		if one == w {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			s.admit()
			return
		}
	}
	s.on -= w.bytes
	s.admit()
}
