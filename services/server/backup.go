package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store/sealed"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// Copied is a copy of a database, or a database made from one.
type Copied struct {
	// File is where it lies, of how many Bytes.
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	// SHA256 of its bytes as hexadecimal.
	SHA256 string `json:"sha256"`
	// Schema is its version, and Current says whether it is this program's.
	Schema  int64 `json:"schema"`
	Current bool  `json:"current"`
	// Sum says that the bytes agree with a checksum that was kept beside them.
	Sum bool `json:"sum"`
	// Sealed says that it is sealed and no master key was given, so that its rows were not looked into.
	Sealed bool `json:"sealed"`
	// Report is what Verify found; nil when it is Sealed, or not Current: this program reads an older schema only once it is
	// migrated.
	Report *Report `json:"report,omitempty"`
}

// sumSuffix is behind the name of the file that holds the checksum of a copy, in the form that `sha256sum -c` reads.
const sumSuffix = ".sha256"

// BackUp writes a consistent copy of a SQLite database to a file, beside the server that uses it, checks it as Verify does,
// and keeps its checksum beside it. A file that is there already is not replaced. A copy that is found wrong is left for
// inspection under its name with `.partial` behind it, and the error says so. The rows of a sealed
// database are checked with its master key; without it the file alone is.
func BackUp(ctx context.Context, named, to string, progress func(string), masterKey ...string) (*Copied, error) {
	place, err := sqlitePlace(named)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(to); err == nil {
		return nil, fault.Newf(fault.Precondition, "conflict", "there is a file already where the copy is to be")
	}
	partial := to + ".partial"
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "clearing away an earlier attempt")
	}
	progress("copying")
	schema, err := sqlite.Backup(ctx, place, partial)
	if err != nil {
		return nil, err
	}
	copied, err := examine(ctx, partial, schema, progress, masterKey)
	if err != nil {
		return nil, err
	}
	if copied.Report != nil && len(copied.Report.Problems) > 0 {
		return copied, fault.Newf(fault.Precondition, "incomplete", "the copy has %d problems and was not put in place: is the database itself well? Ask `rapport verify`", len(copied.Report.Problems))
	}
	copied.File = to
	line := copied.SHA256 + "  " + filepath.Base(to) + "\n"
	if err := keep(to+sumSuffix, line); err != nil {
		return nil, err
	}
	copied.Sum = true
	if err := os.Rename(partial, to); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "putting the copy in its place")
	}
	return copied, syncFolder(to)
}

// Restore makes a SQLite database from a copy. It refuses a copy whose checksum is another than the one kept beside it, one that
// is damaged, and one of a newer program; a database that is there already it replaces only when force says so, and never
// while a server uses it.
func Restore(ctx context.Context, from, named string, force bool, progress func(string), masterKey ...string) (*Copied, error) {
	place, err := sqlitePlace(named)
	if err != nil {
		return nil, err
	}
	kept, err := keptSum(from)
	if err != nil {
		return nil, err
	}
	progress("checking the copy")
	sum, _, err := digest(ctx, from)
	if err != nil {
		return nil, err
	}
	if kept != "" && kept != sum {
		return nil, fault.Newf(fault.Precondition, "incomplete", "the copy is not the one that was made: its bytes do not have the checksum in %s", from+sumSuffix)
	}
	progress("copying")
	schema, err := sqlite.Restore(ctx, from, place, force)
	if err != nil {
		return nil, err
	}
	copied, err := examine(ctx, place, schema, progress, masterKey)
	if err != nil {
		return nil, err
	}
	copied.Sum = kept != ""
	return copied, nil
}

// sqlitePlace is the path of a SQLite database. Errors: NotSupported for PostgreSQL.
func sqlitePlace(named string) (string, error) {
	kind, place, err := storeOf(named)
	if err == nil && kind != "sqlite" {
		err = fault.Newf(fault.NotSupported, "not-supported",
			"this is for SQLite: PostgreSQL is copied with `pg_dump --format=custom` and made anew with `pg_restore`, see deploy/README.md")
	}
	return place, err
}

// examine says what a file holds.
func examine(ctx context.Context, path string, schema int64, progress func(string), masterKey []string) (*Copied, error) {
	if _, err := sqlite.Sound(ctx, path); err != nil {
		return nil, err
	}
	c := &Copied{File: path, Schema: schema, Current: schema == sqlite.Schema()}
	if c.Current {
		master, err := masterOf(masterKey)
		if err != nil {
			return nil, err
		}
		if c.Sealed, err = locked(ctx, path, master); err != nil {
			return nil, err
		}
	}
	if c.Current && !c.Sealed {
		var err error
		if c.Report, err = Verify(ctx, "sqlite:"+path, progress, masterKey...); err != nil {
			return nil, err
		}
	}
	var err error
	c.SHA256, c.Bytes, err = digest(ctx, path)
	return c, err
}

// locked says whether a file is sealed while there is no master key.
func locked(ctx context.Context, path string, master sealed.Master) (bool, error) {
	if master != nil {
		return false, nil
	}
	opened, err := sqlite.OpenReadOnly(ctx, path)
	if err != nil {
		return false, err
	}
	keys, err := opened.DataKeys(ctx)
	return len(keys) > 0, errors.Join(err, opened.Close())
}

// digest of a file, and its length.
func digest(ctx context.Context, path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fault.Wrap(fault.Unavailable, err, "reading the copy")
	}
	defer f.Close()
	h := sha256.New()
	var total int64
	for {
		n, err := io.CopyN(h, f, 8<<20)
		total += n
		switch {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), total, nil
		case err != nil:
			return "", 0, fault.Wrap(fault.Unavailable, err, "reading the copy")
		case ctx.Err() != nil:
			return "", 0, fault.Wrap(fault.Unavailable, ctx.Err(), "reading the copy")
		}
	}
}

// keptSum is the checksum beside a copy; empty when there is none. Errors: Precondition when the file holds something else.
func keptSum(of string) (string, error) {
	text, err := os.ReadFile(of + sumSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "reading the checksum")
	}
	sum, _, _ := strings.Cut(string(text), " ")
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
		return "", fault.Newf(fault.Precondition, "value", "%s holds no SHA-256 checksum", of+sumSuffix)
	}
	return strings.ToLower(sum), nil
}

// keep writes a small file so that it is on the disk.
func keep(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "writing the checksum")
	}
	_, err = f.WriteString(text)
	return fault.Wrap(fault.Unavailable, errors.Join(err, f.Sync(), f.Close()), "writing the checksum")
}

// syncFolder puts the name of a file on the disk.
func syncFolder(of string) error {
	f, err := os.Open(filepath.Dir(of))
	if err != nil {
		return fmt.Errorf("flushing the folder: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}
