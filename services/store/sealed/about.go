package sealed

import (
	"encoding/binary"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// About is what a row is about. What was sealed about one row does not open in the place of another. Neither patient nor episode
// is part of it, so that a patient who turns out to be another takes their rows along.
type About struct {
	kind   string
	tenant ref.Tenant
	a, b   string
	n      int64
}

// Resource is about one version of a resource.
func Resource(t ref.Tenant, typ, id string, version int64) About {
	return About{"resource", t, typ, id, version}
}

// Fact is about a fact, by its id and the version of the resource it was taken from.
func Fact(t ref.Tenant, id string, version int64) About { return About{"fact", t, id, "", version} }

// State is about the state of an episode.
func State(t ref.Tenant, episode string) About { return About{"episode", t, episode, "", 0} }

// Alert is about an alert.
func Alert(t ref.Tenant, id string) About { return About{"alert", t, id, "", 0} }

// Event is about an event in one feed.
func Event(t ref.Tenant, feed string, seq int64) About { return About{"event", t, feed, "", seq} }

// Other is about a row of a table that this package knows nothing of, by its id.
func Other(table string, t ref.Tenant, id string) About { return About{"other " + table, t, id, "", 0} }

// bytes are different for different rows.
func (a About) bytes(to []byte) []byte {
	for _, part := range [...]string{a.kind, string(a.tenant), a.a, a.b} {
		to = binary.AppendUvarint(to, uint64(len(part)))
		to = append(to, part...)
	}
	return binary.BigEndian.AppendUint64(to, uint64(a.n))
}
