package auth

import (
	"math"
	"sync"
	"time"
)

// Rate is how much a client may ask for.
type Rate struct {
	// PerSecond on average, and Burst at once. A PerSecond of 0 sets no limit.
	PerSecond, Burst float64
}

// buckets hold the tokens of each client.
type buckets struct {
	rate Rate
	now  func() time.Time

	mu sync.Mutex
	by map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds how many are kept: those that are full again are forgotten.
const maxBuckets = 10_000

func newBuckets(rate Rate, now func() time.Time) *buckets {
	return &buckets{rate: rate, now: now, by: map[string]*bucket{}}
}

// take takes one token; wait is how long until there is one, 0 when it was taken.
func (b *buckets) take(client string) (wait time.Duration) {
	if b.rate.PerSecond <= 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	own, ok := b.by[client]
	if !ok {
		if len(b.by) >= maxBuckets {
			b.forget(now)
		}
		own = &bucket{b.rate.Burst, now}
		b.by[client] = own
	}
	own.tokens = b.filled(own, now)
	own.at = now
	if own.tokens >= 1 {
		own.tokens--
		return 0
	}
	return time.Duration(math.Ceil((1 - own.tokens) / b.rate.PerSecond * float64(time.Second)))
}

func (b *buckets) filled(own *bucket, now time.Time) float64 {
	passed := max(now.Sub(own.at).Seconds(), 0)
	return min(own.tokens+passed*b.rate.PerSecond, b.rate.Burst)
}

func (b *buckets) forget(now time.Time) {
	for client, own := range b.by {
		if b.filled(own, now) >= b.rate.Burst {
			delete(b.by, client)
		}
	}
	if len(b.by) >= maxBuckets {
		clear(b.by)
	}
}
