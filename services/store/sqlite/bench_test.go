package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/store/storetest"
)

func BenchmarkUpdate(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Store { return open(b) })
}

// BenchmarkFloor writes the rows of 256 submissions into the same tables by bare inserts of 8 rows in one
// transaction: nothing is asked, checked or numbered.
func BenchmarkFloor(b *testing.B) {
	path := filepath.Join(b.TempDir(), "clinic.db")
	if _, _, err := sqlite.Migrate(b.Context(), path); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	const size = 256
	n := 0
	var busy time.Duration
	for b.Loop() {
		batch, err := rows.Gather("clinic", storetest.Submissions(n, size))
		if err != nil {
			b.Fatal(err)
		}
		inserts := bare(batch, n)
		n += size
		begun := time.Now()
		if err := floor(b.Context(), db, inserts); err != nil {
			b.Fatal(err)
		}
		busy += time.Since(begun)
	}
	storetest.Report(b, n, busy)
}

type bareInsert struct {
	head, tail string
	rows       [][]any
}

func bare(batch *rows.Batch, n int) []bareInsert {
	inserts := []bareInsert{
		{head: "resource (tenant, type, id, version, from_us, to_us, received_us, outcome, current, stub, source, source_id, " +
			"source_version, hash, patient, codes, issues, raw)"},
		{head: "resource_code (tenant, type, code, from_us, id, system)"},
		{head: "fact (tenant, episode, id, source, version, source_key, at_us, recorded_us, superseded, kind, data)"},
		{head: "episode (tenant, id, patient, deadline_us, slot, state)", tail: " ON CONFLICT (tenant, id) DO UPDATE SET " +
			"deadline_us = excluded.deadline_us, slot = excluded.slot, state = excluded.state"},
		{head: "event (tenant, feed, seq, tenant_seq, time_us, id, type, subject, data)"},
	}
	for i, r := range batch.Resources {
		k, f, e, d := batch.Codes[i], batch.Facts[i], batch.Episodes[i], batch.Drafts[i]
		for table, row := range [][]any{
			{
				"clinic", r.Type, r.ID, r.Version, r.From, r.To, r.Received.UnixMicro(), int64(r.Outcome), r.Current, r.Stub,
				string(r.Source), r.SourceID, r.SourceVersion, r.Hash[:], string(r.Patient), r.Codes, r.Issues, r.Raw,
			},
			{"clinic", k.Type, k.Code, k.From, k.ID, k.System},
			{"clinic", f.Episode, f.ID, f.Source, f.Version, f.SourceKey, f.At, f.Recorded, f.Superseded, f.Kind, f.Data},
			{"clinic", e.ID, e.Patient, e.Deadline, e.Slot, e.State},
			{"clinic", "all", n + i + 1, n + i + 1, d.Time.UnixMicro(), d.ID, string(d.Type), d.Subject, []byte(d.Data)},
		} {
			inserts[table].rows = append(inserts[table].rows, row)
		}
	}
	return inserts
}

func floor(ctx context.Context, db *sql.DB, inserts []bareInsert) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, in := range inserts {
		const chunk = 8
		row := "(?" + strings.Repeat(",?", len(in.rows[0])-1) + ")"
		s, err := tx.PrepareContext(ctx, "INSERT INTO "+in.head+" VALUES "+row+strings.Repeat(","+row, chunk-1)+in.tail)
		if err != nil {
			return err
		}
		for i := 0; i < len(in.rows); i += chunk {
			var args []any
			for _, row := range in.rows[i : i+chunk] {
				args = append(args, row...)
			}
			if _, err := s.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}
