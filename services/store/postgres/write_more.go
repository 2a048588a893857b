package postgres

import (
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

func (w *writing) names(b *rows.Batch) {
	if as := b.Aliases; len(as) > 0 {
		w.add(`INSERT INTO patient_alias (tenant, name, patient, source)
			SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
			ON CONFLICT (tenant, name) DO UPDATE SET patient = excluded.patient, source = excluded.source`,
			column(as, func(a *record.Alias) string { return a.Name }),
			column(as, func(a *record.Alias) string { return string(a.Patient) }),
			column(as, func(a *record.Alias) string { return string(a.Source) }))
	}
	if ks := b.Keys; len(ks) > 0 {
		w.add(`INSERT INTO idempotency_key (tenant, source, name, hash, type, id, version)
			SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[])`,
			column(ks, func(k *record.Key) string { return string(k.Source) }),
			column(ks, func(k *record.Key) string { return k.Name }),
			column(ks, func(k *record.Key) []byte { return k.Hash[:] }),
			column(ks, func(k *record.Key) string { return k.Resource.Type }),
			column(ks, func(k *record.Key) string { return k.Resource.ID }),
			column(ks, func(k *record.Key) int64 { return k.Resource.Version }))
	}
}

func (w *writing) superseded(sources []string, keys []int64) {
	if len(sources) == 0 {
		return
	}
	// The tenant is compared in a form that no index has, so that the planner takes the index of source numbers.
	w.add(`UPDATE fact SET superseded = true WHERE ctid = ANY (ARRAY (
			SELECT f.ctid FROM unnest($2::text[], $3::bigint[]) AS w (source, key) CROSS JOIN LATERAL (
				SELECT f.ctid FROM fact f WHERE f.source_key = w.key AND f.source_key IS NOT NULL AND NOT f.superseded
					AND f.tenant || '' = $1 AND f.source = w.source OFFSET 0
			) AS f
		))`, sources, keys)
}

func (w *writing) facts(fs []rows.Fact) {
	if len(fs) == 0 {
		return
	}
	w.add(`INSERT INTO fact (tenant, episode, id, source, version, source_key, at_us, recorded_us, superseded, kind, data)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::boolean[], $10::text[], $11::bytea[])`,
		column(fs, func(f *rows.Fact) string { return f.Episode }),
		column(fs, func(f *rows.Fact) string { return f.ID }),
		column(fs, func(f *rows.Fact) string { return f.Source }),
		column(fs, func(f *rows.Fact) int64 { return f.Version }),
		column(fs, func(f *rows.Fact) *int64 { return f.SourceKey }),
		column(fs, func(f *rows.Fact) int64 { return f.At }),
		column(fs, func(f *rows.Fact) int64 { return f.Recorded }),
		column(fs, func(f *rows.Fact) bool { return f.Superseded }),
		column(fs, func(f *rows.Fact) string { return f.Kind }),
		column(fs, func(f *rows.Fact) []byte {
			return w.box.Seal(f.Data, sealed.Fact(ref.Tenant(w.tenant), f.ID, f.Version))
		}))
}

func (w *writing) episodes(es []rows.Episode) {
	if len(es) == 0 {
		return
	}
	w.add(`INSERT INTO episode (tenant, id, patient, deadline_us, slot, state)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
		ON CONFLICT (tenant, id) DO UPDATE SET patient = excluded.patient, deadline_us = excluded.deadline_us,
			slot = excluded.slot, state = excluded.state`,
		column(es, func(e *rows.Episode) string { return e.ID }),
		column(es, func(e *rows.Episode) string { return e.Patient }),
		column(es, func(e *rows.Episode) *int64 { return e.Deadline }),
		column(es, func(e *rows.Episode) *int64 { return e.Slot }),
		column(es, func(e *rows.Episode) []byte { return w.box.Seal(e.State, sealed.State(ref.Tenant(w.tenant), e.ID)) }))
}

func (w *writing) alerts(as []rows.Alert) {
	if len(as) == 0 {
		return
	}
	w.add(`INSERT INTO alert (tenant, id, episode, patient, rule, status, severity, effective_us, version, cause, because,
			assignee, roles, told, due_us, data)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bigint[],
			$9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bytea[])
		ON CONFLICT (tenant, id) DO UPDATE SET episode = excluded.episode, patient = excluded.patient, rule = excluded.rule,
			status = excluded.status, severity = excluded.severity, effective_us = excluded.effective_us,
			version = excluded.version, cause = excluded.cause, because = excluded.because, assignee = excluded.assignee,
			roles = excluded.roles, told = excluded.told, due_us = excluded.due_us, data = excluded.data`,
		column(as, func(a *rows.Alert) string { return a.ID }),
		column(as, func(a *rows.Alert) string { return a.Episode }),
		column(as, func(a *rows.Alert) string { return a.Patient }),
		column(as, func(a *rows.Alert) string { return a.Rule }),
		column(as, func(a *rows.Alert) string { return a.Status }),
		column(as, func(a *rows.Alert) int16 { return int16(a.Severity) }),
		column(as, func(a *rows.Alert) int64 { return a.Effective }),
		column(as, func(a *rows.Alert) int64 { return a.Version }),
		column(as, func(a *rows.Alert) string { return a.Cause }),
		column(as, func(a *rows.Alert) string { return a.Because }),
		column(as, func(a *rows.Alert) string { return a.Assignee }),
		column(as, func(a *rows.Alert) string { return a.Roles }),
		column(as, func(a *rows.Alert) string { return a.Told }),
		column(as, func(a *rows.Alert) *int64 { return a.Due }),
		column(as, func(a *rows.Alert) []byte { return w.box.Seal(a.Data, sealed.Alert(ref.Tenant(w.tenant), a.ID)) }))
}

// told writes counts of what was told, and forgets those of long ago.
func (w *writing) told(b *rows.Batch) {
	if len(b.Told) == 0 {
		return
	}
	w.add("DELETE FROM alert_told WHERE tenant = $1 AND day < $2", int64(b.Forgotten()))
	w.add(`INSERT INTO alert_told (tenant, day, feed, role, count)
		SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[])
		ON CONFLICT (tenant, day, feed, role) DO UPDATE SET count = excluded.count`,
		column(b.Told, func(r *alert.Told) int64 { return int64(r.Day) }),
		column(b.Told, func(r *alert.Told) string { return string(r.Team) }),
		column(b.Told, func(r *alert.Told) string { return r.Role }),
		column(b.Told, func(r *alert.Told) int64 { return r.Count }))
}

// unions keep under one patient what was kept under another. Alerts were written whole, as they hold the patient in their
// data.
func (w *writing) unions(us []decision.Union) {
	for _, u := range us {
		for _, text := range rows.Unite(rows.Postgres) {
			w.add(text, string(u.From), string(u.Into))
		}
	}
}

func (w *writing) events(es []feed.Event) {
	if len(es) == 0 {
		return
	}
	w.add(`INSERT INTO event (tenant, feed, seq, tenant_seq, time_us, id, type, subject, data)
		SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
			$9::bytea[])`,
		column(es, func(e *feed.Event) string { return string(e.Feed) }),
		column(es, func(e *feed.Event) int64 { return e.Seq }),
		column(es, func(e *feed.Event) int64 { return e.TenantSeq }),
		column(es, func(e *feed.Event) int64 { return e.Time.UnixMicro() }),
		column(es, func(e *feed.Event) string { return e.ID }),
		column(es, func(e *feed.Event) string { return string(e.Type) }),
		column(es, func(e *feed.Event) string { return e.Subject }),
		column(es, func(e *feed.Event) []byte {
			return w.box.Seal(e.Data, sealed.Event(ref.Tenant(w.tenant), string(e.Feed), e.Seq))
		}))
}

func (w *writing) feeds(names []feed.Name, last map[feed.Name]int64) {
	if len(names) == 0 {
		return
	}
	w.add(`INSERT INTO feed (tenant, name, first, last) SELECT $1, name, 1, last FROM unnest($2::text[], $3::bigint[]) AS w (name, last)
		ON CONFLICT (tenant, name) DO UPDATE SET last = excluded.last`,
		column(names, func(n *feed.Name) string { return string(*n) }),
		column(names, func(n *feed.Name) int64 { return last[*n] }))
}
