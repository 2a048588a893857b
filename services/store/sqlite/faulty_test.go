package sqlite_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/storetest"
)

func write(t *testing.T, s store.Store, d *decision.Decision) error {
	t.Helper()
	_, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error { return tx.Commit(d) })
	return err
}

func count(t *testing.T, s store.Store) int {
	t.Helper()
	events, err := s.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All}, 99)
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestAFaultyStoreThatFailsHasDoneNothing(t *testing.T) {
	s := storetest.NewFaulty(open(t), storetest.Once(storetest.Update, 0, storetest.Fails))
	if err := write(t, s, storetest.Submission(1, 1)); fault.Of(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d events were written", n)
	}
	if err := write(t, s, storetest.Submission(1, 1)); err != nil || s.Calls(storetest.Update) != 2 {
		t.Errorf("the second call: %v", err)
	}
}

func TestAFaultyStoreThatHidesHasCommitted(t *testing.T) {
	s := storetest.NewFaulty(open(t), storetest.Once(storetest.Update, 0, storetest.Hides))
	if err := write(t, s, storetest.Submission(1, 1)); fault.Of(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d events were written, want 1", n)
	}
}

func TestAFaultyStoreThatRepeatsRunsWriteTwiceAndCommitsOnce(t *testing.T) {
	s := storetest.NewFaulty(open(t), storetest.Once(storetest.Update, 0, storetest.Repeats))
	runs := 0
	_, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error {
		runs++
		return tx.Commit(storetest.Submission(runs, 9))
	})
	if err != nil || runs != 2 || count(t, s) != 1 {
		t.Errorf("%d runs, %d events, %v", runs, count(t, s), err)
	}
}

func TestAFaultyStoreLosesItsLeases(t *testing.T) {
	s := storetest.NewFaulty(open(t), nil)
	held, err := s.Hold(t.Context(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	s.LoseLeases()
	<-held.Done()
	if _, err := s.Hold(t.Context(), "relay"); err != nil {
		t.Errorf("it cannot be taken again: %v", err)
	}
}

// batch is a commit of n submissions of 50 patients.
func batch(from, n int) []*decision.Decision {
	var ds []*decision.Decision
	for i := range n {
		ds = append(ds, storetest.Submission(from+i, 50))
	}
	return ds
}
