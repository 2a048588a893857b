package relay

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
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
	// held is until when the line is left alone because its node of the cluster is away.
	held time.Time
	// refused says why nothing is appended; empty when all is well.
	refused string
	// oldest is when the event after from was committed; zero when not known.
	oldest time.Time
	// kept is the number of the oldest entry that the stream was last seen to hold; 0 before it was looked at.
	kept int64
	// groups are those of the stream when it was last looked at.
	groups []group
}

// behind is how many entries the stream lacks.
func (l *line) behind() int64 {
	return max(0, l.last-max(l.from, l.first-1))
}

// begin forgets what an earlier lead knew.
func (r *shard) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines, r.feeds = map[place]*line{}, map[ref.Tenant][]feed.Name{}
	r.queue, r.round, r.again, r.hurry = nil, nil, nil, 0
	r.leading, r.said = true, time.Time{}
}

// rest says that another server may lead now.
func (r *shard) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leading, r.connected = false, false
	r.config.Log.Info("the relay gave up the lease", "lease", r.lease())
}

// line of a place, made when it is first heard of. The caller holds mu.
func (r *shard) line(p place) *line {
	l := r.lines[p]
	if l == nil {
		l = &line{place: p, key: Key(p.tenant, p.feed), first: 1}
		r.lines[p] = l
		r.round = append(r.round, p)
		r.feeds[p.tenant] = append(r.feeds[p.tenant], p.feed)
	}
	return l
}

// enqueue lets a line wait for its turn when it has anything to do. The caller holds mu.
func (r *shard) enqueue(l *line) {
	if l.queued || l.refused != "" || l.asked && l.from >= l.last || time.Now().Before(l.held) {
		return
	}
	l.queued = true
	r.queue = append(r.queue, l)
}

// moved hears of commits.
func (r *shard) moved(cursors []feed.Cursor) {
	r.mu.Lock()
	woken := false
	for _, c := range cursors {
		p := place{c.Tenant, c.Feed}
		if !r.owns(p) {
			continue
		}
		woken = true
		l := r.line(p)
		l.last = max(l.last, c.After)
		r.enqueue(l)
	}
	r.mu.Unlock()
	if !woken {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take ends the wait of up to n lines.
func (r *shard) take(n int) []*line {
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
func (r *shard) giveBack(lines []*line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lines {
		r.enqueue(l)
	}
}

// doubt makes every line ask its stream again.
func (r *shard) doubt(redisAway bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if redisAway {
		r.connected = false
	}
	for _, l := range r.lines {
		l.asked, l.held = false, time.Time{}
		r.enqueue(l)
	}
}

// doubtOne makes one line ask its stream again.
func (r *shard) doubtOne(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.asked = false
	r.enqueue(l)
}

// date finds out since when the lines wait that have waited longest, for Lag. It gives up when the database is away.
func (r *shard) date(ctx context.Context) {
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

func (r *shard) undated(most int) []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var undated []*line
	for _, l := range r.queue {
		if l.behind() > 0 && l.oldest.IsZero() && len(undated) < most {
			undated = append(undated, l)
		}
	}
	for _, l := range r.lines {
		idle := l.refused != "" || !l.held.IsZero()
		if idle && l.behind() > 0 && l.oldest.IsZero() && len(undated) < most {
			undated = append(undated, l)
		}
	}
	return undated
}
