package deadlines_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/testbed"
)

// What one submitter waits for a commit, on a server at rest and on one that catches up with three weeks of
// 3,000 episodes, as the server is set up: 100 episodes a transaction, 1,000 a second.
func BenchmarkSubmissionWhileAServerCatchesUp(b *testing.B) {
	for _, name := range []string{"sqlite", "postgres"} {
		for _, asleep := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/asleep=%t", name, asleep), func(b *testing.B) { catchUp(b, name, asleep) })
		}
	}
}

func opened(b *testing.B, name string) engine {
	b.Helper()
	var e engine
	var err error
	if name == "sqlite" {
		e, err = sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "t.db"), sqlite.Options{Migrate: true})
	} else {
		e, err = postgres.Open(b.Context(), testbed.Database(b), postgres.Options{Migrate: true, Connections: 4})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return e
}

func catchUp(b *testing.B, name string, asleep bool) {
	c := newClock(monday)
	began := time.Now()
	s := begin(b, opened(b, name), c, func(d *deadlines.Config, g *commit.Config) {
		d.Batch, d.PerSecond, d.Pause = 100, 1000, deadlines.Pause
		d.Now = func() time.Time { return c.now().Add(time.Since(began)) }
	})
	var many []decision.Input
	for n := range 3000 {
		many = append(many, prescribed(fmt.Sprint("p", n), monday.Add(-time.Duration(n)*time.Second)))
	}
	s.take(b, clinic, many...)
	ctx, end := context.WithCancel(b.Context())
	swept := make(chan time.Duration, 1)
	if asleep {
		c.set(monday.AddDate(0, 0, 21))
		go func() {
			begun := time.Now()
			_, _ = s.Sweep(ctx)
			swept <- time.Since(begun)
		}()
	}
	var waits []time.Duration
	for n := 0; b.Loop(); n++ {
		begun := time.Now()
		s.take(b, clinic, prescribed(fmt.Sprint("new", n), c.now()))
		waits = append(waits, time.Since(begun))
	}
	end()
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "ms-p99")
	if asleep {
		b.ReportMetric((<-swept).Seconds(), "s-sweep")
	}
}
