package wire_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/wire"
)

// What one alert costs a server that replays it: from its stored form to the bytes that a watcher gets.
func BenchmarkAnAlertFromStoreToWire(b *testing.B) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	reference := 0.0
	_, draft := alert.Begin(alert.Alert{
		ID: "5d2f1c0f7a", Finding: "5d2f1c0f7a", Severity: judge.Critical, Rule: "phq9-item-9", RuleVersion: "0123456789abcdef",
		Safety: true, Patient: "p-00001", Episode: "p-00001", Title: "PHQ-9 item 9 answered above zero",
		Seen:     "PHQ-9 item 9 (thoughts of death or self-harm) was answered 2 on a scale of 0 to 3. It is an answer on a form, not an assessment of risk: somebody has to speak with the patient.",
		Question: "Have you had thoughts of ending your life, and are you safe right now?",
		Phrase:   "Thank you for answering this honestly. You do not have to carry it alone, and we will look at it together.",
		Evidence: "PHQ-9 item 9 at or above 1 calls for a safety assessment whatever the total",
		Roles:    []string{"psychologist", "physician", "nurse"}, Feeds: []feed.Name{"team:one", "team:two"},
		Facts: []string{"0a1b2c3d4e"}, Sources: []ref.Resource{{Type: "QuestionnaireResponse", ID: "p-00001-phq9-17", Version: 1}},
		Numbers: []judge.Number{{Name: "phq-9 item 9", Value: 2, Reference: &reference}}, Effective: now,
	}, now, "")
	e := feed.Event{Feed: "team:one", Seq: 17, TenantSeq: 4711, ID: draft.ID, Type: draft.Type, Time: now, Subject: draft.Subject, Data: draft.Data}
	b.ReportAllocs()
	b.SetBytes(int64(len(e.Data)))
	for b.Loop() {
		if _, err := wire.FrozenEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}
