package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

// durable is a server whose commits wait for the disk, with PostgreSQL's own default settings otherwise.
func durable(b *testing.B) *testbed.Postgres {
	b.Helper()
	p, err := testbed.StartPostgres(testbed.PostgresOptions{Sync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Stop)
	return p
}

func BenchmarkUpdate(b *testing.B) {
	p := durable(b)
	storetest.Bench(b, func(b *testing.B) storetest.Store { return openAt(b, p.Fresh(b)) })
}

// BenchmarkFloor writes the rows of 256 submissions into the same tables by bare multi-row inserts in one
// transaction: nothing is asked, locked or numbered.
func BenchmarkFloor(b *testing.B) {
	p := durable(b)
	url := p.Fresh(b)
	openAt(b, url)
	c, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(context.Background()) })
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
		if err := floor(b.Context(), c, inserts); err != nil {
			b.Fatal(err)
		}
		busy += time.Since(begun)
	}
	storetest.Report(b, n, busy)
}

type bareInsert struct {
	text string
	args []any
}

func bare(batch *rows.Batch, n int) []bareInsert {
	var resource, code, fact, episode, event [][]any
	for i, r := range batch.Resources {
		resource = append(resource, []any{
			"clinic", r.Type, r.ID, r.Version, r.From, r.To, r.Received.UnixMicro(), int16(r.Outcome), r.Current, r.Stub,
			string(r.Source), r.SourceID, r.SourceVersion, r.Hash[:], string(r.Patient), r.Codes, r.Issues, r.Raw,
		})
		k, f, e, d := batch.Codes[i], batch.Facts[i], batch.Episodes[i], batch.Drafts[i]
		code = append(code, []any{"clinic", k.Type, k.Code, k.From, k.ID, k.System})
		fact = append(fact, []any{"clinic", f.Episode, f.ID, f.Source, f.Version, f.SourceKey, f.At, f.Recorded, f.Superseded, f.Kind, f.Data})
		episode = append(episode, []any{"clinic", e.ID, e.Patient, e.Deadline, e.Slot, e.State})
		event = append(event, []any{"clinic", "all", n + i + 1, n + i + 1, d.Time.UnixMicro(), d.ID, string(d.Type), d.Subject, []byte(d.Data)})
	}
	return []bareInsert{
		values("resource (tenant, type, id, version, from_us, to_us, received_us, outcome, current, stub, source, source_id, "+
			"source_version, hash, patient, codes, issues, raw)", resource, ""),
		values("resource_code (tenant, type, code, from_us, id, system)", code, ""),
		values("fact (tenant, episode, id, source, version, source_key, at_us, recorded_us, superseded, kind, data)", fact, ""),
		values("episode (tenant, id, patient, deadline_us, slot, state)", episode,
			" ON CONFLICT (tenant, id) DO UPDATE SET deadline_us = excluded.deadline_us, slot = excluded.slot, state = excluded.state"),
		values("event (tenant, feed, seq, tenant_seq, time_us, id, type, subject, data)", event, ""),
	}
}

func values(into string, table [][]any, tail string) bareInsert {
	var text strings.Builder
	var args []any
	fmt.Fprintf(&text, "INSERT INTO %s VALUES ", into)
	for i, row := range table {
		if i > 0 {
			text.WriteByte(',')
		}
		for j := range row {
			text.WriteString(map[bool]string{true: "(", false: ","}[j == 0])
			fmt.Fprintf(&text, "$%d", len(args)+j+1)
		}
		text.WriteByte(')')
		args = append(args, row...)
	}
	return bareInsert{text.String() + tail, args}
}

func floor(ctx context.Context, c *pgx.Conn, inserts []bareInsert) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		for _, i := range inserts {
			if _, err := tx.Exec(ctx, i.text, i.args...); err != nil {
				return err
			}
		}
		return nil
	})
}
