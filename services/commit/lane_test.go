package commit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// untouched is a store that nobody may ask for anything.
type untouched struct{ store.Store }

func TestAJobThatSlipsInAsItsLaneEndsIsRefusedAndNotForgotten(t *testing.T) {
	config := Default()
	config.Store, config.Now, config.Rules = untouched{}, time.Now, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	lane, err := g.lane("t")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	queued := 0
	for range 64 { // with room in the queue and the lane stopped, either may be chosen
		j := newJob(t.Context(), nil, false)
		if lane.put(t.Context(), j) != nil {
			continue
		}
		queued++
		if err := j.wait(); fault.Of(err) != fault.Unavailable {
			t.Fatalf("a forgotten job ends with %v", err)
		}
	}
	if queued == 0 {
		t.Error("no job slipped in: nothing was tried")
	}
}

// laborious is a store that needs so long for each of a lane's inputs, and is away to a transaction that needs too long.
type laborious struct {
	store.Store
	each time.Duration
	// weight of the group that comes next.
	weight func() int
}

func (s *laborious) Update(ctx context.Context, _ ref.Tenant, _ func(store.Tx) error) ([]feed.Cursor, error) {
	select {
	case <-time.After(time.Duration(s.weight()) * s.each):
		return nil, nil
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "working")
	}
}

func TestGroupsFitAStoreThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := Default()
		slow := &laborious{each: time.Second}
		config.Store, config.Now, config.Rules = slow, time.Now, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }
		metrics, err := newMetrics(nil)
		if err != nil {
			t.Fatal(err)
		}
		l := newLane(&config, metrics, "t")
		slow.weight = func() int { return min(64, l.most) } // 64 inputs, halved as often as it takes
		try := func() (committed bool) {
			j := newJob(t.Context(), make([]decision.Input, 64), false)
			l.commit([]*job{j})
			return j.wait() == nil
		}
		if try() {
			t.Fatal("64 seconds fit into a transaction of 30: nothing is tried")
		}
		try()
		if !try() {
			t.Fatal("the same again and again is not made smaller")
		}
		if l.most > 4 {
			t.Errorf("groups of %d take %d s", l.most, l.most)
		}
		slow.each = time.Millisecond
		for range 16 {
			if !try() {
				t.Fatal("a fast store refuses")
			}
		}
		if l.most != config.MaxInputs {
			t.Errorf("groups stay at %d when the store is fast again", l.most)
		}
	})
}
