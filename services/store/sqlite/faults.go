package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/rapport-health/rapport/services/domain/fault"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// kindOf says what a driver's error asks of the caller.
func kindOf(err error) fault.Kind {
	if errors.Is(err, sql.ErrConnDone) {
		return fault.Unavailable
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return fault.Internal
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_READONLY,
		lib.SQLITE_CANTOPEN, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT, lib.SQLITE_PROTOCOL:
		return fault.Unavailable
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG:
		return fault.Unprocessable
	}
	return fault.Internal
}

// told is the error without the driver's own words, which can quote a statement.
func told(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return errors.New("the database driver failed")
	}
	if words, ok := driver.ErrorCodeString[e.Code()&0xff]; ok {
		return fmt.Errorf("SQLite says: %s, %d", words, e.Code())
	}
	return fmt.Errorf("SQLite says %d", e.Code())
}

func errInUse(path string) error {
	return fault.Newf(fault.Unavailable, "lock-error",
		"another rapport is using this database: %s.lock is held; stop it, or give this one a file of its own", path)
}
