package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// conn is one connection with its prepared statements. One goroutine uses it at a time.
type conn struct {
	sql   *sql.Conn
	stmts map[string]*sql.Stmt
	// made are those made for one question, the last that was asked at the end.
	made []madeStmt
	// open says that a transaction was begun and not ended.
	open bool
	// box seals and opens what is written and read; nil where nothing is sealed.
	box *sealed.Box
}

func connect(ctx context.Context, db *sql.DB, pragmas ...string) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, broken(err, "connecting")
	}
	for _, p := range pragmas {
		if _, err := c.ExecContext(ctx, "PRAGMA "+p); err != nil {
			return nil, errors.Join(broken(err, "setting up a connection"), c.Close())
		}
	}
	return &conn{sql: c, stmts: map[string]*sql.Stmt{}}, nil
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	for _, m := range c.made {
		errs = append(errs, m.stmt.Close())
	}
	return errors.Join(append(errs, c.sql.Close())...)
}

func (c *conn) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := c.stmts[text]; ok {
		return s, nil
	}
	s, err := c.sql.PrepareContext(ctx, text)
	if err == nil {
		c.stmts[text] = s
	}
	return s, err
}

func (c *conn) exec(ctx context.Context, text string, args ...any) error {
	s, err := c.prepared(ctx, text)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

// query runs a statement that is asked often, and keeps it prepared.
func (c *conn) query(ctx context.Context, scan func(*sql.Rows) error, text string, args ...any) error {
	s, err := c.prepared(ctx, text)
	if err != nil {
		return err
	}
	found, err := s.QueryContext(ctx, args...)
	return each(found, err, scan)
}

// ask runs a statement that is made for one question. Most questions differ from an earlier one in their arguments alone.
func (c *conn) ask(ctx context.Context, scan func(*sql.Rows) error, text string, args ...any) error {
	s, err := c.remembered(ctx, text)
	if err != nil {
		return err
	}
	found, err := s.QueryContext(ctx, args...)
	return each(found, err, scan)
}

// madeStmt is a statement that was made for one question.
type madeStmt struct {
	text string
	stmt *sql.Stmt
}

// mostMade is how many statements made for one question a connection keeps prepared.
const mostMade = 32

// remembered gives a statement made for one question; the one that was not asked for longest makes room for it.
func (c *conn) remembered(ctx context.Context, text string) (*sql.Stmt, error) {
	at := slices.IndexFunc(c.made, func(m madeStmt) bool { return m.text == text })
	if at >= 0 {
		m := c.made[at]
		c.made = append(slices.Delete(c.made, at, at+1), m)
		return m.stmt, nil
	}
	s, err := c.sql.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if len(c.made) == mostMade {
		oldest := c.made[0]
		c.made = slices.Delete(c.made, 0, 1)
		if err := oldest.stmt.Close(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	c.made = append(c.made, madeStmt{text, s})
	return s, nil
}

func each(found *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// chunk is how many rows one INSERT takes. The driver looks for each parameter among all of a statement's, so that
// its cost grows with the square of their number; beyond 8 rows that eats what fewer statements save.
const chunk = 8

// insert writes n rows, of which row gives the i-th one's values.
func (c *conn) insert(ctx context.Context, into table, n int, row func(i int) []any) error {
	args := make([]any, 0, chunk*into.columns)
	for start := 0; start < n; start += chunk {
		args = args[:0]
		end := min(start+chunk, n)
		for i := start; i < end; i++ {
			args = append(args, row(i)...)
		}
		if err := c.exec(ctx, into.statement(end-start), args...); err != nil {
			return err
		}
	}
	return nil
}

// table is how rows are written to one.
type table struct {
	// head names table and columns, tail says what happens to a row that is there.
	head, tail string
	columns    int
}

func (t table) statement(n int) string {
	row := "(" + strings.Repeat("?,", t.columns-1) + "?)"
	return "INSERT INTO " + t.head + " VALUES " + strings.Repeat(row+",", n-1) + row + t.tail
}

// broken gives a driver's error its kind.
func broken(err error, doing string) error {
	var f *fault.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Unavailable, err, doing)
	}
	return fault.Wrap(kindOf(err), told(err), doing)
}

func (c *conn) begin(ctx context.Context, how string) error {
	if err := c.exec(ctx, how); err != nil {
		return broken(err, "beginning a transaction")
	}
	c.open = true
	return nil
}

// commit is not cut short by ctx: once begun, its end is waited for.
func (c *conn) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "committing")
	}
	if err := c.exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return broken(err, "committing")
	}
	c.open = false
	return nil
}

// rollback ends a transaction that is still open. Some failures end it themselves; then there is nothing to roll back.
func (c *conn) rollback() error {
	if !c.open {
		return nil
	}
	c.open = false
	return c.exec(context.Background(), "ROLLBACK")
}
