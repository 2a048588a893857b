package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// own takes the lock file beside the database. The kernel lets it go when the process ends, however it ends.
func own(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "making the lock file")
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return nil, errInUse(path)
	}
	return nil, fault.Wrap(fault.Unavailable, err, "locking the database file")
}
