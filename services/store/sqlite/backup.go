package sqlite

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Backup writes the database at path, as one moment had it, to a new file, and says which schema it has. A server may go on
// writing meanwhile: it waits for nothing, only its log grows until the copy is done. What it writes is on the disk when
// it returns. Errors: Unavailable when there is no such file or the copy cannot be written; Precondition when it is no
// database of Rapport, or one of a newer program.
func Backup(ctx context.Context, path, to string) (schema int64, err error) {
	s, schema, err := openAny(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := keepNew(to); err != nil {
		return 0, err
	}
	if _, err := s.db.ExecContext(ctx, "VACUUM INTO ?1", to); err != nil {
		return 0, errors.Join(broken(err, "copying the database"), os.Remove(to))
	}
	return schema, flush(to)
}

// Sound checks a database file that nobody uses: its pages, its indexes, and its schema, which it returns. Errors: Precondition
// when it is damaged, no database of Rapport, or one of a newer program; Unavailable when it is not there.
func Sound(ctx context.Context, path string) (schema int64, err error) {
	s, schema, err := openAny(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var found string
	if err := s.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return 0, damaged(err)
	}
	if found != "ok" {
		return 0, errDamaged()
	}
	return schema, nil
}

// Restore puts a copy of a database file at path, whole or not at all. A database that is there is replaced only when force
// says so. Errors: as Sound; Precondition when there is a database already; Unavailable when a server uses it.
func Restore(ctx context.Context, from, path string, force bool) (schema int64, err error) {
	if schema, err = Sound(ctx, from); err != nil {
		return 0, err
	}
	if same(from, path) {
		return 0, fault.Newf(fault.Precondition, "conflict", "the copy is the database itself")
	}
	lock, err := own(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := os.Stat(path); err == nil && !force {
		return 0, fault.Newf(fault.Precondition, "conflict", "there is a database already: it is replaced only with --force")
	}
	partial := path + ".restoring"
	if err := copyFile(ctx, from, partial); err != nil {
		return 0, errors.Join(fault.Wrap(fault.Unavailable, err, "writing the database file"), forget(partial))
	}
	// A log of the database that was there would be taken for one of the new.
	if err := errors.Join(forget(path+"-wal"), forget(path+"-shm"), forget(path+"-journal"), os.Rename(partial, path)); err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "putting the database file in its place")
	}
	return schema, flush(filepath.Dir(path))
}

// openAny opens a file of any schema that this program knows, for reading.
func openAny(ctx context.Context, path string) (*Store, int64, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, 0, fault.Newf(fault.Unavailable, "not-found", "there is no readable database file at the path given")
	}
	s := &Store{closed: make(chan struct{})}
	schema, err := s.known(ctx, path)
	if err != nil {
		return nil, 0, errors.Join(err, s.Close())
	}
	return s, schema, nil
}

func (s *Store) known(ctx context.Context, path string) (int64, error) {
	if err := s.connect(path, "mode=ro&_pragma=busy_timeout(5000)", 1); err != nil {
		return 0, err
	}
	provider, err := newProvider(s.db)
	if err != nil {
		return 0, err
	}
	found, err := version(ctx, s.db)
	switch {
	case err != nil:
		return 0, damaged(err)
	case found == 0:
		return 0, fault.Newf(fault.Precondition, "not-supported", "the file is no database of Rapport")
	case found > newest(provider):
		return 0, errNewer(found, newest(provider))
	}
	return found, nil
}

// damaged tells a file that cannot be read as a database from one that cannot be read now.
func damaged(err error) error {
	if fault.Of(broken(err, "")) == fault.Unavailable {
		return broken(err, "reading the file")
	}
	return errDamaged()
}

func errDamaged() error {
	return fault.Newf(fault.Precondition, "incomplete", "the file is damaged, cut off, or no database at all")
}

// keepNew makes an empty file that its owner alone reads, for SQLite to fill.
func keepNew(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.Newf(fault.Precondition, "conflict", "there is a file already where the copy is to be")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "making the file of the copy")
	}
	return f.Close()
}

// flush puts a file, or the names in a folder, on the disk.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "flushing what was written")
	}
	return fault.Wrap(fault.Unavailable, errors.Join(f.Sync(), f.Close()), "flushing what was written")
}

func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, &untilDone{ctx, in})
	return errors.Join(err, out.Sync(), out.Close())
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read reads.
func (r *untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// forget removes a file that may not be there.
func forget(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// Schema is the version of the schema that this program writes.
func Schema() int64 {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0 // they are embedded: a test sees that there are some
	}
	v, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return 0
	}
	return v
}
