package ingest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestAVisitAheadIsKnownFromNowAndDueThen(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	ahead, past := now.AddDate(0, 0, 10), now.AddDate(0, 0, -10)
	sent := fact.Visit{ID: "Appointment/a", Status: "planned"}
	in := decision.Input{Record: record.Record{Resource: ref.Resource{Type: "Appointment"}, Received: now}, Facts: []fact.Fact{
		{Kind: fact.KindVisit, At: ahead, Visit: &sent},
		{Kind: fact.KindVisit, At: past, Visit: &fact.Visit{ID: "Appointment/b", Status: "attended"}},
	}}
	(&Ingest{}).date(&in)
	want := []fact.Fact{
		{Kind: fact.KindVisit, At: now, Visit: &fact.Visit{ID: "Appointment/a", Status: "planned", Due: ahead}},
		{Kind: fact.KindVisit, At: past, Visit: &fact.Visit{ID: "Appointment/b", Status: "attended"}},
	}
	if diff := cmp.Diff(want, in.Facts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !sent.Due.IsZero() {
		t.Error("what was read has been written to")
	}
}
