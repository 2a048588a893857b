package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Update writes under the file's one write lock, so writers of all tenants come one after another.
func (s *Store) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	if s.writer == nil || s.wal == nil {
		return nil, errReadOnly()
	}
	if !rows.Storable(string(t)) {
		return nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
	}
	c, err := s.take(ctx, s.writer, writePragmas)
	if err != nil {
		return nil, err
	}
	defer give(s.writer, c)
	if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	x := &tx{reader: reader{ctx: ctx, c: c, tenant: t}}
	if err := write(x); err != nil {
		return nil, err
	}
	if x.batch == nil || x.batch.Empty() {
		return nil, nil
	}
	x.ended = true
	w := &writing{ctx: ctx, c: c, tenant: string(t), batch: x.batch}
	moved, err := w.all(t)
	if err != nil {
		return nil, broken(err, "writing")
	}
	if err := c.commit(ctx); err != nil {
		return nil, err
	}
	s.wal.add(w.bytes)
	s.bell.ring(t, moved)
	return moved, nil
}

// tx holds what is to be written until write has returned without an error.
type tx struct {
	reader
	batch *rows.Batch
}

// Commit takes the decisions. They are written when the function given to Update returns nil; reading afterwards
// fails with Precondition.
func (x *tx) Commit(decisions ...*decision.Decision) error {
	if x.batch != nil {
		return fault.Newf(fault.Precondition, "invalid", "a Tx commits once")
	}
	batch, err := rows.Gather(x.tenant, decisions)
	if err != nil {
		return err
	}
	x.batch, x.ended = batch, true
	return nil
}

var (
	intoResource = table{head: `resource (tenant, type, id, version, current, source, source_id, source_version, hash,
		patient, from_us, to_us, outcome, stub, received_us, codes, issues, raw, seq, sieve)`, columns: 20}
	intoCode  = table{head: "resource_code (tenant, type, code, from_us, id, system)", columns: 6}
	intoMark  = table{head: "search_mark (key, from_us, id)", columns: 3, tail: " ON CONFLICT DO NOTHING"}
	intoAlias = table{head: "patient_alias (tenant, name, patient, source)", columns: 4, tail: ` ON CONFLICT (tenant, name)
		DO UPDATE SET patient = excluded.patient, source = excluded.source`}
	intoKey  = table{head: "idempotency_key (tenant, source, name, hash, type, id, version)", columns: 7}
	intoFact = table{head: `fact (tenant, episode, id, source, version, source_key, kind, at_us, recorded_us,
		superseded, data)`, columns: 11}
	intoEpisode = table{
		head: "episode (tenant, id, patient, deadline_us, slot, state)", columns: 6,
		tail: ` ON CONFLICT (tenant, id) DO UPDATE SET patient = excluded.patient, deadline_us = excluded.deadline_us,
			slot = excluded.slot, state = excluded.state`,
	}
	intoAlert = table{
		head: `alert (tenant, id, episode, patient, rule, status, severity, effective_us, version, cause, because, assignee,
			roles, told, due_us, data)`,
		columns: 16, tail: ` ON CONFLICT (tenant, id) DO UPDATE SET episode = excluded.episode,
			patient = excluded.patient, rule = excluded.rule, status = excluded.status, severity = excluded.severity,
			effective_us = excluded.effective_us, version = excluded.version, cause = excluded.cause,
			because = excluded.because, assignee = excluded.assignee, roles = excluded.roles, told = excluded.told,
			due_us = excluded.due_us, data = excluded.data`,
	}
	intoTold = table{
		head: "alert_told (tenant, day, feed, role, count)", columns: 5,
		tail: " ON CONFLICT (tenant, day, feed, role) DO UPDATE SET count = excluded.count",
	}
	intoEvent = table{head: "event (tenant, feed, seq, tenant_seq, id, type, time_us, subject, data)", columns: 9}
	intoFeed  = table{
		head: "feed (tenant, name, first, last)", columns: 4,
		tail: " ON CONFLICT (tenant, name) DO UPDATE SET last = excluded.last",
	}
)

// writing is one batch on its way into the file.
type writing struct {
	ctx    context.Context
	c      *conn
	tenant string
	batch  *rows.Batch
	// bytes written, about.
	bytes int64
}

func (w *writing) all(t ref.Tenant) ([]feed.Cursor, error) {
	names, last, events, moved, err := w.number(t)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		w.replaced, w.resources, w.codes, w.marks, w.aliases, w.keys, w.superseded, w.facts, w.episodes, w.alerts, w.told, w.unions,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return moved, w.events(names, last, events)
}

// replaced takes the flag, and the codes, from versions that are no longer the current ones.
func (w *writing) replaced() error {
	byType := map[string][]string{}
	for _, r := range w.batch.Replaced {
		byType[r.Type] = append(byType[r.Type], r.ID)
	}
	for typ, ids := range byType {
		names := array(ids)
		err := w.c.exec(w.ctx, `DELETE FROM resource_code WHERE (tenant, type, code, from_us, id, system) IN (
			SELECT r.tenant, r.type, substr(k.value, instr(k.value, '|') + 1), r.from_us, r.id,
				substr(k.value, 1, max(instr(k.value, '|') - 1, 0))
			FROM json_each(?3) w CROSS JOIN resource r ON r.tenant = ?1 AND r.type = ?2 AND r.id = w.value AND `+rows.IsCurrent+`
			CROSS JOIN json_each(r.codes) k)`, w.tenant, typ, names)
		if err != nil {
			return err
		}
		err = w.c.exec(w.ctx, `UPDATE resource AS r SET current = 0
			WHERE tenant = ?1 AND type = ?2 AND id IN (SELECT value FROM json_each(?3)) AND `+rows.IsCurrent, w.tenant, typ, names)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) resources() error {
	return w.c.insert(w.ctx, intoResource, len(w.batch.Resources), func(i int) []any {
		r := &w.batch.Resources[i]
		w.bytes += int64(len(r.Raw)) + 512
		return []any{
			w.tenant, r.Type, r.ID, r.Version, r.Current, string(r.Source), r.SourceID, r.SourceVersion, r.Hash[:],
			string(r.Patient), r.From, r.To, int64(r.Outcome), r.Stub, r.Received.UnixMicro(), r.Codes, r.Issues,
			blob(w.c.box.Seal(r.Raw, sealed.Resource(ref.Tenant(w.tenant), r.Type, r.ID, r.Version))),
			r.Seq, r.Sieve,
		}
	})
}

func (w *writing) codes() error {
	return w.c.insert(w.ctx, intoCode, len(w.batch.Codes), func(i int) []any {
		k := &w.batch.Codes[i]
		return []any{w.tenant, k.Type, k.Code, k.From, k.ID, k.System}
	})
}

func (w *writing) marks() error {
	w.bytes += int64(len(w.batch.Marks)) * 64
	return w.c.insert(w.ctx, intoMark, len(w.batch.Marks), func(i int) []any {
		m := &w.batch.Marks[i]
		return []any{m.Key, m.From, m.ID}
	})
}

func (w *writing) aliases() error {
	return w.c.insert(w.ctx, intoAlias, len(w.batch.Aliases), func(i int) []any {
		a := &w.batch.Aliases[i]
		return []any{w.tenant, a.Name, string(a.Patient), string(a.Source)}
	})
}

func (w *writing) keys() error {
	return w.c.insert(w.ctx, intoKey, len(w.batch.Keys), func(i int) []any {
		k := &w.batch.Keys[i]
		return []any{w.tenant, string(k.Source), k.Name, k.Hash[:], k.Resource.Type, k.Resource.ID, k.Resource.Version}
	})
}

func (w *writing) superseded() error {
	if len(w.batch.Superseded) == 0 {
		return nil
	}
	// The plus keeps the planner from the primary key, of which it would know no more than the tenant.
	return w.c.exec(w.ctx, `UPDATE fact SET superseded = 1
		WHERE source_key IN (SELECT value FROM json_each(?3)) AND source_key IS NOT NULL AND NOT superseded
			AND +tenant = ?1 AND source IN (SELECT value FROM json_each(?2))`,
		w.tenant, array(w.batch.Superseded), numbers(w.batch.SupersededKeys))
}

func (w *writing) facts() error {
	return w.c.insert(w.ctx, intoFact, len(w.batch.Facts), func(i int) []any {
		f := &w.batch.Facts[i]
		w.bytes += int64(len(f.Data)) + 256
		return []any{
			w.tenant, f.Episode, f.ID, f.Source, f.Version, f.SourceKey, f.Kind, f.At, f.Recorded, f.Superseded,
			w.c.box.Seal(f.Data, sealed.Fact(ref.Tenant(w.tenant), f.ID, f.Version)),
		}
	})
}

func (w *writing) episodes() error {
	return w.c.insert(w.ctx, intoEpisode, len(w.batch.Episodes), func(i int) []any {
		e := &w.batch.Episodes[i]
		w.bytes += int64(len(e.State)) + 256
		return []any{w.tenant, e.ID, e.Patient, e.Deadline, e.Slot, w.c.box.Seal(e.State, sealed.State(ref.Tenant(w.tenant), e.ID))}
	})
}

func (w *writing) alerts() error {
	return w.c.insert(w.ctx, intoAlert, len(w.batch.Alerts), func(i int) []any {
		a := &w.batch.Alerts[i]
		w.bytes += int64(len(a.Data)) + 512
		return []any{
			w.tenant, a.ID, a.Episode, a.Patient, a.Rule, a.Status, a.Severity, a.Effective, a.Version, a.Cause,
			a.Because, a.Assignee, a.Roles, a.Told, a.Due, w.c.box.Seal(a.Data, sealed.Alert(ref.Tenant(w.tenant), a.ID)),
		}
	})
}

// told writes counts of what was told, and forgets those of long ago.
func (w *writing) told() error {
	if len(w.batch.Told) == 0 {
		return nil
	}
	err := w.c.exec(w.ctx, "DELETE FROM alert_told WHERE tenant = ?1 AND day < ?2", w.tenant, int64(w.batch.Forgotten()))
	if err != nil {
		return err
	}
	return w.c.insert(w.ctx, intoTold, len(w.batch.Told), func(i int) []any {
		r := &w.batch.Told[i]
		return []any{w.tenant, int64(r.Day), string(r.Team), r.Role, r.Count}
	})
}

// unions keep under one patient what was kept under another. Alerts were written whole, as they hold the patient in their
// data.
func (w *writing) unions() error {
	for _, u := range w.batch.Unions {
		for _, text := range rows.Unite(rows.SQLite) {
			if err := w.c.exec(w.ctx, text, w.tenant, string(u.From), string(u.Into)); err != nil {
				return err
			}
		}
	}
	return nil
}

// number gives events and versions their numbers; the tenant's own feed exists from its first commit on.
func (w *writing) number(t ref.Tenant) (names []feed.Name, last map[feed.Name]int64, events []feed.Event, moved []feed.Cursor, err error) {
	if names = w.batch.Feeds(); len(names) == 0 {
		names = []feed.Name{feed.All}
	}
	if last, err = w.lastOf(names); err != nil {
		return nil, nil, nil, nil, err
	}
	events, moved = w.batch.Number(t, last)
	return names, last, events, moved, nil
}

func (w *writing) events(names []feed.Name, last map[feed.Name]int64, events []feed.Event) error {
	err := w.c.insert(w.ctx, intoEvent, len(events), func(i int) []any {
		e := &events[i]
		w.bytes += int64(len(e.Data)) + 128
		return []any{
			w.tenant, string(e.Feed), e.Seq, e.TenantSeq, e.ID, string(e.Type), e.Time.UnixMicro(), e.Subject,
			w.c.box.Seal(e.Data, sealed.Event(ref.Tenant(w.tenant), string(e.Feed), e.Seq)),
		}
	})
	if err != nil {
		return err
	}
	err = w.c.insert(w.ctx, intoFeed, len(names), func(i int) []any {
		return []any{w.tenant, string(names[i]), int64(1), last[names[i]]}
	})
	if err != nil {
		return err
	}
	return w.subscriptions()
}

func (w *writing) lastOf(names []feed.Name) (map[feed.Name]int64, error) {
	last := make(map[feed.Name]int64, len(names))
	err := w.c.query(w.ctx, func(r *sql.Rows) error {
		var name feed.Name
		var n int64
		err := r.Scan(&name, &n)
		last[name] = n
		return err
	}, "SELECT name, last FROM feed WHERE tenant = ?1 AND name IN (SELECT value FROM json_each(?2))", w.tenant, array(names))
	return last, err
}

// array is a JSON array of names, to be unfolded by json_each. Names that cannot be stored are left out.
func array[T ~string](of []T) string {
	kept := make([]T, 0, len(of))
	for _, name := range of {
		if rows.Storable(string(name)) {
			kept = append(kept, name)
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "[]" // Strings always marshal.
	}
	return string(text)
}

// numbers is a JSON array.
func numbers(of []int64) string {
	text, err := json.Marshal(of)
	if err != nil {
		return "[]" // Numbers always marshal.
	}
	return string(text)
}

// blob is never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func errReadOnly() error {
	return fault.Newf(fault.Precondition, "not-supported", "the store was opened for reading only")
}

var _ interface {
	store.Store
	store.Directory
	store.Retention
	store.Doorbell
	store.Definitions
	store.Deliveries
	store.Marking
} = (*Store)(nil)
