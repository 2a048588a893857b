package wire

import (
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

var alertStatuses = map[alert.Status]rapportv1.AlertStatus{
	alert.Open:         rapportv1.AlertStatus_ALERT_STATUS_OPEN,
	alert.Acknowledged: rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED,
	alert.Resolved:     rapportv1.AlertStatus_ALERT_STATUS_RESOLVED,
	alert.Retracted:    rapportv1.AlertStatus_ALERT_STATUS_RETRACTED,
	alert.Suppressed:   rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED,
}

// AlertStatus reads a status from protobuf; ok is false for one that is none.
func AlertStatus(s rapportv1.AlertStatus) (alert.Status, bool) {
	for domain, known := range alertStatuses {
		if known == s {
			return domain, true
		}
	}
	return "", false
}

var severities = map[judge.Severity]rapportv1.Severity{
	judge.Info:     rapportv1.Severity_SEVERITY_INFO,
	judge.Moderate: rapportv1.Severity_SEVERITY_MODERATE,
	judge.High:     rapportv1.Severity_SEVERITY_HIGH,
	judge.Critical: rapportv1.Severity_SEVERITY_CRITICAL,
}

// Alert in protobuf.
func Alert(a alert.Alert) *rapportv1.Alert {
	out := &rapportv1.Alert{
		Id: a.ID, Version: a.Version, Status: alertStatuses[a.Status], Severity: severities[a.Severity],
		Rule: a.Rule, RuleVersion: a.RuleVersion, Patient: a.Patient.Reference(), Episode: string(a.Episode),
		Title: a.Title, Seen: a.Seen, Question: a.Question, Phrase: a.Phrase, Evidence: a.Evidence,
		Roles: a.Roles, Facts: a.Facts, Effective: stamp(a.Effective), Opened: stamp(a.Opened),
		SuppressedBecause: a.SuppressedBecause,
	}
	for _, f := range a.Feeds {
		out.Feeds = append(out.Feeds, string(f))
	}
	for _, s := range a.Sources {
		out.Sources = append(out.Sources, s.String())
	}
	for _, n := range a.Numbers {
		out.Numbers = append(out.Numbers, &rapportv1.Number{
			Name: n.Name, Value: n.Value, Reference: n.Reference, Unit: n.Unit, Unconfirmed: n.Unconfirmed,
		})
	}
	for _, s := range a.History {
		out.History = append(out.History, alertStep(s))
	}
	return out
}

func alertStep(s alert.Step) *rapportv1.AlertStep {
	return &rapportv1.AlertStep{
		Version: s.Version, Status: alertStatuses[s.Status], Time: stamp(s.Time), Actor: s.Actor, Reason: s.Reason, Key: s.Key,
	}
}

// Event in protobuf. Its data was written in the JSON form of the same messages.
func Event(e feed.Event) (*rapportv1.Event, error) {
	out := &rapportv1.Event{
		Feed: string(e.Feed), Seq: e.Seq, TenantSeq: e.TenantSeq, Id: e.ID, Type: string(e.Type), Time: stamp(e.Time), Subject: e.Subject,
	}
	switch e.Type {
	case feed.Recorded, feed.Elapsed:
		m := &rapportv1.Recorded{}
		out.Data = &rapportv1.Event_Recorded{Recorded: m}
		return out, readData(e, m)
	default:
		m := &rapportv1.Alert{}
		out.Data = &rapportv1.Event_Alert{Alert: m}
		return out, readData(e, m)
	}
}

func readData(e feed.Event, into proto.Message) error {
	err := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(e.Data, into)
	return fault.Wrap(fault.Internal, err, "reading the data of event "+e.ID)
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
