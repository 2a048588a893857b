package sqlite

import (
	"context"
	"database/sql"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

var (
	intoSubscription = table{
		head: "subscription (tenant, id, deleted, data)", columns: 4,
		tail: " ON CONFLICT (tenant, id) DO UPDATE SET deleted = excluded.deleted, data = excluded.data",
	}
	intoDelivery = table{
		head: "delivery (tenant, id, delivered, attempts, next_us, told_us, failure)", columns: 7,
		tail: ` ON CONFLICT (tenant, id) DO UPDATE SET delivered = max(delivered, excluded.delivered),
			attempts = excluded.attempts, next_us = excluded.next_us, told_us = excluded.told_us, failure = excluded.failure`,
	}
	intoLetter = table{
		head: "dead_letter (tenant, id, seq, at_us, attempts, failure, again)", columns: 7,
		tail: ` ON CONFLICT (tenant, id, seq) DO UPDATE SET at_us = excluded.at_us, attempts = excluded.attempts,
			failure = excluded.failure, again = excluded.again`,
	}
)

// subscriptions are written after the feeds, among which the tenant's row then is.
func (w *writing) subscriptions() error {
	if len(w.batch.Subscriptions) == 0 {
		return nil
	}
	err := w.c.insert(w.ctx, intoSubscription, len(w.batch.Subscriptions), func(i int) []any {
		s := &w.batch.Subscriptions[i]
		w.bytes += int64(len(s.Data)) + 128
		return []any{w.tenant, s.ID, s.Deleted, w.c.box.Seal(s.Data, sealed.Other("subscription", ref.Tenant(w.tenant), s.ID))}
	})
	if err != nil {
		return err
	}
	return w.c.exec(w.ctx, "UPDATE feed SET subscriptions = subscriptions + 1 WHERE tenant = ?1 AND name = ?2", w.tenant, string(feed.All))
}

// SubscriptionsVersion reads the tenant's row.
func (r *reader) SubscriptionsVersion() (version int64, err error) {
	err = r.query("reading the subscriptions", func(row *sql.Rows) error { return row.Scan(&version) },
		"SELECT subscriptions FROM feed WHERE tenant = ?1 AND name = ?2", string(feed.All))
	return version, err
}

// Subscription reads one.
func (r *reader) Subscription(id string) (subscription.Subscription, error) {
	found, err := r.subscriptions("SELECT id, data FROM subscription WHERE tenant = ?1 AND id = ?2", id)
	if err == nil && len(found) == 0 {
		err = rows.ErrNoSubscription()
	}
	if err != nil {
		return subscription.Subscription{}, err
	}
	return found[0], nil
}

// ListSubscriptions reads all.
func (r *reader) ListSubscriptions() ([]subscription.Subscription, error) {
	return r.subscriptions("SELECT id, data FROM subscription WHERE tenant = ?1 AND NOT deleted ORDER BY id")
}

func (r *reader) subscriptions(text string, args ...any) ([]subscription.Subscription, error) {
	var found []subscription.Subscription
	return found, r.query("reading subscriptions", func(row *sql.Rows) error {
		var id string
		var data sql.RawBytes
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		s, err := rows.ParseSubscription(r.ctx, r.c.box, r.tenant, id, data)
		found = append(found, s)
		return err
	}, text, args...)
}

// Deliveries reads what is kept of a tenant's subscriptions.
func (s *Store) Deliveries(ctx context.Context, t ref.Tenant) ([]subscription.Delivery, error) {
	var found []subscription.Delivery
	err := s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			var d subscription.Delivery
			var next, told int64
			err := row.Scan(&d.ID, &d.Delivered, &d.Attempts, &next, &told, &d.Failure)
			d.Next, d.Told = rows.AtMoment(next), rows.AtMoment(told)
			found = append(found, d)
			return err
		}, "SELECT id, delivered, attempts, next_us, told_us, failure FROM delivery WHERE tenant = ?1 ORDER BY id", string(t))
	})
	return found, broken(err, "reading deliveries")
}

// smallWrite is about what a delivery or a letter adds to the log of writes, in bytes.
const smallWrite = 128

// KeepDelivery writes the delivery and the letters in one transaction.
func (s *Store) KeepDelivery(ctx context.Context, t ref.Tenant, d subscription.Delivery, givenUp ...subscription.Letter) error {
	return s.write(ctx, "keeping a delivery", func(c *conn) (int64, error) {
		err := c.insert(ctx, intoDelivery, 1, func(int) []any {
			return []any{string(t), d.ID, d.Delivered, d.Attempts, rows.Moment(d.Next), rows.Moment(d.Told), d.Failure}
		})
		if err != nil {
			return 0, err
		}
		return smallWrite, insertLetters(ctx, c, t, givenUp)
	})
}

// DeadLetters reads a page.
func (s *Store) DeadLetters(ctx context.Context, t ref.Tenant, id string, after int64, max int) ([]subscription.Letter, error) {
	var found []subscription.Letter
	err := s.view(ctx, func(c *conn) error {
		return c.query(ctx, func(row *sql.Rows) error {
			l := subscription.Letter{ID: id}
			var at int64
			err := row.Scan(&l.Seq, &at, &l.Attempts, &l.Failure, &l.Again)
			l.At = rows.AtMoment(at)
			found = append(found, l)
			return err
		}, `SELECT seq, at_us, attempts, failure, again FROM dead_letter
			WHERE tenant = ?1 AND id = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4`, string(t), id, after, limit(max))
	})
	return found, broken(err, "reading dead letters")
}

// KeepLetters writes letters in one transaction.
func (s *Store) KeepLetters(ctx context.Context, t ref.Tenant, of ...subscription.Letter) error {
	return s.write(ctx, "keeping dead letters", func(c *conn) (int64, error) { return smallWrite, insertLetters(ctx, c, t, of) })
}

// DropLetters deletes letters in one transaction.
func (s *Store) DropLetters(ctx context.Context, t ref.Tenant, id string, seqs ...int64) error {
	return s.write(ctx, "dropping dead letters", func(c *conn) (int64, error) {
		return smallWrite, c.exec(ctx, "DELETE FROM dead_letter WHERE tenant = ?1 AND id = ?2 AND seq IN (SELECT value FROM json_each(?3))",
			string(t), id, numbers(seqs))
	})
}

func insertLetters(ctx context.Context, c *conn, t ref.Tenant, of []subscription.Letter) error {
	return c.insert(ctx, intoLetter, len(of), func(i int) []any {
		l := &of[i]
		return []any{string(t), l.ID, l.Seq, rows.Moment(l.At), l.Attempts, l.Failure, l.Again}
	})
}
