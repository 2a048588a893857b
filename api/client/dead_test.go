package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/api/client"
)

// poison refuses one event until told otherwise.
type poison struct {
	seq  int64
	cure chan struct{}
}

func (p poison) handle(e client.Entry) error {
	select {
	case <-p.cure:
		return nil
	default:
	}
	if e.Seq == p.seq {
		return errors.New("poison")
	}
	return nil
}

func TestADeadLetterThatIsGivenBackComesToTheRunningGroupAsIfForTheFirstTime(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx := context.Background()
		b.group.Deliveries = 2
		p := poison{seq: 2, cure: make(chan struct{})}
		r := b.consume(b.group, p.handle)
		b.add(1, 3)
		r.take(2)
		var letters []client.Letter
		b.until(func() bool {
			var err error
			letters, err = b.group.Letters(ctx, b.redis, feed, "", 10)
			return err == nil && len(letters) == 1
		})
		l := letters[0]
		if l.Entry.Seq != 2 || l.Entry.ID != "e2" || l.Entry.Deliveries != 2 || l.Consumer != "c1" || l.Reason != "refused" ||
			time.Since(l.Given).Abs() > time.Hour || !strings.Contains(string(l.Entry.Data), "PHQ-9") {
			t.Errorf("the letter is %+v", l)
		}
		if more, err := b.group.Letters(ctx, b.redis, feed, l.ID, 10); err != nil || len(more) != 0 {
			t.Errorf("behind the last letter are %v (%v)", more, err)
		}
		lists, err := client.DeadLists(ctx, b.redis, "clinic")
		if err != nil || len(lists) != 1 || lists[0] != (client.DeadList{Feed: feed, Group: "g", Letters: 1}) {
			t.Errorf("the lists are %v (%v)", lists, err)
		}
		close(p.cure)
		if back, gone, err := b.group.PutBack(ctx, b.redis, feed, l); back != 1 || gone != nil || err != nil {
			t.Fatalf("%d went back, %v are gone (%v)", back, gone, err)
		}
		if e := r.take(1)[0]; e.Seq != 2 || e.Deliveries != 1 {
			t.Errorf("entry %d came at delivery %d, want entry 2 at the first", e.Seq, e.Deliveries)
		}
		b.until(func() bool { return b.pending() == 0 })
		if lists, err := client.DeadLists(ctx, b.redis, "clinic"); err != nil || len(lists) != 0 {
			t.Errorf("the lists are %v (%v), want none", lists, err)
		}
	})
}

func TestADeadLetterWhoseEntryIsGoneStays(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx := context.Background()
		b.group.Deliveries = 1
		r := b.consume(b.group, poison{seq: 1}.handle)
		b.add(1, 2)
		r.take(1)
		var letters []client.Letter
		b.until(func() bool { letters, _ = b.group.Letters(ctx, b.redis, feed, "", 10); return len(letters) == 1 })
		if err := b.redis.XTrimMinID(ctx, client.StreamKey("clinic", feed), "2-0").Err(); err != nil {
			t.Fatal(err)
		}
		back, gone, err := b.group.PutBack(ctx, b.redis, feed, letters...)
		if back != 0 || len(gone) != 1 || gone[0] != letters[0].ID || err != nil {
			t.Fatalf("%d went back, %v are gone (%v), want the letter to stay", back, gone, err)
		}
		if n, err := b.group.Redrive(ctx, b.redis, feed, func(client.Entry) error { return nil }); n != 1 || err != nil {
			t.Errorf("%d were driven again (%v), want the one that stayed", n, err)
		}
	})
}

func TestWhatIsBeingHandledAtTheStopIsAcknowledgedAndTheRestComesAtTheNextStart(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.group.MinIdle = time.Hour
		b.add(1, 5)
		ctx, cancel := context.WithCancel(context.Background())
		var handled []int64
		err := b.group.Consume(ctx, b.redis, func(e client.Entry) error {
			handled = append(handled, e.Seq)
			if e.Seq == 2 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) || len(handled) != 2 {
			t.Fatalf("handled %v and ended with %v, want two and the end of the context", handled, err)
		}
		if n := b.pending(); n != 3 {
			t.Fatalf("%d entries are pending, want the three that were read and not handled", n)
		}
		for i, e := range b.consume(b.group, nil).take(3) {
			if e.Seq != int64(i)+3 {
				t.Fatalf("entry %d came, want %d", e.Seq, i+3)
			}
		}
	})
}

func TestAGroupThatWasLostGoesOnWhereItsCallerHasCome(t *testing.T) {
	onBoth(t, func(b *bench) {
		at := int64(0)
		b.group.After = func(string) int64 { return at }
		var handled []int64
		b.add(1, 8)
		run := func(last int64) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_ = b.group.Consume(ctx, b.redis, func(e client.Entry) error {
				handled = append(handled, e.Seq)
				if at = e.Seq; at == last {
					cancel()
				}
				return nil
			})
		}
		run(5)
		if err := b.redis.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		b.add(1, 8)
		run(8)
		if len(handled) != 8 || handled[5] != 6 {
			t.Fatalf("handled %v, want 1 to 8 once each", handled)
		}
		if err := b.redis.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		b.add(12, 13)
		err := outcome(b, b.group, func(client.Entry) error { return nil })
		if gap, ok := errors.AsType[*client.GapError](err); !ok || gap.From != 9 || gap.To != 11 || gap.Earliest() != 12 {
			t.Fatalf("consuming ended with %v, want the gap from 9 to 11", err)
		}
	})
}
