// Package deadlines is the scheduler: it turns the passed deadlines of episodes into facts, once across all servers.
package deadlines

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Config of the scheduler.
type Config struct {
	// Store to look into.
	Store store.Store
	// Directory lists the tenants.
	Directory store.Directory
	// Group commits.
	Group *commit.Group
	// Now is the clock.
	Now func() time.Time
	// Every is how long to wait between two sweeps.
	Every time.Duration
	// Batch is how many episodes one transaction may move.
	Batch int
	// Log takes what failed; the next sweep tries again.
	Log *slog.Logger
}

// Scheduler sweeps.
type Scheduler struct{ Config }

// New is a scheduler that does nothing until Run or Sweep.
func New(c Config) (*Scheduler, error) {
	if c.Store == nil || c.Directory == nil || c.Group == nil || c.Now == nil || c.Log == nil || c.Every <= 0 || c.Batch < 1 {
		return nil, fmt.Errorf("deadlines: Store, Directory, Group, Now, Log, Every and Batch are required")
	}
	return &Scheduler{c}, nil
}

// lease is shared by all servers on one database, so that only one of them sweeps.
const lease = "deadlines"

// Run sweeps until ctx ends. When the lease is lost it waits for it again.
func (s *Scheduler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		held, err := s.Store.Hold(ctx, lease)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("the lease of the scheduler cannot be had; it will be tried again", "error", err)
			}
			s.pause(ctx)
			continue
		}
		s.sweepWhile(held)
	}
}

func (s *Scheduler) sweepWhile(held context.Context) {
	for held.Err() == nil {
		if _, err := s.Sweep(held); err != nil && held.Err() == nil {
			s.Log.Warn("a sweep of deadlines failed; it will be tried again", "error", err)
		}
		s.pause(held)
	}
}

func (s *Scheduler) pause(ctx context.Context) {
	timer := time.NewTimer(s.Every)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Sweep passes every deadline that lies at or before now, in bounded batches, and returns how many episodes it moved.
// It may be called at any time; a deadline is never passed twice.
func (s *Scheduler) Sweep(ctx context.Context) (int, error) {
	tenants, err := s.Directory.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	moved := 0
	for _, t := range tenants {
		n, err := s.sweepTenant(ctx, t)
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

func (s *Scheduler) sweepTenant(ctx context.Context, t ref.Tenant) (int, error) {
	total := 0
	for {
		var due []ref.Episode
		err := s.Store.View(ctx, t, func(r store.Reader) (err error) {
			due, err = r.Due(s.Now(), s.Batch)
			return err
		})
		if err != nil || len(due) == 0 {
			return total, err
		}
		moved, err := s.Group.Tick(ctx, t, due)
		total += moved
		if err != nil || moved == 0 || len(due) < s.Batch {
			return total, err
		}
	}
}
