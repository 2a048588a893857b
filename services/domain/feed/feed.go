// Package feed is an ordered, gapless log of events for one audience.
package feed

import (
	"encoding/json"
	"regexp"
	"strings"
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

// Partner is the feed of one care partner, by the id of the RelatedPerson: only what was written for care partners.
func Partner(id string) Name { return Name("partner:" + id) }

// subscriptionPrefix begins the name of the feed of a FHIR subscription.
const subscriptionPrefix = "subscription:"

// Subscription is the feed of a FHIR subscription: the events it is told of, by the numbers it is told them under.
func Subscription(id string) Name { return Name(subscriptionPrefix + id) }

// OfSubscription is the id of the subscription whose feed it is; false when it is none's.
func (n Name) OfSubscription() (id string, ok bool) {
	return strings.CutPrefix(string(n), subscriptionPrefix)
}

// Forms says in words what a feed is called.
const Forms = "`all`, `unassigned`, `privacy`, `team:<CareTeam id>` or `partner:<RelatedPerson id>`"

var nameForm = regexp.MustCompile(`^(all|unassigned|privacy|(team|partner|subscription):[A-Za-z0-9\-.]{1,64})$`)

// Valid says whether n can be a feed.
func (n Name) Valid() bool { return nameForm.MatchString(string(n)) }

// ForPartner says whether n is the feed of a care partner.
func (n Name) ForPartner() bool { return strings.HasPrefix(string(n), "partner:") }

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
	// Waiting: an alert was found and is held back for a while; only in All.
	Waiting Type = "alert.waiting"
	// Escalated: nobody acknowledged it in time, and further roles are told.
	Escalated Type = "alert.escalated"
	// Acknowledged: somebody took it.
	Acknowledged Type = "alert.acknowledged"
	// Snoozed: somebody put it off until a moment.
	Snoozed Type = "alert.snoozed"
	// Woken: the moment until which it was put off has come, and it is told again.
	Woken Type = "alert.woken"
	// Paged: it was acknowledged and not resolved in time, and is told again.
	Paged Type = "alert.paged"
	// Reassigned: it was handed to somebody.
	Reassigned Type = "alert.reassigned"
	// Commented: somebody remarked on it.
	Commented Type = "alert.commented"
	// Rated: somebody said whether it was of use.
	Rated Type = "alert.rated"
	// Resolved: it was handled.
	Resolved Type = "alert.resolved"
	// Retracted: it is no longer true.
	Retracted Type = "alert.retracted"
	// Amended: its facts were corrected, and it is still true.
	Amended Type = "alert.amended"
	// Suppressed: it was found but not raised, and then it is only in All; or a more urgent one of the same cause took its
	// place.
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
	// Partner is what stands in place of Data in the feeds of care partners; nil when none of the feeds is one.
	Partner json.RawMessage
}

// DataFor is what stands of it in a feed: in that of a care partner what is meant for one, and nothing when there is none.
func (d Draft) DataFor(n Name) json.RawMessage {
	switch {
	case !n.ForPartner():
		return d.Data
	case d.Partner == nil:
		return json.RawMessage(`{}`)
	}
	return d.Partner
}

// Extent says which events of a feed are kept.
type Extent struct {
	Feed Name
	// First is the number of the oldest event kept; First = Last+1 when none is.
	First int64
	// Last is the number of the newest event; 0 when there was none yet.
	Last int64
}
