package relay_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	y.put(drafts)
}

// put commits drafts and tells.
func (y *yard) put(drafts []feed.Draft) {
	y.Helper()
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
	y.awaitIn(north, seq)
}

func (y *yard) awaitIn(name feed.Name, seq int64) {
	y.Helper()
	for range 300 {
		found, err := y.redis.XRead(context.Background(), &redis.XReadArgs{
			Streams: []string{relay.Key(clinic, name), fmt.Sprintf("%d-0", seq-1)}, Block: 200 * time.Millisecond, Count: 1,
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

// BenchmarkManyFeeds relays 200 events a second of 5,000 care teams, each of which has its own feed, and reports how long an
// event takes from the end of its commit to its stream, what a commit takes with and without the relay, and what the
// relay costs in processor time beside the commits.
func BenchmarkManyFeeds(b *testing.B) {
	for _, relaying := range []bool{false, true} {
		b.Run(fmt.Sprintf("relay=%t", relaying), func(b *testing.B) { manyFeeds(b, relaying) })
	}
}

func manyFeeds(b *testing.B, relaying bool) {
	const teams, rate, events = 5_000, 200, 2_000
	for range b.N {
		b.StopTimer()
		y := newYard(b, testbed.FreshRedis(b, testbed.RedisOptions{}).URL())
		y.spread(teams, 250, 0)
		if relaying {
			y.run()
			y.awaitAll(teams)
		}
		b.StartTimer()
		began, busy := time.Now(), processor()
		took, late := make([]time.Duration, 0, events), make([]time.Duration, 0, events)
		tick := time.NewTicker(time.Second / rate)
		for i := range events {
			<-tick.C
			at := time.Now()
			name := feed.Team(fmt.Sprint((i * 7919) % teams))
			y.commitTo(name, teams+i)
			took = append(took, time.Since(at))
			if relaying && i%10 == 0 {
				at = time.Now()
				y.awaitIn(feed.All, int64(teams+i+1))
				late = append(late, time.Since(at))
			}
		}
		tick.Stop()
		busy = processor() - busy
		b.ReportMetric(100*busy.Seconds()/time.Since(began).Seconds(), "%cpu")
		report(b, took, "commit")
		if relaying {
			report(b, late, "late")
			y.awaitAll(teams + events)
		}
	}
}

func report(b *testing.B, took []time.Duration, what string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs-"+what)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs-"+what)
}

// processor is the time that this process has had of the processor.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spread commits an event to each of so many teams, some of them in each transaction.
func (y *yard) spread(teams, together, from int) {
	y.Helper()
	for at := 0; at < teams; at += together {
		drafts := make([]feed.Draft, together)
		for i := range drafts {
			drafts[i] = y.draft(feed.Team(fmt.Sprint(at+i)), from+at+i)
		}
		y.put(drafts)
	}
}

func (y *yard) commitTo(name feed.Name, serial int) {
	y.Helper()
	y.put([]feed.Draft{y.draft(name, serial)})
}

func (y *yard) draft(name feed.Name, serial int) feed.Draft {
	return feed.Draft{
		Feeds: []feed.Name{name}, ID: fmt.Sprint("e", serial), Type: feed.Opened, Time: time.Now(), Subject: "Patient/p1", Data: alertJSON,
	}
}

// awaitAll waits until the streams of all teams hold so many entries in all, and the feed of all as many.
func (y *yard) awaitAll(entries int) {
	y.Helper()
	y.awaitIn(feed.All, int64(entries))
	for i := range 5_000 {
		y.awaitIn(feed.Team(fmt.Sprint(i)), 1)
	}
}
