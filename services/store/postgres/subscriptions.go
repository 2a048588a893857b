package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// subscriptions also count the change. The tenant's row is there: the transaction holds its lock.
func (w *writing) subscriptions(of []rows.Subscription) {
	if len(of) == 0 {
		return
	}
	w.add(`INSERT INTO subscription (tenant, id, deleted, data)
		SELECT $1, * FROM unnest($2::text[], $3::boolean[], $4::bytea[])
		ON CONFLICT (tenant, id) DO UPDATE SET deleted = excluded.deleted, data = excluded.data`,
		column(of, func(s *rows.Subscription) string { return s.ID }),
		column(of, func(s *rows.Subscription) bool { return s.Deleted }),
		column(of, func(s *rows.Subscription) []byte {
			return w.box.Seal(s.Data, sealed.Other("subscription", ref.Tenant(w.tenant), s.ID))
		}))
	w.add("UPDATE feed SET subscriptions = subscriptions + 1 WHERE tenant = $1 AND name = 'all'")
}

// SubscriptionsVersion costs no question where the lock was taken.
func (r *reader) SubscriptionsVersion() (int64, error) {
	if r.lock && r.begin == "" {
		return r.wishes, nil
	}
	var version int64
	err := r.query("reading the subscriptions", func(row pgx.Rows) error { return row.Scan(&version) },
		"SELECT subscriptions FROM feed WHERE tenant = $1 AND name = 'all'")
	return version, err
}

// Subscription reads one.
func (r *reader) Subscription(id string) (subscription.Subscription, error) {
	found, err := r.subscriptions("SELECT id, data FROM subscription WHERE tenant = $1 AND id = $2", id)
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
	return r.subscriptions("SELECT id, data FROM subscription WHERE tenant = $1 AND NOT deleted ORDER BY id")
}

func (r *reader) subscriptions(text string, args ...any) ([]subscription.Subscription, error) {
	var found []subscription.Subscription
	err := r.query("reading subscriptions", func(row pgx.Rows) error {
		var id string
		var data []byte
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		s, err := rows.ParseSubscription(r.ctx, r.box, r.tenant, id, data)
		found = append(found, s)
		return err
	}, text, args...)
	return found, err
}

// Deliveries reads what is kept of a tenant's subscriptions.
func (s *Store) Deliveries(ctx context.Context, t ref.Tenant) ([]subscription.Delivery, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if !rows.Storable(string(t)) {
		return nil, nil
	}
	found, err := s.pool.Query(ctx, `SELECT id, delivered, attempts, next_us, told_us, failure FROM delivery
		WHERE tenant = $1 ORDER BY id`, string(t))
	if err != nil {
		return nil, broken(err, "reading deliveries")
	}
	all, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (d subscription.Delivery, err error) {
		var next, told int64
		err = row.Scan(&d.ID, &d.Delivered, &d.Attempts, &next, &told, &d.Failure)
		d.Next, d.Told = rows.AtMoment(next), rows.AtMoment(told)
		return d, err
	})
	return all, broken(err, "reading deliveries")
}

// KeepDelivery writes the delivery and the letters in one transaction.
func (s *Store) KeepDelivery(ctx context.Context, t ref.Tenant, d subscription.Delivery, givenUp ...subscription.Letter) error {
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO delivery (tenant, id, delivered, attempts, next_us, told_us, failure)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, id) DO UPDATE SET
			delivered = greatest(delivery.delivered, excluded.delivered), attempts = excluded.attempts,
			next_us = excluded.next_us, told_us = excluded.told_us, failure = excluded.failure`,
		string(t), d.ID, d.Delivered, d.Attempts, rows.Moment(d.Next), rows.Moment(d.Told), d.Failure)
	queueLetters(batch, t, givenUp)
	return s.run(ctx, "keeping a delivery", batch)
}

// DeadLetters reads a page.
func (s *Store) DeadLetters(ctx context.Context, t ref.Tenant, id string, after int64, max int) ([]subscription.Letter, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if !rows.Storable(id) || max <= 0 {
		return nil, nil
	}
	found, err := s.pool.Query(ctx, `SELECT seq, at_us, attempts, failure, again FROM dead_letter
		WHERE tenant = $1 AND id = $2 AND seq > $3 ORDER BY seq LIMIT $4`, string(t), id, after, max)
	if err != nil {
		return nil, broken(err, "reading dead letters")
	}
	all, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (subscription.Letter, error) {
		l := subscription.Letter{ID: id}
		var at int64
		err := row.Scan(&l.Seq, &at, &l.Attempts, &l.Failure, &l.Again)
		l.At = rows.AtMoment(at)
		return l, err
	})
	return all, broken(err, "reading dead letters")
}

// KeepLetters writes letters in one transaction.
func (s *Store) KeepLetters(ctx context.Context, t ref.Tenant, of ...subscription.Letter) error {
	batch := &pgx.Batch{}
	queueLetters(batch, t, of)
	return s.run(ctx, "keeping dead letters", batch)
}

// DropLetters deletes letters.
func (s *Store) DropLetters(ctx context.Context, t ref.Tenant, id string, seqs ...int64) error {
	batch := &pgx.Batch{}
	batch.Queue("DELETE FROM dead_letter WHERE tenant = $1 AND id = $2 AND seq = ANY ($3::bigint[])", string(t), id, seqs)
	return s.run(ctx, "dropping dead letters", batch)
}

func queueLetters(batch *pgx.Batch, t ref.Tenant, of []subscription.Letter) {
	for _, l := range of {
		batch.Queue(`INSERT INTO dead_letter (tenant, id, seq, at_us, attempts, failure, again)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, id, seq) DO UPDATE SET at_us = excluded.at_us,
				attempts = excluded.attempts, failure = excluded.failure, again = excluded.again`,
			string(t), l.ID, l.Seq, rows.Moment(l.At), l.Attempts, l.Failure, l.Again)
	}
}

// run sends statements that stand or fall together: a batch is one transaction.
func (s *Store) run(ctx context.Context, doing string, batch *pgx.Batch) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if batch.Len() == 0 {
		return nil
	}
	return broken(s.pool.SendBatch(ctx, batch).Close(), doing)
}
