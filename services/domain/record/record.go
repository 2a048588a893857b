// Package record is one version of one resource as it was received: its identity, what it can be found by, and its raw bytes.
package record

import (
	"hash/fnv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Outcome is how a submission ended: exactly one of four.
type Outcome uint8

// The outcomes of law 2.
const (
	// Scored: stored, and at least one fact was taken from it.
	Scored Outcome = iota + 1
	// Stored: stored, but no fact could be taken from it; the issues say why.
	Stored
	// Unchanged: a replay; nothing was written.
	Unchanged
	// Rejected: nothing was written; the issues say why.
	Rejected
	// Gone: the resource was deleted, and this version of it, which has no body, says so. Only a deletion ends so.
	Gone
)

// String is the outcome in words.
func (o Outcome) String() string {
	switch o {
	case Scored:
		return "scored"
	case Stored:
		return "stored"
	case Unchanged:
		return "unchanged"
	case Rejected:
		return "rejected"
	case Gone:
		return "gone"
	default:
		return "unknown"
	}
}

// Record is one version of one resource.
type Record struct {
	// Resource is its identity in Rapport, with version.
	ref.Resource
	// Source sent it; `rapport` made it when it is a stub.
	Source ref.Source
	// SourceID is its logical id there; empty when it had none.
	SourceID string
	// SourceVersion is its meta.versionId there, else its meta.lastUpdated; empty when it had neither.
	SourceVersion string
	// Hash is the SHA-256 of its content: the body without insignificant white space, meta.versionId and meta.lastUpdated.
	Hash [32]byte
	// Patient it is about; empty for resources about none.
	Patient ref.Patient
	// Codes it can be found by, as `system|code`.
	Codes []string
	// From and To bound its effective time (whole interval of the written precision, To exclusive); zero when it has none.
	From, To time.Time
	// Raw is the body as received.
	Raw []byte
	// Received is when it came in.
	Received time.Time
	// Outcome is Scored or Stored.
	Outcome Outcome
	// Issues are what was found wrong with it, and why it was not used.
	Issues []fault.Issue
	// Stub marks a Patient that was only referred to so far.
	Stub bool
	// Marks are further places in the index of searches by which it can be found. They are written and never read back.
	Marks []Mark
	// Sieve has bits of what it belongs to, such as its category; 0 when that was not looked at. It is written and never read
	// back.
	Sieve int64
	// Seq is the number of the tenant's last event of the commit that stored it; the store sets it. What was stored before
	// versions were numbered so has one below 1, and still later ones are greater.
	Seq int64
}

// Mark is one entry of the index of searches: what bears the Key is found under it in the order of At. It is a hint:
// what is found is looked at again, so a mark that no longer holds does no harm.
type Mark struct {
	// Key as SearchKey makes it.
	Key int64
	// At orders what bears the key, newest first; zero stands for the From of the record.
	At time.Time
}

// SearchKey is a number for one value of one search parameter of a type. Two values may share one.
func SearchKey(typ, param, value string) int64 {
	h := fnv.New64a()
	for _, part := range [3]string{typ, param, value} {
		_, _ = h.Write([]byte(part)) // A hash never fails.
		_, _ = h.Write([]byte{0})
	}
	return int64(h.Sum64())
}

// Gone says that it is a deletion.
func (r Record) Gone() bool { return r.Outcome == Gone }

// Head is what is known of the current version without reading its body.
type Head struct {
	ref.Resource
	// Source sent it.
	Source ref.Source
	// SourceID is its logical id there.
	SourceID string
	// SourceVersion is its meta.versionId there, else its meta.lastUpdated.
	SourceVersion string
	// Hash of its content.
	Hash [32]byte
	// Patient it is about.
	Patient ref.Patient
	// Outcome it had.
	Outcome Outcome
	// Issues it had.
	Issues []fault.Issue
	// Stub marks a Patient that was only referred to so far.
	Stub bool
}

// Gone says that the current version is a deletion.
func (h Head) Gone() bool { return h.Outcome == Gone }

// Head of the record.
func (r Record) Head() Head {
	return Head{r.Resource, r.Source, r.SourceID, r.SourceVersion, r.Hash, r.Patient, r.Outcome, r.Issues, r.Stub}
}

// Alias is another name of a patient: `Patient/id` of a Patient resource that is another patient's,
// or `system|value` of an identifier. A later alias of the same name replaces the earlier one.
type Alias struct {
	// Name is the other name.
	Name string
	// Patient it leads to.
	Patient ref.Patient
	// Source whose Patient resource says so; empty while the name was only referred to.
	Source ref.Source
}

// Key is a caller's idempotency key.
type Key struct {
	// Source and Name together are the key.
	Source ref.Source
	Name   string
	// Hash of the body it came with.
	Hash [32]byte
	// Resource that was stored.
	Resource ref.Resource
}

// Query selects current records of one type, deletions left out. Zero fields do not select.
type Query struct {
	// Type is the FHIR type; required unless Unused.
	Type string
	// Patient the records are about.
	Patient ref.Patient
	// Codes, any of which matches: `system|code`, or `|code` for a code of any system.
	Codes []string
	// Key is a mark that they bear; 0 does not select. It is not used with Patient or Codes.
	Key int64
	// Sieves are sets of bits, of each of which a match has one at least. They are hints: what has one need not be a match,
	// and what was stored without a sieve has all.
	Sieves []int64
	// Until leaves out what was stored after the event of that number; nil leaves nothing out.
	Until *int64
	// Dates, all of which must hold.
	Dates []DateBound
	// Unused selects records of any type from which no fact could be taken.
	Unused bool
	// After is the last record of the previous page.
	After Place
	// Max is the page size, at least 1.
	Max int
	// MaxBytes ends the page once its bodies hold so many bytes together, after one record at least; 0 does not.
	MaxBytes int
}

// Place orders a search: newest effective time first (records without one last), then type and id.
type Place struct {
	From     time.Time
	Resource ref.Resource
}

// DateBound is one date condition over the interval [From, To) of a record.
type DateBound struct {
	// Op is a FHIR prefix: eq ne gt lt ge le sa eb.
	Op string
	// From and To bound the interval given by the searcher's own precision, To exclusive.
	From, To time.Time
}

// Past selects versions of the resources of one type, newest first: by falling Seq, then by ID and falling Version.
type Past struct {
	// Type is required.
	Type string
	// ID of one resource; empty for all of the type.
	ID string
	// Since leaves out what was received before; zero leaves nothing out.
	Since time.Time
	// Patients leaves out what is about somebody else; what is about nobody stays. None leaves nothing out.
	Patients []ref.Patient
	// Unshown says that what is found is not shown: each version is read by itself, and by the right to it, before it is.
	Unshown bool
	// Above and Upto bound Seq: above the first, and not above the second; nil does not bound.
	Above, Upto *int64
	// After is the last version of the previous page; zero for the first page.
	After Kept
	// Max is the page size, at least 1.
	Max int
}

// Kept is one version of a resource with its number.
type Kept struct {
	ref.Resource
	// Seq as in Record.
	Seq int64
	// Current says whether it is the newest version.
	Current bool
}

// Marked is where a mark leads: to the id of a record that bore it, and the place it had then.
type Marked struct {
	At time.Time
	ID string
}
