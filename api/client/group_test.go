package client_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/relay/embedded"
	"github.com/rapport-health/rapport/services/testbed"
)

const feed = "team:north"

// onBoth runs a test on an in-process Redis and on a real redis-server.
func onBoth(t *testing.T, test func(*bench)) {
	t.Run("embedded", func(t *testing.T) {
		s, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		test(newBench(t, s.Address()))
	})
	t.Run("redis-server", func(t *testing.T) {
		test(newBench(t, testbed.FreshRedis(t, testbed.RedisOptions{}).Addr()))
	})
}

// bench is a Redis with a stream and those who consume it.
type bench struct {
	*testing.T
	redis redis.UniversalClient
	group client.Group
}

func newBench(t *testing.T, address string) *bench {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { c.Close() })
	return &bench{T: t, redis: c, group: client.Group{
		Tenant: "clinic", Feeds: []string{feed}, Name: "g", Consumer: "c1", Block: 10 * time.Millisecond, MinIdle: 30 * time.Millisecond,
	}}
}

// add writes events from one number to another as the relay does.
func (b *bench) add(from, to int) {
	b.Helper()
	b.addTo(feed, from, to)
}

func (b *bench) addTo(feed string, from, to int) {
	b.Helper()
	for seq := from; seq <= to; seq++ {
		err := b.redis.XAdd(context.Background(), &redis.XAddArgs{
			Stream: client.StreamKey("clinic", feed), ID: fmt.Sprintf("%d-0", seq), Values: []string{
				"specversion", "1.0", "source", "/rapport/clinic", "seq", strconv.Itoa(seq), "tenant_seq", strconv.Itoa(2 * seq),
				"id", fmt.Sprint("e", seq), "type", "alert.opened", "time", "2026-03-02T09:00:00.25Z",
				"subject", "Patient/p1", "data", `{"id":"a1","title":"PHQ-9 item 9"}`,
			},
		}).Err()
		if err != nil {
			b.Fatal(err)
		}
	}
}

// running is a consumer at work.
type running struct {
	*bench
	entries chan client.Entry
	// ended is closed when the consumer is at its end.
	ended chan struct{}
	stop  func() error
}

// consume starts a consumer. Without a handle it takes everything.
func (b *bench) consume(g client.Group, handle func(client.Entry) error) *running {
	ctx, cancel := context.WithCancel(context.Background())
	entries := make(chan client.Entry, 10_000)
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = g.Consume(ctx, b.redis, func(e client.Entry) error {
			if handle != nil {
				if err := handle(e); err != nil {
					return err
				}
			}
			entries <- e
			return nil
		})
	}()
	stop := func() error { cancel(); <-ended; return err }
	b.Cleanup(func() { _ = stop() })
	return &running{b, entries, ended, stop}
}

// take waits for n entries.
func (r *running) take(n int) []client.Entry {
	r.Helper()
	got := make([]client.Entry, 0, n)
	late := time.After(20 * time.Second)
	for len(got) < n {
		select {
		case e := <-r.entries:
			got = append(got, e)
		case <-late:
			r.Fatalf("%d entries came, want %d", len(got), n)
		}
	}
	return got
}

// outcome waits until the consumer ends by itself.
func outcome(b *bench, g client.Group, handle func(client.Entry) error) error {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return g.Consume(ctx, b.redis, handle)
}

// until waits for something that comes by itself.
func (b *bench) until(holds func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 4000 {
		if holds() {
			return
		}
		<-tick.C
	}
	b.Fatal("it did not come about")
}

func (b *bench) pending() int64 {
	b.Helper()
	p, err := b.redis.XPending(context.Background(), client.StreamKey("clinic", feed), "g").Result()
	if err != nil {
		b.Fatal(err)
	}
	return p.Count
}

func TestAGroupHandlesEveryEntryOnceAndAcknowledgesIt(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.add(1, 150)
		r := b.consume(b.group, nil)
		b.add(151, 200)
		for i, e := range r.take(200) {
			if e.Seq != int64(i)+1 || e.ID != fmt.Sprint("e", i+1) || e.Deliveries != 1 || e.TenantSeq != 2*e.Seq {
				t.Fatalf("entry %d is %+v", i+1, e)
			}
		}
		b.until(func() bool { return b.pending() == 0 })
		if err := r.stop(); !errors.Is(err, context.Canceled) {
			t.Fatalf("consuming ended with %v", err)
		}
	})
}

func TestAnEntryIsAnEventOfTheContract(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.add(1, 1)
		e, err := b.consume(b.group, nil).take(1)[0].Event()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetAlert().GetTitle() != "PHQ-9 item 9" || e.GetFeed() != feed || e.GetSeq() != 1 ||
			!e.GetTime().AsTime().Equal(time.Date(2026, 3, 2, 9, 0, 0, 250_000_000, time.UTC)) {
			t.Fatalf("the event is %v", e)
		}
	})
}

func TestTwoConsumersShareTheWork(t *testing.T) {
	onBoth(t, func(b *bench) {
		var mu sync.Mutex
		seen := map[string]int{}
		count := func(e client.Entry) error { mu.Lock(); defer mu.Unlock(); seen[e.ID]++; return nil }
		other := b.group
		other.Consumer = "c2"
		b.group.Count, other.Count = 3, 3
		b.group.MinIdle, other.MinIdle = time.Minute, time.Minute
		b.consume(b.group, count)
		b.consume(other, count)
		b.add(1, 300)
		b.until(func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == 300 })
		for id, n := range seen {
			if n != 1 {
				t.Errorf("event %s was handled %d times", id, n)
			}
		}
	})
}

func TestAnEntryThatIsRefusedComesAgainAndThenGoesToTheDeadLetters(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.group.Deliveries = 3
		var mu sync.Mutex
		tries := map[int64]int64{}
		r := b.consume(b.group, func(e client.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			tries[e.Seq]++
			if e.Deliveries != tries[e.Seq] {
				t.Errorf("try %d of entry %d says that it is delivery %d", tries[e.Seq], e.Seq, e.Deliveries)
			}
			if e.Seq == 2 || e.Seq == 3 && tries[3] < 3 {
				return errors.New("not now")
			}
			return nil
		})
		b.add(1, 5)
		r.take(4)
		dead := client.DeadKey("clinic", feed, "g")
		b.until(func() bool { n, _ := b.redis.XLen(context.Background(), dead).Result(); return n == 1 })
		mu.Lock()
		if tries[2] != 3 || tries[3] != 3 {
			t.Errorf("the tries were %v, want 3 of entries 2 and 3", tries)
		}
		mu.Unlock()
		b.until(func() bool { return b.pending() == 0 })
		letter, err := b.redis.XRange(context.Background(), dead, "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		if v := letter[0].Values; v["entry"] != "2-0" || v["deliveries"] != "3" || v["consumer"] != "c1" || v["id"] != "e2" {
			t.Errorf("the dead letter is %v", v)
		}
		_, err = b.group.Redrive(context.Background(), b.redis, feed, func(client.Entry) error { return errors.New("still not") })
		if err == nil {
			t.Error("a dead letter that was refused again was taken away")
		}
		var got client.Entry
		n, err := b.group.Redrive(context.Background(), b.redis, feed, func(e client.Entry) error { got = e; return nil })
		if err != nil || n != 1 || got.Seq != 2 || got.Feed != feed {
			t.Errorf("redriven: %d, %+v, %v", n, got, err)
		}
		if n, _ := b.redis.XLen(context.Background(), dead).Result(); n != 0 {
			t.Errorf("%d dead letters are left", n)
		}
	})
}

func TestWhatADeadConsumerHeldIsClaimed(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.add(1, 10)
		ctx, key := context.Background(), client.StreamKey("clinic", feed)
		if err := b.redis.XGroupCreate(ctx, key, "g", "0").Err(); err != nil {
			t.Fatal(err)
		}
		if err := b.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: "g", Consumer: "dead", Streams: []string{key, ">"}, Count: 6, Block: -1,
		}).Err(); err != nil {
			t.Fatal(err)
		}
		seen := map[int64]int64{}
		for _, e := range b.consume(b.group, nil).take(10) {
			seen[e.Seq] = e.Deliveries
		}
		for seq := int64(1); seq <= 10; seq++ {
			want := int64(1)
			if seq <= 6 {
				want = 2
			}
			if seen[seq] != want {
				t.Errorf("entry %d came at delivery %d, want %d", seq, seen[seq], want)
			}
		}
		b.until(func() bool { return b.pending() == 0 })
	})
}

func TestAConsumerThatStartsAgainFirstHandlesWhatItHeld(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.group.MinIdle = time.Hour
		b.add(1, 4)
		first := b.consume(b.group, func(e client.Entry) error {
			if e.Seq > 2 {
				return errors.New("not yet")
			}
			return nil
		})
		first.take(2)
		b.until(func() bool { return b.pending() == 2 })
		_ = first.stop()
		b.add(5, 6)
		for i, e := range b.consume(b.group, nil).take(4) {
			if e.Seq != int64(i)+3 {
				t.Fatalf("entry %d came, want %d", e.Seq, i+3)
			}
		}
	})
}

func TestAGroupThatWasLostWithRedisBeginsAgainAndMissesNothing(t *testing.T) {
	onBoth(t, func(b *bench) {
		r := b.consume(b.group, nil)
		b.add(1, 5)
		r.take(5)
		if err := b.redis.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		b.until(func() bool { return b.redis.Exists(context.Background(), client.StreamKey("clinic", feed)).Val() == 1 })
		b.add(1, 8)
		seen := map[string]bool{}
		for _, e := range r.take(8) {
			seen[e.ID] = true
		}
		if len(seen) != 8 {
			t.Fatalf("%d events came, want all 8 again", len(seen))
		}
	})
}

func TestAHoleInTheStreamIsNamed(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.add(1, 3)
		b.add(6, 8)
		err := outcome(b, b.group, func(client.Entry) error { return nil })
		gap, ok := errors.AsType[*client.GapError](err)
		if !ok || *gap != (client.GapError{Feed: feed, From: 4, To: 5}) {
			t.Fatalf("consuming ended with %v, want the gap from 4 to 5", err)
		}
	})
}

func TestAHoleBetweenTwoReadsIsNamed(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.group.MinIdle = time.Hour
		r := b.consume(b.group, nil)
		b.add(1, 3)
		r.take(3)
		b.add(5, 5)
		r.take(1)
		<-r.ended
		gap, ok := errors.AsType[*client.GapError](r.stop())
		if !ok || gap.From != 4 || gap.To != 4 {
			t.Fatalf("consuming ended with %v, want the gap at 4", r.stop())
		}
	})
}

func TestEntriesTrimmedBeforeTheGroupReadThemAreNamedAndTheCallerMayGoOn(t *testing.T) {
	onBoth(t, func(b *bench) {
		r := b.consume(b.group, nil)
		b.add(1, 5)
		r.take(5)
		b.until(func() bool { return b.pending() == 0 }) // what is handled is acknowledged a moment later
		_ = r.stop()
		b.add(6, 20)
		if err := b.redis.XTrimMinID(context.Background(), client.StreamKey("clinic", feed), "15-0").Err(); err != nil {
			t.Fatal(err)
		}
		err := outcome(b, b.group, func(client.Entry) error { return nil })
		gap, ok := errors.AsType[*client.GapError](err)
		if !ok || gap.From != 6 || gap.To != 14 {
			t.Fatalf("consuming ended with %v, want the gap from 6 to 14", err)
		}
		var told []client.GapError
		b.group.OnGap = func(g *client.GapError) error { told = append(told, *g); return nil }
		again := b.consume(b.group, nil)
		if got := again.take(6); got[0].Seq != 15 || got[5].Seq != 20 {
			t.Fatalf("went on with %d to %d, want 15 to 20", got[0].Seq, got[5].Seq)
		}
		_ = again.stop()
		if len(told) != 1 || told[0].From != 6 {
			t.Errorf("told of %v, want the gap once", told)
		}
	})
}

func TestAnEntryTrimmedWhileItWasHeldIsNamed(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.add(1, 2)
		b.group.MinIdle = time.Hour
		r := b.consume(b.group, func(e client.Entry) error {
			if e.Seq == 1 {
				return errors.New("not now")
			}
			return nil
		})
		r.take(1)
		b.until(func() bool { return b.pending() == 1 })
		_ = r.stop()
		if err := b.redis.XDel(context.Background(), client.StreamKey("clinic", feed), "1-0").Err(); err != nil {
			t.Fatal(err)
		}
		if b.pending() == 0 {
			return // this server forgets with the entry that it was pending
		}
		err := outcome(b, b.group, func(client.Entry) error { return nil })
		gap, ok := errors.AsType[*client.GapError](err)
		if !ok || gap.From != 1 || gap.To != 1 {
			t.Fatalf("consuming ended with %v, want the gap at 1", err)
		}
	})
}

func TestWhatWaitingDoesNotMendEndsConsuming(t *testing.T) {
	onBoth(t, func(b *bench) {
		if err := b.redis.Set(context.Background(), client.StreamKey("clinic", feed), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := outcome(b, b.group, func(client.Entry) error { return nil }); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("consuming ended with %v, want the error of Redis", err)
		}
		b.group.Name = ""
		if err := outcome(b, b.group, nil); err == nil {
			t.Fatal("a group without a name was consumed")
		}
	})
}

func TestAnEntryThatIsNoEventGoesToTheDeadLetters(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx, key := context.Background(), client.StreamKey("clinic", feed)
		if err := b.redis.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: "1-0", Values: []string{"hello", "world"}}).Err(); err != nil {
			t.Fatal(err)
		}
		r := b.consume(b.group, nil)
		b.add(2, 2)
		r.take(1)
		b.until(func() bool { n, _ := b.redis.XLen(ctx, client.DeadKey("clinic", feed, "g")).Result(); return n == 1 })
		b.until(func() bool { return b.pending() == 0 })
	})
}

func TestAConsumerWaitsForARedisThatWasKilled(t *testing.T) {
	server := testbed.FreshRedis(t, testbed.RedisOptions{AppendOnly: true})
	b := newBench(t, server.Addr())
	r := b.consume(b.group, nil)
	b.add(1, 3)
	r.take(3)
	b.until(func() bool { return b.pending() == 0 })
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	b.add(4, 6)
	for i, e := range r.take(3) {
		if e.Seq != int64(i)+4 {
			t.Fatalf("entry %d came, want %d", e.Seq, i+4)
		}
	}
}
