package audit_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// chain of n records.
func chain(t *testing.T, n int) []audit.Record {
	t.Helper()
	head := audit.Head{Tenant: "north"}
	var records []audit.Record
	for i := range n {
		var r audit.Record
		var err error
		head, r, err = audit.Seal(head, audit.Entry{At: time.Unix(int64(i), 0).UTC(), Request: "r", Patients: []ref.Patient{"p1"}})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// verify walks a chain.
func verify(records []audit.Record) error {
	head := audit.Head{Tenant: "north"}
	for _, r := range records {
		var err error
		if head, err = r.Follows(head); err != nil {
			return err
		}
	}
	return nil
}

func TestAChainThatNobodyTouchedIsWhole(t *testing.T) {
	if err := verify(chain(t, 5)); err != nil {
		t.Error(err)
	}
}

func TestWhateverIsDoneToARecordBreaksTheChain(t *testing.T) {
	for what, tamper := range map[string]func([]audit.Record) []audit.Record{
		"changed data":    func(r []audit.Record) []audit.Record { r[2].Data = append([]byte(" "), r[2].Data...); return r },
		"another time":    func(r []audit.Record) []audit.Record { r[2].At = r[2].At.Add(1); return r },
		"another tenant":  func(r []audit.Record) []audit.Record { r[2].Tenant = "south"; return r },
		"taken out":       func(r []audit.Record) []audit.Record { return append(r[:2], r[3:]...) },
		"swapped":         func(r []audit.Record) []audit.Record { r[2], r[3] = r[3], r[2]; return r },
		"renumbered":      func(r []audit.Record) []audit.Record { r[2], r[3] = r[3], r[2]; r[2].Seq, r[3].Seq = 3, 4; return r },
		"another hash":    func(r []audit.Record) []audit.Record { r[1].Hash[0] ^= 1; return r },
		"begun elsewhere": func(r []audit.Record) []audit.Record { return r[1:] },
	} {
		if err := verify(tamper(chain(t, 5))); fault.Of(err) != fault.Precondition {
			t.Errorf("%s: %v", what, err)
		}
	}
}
