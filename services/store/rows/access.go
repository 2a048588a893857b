package rows

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// ClientData is a client as its column. Errors: Unprocessable.
func ClientData(c access.Client) ([]byte, error) {
	if err := storable("client", c.ID); err != nil {
		return nil, err
	}
	data, err := json.Marshal(c)
	if err != nil || c.ID == "" || c.Version < 1 {
		return nil, fault.Newf(fault.Unprocessable, "invalid", "a client needs an id, a version and keys that are JSON")
	}
	return data, nil
}

// Storing refuses what neither engine can keep. Errors: Unprocessable.
func Storing(what string, texts ...string) error { return storable(what, texts...) }

// ErrUsed is that an assertion was used before.
func ErrUsed() error {
	return fault.Newf(fault.Conflict, "duplicate", "the assertion was used before")
}

// ErrClientChanged is that another writer was first.
func ErrClientChanged() error {
	return fault.Newf(fault.Conflict, "conflict", "the client was changed meanwhile, or there is one of that id already")
}

// Chain seals entries behind the heads of their tenants, which it moves. Patients are the index that goes with them.
func Chain(heads map[ref.Tenant]audit.Head, entries []audit.Entry) (records []audit.Record, touched []Touched, err error) {
	for _, e := range entries {
		if !Storable(string(e.Tenant)) {
			return nil, nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
		}
		head := heads[e.Tenant]
		head.Tenant = e.Tenant
		e.At = e.At.UTC().Truncate(time.Microsecond) // what both engines can keep
		head, r, err := audit.Seal(head, e)
		if err != nil {
			return nil, nil, err
		}
		heads[e.Tenant] = head
		records = append(records, r)
		seen := make(map[ref.Patient]bool, len(e.Patients))
		for _, p := range e.Patients {
			if !seen[p] && Storable(string(p)) && len(p) <= longest {
				seen[p] = true
				touched = append(touched, Touched{e.Tenant, p, r.Seq})
			}
		}
	}
	return records, touched, nil
}

// Touched says that a record of the audit is about a patient.
type Touched struct {
	Tenant  ref.Tenant
	Patient ref.Patient
	Seq     int64
}

// AboutAudit is the place of a record in the audit. Its hash is that of the plain record.
func AboutAudit(r *audit.Record) sealed.About {
	return sealed.Other("audit", r.Tenant, strconv.FormatInt(r.Seq, 10))
}

// Tenants of entries, in order of their first entry.
func Tenants(entries []audit.Entry) []ref.Tenant {
	var out []ref.Tenant
	seen := map[ref.Tenant]bool{}
	for _, e := range entries {
		if !seen[e.Tenant] {
			seen[e.Tenant] = true
			out = append(out, e.Tenant)
		}
	}
	return out
}

// AuditWindow is a query's bounds as columns.
func AuditWindow(q audit.Query) (from, to, before int64) {
	from, to, before = -1<<62, 1<<62, q.Before
	if !q.From.IsZero() {
		from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMicro()
	}
	if before == 0 {
		before = 1 << 62
	}
	return from, to, before
}
