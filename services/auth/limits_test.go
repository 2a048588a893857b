package auth

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestABucketLetsABurstThroughAndThenARate(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBuckets(Rate{PerSecond: 10, Burst: 3}, func() time.Time { return now })
	for range 3 {
		if wait := b.take("a"); wait != 0 {
			t.Fatalf("within the burst: %v", wait)
		}
	}
	if wait := b.take("a"); wait != 100*time.Millisecond {
		t.Errorf("beyond the burst: %v", wait)
	}
	if wait := b.take("b"); wait != 0 {
		t.Errorf("another client: %v", wait)
	}
	now = now.Add(100 * time.Millisecond)
	if wait := b.take("a"); wait != 0 {
		t.Errorf("after the wait: %v", wait)
	}
	now = now.Add(-time.Hour) // a clock that is set back gives nothing away
	if wait := b.take("a"); wait == 0 {
		t.Error("a clock that is set back gives tokens away")
	}
}

// latencies of a tenant that makes one call after another, each of which works so long, while others crowd the turnstile.
func latencies(crowd map[ref.Tenant]int) (own []time.Duration) {
	const work, calls = 10 * time.Millisecond, 200
	turnstile := NewTurnstile(8, 1000, time.Now)
	ctx, stop := context.WithCancel(context.Background())
	var crowding sync.WaitGroup
	for tenant, callers := range crowd {
		for range callers {
			crowding.Go(func() {
				for ctx.Err() == nil {
					leave, err := turnstile.Enter(ctx, tenant)
					if err != nil {
						return
					}
					time.Sleep(work)
					leave()
				}
			})
		}
	}
	time.Sleep(time.Second)
	for range calls {
		begun := time.Now()
		leave, err := turnstile.Enter(ctx, "small")
		if err != nil {
			panic(err)
		}
		time.Sleep(work)
		leave()
		own = append(own, time.Since(begun))
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	crowding.Wait()
	return own
}

func TestAGreedyTenantSlowsAnotherByAFifthAtMost(t *testing.T) {
	mean := func(of []time.Duration) time.Duration {
		var sum time.Duration
		for _, d := range of {
			sum += d
		}
		return sum / time.Duration(len(of))
	}
	synctest.Test(t, func(t *testing.T) {
		alone := mean(latencies(nil))
		for what, crowd := range map[string]map[ref.Tenant]int{
			"one that asks for 500 at once": {"greedy": 500}, "three that ask for 200 each": {"a": 200, "b": 200, "c": 200},
		} {
			crowded := latencies(crowd)
			slices.Sort(crowded)
			if got := mean(crowded); got > alone*12/10 {
				t.Errorf("%s: %v on average instead of %v", what, got, alone)
			}
			if p99 := crowded[len(crowded)*99/100]; p99 > alone*12/10 {
				t.Errorf("%s: %v at the 99th percentile instead of %v", what, p99, alone)
			}
		}
	})
}

func TestAStuckTenantKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turnstile := NewTurnstile(4, 100, time.Now)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for range 50 {
			go func() {
				if _, err := turnstile.Enter(ctx, "stuck"); err == nil {
					<-ctx.Done() // it never leaves
				}
			}()
		}
		synctest.Wait()
		leave, err := turnstile.Enter(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		leave()
	})
}

func TestAFullLineRefusesAndOneWhoGivesUpLeavesNoHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turnstile := NewTurnstile(2, 2, time.Now)
		leave, err := turnstile.Enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range 2 {
			go func() { _, err := turnstile.Enter(ctx, "a"); ended <- err }()
		}
		synctest.Wait()
		if _, err := turnstile.Enter(t.Context(), "a"); fault.Of(err) != fault.Throttled {
			t.Errorf("a third who waits: %v", err)
		}
		giveUp()
		for range 2 {
			if err := <-ended; fault.Of(err) != fault.Unavailable {
				t.Errorf("who gives up is told %v", err)
			}
		}
		leave()
		for range 3 {
			leave, err := turnstile.Enter(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
		if turnstile.inside != 0 {
			t.Errorf("%d are inside of an empty house", turnstile.inside)
		}
	})
}

func TestATurnstileNeverLetsInMoreThanItsPlacesNorForgetsAnyone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		places, callers := rapid.IntRange(2, 6).Draw(rt, "places"), rapid.SliceOfN(rapid.SampledFrom([]ref.Tenant{"a", "b", "c"}), 1, 40).Draw(rt, "callers")
		synctest.Test(t, func(t *testing.T) {
			turnstile := NewTurnstile(places, 100, time.Now)
			var mu sync.Mutex
			inside, most, served := 0, 0, 0
			var all sync.WaitGroup
			for n, tenant := range callers {
				all.Go(func() {
					time.Sleep(time.Duration(n%7) * time.Millisecond)
					leave, err := turnstile.Enter(context.Background(), tenant)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					inside, served = inside+1, served+1
					most = max(most, inside)
					mu.Unlock()
					time.Sleep(time.Duration(n%5) * time.Millisecond)
					mu.Lock()
					inside--
					mu.Unlock()
					leave()
				})
			}
			all.Wait()
			if most > places || served != len(callers) {
				t.Errorf("%d at once at %d places, %d of %d served", most, places, served, len(callers))
			}
		})
	})
}

func TestScalesLetInByWeightInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScales(100)
		take, err := s.put(t.Context(), 80)
		if err != nil {
			t.Fatal(err)
		}
		var order []int64
		var mu sync.Mutex
		for _, bytes := range []int64{500, 10} {
			go func() {
				off, err := s.put(context.Background(), bytes)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, bytes)
				mu.Unlock()
				off()
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Errorf("let in beyond the weight: %v", order)
		}
		take()
		synctest.Wait()
		if !slices.Equal(order, []int64{500, 10}) || s.on != 0 {
			t.Errorf("in the order %v, %d left on the scales", order, s.on)
		}
	})
}
