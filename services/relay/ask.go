package relay

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// standing is where a stream stands.
type standing struct {
	// last id that it ever had, without `-0`; 0 when it is empty or absent.
	last int64
	// seq and id of its newest entry; seq is 0 when it holds none.
	seq int64
	id  string
}

// ask finds out where the streams stand of those lines that do not know, and where they go on.
func (r *shard) ask(ctx context.Context, lines []*line) error {
	var unsure []*line
	for _, l := range lines {
		if !l.asked {
			unsure = append(unsure, l)
		}
	}
	if len(unsure) == 0 {
		return nil
	}
	standings, err := r.standings(ctx, unsure)
	if err != nil {
		return err
	}
	// Only now: what the streams hold was committed before they were asked.
	if err := r.extend(ctx, unsure); err != nil {
		return err
	}
	for _, l := range unsure {
		if s, ok := standings[l]; ok {
			if err := r.settle(ctx, l, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// standings asks streams in one round trip.
func (r *shard) standings(ctx context.Context, lines []*line) (map[*line]standing, error) {
	pipe := r.redis.Pipeline()
	lasts := make([]*redis.Cmd, len(lines))
	newest := make([]*redis.XMessageSliceCmd, len(lines))
	for i, l := range lines {
		lasts[i] = pipe.Eval(ctx, appendScript, []string{l.key}, 0, 0, "")
		newest[i] = pipe.XRevRangeN(ctx, l.key, "+", "-", 1)
	}
	_, _ = pipe.Exec(ctx) // each reply holds its own error
	standings := make(map[*line]standing, len(lines))
	part := part{tried: len(lines)}
	for i, l := range lines {
		last, _, err := answer(lasts[i])
		if err == nil && newest[i].Err() != nil {
			err = away{newest[i].Err()}
		}
		if err != nil {
			if err = r.refuseWrongType(l, err); err != nil {
				part.miss(l, err)
			}
			continue
		}
		s := standing{last: last}
		for _, m := range newest[i].Val() {
			s.seq = number(m.ID)
			s.id, _ = m.Values["id"].(string)
		}
		standings[l] = s
	}
	return standings, r.bear(part)
}

// number is the event number of an entry id.
func number(id string) int64 {
	n, _, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// extend brings the lines up to what the database holds.
func (r *shard) extend(ctx context.Context, lines []*line) error {
	names := map[ref.Tenant][]feed.Name{}
	for _, l := range lines {
		names[l.tenant] = append(names[l.tenant], l.feed)
	}
	for t, feeds := range names {
		if err := r.extents(ctx, t, feeds); err != nil {
			return err
		}
	}
	return nil
}

// extents reads how far feeds are, or every feed of the tenant when none is named, and lets those wait that lack something.
func (r *shard) extents(ctx context.Context, t ref.Tenant, feeds []feed.Name) error {
	known := r.known(t, feeds)
	var extents []feed.Extent
	err := r.store.View(ctx, t, func(reader store.Reader) (err error) {
		extents, err = reader.Extents(feeds...)
		return err
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "look at the feeds")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range extents {
		p := place{t, e.Feed}
		if !r.owns(p) {
			continue
		}
		l := r.line(p)
		l.first = e.First
		if e.Last < known[e.Feed] {
			l.last = e.Last
		} else {
			l.last = max(l.last, e.Last)
		}
		if l.asked && l.top > l.last {
			l.asked = false
		}
		if len(feeds) == 0 {
			r.enqueue(l)
		}
	}
	return nil
}

// known is how far feeds were, or every feed of the tenant, before the database was looked at: less than that means that
// it was restored from an older copy.
func (r *shard) known(t ref.Tenant, feeds []feed.Name) map[feed.Name]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(feeds) == 0 {
		feeds = r.feeds[t]
	}
	known := make(map[feed.Name]int64, len(feeds))
	for _, f := range feeds {
		if l := r.lines[place{t, f}]; l != nil {
			known[f] = l.last
		}
	}
	return known
}

// settle decides where a line goes on, or that it must not.
func (r *shard) settle(ctx context.Context, l *line, s standing) error {
	if end := r.end(l); s.last > end {
		r.refuse(l, fmt.Sprintf("the stream is at %d, but the feed ends at %d: the database is older than the stream", s.last, end))
		return nil
	}
	same, err := r.sameHistory(ctx, l, s)
	if err != nil {
		return err
	}
	if !same {
		r.refuse(l, fmt.Sprintf("entry %d of the stream is another event than the feed's", s.seq))
		return nil
	}
	r.mu.Lock()
	was := l.top
	l.asked, l.refused, l.held, l.top, l.from = true, "", time.Time{}, s.last, s.last
	switch {
	case s.last == 0 && r.config.MaxLen > 0:
		l.from = max(l.first-1, l.last-r.config.MaxLen)
	case s.last == 0:
		l.from = l.first - 1
	}
	r.connected = true
	r.enqueue(l)
	r.mu.Unlock()
	r.report(l, s, was)
	return nil
}

// end is the number of the last event of a line.
func (r *shard) end(l *line) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.last
}

// report tells of a stream that lost entries.
func (r *shard) report(l *line, s standing, was int64) {
	if s.last >= was {
		return
	}
	r.counts.refills.Inc()
	level := slog.LevelDebug // an emptied Redis lost thousands of streams, and one tells of all
	if now := r.config.Now(); now.Sub(r.mourned) >= r.config.Tidy {
		level, r.mourned = slog.LevelWarn, now
	}
	r.config.Log.Log(context.Background(), level, "the stream lost entries and is filled again, and others perhaps with it",
		"tenant", l.tenant, "feed", l.feed, "had", was, "has", s.last)
}

// sameHistory says whether the newest entry of a stream is the event that the feed has under that number.
// What is no longer kept cannot be compared.
func (r *shard) sameHistory(ctx context.Context, l *line, s standing) (bool, error) {
	if s.seq < l.first || s.id == "" {
		return true, nil
	}
	events, err := r.log.Since(ctx, l.cursor(s.seq-1), 1)
	switch {
	case fault.Of(err) == fault.TooOld:
		return true, nil
	case err != nil:
		return false, fault.Wrap(fault.Unavailable, err, "compare the stream with the feed")
	}
	return len(events) == 1 && events[0].ID == s.id, nil
}
