// Package store is the port to durable memory: what the rooms ask of it. PostgreSQL and SQLite answer it,
// and storetest holds both to the same promises.
package store

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
)

// Store is all that the rooms ask of durable memory. Errors are faults: Unavailable asks the caller to come again,
// Conflict to decide again, Unprocessable says that what was to be written can never be written as it is.
type Store interface {
	// View reads one consistent state of a tenant. The Reader ends with the call.
	View(ctx context.Context, t ref.Tenant, read func(Reader) error) error
	// Update commits all that write decided, with its events, or nothing, and returns the feeds it moved
	// (After is the number of the feed's last event). Writers of one tenant come one after another, across all
	// servers, so what the Tx reads is still true when it commits. After a conflict write runs again with a new
	// Tx, so it touches nothing but its Tx. A write that commits nothing leaves nothing behind.
	Update(ctx context.Context, t ref.Tenant, write func(Tx) error) ([]feed.Cursor, error)
	// Since returns up to max events of a feed after the cursor: in order, without a hole; none when there is none.
	// Behind retention it fails with fault.TooOld, whose Earliest names the earliest cursor that works.
	// A cursor beyond the feed's last event fails with fault.Invalid.
	Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error)
	// Hold waits for a named lease, of which all servers on one database share one, and owns it until the returned
	// context ends: when ctx ends or when the lease is lost.
	Hold(ctx context.Context, lease string) (context.Context, error)
	// Close ends it. Nothing may use it afterwards.
	Close() error
}

// Reader reads one consistent state.
type Reader interface {
	Resources
	Episodes
	Alerts
	Feeds
	Subscriptions
}

// Bundler is a Reader to which each round trip costs something.
type Bundler interface {
	// Together asks in one round trip what the readings ask. What they return is filled in once it has returned, and their
	// errors come from it. Only Heads, Patients, Keys, States and AlertsOf may be asked within.
	Together(readings func() error) error
}

// Together runs readings in one round trip where the Reader can, else one after another.
func Together(r Reader, readings func() error) error {
	if b, ok := r.(Bundler); ok {
		return b.Together(readings)
	}
	return readings()
}

// KnownAs is the patient under whose id all of a patient is kept: a Patient resource may have turned out to be a patient
// who was known by another name already.
func KnownAs(r Reader, patient ref.Patient) (ref.Patient, error) {
	aliases, err := r.Patients([]string{patient.Reference()})
	if alias, ok := aliases[patient.Reference()]; ok {
		return alias.Patient, err
	}
	return patient, err
}

// Resources reads what was received.
type Resources interface {
	// Heads returns the current version of each resource that exists, keyed without version.
	Heads(of []ref.Resource) (map[ref.Resource]record.Head, error)
	// Record returns one version, or the current one when its Version is 0. Errors: NotFound, with the issue code deleted
	// when the current version is a deletion.
	Record(of ref.Resource) (record.Record, error)
	// Records returns what Record would of each, in no order; what it would not find is left out.
	Records(of ...ref.Resource) ([]record.Record, error)
	// Having returns those of the patients about whom there is a current record of a type, in no order.
	Having(typ string, of ...ref.Patient) ([]ref.Patient, error)
	// Search returns a page of current records in the order of record.Place.
	Search(q record.Query) ([]record.Record, error)
	// Marked returns up to max entries of the index of searches under a key, newest first, after the given one. They may no
	// longer hold.
	Marked(key int64, after record.Marked, max int) ([]record.Marked, error)
	// Versions returns a page of versions, deletions among them.
	Versions(p record.Past) ([]record.Kept, error)
	// Types returns the types of which anything was ever stored, in order.
	Types() ([]string, error)
	// PatientsAfter returns up to max ids of patients whom current records of any of the types are about, above the given
	// one, in order.
	PatientsAfter(after ref.Patient, types []string, max int) ([]ref.Patient, error)
	// Patients resolves aliases by name; names that lead nowhere are absent.
	Patients(names []string) (map[string]record.Alias, error)
	// Keys returns the idempotency keys of a source that were used before, by name.
	Keys(source ref.Source, names []string) (map[string]record.Key, error)
}

// Episodes reads facts and what was folded from them.
type Episodes interface {
	// States returns the states that exist.
	States(of []ref.Episode) (map[ref.Episode]*episode.State, error)
	// Facts returns the facts that count (not superseded) of each episode, in the order of fact.Key.
	Facts(of []ref.Episode) (map[ref.Episode][]fact.Fact, error)
	// FactsBy returns a page of the facts that count of one episode. Facts of one microsecond are told apart by their ids.
	FactsBy(of ref.Episode, q fact.Page) ([]fact.Fact, error)
	// TakenFrom returns every fact ever taken from the resources of ref.SourceKeys, whether it counts still or not, by
	// source, version and id.
	TakenFrom(keys ...int64) ([]fact.Taken, error)
	// TakenIn returns every fact of a kind ever taken in an episode, whether it counts still or not, by source, version
	// and id.
	TakenIn(of ref.Episode, kind fact.Kind) ([]fact.Taken, error)
	// FactsAt returns the facts of each episode that counted at a moment, as they were known then: what was heard of
	// later is left out, and what was corrected later stands as it stood. In the order of fact.Key.
	FactsAt(of []ref.Episode, at time.Time) (map[ref.Episode][]fact.Fact, error)
	// Due returns up to max episodes whose deadline is at or before the moment, earliest first.
	Due(at time.Time, max int) ([]ref.Episode, error)
	// EpisodesAfter returns up to max episode ids above the given one, in order.
	EpisodesAfter(after ref.Episode, max int) ([]ref.Episode, error)
}

// Alerts reads alerts.
type Alerts interface {
	// AlertsOf returns every alert of each episode, in the order they were opened.
	AlertsOf(of []ref.Episode) (map[ref.Episode][]alert.Alert, error)
	// Alert returns one. Errors: NotFound.
	Alert(id string) (alert.Alert, error)
	// ListAlerts returns a page in the order of alert.Place.
	ListAlerts(q alert.Query) ([]alert.Alert, error)
	// CountAlerts counts those that a query selects, whatever its After and Max, by rule, status and reason, in that order.
	CountAlerts(q alert.Query) ([]alert.Tally, error)
	// DueAlerts returns up to max alerts that are due at or before the moment: earliest first, of those most severe first, then
	// by id.
	DueAlerts(at time.Time, max int) ([]alert.Due, error)
	// Told returns how many alerts were told of each ration; those of which none was are absent. A ration is forgotten a
	// week after its day.
	Told(of []alert.Ration) (map[alert.Ration]int64, error)
}

// Feeds reads which feeds there are.
type Feeds interface {
	// Extents returns the extent of the named feeds, or of every feed when none is named. Unknown feeds are absent.
	Extents(of ...feed.Name) ([]feed.Extent, error)
}

// Subscriptions reads who wants to be told by FHIR subscription.
type Subscriptions interface {
	// SubscriptionsVersion counts the commits that changed any of them, from 0. In a Tx it holds until the commit.
	SubscriptionsVersion() (int64, error)
	// Subscription returns one, also a deleted one. Errors: NotFound.
	Subscription(id string) (subscription.Subscription, error)
	// ListSubscriptions returns all but the deleted ones, by id.
	ListSubscriptions() ([]subscription.Subscription, error)
}

// Tx is a Reader that may commit once.
type Tx interface {
	Reader
	// Commit writes the decisions, in order, and numbers their events: in the feed All and in each further feed
	// of the event, densely. It is called at most once.
	Commit(decisions ...*decision.Decision) error
}

// Directory lists the tenants that have anything stored. Both engines offer it beside Store.
type Directory interface {
	// Tenants in order.
	Tenants(ctx context.Context) ([]ref.Tenant, error)
}

// Retention forgets old events. Both engines offer it beside Store.
type Retention interface {
	// Trim deletes the events of a tenant committed before the moment, oldest first, in bounded steps,
	// and returns how many. Feed numbers go on where they were.
	Trim(ctx context.Context, t ref.Tenant, before time.Time) (int, error)
}

// Definitions keeps every scoring key that was ever in force here, so that a score can be explained after the file it
// came from is gone, and so that a key is never changed under its version. Both engines offer it beside Store.
type Definitions interface {
	// KeepDefinitions writes those that are not kept yet. When one of them is kept with another hash already, it writes
	// none and returns what is kept of each such one, by id and version.
	KeepDefinitions(ctx context.Context, t ref.Tenant, of []Definition) (contradicted []Definition, err error)
	// KeptDefinition returns one with its body. Errors: NotFound.
	KeptDefinition(ctx context.Context, t ref.Tenant, id, version string) (Definition, error)
}

// Marking enters into the index of searches what was stored before there was one. Both engines offer it beside Store.
type Marking interface {
	// Unmarked returns up to max current records, in the order they were stored, that are still to be marked: those
	// that were stored before the index was there. None are left when it returns none.
	Unmarked(ctx context.Context, t ref.Tenant, max int) ([]record.Record, error)
	// Mark enters the Marks of records that Unmarked returned, and remembers that it is done with all up to the last one.
	Mark(ctx context.Context, t ref.Tenant, of []record.Record) error
}

// Definition is one version of one instrument.
type Definition struct {
	// ID of the instrument, and the Version of its definition.
	ID, Version string
	// Hash of its content.
	Hash string
	// Body is the whole definition as JSON.
	Body []byte
}

// ServerWide is the tenant of definitions that are in force for every tenant of a server.
const ServerWide ref.Tenant = ""

// Deliveries keeps how far each subscription was told, outside of the order in which a tenant's writers come. Both
// engines offer it beside Store.
type Deliveries interface {
	// Deliveries returns what is kept of a tenant's subscriptions, by id; what was never told has nothing kept.
	Deliveries(ctx context.Context, t ref.Tenant) ([]subscription.Delivery, error)
	// KeepDelivery keeps all of a delivery, but never moves Delivered back, together with letters that were given up on.
	KeepDelivery(ctx context.Context, t ref.Tenant, d subscription.Delivery, givenUp ...subscription.Letter) error
	// DeadLetters returns up to max letters above a number, of one subscription, in order.
	DeadLetters(ctx context.Context, t ref.Tenant, id string, after int64, max int) ([]subscription.Letter, error)
	// KeepLetters inserts or replaces letters.
	KeepLetters(ctx context.Context, t ref.Tenant, of ...subscription.Letter) error
	// DropLetters forgets letters of a subscription; those that are not there are none.
	DropLetters(ctx context.Context, t ref.Tenant, id string, seqs ...int64) error
}

// Doorbell tells of commits by other servers on the same database. Both engines offer it beside Store.
type Doorbell interface {
	// Listen calls ring after commits that moved feeds, by any server, until ctx ends: with the tenant, and which feeds came how
	// far (After is the number of the last event). Without feeds it is not known which; for every tenant ("") so once a
	// connection that broke is back. It may ring too often.
	Listen(ctx context.Context, ring func(t ref.Tenant, moved []feed.Cursor)) error
}
