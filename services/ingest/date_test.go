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

func TestACriticalAnswerOfAFormDatedAheadIsJudgedNow(t *testing.T) {
	now, value := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), 14.0
	sent := fact.Scores{
		Instrument: "phq-9", Scores: []fact.Score{{Code: "total", Value: &value, Band: "moderate"}},
		Critical: []fact.Critical{{Item: 9, Value: 2, Severity: "safety"}},
	}
	in := decision.Input{
		Record: record.Record{Resource: ref.Resource{Type: "QuestionnaireResponse"}, Received: now},
		Facts:  []fact.Fact{{Kind: fact.KindScores, At: now.AddDate(4, 0, 0), Scores: &sent}},
	}
	(&Ingest{}).date(&in)
	want := []fact.Fact{{Kind: fact.KindScores, At: now, Scores: &fact.Scores{
		Instrument: "phq-9", Scores: []fact.Score{{Code: "total", NotScorable: misdated}}, Critical: sent.Critical,
	}}}
	if diff := cmp.Diff(want, in.Facts); diff != "" || len(in.Record.Issues) != 1 {
		t.Errorf("issues %v (-want +got):\n%s", in.Record.Issues, diff)
	}
	if sent.Scores[0].Value == nil {
		t.Error("what was read has been written to")
	}
}
