package relay_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

// alertJSON is as long as a typical alert.
var alertJSON = []byte(`{"id":"a1","title":"` + strings.Repeat("x", 1400) + `"}`)

// yard is what a benchmark relays with.
type yard struct {
	*testing.B
	store *sqlite.Store
	log   *watch.Log
	redis redis.UniversalClient
}

func newYard(b *testing.B, url string) *yard {
	b.Helper()
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "clinic.db"), sqlite.Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	client, err := relay.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close(); s.Close() })
	return &yard{b, s, watch.New(s, watch.Default()), client}
}

func (y *yard) commit(n int) {
	y.Helper()
	drafts := make([]feed.Draft, n)
	for i := range drafts {
		drafts[i] = feed.Draft{
			Feeds: []feed.Name{north}, ID: fmt.Sprint("e", i), Type: feed.Opened, Time: time.Now(), Subject: "Patient/p1", Data: alertJSON,
		}
	}
	moved, err := y.store.Update(context.Background(), clinic, commitOf(drafts))
	if err != nil {
		y.Fatal(err)
	}
	y.log.Moved(clinic, moved, drafts...)
}

func (y *yard) run() {
	r, err := relay.New(y.store, y.log, y.redis, relay.Default())
	if err != nil {
		y.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	y.Cleanup(func() { cancel(); <-done })
}

func (y *yard) await(seq int64) {
	y.Helper()
	for range 300 {
		found, err := y.redis.XRead(context.Background(), &redis.XReadArgs{
			Streams: []string{relay.Key(clinic, north), fmt.Sprintf("%d-0", seq-1)}, Block: 200 * time.Millisecond, Count: 1,
		}).Result()
		if err == nil && len(found) > 0 {
			return
		}
	}
	y.Fatal("the stream did not get there")
}

// BenchmarkCatchUp fills empty streams from the database: 20,000 events in two feeds each.
func BenchmarkCatchUp(b *testing.B) {
	servers := map[string]func() string{
		"redis-server": func() string { return testbed.FreshRedis(b, testbed.RedisOptions{}).URL() },
		"miniredis":    func() string { return "redis://" + miniredis.RunT(b).Addr() },
	}
	for name, url := range servers {
		b.Run(name, func(b *testing.B) {
			const events = 20_000
			for range b.N {
				b.StopTimer()
				y := newYard(b, url())
				for range events / 500 {
					y.commit(500)
				}
				b.StartTimer()
				y.run()
				y.await(events)
			}
			b.ReportMetric(float64(2*events*b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkOneEvent measures from the end of a commit to a blocked reader of the stream.
func BenchmarkOneEvent(b *testing.B) {
	y := newYard(b, testbed.FreshRedis(b, testbed.RedisOptions{}).URL())
	y.run()
	y.commit(1)
	y.await(1)
	took := make([]time.Duration, 0, b.N)
	arrived := make(chan time.Time)
	for i := range b.N {
		go func() { y.await(int64(i) + 2); arrived <- time.Now() }()
		y.commit(1)
		done := time.Now()
		took = append(took, (<-arrived).Sub(done))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
