package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// database reads what the server wrote, past the server: the truth that its answers are held against.
type database struct{ *sql.DB }

// tenant of callers without tokens.
const tenant = "default"

// openDatabase opens for reading the store that a server was told of. Both engines keep the same tables.
func openDatabase(store string) (*database, error) {
	driver, name := "pgx", store
	if path, ok := strings.CutPrefix(store, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, err
	}
	return &database{db}, nil
}

// each runs a query and calls row with a function that scans one row.
func (d *database) each(ctx context.Context, query string, row func(scan func(...any) error) error) error {
	rows, err := d.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("reading the database: %w", err)
		}
	}
	return rows.Err()
}

// count is the answer of a query for one number; 0 when it has no row.
func (d *database) count(ctx context.Context, query string) (int64, error) {
	var n int64
	err := d.each(ctx, query, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// last is the number of a feed's newest event.
func (d *database) last(ctx context.Context, feed string) (int64, error) {
	return d.count(ctx, "SELECT last FROM feed WHERE tenant = '"+tenant+"' AND name = '"+feed+"'")
}

// gather reads everything that Count wants of the database.
func (d *database) gather(ctx context.Context, e *Evidence) error {
	for _, read := range []func(context.Context, *Evidence) error{d.versions, d.facts, d.alerts, d.feeds} {
		if err := read(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) versions(ctx context.Context, e *Evidence) error {
	return d.each(ctx, "SELECT type, id, version, current, raw FROM resource WHERE type = 'QuestionnaireResponse' ORDER BY id, version",
		func(scan func(...any) error) error {
			var typ, id string
			var raw sql.RawBytes
			v := Version{}
			if err := scan(&typ, &id, &v.Number, &v.Current, &raw); err != nil {
				return err
			}
			v.Resource, v.Body = typ+"/"+id, digest(raw)
			e.Stored = append(e.Stored, v)
			return nil
		})
}

func (d *database) facts(ctx context.Context, e *Evidence) error {
	return d.each(ctx, "SELECT episode, id, source, version, superseded FROM fact WHERE source LIKE 'QuestionnaireResponse/%'",
		func(scan func(...any) error) error {
			var f Fact
			err := scan(&f.Episode, &f.ID, &f.Resource, &f.Number, &f.Superseded)
			e.Facts = append(e.Facts, f)
			return err
		})
}

func (d *database) alerts(ctx context.Context, e *Evidence) error {
	return d.each(ctx, "SELECT id, data FROM alert ORDER BY id", func(scan func(...any) error) error {
		var id string
		var data []byte
		if err := scan(&id, &data); err != nil {
			return err
		}
		var stored struct {
			Finding, Status string
			Safety          bool
			Sources         []string
			History         []struct{ Key string }
		}
		if err := json.Unmarshal(data, &stored); err != nil {
			return fmt.Errorf("alert %s: %w", id, err)
		}
		a := Alert{ID: id, Finding: stored.Finding, Safety: stored.Safety, Retracted: stored.Status == "retracted"}
		for _, source := range stored.Sources {
			a.Sources = append(a.Sources, resourceOf(source))
		}
		for _, step := range stored.History {
			if step.Key != "" {
				a.Keys = append(a.Keys, step.Key)
			}
		}
		e.Alerts = append(e.Alerts, a)
		return nil
	})
}

func (d *database) feeds(ctx context.Context, e *Evidence) error {
	at := map[string]int{}
	err := d.each(ctx, "SELECT name, last FROM feed ORDER BY name", func(scan func(...any) error) error {
		var f Feed
		err := scan(&f.Name, &f.Last)
		at[f.Name] = len(e.Feeds)
		e.Feeds = append(e.Feeds, f)
		return err
	})
	if err != nil {
		return err
	}
	return d.each(ctx, "SELECT feed, seq, tenant_seq, id, type, data FROM event ORDER BY feed, seq", func(scan func(...any) error) error {
		var feed string
		var data []byte
		var entry Entry
		if err := scan(&feed, &entry.Seq, &entry.TenantSeq, &entry.ID, &entry.Type, &data); err != nil {
			return err
		}
		i, ok := at[feed]
		if !ok {
			i = len(e.Feeds)
			at[feed] = i
			e.Feeds = append(e.Feeds, Feed{Name: feed}) // its counter is missing: Count will say so
		}
		about, err := aboutOf(entry.Type, data)
		if err != nil {
			return fmt.Errorf("event %s: %w", entry.ID, err)
		}
		entry.About = about
		e.Feeds[i].Entries = append(e.Feeds[i].Entries, entry)
		return nil
	})
}

// aboutOf is what an event tells of: a version of a submission, or an alert.
func aboutOf(typ string, data []byte) (string, error) {
	var told struct{ Reference, ID string }
	if len(data) == 0 {
		return "", nil
	}
	if err := json.Unmarshal(data, &told); err != nil {
		return "", err
	}
	if strings.HasPrefix(typ, "alert.") {
		return told.ID, nil
	}
	return told.Reference, nil
}
