package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// servers are one store, and a second server on its database where the engine allows that.
func servers(t testing.TB, e Engine) []Store {
	s := e.Open(t)
	if e.Another == nil {
		return []Store{s}
	}
	return []Store{s, e.Another(t, s)}
}

var writerPromises = []promise{
	{"eight writers of two tenants on every server number densely and lose no step", func(t *testing.T, e Engine) {
		all := servers(t, e)
		tenants := []ref.Tenant{"north", "south"}
		const writers, steps = 8, 25
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range steps {
					id := fmt.Sprintf("%d-%d", w, i)
					if err := step(t.Context(), all[w%len(all)], tenants[w/4], id); err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
				}
			})
		}
		group.Wait()
		for _, tenant := range tenants {
			for _, s := range all {
				same(t, "state", states(t, s, tenant, "p1")["p1"].Facts, int64(4*steps))
				dense(t, s, tenant, feed.All, 2*4*steps)
				dense(t, s, tenant, teamA, 4*steps)
			}
		}
	}},
	{"a writer waits for another's tenant and sees what it wrote", func(t *testing.T, e Engine) {
		all := servers(t, e)
		first, second := all[0], all[len(all)-1]
		began, seen := make(chan struct{}), make(chan int64, 1)
		var group sync.WaitGroup
		group.Go(func() {
			_, err := first.Update(t.Context(), clinic, func(tx store.Tx) error {
				if _, err := tx.Extents(); err != nil {
					return err
				}
				close(began)
				return tx.Commit(&decision.Decision{Episodes: []*episode.State{state("p1", 41, monday)}})
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-began
		_, err := second.Update(t.Context(), clinic, func(tx store.Tx) error {
			read, err := tx.States([]ref.Episode{"p1"})
			if err == nil {
				seen <- read["p1"].Facts
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		group.Wait()
		same(t, "what the second saw", <-seen, int64(41))
	}},
	{"a writer whose context ends while it waits gives up and harms nobody", func(t *testing.T, e Engine) {
		all := servers(t, e)
		first, second := all[0], all[len(all)-1]
		_, err := first.Update(t.Context(), clinic, func(tx store.Tx) error {
			if _, err := tx.Extents(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := second.Update(ctx, clinic, func(tx store.Tx) error { return tx.Commit(happened("too late")) })
			failsWith(t, err, fault.Unavailable)
			return tx.Commit(happened("in time"))
		})
		if err != nil {
			t.Fatal(err)
		}
		commit(t, second, clinic, happened("next"))
		dense(t, first, clinic, feed.All, 2)
	}},
}

// step reads a counter, raises it, and tells of it in two events.
func step(ctx context.Context, s store.Store, tenant ref.Tenant, id string) error {
	_, err := s.Update(ctx, tenant, func(tx store.Tx) error {
		read, err := tx.States([]ref.Episode{"p1"})
		if err != nil {
			return err
		}
		next := state("p1", 1, monday)
		if before, ok := read["p1"]; ok {
			next.Facts = before.Facts + 1
		}
		return tx.Commit(&decision.Decision{Episodes: []*episode.State{next}}, happened(id+"a", teamA), happened(id+"b"))
	})
	return err
}

// dense says that a feed's numbers are 1 to n and that no event stands in it twice.
func dense(t testing.TB, s store.Store, tenant ref.Tenant, name feed.Name, n int) {
	t.Helper()
	events := since(t, s, feed.Cursor{Tenant: tenant, Feed: name}, n+10)
	seen := map[string]bool{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("%s/%s: event %d has number %d", tenant, name, i+1, e.Seq)
		}
		if seen[e.ID] {
			t.Fatalf("%s/%s: %s stands in it twice", tenant, name, e.ID)
		}
		seen[e.ID] = true
	}
	if len(events) != n {
		t.Errorf("%s/%s holds %d events, want %d", tenant, name, len(events), n)
	}
}
