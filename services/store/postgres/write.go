package postgres

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// writing is one batch as statements, each of which takes all rows of a table as arrays, one per column.
type writing struct {
	tenant    string
	questions []question
	// box seals what is written.
	box *sealed.Box
}

func (w *writing) add(text string, args ...any) {
	w.questions = append(w.questions, question{text: text, args: append([]any{newRoomy(w.tenant, args)}, args...)})
}

// all ends with the commit and the doorbell, so that they share the round trip of the rows. The server rings when
// the commit is done.
func (w *writing) all(b *rows.Batch, events []feed.Event, last map[feed.Name]int64, moved []feed.Cursor) {
	w.replaced(b.Replaced)
	w.resources(b.Resources)
	w.codes(b.Codes)
	w.marks(b.Marks)
	w.names(b)
	w.superseded(b.Superseded, b.SupersededKeys)
	w.facts(b.Facts)
	w.episodes(b.Episodes)
	w.alerts(b.Alerts)
	w.told(b)
	w.unions(b.Unions)
	w.events(events)
	w.feeds(b.Feeds(), last)
	w.subscriptions(b.Subscriptions)
	if len(moved) > 0 {
		w.add("SELECT pg_notify('rapport', n) FROM unnest($2::text[]) AS n WHERE $1::text IS NOT NULL", notices(w.tenant, moved))
	}
	w.questions = append(w.questions, question{text: "COMMIT"})
}

// replaced takes the flag, and the codes, from versions that are no longer the current ones.
func (w *writing) replaced(names []ref.Resource) {
	if len(names) == 0 {
		return
	}
	types, ids := split(names)
	w.add(`WITH old AS (
			UPDATE resource SET current = false WHERE ctid = ANY (ARRAY (
				SELECT r.ctid FROM unnest($2::text[], $3::text[]) AS w (type, id) CROSS JOIN LATERAL (
					SELECT r.ctid FROM resource r WHERE r.tenant = $1 AND r.id = w.id AND r.type = w.type AND `+rows.IsCurrent+` OFFSET 0
				) AS r
			))
			RETURNING type, id, from_us, codes
		)
		DELETE FROM resource_code WHERE ctid = ANY (ARRAY (
			SELECT c.ctid FROM old
			CROSS JOIN json_array_elements_text(convert_from(old.codes, 'UTF8')::json) AS k (code)
			CROSS JOIN LATERAL (
				SELECT c.ctid FROM resource_code c
				WHERE c.tenant = $1 AND c.type = old.type AND c.id = old.id AND c.from_us = old.from_us
					AND c.code = substr(k.code, strpos(k.code, '|') + 1)
					AND c.system = substr(k.code, 1, greatest(strpos(k.code, '|') - 1, 0))
				OFFSET 0
			) AS c
		))`, types, ids)
}

func (w *writing) resources(rs []rows.Resource) {
	if len(rs) == 0 {
		return
	}
	w.add(`INSERT INTO resource (tenant, type, id, version, from_us, to_us, received_us, outcome, current, stub, source,
			source_id, source_version, hash, patient, codes, issues, raw, seq, sieve)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
			$8::smallint[], $9::boolean[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::text[],
			$16::bytea[], $17::bytea[], $18::bytea[], $19::bigint[], $20::bigint[])`,
		column(rs, func(r *rows.Resource) string { return r.Type }),
		column(rs, func(r *rows.Resource) string { return r.ID }),
		column(rs, func(r *rows.Resource) int64 { return r.Version }),
		column(rs, func(r *rows.Resource) int64 { return r.From }),
		column(rs, func(r *rows.Resource) int64 { return r.To }),
		column(rs, func(r *rows.Resource) int64 { return r.Received.UnixMicro() }),
		column(rs, func(r *rows.Resource) int16 { return int16(r.Outcome) }),
		column(rs, func(r *rows.Resource) bool { return r.Current }),
		column(rs, func(r *rows.Resource) bool { return r.Stub }),
		column(rs, func(r *rows.Resource) string { return string(r.Source) }),
		column(rs, func(r *rows.Resource) string { return r.SourceID }),
		column(rs, func(r *rows.Resource) string { return r.SourceVersion }),
		column(rs, func(r *rows.Resource) []byte { return r.Hash[:] }),
		column(rs, func(r *rows.Resource) string { return string(r.Patient) }),
		column(rs, func(r *rows.Resource) []byte { return r.Codes }),
		column(rs, func(r *rows.Resource) []byte { return r.Issues }),
		column(rs, func(r *rows.Resource) []byte {
			return blob(w.box.Seal(r.Raw, sealed.Resource(ref.Tenant(w.tenant), r.Type, r.ID, r.Version)))
		}),
		column(rs, func(r *rows.Resource) int64 { return r.Seq }),
		column(rs, func(r *rows.Resource) int64 { return r.Sieve }))
}

func (w *writing) codes(ks []rows.Code) {
	if len(ks) == 0 {
		return
	}
	w.add(`INSERT INTO resource_code (tenant, type, code, from_us, id, system)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])`,
		column(ks, func(k *rows.Code) string { return k.Type }),
		column(ks, func(k *rows.Code) string { return k.Code }),
		column(ks, func(k *rows.Code) int64 { return k.From }),
		column(ks, func(k *rows.Code) string { return k.ID }),
		column(ks, func(k *rows.Code) string { return k.System }))
}

// intoMarks has the tenant as its first parameter, as every statement, though the tenant is in the keys already.
const intoMarks = `INSERT INTO search_mark (key, from_us, id)
	SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::text[]) WHERE $1::text IS NOT NULL ON CONFLICT DO NOTHING`

func (w *writing) marks(ms []rows.MarkRow) {
	if len(ms) == 0 {
		return
	}
	w.add(intoMarks,
		column(ms, func(m *rows.MarkRow) int64 { return m.Key }),
		column(ms, func(m *rows.MarkRow) int64 { return m.From }),
		column(ms, func(m *rows.MarkRow) string { return m.ID }))
}

// column gathers one value of every row.
func column[R, V any](of []R, value func(*R) V) pgtype.FlatArray[V] {
	values := make(pgtype.FlatArray[V], len(of))
	for i := range of {
		values[i] = value(&of[i])
	}
	return values
}

// blob is never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
