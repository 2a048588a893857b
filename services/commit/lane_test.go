package commit

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
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
