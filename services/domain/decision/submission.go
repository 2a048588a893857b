package decision

import "github.com/rapport-health/rapport/services/domain/ref"

// Submission is one item as it came through a door: one FHIR resource or Bundle.
type Submission struct {
	// Tenant it belongs to, as the caller's token says.
	Tenant ref.Tenant
	// Source is the sending system; part of the identity of everything in it.
	Source ref.Source
	// Key is the caller's idempotency key; optional.
	Key string
	// Body is the raw FHIR JSON.
	Body []byte
	// Type is the resource type that the door demands, such as for POST /fhir/Observation; empty for any.
	Type string
}
