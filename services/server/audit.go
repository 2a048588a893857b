package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// AuditReport is what VerifyAudit found.
type AuditReport struct {
	Chains  int `json:"chains"`
	Records int `json:"records"`
	// Compared is how many lines of a file were compared.
	Compared int `json:"compared,omitempty"`
	// Problems say where a chain breaks; none when nobody has changed anything.
	Problems []string `json:"problems,omitempty"`
}

// auditLine is a record as it is listed and exported. The raw request of a search stays in the database: it may hold names.
type auditLine struct {
	Tenant ref.Tenant `json:"tenant"`
	Seq    int64      `json:"seq"`
	Hash   string     `json:"hash"`
	audit.Entry
}

// AuditLine is a record as one JSON object, without the raw request of a search.
func AuditLine(r audit.Record) any {
	e, err := r.Entry()
	if err != nil {
		return auditLine{Tenant: r.Tenant, Seq: r.Seq, Hash: r.Hash.String()}
	}
	e.Query = ""
	return auditLine{r.Tenant, r.Seq, r.Hash.String(), e}
}

// VerifyAudit walks every chain from its beginning to its end, and compares it with what was exported, one line of JSON
// each.
func VerifyAudit(ctx context.Context, from store.Audit, exported io.Reader) (*AuditReport, error) {
	report := &AuditReport{}
	kept, err := readExported(report, exported)
	if err != nil {
		return nil, err
	}
	heads, err := from.AuditHeads(ctx)
	if err != nil {
		return nil, err
	}
	for _, end := range heads {
		if err := report.walk(ctx, from, end, kept); err != nil {
			return nil, err
		}
	}
	for place := range kept {
		report.problem(place.tenant, "record %d was exported and is not there", place.seq)
	}
	return report, nil
}

type auditPlace struct {
	tenant ref.Tenant
	seq    int64
}

func readExported(report *AuditReport, exported io.Reader) (map[auditPlace]string, error) {
	kept := map[auditPlace]string{}
	lines := bufio.NewScanner(exported)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var line struct {
			Tenant ref.Tenant `json:"tenant"`
			Seq    int64      `json:"seq"`
			Hash   string     `json:"hash"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Seq < 1 {
			continue // a line that was cut off when the machine went down
		}
		report.Compared++
		kept[auditPlace{line.Tenant, line.Seq}] = line.Hash
	}
	return kept, lines.Err()
}

func (r *AuditReport) problem(t ref.Tenant, format string, args ...any) {
	name := string(t)
	if name == "" {
		name = "(callers who are not known)"
	}
	r.Problems = append(r.Problems, strings.Join([]string{name, fmt.Sprintf(format, args...)}, ": "))
}

func (r *AuditReport) missing(t ref.Tenant, from, to int64) {
	if from == to {
		r.problem(t, "record %d is missing", from)
		return
	}
	r.problem(t, "records %d to %d are missing", from, to)
}

// auditPage is how many records are read at once.
const auditPage = 1000

func (r *AuditReport) walk(ctx context.Context, from store.Audit, end audit.Head, kept map[auditPlace]string) error {
	r.Chains++
	at := audit.Head{Tenant: end.Tenant}
	for at.Seq < end.Seq {
		records, err := from.AuditAfter(ctx, end.Tenant, at.Seq, auditPage)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			r.missing(end.Tenant, at.Seq+1, end.Seq)
			return nil
		}
		for _, record := range records {
			if record.Seq > end.Seq {
				if at.Seq < end.Seq {
					r.missing(end.Tenant, at.Seq+1, end.Seq)
				}
				return nil // a server writes on meanwhile
			}
			if record.Seq > at.Seq+1 {
				r.missing(end.Tenant, at.Seq+1, record.Seq-1)
			} else if _, err := record.Follows(at); err != nil {
				var f *fault.Fault
				if errors.As(err, &f) && len(f.Issues) > 0 {
					r.problem(end.Tenant, "%s", f.Issues[0].Text)
				}
			}
			// Each break is told by itself: the walk goes on from what stands there.
			at = audit.Head{Tenant: end.Tenant, Seq: record.Seq, Hash: record.Hash}
			r.Records++
			place := auditPlace{record.Tenant, record.Seq}
			if hash, ok := kept[place]; ok && hash != record.Hash.String() {
				r.problem(end.Tenant, "record %d is not the one that was exported", record.Seq)
			}
			delete(kept, place)
		}
	}
	if at.Seq == end.Seq && at.Hash != end.Hash {
		r.problem(end.Tenant, "the end of the chain is not its last record")
	}
	return nil
}
