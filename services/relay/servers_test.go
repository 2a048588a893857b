package relay_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

// database is what a server asks of an engine.
type database interface {
	store.Store
	store.Directory
}

// onPostgres is another server of the bench, on a PostgreSQL that it shares.
func (b *bench) onPostgres(url string) (*bench, *storetest.Faulty) {
	b.Helper()
	s, err := postgres.Open(b.Context(), url, postgres.Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	faulty := storetest.NewFaulty(s, func(storetest.Call, int) storetest.Verdict { return storetest.Works })
	log := watch.New(s, watch.Default())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = log.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return &bench{T: b.T, store: faulty, log: log, redis: b.redis, link: b.link, config: b.config, tenant: b.tenant, serial: b.serial}, faulty
}

func TestTwoServersOnOnePostgreSQLRelayInTurnsAndLoseNothing(t *testing.T) {
	b := onServer(t)
	url := testbed.Database(t)
	one, oneLeases := b.onPostgres(url)
	two, twoLeases := b.onPostgres(url)
	first, second := one.relay(), two.relay()
	one.run(first)
	two.run(second)
	total := int64(0)
	for i := range 30 {
		one.commit(north, 3)
		two.commit(north, 4)
		total += 7
		switch i % 10 {
		case 4:
			oneLeases.LoseLeases()
			twoLeases.LoseLeases()
		case 8:
			b.flush()
		}
	}
	one.await(north, total)
	one.await(feed.All, total)
	one.wantEqual(north, 1)
	one.wantEqual(feed.All, 1)
	b.until(func() bool { return first.Lag().Leading != second.Lag().Leading })
}

func TestFeedsGoToARedisClusterAndComeFromIt(t *testing.T) {
	b := newBench(t)
	b.connect(testbed.FreshRedisCluster(t, 3).URL())
	b.run(b.relay())
	names := []feed.Name{feed.All, feed.Unassigned, north, south}
	for i := range 20 {
		for _, name := range names[1:] {
			b.commit(name, 2)
		}
		if i == 10 {
			b.flush()
		}
	}
	for i, name := range names {
		b.await(name, []int64{120, 40, 40, 40}[i])
		b.wantEqual(name, 1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	group := client.Group{
		Tenant: string(clinic), Feeds: []string{"all", "unassigned", "team:north", "team:south"},
		Name: "g", Consumer: "c", Block: 20 * time.Millisecond,
	}
	at, all := map[string]int64{}, 0
	err := group.Consume(ctx, b.redis, func(e client.Entry) error {
		if at[e.Feed]++; e.Seq != at[e.Feed] {
			t.Errorf("entry %d of feed %s came, want %d", e.Seq, e.Feed, at[e.Feed])
		}
		if all++; all == 240 {
			cancel()
		}
		return nil
	})
	if all != 240 {
		t.Errorf("%d entries came, want 240 (%v)", all, err)
	}
}

func TestTheClientReadsWhatTheRelayWrites(t *testing.T) {
	onBoth(t, func(b *bench) {
		b.run(b.relay())
		b.commit(north, 20)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		group := client.Group{Tenant: string(clinic), Feeds: []string{string(north)}, Name: "g", Consumer: "c", Block: 20 * time.Millisecond}
		at, emptied := int64(0), false
		_ = group.Consume(ctx, b.redis, func(e client.Entry) error {
			event, err := e.Event()
			if err != nil {
				t.Error(err)
			}
			if at++; e.Seq != at || event.GetAlert().GetTitle() != "PHQ-9 item 9" || e.Subject != "Patient/p1" || e.TenantSeq != at {
				t.Errorf("entry %d is %+v", at, e)
			}
			switch {
			case at == 20 && !emptied:
				b.flush()
				at, emptied = 0, true
				b.commit(north, 1)
			case at == 21:
				cancel()
			}
			return nil
		})
		if at != 21 {
			t.Errorf("after Redis was emptied the group read up to %d, want 21", at)
		}
		for _, tenant := range []ref.Tenant{"default", "t-1"} {
			if got, want := client.StreamKey(string(tenant), "team:x"), relay.Key(tenant, "team:x"); got != want {
				t.Errorf("the client reads %s, the relay writes %s", got, want)
			}
		}
	})
}

func TestARelayThatDoesNotLeadKnowsNothing(t *testing.T) {
	b := onMiniredis(t)
	if got := b.relay().Lag(); got.Leading || got.Connected || got.Tenants != nil {
		t.Errorf("it says %+v", got)
	}
}

func TestAConfigThatCannotBeIsRefused(t *testing.T) {
	b := onMiniredis(t)
	if _, err := relay.New(b.store, b.log, b.redis, relay.Config{MaxLen: -1}); err == nil {
		t.Fatal("an impossible config was taken")
	}
}

func TestAnAddressThatCannotBeIsTheCallersFault(t *testing.T) {
	if _, err := relay.Dial("redis-sentinel://user:s3cret@a,b"); fault.Of(err) != fault.Invalid ||
		!strings.Contains(err.Error(), "name of the master") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the address gives %v", err)
	}
}
