package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// View reads one snapshot; writers go on beside it.
func (s *Store) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	return s.view(ctx, func(c *conn) error {
		r := &reader{ctx: ctx, c: c, tenant: t}
		defer func() { r.ended = true }()
		return read(r)
	})
}

func (s *Store) view(ctx context.Context, read func(*conn) error) error {
	c, err := s.take(ctx, s.readers, readPragmas)
	if err != nil {
		return err
	}
	defer give(s.readers, c)
	if err := c.begin(ctx, "BEGIN"); err != nil {
		return err
	}
	return read(c)
}

// reader reads within the transaction of its connection.
type reader struct {
	ctx    context.Context
	c      *conn
	tenant ref.Tenant
	// ended says that what it read no longer holds.
	ended bool
}

// query asks a fixed question; the first parameter is the tenant.
func (r *reader) query(doing string, scan func(*sql.Rows) error, text string, args ...any) error {
	if r.ended {
		return fault.Newf(fault.Precondition, "invalid", "reading after the end of the transaction")
	}
	return broken(r.c.query(r.ctx, scan, text, append([]any{string(r.tenant)}, args...)...), doing)
}

func (r *reader) ask(doing string, scan func(*sql.Rows) error, text string, args []any) error {
	if r.ended {
		return fault.Newf(fault.Precondition, "invalid", "reading after the end of the transaction")
	}
	return broken(r.c.ask(r.ctx, scan, text, args...), doing)
}

func (r *reader) Heads(of []ref.Resource) (map[ref.Resource]record.Head, error) {
	byType := map[string][]string{}
	for _, name := range of {
		byType[name.Type] = append(byType[name.Type], name.ID)
	}
	heads := make(map[ref.Resource]record.Head, len(of))
	for typ, ids := range byType {
		err := r.query("reading heads", func(row *sql.Rows) error {
			h := record.Head{Resource: ref.Resource{Type: typ}}
			var hash, issues sql.RawBytes
			err := row.Scan(&h.ID, &h.Version, &h.Source, &h.SourceID, &h.SourceVersion, &hash, &h.Patient, &h.Outcome,
				&h.Stub, &issues)
			if err != nil {
				return err
			}
			copy(h.Hash[:], hash)
			heads[h.Unversioned()] = h
			if err := rows.Parse(issues, &h.Issues); err != nil {
				return err
			}
			heads[h.Unversioned()] = h
			return nil
		}, `SELECT r.id, r.version, r.source, r.source_id, r.source_version, r.hash, r.patient, r.outcome, r.stub, r.issues
			FROM json_each(?3) w CROSS JOIN resource r ON r.tenant = ?1 AND r.type = ?2 AND r.id = w.value AND `+rows.IsCurrent,
			typ, array(ids))
		if err != nil {
			return nil, err
		}
	}
	return heads, nil
}

func (r *reader) Record(of ref.Resource) (record.Record, error) {
	version := "r.version = ?4"
	if of.Version == 0 {
		version = rows.IsCurrent + " AND ?4 = 0"
	}
	found, err := r.records("reading a record", 0, r.query, "SELECT "+rows.Columns+
		" FROM resource r WHERE r.tenant = ?1 AND r.type = ?2 AND r.id = ?3 AND "+version, of.Type, of.ID, of.Version)
	if err == nil {
		err = rows.Found(of, found)
	}
	if err != nil {
		return record.Record{}, err
	}
	return found[0], nil
}

func (r *reader) Records(of ...ref.Resource) ([]record.Record, error) {
	var found []record.Record
	for _, name := range of { // here a statement costs no round trip
		one, err := r.Record(name)
		switch {
		case err == nil:
			found = append(found, one)
		case fault.Of(err) != fault.NotFound:
			return nil, err
		}
	}
	return found, nil
}

func (r *reader) Having(typ string, of ...ref.Patient) ([]ref.Patient, error) {
	var found []ref.Patient
	if len(of) == 0 {
		return nil, nil
	}
	err := r.query("looking who has records of a type", func(row *sql.Rows) error {
		var p ref.Patient
		err := row.Scan(&p)
		found = append(found, p)
		return err
	}, `SELECT w.value FROM json_each(?3) AS w WHERE EXISTS (
			SELECT 1 FROM resource r WHERE r.tenant = ?1 AND r.patient = w.value AND r.type = ?2 AND r.current AND r.outcome <> ?4)`,
		typ, array(of), int64(record.Gone))
	return found, err
}

func (r *reader) Search(q record.Query) ([]record.Record, error) {
	text, args := rows.Search(rows.SQLite, r.tenant, q)
	return r.records("searching", q.MaxBytes, func(doing string, scan func(*sql.Rows) error, text string, args ...any) error {
		return r.ask(doing, scan, text, args)
	}, text, args...)
}

type asking func(doing string, scan func(*sql.Rows) error, text string, args ...any) error

// records reads rows of the table resource, until their bodies hold enough bytes; 0 is never enough.
func (r *reader) records(doing string, enough int, ask asking, text string, args ...any) ([]record.Record, error) {
	var found []record.Record
	bytes := 0
	err := ask(doing, func(row *sql.Rows) error {
		if enough > 0 && bytes >= enough {
			return nil
		}
		var x rows.Resource
		var hash sql.RawBytes
		var received int64
		err := row.Scan(&x.Type, &x.ID, &x.Version, &x.Source, &x.SourceID, &x.SourceVersion, &hash, &x.Patient,
			&x.From, &x.To, &x.Outcome, &x.Stub, &received, &x.Codes, &x.Issues, &x.Raw, &x.Seq)
		if err != nil {
			return err
		}
		copy(x.Hash[:], hash)
		x.Received = rows.Time(received)
		restored, err := x.RestoreSealed(r.ctx, r.c.box, r.tenant)
		found, bytes = append(found, restored), bytes+len(restored.Raw)
		return err
	}, text, args...)
	return found, err
}

func (r *reader) PatientsAfter(after ref.Patient, types []string, max int) ([]ref.Patient, error) {
	var found []ref.Patient
	return found, r.query("listing patients", func(row *sql.Rows) error {
		var id ref.Patient
		err := row.Scan(&id)
		found = append(found, id)
		return err
	}, `SELECT DISTINCT patient FROM resource WHERE tenant = ?1 AND current AND patient > ?2
		AND outcome <> ?5 AND type IN (SELECT value FROM json_each(?3)) ORDER BY patient LIMIT ?4`, string(after), array(types), limit(max),
		int64(record.Gone))
}

func (r *reader) Patients(names []string) (map[string]record.Alias, error) {
	found := make(map[string]record.Alias, len(names))
	return found, r.query("resolving patients", func(row *sql.Rows) error {
		var a record.Alias
		err := row.Scan(&a.Name, &a.Patient, &a.Source)
		found[a.Name] = a
		return err
	}, `SELECT a.name, a.patient, a.source
		FROM json_each(?2) w CROSS JOIN patient_alias a ON a.tenant = ?1 AND a.name = w.value`, array(names))
}

func (r *reader) Keys(source ref.Source, names []string) (map[string]record.Key, error) {
	found := make(map[string]record.Key, len(names))
	return found, r.query("reading idempotency keys", func(row *sql.Rows) error {
		k := record.Key{Source: source}
		var hash sql.RawBytes
		err := row.Scan(&k.Name, &hash, &k.Resource.Type, &k.Resource.ID, &k.Resource.Version)
		copy(k.Hash[:], hash)
		found[k.Name] = k
		return err
	}, `SELECT k.name, k.hash, k.type, k.id, k.version
		FROM json_each(?3) w CROSS JOIN idempotency_key k ON k.tenant = ?1 AND k.source = ?2 AND k.name = w.value`,
		string(source), array(names))
}

func (r *reader) States(of []ref.Episode) (map[ref.Episode]*episode.State, error) {
	found := make(map[ref.Episode]*episode.State, len(of))
	return found, r.query("reading episode states", func(row *sql.Rows) error {
		var id string
		var data sql.RawBytes
		state := new(episode.State)
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		if err := rows.ParseSealed(r.ctx, r.c.box, sealed.State(r.tenant, id), data, state); err != nil {
			return err
		}
		found[state.Episode] = state
		return nil
	}, `SELECT e.id, e.state FROM json_each(?2) w CROSS JOIN episode e ON e.tenant = ?1 AND e.id = w.value`, array(of))
}

func (r *reader) Facts(of []ref.Episode) (map[ref.Episode][]fact.Fact, error) {
	return r.facts(`SELECT f.episode, f.id, f.version, f.data FROM (SELECT DISTINCT value FROM json_each(?2)) w
		CROSS JOIN fact f ON f.tenant = ?1 AND f.episode = w.value AND NOT f.superseded`, array(of))
}

func (r *reader) FactsBy(of ref.Episode, q fact.Page) ([]fact.Fact, error) {
	var found []fact.Fact
	text, args := rows.FactsBy(rows.SQLite, r.tenant, of, q)
	err := r.ask("reading a page of facts", func(row *sql.Rows) error {
		var id string
		var version int64
		var data sql.RawBytes
		var f fact.Fact
		if err := row.Scan(&id, &version, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.c.box, sealed.Fact(r.tenant, id, version), data, &f)
		found = append(found, f)
		return err
	}, text, args)
	rows.SortPage(found, q)
	return found, err
}

func (r *reader) FactsAt(of []ref.Episode, at time.Time) (map[ref.Episode][]fact.Fact, error) {
	return r.facts(`SELECT f.episode, f.id, f.version, f.data FROM (SELECT DISTINCT value FROM json_each(?2)) w
		CROSS JOIN fact f ON f.tenant = ?1 AND f.episode = w.value AND f.recorded_us <= ?3
		WHERE f.source = '' OR NOT EXISTS (
			SELECT 1 FROM resource r WHERE r.tenant = ?1 AND r.id = substr(f.source, instr(f.source, '/') + 1)
				AND r.type = substr(f.source, 1, instr(f.source, '/') - 1) AND r.version > f.version AND r.received_us <= ?3)`,
		array(of), at.UnixMicro())
}

func (r *reader) facts(text string, args ...any) (map[ref.Episode][]fact.Fact, error) {
	found := map[ref.Episode][]fact.Fact{}
	err := r.query("reading facts", func(row *sql.Rows) error {
		var episode ref.Episode
		var id string
		var version int64
		var data sql.RawBytes
		var f fact.Fact
		if err := row.Scan(&episode, &id, &version, &data); err != nil {
			return err
		}
		if err := rows.ParseSealed(r.ctx, r.c.box, sealed.Fact(r.tenant, id, version), data, &f); err != nil {
			return err
		}
		found[episode] = append(found[episode], f)
		return nil
	}, text, args...)
	for _, facts := range found {
		rows.SortFacts(facts)
	}
	return found, err
}

func (r *reader) TakenFrom(keys ...int64) (found []fact.Taken, err error) {
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) { // here a statement costs no round trip
		// The plus keeps the planner from the primary key, of which it would know no more than the tenant.
		taken, err := r.taken("reading what was taken from a resource", `SELECT episode, superseded, id, version, data FROM fact
			WHERE source_key = ?2 AND source_key IS NOT NULL AND +tenant = ?1`, key)
		if err != nil {
			return nil, err
		}
		found = append(found, taken...)
	}
	if len(keys) > 1 {
		rows.SortTaken(found)
	}
	return found, nil
}

func (r *reader) TakenIn(of ref.Episode, kind fact.Kind) ([]fact.Taken, error) {
	return r.taken("reading what was taken in an episode", `SELECT episode, superseded, id, version, data FROM fact
		WHERE tenant = ?1 AND episode = ?2 AND kind = ?3`, string(of), string(kind))
}

func (r *reader) taken(doing, text string, args ...any) ([]fact.Taken, error) {
	var found []fact.Taken
	err := r.query(doing, func(row *sql.Rows) error {
		var one fact.Taken
		var id string
		var version int64
		var data sql.RawBytes
		if err := row.Scan(&one.Episode, &one.Superseded, &id, &version, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.c.box, sealed.Fact(r.tenant, id, version), data, &one.Fact)
		found = append(found, one)
		return err
	}, text, args...)
	rows.SortTaken(found)
	return found, err
}

func (r *reader) Due(at time.Time, max int) ([]ref.Episode, error) {
	now := at.UnixMicro()
	return r.names("looking for passed deadlines", `SELECT id FROM episode
		WHERE tenant = ?1 AND slot IS NOT NULL AND slot <= ?2 AND deadline_us <= ?3
		ORDER BY slot, deadline_us, id LIMIT ?4`, rows.Slot(now), now, max)
}

func (r *reader) EpisodesAfter(after ref.Episode, max int) ([]ref.Episode, error) {
	return r.names("listing episodes", `SELECT id FROM episode WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3`,
		string(after), max)
}

func (r *reader) names(doing, text string, args ...any) ([]ref.Episode, error) {
	var found []ref.Episode
	err := r.query(doing, func(row *sql.Rows) error {
		var id ref.Episode
		err := row.Scan(&id)
		found = append(found, id)
		return err
	}, text, args...)
	return found, err
}

func (r *reader) AlertsOf(of []ref.Episode) (map[ref.Episode][]alert.Alert, error) {
	all, err := r.alerts(func(scan func(*sql.Rows) error) error {
		return r.query("reading alerts", scan, `SELECT a.id, a.data FROM (SELECT DISTINCT value FROM json_each(?2)) w
			CROSS JOIN alert a ON a.tenant = ?1 AND a.episode = w.value`, array(of))
	})
	found := make(map[ref.Episode][]alert.Alert, len(of))
	for _, a := range all {
		found[a.Episode] = append(found[a.Episode], a)
	}
	for _, alerts := range found {
		rows.SortOpened(alerts)
	}
	return found, err
}

func (r *reader) Alert(id string) (alert.Alert, error) {
	found, err := r.alerts(func(scan func(*sql.Rows) error) error {
		return r.query("reading an alert", scan, `SELECT id, data FROM alert WHERE tenant = ?1 AND id = ?2`, id)
	})
	if err == nil && len(found) == 0 {
		err = fault.Newf(fault.NotFound, "not-found", "there is no such alert")
	}
	if err != nil {
		return alert.Alert{}, err
	}
	return found[0], nil
}

func (r *reader) ListAlerts(q alert.Query) ([]alert.Alert, error) {
	text, args := rows.ListAlerts(rows.SQLite, r.tenant, q)
	return r.alerts(func(scan func(*sql.Rows) error) error { return r.ask("listing alerts", scan, text, args) })
}

func (r *reader) CountAlerts(q alert.Query) ([]alert.Tally, error) {
	text, args := rows.CountAlerts(rows.SQLite, r.tenant, q)
	var found []alert.Tally
	return found, r.ask("counting alerts", func(row *sql.Rows) error {
		var one alert.Tally
		err := row.Scan(&one.Rule, &one.Status, &one.Because, &one.Count)
		found = append(found, one)
		return err
	}, text, args)
}

func (r *reader) DueAlerts(at time.Time, max int) ([]alert.Due, error) {
	var found []alert.Due
	return found, r.query("looking for alerts that are due", func(row *sql.Rows) error {
		var one alert.Due
		var at int64
		err := row.Scan(&one.Alert, &one.Episode, &at)
		one.At = rows.Time(at)
		found = append(found, one)
		return err
	}, `SELECT id, episode, due_us FROM alert WHERE tenant = ?1 AND due_us IS NOT NULL AND due_us <= ?2
		ORDER BY due_us, severity DESC, id LIMIT ?3`, at.UnixMicro(), limit(max))
}

func (r *reader) Told(of []alert.Ration) (map[alert.Ration]int64, error) {
	found := make(map[alert.Ration]int64, len(of))
	for _, one := range of {
		err := r.query("reading what was told today", func(row *sql.Rows) error {
			var count int64
			err := row.Scan(&count)
			found[one] = count
			return err
		}, "SELECT count FROM alert_told WHERE tenant = ?1 AND day = ?2 AND feed = ?3 AND role = ?4",
			int64(one.Day), string(one.Team), one.Role)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r *reader) alerts(ask func(scan func(*sql.Rows) error) error) ([]alert.Alert, error) {
	var found []alert.Alert
	err := ask(func(row *sql.Rows) error {
		var id string
		var data sql.RawBytes
		var a alert.Alert
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.c.box, sealed.Alert(r.tenant, id), data, &a)
		found = append(found, a)
		return err
	})
	return found, err
}

func (r *reader) Extents(of ...feed.Name) ([]feed.Extent, error) {
	text, args := "SELECT name, first, last FROM feed WHERE tenant = ?1", []any{}
	if len(of) > 0 {
		text += " AND name IN (SELECT value FROM json_each(?2))"
		args = append(args, array(of))
	}
	var found []feed.Extent
	return found, r.query("reading the extents of feeds", func(row *sql.Rows) error {
		var e feed.Extent
		err := row.Scan(&e.Feed, &e.First, &e.Last)
		found = append(found, e)
		return err
	}, text+" ORDER BY name", args...)
}
