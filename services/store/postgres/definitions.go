package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

// KeepDefinitions writes those that are new, unless one of them contradicts what is kept. Of two servers that bring the
// same one at once the second waits for the first.
func (s *Store) KeepDefinitions(ctx context.Context, t ref.Tenant, of []store.Definition) ([]store.Definition, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := rows.CheckDefinitions(t, of); err != nil {
		return nil, err
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return nil, broken(err, "keeping definitions")
	}
	contradicted, err := keepAll(ctx, tx, t, rows.SortDefinitions(of))
	if err != nil || len(contradicted) > 0 {
		return contradicted, errors.Join(broken(err, "keeping definitions"), broken(tx.Rollback(ctx), "keeping definitions"))
	}
	return nil, broken(tx.Commit(ctx), "keeping definitions")
}

// keepAll takes the definitions in one order on every server, so that two never wait for each other.
func keepAll(ctx context.Context, tx pgx.Tx, t ref.Tenant, of []store.Definition) ([]store.Definition, error) {
	var contradicted []store.Definition
	for _, d := range of {
		_, err := tx.Exec(ctx, `INSERT INTO definition (tenant, id, version, hash, body) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, string(t), d.ID, d.Version, d.Hash, blob(d.Body))
		if err != nil {
			return nil, err
		}
		kept, err := definition(ctx, tx, t, d.ID, d.Version)
		if err != nil {
			return nil, err
		}
		if kept.Hash != d.Hash {
			contradicted = append(contradicted, kept)
		}
	}
	return contradicted, nil
}

// KeptDefinition reads one.
func (s *Store) KeptDefinition(ctx context.Context, t ref.Tenant, id, version string) (store.Definition, error) {
	if err := s.ready(ctx); err != nil {
		return store.Definition{}, err
	}
	if !rows.Storable(string(t)) || !rows.Storable(id) || !rows.Storable(version) {
		return store.Definition{}, errNoDefinition()
	}
	kept, err := definition(ctx, s.pool, t, id, version)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Definition{}, errNoDefinition()
	}
	return kept, broken(err, "reading a definition")
}

func errNoDefinition() error {
	return fault.Newf(fault.NotFound, "not-found", "no such definition was ever in force here")
}

// asker is a pool or a transaction.
type asker interface {
	QueryRow(ctx context.Context, text string, args ...any) pgx.Row
}

func definition(ctx context.Context, from asker, t ref.Tenant, id, version string) (kept store.Definition, err error) {
	row := from.QueryRow(ctx, "SELECT id, version, hash, body FROM definition WHERE tenant = $1 AND id = $2 AND version = $3",
		string(t), id, version)
	return kept, row.Scan(&kept.ID, &kept.Version, &kept.Hash, &kept.Body)
}
