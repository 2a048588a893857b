package alert

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Event is the alert as a feed event. It carries references, codes and the rule's own words: no names, and no comments. A
// feed does not know who reads it, so where a clinician's rating lies behind the alert, neither the numbers nor what was
// seen stand in it; and the feeds of care partners hold the text that is meant for them and nothing else.
func (a Alert) Event(typ feed.Type, at time.Time) feed.Draft {
	d := feed.Draft{
		Feeds:   a.Feeds,
		ID:      ref.Digest("event", a.ID, strconv.FormatInt(a.Version, 10)),
		Type:    typ,
		Time:    at,
		Subject: a.Patient.Reference(),
		Data:    a.ForFeed().In(a.Language).proto(),
	}
	if slices.ContainsFunc(a.Feeds, feed.Name.ForPartner) {
		d.Partner = a.ForPartners().In(a.Language).proto()
	}
	return d
}

// message is the protojson form of rapport.v1.Alert; a test in the wire room holds the two together.
type message struct {
	ID                string             `json:"id"`
	Version           int64              `json:"version,string"`
	Status            string             `json:"status"`
	Severity          string             `json:"severity"`
	Rule              string             `json:"rule,omitempty"`
	RuleVersion       string             `json:"ruleVersion,omitempty"`
	Patient           string             `json:"patient"`
	Episode           string             `json:"episode"`
	Title             string             `json:"title,omitempty"`
	Seen              string             `json:"seen,omitempty"`
	Question          string             `json:"question,omitempty"`
	Phrase            string             `json:"phrase,omitempty"`
	Evidence          string             `json:"evidence,omitempty"`
	Roles             []string           `json:"roles,omitempty"`
	Feeds             []feed.Name        `json:"feeds,omitempty"`
	Facts             []string           `json:"facts,omitempty"`
	Sources           []ref.Resource     `json:"sources,omitempty"`
	Numbers           json.RawMessage    `json:"numbers,omitempty"`
	Effective         string             `json:"effective,omitempty"`
	Opened            string             `json:"opened,omitempty"`
	SuppressedBecause string             `json:"suppressedBecause,omitempty"`
	History           []messageStep      `json:"history,omitempty"`
	Recipients        []messageRecipient `json:"recipients,omitempty"`
	Routed            Reason             `json:"routed,omitempty"`
	Assignee          string             `json:"assignee,omitempty"`
	Due               string             `json:"due,omitempty"`
	WaitingBecause    Because            `json:"waitingBecause,omitempty"`
	Rung              int                `json:"rung,omitempty"`
	AwaitedRoles      []string           `json:"awaitedRoles,omitempty"`
	Previous          string             `json:"previous,omitempty"`
	AbsorbedBy        string             `json:"absorbedBy,omitempty"`
	Proposal          *judge.Proposal    `json:"proposal,omitempty"`
	Language          string             `json:"language,omitempty"`
	Languages         []string           `json:"languages,omitempty"`
	Withheld          bool               `json:"withheld,omitempty"`
}

type messageStep struct {
	Version int64  `json:"version,string"`
	Status  string `json:"status"`
	Time    string `json:"time"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason,omitempty"`
	Key     string `json:"key,omitempty"`
	Verb    Verb   `json:"verb,omitempty"`
	Role    string `json:"role,omitempty"`
	Until   string `json:"until,omitempty"`
	To      string `json:"to,omitempty"`
	Verdict string `json:"verdict,omitempty"`
}

type messageRecipient struct {
	Person string       `json:"person"`
	Role   string       `json:"role"`
	Team   ref.CareTeam `json:"team,omitempty"`
	Reason Reason       `json:"reason,omitempty"`
}

// ProtoStatus is the name of the status in rapport.v1.AlertStatus.
func (s Status) ProtoStatus() string { return protoStatus[s] }

var protoStatus = map[Status]string{
	Waiting: "ALERT_STATUS_WAITING", Snoozed: "ALERT_STATUS_SNOOZED",
	Open: "ALERT_STATUS_OPEN", Acknowledged: "ALERT_STATUS_ACKNOWLEDGED", Resolved: "ALERT_STATUS_RESOLVED",
	Retracted: "ALERT_STATUS_RETRACTED", Suppressed: "ALERT_STATUS_SUPPRESSED",
}

// ProtoVerdict is the name of the verdict in rapport.v1.FeedbackVerdict; empty when there is none.
func (v Verdict) ProtoVerdict() string { return protoVerdict[v] }

var protoVerdict = map[Verdict]string{
	Useful: "FEEDBACK_VERDICT_USEFUL", NotUseful: "FEEDBACK_VERDICT_NOT_USEFUL", AlreadyKnown: "FEEDBACK_VERDICT_ALREADY_KNOWN",
}

var protoSeverity = [...]string{
	"SEVERITY_UNSPECIFIED", "SEVERITY_INFO", "SEVERITY_MODERATE", "SEVERITY_HIGH", "SEVERITY_CRITICAL",
}

func (s Sight) proto() json.RawMessage {
	m := message{
		ID: s.ID, Version: s.Version, Status: s.Status.ProtoStatus(), Severity: protoSeverity[s.Severity],
		Rule: s.Rule, RuleVersion: s.RuleVersion, Patient: s.Patient.Reference(), Episode: string(s.Episode),
		Title: s.Title, Seen: s.Seen, Question: s.Question, Phrase: s.Phrase, Evidence: s.Evidence,
		Roles: s.Roles, Feeds: s.Feeds, Facts: s.Facts, Sources: s.Sources,
		Effective: stamp(s.Effective), Opened: stamp(s.Opened), SuppressedBecause: s.SuppressedBecause,
		Routed: s.Routed, Assignee: s.Assignee, Due: stamp(s.Due), WaitingBecause: s.WaitingBecause, Rung: s.Rung,
		AwaitedRoles: s.Missing(), Previous: s.Follows, AbsorbedBy: s.SuppressedBy, Proposal: s.Proposal,
		Language: s.Language, Languages: s.Languages(), Withheld: s.Withheld,
	}
	if len(s.Numbers) > 0 {
		m.Numbers, _ = json.Marshal(s.Numbers)
	}
	for _, r := range s.Recipients {
		m.Recipients = append(m.Recipients, messageRecipient(r))
	}
	for _, step := range s.History {
		m.History = append(m.History, step.message())
	}
	data, _ := json.Marshal(m) // plain strings and finite numbers only: it cannot fail
	return data
}

func (s Step) message() messageStep {
	return messageStep{
		Version: s.Version, Status: s.Status.ProtoStatus(), Time: stamp(s.Time), Actor: s.Actor, Reason: s.Reason, Key: s.Key,
		Verb: s.Verb, Role: s.Role, Until: stamp(s.Until), To: s.To, Verdict: s.Verdict.ProtoVerdict(),
	}
}

// stamp is a moment as protojson writes it; empty when there is none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
