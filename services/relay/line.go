package relay

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
)

// line is one feed on its way to one stream.
type line struct {
	place
	key string
	// first and last are the numbers of the oldest event kept and of the newest.
	first, last int64
	// top is the number of the last entry that the stream is known to have had.
	top int64
	// from is where reading goes on: top, or further when what lies between is no longer kept or not wanted.
	from int64
	// asked is false while the stream's own last id is not known.
	asked bool
	// queued is true while the line waits for its turn.
	queued bool
	// refused says why nothing is appended; empty when all is well.
	refused string
	// oldest is when the event after from was committed; zero when not known.
	oldest time.Time
}

// behind is how many entries the stream lacks.
func (l *line) behind() int64 {
	return max(0, l.last-max(l.from, l.first-1))
}

// begin forgets what an earlier lead knew.
func (r *Relay) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines, r.queue, r.round = map[place]*line{}, nil, nil
	r.leading = true
}

// rest says that another server may lead now.
func (r *Relay) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leading, r.connected = false, false
	r.config.Log.Info("the relay gave up the lease")
}

// line of a place, made when it is first heard of. The caller holds mu.
func (r *Relay) line(p place) *line {
	l := r.lines[p]
	if l == nil {
		l = &line{place: p, key: Key(p.tenant, p.feed), first: 1}
		r.lines[p] = l
		r.round = append(r.round, p)
	}
	return l
}

// enqueue lets a line wait for its turn when it has anything to do. The caller holds mu.
func (r *Relay) enqueue(l *line) {
	if l.queued || l.refused != "" || l.asked && l.from >= l.last {
		return
	}
	l.queued = true
	r.queue = append(r.queue, l)
}

// moved hears of commits.
func (r *Relay) moved(cursors []feed.Cursor) {
	r.mu.Lock()
	for _, c := range cursors {
		if _, own := c.Feed.OfSubscription(); own {
			continue // its events go to an endpoint of its own
		}
		l := r.line(place{c.Tenant, c.Feed})
		l.last = max(l.last, c.After)
		r.enqueue(l)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take ends the wait of up to n lines.
func (r *Relay) take(n int) []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, len(r.queue))
	taken := append([]*line(nil), r.queue[:n]...)
	r.queue = r.queue[n:]
	for _, l := range taken {
		l.queued = false
	}
	return taken
}

// giveBack lets lines wait again that are not done.
func (r *Relay) giveBack(lines []*line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lines {
		r.enqueue(l)
	}
}

// doubt makes every line ask its stream again.
func (r *Relay) doubt(redisAway bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if redisAway {
		r.connected = false
	}
	for _, l := range r.lines {
		l.asked = false
		r.enqueue(l)
	}
}

// doubtOne makes one line ask its stream again.
func (r *Relay) doubtOne(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.asked = false
	r.enqueue(l)
}

// date finds out since when the lines wait that have waited longest, for Lag. It gives up when the database is away.
func (r *Relay) date(ctx context.Context) {
	const most = 64
	for _, l := range r.undated(most) {
		events, err := r.log.Since(ctx, l.cursor(max(l.from, l.first-1)), 1)
		if err != nil || len(events) == 0 {
			return
		}
		r.mu.Lock()
		l.oldest = events[0].Time
		r.mu.Unlock()
	}
}

func (r *Relay) undated(most int) []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var undated []*line
	for _, l := range r.queue {
		if l.behind() > 0 && l.oldest.IsZero() {
			undated = append(undated, l)
			if len(undated) == most {
				break
			}
		}
	}
	return undated
}
