package relay

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// part gathers what failed of one round trip. A node of a cluster that is away must not hold up the streams of the others.
type part struct {
	tried  int
	failed []*line
	first  error
}

// miss notes that the part of a line failed.
func (p *part) miss(l *line, err error) {
	p.failed = append(p.failed, l)
	if p.first == nil {
		p.first = err
	}
}

// bear decides what a round trip amounts to that failed in part: when a cluster did the rest, or did what it was asked for
// a moment ago, the lines that failed are left alone for a while; else it failed.
func (r *shard) bear(p part) error {
	_, cluster := r.redis.(*redis.ClusterClient)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p.failed) < p.tried {
		r.good = now
	}
	if p.first == nil || !cluster || now.Sub(r.good) > r.config.MaxPatience {
		return p.first
	}
	for _, l := range p.failed {
		if l.held.IsZero() {
			r.config.Log.Warn("a node of the cluster is away; its streams wait", "tenant", l.tenant, "feed", l.feed, "error", p.first)
			break
		}
	}
	for _, l := range p.failed {
		l.asked, l.held = false, now.Add(r.config.MaxPatience)
	}
	return nil
}
