package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/rapport-health/rapport/services/domain/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database up to date and says between which versions. Servers that start together take turns.
// Errors: as Open.
func Migrate(ctx context.Context, url string) (from, to int64, err error) {
	config, err := configure(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, 0, broken(err, "connecting")
	}
	defer pool.Close()
	return migrate(ctx, pool)
}

func migrate(ctx context.Context, pool *pgxpool.Pool) (from, to int64, err error) {
	known, err := known()
	if err != nil {
		return 0, 0, err
	}
	from, err = version(ctx, pool)
	if err != nil || from == known {
		return from, known, err
	}
	if from > known {
		return from, known, errNewer(from, known)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	turns, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return from, known, fault.Wrap(fault.Internal, err, "preparing to migrate")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return from, known, fault.Wrap(fault.Internal, err, "reading the migrations")
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(turns),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return from, known, fault.Wrap(fault.Internal, err, "reading the migrations")
	}
	_, err = provider.Up(ctx)
	return from, known, broken(err, "migrating the database")
}

// checkSchema refuses a database that this program was not made for.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	known, err := known()
	if err != nil {
		return err
	}
	found, err := version(ctx, pool)
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

// known is the newest version among the migrations.
func known() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "reading the migrations")
	}
	v, err := goose.NumericComponent(names[len(names)-1])
	return v, fault.Wrap(fault.Internal, err, "reading the migrations")
}

// version of the schema; 0 for a database without one.
func version(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	var there bool
	err := pool.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&there)
	if err != nil || !there {
		return 0, broken(err, "reading the schema version")
	}
	var v int64
	err = pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&v)
	return v, broken(err, "reading the schema version")
}
