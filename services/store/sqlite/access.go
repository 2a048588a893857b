package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// OpenBeside opens the file beside the server that owns it, for what store.Registrations and store.Audit do: short writes of
// their own tables. It migrates nothing, and Update fails with Precondition. Sealed rows are read with the master key alone, where
// one is given. Errors: as Open.
func OpenBeside(ctx context.Context, path string, master ...sealed.Master) (*Store, error) {
	s, err := OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // it only looked whether the schema is right
		return nil, err
	}
	s = &Store{closed: make(chan struct{})}
	if err := s.connect(path, pageSize, 0); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	writer, err := connect(ctx, s.db, writePragmas...)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.writer = make(chan *conn, 1)
	s.writer <- writer
	for _, m := range master {
		if m == nil {
			continue
		}
		if err := s.unlockIfSealed(ctx, m); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// write runs a short transaction of its own.
func (s *Store) write(ctx context.Context, doing string, do func(*conn) (bytes int64, err error)) error {
	if s.writer == nil {
		return errReadOnly()
	}
	c, err := s.take(ctx, s.writer, writePragmas)
	if err != nil {
		return err
	}
	defer give(s.writer, c)
	if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	bytes, err := do(c)
	if err != nil {
		return broken(err, doing)
	}
	if err := c.commit(ctx); err != nil {
		return err
	}
	if s.wal != nil {
		s.wal.add(bytes)
	}
	return nil
}

// KeepClient writes the next version of a client.
func (s *Store) KeepClient(ctx context.Context, client access.Client) error {
	data, err := rows.ClientData(client)
	if err != nil {
		return err
	}
	return s.write(ctx, "keeping a client", func(c *conn) (int64, error) {
		var version int64
		err := c.query(ctx, func(row *sql.Rows) error { return row.Scan(&version) }, "SELECT version FROM client WHERE id = ?1", client.ID)
		if err != nil {
			return 0, err
		}
		if version+1 != client.Version {
			return 0, rows.ErrClientChanged()
		}
		return int64(len(data)), c.exec(ctx, `INSERT INTO client (id, version, data) VALUES (?1, ?2, ?3)
			ON CONFLICT (id) DO UPDATE SET version = excluded.version, data = excluded.data`, client.ID, client.Version, data)
	})
}

// Clients lists them.
func (s *Store) Clients(ctx context.Context) (found []access.Client, err error) {
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			var data []byte
			var client access.Client
			if err := row.Scan(&data); err != nil {
				return err
			}
			err := rows.Parse(data, &client)
			found = append(found, client)
			return err
		}, "SELECT data FROM client ORDER BY id")
	})
	return found, broken(err, "listing clients")
}

// UseOnce notes an assertion.
func (s *Store) UseOnce(ctx context.Context, client, jti string, until, now time.Time) error {
	if err := rows.Storing("assertion", client, jti); err != nil {
		return err
	}
	return s.write(ctx, "noting an assertion", func(c *conn) (int64, error) {
		if err := c.exec(ctx, "DELETE FROM client_assertion WHERE until_us < ?1", now.UnixMicro()); err != nil {
			return 0, err
		}
		used := false
		err := c.query(ctx, func(*sql.Rows) error { used = true; return nil },
			"SELECT 1 FROM client_assertion WHERE client = ?1 AND jti = ?2", client, jti)
		switch {
		case err != nil:
			return 0, err
		case used:
			return 0, rows.ErrUsed()
		}
		return 128, c.exec(ctx, "INSERT INTO client_assertion (client, jti, until_us) VALUES (?1, ?2, ?3)", client, jti, until.UnixMicro())
	})
}

// KeepSigningKey writes a key.
func (s *Store) KeepSigningKey(ctx context.Context, k store.SigningKey, forget time.Time) error {
	if err := rows.Storing("key", k.ID); err != nil {
		return err
	}
	return s.write(ctx, "keeping a key", func(c *conn) (int64, error) {
		if err := c.exec(ctx, "DELETE FROM signing_key WHERE created_us < ?1", forget.UnixMicro()); err != nil {
			return 0, err
		}
		return 512, c.exec(ctx, "INSERT INTO signing_key (id, created_us, data) VALUES (?1, ?2, ?3)", k.ID, k.Created.UnixMicro(),
			c.box.Seal(k.Private, sealed.Other("signing_key", "", k.ID)))
	})
}

// SigningKeys lists them.
func (s *Store) SigningKeys(ctx context.Context) (found []store.SigningKey, err error) {
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			var k store.SigningKey
			var created int64
			err := row.Scan(&k.ID, &created, &k.Private)
			k.Created = time.UnixMicro(created).UTC()
			if err == nil {
				k.Private, err = c.box.Open(ctx, k.Private, sealed.Other("signing_key", "", k.ID))
			}
			found = append(found, k)
			return err
		}, "SELECT id, created_us, data FROM signing_key ORDER BY created_us DESC, id")
	})
	return found, broken(err, "reading the signing keys")
}

var (
	intoAudit        = table{head: "audit (tenant, seq, at_us, hash, data)", columns: 5}
	intoAuditPatient = table{head: "audit_patient (tenant, patient, seq)", columns: 3}
	intoAuditHead    = table{
		head: "audit_head (tenant, seq, hash)", columns: 3,
		tail: " ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
	}
)

// AppendAudit chains and writes entries.
func (s *Store) AppendAudit(ctx context.Context, entries []audit.Entry) (records []audit.Record, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	err = s.write(ctx, "writing the audit", func(c *conn) (bytes int64, err error) {
		heads, err := auditHeads(ctx, c)
		if err != nil {
			return 0, err
		}
		var touched []rows.Touched
		if records, touched, err = rows.Chain(heads, entries); err != nil {
			return 0, err
		}
		err = c.insert(ctx, intoAudit, len(records), func(i int) []any {
			r := &records[i]
			bytes += int64(len(r.Data)) + 128
			return []any{string(r.Tenant), r.Seq, r.At.UnixMicro(), r.Hash[:], c.box.Seal(r.Data, rows.AboutAudit(r))}
		})
		if err != nil {
			return 0, err
		}
		err = c.insert(ctx, intoAuditPatient, len(touched), func(i int) []any {
			return []any{string(touched[i].Tenant), string(touched[i].Patient), touched[i].Seq}
		})
		if err != nil {
			return 0, err
		}
		tenants := rows.Tenants(entries)
		return bytes, c.insert(ctx, intoAuditHead, len(tenants), func(i int) []any {
			head := heads[tenants[i]]
			return []any{string(head.Tenant), head.Seq, head.Hash[:]}
		})
	})
	return records, err
}

func auditHeads(ctx context.Context, c *conn) (map[ref.Tenant]audit.Head, error) {
	heads := map[ref.Tenant]audit.Head{}
	return heads, c.query(ctx, func(row *sql.Rows) error {
		var h audit.Head
		var hash []byte
		if err := row.Scan(&h.Tenant, &h.Seq, &hash); err != nil {
			return err
		}
		copy(h.Hash[:], hash)
		heads[h.Tenant] = h
		return nil
	}, "SELECT tenant, seq, hash FROM audit_head")
}

// AuditHeads lists the ends of all chains.
func (s *Store) AuditHeads(ctx context.Context) (found []audit.Head, err error) {
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			var h audit.Head
			var hash []byte
			err := row.Scan(&h.Tenant, &h.Seq, &hash)
			copy(h.Hash[:], hash)
			found = append(found, h)
			return err
		}, "SELECT tenant, seq, hash FROM audit_head ORDER BY tenant")
	})
	return found, broken(err, "reading the audit")
}

// AuditAfter reads on.
func (s *Store) AuditAfter(ctx context.Context, t ref.Tenant, after int64, max int) ([]audit.Record, error) {
	return s.audit(ctx, t, "SELECT seq, at_us, hash, data FROM audit WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", string(t), after, max)
}

// FindAudit reads a page.
func (s *Store) FindAudit(ctx context.Context, t ref.Tenant, q audit.Query) ([]audit.Record, error) {
	from, to, before := rows.AuditWindow(q)
	if q.Patient == "" {
		return s.audit(ctx, t, `SELECT seq, at_us, hash, data FROM audit WHERE tenant = ?1 AND seq < ?2 AND at_us >= ?3 AND at_us < ?4
			ORDER BY seq DESC LIMIT ?5`, string(t), before, from, to, q.Max)
	}
	return s.audit(ctx, t, `SELECT a.seq, a.at_us, a.hash, a.data FROM audit_patient p CROSS JOIN audit a ON a.tenant = p.tenant AND a.seq = p.seq
		WHERE p.tenant = ?1 AND p.patient = ?2 AND p.seq < ?3 AND a.at_us >= ?4 AND a.at_us < ?5
		ORDER BY p.seq DESC LIMIT ?6`, string(t), string(q.Patient), before, from, to, q.Max)
}

func (s *Store) audit(ctx context.Context, t ref.Tenant, text string, args ...any) (found []audit.Record, err error) {
	if !rows.Storable(string(t)) {
		return nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
	}
	err = s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			r := audit.Record{Tenant: t}
			var at int64
			var hash []byte
			err := row.Scan(&r.Seq, &at, &hash, &r.Data)
			r.At = time.UnixMicro(at).UTC()
			copy(r.Hash[:], hash)
			if err == nil {
				r.Data, err = c.box.Open(ctx, r.Data, rows.AboutAudit(&r))
			}
			found = append(found, r)
			return err
		}, text, args...)
	})
	return found, broken(err, "reading the audit")
}

var (
	_ store.Registrations = (*Store)(nil)
	_ store.Audit         = (*Store)(nil)
)
