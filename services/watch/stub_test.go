package watch_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/watch/watchtest"
)

// stub is a source that counts how often it is read.
type stub struct {
	mu     sync.Mutex
	events map[feed.Name][]feed.Event
	gone   int64
	reads  int
	looks  int
	fail   error
}

func newStub() *stub { return &stub{events: map[feed.Name][]feed.Event{}} }

func (s *stub) Since(_ context.Context, after feed.Cursor, max int) ([]feed.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	all := s.events[after.Feed]
	switch {
	case s.fail != nil:
		return nil, s.fail
	case after.After > int64(len(all)):
		return nil, fault.Newf(fault.Invalid, "value", "beyond the end")
	case after.After < s.gone:
		f := fault.Newf(fault.TooOld, "not-found", "too old")
		f.Earliest = s.gone
		return nil, f
	}
	rest := all[after.After:]
	return rest[:min(max, len(rest))], nil
}

func (s *stub) View(_ context.Context, _ ref.Tenant, read func(store.Reader) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.fail != nil {
		return s.fail
	}
	return read(extents{s: s})
}

type extents struct {
	store.Reader
	s *stub
}

func (x extents) Extents(of ...feed.Name) ([]feed.Extent, error) {
	if len(of) == 0 {
		for name := range x.s.events {
			of = append(of, name)
		}
	}
	var out []feed.Extent
	for _, name := range of {
		if n := int64(len(x.s.events[name])); n > 0 {
			out = append(out, feed.Extent{Feed: name, First: min(x.s.gone, n) + 1, Last: n})
		}
	}
	return out, nil
}

// commit appends n events to a feed and to all.
func (s *stub) commit(name feed.Name, n int) ([]feed.Cursor, []feed.Draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var drafts []feed.Draft
	for range n {
		total := int64(len(s.events[feed.All])) + 1
		d := feed.Draft{Feeds: []feed.Name{name}, ID: fmt.Sprintf("e%d", total), Type: feed.Opened, Time: time.Unix(total, 0).UTC()}
		drafts = append(drafts, d)
		e := feed.Event{Feed: feed.All, Seq: total, TenantSeq: total, ID: d.ID, Type: d.Type, Time: d.Time}
		s.events[feed.All] = append(s.events[feed.All], e)
		e.Feed, e.Seq = name, int64(len(s.events[name]))+1
		s.events[name] = append(s.events[name], e)
	}
	return []feed.Cursor{
		{Tenant: "t", Feed: feed.All, After: int64(len(s.events[feed.All]))},
		{Tenant: "t", Feed: name, After: int64(len(s.events[name]))},
	}, drafts
}

// stubbed is the Log over a stub as a Subject.
type stubbed struct {
	*stub
	log *watch.Log
	// bare keeps the drafts from the Log.
	bare bool
}

func (s *stubbed) Tenant() ref.Tenant { return "t" }

func (s *stubbed) Commit(_ testing.TB, name feed.Name, n int) {
	moved, drafts := s.commit(name, n)
	if s.bare {
		drafts = nil
	}
	s.log.Moved("t", moved, drafts...)
}

func (s *stubbed) CommitQuietly(_ testing.TB, name feed.Name, n int) { s.commit(name, n) }

func (s *stubbed) Forget(testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = int64(len(s.events[feed.All]))
}

func (s *stubbed) Follow(ctx context.Context, cursors []feed.Cursor, every time.Duration) iter.Seq2[watchtest.Message, error] {
	return func(yield func(watchtest.Message, error) bool) {
		for m, err := range s.log.Follow(ctx, cursors, every) {
			out := watchtest.Message{HighWater: m.HighWater}
			if m.Entry != nil {
				out.Event = &m.Entry.Event
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

func TestALogOverAStubKeepsItsPromises(t *testing.T) {
	for name, bare := range map[string]bool{"with drafts": false, "without drafts": true} {
		t.Run(name, func(t *testing.T) {
			watchtest.Run(t, watchtest.Default(), func(*testing.T) watchtest.Subject {
				s := newStub()
				return &stubbed{s, watch.New(s, watch.Default()), bare}
			})
		})
	}
}
