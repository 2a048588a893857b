package watch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/watch"
)

// BenchmarkAThousandFollowers measures from a commit until a thousand followers of a feed have its event.
func BenchmarkAThousandFollowers(b *testing.B) {
	const crowd = 1000
	s := newStub()
	subject := &stubbed{s, watch.New(s, watch.Default()), false}
	ctx, cancel := context.WithCancel(context.Background())
	var following, arriving sync.WaitGroup
	for range crowd {
		following.Go(func() {
			for m, err := range subject.log.Follow(ctx, []feed.Cursor{{Tenant: "t", Feed: north}}, time.Hour) {
				if err == nil && m.Entry != nil {
					arriving.Done()
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		arriving.Add(crowd)
		subject.Commit(b, north, 1)
		arriving.Wait()
	}
	b.StopTimer()
	cancel()
	following.Wait()
}

// BenchmarkReplay reads a million events, in pages, as a follower that was long away.
func BenchmarkReplay(b *testing.B) {
	const events = 1_000_000
	s := newStub()
	for range events / 1000 {
		s.commit(north, 1000)
	}
	log := watch.New(s, watch.Default())
	b.ResetTimer()
	for range b.N {
		for m, err := range log.Follow(context.Background(), []feed.Cursor{{Tenant: "t", Feed: north}}, time.Hour) {
			if err != nil {
				b.Fatal(err)
			}
			if m.Entry != nil && m.Entry.Seq == events {
				break
			}
		}
	}
}
