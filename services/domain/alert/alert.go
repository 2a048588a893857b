// Package alert is a finding that is being handled: its life cycle as a table of steps, compared and set by version.
package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Status is where an alert stands.
type Status string

// The statuses.
const (
	// Waiting is held back for a while: it opens by itself at Due, or lapses. WaitingBecause says why.
	Waiting Status = "waiting"
	// Open wants somebody.
	Open Status = "open"
	// Acknowledged has somebody who takes care of it.
	Acknowledged Status = "acknowledged"
	// Snoozed was put off by somebody, and wakes at Due.
	Snoozed Status = "snoozed"
	// Resolved was handled.
	Resolved Status = "resolved"
	// Retracted turned out never to have been true.
	Retracted Status = "retracted"
	// Suppressed was found and not told, or gave way to a more urgent one. SuppressedBecause says why.
	Suppressed Status = "suppressed"
)

// Statuses are all of them.
var Statuses = [...]Status{Waiting, Open, Acknowledged, Snoozed, Resolved, Retracted, Suppressed}

// Because is a code that says why an alert waits or is suppressed.
type Because string

// The reasons for which an alert waits.
const (
	// Hold: the condition has to go on holding for a while.
	Hold Because = "hold-for"
	// QuietHours: the roles it is for are not told at this time of day.
	QuietHours Because = "quiet-hours"
	// OverBudget: the roles it is for were told enough today.
	OverBudget Because = "budget"
)

// The reasons for which an alert is suppressed.
const (
	// BackFill: it happened long before it was heard of.
	BackFill Because = "back-fill"
	// Grouped: an alert of the same rule and group is live.
	Grouped Because = "grouped"
	// Asleep: an alert of the same rule and group was put off.
	Asleep Because = "snoozed"
	// CoolDown: an alert of the same rule and group was raised not long ago.
	CoolDown Because = "cool-down"
	// NotCleared: since the last alert of the same rule and group the condition has not receded far enough.
	NotCleared Because = "not-cleared"
	// SameCause: an alert of the same cause, and as urgent at least, is live; or a more urgent one has taken its place.
	SameCause Because = "same-cause"
	// Lapsed: it waited, and meanwhile the condition ceased to hold.
	Lapsed Because = "lapsed"
)

// Suppressions are the reasons for which an alert is suppressed.
var Suppressions = []Because{BackFill, Grouped, Asleep, CoolDown, NotCleared, SameCause, Lapsed}

// Alert is one finding with its life. The JSON names are a stored form: what is absent there was not known yet when the
// alert was written.
type Alert struct {
	// ID is that of the finding, or made from it when the finding comes back after a retraction.
	ID string `json:"id"`
	// Finding is the id of the finding.
	Finding string `json:"finding"`
	// Version counts the steps.
	Version int64 `json:"version"`
	// Status now.
	Status Status `json:"status"`
	// Severity, as judge names it.
	Severity judge.Severity `json:"severity"`
	// Rule and its content version.
	Rule        string `json:"rule"`
	RuleVersion string `json:"ruleVersion"`
	// Group within the rule.
	Group string `json:"group,omitempty"`
	// Cause is a code that rules about the same cause share; empty: the rule stands for itself.
	Cause string `json:"cause,omitempty"`
	// Safety findings are never suppressed and never wait.
	Safety bool `json:"safety,omitempty"`
	// Patient and episode it is about.
	Patient ref.Patient `json:"patient"`
	Episode ref.Episode `json:"episode"`
	// Title, Seen, Question, Phrase, Evidence: the wording.
	Title    string `json:"title"`
	Seen     string `json:"seen"`
	Question string `json:"question,omitempty"`
	Phrase   string `json:"phrase,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	// Withheld is what those read instead of Seen who may not see the numbers; empty: the title alone.
	Withheld string `json:"withheld,omitempty"`
	// Partner is what a care partner reads; empty: it is not for care partners.
	Partner string `json:"partner,omitempty"`
	// Translations of the wording by BCP 47 tag; nil when there are none.
	Translations map[string]judge.Wording `json:"translations,omitempty"`
	// Language is the tag of the one of them that it is told in; empty: that of the rules.
	Language string `json:"language,omitempty"`
	// Rated is the reference of the clinician whose rating by the patient lies behind it; empty when none does.
	Rated string `json:"rated,omitempty"`
	// Proposal is what the service proposes; nil when nothing.
	Proposal *judge.Proposal `json:"proposal,omitempty"`
	// Roles it is meant for: those of the rule, and those that were told since, in the order they were told.
	Roles []string `json:"roles,omitempty"`
	// Recipients are who is told now, in the order of the roles, and Routed says why those.
	Recipients []Recipient `json:"recipients,omitempty"`
	Routed     Reason      `json:"routed,omitempty"`
	// Feeds it was delivered to, those of care partners among them.
	Feeds []feed.Name `json:"feeds,omitempty"`
	// Facts and Sources behind it, the triggering one last.
	Facts   []string       `json:"facts"`
	Sources []ref.Resource `json:"sources,omitempty"`
	// Numbers behind it.
	Numbers []judge.Number `json:"numbers,omitempty"`
	// Effective is when the triggering fact happened.
	Effective time.Time `json:"effective"`
	// Opened is when it was first heard of: raised, held back or suppressed.
	Opened time.Time `json:"opened"`
	// Due is the next moment at which time alone changes it; zero when there is none.
	Due time.Time `json:"due,omitzero"`
	// Since is when it was last told as one that nobody has taken; the ladder counts from then. Zero when never.
	Since time.Time `json:"since,omitzero"`
	// Ladder says whom else to tell while nobody acknowledges, soonest first; Rung is how many steps of it were taken.
	Ladder []judge.Rung `json:"ladder,omitempty"`
	Rung   int          `json:"rung,omitempty"`
	// AckTimeout is how long an acknowledgement stands without a resolution, and after how long it is told again where there is
	// none and no further step of the ladder; 0 is for ever, and never.
	AckTimeout time.Duration `json:"ackTimeout,omitempty"`
	// EachRole are the roles each of which has to acknowledge; nil when the first who does suffices.
	EachRole []string `json:"eachRole,omitempty"`
	// AckedBy are the acknowledgements that stand.
	AckedBy []Ack `json:"ackedBy,omitempty"`
	// Assignee is who has it in hand, as a reference: whoever acknowledged it last, or was handed it; empty when nobody.
	Assignee string `json:"assignee,omitempty"`
	// Follows is the id of the resolved alert of the same rule and group that it is a re-occurrence of; empty when of none.
	Follows string `json:"follows,omitempty"`
	// WaitingBecause says why it waits; empty when it does not.
	WaitingBecause Because `json:"waitingBecause,omitempty"`
	// SuppressedBecause says why it was not raised: a Because, and after a colon what to know.
	SuppressedBecause string `json:"suppressedBecause,omitempty"`
	// SuppressedBy is the id of the alert it gave way to; empty when there is none.
	SuppressedBy string `json:"suppressedBy,omitempty"`
	// History holds every step, oldest first.
	History []Step `json:"history"`
}

// Ack is one acknowledgement.
type Ack struct {
	// Actor who acknowledged, as a reference, and in which Role; empty when not said.
	Actor string `json:"actor"`
	Role  string `json:"role,omitempty"`
	// Time of it.
	Time time.Time `json:"time"`
}

// Verdict is what somebody says of the use of an alert.
type Verdict string

// The verdicts.
const (
	Useful       Verdict = "useful"
	NotUseful    Verdict = "not-useful"
	AlreadyKnown Verdict = "already-known"
)

// Step is one step of an alert's life.
type Step struct {
	Version int64     `json:"version"`
	Status  Status    `json:"status"`
	Time    time.Time `json:"time"`
	// Verb says what was done; empty for the first step, and for steps written by earlier versions.
	Verb Verb `json:"verb,omitempty"`
	// Actor is a reference such as `Practitioner/p1`, or `rapport`.
	Actor string `json:"actor"`
	// Role in which the actor acted; empty when not said.
	Role string `json:"role,omitempty"`
	// Reason is a code; that of a comment is what it remarks.
	Reason string `json:"reason,omitempty"`
	// Text of a comment, at most 2,000 bytes. It may name a patient, so it goes into no feed and no log.
	Text string `json:"text,omitempty"`
	// Verdict of a feedback; empty for other steps.
	Verdict Verdict `json:"verdict,omitempty"`
	// To is whom it was handed to; empty unless it was.
	To string `json:"to,omitempty"`
	// Until is when it wakes; zero unless it was put off.
	Until time.Time `json:"until,omitzero"`
	// Rung is the step of the ladder that was taken, from 1; 0 when none was.
	Rung int `json:"rung,omitempty"`
	// Key is the caller's idempotency key, and Asked a digest of the command it stands for.
	Key   string `json:"key,omitempty"`
	Asked string `json:"asked,omitempty"`
}

// Live says whether it still wants somebody: it was told, and neither resolved nor taken back.
func (a Alert) Live() bool {
	return a.Status == Open || a.Status == Acknowledged || a.Status == Snoozed
}

// Unmuted says whether nothing may hold it back: it is critical, or a safety finding.
func (a Alert) Unmuted() bool { return a.Safety || a.Severity >= judge.Critical }

// Because is the reason for which it waits or is suppressed; empty when neither.
func (a Alert) Because() Because {
	switch a.Status {
	case Waiting:
		return a.WaitingBecause
	case Suppressed:
		code, _, _ := strings.Cut(a.SuppressedBecause, ":")
		return Because(code)
	}
	return ""
}

// Missing are the roles whose acknowledgement is still asked; none unless each role has to acknowledge.
func (a Alert) Missing() []string {
	return slices.DeleteFunc(slices.Clone(a.EachRole), func(role string) bool {
		return slices.ContainsFunc(a.AckedBy, func(k Ack) bool { return k.Role == role })
	})
}

// Query selects alerts. Zero fields do not select.
type Query struct {
	// Patient the alerts are about.
	Patient ref.Patient
	// Statuses, any of which matches.
	Statuses []Status
	// Rule that found them.
	Rule string
	// Cause that their rules share.
	Cause string
	// Because is the reason for which they wait or are suppressed.
	Because Because
	// AtLeast is the least severity.
	AtLeast judge.Severity
	// Role that was asked for.
	Role string
	// Assignee who has them in hand, as a reference.
	Assignee string
	// Recipient who is told of them, as a reference.
	Recipient string
	// From and To bound Effective, To exclusive.
	From, To time.Time
	// After is the last alert of the previous page.
	After Place
	// Max is the page size, at least 1.
	Max int
}

// Place orders a listing: most severe first, then newest Effective, then id.
type Place struct {
	Severity  judge.Severity
	Effective time.Time
	ID        string
}

// Tally is how many alerts there are of a kind.
type Tally struct {
	// Rule that found them, their Status, and the reason for which they wait or are suppressed; empty when neither.
	Rule    string
	Status  Status
	Because Because
	// Count of them, at least 1.
	Count int64
}
