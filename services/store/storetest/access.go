package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// both are two servers over one database, or twice the same where the engine allows but one.
func both(t *testing.T, e Engine) []Store {
	t.Helper()
	s := e.Open(t)
	if e.Another == nil {
		return []Store{s, s}
	}
	return []Store{s, e.Another(t, s)}
}

// entry of an access to patients.
func entry(tenant ref.Tenant, n int, patients ...ref.Patient) audit.Entry {
	return audit.Entry{
		Tenant: tenant, At: morning.Add(time.Duration(n) * time.Minute), Request: fmt.Sprint(n), Door: "grpc", Method: "/m",
		Action: "R", Outcome: audit.Done, Status: "OK", Client: "ehr", Patients: patients,
	}
}

// requests of records.
func requests(t testing.TB, of []audit.Record) []string {
	t.Helper()
	var out []string
	for _, r := range of {
		e, err := r.Entry()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Request)
	}
	return out
}

var clientPromises = []promise{
	{"a client is kept version by version, and of two who change it at once one is told", func(t *testing.T, e Engine) {
		servers := both(t, e)
		first := access.Client{ID: "ehr", Version: 1, Tenant: clinic, Scopes: "system/*.rs", Keys: []byte(`{"keys":[]}`), Created: morning, Changed: morning}
		if err := servers[0].KeepClient(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		failsWith(t, servers[1].KeepClient(t.Context(), first), fault.Conflict)
		second := first
		second.Version, second.Revoked = 2, true
		var won atomic.Int64
		var changing sync.WaitGroup
		for n := range 6 {
			changing.Go(func() {
				if err := servers[n%2].KeepClient(t.Context(), second); err == nil {
					won.Add(1)
				} else if fault.Of(err) != fault.Conflict {
					t.Error(err)
				}
			})
		}
		changing.Wait()
		found, err := servers[1].Clients(t.Context())
		if err != nil || won.Load() != 1 {
			t.Fatalf("%d changed it, %v", won.Load(), err)
		}
		same(t, "clients", found, []access.Client{second})
	}},
	{"a client that cannot be stored is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, bad := range []access.Client{{}, {ID: "a"}, {ID: "a\x00", Version: 1}, {ID: "a", Version: 1, Keys: []byte("{")}} {
			failsWith(t, s.KeepClient(t.Context(), bad), fault.Unprocessable)
		}
		failsWith(t, s.KeepClient(t.Context(), access.Client{ID: "a", Version: 7}), fault.Conflict)
	}},
	{"an assertion counts once, on whichever server it is shown, until it is forgotten", func(t *testing.T, e Engine) {
		servers := both(t, e)
		var let atomic.Int64
		var showing sync.WaitGroup
		for n := range 8 {
			showing.Go(func() {
				err := servers[n%2].UseOnce(t.Context(), "ehr", "j1", morning.Add(time.Minute), morning)
				if err == nil {
					let.Add(1)
				} else if fault.Of(err) != fault.Conflict {
					t.Error(err)
				}
			})
		}
		showing.Wait()
		if let.Load() != 1 {
			t.Errorf("it counted %d times", let.Load())
		}
		for _, other := range [][2]string{{"lab", "j1"}, {"ehr", "j2"}} {
			if err := servers[0].UseOnce(t.Context(), other[0], other[1], morning.Add(time.Minute), morning); err != nil {
				t.Errorf("%v: %v", other, err)
			}
		}
		if err := servers[0].UseOnce(t.Context(), "ehr", "j1", morning.Add(time.Hour), morning.Add(2*time.Minute)); err != nil {
			t.Errorf("after it was forgotten: %v", err)
		}
		failsWith(t, servers[0].UseOnce(t.Context(), "ehr", "\x00", morning, morning), fault.Unprocessable)
	}},
	{"signing keys are shared, newest first, and old ones forgotten", func(t *testing.T, e Engine) {
		servers := both(t, e)
		for n := range 3 {
			k := store.SigningKey{ID: fmt.Sprint("k", n), Created: morning.Add(time.Duration(n) * time.Hour), Private: []byte{byte(n)}}
			if err := servers[0].KeepSigningKey(t.Context(), k, morning.Add(time.Duration(n-1)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		found, err := servers[1].SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "keys", found, []store.SigningKey{
			{ID: "k2", Created: morning.Add(2 * time.Hour), Private: []byte{2}}, {ID: "k1", Created: morning.Add(time.Hour), Private: []byte{1}},
		})
	}},
}

var auditPromises = []promise{
	{"each tenant's records make one chain, whichever server writes them", func(t *testing.T, e Engine) {
		servers := both(t, e)
		var writing sync.WaitGroup
		for n := range 8 {
			writing.Go(func() {
				entries := []audit.Entry{entry(clinic, n, "p1"), entry("", n), entry(clinic, 100+n, "p2", "p1", "p2")}
				if records, err := servers[n%2].AppendAudit(t.Context(), entries); err != nil || len(records) != 3 {
					t.Errorf("%d records, %v", len(records), err)
				}
			})
		}
		writing.Wait()
		heads, err := servers[0].AuditHeads(t.Context())
		if err != nil || len(heads) != 2 || heads[0].Tenant != "" || heads[0].Seq != 8 || heads[1].Seq != 16 {
			t.Fatalf("heads %v, %v", heads, err)
		}
		for _, head := range heads {
			at := audit.Head{Tenant: head.Tenant}
			for range 10 {
				records, err := servers[1].AuditAfter(t.Context(), head.Tenant, at.Seq, 5)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range records {
					if at, err = r.Follows(at); err != nil {
						t.Fatal(err)
					}
				}
			}
			same(t, "the end of the chain", at, head)
		}
	}},
	{"records are found by patient and time, newest first, page by page", func(t *testing.T, e Engine) {
		s := e.Open(t)
		_, err := s.AppendAudit(t.Context(), []audit.Entry{
			entry(clinic, 1, "p1"), entry(clinic, 2, "p2"), entry(clinic, 3, "p1", "p2"), entry("other", 4, "p1"), entry(clinic, 5),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what string
			q    audit.Query
			want []string
		}{
			{"all", audit.Query{Max: 10}, []string{"5", "3", "2", "1"}},
			{"a page", audit.Query{Max: 2}, []string{"5", "3"}},
			{"the next page", audit.Query{Max: 2, Before: 3}, []string{"2", "1"}},
			{"of a patient", audit.Query{Max: 10, Patient: "p1"}, []string{"3", "1"}},
			{"of a patient, the next page", audit.Query{Max: 10, Patient: "p1", Before: 3}, []string{"1"}},
			{"of a time", audit.Query{Max: 10, From: morning.Add(2 * time.Minute), To: morning.Add(4 * time.Minute)}, []string{"3", "2"}},
			{"of a patient and a time", audit.Query{Max: 10, Patient: "p2", From: morning.Add(3 * time.Minute)}, []string{"3"}},
			{"of nobody", audit.Query{Max: 10, Patient: "p\x00"}, nil},
		} {
			found, err := s.FindAudit(t.Context(), clinic, c.q)
			if err != nil {
				t.Fatal(err)
			}
			same(t, c.what, requests(t, found), c.want)
		}
	}},
	{"nothing is written when one entry cannot be", func(t *testing.T, e Engine) {
		s := e.Open(t)
		_, err := s.AppendAudit(t.Context(), []audit.Entry{entry(clinic, 1), entry("\x00", 2)})
		failsWith(t, err, fault.Unprocessable)
		heads, err := s.AuditHeads(t.Context())
		if err != nil || len(heads) != 0 {
			t.Errorf("heads %v, %v", heads, err)
		}
	}},
}
