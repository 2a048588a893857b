package rows

import (
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// CheckDataKey refuses what neither engine can keep. Errors: Unprocessable.
func CheckDataKey(k store.DataKey) error {
	if k.ID == 0 || len(k.Wrapped) == 0 || k.Master == "" {
		return fault.Newf(fault.Unprocessable, "invalid", "a data key needs a number, a wrapping and the name of its master key")
	}
	return storable("data key", k.Master)
}

// ErrKeyTaken is that another writer was first.
func ErrKeyTaken() error {
	return fault.Newf(fault.Conflict, "conflict", "the data keys were changed meanwhile: try again")
}
