package sqlite

import (
	"context"
	"database/sql"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

var intoDefinition = table{head: "definition (tenant, id, version, hash, body)", columns: 5, tail: " ON CONFLICT DO NOTHING"}

// KeepDefinitions writes those that are new, unless one of them contradicts what is kept.
func (s *Store) KeepDefinitions(ctx context.Context, t ref.Tenant, of []store.Definition) ([]store.Definition, error) {
	if s.writer == nil {
		return nil, errReadOnly()
	}
	if err := rows.CheckDefinitions(t, of); err != nil {
		return nil, err
	}
	of = rows.SortDefinitions(of)
	c, err := s.take(ctx, s.writer, writePragmas)
	if err != nil {
		return nil, err
	}
	defer give(s.writer, c)
	if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	err = c.insert(ctx, intoDefinition, len(of), func(i int) []any {
		d := &of[i]
		return []any{string(t), d.ID, d.Version, d.Hash, blob(d.Body)}
	})
	if err != nil {
		return nil, broken(err, "keeping definitions")
	}
	var contradicted []store.Definition
	for _, d := range of {
		kept, _, err := definition(ctx, c, t, d.ID, d.Version)
		if err != nil {
			return nil, broken(err, "keeping definitions")
		}
		if kept.Hash != d.Hash {
			contradicted = append(contradicted, kept)
		}
	}
	if len(contradicted) > 0 {
		return contradicted, nil
	}
	return nil, c.commit(ctx)
}

// KeptDefinition reads one.
func (s *Store) KeptDefinition(ctx context.Context, t ref.Tenant, id, version string) (store.Definition, error) {
	var kept store.Definition
	var there bool
	err := s.view(ctx, func(c *conn) (err error) {
		kept, there, err = definition(ctx, c, t, id, version)
		return err
	})
	if err == nil && !there {
		err = fault.Newf(fault.NotFound, "not-found", "no such definition was ever in force here")
	}
	return kept, broken(err, "reading a definition")
}

func definition(ctx context.Context, c *conn, t ref.Tenant, id, version string) (kept store.Definition, there bool, err error) {
	err = c.query(ctx, func(row *sql.Rows) error {
		there = true
		return row.Scan(&kept.ID, &kept.Version, &kept.Hash, &kept.Body)
	}, "SELECT id, version, hash, body FROM definition WHERE tenant = ?1 AND id = ?2 AND version = ?3", string(t), id, version)
	return kept, there, err
}
