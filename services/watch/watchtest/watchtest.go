// Package watchtest is what a follower of feeds is promised, as tests that every way of following runs:
// the Log itself, a gRPC server, a server that was killed and came back.
package watchtest

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Message is an event or, when Event is nil, a heartbeat.
type Message struct {
	// Event is the next event of one of the feeds.
	Event *feed.Event
	// HighWater of a heartbeat is the number of the last event of each feed, in the order they were asked for.
	HighWater []feed.Cursor
}

// Subscriber is a way of following feeds.
type Subscriber interface {
	// Follow replays each feed from its cursor and goes on live until ctx ends or the caller has enough.
	// Errors are faults of kind TooOld with Earliest, Invalid, or Unavailable.
	Follow(ctx context.Context, cursors []feed.Cursor, heartbeat time.Duration) iter.Seq2[Message, error]
}

// Subject is a Subscriber on fresh feeds that the tests can move.
type Subject interface {
	Subscriber
	// Tenant whose feeds they are.
	Tenant() ref.Tenant
	// Commit makes n more events appear in a feed, and so in All, and returns once they are committed.
	Commit(t testing.TB, name feed.Name, n int)
}

// Quiet is a Subject that can commit without telling anybody, as when a notification is lost.
type Quiet interface {
	// CommitQuietly is Commit without any notification.
	CommitQuietly(t testing.TB, name feed.Name, n int)
}

// Forgetful is a Subject whose oldest events can be deleted.
type Forgetful interface {
	// Forget deletes all events committed so far.
	Forget(t testing.TB)
}

// Restarter is a Subject that can be killed and started again; its followers then end with any error.
type Restarter interface {
	// Restart kills it without warning and returns once it serves again.
	Restart(t testing.TB)
}

// Hardy is a Restarter that may be restarted while Commit is under way: Commit then goes on once it serves again, and
// what it was to make appears once.
type Hardy interface {
	Restarter
	// KilledInMidCommit marks it.
	KilledInMidCommit()
}

// Troubled is a Subject with neighbours that can fail while it goes on.
type Troubled interface {
	// Troubles are what can happen to them.
	Troubles() []Trouble
}

// Trouble is something that happens beside a Subject, and ends again.
type Trouble struct {
	// Says what happens, in a few words.
	Says string
	// Begin makes it happen and End mends it; each returns once that is so. End is nil for what is over at once.
	Begin, End func(t testing.TB)
}

// Options of a run.
type Options struct {
	// Bubble runs each promise in a testing/synctest bubble; for subjects without sockets.
	Bubble bool
	// Heartbeat between heartbeats: any time in a bubble, short where time is real.
	Heartbeat time.Duration
	// Patience is after how long without a message a promise counts as broken.
	Patience time.Duration
	// Crowd is how many followers follow at once in the promise about many.
	Crowd int
	// Long is how many events a slow reader falls behind; more than any tail keeps.
	Long int
	// Kills is how often a Hardy subject is killed under load; 0 means 5.
	Kills int
}

// Default suits a Subject without sockets.
func Default() Options {
	return Options{Bubble: true, Heartbeat: 15 * time.Second, Patience: time.Minute, Crowd: 200, Long: 3000}
}

// Run holds a Subject to every promise. Promises that need a power the Subject lacks are left out by type:
// Quiet, Forgetful, Restarter, Hardy, Troubled.
func Run(t *testing.T, options Options, fresh func(t *testing.T) Subject) {
	for _, p := range promises {
		t.Run(p.says, func(t *testing.T) {
			try := func(t *testing.T) {
				s := fresh(t)
				if !p.fits(s) {
					t.Log("left out: the subject cannot do what this needs")
					return
				}
				p.keep(&trial{T: t, Options: options, subject: s})
			}
			if options.Bubble {
				synctest.Test(t, try)
				return
			}
			try(t)
		})
	}
}

// promise is one thing a follower may rely on.
type promise struct {
	says string
	fits func(Subject) bool
	keep func(*trial)
}

func anyone(Subject) bool       { return true }
func quiet(s Subject) bool      { _, ok := s.(Quiet); return ok }
func forgetful(s Subject) bool  { _, ok := s.(Forgetful); return ok }
func restarting(s Subject) bool { _, ok := s.(Restarter); return ok }
func hardy(s Subject) bool      { _, ok := s.(Hardy); return ok }
func troubled(s Subject) bool   { _, ok := s.(Troubled); return ok }

var promises = []promise{
	{"what was committed before is replayed in order, and what comes later follows live", anyone, replayThenLive},
	{"following goes on from every position with the same events", anyone, resumeAnywhere},
	{"several feeds are followed at once, each in order", anyone, severalFeeds},
	{"an idle follower hears how far the feeds are", anyone, heartbeats},
	{"a heartbeat never names an event that was not delivered", anyone, heartbeatsUnderLoad},
	{"a cursor beyond the end is refused", anyone, beyondTheEnd},
	{"what cannot be followed is refused by name", anyone, cannotBe},
	{"a slow reader misses nothing and holds nobody up", anyone, slowReader},
	{"a crowd of followers sees the same events", anyone, crowd},
	{"a follower that breaks off again and again sees every event once", anyone, comeAndGo},
	{"a move nobody told of costs one heartbeat", quiet, untold},
	{"a cursor too old is refused with the earliest that works", forgetful, tooOld},
	{"a follower whose place was forgotten while it slept is told so", forgetful, forgottenAsleep},
	{"a killed server costs a follower nothing but a moment", restarting, killed},
	{"an effect keyed by the event's id happens once, however often the follower loses its place", anyone, effectsOnce},
	{"a server killed again and again under load costs followers nothing", hardy, killedUnderLoad},
	{"what happens beside it costs followers nothing", troubled, troubles},
}

// trial is one promise being tried.
type trial struct {
	*testing.T
	Options
	subject Subject
}

func (t *trial) at(name feed.Name, after int64) feed.Cursor {
	return feed.Cursor{Tenant: t.subject.Tenant(), Feed: name, After: after}
}

// stream is one subscription, pulled by the test.
type stream struct {
	*trial
	next func() (Message, error, bool)
	stop func()
	// left breaks the subscription off when a message is overdue.
	left *time.Timer
}

// follow subscribes; the subscription ends with the test.
func (t *trial) follow(cursors ...feed.Cursor) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	next, stop := iter.Pull2(t.subject.Follow(ctx, cursors, t.Heartbeat))
	s := &stream{trial: t, next: next, left: time.AfterFunc(t.Patience, cancel)}
	s.stop = func() { s.left.Stop(); cancel(); stop() }
	t.Cleanup(s.stop)
	return s
}

// message is the next one, heartbeat or event.
func (s *stream) message() (Message, error) {
	s.left.Reset(s.Patience)
	defer s.left.Stop()
	m, err, ok := s.next()
	if !ok {
		s.Helper()
		s.Fatal("the subscription ended without an error")
	}
	return m, err
}

// event is the next event; heartbeats are passed over.
func (s *stream) event() feed.Event {
	s.Helper()
	for {
		m, err := s.message()
		if err != nil {
			s.Fatalf("following ended: %v", err)
		}
		if m.Event != nil {
			return *m.Event
		}
	}
}

// events are the next n of one feed that starts after a number; each is checked for order.
func (s *stream) events(name feed.Name, after int64, n int) []feed.Event {
	s.Helper()
	got := make([]feed.Event, 0, n)
	for range n {
		e := s.event()
		if e.Feed != name || e.Seq != after+1 {
			s.Fatalf("after event %d of feed %s came event %d of feed %s", after, name, e.Seq, e.Feed)
		}
		after = e.Seq
		got = append(got, e)
	}
	return got
}

// heartbeat is the next heartbeat; events are passed over when the caller says so.
func (s *stream) heartbeat() Message {
	s.Helper()
	m, err := s.message()
	if err != nil {
		s.Fatalf("following ended: %v", err)
	}
	if m.Event != nil {
		s.Fatalf("event %d of feed %s came where a heartbeat was due", m.Event.Seq, m.Event.Feed)
	}
	return m
}

// refusal is the error that the subscription ends with.
func (s *stream) refusal() error {
	s.Helper()
	for {
		m, err := s.message()
		if err != nil {
			return err
		}
		if m.Event != nil {
			s.Fatalf("event %d of feed %s was delivered where an error was due", m.Event.Seq, m.Event.Feed)
		}
	}
}

func (t *trial) wantKind(err error, kind fault.Kind) {
	t.Helper()
	if got := fault.Of(err); got != kind {
		t.Fatalf("the error is %q (%v), want kind %q", err, got, kind)
	}
}
