package watch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/watch"
)

var (
	north = feed.Team("north")
	south = feed.Team("south")
)

// pull follows a feed in the background and counts what arrives.
type pull struct {
	mu   sync.Mutex
	got  int64
	err  error
	stop context.CancelFunc
}

func startPull(log *watch.Log, name feed.Name, after int64) *pull {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pull{got: after, stop: cancel}
	go func() {
		for m, err := range log.Follow(ctx, []feed.Cursor{{Tenant: "t", Feed: name, After: after}}, time.Minute) {
			p.mu.Lock()
			p.err = err
			if m.Entry != nil {
				p.got = m.Entry.Seq
			}
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *pull) at() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

func TestAThousandFollowersCostOneReadOfTheStoreAMove(t *testing.T) {
	for name, bare := range map[string]bool{"one read when drafts are not told": true, "none when they are": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStub()
				subject := &stubbed{s, watch.New(s, watch.Default()), bare}
				pulls := make([]*pull, 1000)
				for i := range pulls {
					pulls[i] = startPull(subject.log, north, 0)
				}
				synctest.Wait()
				s.reads = 0
				for range 10 {
					subject.Commit(t, north, 3)
					time.Sleep(watch.Default().Gather)
					synctest.Wait()
				}
				for _, p := range pulls {
					if p.at() != 30 {
						t.Fatalf("a follower is at %d, want 30", p.at())
					}
					p.stop()
				}
				want := 0
				if bare {
					want = 10
				}
				if s.reads != want {
					t.Errorf("the store was read %d times, want %d", s.reads, want)
				}
			})
		})
	}
}

func TestARingIsAnsweredByOneLookForAllWhoFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		log := watch.New(s, watch.Default())
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- log.Run(ctx) }()
		pulls := make([]*pull, 50)
		for i := range pulls {
			pulls[i] = startPull(log, north, 0)
		}
		var told []feed.Cursor
		stop := log.Tell(func(moved []feed.Cursor) { told = append(told, moved...) })
		synctest.Wait()
		s.looks = 0
		s.commit(north, 4)
		for range 20 {
			log.Ring("t", nil)
		}
		synctest.Wait()
		time.Sleep(10 * time.Millisecond) // in the bubble: lets the calm after the first look pass
		synctest.Wait()
		for _, p := range pulls {
			if p.at() != 4 {
				t.Fatalf("a follower is at %d, want 4", p.at())
			}
			p.stop()
		}
		if s.looks > 2 {
			t.Errorf("20 rings cost %d looks, want at most 2", s.looks)
		}
		if len(told) != 2 {
			t.Errorf("told of %v, want the two feeds that moved", told)
		}
		stop()
		s.commit(south, 1)
		log.Ring("", nil)
		synctest.Wait()
		if len(told) != 2 {
			t.Errorf("who stopped listening was told of %v", told[2:])
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

func TestARingThatSaysWhatMovedCostsNoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		log := watch.New(s, watch.Default())
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { _ = log.Run(ctx) }()
		p := startPull(log, north, 0)
		defer p.stop()
		var told []feed.Cursor
		defer log.Tell(func(moved []feed.Cursor) { told = append(told, moved...) })()
		synctest.Wait()
		s.looks = 0
		s.commit(north, 4)
		log.Ring("t", []feed.Cursor{{Feed: north, After: 3}})
		log.Ring("t", []feed.Cursor{{Feed: south, After: 7}, {Feed: north, After: 4}})
		time.Sleep(10 * time.Millisecond) // in the bubble: lets the calm pass
		synctest.Wait()
		if p.at() != 4 || s.looks != 0 {
			t.Errorf("the follower is at %d after %d looks", p.at(), s.looks)
		}
		if len(told) != 2 {
			t.Errorf("told of %v", told)
		}
		log.Ring("t", []feed.Cursor{{Feed: north, After: 4}})
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if len(told) != 2 {
			t.Errorf("told again of %v", told[2:])
		}
	})
}

// rung is a source with a doorbell that breaks.
type rung struct {
	*stub
	mu      sync.Mutex
	ring    func(ref.Tenant, []feed.Cursor)
	listens int
}

func (r *rung) Listen(ctx context.Context, ring func(ref.Tenant, []feed.Cursor)) error {
	r.mu.Lock()
	r.listens++
	r.ring = ring
	first := r.listens == 1
	r.mu.Unlock()
	if first {
		return fault.Newf(fault.Unavailable, "transient", "the connection broke")
	}
	<-ctx.Done()
	return nil
}

func TestABrokenDoorbellIsTriedAgainAndWhatItMissedIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rung{stub: newStub()}
		log := watch.New(s, watch.Default())
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p := startPull(log, north, 0)
		defer p.stop()
		synctest.Wait()
		s.commit(north, 2)
		go func() { _ = log.Run(ctx) }()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p.at() != 2 {
			t.Fatalf("the follower is at %d, want 2", p.at())
		}
		s.commit(north, 1)
		s.ring("t", nil)
		time.Sleep(10 * time.Millisecond) // in the bubble: lets the calm pass
		synctest.Wait()
		if p.at() != 3 {
			t.Fatalf("the follower is at %d, want 3", p.at())
		}
	})
}

func TestAStoreThatFailsEndsFollowingWithItsOwnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		subject := &stubbed{s, watch.New(s, watch.Default()), true}
		p := startPull(subject.log, north, 0)
		synctest.Wait()
		s.mu.Lock()
		s.fail = fault.Newf(fault.Unavailable, "transient", "the database is away")
		s.mu.Unlock()
		subject.log.Moved("t", []feed.Cursor{{Feed: north, After: 1}})
		synctest.Wait()
		if fault.Of(p.err) != fault.Unavailable {
			t.Fatalf("following ended with %v, want Unavailable", p.err)
		}
	})
}

func TestMovesToldInTheWrongOrderStillArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		log := watch.New(s, watch.Default())
		p := startPull(log, north, 0)
		defer p.stop()
		synctest.Wait()
		firstMoved, firstDrafts := s.commit(north, 2)
		secondMoved, secondDrafts := s.commit(north, 2)
		log.Moved("t", secondMoved, secondDrafts...)
		log.Moved("t", firstMoved, firstDrafts...)
		synctest.Wait()
		if p.at() != 4 || p.err != nil {
			t.Fatalf("the follower is at %d (%v), want 4", p.at(), p.err)
		}
	})
}

func TestACrowdIsToldAtOnceAndThenOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := watch.Default()
		config.Crowd, config.Gather = 2, 20*time.Millisecond
		s := newStub()
		subject := &stubbed{s, watch.New(s, config), false}
		var crowd [3]*pull
		for i := range crowd {
			crowd[i] = startPull(subject.log, north, 0)
			defer crowd[i].stop()
		}
		pair := [2]*pull{startPull(subject.log, south, 0), startPull(subject.log, south, 0)}
		defer pair[0].stop()
		defer pair[1].stop()
		time.Sleep(time.Second)
		for _, step := range []struct {
			north, south   int
			passes         time.Duration
			crowded, alone int64
		}{
			{1, 1, 0, 1, 1},
			{1, 1, 10 * time.Millisecond, 1, 2},
			{2, 2, 9 * time.Millisecond, 1, 4},
			{0, 0, time.Millisecond, 4, 4},
			{1, 1, 19 * time.Millisecond, 4, 5},
			{0, 0, time.Millisecond, 5, 5},
			{0, 0, time.Second, 5, 5},
			{1, 0, 0, 6, 5},
		} {
			subject.Commit(t, north, step.north)
			subject.Commit(t, south, step.south)
			time.Sleep(step.passes)
			synctest.Wait()
			for _, p := range crowd {
				if p.at() != step.crowded || p.err != nil {
					t.Fatalf("%+v: one of the crowd is at %d (%v)", step, p.at(), p.err)
				}
			}
			for _, p := range pair {
				if p.at() != step.alone || p.err != nil {
					t.Fatalf("%+v: one of two is at %d (%v)", step, p.at(), p.err)
				}
			}
		}
	})
}

func TestARestoredDatabaseIsNoticedAndItsFeedIsReadAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		subject := &stubbed{s, watch.New(s, watch.Default()), false}
		subject.Commit(t, north, 10)
		p := startPull(subject.log, north, 0)
		synctest.Wait()
		s.mu.Lock()
		s.events[north] = s.events[north][:4]
		s.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if fault.Of(p.err) != fault.Invalid {
			t.Fatalf("a follower beyond the end went on: %v", p.err)
		}
		subject.Commit(t, north, 1)
		events, err := subject.log.Since(t.Context(), feed.Cursor{Tenant: "t", Feed: north, After: 4}, 10)
		if err != nil || len(events) != 1 || events[0].ID != "e11" {
			t.Fatalf("event 5 is %v (%v), want the new one", events, err)
		}
	})
}

func TestAnEventIsGivenItsFormOnce(t *testing.T) {
	e := &watch.Entry{Event: feed.Event{ID: "x"}}
	made := 0
	for range 3 {
		form, err := e.Form(func(ev feed.Event) (any, error) { made++; return ev.ID + "!", nil })
		if err != nil || form != "x!" {
			t.Fatalf("the form is %v (%v)", form, err)
		}
	}
	if made != 1 {
		t.Fatalf("the form was made %d times", made)
	}
}

func TestAConfigThatCannotBeIsRefused(t *testing.T) {
	if err := watch.Default().Validate(); err != nil {
		t.Fatalf("the default is refused: %v", err)
	}
	bad := watch.Config{}
	if err := bad.Validate(); fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) != 5 {
		t.Fatalf("an empty config gives %v", err)
	}
}
