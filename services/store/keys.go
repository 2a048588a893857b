package store

import (
	"context"
	"time"
)

// DataKeys keeps the keys that rows are sealed with, each wrapped by a master key that is kept elsewhere, and seals anew what
// was stored before there was one. All servers on one database share them. Both engines offer it beside Store.
type DataKeys interface {
	// DataKeys are all, oldest first; the last one seals what is written.
	DataKeys(ctx context.Context) ([]DataKey, error)
	// KeepDataKey writes a key whose ID is one above the last one's, 1 for the first. Errors: Conflict when it is not.
	KeepDataKey(ctx context.Context, k DataKey) error
	// RewrapDataKey puts a key's new wrapping in the place of the one it was read with. Errors: Conflict when another came first.
	RewrapDataKey(ctx context.Context, was, becomes DataKey) error
	// RefreshDataKeys takes note of keys that others made: what is written from now on is sealed with the last one. Errors:
	// Precondition when the master key does not open them.
	RefreshDataKeys(ctx context.Context) error
	// Reseal looks at up to max stored rows behind a place, and seals those with the last data key that are plain, or sealed
	// with an earlier one. It never undoes what a writer does meanwhile. The place it returns goes on. Errors: Precondition
	// when the store was opened without a master key.
	Reseal(ctx context.Context, after SealPlace, max int) (next SealPlace, sealed int, err error)
}

// DataKey is one key, as it is stored.
type DataKey struct {
	// ID counts from 1, and stands before everything the key has sealed.
	ID uint32
	// Master is the name of the master key that wraps it. It does not tell the key.
	Master string
	// Wrapped is the key, readable with the master key alone.
	Wrapped []byte
	// Created is when, by the database's clock.
	Created time.Time
}

// SealPlace is how far Reseal has come. The zero place is the beginning.
type SealPlace struct {
	// Table counts the tables that were looked at.
	Table int
	// Key of the last row that was looked at in the next one; nil at its beginning.
	Key []any
	// Done says that everything was looked at.
	Done bool
}
