package relay

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// sweep looks at the database for feeds that moved without anybody telling, and lets refused lines try again.
func (r *shard) sweep(ctx context.Context) error {
	tenants, err := r.store.Tenants(ctx)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list the tenants")
	}
	for _, t := range tenants {
		if err := r.extents(ctx, t, nil); err != nil {
			return err
		}
	}
	return r.ask(ctx, r.refused())
}

func (r *shard) refused() []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused []*line
	for _, l := range r.lines {
		if l.refused != "" {
			refused = append(refused, l)
		}
	}
	return refused
}

// greet finds out whether Redis is there when there is nothing to ask it.
func (r *shard) greet(ctx context.Context) error {
	if err := r.redis.Ping(ctx).Err(); err != nil {
		return away{err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected = true
	return nil
}

// pageLeast is how many streams are looked at together at least, when there are as many.
const pageLeast = 128

// page is how many streams are looked at per Poll, so that all have their turn within Tidy.
func (r *shard) page() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(pageLeast, int(float64(len(r.round))*float64(r.config.Poll)/float64(r.config.Tidy))+1)
}

// hurries says whether streams are to be looked at without waiting.
func (r *shard) hurries() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hurry > 0
}

// nextRound takes the next lines that believe to know where their stream stands, those first that were not done.
func (r *shard) nextRound(most int) []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	places := r.again[:min(most, len(r.again))]
	r.again = r.again[len(places):]
	n := min(most-len(places), len(r.round))
	places = append(places[:len(places):len(places)], r.round[:n]...)
	r.round = append(r.round[n:], r.round[:n]...)
	r.hurry = max(0, r.hurry-n)
	lines := make([]*line, 0, len(places))
	for _, p := range places {
		if l := r.lines[p]; l.asked {
			lines = append(lines, l)
		}
	}
	return lines
}
