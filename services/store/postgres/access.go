package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// KeepClient writes the next version of a client.
func (s *Store) KeepClient(ctx context.Context, client access.Client) error {
	data, err := rows.ClientData(client)
	if err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	done, err := s.pool.Exec(ctx, "UPDATE client SET version = $2, data = $3 WHERE id = $1 AND version = $2 - 1", client.ID, client.Version, data)
	if err == nil && done.RowsAffected() == 0 && client.Version == 1 {
		done, err = s.pool.Exec(ctx, "INSERT INTO client (id, version, data) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", client.ID, client.Version, data)
	}
	if err == nil && done.RowsAffected() == 0 {
		return rows.ErrClientChanged()
	}
	return broken(err, "keeping a client")
}

// Clients lists them.
func (s *Store) Clients(ctx context.Context) ([]access.Client, error) {
	return collect(ctx, s, "listing clients", func(row pgx.CollectableRow) (c access.Client, err error) {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return c, err
		}
		return c, rows.Parse(data, &c)
	}, "SELECT data FROM client ORDER BY id")
}

// UseOnce notes an assertion. Of two servers that are shown it at once one is refused.
func (s *Store) UseOnce(ctx context.Context, client, jti string, until, now time.Time) error {
	if err := rows.Storing("assertion", client, jti); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, "DELETE FROM client_assertion WHERE until_us < $1", now.UnixMicro()); err != nil {
		return broken(err, "noting an assertion")
	}
	done, err := s.pool.Exec(ctx, "INSERT INTO client_assertion (client, jti, until_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		client, jti, until.UnixMicro())
	if err == nil && done.RowsAffected() == 0 {
		return rows.ErrUsed()
	}
	return broken(err, "noting an assertion")
}

// KeepSigningKey writes a key.
func (s *Store) KeepSigningKey(ctx context.Context, k store.SigningKey, forget time.Time) error {
	if err := rows.Storing("key", k.ID); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, "DELETE FROM signing_key WHERE created_us < $1", forget.UnixMicro()); err != nil {
		return broken(err, "keeping a key")
	}
	_, err := s.pool.Exec(ctx, "INSERT INTO signing_key (id, created_us, data) VALUES ($1, $2, $3)", k.ID, k.Created.UnixMicro(),
		s.box.Seal(k.Private, sealed.Other("signing_key", "", k.ID)))
	return broken(err, "keeping a key")
}

// SigningKeys lists them.
func (s *Store) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	return collect(ctx, s, "reading the signing keys", func(row pgx.CollectableRow) (k store.SigningKey, err error) {
		var created int64
		err = row.Scan(&k.ID, &created, &k.Private)
		k.Created = time.UnixMicro(created).UTC()
		if err == nil {
			k.Private, err = s.box.Open(ctx, k.Private, sealed.Other("signing_key", "", k.ID))
		}
		return k, err
	}, "SELECT id, created_us, data FROM signing_key ORDER BY created_us DESC, id")
}

// AppendAudit chains and writes entries. Servers that write the same chains take turns at their heads, in one order.
func (s *Store) AppendAudit(ctx context.Context, entries []audit.Entry) ([]audit.Record, error) {
	if err := s.ready(ctx); err != nil || len(entries) == 0 {
		return nil, err
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return nil, broken(err, "writing the audit")
	}
	records, err := appendAudit(ctx, tx, s.box, entries)
	if err != nil {
		return nil, errors.Join(broken(err, "writing the audit"), broken(tx.Rollback(context.WithoutCancel(ctx)), "writing the audit"))
	}
	return records, broken(tx.Commit(ctx), "writing the audit")
}

func appendAudit(ctx context.Context, tx pgx.Tx, box *sealed.Box, entries []audit.Entry) ([]audit.Record, error) {
	tenants := column(rows.Tenants(entries), func(t *ref.Tenant) string { return string(*t) })
	for _, t := range tenants {
		if !rows.Storable(t) {
			return nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit_head (tenant, seq, hash) SELECT t, 0, ''::bytea FROM unnest($1::text[]) AS t ORDER BY t
		ON CONFLICT DO NOTHING`, tenants)
	if err != nil {
		return nil, err
	}
	heads, err := lockHeads(ctx, tx, tenants)
	if err != nil {
		return nil, err
	}
	records, touched, err := rows.Chain(heads, entries)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO audit (tenant, seq, at_us, hash, data) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])`,
		column(records, func(r *audit.Record) string { return string(r.Tenant) }), column(records, func(r *audit.Record) int64 { return r.Seq }),
		column(records, func(r *audit.Record) int64 { return r.At.UnixMicro() }), column(records, func(r *audit.Record) []byte { return r.Hash[:] }),
		column(records, func(r *audit.Record) []byte { return box.Seal(r.Data, rows.AboutAudit(r)) }))
	batch.Queue("INSERT INTO audit_patient (tenant, patient, seq) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])",
		column(touched, func(t *rows.Touched) string { return string(t.Tenant) }), column(touched, func(t *rows.Touched) string { return string(t.Patient) }),
		column(touched, func(t *rows.Touched) int64 { return t.Seq }))
	for _, t := range tenants {
		head := heads[ref.Tenant(t)]
		batch.Queue("UPDATE audit_head SET seq = $2, hash = $3 WHERE tenant = $1", t, head.Seq, head.Hash[:])
	}
	return records, tx.SendBatch(ctx, batch).Close()
}

func lockHeads(ctx context.Context, tx pgx.Tx, tenants []string) (map[ref.Tenant]audit.Head, error) {
	found, err := tx.Query(ctx, "SELECT tenant, seq, hash FROM audit_head WHERE tenant = ANY ($1) ORDER BY tenant FOR UPDATE", tenants)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(found, scanHead)
	heads := make(map[ref.Tenant]audit.Head, len(list))
	for _, h := range list {
		heads[h.Tenant] = h
	}
	return heads, err
}

func scanHead(row pgx.CollectableRow) (h audit.Head, err error) {
	var tenant string
	var hash []byte
	err = row.Scan(&tenant, &h.Seq, &hash)
	h.Tenant = ref.Tenant(tenant)
	copy(h.Hash[:], hash)
	return h, err
}

// AuditHeads lists the ends of all chains.
func (s *Store) AuditHeads(ctx context.Context) ([]audit.Head, error) {
	return collect(ctx, s, "reading the audit", scanHead, "SELECT tenant, seq, hash FROM audit_head ORDER BY tenant")
}

// AuditAfter reads on.
func (s *Store) AuditAfter(ctx context.Context, t ref.Tenant, after int64, max int) ([]audit.Record, error) {
	return s.audit(ctx, t, "SELECT seq, at_us, hash, data FROM audit WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3", string(t), after, max)
}

// FindAudit reads a page.
func (s *Store) FindAudit(ctx context.Context, t ref.Tenant, q audit.Query) ([]audit.Record, error) {
	from, to, before := rows.AuditWindow(q)
	if q.Patient == "" {
		return s.audit(ctx, t, `SELECT seq, at_us, hash, data FROM audit WHERE tenant = $1 AND seq < $2 AND at_us >= $3 AND at_us < $4
			ORDER BY seq DESC LIMIT $5`, string(t), before, from, to, q.Max)
	}
	if !rows.Storable(string(q.Patient)) {
		return nil, nil
	}
	return s.audit(ctx, t, `SELECT a.seq, a.at_us, a.hash, a.data FROM audit_patient p JOIN audit a ON a.tenant = p.tenant AND a.seq = p.seq
		WHERE p.tenant = $1 AND p.patient = $2 AND p.seq < $3 AND a.at_us >= $4 AND a.at_us < $5
		ORDER BY p.seq DESC LIMIT $6`, string(t), string(q.Patient), before, from, to, q.Max)
}

func (s *Store) audit(ctx context.Context, t ref.Tenant, text string, args ...any) ([]audit.Record, error) {
	if !rows.Storable(string(t)) {
		return nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
	}
	return collect(ctx, s, "reading the audit", func(row pgx.CollectableRow) (audit.Record, error) {
		r := audit.Record{Tenant: t}
		var at int64
		var hash []byte
		err := row.Scan(&r.Seq, &at, &hash, &r.Data)
		r.At = time.UnixMicro(at).UTC()
		copy(r.Hash[:], hash)
		if err == nil {
			r.Data, err = s.box.Open(ctx, r.Data, rows.AboutAudit(&r))
		}
		return r, err
	}, text, args...)
}

// collect reads rows outside of any View.
func collect[T any](ctx context.Context, s *Store, doing string, scan func(pgx.CollectableRow) (T, error), text string, args ...any) ([]T, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	found, err := s.pool.Query(ctx, text, args...)
	if err != nil {
		return nil, broken(err, doing)
	}
	list, err := pgx.CollectRows(found, scan)
	return list, broken(err, doing)
}

var (
	_ store.Registrations = (*Store)(nil)
	_ store.Audit         = (*Store)(nil)
)
