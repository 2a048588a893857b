package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/rows"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// View reads one snapshot; writers go on beside it.
func (s *Store) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return broken(err, "waiting for a connection")
	}
	r := &reader{ctx: ctx, conn: conn, tenant: t, box: s.box, begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
	defer r.end()
	return read(r)
}

// reader reads within one transaction, which begins in the same round trip as the first question.
type reader struct {
	ctx    context.Context
	conn   *pgxpool.Conn
	tenant ref.Tenant
	// box opens what is read.
	box *sealed.Box
	// begin is the statement that begins the transaction; empty once it has begun.
	begin string
	// lock makes it take the tenant's row of the feed All, whose last number then is in last.
	lock bool
	last int64
	// wishes is the version of the tenant's subscriptions, where the lock was taken.
	wishes int64
	// ended says that what it read no longer holds.
	ended bool
	// waiting are the questions gathered by Together; nil when each is asked at once.
	waiting *[]question
	// yielded says that the server broke the transaction off for the sake of another.
	yielded bool
}

// question is one statement and what is done with each row of its answer.
type question struct {
	text string
	args []any
	row  func(pgx.Rows) error
}

// query asks; the first parameter is the tenant.
func (r *reader) query(doing string, row func(pgx.Rows) error, text string, args ...any) error {
	return r.ask(doing, question{text, append([]any{string(r.tenant)}, args...), row})
}

func (r *reader) ask(doing string, q question) error {
	if r.ended {
		return fault.Newf(fault.Precondition, "invalid", "reading after the end of the transaction")
	}
	for i, arg := range q.args {
		// PostgreSQL refuses such text even in a question. Nothing equals NULL, as nothing stored equals the text.
		if text, is := arg.(string); is && !rows.Storable(text) {
			q.args[i] = nil
		}
	}
	if r.waiting != nil {
		*r.waiting = append(*r.waiting, q)
		return nil
	}
	if r.begin != "" {
		return r.broken(r.start(q), doing)
	}
	found, err := r.conn.Query(r.ctx, q.text, q.args...)
	return r.broken(each(found, err, q.row), doing)
}

// Together asks in one round trip what the readings ask.
func (r *reader) Together(readings func() error) error {
	var gathered []question
	r.waiting = &gathered
	err := readings()
	r.waiting = nil
	switch {
	case err != nil || len(gathered) == 0:
		return err
	case r.begin != "":
		return r.broken(r.start(gathered...), "reading together")
	default:
		return r.broken(r.send(gathered...), "reading together")
	}
}

func (r *reader) broken(err error, doing string) error {
	err = broken(err, doing)
	r.yielded = r.yielded || fault.Of(err) == fault.Conflict
	return err
}

const lockText = "SELECT last, subscriptions FROM feed WHERE tenant = $1 AND name = 'all' FOR UPDATE"

// start begins the transaction, takes the lock if that is wanted, and asks the first questions, all in one round trip.
// Each statement sees what was committed before it began, so the questions see what the lock was waited for.
func (r *reader) start(first ...question) error {
	begin := r.begin
	r.begin = ""
	if !r.lock {
		return r.send(append([]question{{text: begin}}, first...)...)
	}
	there := false
	lock := question{lockText, []any{string(r.tenant)}, func(row pgx.Rows) error {
		there = true
		return row.Scan(&r.last, &r.wishes)
	}}
	questions := []question{{text: begin}, lock}
	for _, q := range first {
		ifThere := q
		ifThere.row = func(row pgx.Rows) error {
			if !there {
				return nil
			}
			return q.row(row)
		}
		questions = append(questions, ifThere)
	}
	if err := r.send(questions...); err != nil || there {
		return err
	}
	// The tenant's first commit: the row is made, or waited for when another server is just making it.
	return r.send(append([]question{{
		text: "INSERT INTO feed (tenant, name, first, last) VALUES ($1, 'all', 1, 0) ON CONFLICT DO NOTHING",
		args: []any{string(r.tenant)},
	}, lock}, first...)...)
}

// send asks several questions in one round trip.
func (r *reader) send(questions ...question) error {
	batch := &pgx.Batch{}
	for _, q := range questions {
		batch.Queue(q.text, q.args...)
	}
	results := r.conn.SendBatch(r.ctx, batch)
	for _, q := range questions {
		found, err := results.Query()
		if err := each(found, err, q.row); err != nil {
			_ = results.Close() // It would say the same once more.
			return err
		}
	}
	return results.Close()
}

func each(found pgx.Rows, err error, row func(pgx.Rows) error) error {
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if row == nil {
			continue
		}
		if err := row(found); err != nil {
			return err
		}
	}
	found.Close()
	return found.Err()
}

// endLimit bounds the wait for a rollback; a connection that does not answer is thrown away.
const endLimit = 5 * time.Second

// end rolls back what was not committed and gives the connection back. The pool throws away one that is still in a
// transaction.
func (r *reader) end() {
	r.ended = true
	defer r.conn.Release()
	if r.conn.Conn().IsClosed() || r.conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), endLimit)
	defer cancel()
	_, _ = r.conn.Exec(ctx, "ROLLBACK") // Should it fail, the pool sees it by the state of the connection.
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
