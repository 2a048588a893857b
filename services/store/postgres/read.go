package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Names are sought one by one in a lateral subquery, fenced by OFFSET 0: a planner without statistics takes a tenant
// for a handful of rows, and would turn a plain join round, or read all of the tenant for an "= ANY".

func (r *reader) Heads(of []ref.Resource) (map[ref.Resource]record.Head, error) {
	types, ids := split(of)
	heads := make(map[ref.Resource]record.Head, len(ids))
	return heads, r.query("reading heads", func(row pgx.Rows) error {
		var h record.Head
		var hash, issues []byte
		err := row.Scan(&h.Type, &h.ID, &h.Version, &h.Source, &h.SourceID, &h.SourceVersion, &hash, &h.Patient, &h.Outcome,
			&h.Stub, &issues)
		if err != nil {
			return err
		}
		copy(h.Hash[:], hash)
		err = rows.Parse(issues, &h.Issues)
		heads[h.Unversioned()] = h
		return err
	}, `SELECT r.type, r.id, r.version, r.source, r.source_id, r.source_version, r.hash, r.patient, r.outcome, r.stub, r.issues
		FROM unnest($2::text[], $3::text[]) AS w (type, id) CROSS JOIN LATERAL (
			SELECT * FROM resource r WHERE r.tenant = $1 AND r.id = w.id AND r.type = w.type AND `+rows.IsCurrent+` OFFSET 0
		) AS r`, types, ids)
}

// split gives the types and the ids of resources, leaving out what cannot be there.
func split(of []ref.Resource) (types, ids []string) {
	for _, name := range of {
		if rows.Storable(name.Type) && rows.Storable(name.ID) {
			types, ids = append(types, name.Type), append(ids, name.ID)
		}
	}
	return types, ids
}

func (r *reader) Record(of ref.Resource) (record.Record, error) {
	version := "r.version = $4"
	if of.Version == 0 {
		version = rows.IsCurrent + " AND $4 = 0"
	}
	found, err := r.records("reading a record", 0, question{
		text: "SELECT " + rows.Columns + " FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.id = $3 AND " + version,
		args: []any{string(r.tenant), of.Type, of.ID, of.Version},
	})
	if err == nil {
		err = rows.Found(of, found)
	}
	if err != nil {
		return record.Record{}, err
	}
	return found[0], nil
}

func (r *reader) Records(of ...ref.Resource) ([]record.Record, error) {
	types, ids := split(of)
	if len(types) == 0 {
		return nil, nil
	}
	versions := make([]int64, 0, len(of))
	for _, name := range of {
		if rows.Storable(name.Type) && rows.Storable(name.ID) {
			versions = append(versions, name.Version)
		}
	}
	return r.records("reading records", 0, question{
		text: "SELECT " + rows.Columns + ` FROM unnest($2::text[], $3::text[], $4::bigint[]) AS w (type, id, version) CROSS JOIN LATERAL (
				SELECT * FROM resource r WHERE r.tenant = $1 AND r.id = w.id AND r.type = w.type
					AND (r.version = w.version OR w.version = 0 AND ` + rows.IsCurrent + ` AND r.outcome <> $5) OFFSET 0
			) AS r`,
		args: []any{string(r.tenant), types, ids, versions, int64(record.Gone)},
	})
}

func (r *reader) Having(typ string, of ...ref.Patient) ([]ref.Patient, error) {
	var found []ref.Patient
	if !rows.Storable(typ) || len(of) == 0 {
		return nil, nil
	}
	err := r.query("looking who has records of a type", func(row pgx.Rows) error {
		var p ref.Patient
		err := row.Scan(&p)
		found = append(found, p)
		return err
	}, `SELECT w.patient FROM unnest($3::text[]) AS w (patient) WHERE EXISTS (
			SELECT 1 FROM resource r WHERE r.tenant = $1 AND r.patient = w.patient AND r.type = $2 AND r.current AND r.outcome <> $4)`,
		typ, array(of), int64(record.Gone))
	return found, err
}

func (r *reader) Search(q record.Query) ([]record.Record, error) {
	text, args := rows.Search(rows.Postgres, r.tenant, q)
	return r.records("searching", q.MaxBytes, question{text: text, args: args})
}

// records reads rows of the table resource, until their bodies hold enough bytes; 0 is never enough.
func (r *reader) records(doing string, enough int, q question) ([]record.Record, error) {
	var found []record.Record
	bytes := 0
	q.row = func(row pgx.Rows) error {
		if enough > 0 && bytes >= enough {
			return nil
		}
		var x rows.Resource
		var hash []byte
		var received int64
		err := row.Scan(&x.Type, &x.ID, &x.Version, &x.Source, &x.SourceID, &x.SourceVersion, &hash, &x.Patient,
			&x.From, &x.To, &x.Outcome, &x.Stub, &received, &x.Codes, &x.Issues, &x.Raw, &x.Seq)
		if err != nil {
			return err
		}
		copy(x.Hash[:], hash)
		x.Received = rows.Time(received)
		restored, err := x.RestoreSealed(r.ctx, r.box, r.tenant)
		found, bytes = append(found, restored), bytes+len(restored.Raw)
		return err
	}
	return found, r.ask(doing, q)
}

func (r *reader) PatientsAfter(after ref.Patient, types []string, max int) ([]ref.Patient, error) {
	var found []ref.Patient
	err := r.query("listing patients", func(row pgx.Rows) error {
		var id ref.Patient
		err := row.Scan(&id)
		found = append(found, id)
		return err
	}, `SELECT DISTINCT patient FROM resource WHERE tenant = $1 AND current AND patient > $2 AND type = ANY ($3::text[])
		AND outcome <> $5 ORDER BY patient LIMIT $4`, string(after), array(types), limit(max), int64(record.Gone))
	return found, err
}

func (r *reader) Patients(names []string) (map[string]record.Alias, error) {
	found := make(map[string]record.Alias, len(names))
	return found, r.query("resolving patients", func(row pgx.Rows) error {
		var a record.Alias
		err := row.Scan(&a.Name, &a.Patient, &a.Source)
		found[a.Name] = a
		return err
	}, `SELECT a.name, a.patient, a.source FROM unnest($2::text[]) AS w (name) CROSS JOIN LATERAL (
			SELECT * FROM patient_alias a WHERE a.tenant = $1 AND a.name = w.name OFFSET 0
		) AS a`, array(names))
}

func (r *reader) Keys(source ref.Source, names []string) (map[string]record.Key, error) {
	found := make(map[string]record.Key, len(names))
	return found, r.query("reading idempotency keys", func(row pgx.Rows) error {
		k := record.Key{Source: source}
		var hash []byte
		err := row.Scan(&k.Name, &hash, &k.Resource.Type, &k.Resource.ID, &k.Resource.Version)
		copy(k.Hash[:], hash)
		found[k.Name] = k
		return err
	}, `SELECT k.name, k.hash, k.type, k.id, k.version FROM unnest($3::text[]) AS w (name) CROSS JOIN LATERAL (
			SELECT * FROM idempotency_key k WHERE k.tenant = $1 AND k.source = $2 AND k.name = w.name OFFSET 0
		) AS k`, string(source), array(names))
}

func (r *reader) States(of []ref.Episode) (map[ref.Episode]*episode.State, error) {
	found := make(map[ref.Episode]*episode.State, len(of))
	return found, r.query("reading episode states", func(row pgx.Rows) error {
		var id string
		var data []byte
		state := new(episode.State)
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.box, sealed.State(r.tenant, id), data, state)
		found[state.Episode] = state
		return err
	}, `SELECT e.id, e.state FROM unnest($2::text[]) AS w (id) CROSS JOIN LATERAL (
			SELECT * FROM episode e WHERE e.tenant = $1 AND e.id = w.id OFFSET 0
		) AS e`, array(of))
}

func (r *reader) Facts(of []ref.Episode) (map[ref.Episode][]fact.Fact, error) {
	return r.facts(`SELECT f.episode, f.id, f.version, f.data FROM (SELECT DISTINCT unnest($2::text[]) AS id) AS w CROSS JOIN LATERAL (
			SELECT * FROM fact f WHERE f.tenant = $1 AND f.episode = w.id AND NOT f.superseded OFFSET 0
		) AS f`, array(of))
}

func (r *reader) FactsBy(of ref.Episode, q fact.Page) ([]fact.Fact, error) {
	var found []fact.Fact
	text, args := rows.FactsBy(rows.Postgres, r.tenant, of, q)
	err := r.ask("reading a page of facts", question{text, args, func(row pgx.Rows) error {
		var id string
		var version int64
		var data []byte
		var f fact.Fact
		if err := row.Scan(&id, &version, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.box, sealed.Fact(r.tenant, id, version), data, &f)
		found = append(found, f)
		return err
	}})
	rows.SortPage(found, q)
	return found, err
}

func (r *reader) FactsAt(of []ref.Episode, at time.Time) (map[ref.Episode][]fact.Fact, error) {
	return r.facts(`SELECT f.episode, f.id, f.version, f.data FROM (SELECT DISTINCT unnest($2::text[]) AS id) AS w CROSS JOIN LATERAL (
			SELECT * FROM fact f WHERE f.tenant = $1 AND f.episode = w.id AND f.recorded_us <= $3 OFFSET 0
		) AS f CROSS JOIN LATERAL (
			SELECT count(*) AS n FROM resource r WHERE r.tenant = $1 AND r.id = substr(f.source, strpos(f.source, '/') + 1)
				AND r.type = split_part(f.source, '/', 1) AND r.version > f.version AND r.received_us <= $3 OFFSET 0
		) AS newer WHERE f.source = '' OR newer.n = 0`, array(of), at.UnixMicro())
}

func (r *reader) facts(text string, args ...any) (map[ref.Episode][]fact.Fact, error) {
	found := map[ref.Episode][]fact.Fact{}
	err := r.query("reading facts", func(row pgx.Rows) error {
		var episode ref.Episode
		var id string
		var version int64
		var data []byte
		var f fact.Fact
		if err := row.Scan(&episode, &id, &version, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.box, sealed.Fact(r.tenant, id, version), data, &f)
		found[episode] = append(found[episode], f)
		return err
	}, text, args...)
	for _, facts := range found {
		rows.SortFacts(facts)
	}
	return found, err
}

func (r *reader) TakenFrom(keys ...int64) ([]fact.Taken, error) {
	// The tenant is compared in a form that no index has, so that the planner takes the index of source numbers.
	return r.taken("reading what was taken from resources", `SELECT episode, superseded, id, version, data FROM fact
		WHERE source_key = ANY ($2::bigint[]) AND source_key IS NOT NULL AND tenant || '' = $1`, keys)
}

func (r *reader) TakenIn(of ref.Episode, kind fact.Kind) ([]fact.Taken, error) {
	return r.taken("reading what was taken in an episode", `SELECT episode, superseded, id, version, data FROM fact
		WHERE tenant = $1 AND episode = $2 AND kind = $3`, string(of), string(kind))
}

func (r *reader) taken(doing, text string, args ...any) ([]fact.Taken, error) {
	var found []fact.Taken
	err := r.query(doing, func(row pgx.Rows) error {
		var one fact.Taken
		var id string
		var version int64
		var data []byte
		if err := row.Scan(&one.Episode, &one.Superseded, &id, &version, &data); err != nil {
			return err
		}
		err := rows.ParseSealed(r.ctx, r.box, sealed.Fact(r.tenant, id, version), data, &one.Fact)
		found = append(found, one)
		return err
	}, text, args...)
	rows.SortTaken(found)
	return found, err
}

func (r *reader) Due(at time.Time, max int) ([]ref.Episode, error) {
	now := at.UnixMicro()
	return r.names("looking for passed deadlines", `SELECT id FROM episode
		WHERE tenant = $1 AND slot IS NOT NULL AND slot <= $2 AND deadline_us <= $3
		ORDER BY slot, deadline_us, id LIMIT $4`, rows.Slot(now), now, limit(max))
}

func (r *reader) EpisodesAfter(after ref.Episode, max int) ([]ref.Episode, error) {
	return r.names("listing episodes", `SELECT id FROM episode WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3`,
		string(after), limit(max))
}

func (r *reader) names(doing, text string, args ...any) ([]ref.Episode, error) {
	var found []ref.Episode
	err := r.query(doing, func(row pgx.Rows) error {
		var id ref.Episode
		err := row.Scan(&id)
		found = append(found, id)
		return err
	}, text, args...)
	return found, err
}

func (r *reader) AlertsOf(of []ref.Episode) (map[ref.Episode][]alert.Alert, error) {
	found := make(map[ref.Episode][]alert.Alert, len(of))
	return found, r.query("reading alerts", func(row pgx.Rows) error {
		var a alert.Alert
		err := r.scanAlert(row, &a)
		found[a.Episode] = rows.InsertOpened(found[a.Episode], a)
		return err
	}, `SELECT a.id, a.data FROM (SELECT DISTINCT unnest($2::text[]) AS id) AS w CROSS JOIN LATERAL (
			SELECT * FROM alert a WHERE a.tenant = $1 AND a.episode = w.id OFFSET 0
		) AS a`, array(of))
}

func (r *reader) Alert(id string) (alert.Alert, error) {
	found, err := r.alerts("reading an alert", question{
		text: "SELECT id, data FROM alert WHERE tenant = $1 AND id = $2", args: []any{string(r.tenant), id},
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
	text, args := rows.ListAlerts(rows.Postgres, r.tenant, q)
	return r.alerts("listing alerts", question{text: text, args: args})
}

func (r *reader) CountAlerts(q alert.Query) ([]alert.Tally, error) {
	text, args := rows.CountAlerts(rows.Postgres, r.tenant, q)
	var found []alert.Tally
	err := r.ask("counting alerts", question{text, args, func(row pgx.Rows) error {
		var one alert.Tally
		err := row.Scan(&one.Rule, &one.Status, &one.Because, &one.Count)
		found = append(found, one)
		return err
	}})
	return found, err
}

func (r *reader) DueAlerts(at time.Time, max int) ([]alert.Due, error) {
	var found []alert.Due
	err := r.query("looking for alerts that are due", func(row pgx.Rows) error {
		var one alert.Due
		var at int64
		err := row.Scan(&one.Alert, &one.Episode, &at)
		one.At = rows.Time(at)
		found = append(found, one)
		return err
	}, `SELECT id, episode, due_us FROM alert WHERE tenant = $1 AND due_us IS NOT NULL AND due_us <= $2
		ORDER BY due_us, severity DESC, id LIMIT $3`, at.UnixMicro(), limit(max))
	return found, err
}

func (r *reader) Told(of []alert.Ration) (map[alert.Ration]int64, error) {
	var days []int64
	var feeds, roles []string
	for _, one := range of {
		if rows.Storable(string(one.Team)) && rows.Storable(one.Role) {
			days, feeds, roles = append(days, int64(one.Day)), append(feeds, string(one.Team)), append(roles, one.Role)
		}
	}
	found := make(map[alert.Ration]int64, len(of))
	return found, r.query("reading what was told today", func(row pgx.Rows) error {
		var one alert.Told
		err := row.Scan(&one.Day, &one.Team, &one.Role, &one.Count)
		found[one.Ration] = one.Count
		return err
	}, `SELECT t.day, t.feed, t.role, t.count FROM unnest($2::bigint[], $3::text[], $4::text[]) AS w (day, feed, role)
		CROSS JOIN LATERAL (
			SELECT * FROM alert_told t WHERE t.tenant = $1 AND t.day = w.day AND t.feed = w.feed AND t.role = w.role OFFSET 0
		) AS t`, days, feeds, roles)
}

func (r *reader) alerts(doing string, q question) ([]alert.Alert, error) {
	var found []alert.Alert
	q.row = func(row pgx.Rows) error {
		var a alert.Alert
		err := r.scanAlert(row, &a)
		found = append(found, a)
		return err
	}
	return found, r.ask(doing, q)
}

func (r *reader) scanAlert(row pgx.Rows, into *alert.Alert) error {
	var id string
	var data []byte
	if err := row.Scan(&id, &data); err != nil {
		return err
	}
	return rows.ParseSealed(r.ctx, r.box, sealed.Alert(r.tenant, id), data, into)
}

func (r *reader) Extents(of ...feed.Name) ([]feed.Extent, error) {
	text, args := "SELECT name, first, last FROM feed WHERE tenant = $1", []any{}
	if len(of) > 0 {
		text += " AND name = ANY ($2::text[])"
		args = append(args, array(of))
	}
	var found []feed.Extent
	err := r.query("reading the extents of feeds", func(row pgx.Rows) error {
		var e feed.Extent
		err := row.Scan(&e.Feed, &e.First, &e.Last)
		found = append(found, e)
		return err
	}, text+" ORDER BY name", args...)
	return found, err
}

// array leaves out names that cannot be stored, and so are not there.
func array[T ~string](of []T) []string {
	names := make([]string, 0, len(of))
	for _, name := range of {
		if rows.Storable(string(name)) {
			names = append(names, string(name))
		}
	}
	return names
}

func limit(max int) int64 {
	if max < 0 {
		return 0
	}
	return int64(max)
}
