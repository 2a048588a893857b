package server

import (
	"context"
	"errors"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// Records are the registry of clients and the audit of a store, opened beside the server that uses it.
type Records interface {
	store.Registrations
	store.Audit
	Close() error
}

// OpenRecords opens the registry and the audit of the store that a `sqlite:path` or `postgres://` URL names. A SQLite
// file may be in use by a server at the same time.
func OpenRecords(ctx context.Context, named string) (Records, error) {
	opened, err := OpenStore(ctx, named, 0)
	kind, place, _ := storeOf(named)
	if err == nil || kind != "sqlite" || fault.Of(err) != fault.Unavailable {
		return opened, err
	}
	beside, besideErr := sqlite.OpenBeside(ctx, place)
	if besideErr != nil {
		return nil, errors.Join(err, besideErr)
	}
	return beside, nil
}
