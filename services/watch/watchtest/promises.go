package watchtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

var (
	north = feed.Team("north")
	south = feed.Team("south")
)

func replayThenLive(t *trial) {
	t.subject.Commit(t, north, 7)
	s := t.follow(t.at(north, 0))
	s.events(north, 0, 7)
	for i := range int64(5) {
		t.subject.Commit(t, north, 1)
		s.events(north, 7+i, 1)
	}
	t.subject.Commit(t, north, 40)
	s.events(north, 12, 40)
}

func resumeAnywhere(t *trial) {
	const n = 25
	t.subject.Commit(t, north, n)
	whole := t.follow(t.at(north, 0)).events(north, 0, n)
	ids := map[string]bool{}
	for _, e := range whole {
		ids[e.ID] = true
	}
	if len(ids) != n {
		t.Fatalf("%d events have %d ids", n, len(ids))
	}
	for after := range int64(n) {
		s := t.follow(t.at(north, after))
		rest := s.events(north, after, n-int(after))
		if diff := cmp.Diff(whole[after:], rest); diff != "" {
			t.Fatalf("the events after %d differ from the first replay:\n%s", after, diff)
		}
		s.stop()
	}
	s := t.follow(t.at(north, n))
	if got := s.heartbeat().HighWater; len(got) != 1 || got[0].After != n {
		t.Fatalf("at the end the heartbeat says %v, want %d", got, n)
	}
}

func severalFeeds(t *trial) {
	t.subject.Commit(t, north, 3)
	t.subject.Commit(t, south, 4)
	t.subject.Commit(t, feed.Unassigned, 2)
	s := t.follow(t.at(feed.All, 0), t.at(north, 1), t.at(south, 4), t.at(feed.Unassigned, 0))
	at := map[feed.Name]int64{north: 1, south: 4}
	tenant := map[string]int64{}
	take := func(n int) {
		t.Helper()
		for range n {
			e := s.event()
			if e.Seq != at[e.Feed]+1 {
				t.Fatalf("after event %d of feed %s came %d", at[e.Feed], e.Feed, e.Seq)
			}
			at[e.Feed] = e.Seq
			if known, ok := tenant[e.ID]; ok && known != e.TenantSeq {
				t.Fatalf("one event is number %d and %d of its tenant", known, e.TenantSeq)
			}
			tenant[e.ID] = e.TenantSeq
			if e.Feed == feed.All && e.TenantSeq != e.Seq {
				t.Fatalf("event %d of feed all says that it is number %d of its tenant", e.Seq, e.TenantSeq)
			}
		}
	}
	take(9 + 2 + 2)
	t.subject.Commit(t, south, 2)
	t.subject.Commit(t, north, 1)
	take(3 + 3)
	want := map[feed.Name]int64{feed.All: 12, north: 4, south: 6, feed.Unassigned: 2}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Fatalf("positions differ (-want +got):\n%s", diff)
	}
}

func heartbeats(t *trial) {
	t.subject.Commit(t, north, 3)
	s := t.follow(t.at(feed.Unassigned, 0), t.at(north, 3))
	begin := time.Now()
	for range 3 {
		got := s.heartbeat().HighWater
		if len(got) != 2 || got[0].Feed != feed.Unassigned || got[0].After != 0 || got[1].Feed != north || got[1].After != 3 {
			t.Fatalf("the heartbeat says %v, want unassigned 0 and team:north 3", got)
		}
	}
	if took := time.Since(begin); t.Bubble && took != 3*t.Heartbeat {
		t.Fatalf("three heartbeats took %v, want %v", took, 3*t.Heartbeat)
	}
	t.subject.Commit(t, north, 2)
	s.events(north, 3, 2)
	if got := s.heartbeat().HighWater; len(got) != 2 || got[1].After != 5 {
		t.Fatalf("the heartbeat says %v, want team:north 5", got)
	}
}

func heartbeatsUnderLoad(t *trial) {
	const rounds = 60
	s := t.follow(t.at(north, 0), t.at(feed.All, 0))
	var committing sync.WaitGroup
	committing.Go(func() {
		for range rounds {
			t.subject.Commit(t, north, 3)
		}
	})
	defer committing.Wait()
	at := map[feed.Name]int64{}
	for at[north] < rounds*3 || at[feed.All] < rounds*3 {
		m, err := s.message()
		if err != nil {
			t.Fatalf("following ended: %v", err)
		}
		if m.Event != nil {
			if m.Event.Seq != at[m.Event.Feed]+1 {
				t.Fatalf("after event %d of feed %s came %d", at[m.Event.Feed], m.Event.Feed, m.Event.Seq)
			}
			at[m.Event.Feed] = m.Event.Seq
			continue
		}
		for _, c := range m.HighWater {
			if c.After != at[c.Feed] {
				t.Fatalf("the heartbeat says that feed %s is at %d; delivered was up to %d", c.Feed, c.After, at[c.Feed])
			}
		}
	}
}

func beyondTheEnd(t *trial) {
	t.subject.Commit(t, north, 3)
	t.wantKind(t.follow(t.at(north, 4)).refusal(), fault.Invalid)
	t.wantKind(t.follow(t.at(south, 1)).refusal(), fault.Invalid)
}

func cannotBe(t *trial) {
	t.wantKind(t.follow().refusal(), fault.Invalid)
	t.wantKind(t.follow(t.at(north, -1)).refusal(), fault.Invalid)
	t.wantKind(t.follow(t.at("team:", 0)).refusal(), fault.Invalid)
	t.wantKind(t.follow(t.at("no feed", 0)).refusal(), fault.Invalid)
	t.wantKind(t.follow(t.at(north, 0), t.at(south, 0), t.at(north, 0)).refusal(), fault.Invalid)
	many := make([]feed.Cursor, 1001)
	for i := range many {
		many[i] = t.at(feed.Team(strings.Repeat("x", 1+i%60)+string(rune('a'+i/60))), 0)
	}
	t.wantKind(t.follow(many...).refusal(), fault.Invalid)
}

func slowReader(t *trial) {
	t.subject.Commit(t, north, 1)
	slow := t.follow(t.at(north, 0))
	slow.events(north, 0, 1)
	fast := t.follow(t.at(north, 0))
	fast.events(north, 0, 1)
	const step = 250
	for done := 0; done < t.Long; done += step {
		t.subject.Commit(t, north, step)
		fast.events(north, int64(1+done), step)
	}
	slow.events(north, 1, (t.Long+step-1)/step*step)
	t.subject.Commit(t, north, 1)
	after := int64(1 + (t.Long+step-1)/step*step)
	slow.events(north, after, 1)
	fast.events(north, after, 1)
}

func crowd(t *trial) {
	const events = 20
	var following sync.WaitGroup
	ends := make([]error, t.Crowd)
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience)
	defer cancel()
	for i := range t.Crowd {
		following.Go(func() {
			ends[i] = errors.New("ended too soon")
			at := int64(0)
			for m, err := range t.subject.Follow(ctx, []feed.Cursor{t.at(north, 0)}, t.Heartbeat) {
				if err != nil {
					ends[i] = err
					return
				}
				if m.Event == nil {
					continue
				}
				if at++; m.Event.Seq != at {
					ends[i] = errors.New("events out of order")
					return
				}
				if at == events {
					ends[i] = nil
					return
				}
			}
		})
	}
	for range events {
		t.subject.Commit(t, north, 1)
	}
	following.Wait()
	if err := errors.Join(ends...); err != nil {
		t.Fatal(err)
	}
}

func comeAndGo(t *trial) {
	const n = 300
	var committing sync.WaitGroup
	committing.Go(func() {
		for range n / 5 {
			t.subject.Commit(t, north, 5)
		}
	})
	defer committing.Wait()
	dice := rand.New(rand.NewPCG(1, 2))
	for after := int64(0); after < n; {
		s := t.follow(t.at(north, after))
		take := min(1+dice.IntN(40), int(n-after))
		s.events(north, after, take)
		after += int64(take)
		s.stop()
	}
}

func untold(t *trial) {
	s := t.follow(t.at(north, 0), t.at(south, 0))
	s.heartbeat()
	begin := time.Now()
	t.subject.(Quiet).CommitQuietly(t, south, 3)
	for i := range int64(3) {
		if e := s.event(); e.Feed != south || e.Seq != i+1 {
			t.Fatalf("event %d of feed %s came, want %d of %s", e.Seq, e.Feed, i+1, south)
		}
	}
	if took := time.Since(begin); t.Bubble && took > t.Heartbeat {
		t.Fatalf("it took %v, want at most one heartbeat of %v", took, t.Heartbeat)
	}
	if got := s.heartbeat().HighWater; len(got) != 2 || got[1].After != 3 {
		t.Fatalf("the heartbeat says %v, want team:south 3", got)
	}
}

func tooOld(t *trial) {
	t.subject.Commit(t, north, 10)
	t.subject.(Forgetful).Forget(t)
	t.subject.Commit(t, north, 3)
	err := t.follow(t.at(north, 4)).refusal()
	t.wantKind(err, fault.TooOld)
	var f *fault.Fault
	if !errors.As(err, &f) || f.Earliest != 10 {
		t.Fatalf("the fault names %v as the earliest cursor, want 10", err)
	}
	t.follow(t.at(north, f.Earliest)).events(north, 10, 3)
}

func forgottenAsleep(t *trial) {
	t.subject.Commit(t, north, 2)
	s := t.follow(t.at(north, 0))
	s.events(north, 0, 1)
	t.subject.Commit(t, north, t.Long)
	t.subject.(Forgetful).Forget(t)
	t.subject.Commit(t, north, 5)
	after := int64(1)
	for {
		m, err := s.message()
		if err != nil {
			t.wantKind(err, fault.TooOld)
			return
		}
		if m.Event == nil {
			t.Fatal("a heartbeat came, although events were lost")
		}
		if m.Event.Seq != after+1 {
			t.Fatalf("after event %d came %d, want the named error", after, m.Event.Seq)
		}
		if after++; after == int64(t.Long)+7 {
			return
		}
	}
}

func killed(t *trial) {
	const n = 120
	var committing sync.WaitGroup
	half := make(chan struct{})
	committing.Go(func() {
		for range n / 2 {
			t.subject.Commit(t, north, 1)
		}
		close(half)
	})
	s := t.follow(t.at(north, 0))
	s.events(north, 0, 20)
	<-half
	committing.Wait()
	t.subject.(Restarter).Restart(t)
	after := int64(20)
	for broken := 0; after < n/2; {
		m, err := s.message()
		if err != nil {
			if broken++; broken > 3 {
				t.Fatalf("following broke off %d times: %v", broken, err)
			}
			s.stop()
			s = t.follow(t.at(north, after))
			continue
		}
		if m.Event == nil {
			continue
		}
		if m.Event.Seq != after+1 {
			t.Fatalf("after event %d came %d", after, m.Event.Seq)
		}
		after++
	}
	s.stop()
	t.subject.Commit(t, north, n/2)
	t.follow(t.at(north, after)).events(north, after, n/2)
}
