package storetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// patience is how long a test waits for what must come before it fails.
const patience = 20 * time.Second

var leasePromises = []promise{
	{"a lease has one owner at a time, across servers", func(t *testing.T, e Engine) {
		all := servers(t, e)
		var owners, most, turns atomic.Int64
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				ctx, release := context.WithCancel(t.Context())
				defer release()
				if _, err := all[i%len(all)].Hold(ctx, "relay/default"); err != nil {
					t.Error(err)
					return
				}
				now := owners.Add(1)
				most.Store(max(most.Load(), now))
				turns.Add(1)
				owners.Add(-1)
			})
		}
		group.Wait()
		if most.Load() != 1 || turns.Load() != 6 {
			t.Errorf("up to %d owners at once, %d turns", most.Load(), turns.Load())
		}
	}},
	{"leases of different names do not wait for one another", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
			if _, err := s.Hold(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		commit(t, s, clinic, happened("e1"))
	}},
	{"who waits gets the lease when the owner lets go", func(t *testing.T, e Engine) {
		all := servers(t, e)
		ctx, release := context.WithCancel(t.Context())
		held, err := all[0].Hold(ctx, "relay")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			_, err := all[len(all)-1].Hold(t.Context(), "relay")
			got <- err
		}()
		short, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, err := all[0].Hold(short, "relay"); err == nil {
			t.Fatal("two owners at once")
		}
		if held.Err() != nil {
			t.Fatal("the owner lost it to somebody who gave up")
		}
		release()
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("nobody got it")
		}
	}},
	{"a lease ends with its store", func(t *testing.T, e Engine) {
		s := e.Open(t)
		held, err := s.Hold(t.Context(), "relay")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-held.Done():
		case <-time.After(patience):
			t.Error("still held")
		}
	}},
}

var bellPromises = []promise{
	{"a commit by any server rings for its tenant", func(t *testing.T, e Engine) {
		all := servers(t, e)
		ctx, stop := context.WithCancel(t.Context())
		rung := make(chan rang, 1000)
		ended := make(chan error, 1)
		go func() {
			ended <- all[0].Listen(ctx, func(tenant ref.Tenant, moved []feed.Cursor) { rung <- rang{tenant, moved} })
		}()
		// The listener may still be on its way when the first commits come, so they are repeated until one is heard.
		for _, s := range all {
			for _, tenant := range []ref.Tenant{"north", "south"} {
				hear(t, s, tenant, rung)
			}
		}
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Listen ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("Listen did not end with its context")
		}
	}},
	{"a commit that comes to nothing does not ring", func(t *testing.T, e Engine) {
		s := e.Open(t)
		rung := make(chan rang, 1000)
		go func() {
			_ = s.Listen(t.Context(), func(tenant ref.Tenant, moved []feed.Cursor) { rung <- rang{tenant, moved} })
		}()
		hear(t, s, "north", rung)
		refused(t, s, happened("bad", "no such feed"))
		hear(t, s, "south", rung)
		close(rung)
		for heard := range rung {
			if heard.tenant == clinic {
				t.Error("it rang for a commit that failed")
			}
		}
	}},
}

// rang is one ring of a doorbell.
type rang struct {
	tenant ref.Tenant
	moved  []feed.Cursor
}

// hear commits until the bell is heard for the tenant, with how far its feed came.
func hear(t testing.TB, s Store, tenant ref.Tenant, rung <-chan rang) {
	t.Helper()
	deadline := time.After(patience)
	for {
		commit(t, s, tenant, happened(time.Now().String()))
		again := time.After(200 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case heard := <-rung:
				if heard.tenant != tenant {
					continue
				}
				if at := slices.IndexFunc(heard.moved, func(c feed.Cursor) bool { return c.Feed == feed.All }); at < 0 || heard.moved[at].After < 1 || heard.moved[at].Tenant != tenant {
					t.Errorf("the bell says %+v", heard)
				}
				return
			case <-again:
				waiting = false
			case <-deadline:
				t.Fatalf("no bell for %s", tenant)
			}
		}
	}
}
