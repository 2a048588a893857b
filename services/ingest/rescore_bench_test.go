package ingest_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/ingest"
)

// BenchmarkRescoringHoldsNoMoreWhenThereIsMore scores so many stored responses again, each of which changes, and says the
// most memory that was in use on the way. Run it with -benchtime=1x.
func BenchmarkRescoringHoldsNoMoreWhenThereIsMore(b *testing.B) {
	for _, n := range []int{2_000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				s := open(b)
				const each = 10
				first := room(b, s, keys(b), monday)
				for from := 0; from < n; from += 500 {
					bodies := make([]string, 500)
					for i := range bodies {
						at := monday.Add(-time.Duration(n-from-i) * time.Minute)
						bodies[i] = form(fmt.Sprint("r", from+i), fmt.Sprint("p", (from+i)%(n/each)), at, 1)
					}
					send(b, first, bodies...)
				}
				again := room(b, s, milder(b), monday.Add(time.Hour))
				runtime.GC()
				most := watchMemory()
				b.StartTimer()
				h := heard{}
				count := func(step ingest.Step) error {
					if step.Progress != nil {
						h.last = *step.Progress
					}
					return nil
				}
				if err := again.Rescore(b.Context(), clinic, ingest.Rescoring{}, count); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if h.last.Changed != int64(n) {
					b.Fatal(h.counts())
				}
				b.ReportMetric(float64(most())/(1<<20), "MiB-at-most")
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "responses/s")
			}
		})
	}
}

// watchMemory looks at the heap from time to time, until it is asked for the most it saw, in bytes.
func watchMemory() (most func() uint64) {
	var seen atomic.Uint64
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			seen.Store(max(seen.Load(), m.HeapAlloc))
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-ended
		return seen.Load()
	}
}
