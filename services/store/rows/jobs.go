package rows

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// CheckJob refuses a job that cannot be kept. Errors: Unprocessable.
func CheckJob(j store.Job) error {
	for _, text := range []string{string(j.Tenant), j.ID, j.Kind} {
		if text == "" || !Storable(text) {
			return fault.Newf(fault.Unprocessable, "value", "a job has a tenant, an id and a kind")
		}
	}
	return nil
}

// Expiry is the column for when a job is to be dropped; nil for not yet known.
func Expiry(j store.Job) *int64 {
	if j.Expires.IsZero() {
		return nil
	}
	us := j.Expires.UnixMicro()
	return &us
}

// JobTimes puts the times of a row into a job.
func JobTimes(j *store.Job, created int64, expires *int64) {
	j.Created = time.UnixMicro(created).UTC()
	if expires != nil {
		j.Expires = time.UnixMicro(*expires).UTC()
	}
}

// ErrNoJob is NotFound.
func ErrNoJob() error { return fault.Newf(fault.NotFound, "not-found", "there is no such job") }

// ErrJobExists is Conflict.
func ErrJobExists() error {
	return fault.Newf(fault.Conflict, "duplicate", "there is a job of that id")
}

// ErrJobMoved is Conflict.
func ErrJobMoved() error {
	return fault.Newf(fault.Conflict, "conflict", "another has written the job")
}

// ErrTooManyJobs is Precondition.
func ErrTooManyJobs(most int) error {
	return fault.Newf(fault.Precondition, "throttled", "%d jobs of this kind are under way already", most)
}
