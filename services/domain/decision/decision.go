// Package decision is the whole judgement of one input, still pure: fold, judge, life, and what is to be written.
package decision

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
)

// Decision is everything that one input makes true. The store writes all of it or nothing.
type Decision struct {
	// Records are new resource versions; a version above 1 replaces the one before as the current one.
	Records []record.Record
	// Aliases are new names of patients.
	Aliases []record.Alias
	// Keys are idempotency keys used.
	Keys []record.Key
	// Unions are patients who turned out to be one. They are applied in order after all else of the commit: whatever is
	// kept under the one is kept under the other from then on.
	Unions []Union
	// Superseded are resources all of whose earlier facts no longer count. It is applied before Facts are added.
	Superseded []ref.Resource
	// Facts to add, by episode.
	Facts []Fact
	// Episodes are new states. When several decisions of one commit hold the same episode the last one counts.
	Episodes []*episode.State
	// Alerts to insert or replace, whole. When several hold the same id the last one counts.
	Alerts []alert.Alert
	// Told are counts of alerts as they stand afterwards. When several hold the same ration the last one counts.
	Told []alert.Told
	// Events to number and append, in order.
	Events []feed.Draft
	// Subscriptions to insert or replace, whole. When several hold the same id the last one counts.
	Subscriptions []subscription.Subscription
	// Muted says that it was made of a back-fill: what was found is recorded and not raised, but for safety findings.
	Muted bool
}

// Empty says whether there is nothing to write.
func (d *Decision) Empty() bool {
	return len(d.Records) == 0 && len(d.Aliases) == 0 && len(d.Keys) == 0 && len(d.Unions) == 0 && len(d.Superseded) == 0 &&
		len(d.Facts) == 0 && len(d.Episodes) == 0 && len(d.Alerts) == 0 && len(d.Told) == 0 && len(d.Events) == 0 &&
		len(d.Subscriptions) == 0
}

// Union says that two patients are one.
type Union struct {
	// From is the one who is no longer used, Into the one who is used instead.
	From, Into ref.Patient
}

// Fact is a fact with the episode it belongs to.
type Fact struct {
	Episode ref.Episode
	fact.Fact
}

// Submission is one resource or Bundle as a door received it.
type Submission struct {
	// Tenant it is for.
	Tenant ref.Tenant
	// Source sent it.
	Source ref.Source
	// Key is the caller's idempotency key; empty when there is none.
	Key string
	// Body is the FHIR JSON as received.
	Body []byte
	// Type, when not empty, is the resourceType that the door demands.
	Type string
	// Bases are the absolute URLs below which an id is the source's own; a reference below any other leads to another server. None
	// leaves that to what is known of the source.
	Bases []string
	// Creates says that the resource is to be created, and so are those entries of a Bundle whose request is a POST: whatever id
	// it has is not its own here, and nothing that is stored can be changed by it.
	Creates bool
	// Place is where a single resource is to be kept; the zero one leaves that to what it says itself.
	Place Place
	// Places are those of the entries of a Bundle, by entry; nil leaves all to what they say themselves.
	Places []Place
	// Gone are resources to delete, in the same commit as all else. With none else Body is empty.
	Gone []ref.Resource
	// BackFill says that it brings what lies back: what is found because of it is recorded and not raised, but for safety
	// findings.
	BackFill bool
}

// Place is where a resource is kept, for who addresses it as Rapport does and not as its source does. What it says of its
// own version does not count then.
type Place struct {
	// ID in Rapport; empty for no place.
	ID string
	// Source that it is of, and its logical id there.
	Source   ref.Source
	SourceID string
	// Given is the id in its source for an entry of a Bundle that gets one here; for a Bundle that was made from another one, so
	// that a replay of that is known. It counts without an ID.
	Given string
}

// Receipt is the answer to one submission.
type Receipt struct {
	// Outcome is how it ended.
	Outcome record.Outcome
	// Resource stored, or found unchanged.
	Resource ref.Resource
	// Received is when the stored version came in; zero when rejected or not known without reading it.
	Received time.Time
	// Patient it is about; empty for none.
	Patient ref.Patient
	// Issues say why, and what to know.
	Issues []fault.Issue
	// Kind of the fault when rejected.
	Kind fault.Kind
	// Entries hold one receipt per entry of a Bundle.
	Entries []Receipt
	// TenantSeq is the number of the tenant's last event of the commit; 0 when nothing was written.
	TenantSeq int64
	// Opened and Retracted count the alerts of which it was the last cause. They are counted only of what is judged Again.
	Opened, Retracted int
}

// Tally counts, for inputs that were judged together, the alerts that their decisions open and take back, each with the
// input that it stems from; where that is none of them, with the last.
func Tally(receipts []Receipt, made []*Decision) {
	if len(receipts) == 0 {
		return
	}
	for _, d := range made {
		for _, a := range d.Alerts {
			of := &receipts[len(receipts)-1]
			for n := range receipts {
				if stemsFrom(a, receipts[n].Resource) {
					of = &receipts[n]
				}
			}
			switch a.Status {
			case alert.Open:
				of.Opened += opened(a)
			case alert.Retracted:
				of.Retracted++
			}
		}
	}
}

func stemsFrom(a alert.Alert, r ref.Resource) bool {
	return len(a.Sources) > 0 && a.Sources[len(a.Sources)-1].Unversioned() == r.Unversioned()
}

// opened is 1 for an alert that was just opened, and 0 for one that stays so.
func opened(a alert.Alert) int {
	if len(a.History) == 1 {
		return 1
	}
	return 0
}
