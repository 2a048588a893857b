package store

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Jobs keeps long work that goes on after a restart: what is wanted, how far it is, and what came of it. Both engines offer
// it beside Store.
type Jobs interface {
	// AddJob keeps a new job at version 1. Errors: Precondition when the tenant has `most` jobs of that kind already that
	// are not done; Conflict when there is one of that id.
	AddJob(ctx context.Context, j Job, most int) error
	// PutJob replaces a job and returns it with its version raised. Errors: Conflict when it is no longer at the version
	// of j; NotFound when it was dropped.
	PutJob(ctx context.Context, j Job) (Job, error)
	// KeptJob returns one. Errors: NotFound.
	KeptJob(ctx context.Context, t ref.Tenant, id string) (Job, error)
	// JobsKept returns the jobs of all tenants that are done, or those that are not, in the order they were created.
	JobsKept(ctx context.Context, done bool) ([]Job, error)
	// DropJob forgets one. Errors: NotFound.
	DropJob(ctx context.Context, t ref.Tenant, id string) error
	// KeepMoment remembers that at a moment the tenant's last event was that of the number, and returns the moment: a
	// millisecond later than the last one that it remembers, where that is later than the one given.
	KeepMoment(ctx context.Context, t ref.Tenant, at time.Time, seq int64) (time.Time, error)
	// KeptMoment returns the number of the tenant's last event at a moment that KeepMoment returned. ok is false when it
	// did not return it.
	KeptMoment(ctx context.Context, t ref.Tenant, at time.Time) (seq int64, ok bool, err error)
}

// Job is one piece of long work.
type Job struct {
	// Tenant it is for, and its ID, which nobody can guess.
	Tenant ref.Tenant
	ID     string
	// Kind of work, such as export.
	Kind string
	// Done says that nothing is left to do.
	Done bool
	// Created is when it was asked for, and Expires when it is to be dropped; zero for not yet known.
	Created, Expires time.Time
	// Version counts how often it was written.
	Version int64
	// Data is all else, as JSON.
	Data []byte
}
