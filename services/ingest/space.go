package ingest

import (
	"context"
	"sync"
)

// What hostile or careless bodies may take of the memory.
const (
	// largeBody is from where on a body waits for its turn to be read: below, reading takes next to nothing.
	largeBody = 256 << 10
	// readingAtOnce bounds the bytes of the large bodies that are being read at the same time. Reading takes up to some
	// twenty times the size of a body, and at most what tree.Limits.Values leaves it.
	readingAtOnce = 16 << 20
	// heldByStream bounds the bytes that one stream has received and not committed, unless one item is larger by itself.
	heldByStream = 32 << 20
)

// space is a number of bytes that callers share. Who comes first is served first, so that a large wish is not starved by
// small ones.
type space struct {
	mu      sync.Mutex
	size    int
	used    int
	waiting []*wish
}

type wish struct {
	n       int
	granted chan struct{}
}

func newSpace(size int) *space { return &space{size: size} }

// take waits until n bytes are free and takes them; a wish beyond the whole space waits for all of it. It returns how
// many were taken, to be given back. Errors: those of ctx; then nothing was taken.
func (s *space) take(ctx context.Context, n int) (int, error) {
	n = min(n, s.size)
	s.mu.Lock()
	if len(s.waiting) == 0 && s.used+n <= s.size {
		s.used += n
		s.mu.Unlock()
		return n, nil
	}
	w := &wish{n, make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.granted:
		return n, nil
	case <-ctx.Done():
		s.withdraw(w)
		return 0, ctx.Err()
	}
}

// give returns what was taken.
func (s *space) give(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	s.grant()
}

func (s *space) grant() {
	for len(s.waiting) > 0 && s.used+s.waiting[0].n <= s.size {
		s.used += s.waiting[0].n
		close(s.waiting[0].granted)
		s.waiting = s.waiting[1:]
	}
}

// withdraw takes a wish back, also one that was granted in the same moment.
func (s *space) withdraw(w *wish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted:
		s.used -= w.n
	default:
		for i, other := range s.waiting {
			if other == w {
				s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
				break
			}
		}
	}
	s.grant()
}
