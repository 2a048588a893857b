package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

const clinic = ref.Tenant("clinic")

var (
	north = feed.Team("north")
	south = feed.Team("south")
)

// bench is a clinic's database, a Redis and what a test does with them.
type bench struct {
	*testing.T
	store database
	log   *watch.Log
	// link is the relay's client, redis the test's own.
	link   redis.UniversalClient
	redis  redis.UniversalClient
	config relay.Config
	// away takes Redis off the net, which forgets everything or not, and back returns it.
	away   func(forgets bool)
	back   func()
	tenant ref.Tenant
	// serial counts the events made.
	serial *atomic.Int64
	// redisAddress is the URL of Redis.
	redisAddress string
}

// onBoth runs a test on an in-process Redis and on a real redis-server.
func onBoth(t *testing.T, test func(*bench)) {
	t.Run("miniredis", func(t *testing.T) { test(onMiniredis(t)) })
	t.Run("redis-server", func(t *testing.T) { test(onServer(t)) })
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	config := relay.Default()
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	config.Random = func() float64 { return 0.5 }
	config.Poll = 20 * time.Millisecond
	config.Patience, config.MaxPatience = time.Millisecond, 20*time.Millisecond
	return &bench{T: t, store: s, log: watch.New(s, watch.Default()), config: config, tenant: clinic, serial: new(atomic.Int64)}
}

func onMiniredis(t *testing.T) *bench {
	b := newBench(t)
	m := miniredis.RunT(t)
	b.connect("redis://" + m.Addr())
	b.away = func(forgets bool) {
		m.SetError("LOADING Redis is loading the dataset in memory")
		if forgets {
			m.FlushAll()
		}
	}
	b.back = func() { m.SetError("") }
	return b
}

// flush empties Redis.
func (b *bench) flush() {
	b.Helper()
	ctx := context.Background()
	empty := func(ctx context.Context, one *redis.Client) error { return one.FlushAll(ctx).Err() }
	var err error
	if cluster, ok := b.redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, empty)
	} else {
		err = b.redis.FlushAll(ctx).Err()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// connect makes the relay's client and the test's own.
func (b *bench) connect(url string) {
	b.Helper()
	link, err := relay.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	own, err := relay.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { link.Close(); own.Close() })
	b.link, b.redis, b.redisAddress = link, own, url
}

func onServer(t *testing.T) *bench {
	b := newBench(t)
	server := testbed.FreshRedis(t, testbed.RedisOptions{AppendOnly: true})
	b.connect(server.URL())
	b.away = func(forgets bool) {
		if forgets {
			b.flush()
		}
		server.Kill()
	}
	b.back = func() {
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// relay is another relay of the bench.
func (b *bench) relay() *relay.Relay {
	b.Helper()
	r, err := relay.New(b.store, b.log, b.link, b.config)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// run starts a relay; stop ends it and waits for its end. It is stopped with the test.
func (b *bench) run(r *relay.Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			b.Errorf("the relay ended with %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	b.Cleanup(stop)
	return stop
}

// drafts are n events for a feed.
func (b *bench) drafts(name feed.Name, n int) []feed.Draft {
	drafts := make([]feed.Draft, n)
	for i := range drafts {
		id := b.serial.Add(1)
		drafts[i] = feed.Draft{
			Feeds: []feed.Name{name}, ID: fmt.Sprintf("e%06d", id), Type: feed.Opened,
			Time: time.Now(), Subject: "Patient/p1",
			Data: fmt.Appendf(nil, `{"id":"a%06d","title":"PHQ-9 item 9"}`, id),
		}
	}
	return drafts
}

// quietly commits n events to a feed and tells nobody.
func (b *bench) quietly(name feed.Name, n int) ([]feed.Cursor, []feed.Draft) {
	b.Helper()
	drafts := b.drafts(name, n)
	return b.write(drafts), drafts
}

func (b *bench) write(drafts []feed.Draft) []feed.Cursor {
	b.Helper()
	moved, err := b.store.Update(context.Background(), b.tenant, func(tx store.Tx) error {
		return tx.Commit(decisionOf(drafts))
	})
	if err != nil {
		b.Fatalf("the commit failed: %v", err)
	}
	return moved
}

// commit commits n events to a feed and tells.
func (b *bench) commit(name feed.Name, n int) {
	b.Helper()
	moved, drafts := b.quietly(name, n)
	b.log.Moved(b.tenant, moved, drafts...)
}

// await waits until a stream has reached a number.
func (b *bench) await(name feed.Name, seq int64) {
	b.Helper()
	from := strconv.FormatInt(seq-1, 10) + "-0"
	for range 200 {
		found, err := b.redis.XRead(context.Background(), &redis.XReadArgs{
			Streams: []string{relay.Key(b.tenant, name), from}, Block: 100 * time.Millisecond, Count: 1,
		}).Result()
		if err == nil && len(found) > 0 {
			return
		}
	}
	b.Fatalf("feed %s did not reach %d; the stream is at %v", name, seq, b.ids(name))
}

// ids are all entry ids of a stream.
func (b *bench) ids(name feed.Name) []string {
	b.Helper()
	found, err := b.redis.XRange(context.Background(), relay.Key(b.tenant, name), "-", "+").Result()
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]string, len(found))
	for i, m := range found {
		ids[i] = m.ID
	}
	return ids
}

// wantEqual says that a stream holds exactly the events of a feed from a number on.
func (b *bench) wantEqual(name feed.Name, from int64) {
	b.Helper()
	events, err := b.store.Since(context.Background(), feed.Cursor{Tenant: b.tenant, Feed: name, After: from - 1}, 1_000_000)
	if err != nil {
		b.Fatal(err)
	}
	want := make([]redis.XMessage, len(events))
	for i, e := range events {
		want[i] = redis.XMessage{ID: fmt.Sprintf("%d-0", e.Seq), Values: map[string]any{
			"specversion": "1.0", "source": "/rapport/" + string(b.tenant),
			"seq": strconv.FormatInt(e.Seq, 10), "tenant_seq": strconv.FormatInt(e.TenantSeq, 10),
			"id": e.ID, "type": string(e.Type), "time": e.Time.Format(time.RFC3339Nano),
			"subject": e.Subject, "data": string(e.Data),
		}}
	}
	got, err := b.redis.XRange(context.Background(), relay.Key(b.tenant, name), "-", "+").Result()
	if err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.Fatalf("the stream of feed %s is not the feed (-want +got):\n%.2000s", name, diff)
	}
}

// metric is the value of a metric without labels or with the clinic's.
func metric(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func decisionOf(drafts []feed.Draft) *decision.Decision { return &decision.Decision{Events: drafts} }
