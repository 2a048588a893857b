package auth

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/store"
)

// refreshEvery is how soon a change of the registry, such as a revocation, counts on every server.
const refreshEvery = 2 * time.Second

// Registry is what is registered, as this server last read it.
type Registry struct {
	store store.Registrations
	log   *slog.Logger

	reading sync.Mutex
	state   atomic.Pointer[registered]
}

type registered struct {
	byID          map[string]access.Client
	byCertificate map[string]access.Client
}

// NewRegistry reads nothing yet: Refresh and Run do.
func NewRegistry(s store.Registrations, log *slog.Logger) *Registry {
	r := &Registry{store: s, log: log}
	r.state.Store(&registered{})
	return r
}

// Refresh reads the registry again.
func (r *Registry) Refresh(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	clients, err := r.store.Clients(ctx)
	if err != nil {
		return err
	}
	next := &registered{map[string]access.Client{}, map[string]access.Client{}}
	for _, c := range clients {
		next.byID[c.ID] = c
		if c.Certificate != "" && !c.Revoked {
			next.byCertificate[c.Certificate] = c
		}
	}
	r.state.Store(next)
	return nil
}

// Run reads the registry again and again until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("the registry of clients could not be read; it will be tried again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Client is one that is registered and not revoked.
func (r *Registry) Client(id string) (access.Client, bool) {
	c, ok := r.state.Load().byID[id]
	return c, ok && !c.Revoked
}

// Revoked says whether a client was registered and is no more.
func (r *Registry) Revoked(id string) bool {
	c, ok := r.state.Load().byID[id]
	return ok && c.Revoked
}

// ByCertificate is the client that one of the names of a certificate belongs to.
func (r *Registry) ByCertificate(names []string) (access.Client, bool) {
	state := r.state.Load()
	for _, name := range names {
		if c, ok := state.byCertificate[name]; ok {
			return c, true
		}
	}
	return access.Client{}, false
}

// Any says whether any client is registered.
func (r *Registry) Any() bool { return len(r.state.Load().byID) > 0 }
