package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

func TestEveryFeedBecomesAStreamWithTheSameNumbersAndContent(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.commit(north, 300)
		b.run(b.relay())
		b.commit(south, 40)
		b.commit(north, 3)
		b.await(feed.All, 343)
		b.await(north, 303)
		b.await(south, 40)
		for _, name := range []feed.Name{feed.All, north, south} {
			b.wantEqual(name, 1)
		}
	})
}

func TestAnEventAboutNobodyHasNoSubject(t *testing.T) {
	onBoth(t, func(b *bench) {
		draft := b.drafts(north, 1)
		draft[0].Subject = ""
		b.write(draft)
		b.run(b.relay())
		b.await(north, 1)
		got, err := b.redis.XRange(context.Background(), relay.Key(clinic, north), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := got[0].Values["subject"]; ok {
			t.Fatal("the entry has an empty subject, which a CloudEvent must not have")
		}
	})
}

func TestARelayThatStartsAgainAtAnyPositionGoesOnWithoutAGap(t *testing.T) {
	onBoth(t, func(b *bench) {
		total := 0
		for range 10 {
			stop := b.run(b.relay())
			b.commit(north, 1)
			total++
			b.await(north, int64(total))
			stop()
			b.commit(north, 1)
			total++
		}
		b.run(b.relay())
		b.await(north, int64(total))
		b.await(feed.All, int64(total))
		b.wantEqual(north, 1)
		b.wantEqual(feed.All, 1)
	})
}

func TestARelayCutOffAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.config.Chunk, b.config.Batch = 7, 40
		dice := rand.New(rand.NewPCG(3, 4))
		total := 0
		for range 25 {
			n := 1 + dice.IntN(60)
			stop := b.run(b.relay())
			b.commit(north, n)
			total += n
			if reach := total - dice.IntN(n); reach > 0 {
				b.await(north, int64(reach))
			}
			stop()
		}
		b.run(b.relay())
		b.await(north, int64(total))
		b.await(feed.All, int64(total))
		b.wantEqual(north, 1)
		b.wantEqual(feed.All, 1)
	})
}

func TestOneOfTwoRelaysWorksAndTheOtherTakesOver(t *testing.T) {
	onBoth(t, func(b *bench) {
		first, second := b.relay(), b.relay()
		stopFirst := b.run(first)
		b.commit(north, 5)
		b.await(north, 5)
		b.run(second)
		if !first.Lag().Leading || second.Lag().Leading {
			t.Fatalf("the first leads: %v, the second leads: %v", first.Lag().Leading, second.Lag().Leading)
		}
		stopFirst()
		b.commit(north, 5)
		b.await(north, 10)
		if first.Lag().Leading || !second.Lag().Leading {
			t.Fatal("the second relay did not take over")
		}
		b.await(feed.All, 10)
		b.wantEqual(north, 1)
		b.wantEqual(feed.All, 1)
	})
}

// lawless gives the lease to everybody, as when a leader sleeps past the end of its lease.
type lawless struct{ database }

func (lawless) Hold(ctx context.Context, _ string) (context.Context, error) { return ctx, nil }

func TestTwoRelaysAtOnceAndARedisThatIsEmptiedAgainAndAgainLeaveNoGap(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.config.Chunk, b.config.Batch = 5, 20
		for range 2 {
			r, err := relay.New(lawless{b.store}, b.log, b.link, b.config)
			if err != nil {
				t.Fatal(err)
			}
			b.run(r)
		}
		total := 0
		for i := range 40 {
			b.commit(north, 20)
			total += 20
			if i%4 == 3 {
				b.flush()
			}
			b.wantDense(north)
			b.wantDense(feed.All)
		}
		b.await(north, int64(total))
		b.await(feed.All, int64(total))
		b.wantEqual(north, 1)
		b.wantEqual(feed.All, 1)
	})
}

// wantDense says that whatever a stream holds at this moment begins with 1 and has no hole.
func (b *bench) wantDense(name feed.Name) {
	b.Helper()
	for i, id := range b.ids(name) {
		if want := fmt.Sprintf("%d-0", i+1); id != want {
			b.Fatalf("entry %s of feed %s stands where %s belongs", id, name, want)
		}
	}
}

func TestARedisThatGoesAwayIsWaitedForWhileTheDatabaseGoesOn(t *testing.T) {
	for name, forgets := range map[string]bool{"and comes back as it was": false, "and comes back empty": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(b *bench) {
				registry := prometheus.NewPedanticRegistry()
				b.config.Metrics = registry
				r := b.relay()
				b.run(r)
				b.commit(north, 10)
				b.await(north, 10)
				b.await(feed.All, 10)
				b.away(forgets)
				for range 50 {
					b.commit(north, 10)
				}
				b.until(func() bool { l := r.Lag(); return !l.Connected && len(l.Tenants) == 1 && !l.Tenants[0].Oldest.IsZero() })
				if got := r.Lag().Tenants[0].Entries; got < 1000 {
					t.Errorf("the relay says that it is %d entries behind, want 1000 or more", got)
				}
				if metric(t, registry, "rapport_relay_connected") != 0 || metric(t, registry, "rapport_relay_backlog_entries") < 1000 {
					t.Error("the metrics do not say that Redis is away")
				}
				b.back()
				b.await(north, 510)
				b.await(feed.All, 510)
				b.wantEqual(north, 1)
				b.wantEqual(feed.All, 1)
				b.until(func() bool {
					l := r.Lag()
					return l.Connected && l.Tenants[0].Entries == 0 && l.Tenants[0].Oldest.IsZero()
				})
				if got := metric(t, registry, "rapport_relay_entries_written_total"); got < 1020 {
					t.Errorf("%v entries were counted, want 1020 or more", got)
				}
			})
		})
	}
}

// until waits for a state of the relay that it reaches by itself.
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
	b.Fatal("the relay did not get there")
}

func TestARedisThatIsAbsentFromTheStartIsWaitedFor(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.away(false)
		r := b.relay()
		b.run(r)
		b.commit(north, 30)
		b.until(func() bool { l := r.Lag(); return l.Leading && len(l.Tenants) == 1 && l.Tenants[0].Entries == 60 })
		b.back()
		b.await(north, 30)
		b.await(feed.All, 30)
		b.wantEqual(north, 1)
	})
}

func TestAnIdleStreamThatWasEmptiedIsFilledAgain(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.run(b.relay())
		b.commit(north, 20)
		b.await(north, 20)
		b.await(feed.All, 20)
		b.flush()
		b.await(north, 20)
		b.await(feed.All, 20)
		b.wantEqual(north, 1)
		b.wantEqual(feed.All, 1)
	})
}

func TestAStreamThatLostItsNewestEntriesGetsThemAgain(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.run(b.relay())
		b.commit(north, 20)
		b.await(north, 20)
		ctx, key := context.Background(), relay.Key(clinic, north)
		kept, err := b.redis.XRangeN(ctx, key, "-", "+", 12).Result()
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Del(ctx, key)
			for _, m := range kept {
				pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: m.ID, Values: m.Values})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.commit(north, 1)
		b.await(north, 21)
		b.wantEqual(north, 1)
	})
}

func TestMovesThatNobodyToldOfAreFoundBySlowPolling(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.run(b.relay())
		b.quietly(north, 4)
		b.await(north, 4)
		b.quietly(south, 2)
		b.await(south, 2)
		b.wantEqual(north, 1)
		b.wantEqual(south, 1)
	})
}

func TestAStreamThatIsAheadOfTheDatabaseIsLeftAloneLoudly(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx, key := context.Background(), relay.Key(clinic, north)
		b.commit(north, 3)
		if err := b.redis.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: "9-0", Values: []string{"id", "from the future"}}).Err(); err != nil {
			t.Fatal(err)
		}
		registry := prometheus.NewPedanticRegistry()
		b.config.Metrics = registry
		r := b.relay()
		b.run(r)
		b.await(feed.All, 3)
		b.until(func() bool { l := r.Lag(); return len(l.Tenants) == 1 && len(l.Tenants[0].Refused) == 1 })
		if got := metric(t, registry, "rapport_relay_refused_feeds"); got != 1 {
			t.Errorf("the metric says %v refused feeds, want 1", got)
		}
		b.commit(north, 10)
		b.await(feed.All, 13)
		if got := b.ids(north); len(got) != 1 || got[0] != "9-0" {
			t.Fatalf("the stream holds %v, want only 9-0", got)
		}
		if err := b.redis.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
		b.await(north, 13)
		b.wantEqual(north, 1)
		b.until(func() bool { return len(r.Lag().Tenants[0].Refused) == 0 })
	})
}

func TestAStreamWithAnotherHistoryIsLeftAlone(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx, key := context.Background(), relay.Key(clinic, north)
		b.commit(north, 9)
		if err := b.redis.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: "5-0", Values: []string{"id", "of another database"}}).Err(); err != nil {
			t.Fatal(err)
		}
		r := b.relay()
		b.run(r)
		b.await(feed.All, 9)
		b.until(func() bool { l := r.Lag(); return len(l.Tenants) == 1 && len(l.Tenants[0].Refused) == 1 })
		if got := b.ids(north); len(got) != 1 {
			t.Fatalf("the stream holds %v, want only 5-0", got)
		}
	})
}

func TestAKeyThatHoldsSomethingElseStopsOnlyItsOwnFeed(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx, key := context.Background(), relay.Key(clinic, north)
		if err := b.redis.Set(ctx, key, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		r := b.relay()
		b.run(r)
		b.commit(north, 2)
		b.commit(south, 2)
		b.await(south, 2)
		b.await(feed.All, 4)
		b.until(func() bool { return len(r.Lag().Tenants[0].Refused) == 1 })
		if err := b.redis.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
		b.await(north, 2)
		b.wantEqual(north, 1)
	})
}

func TestEventsForgottenBeforeRedisHadThemAreCountedAndTheRestFollows(t *testing.T) {
	onBoth(t, func(b *bench) {
		registry := prometheus.NewPedanticRegistry()
		b.config.Metrics = registry
		r := b.relay()
		stop := b.run(r)
		b.commit(north, 10)
		b.await(north, 10)
		b.await(feed.All, 10)
		stop()
		b.quietly(north, 5)
		if _, err := b.store.(*sqlite.Store).Trim(context.Background(), clinic, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.commit(north, 2)
		b.run(r)
		b.await(north, 17)
		b.await(feed.All, 17)
		want := []string{"1-0", "2-0", "3-0", "4-0", "5-0", "6-0", "7-0", "8-0", "9-0", "10-0", "16-0", "17-0"}
		if got := b.ids(north); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("the stream holds %v, want %v", got, want)
		}
		b.until(func() bool { return metric(t, registry, "rapport_relay_events_lost_total") == 10 }) // 5 in each of two feeds
	})
}

func TestALostStreamIsFilledFromTheOldestEventKept(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.commit(north, 10)
		if _, err := b.store.(*sqlite.Store).Trim(context.Background(), clinic, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.commit(north, 4)
		b.run(b.relay())
		b.await(north, 14)
		b.wantEqual(north, 11)
	})
}

func TestAStreamKeepsAboutAsManyEntriesAsItMay(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.config.MaxLen = 50
		b.commit(north, 400)
		b.run(b.relay())
		b.await(north, 400)
		b.wantEqual(north, 351)
		b.commit(north, 1000)
		b.await(north, 1400)
		b.until(func() bool { return len(b.ids(north)) == 50 })
		b.wantEqual(north, 1351)
	})
}

func TestEntriesThatAreTooOldGoAndTheNewestStays(t *testing.T) {
	onBoth(t, func(b *bench) {
		var clock sync.Mutex
		now := time.Now()
		b.config.Now = func() time.Time { clock.Lock(); defer clock.Unlock(); return now }
		b.config.MaxAge, b.config.Tidy = time.Hour, b.config.Poll
		old := b.drafts(north, 37)
		for i := range old {
			old[i].Time = now.Add(-2 * time.Hour)
		}
		b.write(old)
		b.commit(north, 5)
		b.run(b.relay())
		b.await(north, 42)
		b.until(func() bool { return len(b.ids(north)) == 5 })
		b.wantEqual(north, 38)
		clock.Lock()
		now = now.Add(24 * time.Hour)
		clock.Unlock()
		b.until(func() bool { return len(b.ids(north)) == 1 })
		b.wantEqual(north, 42)
		b.commit(north, 1)
		b.await(north, 43)
	})
}

func TestAConsumerGroupGetsEveryEventOnceAlthoughRelaysComeAndGo(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx, key := context.Background(), relay.Key(clinic, north)
		if err := b.redis.XGroupCreateMkStream(ctx, key, "g", "0").Err(); err != nil {
			t.Fatal(err)
		}
		var committing sync.WaitGroup
		committing.Go(func() {
			for range 50 {
				b.commit(north, 4)
			}
		})
		defer committing.Wait()
		stop := b.run(b.relay())
		seen := map[string]bool{}
		for reads := 0; len(seen) < 200; reads++ {
			if reads > 2000 {
				t.Fatalf("%d events came, want 200", len(seen))
			}
			if reads%10 == 5 {
				stop()
				stop = b.run(b.relay())
			}
			got, err := b.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
				Group: "g", Consumer: fmt.Sprint("c", reads%2), Streams: []string{key, ">"}, Count: 7, Block: 20 * time.Millisecond,
			}).Result()
			if err != nil {
				continue
			}
			for _, m := range got[0].Messages {
				id := m.Values["id"].(string)
				if seen[id] {
					t.Fatalf("event %s came twice", id)
				}
				seen[id] = true
			}
		}
	})
}

func TestARelayServesManyTenantsAndFeeds(t *testing.T) {
	onBoth(t, func(b *bench) {
		ctx := context.Background()
		b.run(b.relay())
		for i := range 5 {
			tenant := ref.Tenant(fmt.Sprint("tenant", i))
			for j := range 100 {
				drafts := b.drafts(feed.Team(fmt.Sprint(j)), 2)
				moved, err := b.store.Update(ctx, tenant, commitOf(drafts))
				if err != nil {
					t.Fatal(err)
				}
				if i%2 == 0 {
					b.log.Moved(tenant, moved)
				}
			}
		}
		b.until(func() bool {
			for i := range 5 {
				tenant := ref.Tenant(fmt.Sprint("tenant", i))
				if n, err := b.redis.XLen(ctx, relay.Key(tenant, feed.All)).Result(); err != nil || n != 200 {
					return false
				}
				for j := range 100 {
					if n, err := b.redis.XLen(ctx, relay.Key(tenant, feed.Team(fmt.Sprint(j)))).Result(); err != nil || n != 2 {
						return false
					}
				}
			}
			return true
		})
	})
}

func commitOf(drafts []feed.Draft) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.Commit(decisionOf(drafts)) }
}
