package postgres

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Since reads a window of a feed, and the feed's extent as it was at the same moment, in one statement.
func (s *Store) Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if !rows.Storable(string(after.Tenant)) || !rows.Storable(string(after.Feed)) {
		return nil, rows.Window(after, feed.Extent{})
	}
	found, err := s.pool.Query(ctx, `SELECT f.first, f.last, e.seq, e.tenant_seq, e.id, e.type, e.time_us, e.subject, e.data
		FROM feed f LEFT JOIN LATERAL (
			SELECT * FROM event WHERE tenant = f.tenant AND feed = f.name AND seq > $3 ORDER BY seq LIMIT $4
		) e ON true
		WHERE f.tenant = $1 AND f.name = $2 ORDER BY e.seq`,
		string(after.Tenant), string(after.Feed), after.After, limit(max))
	if err != nil {
		return nil, broken(err, "reading a feed")
	}
	defer found.Close()
	var kept feed.Extent
	var events []feed.Event
	for found.Next() {
		e := feed.Event{Feed: after.Feed}
		var seq, tenantSeq, at *int64
		var id, typ, subject *string
		var data []byte
		if err := found.Scan(&kept.First, &kept.Last, &seq, &tenantSeq, &id, &typ, &at, &subject, &data); err != nil {
			return nil, broken(err, "reading a feed")
		}
		if seq == nil {
			continue
		}
		if data, err = s.box.Open(ctx, data, sealed.Event(after.Tenant, string(after.Feed), *seq)); err != nil {
			return nil, err
		}
		e.Seq, e.TenantSeq, e.ID, e.Type, e.Time, e.Subject, e.Data = *seq, *tenantSeq, *id, feed.Type(*typ), rows.Time(*at), *subject, data
		events = append(events, e)
	}
	if err := found.Err(); err != nil {
		return nil, broken(err, "reading a feed")
	}
	if err := rows.Window(after, kept); err != nil {
		return nil, err
	}
	return events, nil
}

// Tenants lists the tenants that have committed anything.
func (s *Store) Tenants(ctx context.Context) ([]ref.Tenant, error) {
	found, err := s.pool.Query(ctx, "SELECT tenant FROM feed WHERE name = 'all' ORDER BY tenant")
	if err != nil {
		return nil, broken(err, "listing tenants")
	}
	defer found.Close()
	var tenants []ref.Tenant
	for found.Next() {
		var t ref.Tenant
		if err := found.Scan(&t); err != nil {
			return nil, broken(err, "listing tenants")
		}
		tenants = append(tenants, t)
	}
	return tenants, broken(found.Err(), "listing tenants")
}

// trimStep is how many events one step of Trim deletes at most, so that writers wait for it but briefly.
const trimStep = 1000

// Trim counts an event once for each feed it stood in.
func (s *Store) Trim(ctx context.Context, t ref.Tenant, before time.Time) (int, error) {
	if !rows.Storable(string(t)) {
		return 0, nil
	}
	names, err := s.feeds(ctx, t)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, name := range names {
		for {
			n, err := s.trimStep(ctx, t, name, before)
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

func (s *Store) feeds(ctx context.Context, t ref.Tenant) ([]feed.Name, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	found, err := s.pool.Query(ctx, "SELECT name FROM feed WHERE tenant = $1 ORDER BY name", string(t))
	if err != nil {
		return nil, broken(err, "listing feeds")
	}
	defer found.Close()
	var names []feed.Name
	for found.Next() {
		var name feed.Name
		if err := found.Scan(&name); err != nil {
			return nil, broken(err, "listing feeds")
		}
		names = append(names, name)
	}
	return names, broken(found.Err(), "listing feeds")
}

// trimStep deletes the oldest events of a feed as far as all of them are old. Another server that trims at the same
// time finds the same end and changes nothing.
func (s *Store) trimStep(ctx context.Context, t ref.Tenant, name feed.Name, before time.Time) (int, error) {
	var n int
	err := s.pool.QueryRow(ctx, `WITH oldest AS (
			SELECT seq, time_us FROM event WHERE tenant = $1 AND feed = $2 ORDER BY seq LIMIT $4
		), keep AS (
			SELECT coalesce(min(seq) FILTER (WHERE time_us >= $3), max(seq) + 1) AS first FROM oldest
		), moved AS (
			UPDATE feed SET first = keep.first FROM keep WHERE tenant = $1 AND name = $2 AND feed.first < keep.first
		), gone AS (
			DELETE FROM event USING keep WHERE tenant = $1 AND feed = $2 AND seq < keep.first RETURNING 1
		) SELECT count(*) FROM gone`, string(t), string(name), before.UnixMicro(), trimStep).Scan(&n)
	return n, err
}
