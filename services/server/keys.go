package server

import (
	"context"
	"fmt"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sealed"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// masterOf is the master key that is named, nil when none is.
func masterOf(named []string) (sealed.Master, error) {
	for _, one := range named {
		m, err := sealed.ParseMaster(one)
		if err != nil {
			return nil, fmt.Errorf("--master-key: %w", err)
		}
		if m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// keysEvery is how often a server looks whether the data keys were rotated.
const keysEvery = 30 * time.Second

// followKeys takes note of data keys that were made elsewhere, until ctx ends.
func (s *Server) followKeys(ctx context.Context) {
	if s.config.MasterKey == "" {
		return
	}
	ticker := time.NewTicker(keysEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := s.store.RefreshDataKeys(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Error("new data keys cannot be used; the former go on sealing", "error", err)
		}
	}
}

// keysOf are the data keys of a database, beside the servers that use it. With a master key they are opened too.
func keysOf(ctx context.Context, named string, master sealed.Master) (interface {
	store.DataKeys
	Close() error
}, error,
) {
	kind, place, err := storeOf(named)
	if err != nil {
		return nil, err
	}
	if kind == "sqlite" {
		return sqlite.OpenKeys(ctx, place, master)
	}
	return postgres.Open(ctx, place, postgres.Options{Master: master})
}

// ListKeys are the data keys of a database, oldest first. It needs no master key for SQLite.
func ListKeys(ctx context.Context, named, masterKey string) ([]store.DataKey, error) {
	master, err := masterOf([]string{masterKey})
	if err != nil {
		return nil, err
	}
	if kind, place, err := storeOf(named); err == nil && kind == "sqlite" {
		opened, err := sqlite.OpenReadOnly(ctx, place)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		return opened.DataKeys(ctx)
	}
	opened, err := keysOf(ctx, named, master)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return opened.DataKeys(ctx)
}

// RotateKeys wraps the data keys of a database under the current master key and makes a further one, while servers go on. It says
// how many were wrapped anew. A database that is not sealed yet is given its first key.
func RotateKeys(ctx context.Context, named, masterKey string) (rewrapped int, err error) {
	master, opened, err := keyring(ctx, named, masterKey)
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	return sealed.Rotate(ctx, master, opened)
}

func keyring(ctx context.Context, named, masterKey string) (sealed.Master, interface {
	store.DataKeys
	Close() error
}, error,
) {
	master, err := masterOf([]string{masterKey})
	if err == nil && master == nil {
		err = fault.Newf(fault.Precondition, "security", "name the master key with --master-key")
	}
	if err != nil {
		return nil, nil, err
	}
	opened, err := keysOf(ctx, named, master)
	return master, opened, err
}

// resealPage is how many rows are sealed anew at once: writers wait for them for some milliseconds.
const resealPage = 200

// Reseal seals all stored rows with the newest data key that are plain or sealed with an earlier one, while servers go on. It goes
// round until nothing is left, and returns how many rows it sealed.
func Reseal(ctx context.Context, named, masterKey string, progress func(string)) (total int, err error) {
	_, opened, err := keyring(ctx, named, masterKey)
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	if err := opened.RefreshDataKeys(ctx); err != nil {
		return 0, err
	}
	for {
		var round int
		var at store.SealPlace
		for !at.Done {
			begun := time.Now()
			next, n, err := opened.Reseal(ctx, at, resealPage)
			if err != nil {
				return total, err
			}
			at, round, total = next, round+n, total+n
			progress(fmt.Sprintf("%d rows sealed", total))
			if n == 0 {
				continue
			}
			// Half of the time belongs to the servers.
			select {
			case <-time.After(time.Since(begun)):
			case <-ctx.Done():
				return total, ctx.Err()
			}
		}
		if round == 0 {
			return total, nil
		}
	}
}

// NewMasterKey is a new master key, as a line of a file.
func NewMasterKey() string { return sealed.NewMaster() }
