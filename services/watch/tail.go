package watch

import (
	"container/list"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Entry is an event that many followers share.
type Entry struct {
	feed.Event
	once sync.Once
	form any
	err  error
}

// Form is the event in the form its readers send, such as an encoded message. The first to ask makes it,
// the others share it, so all must ask for the same form and none may change it.
func (e *Entry) Form(make func(feed.Event) (any, error)) (any, error) {
	e.once.Do(func() { e.form, e.err = make(e.Event) })
	return e.form, e.err
}

// overhead is what an entry takes in memory beside its data, in bytes.
const overhead = 256

func (e *Entry) size() int { return len(e.Data) + overhead }

func entriesOf(events []feed.Event) []*Entry {
	entries := make([]*Entry, len(events))
	for i := range events {
		entries[i] = &Entry{Event: events[i]}
	}
	return entries
}

// tail is the end of one feed: how far it has come, its latest events without a hole, and who waits for more.
type tail struct {
	place place
	// reading is held by whoever reads the live edge from the store for all.
	reading chan struct{}

	mu    sync.Mutex
	known int64
	run   []*Entry
	bytes int
	ears  map[*follower]int
	// told is when they were woken last; owed says that they will be when Gather has passed.
	told time.Time
	owed bool

	// seat in the list of tails by last use; owned by the Log.
	seat *list.Element
}

func newTail(p place) *tail {
	return &tail{place: p, reading: make(chan struct{}, 1), ears: map[*follower]int{}}
}

// after returns events after a number from memory. When there are none, edge says whether that number is so near
// to the end of the feed that what the store answers is worth keeping.
func (t *tail) after(after int64, max, near int) (run []*Entry, edge bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.run) == 0 {
		return nil, t.known-after <= int64(near)
	}
	first, top := t.run[0].Seq, t.run[len(t.run)-1].Seq
	switch {
	case after >= top:
		return nil, t.known-after <= int64(near)
	case after < first-1:
		return nil, false
	}
	run = t.run[after+1-first:]
	if len(run) > max {
		run = run[:max]
	}
	return append([]*Entry(nil), run...), false
}

// keep appends events that go on from what is there; newer ones that do not go on replace it.
func (t *tail) keep(entries []*Entry, events, bytes int) (grown int, kept bool) {
	if len(entries) == 0 {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.bytes
	if len(t.run) > 0 {
		top := t.run[len(t.run)-1].Seq
		switch {
		case entries[len(entries)-1].Seq <= top:
			return 0, false
		case entries[0].Seq > top+1:
			t.drop(len(t.run))
		default:
			entries = entries[top+1-entries[0].Seq:]
		}
	}
	for _, e := range entries {
		t.run = append(t.run, e)
		t.bytes += e.size()
	}
	if extra := len(t.run) - events; extra > 0 {
		t.drop(extra)
	}
	for len(t.run) > 1 && t.bytes > bytes {
		t.drop(1)
	}
	return t.bytes - before, true
}

// drop lets the oldest n go.
func (t *tail) drop(n int) {
	for i := range n {
		t.bytes -= t.run[i].size()
		t.run[i] = nil
	}
	t.run = t.run[n:]
}

// forget lets all events go and returns how many bytes that frees.
func (t *tail) forget() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	freed := t.bytes
	t.run, t.bytes = nil, 0
	return freed
}

func (t *tail) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// raise notes how far the feed has come and wakes its followers, a crowd at most once in Gather; it is false when that
// was known.
func (t *tail) raise(last int64, c Config) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last <= t.known {
		return false
	}
	t.known = last
	if t.owed {
		return true
	}
	if wait := c.Gather - time.Since(t.told); len(t.ears) > c.Crowd && wait > 0 {
		t.owed = true
		time.AfterFunc(wait, t.pay)
		return true
	}
	t.wake()
	return true
}

// pay wakes those whom raise let wait.
func (t *tail) pay() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owed = false
	t.wake()
}

// wake calls everybody. The caller holds mu.
func (t *tail) wake() {
	t.told = time.Now()
	for f, line := range t.ears {
		f.call(line)
	}
}

// end is the number of the last event known.
func (t *tail) end() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known
}

// rewind forgets what lies beyond the end that the store names: it was restored from an older copy.
func (t *tail) rewind(last int64) (freed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	freed = t.bytes
	t.known, t.run, t.bytes = last, nil, 0
	return freed
}

func (t *tail) join(f *follower, line int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ears[f] = line
}

func (t *tail) leave(f *follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ears, f)
}

// followed says whether anybody waits for more.
func (t *tail) followed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ears) > 0
}

// idle says that nobody follows the feed and nothing of it is remembered.
func (t *tail) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ears) == 0 && len(t.run) == 0 && t.known == 0
}

// tails orders tails by their last use.
type tails struct{ order list.List }

func (s *tails) touch(t *tail) {
	if t.seat == nil {
		t.seat = s.order.PushFront(t)
		return
	}
	s.order.MoveToFront(t.seat)
}

func (s *tails) oldest() *tail {
	if back := s.order.Back(); back != nil {
		return back.Value.(*tail)
	}
	return nil
}

func (s *tails) remove(t *tail) {
	if t.seat != nil {
		s.order.Remove(t.seat)
		t.seat = nil
	}
}

// number gives committed drafts the numbers that the store gave them: each feed ends at its cursor.
// Feeds whose cursor is missing are left to the store. Times are kept to the microsecond, as stores keep them.
func number(t ref.Tenant, moved []feed.Cursor, drafts []feed.Draft) map[place][]feed.Event {
	if len(drafts) == 0 {
		return nil
	}
	last := make(map[feed.Name]int64, len(moved))
	for _, c := range moved {
		last[c.Feed] = c.After
	}
	end, ok := last[feed.All]
	if !ok {
		return nil
	}
	numbered := map[place][]feed.Event{}
	for i, d := range drafts {
		e := feed.Event{
			TenantSeq: end - int64(len(drafts)-1-i),
			ID:        d.ID, Type: d.Type, Time: time.UnixMicro(d.Time.UnixMicro()).UTC(), Subject: d.Subject,
		}
		seen := map[feed.Name]bool{}
		for _, name := range append([]feed.Name{feed.All}, d.Feeds...) {
			if _, ok := last[name]; !ok || seen[name] {
				continue
			}
			seen[name] = true
			e.Feed, e.Data = name, d.DataFor(name)
			p := place{t, name}
			numbered[p] = append(numbered[p], e)
		}
	}
	for p, events := range numbered {
		for i := range events {
			events[i].Seq = last[p.feed] - int64(len(events)-1-i)
		}
	}
	return numbered
}
