package relay

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// turn is how many lines have their turn together.
const turn = 64

// move lets the lines that wait longest have their turn. worked is false when none waited.
func (r *shard) move(ctx context.Context) (worked bool, err error) {
	lines := r.take(turn)
	if len(lines) == 0 {
		return false, nil
	}
	defer r.giveBack(lines)
	if err := r.ask(ctx, lines); err != nil {
		return true, err
	}
	pieces, err := r.gather(ctx, lines)
	if err != nil {
		return true, err
	}
	return true, r.send(ctx, pieces)
}

// piece is a run of events for one stream.
type piece struct {
	line   *line
	top    int64
	events []feed.Event
}

func (p piece) first() int64 { return p.events[0].Seq }
func (p piece) last() int64  { return p.events[len(p.events)-1].Seq }

// gather reads what the lines lack: a piece of each in turn, until a batch is full or nothing is left.
func (r *shard) gather(ctx context.Context, lines []*line) ([]piece, error) {
	var pieces []piece
	type reach struct{ top, from int64 }
	reached := make(map[*line]reach, len(lines))
	for _, l := range lines {
		if l.asked && l.refused == "" {
			reached[l] = reach{l.top, l.from}
		}
	}
	for size := 0; size < r.config.Batch && len(reached) > 0; {
		for _, l := range lines {
			at, ok := reached[l]
			if !ok {
				continue
			}
			events, err := r.read(ctx, l, &at.from)
			if err != nil {
				return nil, err
			}
			if len(events) == 0 {
				delete(reached, l)
				continue
			}
			p := piece{l, at.top, events}
			pieces = append(pieces, p)
			reached[l] = reach{p.last(), p.last()}
			if size += len(events); size >= r.config.Batch {
				break
			}
		}
	}
	return pieces, nil
}

// read returns the next events of a line. When they are no longer kept it goes on at the earliest that is.
func (r *shard) read(ctx context.Context, l *line, from *int64) ([]feed.Event, error) {
	events, err := r.log.Since(ctx, l.cursor(*from), r.config.Chunk)
	switch fault.Of(err) {
	case fault.TooOld:
		var f *fault.Fault
		errors.As(err, &f)
		*from = f.Earliest
		events, err = r.log.Since(ctx, l.cursor(*from), r.config.Chunk)
	case fault.Invalid:
		r.doubtOne(l)
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read a feed")
	}
	if len(events) == 0 {
		r.mu.Lock()
		l.last = min(l.last, *from)
		r.mu.Unlock()
	}
	return events, nil
}

// send appends pieces in one round trip.
func (r *shard) send(ctx context.Context, pieces []piece) error {
	if len(pieces) == 0 {
		return nil
	}
	pipe := r.redis.Pipeline()
	replies := make([]*redis.Cmd, len(pieces))
	for i, p := range pieces {
		args := arguments(p.top, r.config.HeldLen, Source(p.line.tenant), p.events)
		replies[i] = pipe.Eval(ctx, appendScript, []string{p.line.key}, args...)
	}
	_, _ = pipe.Exec(ctx) // each reply holds its own error
	part := part{tried: len(pieces)}
	for i, p := range pieces {
		before, after, err := answer(replies[i])
		if err == nil {
			r.sent(p, before, after)
		} else if err = r.refuseWrongType(p.line, err); err != nil {
			part.miss(p.line, err)
		}
	}
	return r.bear(part)
}

// answer reads the reply of appendScript.
func answer(reply *redis.Cmd) (before, after int64, err error) {
	ids, err := reply.Int64Slice()
	if err != nil {
		return 0, 0, away{err}
	}
	if len(ids) != 2 {
		return 0, 0, away{errors.New("the append script answered in an unknown form")}
	}
	return ids[0], ids[1], nil
}

// sent books the reply for one piece.
func (r *shard) sent(p piece, before, after int64) {
	l := p.line
	if p.top > 0 && after >= p.last() {
		r.lose(l, p.first()-1-max(p.top, before))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected = true
	if after < p.last() || before > p.last() {
		l.asked = false
		return
	}
	r.counts.written.Add(float64(after - max(before, p.first()-1)))
	l.top, l.from, l.oldest = after, after, time.Time{}
}

// lose says that a stream will have a hole because the database forgot events before Redis had them.
func (r *shard) lose(l *line, n int64) {
	if n <= 0 {
		return
	}
	r.counts.lost.Add(float64(n))
	r.config.Log.Error("events were forgotten by the database before Redis had them; the stream goes on behind a gap",
		"tenant", l.tenant, "feed", l.feed, "events", n)
}

// refuseWrongType stops a line whose key holds something else. Other errors are returned.
func (r *shard) refuseWrongType(l *line, err error) error {
	if !strings.Contains(err.Error(), "WRONGTYPE") {
		return err
	}
	r.refuse(l, "the key holds something that is no stream")
	return nil
}

// refuse stops a line, loudly when the reason is new. Each sweep looks at it again.
func (r *shard) refuse(l *line, why string) {
	r.mu.Lock()
	known := l.refused == why
	l.refused, l.asked = why, false
	r.mu.Unlock()
	if known {
		return
	}
	r.config.Log.Error("nothing is appended to this stream; delete its key to have it filled again from the database",
		"tenant", l.tenant, "feed", l.feed, "key", l.key, "reason", why)
}
