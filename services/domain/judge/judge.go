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

// Wording is what the clinician reads. It holds no name and no free text of a patient.
type Wording struct {
	// Seen is what was seen, with its numbers.
	Seen string
	// Question is one question to ask.
	Question string
	// Phrase is one validating phrase.
	Phrase string
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
	// Evidence is the citation, or `service design`.
	Evidence string
	// When is the condition.
	When Condition
	// Group tells findings of the same rule apart, such as by dyad; nil means one group per episode.
	Group func(View) (string, error)
	// Describe gives the wording and the numbers.
	Describe func(View) (Wording, []Number, error)
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
	// Err is set when the rule itself failed: then this finding says so, with severity High, and nothing about
	// the patient. It holds no patient data.
	Err error
}
