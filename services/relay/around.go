package relay

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// sweep looks at the database for feeds that moved without anybody telling, and lets refused lines try again.
func (r *Relay) sweep(ctx context.Context) error {
	tenants, err := r.store.Tenants(ctx)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list the tenants")
	}
	for _, t := range tenants {
		if err := r.extents(ctx, t, nil); err != nil {
			return err
		}
	}
	r.mu.Lock()
	var again []*line
	for _, l := range r.lines {
		if l.refused != "" {
			again = append(again, l)
			continue
		}
		r.enqueue(l)
	}
	r.mu.Unlock()
	return r.ask(ctx, again)
}

// audit asks some streams, in turn, whether they still have what was written: a Redis that was emptied or failed
// over is noticed even when nothing is appended.
func (r *Relay) audit(ctx context.Context) error {
	const some = 128
	lines := r.nextRound(some)
	if len(lines) == 0 {
		return r.greet(ctx)
	}
	pipe := r.redis.Pipeline()
	replies := make([]*redis.Cmd, len(lines))
	for i, l := range lines {
		replies[i] = pipe.Eval(ctx, appendScript, []string{l.key}, 0, 0, "")
	}
	_, _ = pipe.Exec(ctx) // each reply holds its own error
	for i, l := range lines {
		last, _, err := answer(replies[i])
		if err != nil {
			if err = r.refuseWrongType(l, err); err != nil {
				return err
			}
			continue
		}
		r.mu.Lock()
		r.connected = true
		if last != l.top {
			l.asked = false
			r.enqueue(l)
		}
		r.mu.Unlock()
	}
	return nil
}

// greet finds out whether Redis is there when there is nothing to ask it.
func (r *Relay) greet(ctx context.Context) error {
	if err := r.redis.Ping(ctx).Err(); err != nil {
		return away{err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected = true
	return nil
}

// nextRound takes the next lines that believe to know where their stream stands.
func (r *Relay) nextRound(most int) []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(most, len(r.round))
	var lines []*line
	for _, p := range r.round[:n] {
		if l := r.lines[p]; l.asked {
			lines = append(lines, l)
		}
	}
	r.round = append(r.round[n:], r.round[:n]...)
	return lines
}

// tidy removes entries that are too old.
func (r *Relay) tidy(ctx context.Context) error {
	before := r.config.Now().Add(-r.config.MaxAge)
	for _, l := range r.settled() {
		oldest, at, err := r.entryFrom(ctx, l, 1)
		if err != nil {
			return err
		}
		if oldest == 0 || oldest >= l.top || !at.Before(before) {
			continue
		}
		floor, err := r.floor(ctx, l, oldest, before)
		if err != nil {
			return err
		}
		if err := r.redis.XTrimMinID(ctx, l.key, strconv.FormatInt(floor, 10)+"-0").Err(); err != nil {
			return away{err}
		}
	}
	return nil
}

func (r *Relay) settled() []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []*line
	for _, l := range r.lines {
		if l.asked && l.top > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}

// floor is the number of the first entry that is not older than a moment, or of the newest.
// Entries lie in the order of their commits, so halving finds it.
func (r *Relay) floor(ctx context.Context, l *line, low int64, before time.Time) (int64, error) {
	high := l.top
	for low < high {
		middle := low + (high-low)/2
		seq, at, err := r.entryFrom(ctx, l, middle)
		if err != nil {
			return 0, err
		}
		if seq != 0 && seq < high && at.Before(before) {
			low = seq + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// entryFrom is the first entry at or above a number, with the time of its event; 0 when there is none.
func (r *Relay) entryFrom(ctx context.Context, l *line, seq int64) (int64, time.Time, error) {
	found, err := r.redis.XRangeN(ctx, l.key, strconv.FormatInt(seq, 10)+"-0", "+", 1).Result()
	if err != nil {
		return 0, time.Time{}, away{err}
	}
	if len(found) == 0 {
		return 0, time.Time{}, nil
	}
	text, _ := found[0].Values["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		at = r.config.Now()
	}
	return number(found[0].ID), at, nil
}
