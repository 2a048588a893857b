// Package deadlines is the scheduler: it turns the passed deadlines of episodes into facts, once across all servers.
package deadlines

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rapport-health/rapport/services/commit"
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
	// PerSecond bounds how many episodes are moved in a second while more wait, so that a server that slept does not
	// drown those it serves.
	PerSecond int
	// Pause waits, or until ctx ends.
	Pause func(ctx context.Context, d time.Duration)
	// Log takes what failed; the next sweep tries again.
	Log *slog.Logger
}

// Scheduler sweeps.
type Scheduler struct{ Config }

// New is a scheduler that does nothing until Run or Sweep.
func New(c Config) (*Scheduler, error) {
	if c.Store == nil || c.Directory == nil || c.Group == nil || c.Now == nil || c.Pause == nil || c.Log == nil {
		return nil, fmt.Errorf("deadlines: Store, Directory, Group, Now, Pause and Log are required")
	}
	if c.Every <= 0 || c.Batch < 1 || c.PerSecond < 1 {
		return nil, fmt.Errorf("deadlines: Every, Batch and PerSecond must be above zero")
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
			s.Pause(ctx, s.Every)
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
		s.Pause(held, s.Every)
	}
}

// Pause waits by the clock of the machine, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
