// Package client follows Rapport's feeds, over gRPC or as a Redis consumer group, and proves that nothing was missed.
//
// Feeds have no holes: event n follows n-1, on gRPC and in Redis alike. Follow is for one reader that keeps its own
// cursor, best in the same transaction as what it makes of the events. Group shares the work among several and keeps the
// place in Redis: each entry comes at least once, so handle it by its id (Once, or a unique key of your own database);
// what a consumer held that died is claimed by another; what cannot be handled goes to the dead letters (Letters, PutBack,
// Redrive); and when a stream no longer holds what the group has not read, OnGap is told of the gap, which Refill reads
// over gRPC.
package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// GapError says that events are missing. It is never passed over: the caller decides whether to go on behind the gap.
type GapError struct {
	// Feed that has the gap.
	Feed string
	// From and To are the numbers of the first and the last event missing.
	From, To int64
}

// Error names the gap.
func (e *GapError) Error() string {
	return fmt.Sprintf("feed %s: events %d to %d are missing", e.Feed, e.From, e.To)
}

// Earliest is the number of the first event behind the gap.
func (e *GapError) Earliest() int64 { return e.To + 1 }

// backOff is the pause after a number of failures in a row: it doubles from 100 ms to 10 s, with jitter.
func backOff(failures int) time.Duration {
	wait := 10 * time.Second
	if failures < 8 {
		wait = 100 * time.Millisecond << (failures - 1)
	}
	return min(wait, 10*time.Second)/2 + rand.N(min(wait, 10*time.Second)/2)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
