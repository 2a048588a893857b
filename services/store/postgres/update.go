package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
)

// attempts is how often a write runs when the server breaks off its transaction for another's sake.
const attempts = 5

// Update locks the tenant's row of the feed All before it reads anything, so that writers of a tenant come one after
// another across all servers. It costs one round trip for each question write asks, and one for the commit.
func (s *Store) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	if !rows.Storable(string(t)) {
		return nil, fault.Newf(fault.Unprocessable, "value", "the tenant's name cannot be stored")
	}
	done, err := s.turn(ctx, t)
	if err != nil {
		return nil, err
	}
	defer done()
	for attempt := 1; ; attempt++ {
		moved, yielded, err := s.try(ctx, t, write)
		if err == nil || !yielded || attempt == attempts {
			return moved, err
		}
	}
}

// try runs write once and says whether the server broke it off for another's sake.
func (s *Store) try(ctx context.Context, t ref.Tenant, write func(store.Tx) error) (moved []feed.Cursor, yielded bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, false, broken(err, "waiting for a connection")
	}
	x := &tx{reader: reader{ctx: ctx, conn: conn, tenant: t, box: s.box, begin: "BEGIN", lock: true}}
	defer x.end()
	if err := write(x); err != nil || x.batch == nil || x.batch.Empty() {
		return nil, x.yielded, err
	}
	moved, err = x.flush()
	return moved, x.yielded, err
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

// flush writes everything and commits, in one round trip (two when feeds besides All are moved or nothing was read).
func (x *tx) flush() ([]feed.Cursor, error) {
	last, err := x.numbers()
	if err != nil {
		return nil, x.broken(err, "numbering events")
	}
	events, moved := x.batch.Number(x.tenant, last)
	w := writing{tenant: string(x.tenant), box: x.box}
	w.all(x.batch, events, last, moved)
	if err := x.send(w.questions...); err != nil {
		return nil, x.broken(err, "committing")
	}
	return moved, nil
}

// numbers are the last numbers of the feeds to be moved.
func (x *tx) numbers() (map[feed.Name]int64, error) {
	last := map[feed.Name]int64{}
	names := x.batch.Feeds()
	if x.begin != "" || len(names) > 1 {
		q := question{
			text: "SELECT name, last FROM feed WHERE tenant = $1 AND name = ANY ($2::text[])",
			args: []any{string(x.tenant), array(names)},
			row: func(row pgx.Rows) error {
				var name feed.Name
				var n int64
				err := row.Scan(&name, &n)
				last[name] = n
				return err
			},
		}
		if x.begin != "" {
			if err := x.start(q); err != nil {
				return nil, err
			}
		} else if err := x.send(q); err != nil {
			return nil, err
		}
	}
	last[feed.All] = x.last
	return last, nil
}
