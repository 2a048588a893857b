// Package watch follows feeds: it replays them from the store and then goes on live, in order and without a hole.
package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Source is what is asked of the store; every store.Store answers it.
type Source interface {
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
	// Since returns up to max events of a feed after the cursor, in order and without a hole.
	// Errors: TooOld, Invalid for a cursor beyond the end, Unavailable.
	Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error)
}

// Config of a Log.
type Config struct {
	// TailEvents is how many recent events of one feed are kept in memory, at least 1.
	TailEvents int
	// TailBytes bounds the memory of all tails together, in bytes, at least 1; the feeds that moved longest ago give way.
	TailBytes int
	// Page is how many events one read of the store asks for, at least 1.
	Page int
	// Calm is the pause before rings are answered, so that a busy neighbour costs little.
	Calm time.Duration
	// Crowd is how many may follow a feed before it is told at most once in Gather: what was committed meanwhile then goes
	// to each of them in one piece, which costs far less than piece by piece. A feed that was still is told at once.
	Crowd  int
	Gather time.Duration
	// Retry is the pause before a broken doorbell is tried again.
	Retry time.Duration
	// Ahead, where it is not nil, is called with every entry that is read before it is its turn, such as to make its Form
	// while others are sent. It is called from several goroutines.
	Ahead func(*Entry)
	// Log receives what an operator may want to know.
	Log *slog.Logger
}

// Default keeps 1,024 events of a feed and 16 MiB in all, and tells a feed that more than a hundred follow 50 times a
// second at most.
func Default() Config {
	return Config{
		TailEvents: 1024,
		TailBytes:  16 << 20,
		Page:       256,
		Calm:       5 * time.Millisecond,
		Crowd:      100,
		Gather:     20 * time.Millisecond,
		Retry:      time.Second,
		Log:        slog.New(slog.DiscardHandler),
	}
}

// Validate names every setting that cannot be.
func (c Config) Validate() error {
	var issues []fault.Issue
	for _, s := range []struct {
		name  string
		value int
	}{{"TailEvents", c.TailEvents}, {"TailBytes", c.TailBytes}, {"Page", c.Page}} {
		if s.value < 1 {
			issues = append(issues, fault.Errorf("value", s.name, "must be at least 1"))
		}
	}
	if c.Calm < 0 || c.Gather < 0 || c.Crowd < 0 || c.Retry <= 0 {
		issues = append(issues, fault.Errorf("value", "Calm", "Calm, Crowd and Gather must not be negative and Retry must be positive"))
	}
	if c.Log == nil {
		issues = append(issues, fault.Errorf("required", "Log", "a logger is needed"))
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// Log knows how far every feed has come, keeps its most recent events, and wakes those who follow it.
// All its methods may be called at once from anywhere.
type Log struct {
	source Source
	config Config

	mu      sync.Mutex
	tails   map[place]*tail
	recent  tails
	spent   int
	tellers map[*teller]struct{}
	// rung are tenants of whom it is not known what moved, reached how far feeds are said to have come.
	rung    map[ref.Tenant]struct{}
	reached map[place]int64
	bell    chan struct{}
}

// place is a feed of a tenant.
type place struct {
	tenant ref.Tenant
	feed   feed.Name
}

func placeOf(c feed.Cursor) place { return place{c.Tenant, c.Feed} }

// teller wants to hear of every move.
type teller struct{ tell func([]feed.Cursor) }

// New is a Log over a store. Its config must be valid.
func New(source Source, config Config) *Log {
	return &Log{
		source:  source,
		config:  config,
		tails:   map[place]*tail{},
		tellers: map[*teller]struct{}{},
		rung:    map[ref.Tenant]struct{}{},
		reached: map[place]int64{},
		bell:    make(chan struct{}, 1),
	}
}

// Since returns up to max events of a feed after the cursor, in order and without a hole: from memory when they are
// there, else from the store. Fewer than max does not mean that there are no more. Errors are those of the store.
func (l *Log) Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error) {
	entries, err := l.read(ctx, l.tail(placeOf(after)), after.After, max)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	events := make([]feed.Event, len(entries))
	for i, e := range entries {
		events[i] = e.Event
	}
	return events, nil
}

// Moved says that a commit of this server moved feeds (After is the number of the last event of each).
// With the drafts that were committed, in the order of the commit, followers need no read of the store;
// without them they share one. It does not block.
func (l *Log) Moved(t ref.Tenant, moved []feed.Cursor, drafts ...feed.Draft) {
	for p, events := range number(t, moved, drafts) {
		l.keep(l.tail(p), entriesOf(events))
	}
	l.raise(t, moved)
}

// Tell calls tell after every move with the feeds that moved, until stop is called. It must not block.
// A move can go untold when another server made it and the doorbell is broken: look at the store now and then.
func (l *Log) Tell(tell func(moved []feed.Cursor)) (stop func()) {
	one := &teller{tell}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellers[one] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tellers, one)
	}
}

// raise wakes those who wait for the feeds that are further than was known.
func (l *Log) raise(t ref.Tenant, moved []feed.Cursor) {
	fresh := make([]feed.Cursor, 0, len(moved))
	for _, c := range moved {
		c.Tenant = t
		if l.tail(placeOf(c)).raise(c.After, l.config) {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) == 0 {
		return
	}
	for _, one := range l.listeners() {
		one.tell(fresh)
	}
}

func (l *Log) listeners() []*teller {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*teller, 0, len(l.tellers))
	for one := range l.tellers {
		all = append(all, one)
	}
	return all
}

// tail of a feed, made when it is first asked for.
func (l *Log) tail(p place) *tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tails[p]
	if t == nil {
		t = newTail(p)
		l.tails[p] = t
	}
	return t
}

// read returns events after a number. At the live edge one reader asks the store for all.
func (l *Log) read(ctx context.Context, t *tail, after int64, max int) ([]*Entry, error) {
	run, edge := t.after(after, max, l.config.TailEvents)
	if len(run) > 0 {
		return run, nil
	}
	if !edge {
		return l.fetch(ctx, t.place, after, max)
	}
	select {
	case t.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-t.reading }()
	if run, _ = t.after(after, max, l.config.TailEvents); len(run) > 0 {
		return run, nil
	}
	entries, err := l.fetch(ctx, t.place, after, max)
	if err == nil {
		l.keep(t, entries)
	}
	return entries, err
}

// fetch reads the store.
func (l *Log) fetch(ctx context.Context, p place, after int64, max int) ([]*Entry, error) {
	events, err := l.source.Since(ctx, feed.Cursor{Tenant: p.tenant, Feed: p.feed, After: after}, max)
	if err != nil {
		return nil, err
	}
	return entriesOf(events), nil
}

// keep adds events to a tail and makes room among the others.
func (l *Log) keep(t *tail, entries []*Entry) {
	grown, kept := t.keep(entries, l.config.TailEvents, l.config.TailBytes)
	if !kept {
		return
	}
	for _, victim := range l.spend(t, grown) {
		freed := victim.forget()
		l.mu.Lock()
		l.spent -= freed
		l.mu.Unlock()
	}
}

// spend books memory to a tail and names the tails that must give way.
func (l *Log) spend(t *tail, grown int) []*tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent += grown
	l.recent.touch(t)
	var victims []*tail
	for due := l.spent - l.config.TailBytes; due > 0; {
		victim := l.recent.oldest()
		if victim == nil || victim == t {
			break
		}
		l.recent.remove(victim)
		victims = append(victims, victim)
		due -= victim.size()
	}
	return victims
}
