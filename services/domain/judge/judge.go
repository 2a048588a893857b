// Package judge applies rules to what a fact changed: rule, before, after and fact in, findings out.
package judge

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Severity of a finding, least urgent first.
type Severity uint8

// The severities.
const (
	Info Severity = iota + 1
	Moderate
	High
	Critical
)

var severityNames = [...]string{"", "info", "moderate", "high", "critical"}

// String is the severity as rules write it.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "unknown"
}

// ParseSeverity reads what String writes; 0 when it is none.
func ParseSeverity(s string) Severity {
	for i, n := range severityNames {
		if i > 0 && n == s {
			return Severity(i)
		}
	}
	return 0
}

// View is what a condition may look at.
type View struct {
	// Before and After are the episode before and after the fact. Neither is nil.
	Before, After *episode.State
	// Fact is what happened.
	Fact *fact.Fact
	// Memo is scratch room for one judgement: what a condition derives from the view it may keep there, so that the
	// next rule need not derive it again. Nil in a view that stands alone.
	Memo *Memo
}

// Memo holds whatever conditions of one kind agree to keep in it.
type Memo struct{ Value any }

// Condition says whether a rule holds. It is pure.
type Condition func(View) (bool, error)

// Number is one value behind a finding.
type Number struct {
	// Name such as `phq-9 total`.
	Name string `json:"name"`
	// Value of it.
	Value float64 `json:"value"`
	// Reference it is compared with; nil when nothing.
	Reference *float64 `json:"reference,omitempty"`
	// Unit such as `%` or `d`; empty for scores.
	Unit string `json:"unit,omitempty"`
	// Unconfirmed says that it rests on a scoring key, band or change statistic that no source that was read confirms.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// Rung is one step of an escalation ladder.
type Rung struct {
	// After is how long after the alert was raised the step is taken.
	After time.Duration `json:"after"`
	// Roles that are told then, beside those told before.
	Roles []string `json:"roles"`
}

// Proposal is a change of plan that the service proposes to the clinician. It is never an order.
type Proposal struct {
	// Modality such as `telephone`, `in-person`, `joint-visit`, `video`; empty when none is proposed.
	Modality string `json:"modality,omitempty"`
	// WithinDays is the interval in which to do it, in days; 0 when none is proposed.
	WithinDays int `json:"withinDays,omitempty"`
	// Text says it in a sentence.
	Text string `json:"text,omitempty"`
}

// Wording is what the clinician reads. It holds no name and no free text of a patient.
type Wording struct {
	// Title in a few words, where it differs from that of the rule.
	Title string `json:"title,omitempty"`
	// Seen is what was seen, with its numbers.
	Seen string `json:"seen,omitempty"`
	// Withheld is what those read instead of Seen who may not see the numbers; empty: the title alone.
	Withheld string `json:"withheld,omitempty"`
	// Partner is what a care partner reads; empty: the finding is not for care partners.
	Partner string `json:"partner,omitempty"`
	// Question is one question to ask.
	Question string `json:"question,omitempty"`
	// Phrase is one validating phrase.
	Phrase string `json:"phrase,omitempty"`
	// Proposal says the rule's proposal in this language; empty: as Proposal.Text says it, or nothing is proposed.
	Proposal string `json:"proposal,omitempty"`
}

// Rule is one thing worth telling.
type Rule struct {
	// ID such as `phq9-item-9`.
	ID string
	// Version is a digest of the rule's content.
	Version string
	// Title in a few words.
	Title string
	// Severity of its findings.
	Severity Severity
	// Roles it addresses, first choice first.
	Roles []string
	// On are the kinds of facts after which it is judged; empty means all.
	On []fact.Kind
	// Constructs narrows KindScores facts to these; empty means all.
	Constructs []string
	// Safety findings bypass all suppression except exact replay.
	Safety bool
	// Each makes the rule fire at every fact for which it holds; otherwise it fires when it begins to hold.
	Each bool
	// CoolDown is how long after a finding the same one is suppressed; 0 is not at all.
	CoolDown time.Duration
	// HoldFor is how long the condition has to go on holding before the finding is told; 0 tells it at once, and a safety
	// finding always is. Whether it goes on holding is asked of every later state, see Holds.
	HoldFor time.Duration
	// Clears is what has to hold for the group, after a finding, before the same may be found again (hysteresis). Nil: it
	// may be found again as soon as the condition ceased to hold. It is asked of the states since, see Cleared.
	Clears Condition
	// Ladder says whom else to tell while nobody acknowledges, soonest first.
	Ladder []Rung
	// AckTimeout is how long an acknowledgement stands without a resolution before the alert is told again; 0 is for ever. As
	// long after its last telling one is told again that nobody has acknowledged, once its ladder is at an end.
	AckTimeout time.Duration
	// EachRole asks an acknowledgement of every role addressed, not of the first who takes it.
	EachRole bool
	// Cause is a code that rules about the same cause share: while an alert of a cause is live for an episode, a lesser or
	// equal one of the same cause is suppressed, and a graver one that comes later takes the place of those that nobody has
	// acknowledged. Findings of two named groups are never of the same cause. Empty: the rule stands for itself.
	Cause string
	// Rated is the reference of the clinician whose rating by the patient lies behind the finding, from whom it is
	// withheld; empty when none does. Nil means none.
	Rated func(View) (string, error)
	// Proposal is what the service proposes; nil when nothing.
	Proposal *Proposal
	// Evidence is the citation, or `service design`.
	Evidence string
	// When is the condition.
	When Condition
	// Group tells findings of the same rule apart, such as by dyad; nil means one group per episode.
	Group func(View) (string, error)
	// Describe gives the wording in the language of the rules and the numbers.
	Describe func(View) (Wording, []Number, error)
	// Translate gives the wording in the further languages the rule is written in, by BCP 47 tag such as `de`. Nil: none.
	Translate func(View) (map[string]Wording, error)
	// Tests are the rule's own: what it must find, and what it must not.
	Tests []Test
}

// Test is a story with the findings expected of one rule.
type Test struct {
	// Name says what the story is about.
	Name string
	// Facts in the order of fact.Key.
	Facts []fact.Fact
	// Findings expected, in order, and no others.
	Findings []Expected
}

// Expected is a finding as a test expects it. Empty fields are not compared.
type Expected struct {
	// Fact is the id of the fact that triggers it.
	Fact string
	// Group within the rule.
	Group string
	// Seen is part of what was seen.
	Seen string
}

// Finding is what a rule concluded.
type Finding struct {
	// ID is stable: the same rule, group and fact give the same id.
	ID string
	// Rule that found it.
	Rule *Rule
	// Group within the rule.
	Group string
	// Fact that triggered it, and the resource version it came from.
	Fact   string
	Source ref.Resource
	// At is when the fact happened.
	At time.Time
	// Wording and Numbers for the clinician.
	Wording Wording
	Numbers []Number
	// Translations of the wording by BCP 47 tag; nil when there are none.
	Translations map[string]Wording
	// Rated is the reference of the clinician whose rating lies behind it; empty when none does.
	Rated string
	// Err is set when the rule itself failed: then this finding says so, with severity High, and nothing about
	// the patient. It holds no patient data.
	Err error
}
