package server

import (
	"context"
	"errors"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// Records are the registry of clients and the audit of a store, opened beside the server that uses it.
type Records interface {
	store.Registrations
	store.Audit
	Close() error
}

// OpenRecords opens the registry and the audit of the store that a `sqlite:path` or `postgres://` URL names. A SQLite
// file may be in use by a server at the same time. Of a sealed store the audit is read with its master key alone, as
// Config.MasterKey names it; clients are not sealed.
func OpenRecords(ctx context.Context, named string, masterKey ...string) (Records, error) {
	kind, place, err := storeOf(named)
	if err != nil {
		return nil, err
	}
	master, err := masterOf(masterKey)
	if err != nil {
		return nil, err
	}
	if kind != "sqlite" {
		return postgres.Open(ctx, place, postgres.Options{Migrate: true, Master: master, Keyless: true})
	}
	opened, err := OpenStore(ctx, named, 0, masterKey...)
	if kind := fault.Of(err); err == nil || kind != fault.Unavailable && kind != fault.Precondition {
		return opened, err
	}
	beside, besideErr := sqlite.OpenBeside(ctx, place, master)
	if besideErr != nil {
		return nil, errors.Join(err, besideErr)
	}
	return beside, nil
}
