package commit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

func TestADeletionTakesBackWhatFollowedAndIsDoneOnce(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "a", 4, true, now))
	deletion := decision.Deletion(ref.Resource{Type: "QuestionnaireResponse", ID: "a"})
	if r := do(t, g, deletion)[0]; r.Outcome != record.Gone || r.Resource.Version != 2 || r.Patient != "p" || r.TenantSeq == 0 {
		t.Fatalf("%+v", r)
	}
	if a := alertsOf(t, s, "p")[0]; a.Status != alert.Retracted {
		t.Errorf("the alert is %s", a.Status)
	}
	if r := do(t, g, deletion, decision.Deletion(ref.Resource{Type: "Goal", ID: "never"})); r[0].Outcome != record.Unchanged || r[1].Outcome != record.Unchanged {
		t.Errorf("again: %+v", r)
	}
	if r := do(t, g, sheet("p", "a", 4, true, now))[0]; r.Outcome != record.Scored || r.Resource.Version != 3 {
		t.Errorf("brought back: %+v", r)
	}
	echo := sheet("p", "v", 4, false, now)
	echo.Record.SourceVersion = "7"
	do(t, g, echo)
	do(t, g, decision.Deletion(ref.Resource{Type: "QuestionnaireResponse", ID: "v"}))
	if r := do(t, g, echo)[0]; r.Outcome != record.Unchanged || len(r.Issues) == 0 || r.Issues[0].Code != "deleted" {
		t.Errorf("an echo of the version that was deleted: %+v", r)
	}
}

func TestAConditionIsAskedOfTheStateThatIsCommittedTo(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	taken := fault.Newf(fault.Precondition, "conflict", "there is one already")
	var callers sync.WaitGroup
	var stored, refused atomic.Int64
	for n := range 40 {
		callers.Go(func() {
			if n%2 == 0 { // company that asks for nothing
				_, _ = g.Do(context.Background(), tenant, []decision.Input{sheet(fmt.Sprint("q", n), fmt.Sprint("other", n), 1, false, now)}, false)
				return
			}
			in := []decision.Input{sheet("p", fmt.Sprint("r", n), float64(n), false, now)}
			run, err := g.SubmitIf(context.Background(), tenant, in, func(r store.Reader) error {
				records, err := r.Search(record.Query{Type: "QuestionnaireResponse", Patient: "p", Max: 1})
				if err == nil && len(records) > 0 {
					err = taken
				}
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			receipts, err := run.Wait()
			switch {
			case err != nil:
				t.Error(err)
			case receipts[0].Outcome == record.Scored:
				stored.Add(1)
			case receipts[0].Kind == fault.Precondition:
				refused.Add(1)
			}
		})
	}
	callers.Wait()
	if stored.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d stored, %d refused", stored.Load(), refused.Load())
	}
}
