package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Since reads a window of a feed.
func (s *Store) Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error) {
	var events []feed.Event
	err := s.view(ctx, func(c *conn) error {
		var kept feed.Extent
		err := c.query(ctx, func(r *sql.Rows) error { return r.Scan(&kept.First, &kept.Last) },
			"SELECT first, last FROM feed WHERE tenant = ?1 AND name = ?2", string(after.Tenant), string(after.Feed))
		if err != nil {
			return err
		}
		if err := rows.Window(after, kept); err != nil || after.After == kept.Last {
			return err
		}
		return c.query(ctx, func(r *sql.Rows) error {
			e := feed.Event{Feed: after.Feed}
			var at int64
			var data []byte
			err := r.Scan(&e.Seq, &e.TenantSeq, &e.ID, &e.Type, &at, &e.Subject, &data)
			if err == nil {
				e.Data, err = c.box.Open(ctx, data, sealed.Event(after.Tenant, string(after.Feed), e.Seq))
			}
			e.Time = rows.Time(at)
			events = append(events, e)
			return err
		}, `SELECT seq, tenant_seq, id, type, time_us, subject, data FROM event
			WHERE tenant = ?1 AND feed = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4`,
			string(after.Tenant), string(after.Feed), after.After, limit(max))
	})
	return events, broken(err, "reading a feed")
}

// Tenants lists the tenants that have committed anything.
func (s *Store) Tenants(ctx context.Context) ([]ref.Tenant, error) {
	var tenants []ref.Tenant
	err := s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(r *sql.Rows) error {
			var t ref.Tenant
			err := r.Scan(&t)
			tenants = append(tenants, t)
			return err
		}, "SELECT tenant FROM feed WHERE name = ?1 ORDER BY tenant", string(feed.All))
	})
	return tenants, broken(err, "listing tenants")
}

// trimStep is how many events one step of Trim deletes at most, so that writers wait for it but briefly.
const trimStep = 1000

// Trim counts an event once for each feed it stood in.
func (s *Store) Trim(ctx context.Context, t ref.Tenant, before time.Time) (int, error) {
	if s.writer == nil {
		return 0, errReadOnly()
	}
	var feeds []feed.Extent
	err := s.view(ctx, func(c *conn) (err error) {
		feeds, err = (&reader{ctx: ctx, c: c, tenant: t}).Extents()
		return err
	})
	if err != nil {
		return 0, err
	}
	total := 0
	for _, f := range feeds {
		for {
			n, err := s.trimStep(ctx, t, f.Feed, before.UnixMicro())
			total += n
			if err != nil {
				return total, broken(err, "forgetting old events")
			}
			if n < trimStep {
				break
			}
		}
	}
	return total, nil
}

// trimStep deletes the oldest events of a feed as far as all of them are old.
func (s *Store) trimStep(ctx context.Context, t ref.Tenant, name feed.Name, before int64) (int, error) {
	c, err := s.take(ctx, s.writer, writePragmas)
	if err != nil {
		return 0, err
	}
	defer give(s.writer, c)
	if err := c.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}
	n, last := 0, int64(0)
	old := true
	err = c.query(ctx, func(r *sql.Rows) error {
		var seq, at int64
		err := r.Scan(&seq, &at)
		if old = old && at < before; old {
			n, last = n+1, seq
		}
		return err
	}, "SELECT seq, time_us FROM event WHERE tenant = ?1 AND feed = ?2 ORDER BY seq LIMIT ?3", string(t), string(name), trimStep)
	if err != nil || n == 0 {
		return 0, err
	}
	err = c.exec(ctx, "DELETE FROM event WHERE tenant = ?1 AND feed = ?2 AND seq <= ?3", string(t), string(name), last)
	if err != nil {
		return 0, err
	}
	err = c.exec(ctx, "UPDATE feed SET first = ?3 + 1 WHERE tenant = ?1 AND name = ?2", string(t), string(name), last)
	if err != nil {
		return 0, err
	}
	return n, c.commit(ctx)
}

func limit(max int) int64 {
	if max < 0 {
		return 0
	}
	return int64(max)
}
