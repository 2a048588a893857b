package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/relay"
)

// register makes a group that begins behind a number.
func (b *bench) register(name feed.Name, group string, after int64) {
	b.Helper()
	if err := b.redis.XGroupCreateMkStream(context.Background(), relay.Key(b.tenant, name), group, fmt.Sprintf("%d-0", after)).Err(); err != nil {
		b.Fatal(err)
	}
}

// reads gives a group n entries, of which it acknowledges the first so many.
func (b *bench) reads(name feed.Name, group string, n, acknowledged int64) {
	b.Helper()
	ctx, key := context.Background(), relay.Key(b.tenant, name)
	got, err := b.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: group, Consumer: "c", Streams: []string{key, ">"}, Count: n, Block: -1,
	}).Result()
	if err != nil || int64(len(got[0].Messages)) != n {
		b.Fatalf("the group read %v (%v), want %d entries", got, err, n)
	}
	for _, m := range got[0].Messages[:acknowledged] {
		if err := b.redis.XAck(ctx, key, group, m.ID).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTrimmingWaitsForWhatARegisteredGroupHasNotHandled(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.config.MaxLen, b.config.HeldLen, b.config.Trim = 10, 0, 7
		b.register(north, "slow", 0)
		b.register(north, "fast", 0)
		b.run(b.relay())
		b.commit(north, 1)
		b.await(north, 1)
		b.commit(north, 99)
		b.commit(south, 100)
		b.await(north, 100)
		b.reads(north, "fast", 100, 100)
		b.until(func() bool { return len(b.ids(south)) == 10 }) // so the looks went round
		b.wantEqual(north, 1)
		b.reads(north, "slow", 60, 40)
		b.until(func() bool { return b.ids(north)[0] == "41-0" })
		b.wantEqual(north, 41)
		for _, m := range b.redis.XPendingExt(context.Background(), &redis.XPendingExtArgs{
			Stream: relay.Key(clinic, north), Group: "slow", Start: "-", End: "+", Count: 100,
		}).Val() {
			b.redis.XAck(context.Background(), relay.Key(clinic, north), "slow", m.ID)
		}
		b.until(func() bool { return b.ids(north)[0] == "61-0" })
		b.reads(north, "slow", 40, 40)
		b.until(func() bool { return b.ids(north)[0] == "91-0" })
		b.wantEqual(north, 91)
	})
}

func TestTrimmingByAgeWaitsForAGroupUntilTheAgeThatIsHeldForGroups(t *testing.T) {
	onBoth(t, func(b *bench) {
		now := time.Now()
		b.config.MaxAge, b.config.HeldAge = time.Hour, 48*time.Hour
		b.register(north, "slow", 0)
		for i, age := range []time.Duration{72 * time.Hour, 24 * time.Hour, time.Minute} {
			drafts := b.drafts(north, 10+i)
			for j := range drafts {
				drafts[j].Time = now.Add(-age)
			}
			b.write(drafts)
		}
		b.run(b.relay())
		b.await(north, 33)
		b.until(func() bool { return b.ids(north)[0] == "11-0" })
		b.until(func() bool { return b.ids(feed.All)[0] == "22-0" })
		b.wantEqual(north, 11)
	})
}

func TestAGroupThatFallsBehindWhatIsHeldIsNamedAndItsConsumerReadsTheRestByGRPC(t *testing.T) {
	onBoth(t, func(b *bench) {
		registry := prometheus.NewPedanticRegistry()
		b.config.Metrics = registry
		b.config.MaxLen, b.config.HeldLen = 10, 40
		b.register(north, "slow", 0)
		b.run(b.relay())
		b.commit(north, 1)
		b.await(north, 1)
		b.commit(north, 19)
		b.await(north, 20)
		b.reads(north, "slow", 5, 5)
		b.until(func() bool { return b.ids(north)[0] == "6-0" })
		b.commit(north, 80)
		b.await(north, 100)
		b.until(func() bool { return b.ids(north)[0] == "61-0" })
		b.until(func() bool { return metric(t, registry, "rapport_relay_entries_unread_total") == 55 })
		if got := metric(t, registry, "rapport_relay_group_missed_entries"); got != 55 {
			t.Errorf("%v entries are said to be missed, want 55", got)
		}
		if got := metric(t, registry, "rapport_relay_group_lag_entries"); got != 95 {
			t.Errorf("the lag is said to be %v, want 95", got)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		group := client.Group{Tenant: string(clinic), Feeds: []string{string(north)}, Name: "slow", Consumer: "c", Block: 20 * time.Millisecond}
		err := group.Consume(ctx, b.redis, func(client.Entry) error { return nil })
		gap, ok := errors.AsType[*client.GapError](err)
		if !ok || gap.From != 6 || gap.To != 60 || gap.Earliest() != 61 {
			t.Fatalf("consuming ended with %v, want the gap from 6 to 60", err)
		}
	})
}

func TestTheMetricsNameTheGroupsFurthestBehindAndOnlySoMany(t *testing.T) {
	b := onServer(t)
	registry := prometheus.NewPedanticRegistry()
	b.config.Metrics = registry
	b.config.Tidy = b.config.Poll
	for i := range 70 {
		b.register(north, fmt.Sprintf("g%02d", i), 0)
	}
	b.run(b.relay())
	b.commit(north, 3)
	b.await(north, 3)
	b.reads(north, "g07", 3, 1)
	b.reads(north, "g08", 3, 3)
	b.until(func() bool {
		return metric(t, registry, "rapport_relay_groups") == 70 && metric(t, registry, "rapport_relay_groups_behind") == 69
	})
	if got := series(t, registry, "rapport_relay_group_pending_entries"); got != 50 {
		t.Errorf("%d groups have series, want 50", got)
	}
}

func series(t *testing.T, registry *prometheus.Registry, name string) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return len(f.GetMetric())
		}
	}
	return 0
}

func TestThousandsOfIdleStreamsThatWereEmptiedAreSoonFilledAgain(t *testing.T) {
	b := onServer(t)
	const teams = 1500
	for i := range teams {
		b.quietly(feed.Team(fmt.Sprint(i)), 1)
	}
	b.run(b.relay())
	full := func() bool {
		n, err := b.redis.DBSize(context.Background()).Result()
		return err == nil && n == teams+1
	}
	b.until(full)
	b.await(feed.All, teams)
	b.flush()
	b.until(full)
	b.await(feed.All, teams)
	b.wantEqual(feed.All, 1)
}

func TestEveryShardIsLedAndLosesNothing(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.config.Shards = 4
		r := b.relay()
		b.run(r)
		for i := range 40 {
			b.commit(feed.Team(fmt.Sprint(i)), 5)
		}
		b.await(feed.All, 200)
		b.until(func() bool { l := r.Lag(); return l.Shards == 4 && l.Connected && l.Tenants[0].Entries == 0 })
		b.wantEqual(feed.All, 1)
		for i := range 40 {
			b.wantEqual(feed.Team(fmt.Sprint(i)), 1)
		}
		b.flush()
		b.commit(north, 1)
		b.await(feed.All, 201)
		b.await(feed.Team("39"), 5)
		b.wantEqual(feed.All, 1)
	})
}
