package store

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Registrations keeps who may ask for tokens, and by which keys tokens are signed. All servers on one database share it. Both
// engines offer it beside Store.
type Registrations interface {
	// KeepClient writes a client whose Version is one above the stored one, 1 for a new one. Errors: Conflict when it is
	// not; Unprocessable for what cannot be stored.
	KeepClient(ctx context.Context, c access.Client) error
	// Clients are all that are registered, by id, the revoked ones too.
	Clients(ctx context.Context) ([]access.Client, error)
	// UseOnce notes that a client used an assertion that counts until a moment, and forgets those that count no more.
	// Errors: Conflict when it was used before.
	UseOnce(ctx context.Context, client, jti string, until, now time.Time) error
	// KeepSigningKey writes a key, and forgets those created before a moment.
	KeepSigningKey(ctx context.Context, k SigningKey, forget time.Time) error
	// SigningKeys are those kept, newest first.
	SigningKeys(ctx context.Context) ([]SigningKey, error)
}

// SigningKey signs access tokens.
type SigningKey struct {
	ID      string
	Created time.Time
	// Private is the key in PKCS #8.
	Private []byte
}

// Audit keeps every access. Nothing in it is changed or deleted. Both engines offer it beside Store.
type Audit interface {
	// AppendAudit puts entries at the ends of their tenants' chains, in order, all or none, and returns them as they stand
	// there.
	AppendAudit(ctx context.Context, entries []audit.Entry) ([]audit.Record, error)
	// AuditAfter returns up to max records of a tenant after a number, in order.
	AuditAfter(ctx context.Context, t ref.Tenant, after int64, max int) ([]audit.Record, error)
	// FindAudit returns a page of records, newest first.
	FindAudit(ctx context.Context, t ref.Tenant, q audit.Query) ([]audit.Record, error)
	// AuditHeads are the ends of all chains, by tenant.
	AuditHeads(ctx context.Context) ([]audit.Head, error)
}
