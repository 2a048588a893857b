// Package alert is a finding that is being handled: its life cycle as a table of steps, compared and set by version.
package alert

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Status is where an alert stands.
type Status string

// The statuses.
const (
	Open         Status = "open"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
	Retracted    Status = "retracted"
	Suppressed   Status = "suppressed"
)

// Alert is one finding with its life. The JSON names are a stored form.
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
	// Safety findings are never suppressed.
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
	// Roles it is meant for.
	Roles []string `json:"roles,omitempty"`
	// Feeds it was delivered to.
	Feeds []feed.Name `json:"feeds,omitempty"`
	// Facts and Sources behind it, the triggering one last.
	Facts   []string       `json:"facts"`
	Sources []ref.Resource `json:"sources,omitempty"`
	// Numbers behind it.
	Numbers []judge.Number `json:"numbers,omitempty"`
	// Effective is when the triggering fact happened.
	Effective time.Time `json:"effective"`
	// Opened is when it was raised.
	Opened time.Time `json:"opened"`
	// SuppressedBecause says why it was not raised.
	SuppressedBecause string `json:"suppressedBecause,omitempty"`
	// History holds every step, oldest first.
	History []Step `json:"history"`
}

// Step is one step of an alert's life.
type Step struct {
	Version int64     `json:"version"`
	Status  Status    `json:"status"`
	Time    time.Time `json:"time"`
	// Actor is a reference such as `Practitioner/p1`, or `rapport`.
	Actor string `json:"actor"`
	// Reason is a code.
	Reason string `json:"reason,omitempty"`
	// Key is the caller's idempotency key.
	Key string `json:"key,omitempty"`
}

// Live says whether it still wants somebody.
func (a Alert) Live() bool { return a.Status == Open || a.Status == Acknowledged }

// Query selects alerts. Zero fields do not select.
type Query struct {
	// Patient the alerts are about.
	Patient ref.Patient
	// Statuses, any of which matches.
	Statuses []Status
	// Rule that found them.
	Rule string
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
