package decision

import (
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
)

// replay recognises what was stored before.
func (d *Desk) replay(in *Input) (Receipt, bool) {
	if in.Key != "" {
		if key, ok := d.key(in.Record.Source, in.Key); ok {
			if key.Hash != in.Record.Hash {
				return rejected(fault.Newf(fault.Conflict, "duplicate",
					"the idempotency key was used with another body: use a new key for new content")), true
			}
			head, _ := d.head(key.Resource.Unversioned())
			return Receipt{Outcome: record.Unchanged, Resource: key.Resource, Patient: head.Patient}, true
		}
	}
	head, ok := d.head(in.Record.Unversioned())
	if in.Again {
		return overtaken(head, in)
	}
	if !ok || head.Stub {
		return d.twin(in)
	}
	unchanged := Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient}
	switch {
	case head.Hash == in.Record.Hash, in.New && !head.Gone():
		unchanged.Issues = head.Issues // a replay is told what the first one was told
		return unchanged, true
	case outlived(head, in) && head.Gone():
		unchanged.Issues = []fault.Issue{fault.Infof("deleted", in.Record.Type+".meta",
			"deleted here after this version: not brought back by it")}
		return unchanged, true
	case outlived(head, in):
		unchanged.Issues = []fault.Issue{fault.Infof("informational", in.Record.Type+".meta",
			"older than the version already stored: kept the newer one")}
		return unchanged, true
	}
	return Receipt{}, false
}

// twin recognises what is stored under another id: by the id that its source gave it, or by the one that it was given here.
func (d *Desk) twin(in *Input) (Receipt, bool) {
	head, ok := d.head(in.Twin)
	if !ok || in.Twin.ID == "" || head.Stub || head.Gone() || head.Source != in.Record.Source {
		return Receipt{}, false
	}
	if in.TwinHash != ([32]byte{}) && in.TwinHash != head.Hash {
		return Receipt{}, false
	}
	return Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient, Issues: head.Issues}, true
}

// overtaken recognises what is not to be judged again: a version after which another one came.
func overtaken(head record.Head, in *Input) (Receipt, bool) {
	if !known(head, in) {
		return Receipt{}, false
	}
	return Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient, Issues: []fault.Issue{
		fault.Infof("informational", in.Record.Type, "a newer version came in between: it was judged as it came, and is kept"),
	}}, true
}

// outlived says whether what is stored is newer than an input. A deletion outlives also the version that it deleted.
func outlived(head record.Head, in *Input) bool {
	return stale(head.SourceVersion, in.Record.SourceVersion) ||
		head.Gone() && head.SourceVersion != "" && head.SourceVersion == in.Record.SourceVersion
}

// stale says whether version b of a resource is older than version a. Versions are numbers or moments; others do not compare.
func stale(a, b string) bool {
	if m, err := strconv.ParseInt(a, 10, 64); err == nil {
		n, err := strconv.ParseInt(b, 10, 64)
		return err == nil && n < m
	}
	if t, err := time.Parse(time.RFC3339, a); err == nil {
		u, err := time.Parse(time.RFC3339, b)
		return err == nil && u.Before(t)
	}
	return false
}
