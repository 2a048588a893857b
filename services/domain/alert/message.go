package alert

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Event is the alert as a feed event. It carries references, codes and the rule's own words, no names; and where a
// clinician's rating lies behind it, neither numbers nor what was seen, as a feed does not know who reads it.
func (a Alert) Event(typ feed.Type, at time.Time) feed.Draft {
	return feed.Draft{
		Feeds:   a.Feeds,
		ID:      ref.Digest("event", a.ID, strconv.FormatInt(a.Version, 10)),
		Type:    typ,
		Time:    at,
		Subject: a.Patient.Reference(),
		Data:    a.proto(),
	}
}

// message is the protojson form of rapport.v1.Alert; a test in the wire room holds the two together.
type message struct {
	ID                string          `json:"id"`
	Version           int64           `json:"version,string"`
	Status            string          `json:"status"`
	Severity          string          `json:"severity"`
	Rule              string          `json:"rule"`
	RuleVersion       string          `json:"ruleVersion,omitempty"`
	Patient           string          `json:"patient"`
	Episode           string          `json:"episode"`
	Title             string          `json:"title"`
	Seen              string          `json:"seen,omitempty"`
	Question          string          `json:"question,omitempty"`
	Phrase            string          `json:"phrase,omitempty"`
	Evidence          string          `json:"evidence,omitempty"`
	Roles             []string        `json:"roles,omitempty"`
	Feeds             []feed.Name     `json:"feeds,omitempty"`
	Facts             []string        `json:"facts,omitempty"`
	Sources           []ref.Resource  `json:"sources,omitempty"`
	Numbers           json.RawMessage `json:"numbers,omitempty"`
	Effective         string          `json:"effective"`
	Opened            string          `json:"opened"`
	SuppressedBecause string          `json:"suppressedBecause,omitempty"`
	History           []messageStep   `json:"history,omitempty"`
}

type messageStep struct {
	Version int64  `json:"version,string"`
	Status  string `json:"status"`
	Time    string `json:"time"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason,omitempty"`
	Key     string `json:"key,omitempty"`
}

// ProtoStatus is the name of the status in rapport.v1.AlertStatus.
func (s Status) ProtoStatus() string { return protoStatus[s] }

var protoStatus = map[Status]string{
	Waiting: "ALERT_STATUS_WAITING", Snoozed: "ALERT_STATUS_SNOOZED",
	Open: "ALERT_STATUS_OPEN", Acknowledged: "ALERT_STATUS_ACKNOWLEDGED", Resolved: "ALERT_STATUS_RESOLVED",
	Retracted: "ALERT_STATUS_RETRACTED", Suppressed: "ALERT_STATUS_SUPPRESSED",
}

var protoSeverity = [...]string{
	"SEVERITY_UNSPECIFIED", "SEVERITY_INFO", "SEVERITY_MODERATE", "SEVERITY_HIGH", "SEVERITY_CRITICAL",
}

func (a Alert) proto() json.RawMessage {
	m := message{
		ID: a.ID, Version: a.Version, Status: a.Status.ProtoStatus(), Severity: protoSeverity[a.Severity],
		Rule: a.Rule, RuleVersion: a.RuleVersion, Patient: a.Patient.Reference(), Episode: string(a.Episode),
		Title: a.Title, Seen: a.Seen, Question: a.Question, Phrase: a.Phrase, Evidence: a.Evidence,
		Roles: a.Roles, Feeds: a.Feeds, Facts: a.Facts, Sources: a.Sources,
		Effective: stamp(a.Effective), Opened: stamp(a.Opened), SuppressedBecause: a.SuppressedBecause,
	}
	if a.Rated != "" {
		m.Seen = a.Withheld
	} else if len(a.Numbers) > 0 {
		m.Numbers, _ = json.Marshal(a.Numbers)
	}
	for _, s := range a.History {
		m.History = append(m.History, messageStep{s.Version, s.Status.ProtoStatus(), stamp(s.Time), s.Actor, s.Reason, s.Key})
	}
	data, _ := json.Marshal(m) // plain strings and finite numbers only: it cannot fail
	return data
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
