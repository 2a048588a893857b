package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sqliteFloor writes into files of its own beside the service's, so that neither waits for the other's lock. SQLite has
// one writer: only one connection writes.
type sqliteFloor struct {
	shape   *shape
	files   []*sql.DB
	writers map[bool]*writer
}

// sqliteRows is how many rows one statement inserts: the driver's cost per parameter grows with their number, so
// statements of a whole block would be slower.
const sqliteRows = 8

func newSQLiteFloor(ctx context.Context, folder string, db *database, s *shape) (*sqliteFloor, error) {
	f := &sqliteFloor{shape: s, writers: map[bool]*writer{}}
	for _, indexed := range []bool{false, true} {
		file, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "floor-"+strconv.FormatBool(indexed)+".db")+
			"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-32768)")
		if err != nil {
			return nil, err
		}
		file.SetMaxOpenConns(1)
		f.files = append(f.files, file)
		if err := f.create(ctx, db, file, indexed); err != nil {
			return nil, fmt.Errorf("making the tables of the floor: %w", err)
		}
		write, err := f.write(ctx, file)
		if err != nil {
			return nil, err
		}
		f.writers[indexed] = &writer{name: "writer", write: write}
	}
	return f, nil
}

// create makes the service's own tables, with or without its secondary indexes.
func (f *sqliteFloor) create(ctx context.Context, db *database, file *sql.DB, indexed bool) error {
	names := []string{"'feed'"}
	for _, t := range f.shape.tables {
		names = append(names, "'"+t.name+"'")
	}
	kinds := "'table'"
	if indexed {
		kinds = "'table', 'index'"
	}
	statements, err := ddl(ctx, db, fmt.Sprintf(
		"SELECT sql FROM sqlite_master WHERE type IN (%s) AND tbl_name IN (%s) ORDER BY type DESC", kinds, strings.Join(names, ",")))
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := file.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// write prepares the statements and returns what writes a block with them in one transaction.
func (f *sqliteFloor) write(ctx context.Context, file *sql.DB) (func(context.Context, string, int) error, error) {
	mark := func(n int) string { return "?" + strconv.Itoa(n) }
	whole, rest := make([]*sql.Stmt, len(f.shape.tables)), make([]*sql.Stmt, len(f.shape.tables))
	raise, err := file.PrepareContext(ctx, counter("feed", mark))
	if err != nil {
		return nil, err
	}
	for i, t := range f.shape.tables {
		if whole[i], err = file.PrepareContext(ctx, t.insert(t.name, sqliteRows, mark)); err != nil {
			return nil, err
		}
		if n := t.perBlock % sqliteRows; n > 0 {
			if rest[i], err = file.PrepareContext(ctx, t.insert(t.name, n, mark)); err != nil {
				return nil, err
			}
		}
	}
	return func(ctx context.Context, name string, number int) error {
		tx, err := file.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for i := range f.shape.tables {
			t := &f.shape.tables[i]
			for from := 0; from < t.perBlock; from += sqliteRows {
				statement, to := whole[i], from+sqliteRows
				if to > t.perBlock {
					statement, to = rest[i], t.perBlock
				}
				if _, err := tx.StmtContext(ctx, statement).ExecContext(ctx, t.values(name, number, from, to)...); err != nil {
					return errors.Join(err, tx.Rollback())
				}
			}
		}
		if _, err := tx.StmtContext(ctx, raise).ExecContext(ctx, name, int64(number+1)*block); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}, nil
}

func (f *sqliteFloor) turn(ctx context.Context, _ int, indexed bool, lasting time.Duration) (float64, error) {
	return lower(ctx, []*writer{f.writers[indexed]}, lasting)
}

// Close closes the files.
func (f *sqliteFloor) Close() error {
	var errs []error
	for _, file := range f.files {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}
