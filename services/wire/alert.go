package wire

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
)

var alertStatuses = map[alert.Status]rapportv1.AlertStatus{
	alert.Open:         rapportv1.AlertStatus_ALERT_STATUS_OPEN,
	alert.Acknowledged: rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED,
	alert.Resolved:     rapportv1.AlertStatus_ALERT_STATUS_RESOLVED,
	alert.Retracted:    rapportv1.AlertStatus_ALERT_STATUS_RETRACTED,
	alert.Suppressed:   rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED,
	alert.Waiting:      rapportv1.AlertStatus_ALERT_STATUS_WAITING,
	alert.Snoozed:      rapportv1.AlertStatus_ALERT_STATUS_SNOOZED,
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

// Severity reads a severity from protobuf: 0 for unspecified; ok is false for one that is none.
func Severity(s rapportv1.Severity) (of judge.Severity, ok bool) {
	for domain, known := range severities {
		if known == s {
			return domain, true
		}
	}
	return 0, s == rapportv1.Severity_SEVERITY_UNSPECIFIED
}

var verdicts = map[alert.Verdict]rapportv1.FeedbackVerdict{
	alert.Useful:       rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_USEFUL,
	alert.NotUseful:    rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_NOT_USEFUL,
	alert.AlreadyKnown: rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_ALREADY_KNOWN,
}

// Feedback reads a verdict from protobuf; empty for one that is none.
func Feedback(v rapportv1.FeedbackVerdict) alert.Verdict {
	for domain, known := range verdicts {
		if known == v {
			return domain
		}
	}
	return ""
}

// Alert in protobuf, as its reader may read it.
func Alert(a alert.Sight) *rapportv1.Alert {
	out := &rapportv1.Alert{
		Id: a.ID, Version: a.Version, Status: alertStatuses[a.Status], Severity: severities[a.Severity],
		Rule: a.Rule, RuleVersion: a.RuleVersion, Patient: a.Patient.Reference(), Episode: string(a.Episode),
		Title: a.Title, Seen: a.Seen, Question: a.Question, Phrase: a.Phrase, Evidence: a.Evidence,
		Roles: a.Roles, Facts: a.Facts, Effective: stamp(a.Effective), Opened: stamp(a.Opened),
		SuppressedBecause: a.SuppressedBecause, Routed: string(a.Routed), Assignee: a.Assignee, Due: stamp(a.Due),
		WaitingBecause: string(a.WaitingBecause), Rung: int32(a.Rung), AwaitedRoles: a.Missing(), Previous: a.Follows,
		AbsorbedBy: a.SuppressedBy, Language: a.Language, Languages: a.Languages(), Withheld: a.Withheld, Rated: a.Rated,
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
	for _, r := range a.Recipients {
		out.Recipients = append(out.Recipients, &rapportv1.Recipient{
			Person: r.Person, Role: r.Role, Team: string(r.Team), Reason: string(r.Reason),
		})
	}
	if p := a.Proposal; p != nil {
		out.Proposal = &rapportv1.Proposal{Modality: p.Modality, WithinDays: int32(p.WithinDays), Text: p.Text}
	}
	return out
}

func alertStep(s alert.Step) *rapportv1.AlertStep {
	return &rapportv1.AlertStep{
		Version: s.Version, Status: alertStatuses[s.Status], Time: stamp(s.Time), Actor: s.Actor, Reason: s.Reason, Key: s.Key,
		Verb: string(s.Verb), Role: s.Role, Until: stamp(s.Until), To: s.To, Text: s.Text, Verdict: verdicts[s.Verdict],
	}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Tallies in protobuf, by rule, status and reason.
func Tallies(of []alert.Tally) []*rapportv1.AlertCount {
	var out []*rapportv1.AlertCount
	for _, t := range of {
		out = append(out, &rapportv1.AlertCount{Rule: t.Rule, Status: alertStatuses[t.Status], Reason: string(t.Because), Count: t.Count})
	}
	slices.SortFunc(out, func(a, b *rapportv1.AlertCount) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
