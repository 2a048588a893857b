package relay

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// lookScript looks at a stream and removes what may go: entries that are too old or too many, but nothing that a group
// has not handled before it is beyond what is held for groups.
//
// KEYS[1] is the stream. ARGV: the moment before which entries are too old (empty: none is) and the number to keep
// (0: all), both again for what is held for groups, and how many entries to remove at most. It answers with the last id
// that the stream ever had, the number of its oldest entry, how many entries were removed, whether more are to go, the
// number of groups, and for each its name, the last number delivered, how many are pending and the first it still needs.
//
//go:embed look.lua
var lookScript string

// sight is what one look saw.
type sight struct {
	// last id that the stream ever had, and the number of the oldest entry that it holds.
	last, first int64
	// trimmed entries, and whether more are to go.
	trimmed int64
	more    bool
	groups  []group
}

// group is a consumer group as it was last seen.
type group struct {
	name string
	// delivered is the number of the last entry that it was given; need is that of the first which it has not handled.
	delivered, pending, need int64
}

// missed is how many entries the group had not handled when they went. A group that was given nothing yet missed nothing.
func (g group) missed(first int64) int64 {
	if g.delivered == 0 {
		return 0
	}
	return max(0, first-g.need)
}

// look asks some streams, in turn, whether they still have what was written, so that a Redis that was emptied or failed
// over is noticed even when nothing is appended; how far their groups are; and removes what may go.
func (r *shard) look(ctx context.Context, most int) error {
	lines := r.nextRound(most)
	if len(lines) == 0 {
		return r.greet(ctx)
	}
	now, c := r.config.Now(), r.config
	before, heldBefore := before(now, c.MaxAge), before(now, c.HeldAge)
	pipe := r.redis.Pipeline()
	replies := make([]*redis.Cmd, len(lines))
	for i, l := range lines {
		replies[i] = pipe.Eval(ctx, lookScript, []string{l.key}, before, c.MaxLen, heldBefore, c.HeldLen, c.Trim)
	}
	_, _ = pipe.Exec(ctx) // each reply holds its own error
	part := part{tried: len(lines)}
	for i, l := range lines {
		s, err := seen(replies[i])
		if err == nil {
			r.looked(l, s)
		} else if err = r.refuseWrongType(l, err); err != nil {
			part.miss(l, err)
		}
	}
	return r.bear(part)
}

// before is the second before which an entry is older than an age; empty without one.
func before(now time.Time, age time.Duration) string {
	if age == 0 {
		return ""
	}
	return now.Add(-age).UTC().Format("2006-01-02T15:04:05")
}

// seen reads the reply of lookScript.
func seen(reply *redis.Cmd) (sight, error) {
	unknown := away{errors.New("the look script answered in an unknown form")}
	values, err := reply.Slice()
	if err != nil {
		return sight{}, away{err}
	}
	numbers := make([]int64, len(values))
	for i, v := range values {
		numbers[i], _ = v.(int64)
	}
	if len(values) < 5 || len(values) != 5+4*int(numbers[4]) {
		return sight{}, unknown
	}
	s := sight{last: numbers[0], first: numbers[1], trimmed: numbers[2], more: numbers[3] == 1}
	for i := 5; i < len(values); i += 4 {
		name, ok := values[i].(string)
		if !ok {
			return sight{}, unknown
		}
		s.groups = append(s.groups, group{name: name, delivered: numbers[i+1], pending: numbers[i+2], need: numbers[i+3]})
	}
	return s, nil
}

// looked books what was seen of one stream.
func (r *shard) looked(l *line, s sight) {
	r.counts.trimmed.Add(float64(s.trimmed))
	r.mourn(l, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected = true
	l.kept, l.groups = s.first, s.groups
	if s.more {
		r.again = append(r.again, l.place)
	}
	if s.last == l.top {
		return
	}
	if s.last < l.top { // others may have lost entries with it
		r.hurry = len(r.round)
	}
	l.asked = false
	r.enqueue(l)
}

// mourn tells of groups for which entries went that they had not handled.
func (r *shard) mourn(l *line, s sight) {
	earlier := make(map[string]group, len(l.groups))
	for _, g := range l.groups {
		earlier[g.name] = g
	}
	for _, g := range s.groups {
		missed := g.missed(s.first)
		if g.missed(l.kept) >= missed {
			continue
		}
		if l.kept > 0 { // what went before the first look was counted by whoever led then
			r.counts.unread.Add(float64(missed - g.missed(l.kept)))
		}
		if e, ok := earlier[g.name]; ok && e.missed(l.kept) > 0 {
			continue // it was told of already
		}
		r.config.Log.Error("entries went that a group had not handled; its consumers see the gap and can read them by gRPC",
			"tenant", l.tenant, "feed", l.feed, "group", g.name, "from", g.need, "to", s.first-1)
	}
}
