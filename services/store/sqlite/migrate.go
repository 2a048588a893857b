package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/rapport-health/rapport/services/domain/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the file at path up to date, making it when there is none, and says between which versions.
// Errors: Unavailable when a server is using it; Precondition when it is newer than this program.
func Migrate(ctx context.Context, path string) (from, to int64, err error) {
	lock, err := own(path)
	if err != nil {
		return 0, 0, err
	}
	s := &Store{lock: lock, closed: make(chan struct{})}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.connect(path, pageSize, 0); err != nil {
		return 0, 0, err
	}
	return migrate(ctx, s.db)
}

func migrate(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	provider, err := newProvider(db)
	if err != nil {
		return 0, 0, err
	}
	to = newest(provider)
	if from, err = version(ctx, db); err != nil {
		return from, to, err
	}
	if from > to {
		return from, to, errNewer(from, to)
	}
	if from == to {
		return from, to, nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return from, to, broken(err, "migrating the database")
	}
	return from, to, nil
}

// checkSchema refuses a database that this program was not made for.
func checkSchema(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	known := newest(provider)
	found, err := version(ctx, db)
	switch {
	case err != nil:
		return err
	case found > known:
		return errNewer(found, known)
	case found < known:
		return fault.Newf(fault.Precondition, "not-supported",
			"the database has schema version %d and this program needs %d: run `rapport migrate`", found, known)
	}
	return nil
}

func errNewer(found, known int64) error {
	return fault.Newf(fault.Precondition, "not-supported",
		"the database has schema version %d, newer than the %d this program knows: use a newer rapport", found, known)
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "reading the migrations")
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	return provider, fault.Wrap(fault.Internal, err, "reading the migrations")
}

func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// version of the schema; 0 for a file without one.
func version(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	const ask = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	if err := db.QueryRowContext(ctx, ask).Scan(&tables); err != nil || tables == 0 {
		return 0, broken(err, "reading the schema version")
	}
	var v int64
	err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&v)
	return v, broken(err, "reading the schema version")
}
