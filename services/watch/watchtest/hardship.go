package watchtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// ledger is a follower as its users write it: it handles events, writes its place down now and then, and, when it is cut
// off, goes on from the place that it wrote down. What it handles twice has the same id and so the same effect.
type ledger struct {
	*trial
	feed feed.Name
	// every how many events it writes its place down.
	every int64
	place int64
	// effects are the numbers of events by id, and again how often one came a second time.
	effects map[string]int64
	again   int
}

func (t *trial) ledger(name feed.Name, every int64) *ledger {
	return &ledger{trial: t, feed: name, every: every, effects: map[string]int64{}}
}

// read follows once from the place that was written down, until the event of a number was handled (then it is done), or
// it is cut off. Its own errors are broken promises; those of the subscription are in cut.
func (l *ledger) read(ctx context.Context, until int64) (cut, broken error) {
	after := l.place
	for m, err := range l.subject.Follow(ctx, []feed.Cursor{l.at(l.feed, l.place)}, l.Heartbeat) {
		if err != nil {
			return err, nil
		}
		if m.Event == nil {
			if len(m.HighWater) != 1 || m.HighWater[0].After != after {
				return nil, fmt.Errorf("the heartbeat says %v; delivered was up to %d", m.HighWater, after)
			}
			continue
		}
		if m.Event.Seq != after+1 {
			return nil, fmt.Errorf("after event %d came %d", after, m.Event.Seq)
		}
		after = m.Event.Seq
		if err := l.handle(m.Event); err != nil || after == until {
			return nil, err
		}
	}
	return errors.New("the subscription ended without an error"), nil
}

func (l *ledger) handle(e *feed.Event) error {
	if seq, known := l.effects[e.ID]; known {
		l.again++
		if seq != e.Seq {
			return fmt.Errorf("one event is number %d and number %d of its feed", seq, e.Seq)
		}
	}
	l.effects[e.ID] = e.Seq
	if e.Seq%l.every == 0 {
		l.place = e.Seq
	}
	return nil
}

// readAll goes on after every cut until the event of a number was handled.
func (l *ledger) readAll(ctx context.Context, until int64) error {
	for {
		cut, broken := l.read(ctx, until)
		switch {
		case broken != nil:
			return broken
		case cut == nil:
			return l.whole(until)
		case ctx.Err() != nil:
			return fmt.Errorf("no more came after %d of %d events: %w", len(l.effects), until, cut)
		case fault.Of(cut) != fault.Unavailable:
			return fmt.Errorf("a follower that was cut off is told %w, which does not ask it to come again", cut)
		}
	}
}

// whole says whether each event had one effect.
func (l *ledger) whole(n int64) error {
	seen := make(map[int64]bool, n)
	for seq := range maps.Values(l.effects) {
		seen[seq] = true
	}
	if int64(len(seen)) != n || int64(len(l.effects)) != n {
		return fmt.Errorf("%d events had %d effects at %d places", n, len(l.effects), len(seen))
	}
	return nil
}

func effectsOnce(t *trial) {
	const n = 60
	t.subject.Commit(t, north, n)
	l := t.ledger(north, 7)
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience)
	defer cancel()
	for until := int64(4); until < n; until += 4 { // cut off where it has not written its place down
		if cut, broken := l.read(ctx, until); cut != nil || broken != nil {
			t.Fatal(cut, broken)
		}
	}
	if err := l.readAll(ctx, n); err != nil {
		t.Fatal(err)
	}
	if l.again == 0 {
		t.Fatal("no event came a second time: the promise was not tried")
	}
}

func killedUnderLoad(t *trial) {
	kills := t.Kills
	if kills == 0 {
		kills = 5
	}
	const between, batch, watchers = 12, 3, 4
	n := int64((kills + 1) * between * batch)
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience)
	defer cancel()
	commits := make(chan struct{}, (kills+1)*between)
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() {
		for range (kills + 1) * between {
			t.subject.Commit(t, north, batch)
			commits <- struct{}{}
		}
	})
	ends := make([]error, watchers)
	for i := range watchers {
		working.Go(func() { ends[i] = t.ledger(north, int64(1+5*i)).readAll(ctx, n) })
	}
	for i := range kills {
		for range between {
			select {
			case <-commits:
			case <-ctx.Done():
				t.Fatalf("nothing was committed any more after %d kills", i)
			}
		}
		t.subject.(Hardy).Restart(t)
	}
	working.Wait()
	if err := errors.Join(ends...); err != nil {
		t.Fatal(err)
	}
}

func troubles(t *trial) {
	const step = 25
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience)
	defer cancel()
	live := t.follow(t.at(north, 0))
	at := int64(0)
	more := func(when string) {
		t.Helper()
		t.subject.Commit(t, north, step)
		live.events(north, at, step)
		at += step
		for _, after := range []int64{0, at - step, at - 1} {
			l := t.ledger(north, 1)
			l.place = after
			cut, broken := l.read(ctx, at)
			if err := errors.Join(cut, broken); err != nil || int64(len(l.effects)) != at-after {
				t.Fatalf("%s, from position %d: %d events, %v", when, after, len(l.effects), err)
			}
		}
		if got := live.heartbeat().HighWater; len(got) != 1 || got[0].After != at {
			t.Fatalf("%s, the heartbeat says %v, want %d", when, got, at)
		}
	}
	more("before")
	for _, trouble := range t.subject.(Troubled).Troubles() {
		trouble.Begin(t)
		more("with " + trouble.Says)
		if trouble.End != nil {
			trouble.End(t)
			more("after " + trouble.Says)
		}
	}
}
