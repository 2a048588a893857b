package rows

import (
	"cmp"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// CheckDefinitions refuses what cannot be stored on either engine, and a definition that is named twice. Errors: Unprocessable.
func CheckDefinitions(t ref.Tenant, of []store.Definition) error {
	seen := make(map[[2]string]bool, len(of))
	for _, d := range of {
		if err := storable("definition", string(t), d.ID, d.Version, d.Hash); err != nil {
			return err
		}
		name := [2]string{d.ID, d.Version}
		if d.ID == "" || d.Version == "" || d.Hash == "" || seen[name] {
			return fault.Newf(fault.Unprocessable, "invalid", "a definition needs an id, a version of its own and a hash")
		}
		seen[name] = true
	}
	return nil
}

// SortDefinitions is the same definitions by id and version.
func SortDefinitions(of []store.Definition) []store.Definition {
	return slices.SortedFunc(slices.Values(of), func(a, b store.Definition) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version))
	})
}
