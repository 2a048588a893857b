package watch

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// MaxFeeds is how many feeds can be followed at once.
const MaxFeeds = 1000

// Message is an event or, when Entry is nil, a heartbeat.
type Message struct {
	// Entry is the next event of one of the feeds.
	Entry *Entry
	// HighWater of a heartbeat is the number of the last event of each feed, in the order they were asked for.
	// All events up to there were delivered.
	HighWater []feed.Cursor
}

// Follow replays each feed from its cursor and goes on live: each feed in order, without a hole, until ctx ends.
// The caller pulls: one that is slow reads older events from the store and holds nobody up. At every heartbeat
// the store is looked at, so that a move nobody told of costs one heartbeat; a Message without Entry then says
// how far the feeds are. The last pair holds the error that ended it: ctx.Err(); TooOld, whose Earliest works for the
// feed named in the issue; Invalid for cursors that cannot be or lie beyond the end; Unavailable.
func (l *Log) Follow(ctx context.Context, cursors []feed.Cursor, heartbeat time.Duration) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := valid(cursors, heartbeat); err != nil {
			yield(Message{}, err)
			return
		}
		f := l.join(cursors)
		defer l.leave(f)
		ctx, cancel := context.WithCancel(ctx)
		defer f.reading.Wait()
		defer cancel()
		if err := f.run(ctx, heartbeat, yield); err != nil {
			yield(Message{}, err)
		}
	}
}

func valid(cursors []feed.Cursor, heartbeat time.Duration) error {
	if heartbeat <= 0 {
		return fault.Newf(fault.Invalid, "value", "the heartbeat must be positive")
	}
	if len(cursors) == 0 || len(cursors) > MaxFeeds {
		return fault.Newf(fault.Invalid, "value", "name 1 to %d feeds to follow; these are %d", MaxFeeds, len(cursors))
	}
	seen := make(map[place]bool, len(cursors))
	for _, c := range cursors {
		switch {
		case !c.Feed.Valid():
			return fault.Newf(fault.Invalid, "value", "a feed is %s", feed.Forms)
		case c.After < 0:
			return fault.Newf(fault.Invalid, "value", "the cursor of feed %s is negative", c.Feed)
		case seen[placeOf(c)]:
			return fault.Newf(fault.Invalid, "duplicate", "feed %s is named twice", c.Feed)
		}
		seen[placeOf(c)] = true
	}
	return nil
}

// follower is one caller of Follow.
type follower struct {
	log   *Log
	lines []line
	wake  chan struct{}
	// ahead are the pages of one line that are read while those before them are delivered, in order, at most pagesAhead.
	ahead   []*page
	reading sync.WaitGroup

	mu     sync.Mutex
	ready  []int
	queued []bool
}

// line is one feed that a follower follows.
type line struct {
	feed.Cursor
	tail *tail
}

func (l *Log) join(cursors []feed.Cursor) *follower {
	f := &follower{
		log:    l,
		lines:  make([]line, len(cursors)),
		wake:   make(chan struct{}, 1),
		queued: make([]bool, len(cursors)),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range cursors {
		t := l.tails[placeOf(c)]
		if t == nil {
			t = newTail(placeOf(c))
			l.tails[placeOf(c)] = t
		}
		t.join(f, i)
		f.lines[i] = line{c, t}
	}
	return f
}

func (l *Log) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range f.lines {
		line.tail.leave(f)
		if line.tail.idle() {
			delete(l.tails, line.tail.place)
		}
	}
}

// call says that a line may have more. It never blocks.
func (f *follower) call(line int) {
	f.mu.Lock()
	if !f.queued[line] {
		f.queued[line] = true
		f.ready = append(f.ready, line)
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// next takes the line that has waited longest.
func (f *follower) next() (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		return 0, false
	}
	line := f.ready[0]
	f.ready = f.ready[1:]
	f.queued[line] = false
	return line, true
}

// run delivers until ctx ends, an error ends it, or the caller has enough.
func (f *follower) run(ctx context.Context, heartbeat time.Duration, yield func(Message, error) bool) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if err := f.look(ctx); err != nil {
		return err
	}
	for owed := false; ; {
		if line, ok := f.next(); ok {
			if more, err := f.deliver(ctx, line, yield); err != nil || !more {
				return err
			}
			select {
			case <-beat.C:
				owed = true
				if err := f.look(ctx); err != nil {
					return err
				}
			default:
			}
			continue
		}
		if owed && !yield(Message{HighWater: f.position()}, nil) {
			return nil
		}
		owed = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake:
		case <-beat.C:
			owed = true
			if err := f.look(ctx); err != nil {
				return err
			}
		}
	}
}

// deliver yields the next page of a line. more is false when the caller has enough.
func (f *follower) deliver(ctx context.Context, at int, yield func(Message, error) bool) (more bool, err error) {
	line := &f.lines[at]
	entries, err := f.page(ctx, at)
	if err != nil {
		return false, err
	}
	f.readAhead(ctx, at, entries)
	for _, e := range entries {
		if e.Seq != line.After+1 {
			return false, fault.Newf(fault.Internal, "exception", "feed %s has a hole: %d follows %d", line.Feed, e.Seq, line.After)
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if !yield(Message{Entry: e}, nil) {
			return false, nil
		}
		line.After = e.Seq
	}
	if len(entries) > 0 && line.After < line.tail.end() {
		f.call(at)
	}
	return true, nil
}

// pagesAhead bounds what a slow follower holds in memory; two keep two processors busy.
const pagesAhead = 2

// page is what is read of one line behind an event.
type page struct {
	line    int
	after   int64
	done    chan struct{}
	entries []*Entry
	err     error
}

// page is the next one of a line: that which was read ahead, or read now.
func (f *follower) page(ctx context.Context, at int) ([]*Entry, error) {
	line := &f.lines[at]
	for len(f.ahead) > 0 && f.ahead[0].line == at {
		p := f.ahead[0]
		f.ahead = f.ahead[1:]
		if p.after != line.After {
			continue // the page before it was shorter than a page
		}
		select {
		case <-p.done:
			return p.entries, p.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f.log.read(ctx, line.tail, line.After, f.log.config.Page)
}

// readAhead reads the pages behind a full one while that is delivered, as far as there is more. Feeds have no holes, so it is
// known where the page behind one begins that is still being read.
func (f *follower) readAhead(ctx context.Context, at int, entries []*Entry) {
	line, n := &f.lines[at], len(entries)
	if n < f.log.config.Page || len(f.ahead) > 0 && f.ahead[0].line != at {
		return
	}
	after := entries[n-1].Seq
	if last := len(f.ahead) - 1; last >= 0 {
		after = f.ahead[last].after + int64(f.log.config.Page)
	}
	for ; len(f.ahead) < pagesAhead && after < line.tail.end(); after += int64(f.log.config.Page) {
		p := &page{line: at, after: after, done: make(chan struct{})}
		f.ahead = append(f.ahead, p)
		f.reading.Go(func() { f.log.prepare(ctx, line.tail, p) })
	}
}

// prepare reads a page, and gives its entries what they need to be sent.
func (l *Log) prepare(ctx context.Context, t *tail, p *page) {
	defer close(p.done)
	p.entries, p.err = l.read(ctx, t, p.after, l.config.Page)
	if l.config.Ahead == nil {
		return
	}
	for _, e := range p.entries {
		l.config.Ahead(e)
	}
}

// look asks the store how far the feeds are: it finds the moves that nobody told of and the cursors that cannot be.
func (f *follower) look(ctx context.Context) error {
	names := map[ref.Tenant][]feed.Name{}
	for _, line := range f.lines {
		names[line.Tenant] = append(names[line.Tenant], line.Feed)
	}
	extents := make(map[place]feed.Extent, len(f.lines))
	for tenant, feeds := range names {
		if err := f.log.look(ctx, tenant, feeds, extents); err != nil {
			return err
		}
	}
	for i, line := range f.lines {
		e := extents[placeOf(line.Cursor)]
		switch {
		case line.After > e.Last:
			return fault.Newf(fault.Invalid, "value", "cursor %d of feed %s lies beyond its last event, %d", line.After, line.Feed, e.Last)
		case e.First > line.After+1:
			return tooOld(line.Cursor, e.First-1)
		case line.After < e.Last:
			f.call(i)
		}
	}
	return nil
}

func tooOld(c feed.Cursor, earliest int64) error {
	f := fault.Newf(fault.TooOld, "not-found",
		"events of feed %s after %d are no longer kept; the earliest cursor that works is %d", c.Feed, c.After, earliest)
	f.Earliest, f.Feed = earliest, string(c.Feed)
	return f
}

// position is where the follower stands.
func (f *follower) position() []feed.Cursor {
	at := make([]feed.Cursor, len(f.lines))
	for i, line := range f.lines {
		at[i] = line.Cursor
	}
	return at
}

// look reads the extents of feeds into a map, wakes the followers of those that moved, and forgets what the store
// no longer has.
func (l *Log) look(ctx context.Context, t ref.Tenant, feeds []feed.Name, into map[place]feed.Extent) error {
	ends := make(map[feed.Name]int64, len(feeds))
	for _, name := range feeds {
		ends[name] = l.tail(place{t, name}).end()
	}
	var extents []feed.Extent
	err := l.source.View(ctx, t, func(r store.Reader) (err error) {
		extents, err = r.Extents(feeds...)
		return err
	})
	if err != nil {
		return err
	}
	moved := make([]feed.Cursor, 0, len(extents))
	for _, e := range extents {
		into[place{t, e.Feed}] = e
		moved = append(moved, feed.Cursor{Tenant: t, Feed: e.Feed, After: e.Last})
	}
	for name, end := range ends {
		if last := into[place{t, name}].Last; last < end {
			l.rewind(place{t, name}, last)
		}
	}
	l.raise(t, moved)
	return nil
}

// rewind makes a feed end where the store says it ends.
func (l *Log) rewind(p place, last int64) {
	l.config.Log.Error("feed ends before events that were already read: was the database restored?",
		"tenant", p.tenant, "feed", p.feed, "last", last)
	t := l.tail(p)
	freed := t.rewind(last)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent -= freed
	l.recent.remove(t)
}
