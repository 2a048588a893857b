// Package audit is the record of every access and every refusal, and the chain that shows when one was changed.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Outcome of an access, as FHIR R4 counts it.
type Outcome string

// The outcomes.
const (
	// Done: it was allowed and done.
	Done Outcome = "0"
	// Refused: the caller was not allowed, or asked for what cannot be done.
	Refused Outcome = "4"
	// Failed: the server could not do it.
	Failed Outcome = "8"
)

// Entry is one access. It names people and resources by their references, never by what they say. The JSON names are a
// stored form that is hashed as it is written: a field may be added, none changed.
type Entry struct {
	// Tenant whose data it was; empty for a caller who is not known.
	Tenant ref.Tenant `json:"-"`
	// At is when it began.
	At time.Time `json:"at"`
	// Request is an id of its own, shared by the entries of one call.
	Request string `json:"request"`
	// Door is `grpc` or `http`.
	Door string `json:"door"`
	// Method is what was called: a gRPC method, or an HTTP method and the shape of the path.
	Method string `json:"method"`
	// Action is C, R, U, D or E.
	Action string `json:"action"`
	// Interaction is its code in http://hl7.org/fhir/restful-interaction; empty when it has none.
	Interaction string `json:"interaction,omitempty"`
	// Outcome of it, and the Status that was answered.
	Outcome Outcome `json:"outcome"`
	Status  string  `json:"status"`
	// Client, Person, Role, Purpose and Token say who asked, as far as that is known.
	Client  string `json:"client,omitempty"`
	Person  string `json:"person,omitempty"`
	Role    string `json:"role,omitempty"`
	Purpose string `json:"purpose,omitempty"`
	Token   string `json:"token,omitempty"`
	// Broken is the reason code for which the glass was broken.
	Broken string `json:"broken,omitempty"`
	// Address the call came from.
	Address string `json:"address,omitempty"`
	// Type of resource that was asked for.
	Type string `json:"type,omitempty"`
	// Patients whose data was touched.
	Patients []ref.Patient `json:"patients,omitempty"`
	// Things touched, as Type/id.
	Things []string `json:"things,omitempty"`
	// Query is the request as it was sent, for searches. It may hold names, so it never leaves the database but to those
	// who may read the audit.
	Query string `json:"query,omitempty"`
}

// Hash of a record covers it and, through Prev, all before it.
type Hash [sha256.Size]byte

// String is the hash in hex.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// Head is the end of a tenant's chain.
type Head struct {
	Tenant ref.Tenant
	// Seq of its last record; 0 when there is none.
	Seq  int64
	Hash Hash
}

// Record is an entry in its place in the chain of its tenant.
type Record struct {
	Tenant ref.Tenant
	// Seq is its number, from 1, without holes.
	Seq int64
	At  time.Time
	// Data is the entry as JSON, as it was hashed.
	Data []byte
	Hash Hash
}

// Seal puts an entry behind the head of its tenant's chain, and returns the new head with it. Errors: Internal when the
// entry cannot be written as JSON.
func Seal(head Head, e Entry) (Head, Record, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return head, Record{}, fault.Wrap(fault.Internal, err, "writing an audit entry")
	}
	r := Record{Tenant: head.Tenant, Seq: head.Seq + 1, At: e.At, Data: data}
	r.Hash = r.sum(head.Hash)
	return Head{head.Tenant, r.Seq, r.Hash}, r, nil
}

// sum is the hash of the record behind another. Each part is preceded by its length, so that no two records share a text.
func (r Record) sum(prev Hash) Hash {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("rapport-audit-1"), prev[:], []byte(r.Tenant), binary.BigEndian.AppendUint64(nil, uint64(r.Seq)), r.Data} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write(part)
	}
	return Hash(h.Sum(nil))
}

// Follows says whether the record is the next one behind the head, unchanged, and returns the new head. Errors:
// Precondition, naming the number at which the chain breaks.
func (r Record) Follows(head Head) (Head, error) {
	switch {
	case r.Seq != head.Seq+1:
		return head, fault.Newf(fault.Precondition, "conflict", "record %d is missing", head.Seq+1)
	case r.sum(head.Hash) != r.Hash:
		return head, fault.Newf(fault.Precondition, "conflict", "record %d, or one before it, was changed", r.Seq)
	}
	var e Entry
	if json.Unmarshal(r.Data, &e) != nil || !e.At.Equal(r.At) {
		return head, fault.Newf(fault.Precondition, "conflict", "the time beside record %d is not the one in it", r.Seq)
	}
	return Head{head.Tenant, r.Seq, r.Hash}, nil
}

// Entry is the record read back. Errors: Internal.
func (r Record) Entry() (Entry, error) {
	var e Entry
	if err := json.Unmarshal(r.Data, &e); err != nil {
		return e, fault.Newf(fault.Internal, "exception", "an audit record cannot be read back")
	}
	e.Tenant = r.Tenant
	return e, nil
}

// Query selects records, newest first. Zero fields do not select.
type Query struct {
	// Patient whose data was touched.
	Patient ref.Patient
	// From and To bound the time, To exclusive.
	From, To time.Time
	// Before is the number of the last record of the previous page.
	Before int64
	// Max is the page size, at least 1.
	Max int
}
