package alert

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Verb is what a command asks of an alert.
type Verb string

// The verbs.
const (
	// Acknowledge takes an open alert.
	Acknowledge Verb = "acknowledge"
	// Resolve closes it with a reason.
	Resolve Verb = "resolve"
	// Retract takes it back because its facts were corrected. Only the service itself does this.
	Retract Verb = "retract"
	// Amend notes that its facts were corrected and that it is still true. Only the service itself does this.
	Amend Verb = "amend"
)

// Command asks for one step.
type Command struct {
	// Alert it is for.
	Alert string
	// Verb is what to do.
	Verb Verb
	// Version that the caller has seen.
	Version int64
	// Actor asks: a reference such as `Practitioner/p1`; for Retract and Amend also Service.
	Actor string
	// Reason is a code such as `contacted`; Resolve and Retract need one.
	Reason string
	// Key makes the command idempotent: the same command of the same actor again is answered with the alert as it is.
	Key string
	// At is when, by the injected clock.
	At time.Time
}

// Service is the actor of steps that nobody asked for.
const Service = "rapport"

// transitions is the whole life: what each verb makes of each status. What is not here is refused.
var transitions = map[Verb]map[Status]Status{
	Acknowledge: {Open: Acknowledged},
	Resolve:     {Open: Resolved, Acknowledged: Resolved},
	Retract:     {Open: Retracted, Acknowledged: Retracted, Suppressed: Retracted, Resolved: Retracted},
	Amend:       {Open: Open, Acknowledged: Acknowledged},
}

var eventTypes = map[Verb]feed.Type{
	Acknowledge: feed.Acknowledged,
	Resolve:     feed.Resolved,
	Retract:     feed.Retracted,
	Amend:       feed.Amended,
}

// Lifecycle takes one step: the alert as it becomes, and its event (nil when the command was answered before).
// Errors: Invalid for an incomplete command, Conflict when the version differs or the key was used for another command,
// Precondition when the status forbids it.
func Lifecycle(a Alert, c Command) (Alert, *feed.Draft, error) {
	if err := c.check(); err != nil {
		return a, nil, err
	}
	if step, used := a.keyed(c); used {
		if step.Status != transitions[c.Verb][Open] {
			return a, nil, fault.Newf(fault.Conflict, "duplicate", "the key was used for another command on this alert: use a new one")
		}
		return a, nil, nil
	}
	if c.Version != a.Version {
		return a, nil, fault.Newf(fault.Conflict, "conflict",
			"the alert is at version %d, not %d: read it again and decide again", a.Version, c.Version)
	}
	to, ok := transitions[c.Verb][a.Status]
	if !ok {
		return a, nil, fault.Newf(fault.Precondition, "business-rule", "an alert that is %s cannot be %sd", a.Status, c.Verb)
	}
	next := a.step(to, c)
	event := next.Event(eventTypes[c.Verb], c.At)
	return next, &event, nil
}

// keyed is the step that an actor took under the key of a command; false when there is none.
func (a Alert) keyed(c Command) (Step, bool) {
	for _, step := range a.History {
		if c.Key != "" && step.Key == c.Key && step.Actor == c.Actor {
			return step, true
		}
	}
	return Step{}, false
}

// What goes into the feeds is a reference and a code: free text could name a patient.
var (
	actorForm  = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}$`)
	reasonForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
)

// maxKey is the longest idempotency key, in bytes.
const maxKey = 128

func (c Command) check() error {
	var issues []fault.Issue
	byService := c.Actor == Service && (c.Verb == Retract || c.Verb == Amend)
	if !byService && !actorForm.MatchString(c.Actor) {
		issues = append(issues, fault.Errorf("value", "actor", "say who, as a reference such as Practitioner/p1"))
	}
	if (c.Verb == Resolve || c.Verb == Retract) && !reasonForm.MatchString(c.Reason) {
		issues = append(issues, fault.Errorf("value", "reason",
			"say why, as a code of small letters, digits and hyphens such as contacted or already-known"))
	}
	if len(c.Key) > maxKey {
		issues = append(issues, fault.Errorf("value", "key", "an idempotency key has %d bytes at most", maxKey))
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// step is the alert one version on; the history is copied so that the earlier alert keeps its own.
func (a Alert) step(to Status, c Command) Alert {
	a.Status = to
	a.Version++
	history := make([]Step, len(a.History), len(a.History)+1)
	copy(history, a.History)
	a.History = append(history, Step{a.Version, to, c.At, c.Actor, c.Reason, c.Key})
	return a
}

// Begin is the first step of a finding's life: open, or suppressed for a reason.
func Begin(a Alert, at time.Time, suppressedBecause string) (Alert, feed.Draft) {
	a.Opened = at
	a.SuppressedBecause = suppressedBecause
	to, typ := Open, feed.Opened
	if suppressedBecause != "" {
		to, typ = Suppressed, feed.Suppressed
		a.Feeds = nil
	}
	a = a.step(to, Command{Actor: Service, At: at})
	return a, a.Event(typ, at)
}

// Event is the alert as a feed event. It carries references, codes and the rule's own words, no names.
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
	if len(a.Numbers) > 0 {
		m.Numbers, _ = json.Marshal(a.Numbers)
	}
	for _, s := range a.History {
		m.History = append(m.History, messageStep{s.Version, s.Status.ProtoStatus(), stamp(s.Time), s.Actor, s.Reason, s.Key})
	}
	data, _ := json.Marshal(m) // plain strings and finite numbers only: it cannot fail
	return data
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
