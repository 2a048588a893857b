package instrument

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Body is the whole definition as JSON, in the form of a pack: what Parse makes of it scores alike. Errors: Internal for
// a definition that was put together with numbers that JSON does not have.
func (d *Definition) Body() ([]byte, error) {
	body, err := json.Marshal(d)
	return body, fault.Wrap(fault.Internal, err, "write an instrument")
}

// Versions are all definitions, by id and then the oldest version first.
func (r *Registry) Versions() []*Definition {
	return slices.SortedFunc(maps.Values(r.versions), func(a, b *Definition) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), CompareVersions(a.Version, b.Version))
	})
}
