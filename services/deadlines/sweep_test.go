package deadlines_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }

const clinic ref.Tenant = "clinic"

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// engine is what both stores offer.
type engine interface {
	store.Store
	store.Directory
}

// engines run a test on both stores. Open opens the same database each time, as servers that share it do.
func engines(t *testing.T, test func(t *testing.T, open func() engine)) {
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), sqlite.Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, func() engine { return s })
	})
	t.Run("postgres", func(t *testing.T) {
		url := testbed.Database(t)
		test(t, func() engine {
			s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true, Connections: 4})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		})
	})
}

// server is the part of one that keeps deadlines, on a clock that stands until it is moved.
type server struct {
	*deadlines.Scheduler
	group *commit.Group
	store *counting
}

// clock that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time            { return time.UnixMicro(c.at.Load()).UTC() }
func (c *clock) set(t time.Time)           { c.at.Store(t.UnixMicro()) }
func newClock(t time.Time) *clock          { c := &clock{}; c.set(t); return c }
func still(context.Context, time.Duration) {}

func begin(t testing.TB, e engine, c *clock, change func(*deadlines.Config, *commit.Config)) *server {
	t.Helper()
	counted := &counting{Store: e}
	g := commit.Default()
	g.Store, g.Now, g.Rules = counted, c.now, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }
	d := deadlines.Config{
		Store: e, Directory: e, Now: c.now, Every: time.Minute, Batch: 10, PerSecond: 100, Pause: still,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&d, &g)
	}
	group, err := commit.New(g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Stop(context.Background()) })
	d.Group = group
	s, err := deadlines.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return &server{s, group, counted}
}

// counting counts the facts of each transaction.
type counting struct {
	store.Store
	mu    sync.Mutex
	facts []int
}

func (c *counting) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	written := 0
	moved, err := c.Store.Update(ctx, t, func(tx store.Tx) error { written = 0; return write(&countingTx{tx, &written}) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && written > 0 {
		c.facts = append(c.facts, written)
	}
	return moved, err
}

type countingTx struct {
	store.Tx
	written *int
}

func (c *countingTx) Commit(of ...*decision.Decision) error {
	for _, d := range of {
		*c.written += len(d.Facts)
	}
	return c.Tx.Commit(of...)
}

// prescribed is a patient of whom daily exercise is asked from a moment on: a window of it closes every day or so, and
// after two weeks without a word there is silence.
func prescribed(patient string, from time.Time) decision.Input {
	id := "s-" + patient
	return decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "ServiceRequest", ID: id}, Source: "ehr", SourceID: id,
			Hash: [32]byte([]byte(fmt.Sprintf("%-32s", id))), Received: from, Raw: []byte(`{"resourceType":"ServiceRequest"}`),
			From: from, To: from.Add(time.Second),
		},
		Subject: decision.Subject{Patient: ref.Patient(patient)},
		Facts: []fact.Fact{{ID: "f-" + id, Kind: fact.KindPrescription, At: from, Prescription: &fact.Prescription{
			ID: "ServiceRequest/" + id, Status: "active", Sessions: 1, PeriodDays: 1, From: from,
		}}},
	}
}

func (s *server) take(t testing.TB, of ref.Tenant, inputs ...decision.Input) {
	t.Helper()
	if _, err := s.group.Do(t.Context(), of, inputs, false); err != nil {
		t.Fatal(err)
	}
}

// passed are the deadlines that were passed, in the order in which that was committed.
func passed(t testing.TB, s store.Store, of ref.Tenant) (times []time.Time, whose []string) {
	t.Helper()
	at := map[string]time.Time{}
	err := s.View(t.Context(), of, func(r store.Reader) error {
		all, err := r.EpisodesAfter("", 10_000)
		if err != nil {
			return err
		}
		facts, err := r.Facts(all)
		for _, of := range facts {
			for _, f := range of {
				if f.Clock != nil {
					at[ref.Digest("event", f.ID)] = f.At
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for after := int64(0); ; {
		events, err := s.Since(t.Context(), feed.Cursor{Tenant: of, Feed: feed.All, After: after}, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		after = events[len(events)-1].Seq
		for _, e := range events {
			if e.Type == feed.Elapsed {
				times, whose = append(times, at[e.ID]), append(whose, e.Subject)
			}
		}
	}
	if len(times) != len(at) {
		t.Errorf("%d deadlines passed, and %d events tell of it", len(at), len(times))
	}
	return times, whose
}

func TestAServerThatSleptForWeeksCatchesUpInTheOrderOfTime(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		var rests []time.Duration
		s := begin(t, e, c, func(d *deadlines.Config, g *commit.Config) {
			g.MaxInputs = 25
			d.Pause = func(_ context.Context, rest time.Duration) { rests = append(rests, rest) }
		})
		const patients = 45
		for n := range patients {
			// The last to come is the first of whom nothing is heard.
			s.take(t, clinic, prescribed(fmt.Sprintf("p%02d", n), monday.Add(-time.Duration(n)*7*time.Hour)))
		}
		s.store.facts = nil
		c.set(monday.AddDate(0, 0, 35))
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		times, whose := passed(t, e, clinic)
		if len(times) < 2*patients {
			t.Fatalf("only %d deadlines passed: nothing was tried", len(times))
		}
		if !slices.IsSortedFunc(times, time.Time.Compare) {
			t.Errorf("not in the order of time: %v of %v", times, whose)
		}
		for _, n := range s.store.facts {
			if n > 25 {
				t.Errorf("a transaction passed %d deadlines", n)
			}
		}
		if len(rests) < patients/10 {
			t.Errorf("it rested %d times in %d transactions", len(rests), len(s.store.facts))
		}
		for _, rest := range rests {
			if rest <= 0 || rest > 100*time.Millisecond {
				t.Errorf("after at most 10 episodes at 100 a second it rested %v", rest)
			}
		}
		if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept again: %d moved, %v", n, err)
		}
	})
}

func TestServersThatSweepAtOncePassEachDeadlineOnce(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		c := newClock(monday)
		first := begin(t, open(), c, nil)
		for n := range 60 {
			first.take(t, clinic, prescribed(fmt.Sprint("p", n), monday.Add(time.Duration(n)*time.Minute)))
		}
		c.set(monday.AddDate(0, 0, 21))
		servers := []*server{first, begin(t, open(), c, nil), begin(t, open(), c, nil)}
		var sweeps sync.WaitGroup
		for _, s := range servers {
			sweeps.Go(func() {
				if _, err := s.Sweep(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		sweeps.Wait()
		times, whose := passed(t, first.store, clinic)
		seen := map[string]bool{}
		for i := range times {
			one := whose[i] + times[i].String()
			if seen[one] {
				t.Errorf("passed twice: %s", one)
			}
			seen[one] = true
		}
		alone := begin(t, open(), c, nil)
		if n, err := alone.Sweep(t.Context()); n != 0 || err != nil || len(seen) < 60 {
			t.Errorf("%d passed, and %d were left over (%v)", len(seen), n, err)
		}
	})
}

func TestOneServerSweepsAndTheNextTakesOverWhenItEnds(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		c := newClock(monday)
		slept := make(chan string)
		run := func(name string) context.CancelFunc {
			s := begin(t, open(), c, func(d *deadlines.Config, _ *commit.Config) {
				d.Pause = func(ctx context.Context, _ time.Duration) {
					select {
					case slept <- name:
					case <-ctx.Done():
					}
				}
			})
			ctx, end := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				s.Run(ctx)
				close(ended)
			}()
			return func() { end(); <-ended }
		}
		endFirst := run("first")
		if name := <-slept; name != "first" {
			t.Fatalf("%s swept", name)
		}
		endSecond := run("second")
		defer endSecond()
		for range 20 {
			if name := <-slept; name != "first" {
				t.Fatalf("%s swept beside the first", name)
			}
		}
		endFirst()
		if name := <-slept; name != "second" {
			t.Fatalf("%s swept after the first had ended", name)
		}
	})
}

func TestWhoSubmitsWhileAServerCatchesUpWaitsForOneBatchAtMost(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		var s *server
		submitted := 0
		s = begin(t, e, c, func(d *deadlines.Config, _ *commit.Config) {
			d.Pause = func(context.Context, time.Duration) {
				s.take(t, clinic, prescribed(fmt.Sprint("new", submitted), c.now()))
				submitted++
			}
		})
		for n := range 50 {
			s.take(t, clinic, prescribed(fmt.Sprint("p", n), monday))
		}
		c.set(monday.AddDate(0, 0, 20))
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		events, err := e.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: feed.All, After: 50}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		run, longest := 0, 0
		for _, event := range events {
			if run++; event.Type == feed.Recorded {
				run = 0
			}
			longest = max(longest, run)
		}
		if submitted < 4 || longest > 256 {
			t.Errorf("%d were taken in between; up to %d deadlines came first", submitted, longest)
		}
	})
}

func TestTenantsTakeTurns(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		var small []int
		s := begin(t, e, c, func(d *deadlines.Config, _ *commit.Config) {
			d.Pause = func(context.Context, time.Duration) {
				times, _ := passed(t, e, "z-small")
				small = append(small, len(times))
			}
		})
		for n := range 40 {
			s.take(t, "a-large", prescribed(fmt.Sprint("p", n), monday))
		}
		s.take(t, "z-small", prescribed("p", monday))
		c.set(monday.AddDate(0, 0, 20))
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(small) < 2 || small[1] == 0 {
			t.Errorf("the small tenant waited for the large one: %v", small)
		}
	})
}

func TestAnEpisodeThatCannotBeMovedHoldsUpNoOther(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		s := begin(t, e, c, func(_ *deadlines.Config, g *commit.Config) {
			g.Rules = func() ([]judge.Rule, alert.Policy) {
				return []judge.Rule{{
					ID: "broken", Version: "1", Severity: judge.Info, On: []fact.Kind{fact.KindClock}, Each: true,
					When: func(v judge.View) (bool, error) {
						if slices.Contains([]ref.Patient{"p03", "p17"}, v.After.Patient) {
							panic("a rule that cannot be")
						}
						return false, nil
					},
				}}, alert.Policy{}
			}
		})
		for n := range 40 {
			s.take(t, clinic, prescribed(fmt.Sprintf("p%02d", n), monday.Add(time.Duration(n)*time.Minute)))
		}
		c.set(monday.AddDate(0, 0, 20))
		n, err := s.Sweep(t.Context())
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("nobody is told: %v", err)
		}
		_, whose := passed(t, e, clinic)
		slices.Sort(whose)
		if whose = slices.Compact(whose); len(whose) != 38 || n < 38 {
			t.Errorf("%d episodes were moved, %d times", len(whose), n)
		}
	})
}

func TestASweepEndsWithItsCaller(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		c := newClock(monday)
		ctx, end := context.WithCancel(t.Context())
		s := begin(t, open(), c, func(d *deadlines.Config, _ *commit.Config) {
			d.Pause = func(context.Context, time.Duration) { end() }
		})
		for n := range 40 {
			s.take(t, clinic, prescribed(fmt.Sprint("p", n), monday))
		}
		c.set(monday.AddDate(0, 0, 20))
		if n, err := s.Sweep(ctx); n != 10 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d moved, %v", n, err)
		}
		if n, err := s.Sweep(t.Context()); n < 40 || err != nil {
			t.Errorf("the next sweep: %d moved, %v", n, err)
		}
	})
}
