// Package feed is an ordered, gapless log of events for one audience.
package feed

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Name of a feed.
type Name string

// The feeds that every tenant has.
const (
	// All is the tenant's own numbering: every event.
	All Name = "all"
	// Unassigned is for alerts of patients without a care team.
	Unassigned Name = "unassigned"
	// Privacy is for the privacy role: each breaking of the glass is told there.
	Privacy Name = "privacy"
)

// Team is the feed of a care team.
func Team(id string) Name { return Name("team:" + id) }

var nameForm = regexp.MustCompile(`^(all|unassigned|privacy|team:[A-Za-z0-9\-.]{1,64})$`)

// Valid says whether n can be a feed.
func (n Name) Valid() bool { return nameForm.MatchString(string(n)) }

// Cursor is a position in a tenant's feed.
type Cursor struct {
	// Tenant whose feed it is.
	Tenant ref.Tenant
	// Feed is its name.
	Feed Name
	// After is the number of the last event handled; 0 is before the first.
	After int64
}

// Type of an event.
type Type string

// The types.
const (
	// Recorded: a submission was stored.
	Recorded Type = "submission.recorded"
	// Opened: an alert was raised.
	Opened Type = "alert.opened"
	// Acknowledged: somebody took it.
	Acknowledged Type = "alert.acknowledged"
	// Resolved: it was handled.
	Resolved Type = "alert.resolved"
	// Retracted: it is no longer true.
	Retracted Type = "alert.retracted"
	// Amended: its facts were corrected, and it is still true.
	Amended Type = "alert.amended"
	// Suppressed: it was found but not raised; only in All.
	Suppressed Type = "alert.suppressed"
	// Elapsed: a deadline passed; only in All.
	Elapsed Type = "deadline.elapsed"
	// BrokenGlass: somebody was shown what a consent or a label keeps from them, and gave a reason.
	BrokenGlass Type = "access.break-glass"
)

// Event is one thing that happened, as it stands in one feed.
type Event struct {
	// Feed it stands in.
	Feed Name
	// Seq is its number in the feed, from 1, without holes.
	Seq int64
	// TenantSeq is its number in All.
	TenantSeq int64
	// ID is stable: the same event has the same id in every feed.
	ID string
	// Type says what happened.
	Type Type
	// Time it was committed, by the injected clock.
	Time time.Time
	// Subject is a patient reference; empty when about none.
	Subject string
	// Data is the JSON form of the proto message rapport.v1.Alert or rapport.v1.Recorded.
	Data json.RawMessage
}

// Draft is an event that has no numbers yet. The store numbers it in the committing transaction.
type Draft struct {
	// Feeds it goes to; All is always among them and need not be named.
	Feeds []Name
	ID    string
	Type  Type
	Time  time.Time
	// Subject is a patient reference.
	Subject string
	// Data is the JSON form of the proto message.
	Data json.RawMessage
}

// Extent says which events of a feed are kept.
type Extent struct {
	Feed Name
	// First is the number of the oldest event kept; First = Last+1 when none is.
	First int64
	// Last is the number of the newest event; 0 when there was none yet.
	Last int64
}
