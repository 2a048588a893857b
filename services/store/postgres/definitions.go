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
	ids := column(of, func(d *store.Definition) string { return d.ID })
	versions := column(of, func(d *store.Definition) string { return d.Version })
	hashes := column(of, func(d *store.Definition) string { return d.Hash })
	_, err := tx.Exec(ctx, `INSERT INTO definition (tenant, id, version, hash, body)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) ON CONFLICT DO NOTHING`,
		string(t), ids, versions, hashes, column(of, func(d *store.Definition) []byte { return blob(d.Body) }))
	if err != nil {
		return nil, err
	}
	found, err := tx.Query(ctx, `SELECT d.id, d.version, d.hash, d.body FROM unnest($2::text[], $3::text[], $4::text[]) AS w (id, version, hash)
		JOIN definition d ON d.tenant = $1 AND d.id = w.id AND d.version = w.version AND d.hash <> w.hash ORDER BY d.id, d.version`,
		string(t), ids, versions, hashes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (d store.Definition, err error) {
		return d, row.Scan(&d.ID, &d.Version, &d.Hash, &d.Body)
	})
}

// KeptDefinition reads one.
func (s *Store) KeptDefinition(ctx context.Context, t ref.Tenant, id, version string) (store.Definition, error) {
	if err := s.ready(ctx); err != nil {
		return store.Definition{}, err
	}
	if !rows.Storable(string(t)) || !rows.Storable(id) || !rows.Storable(version) {
		return store.Definition{}, errNoDefinition()
	}
	var kept store.Definition
	err := s.pool.QueryRow(ctx, "SELECT id, version, hash, body FROM definition WHERE tenant = $1 AND id = $2 AND version = $3",
		string(t), id, version).Scan(&kept.ID, &kept.Version, &kept.Hash, &kept.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Definition{}, errNoDefinition()
	}
	return kept, broken(err, "reading a definition")
}

func errNoDefinition() error {
	return fault.Newf(fault.NotFound, "not-found", "no such definition was ever in force here")
}
