package subscriptions_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/subscriptions"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

// childEnv names the database of a child process that tells subscribers until it is killed.
const childEnv = "RAPPORT_TEST_SUBSCRIPTIONS"

// stuckAt is an engine that is never done with keeping that an event was told.
type stuckAt struct {
	engine
	at int64
}

func (s stuckAt) KeepDelivery(ctx context.Context, t ref.Tenant, d subscription.Delivery, givenUp ...subscription.Letter) error {
	if d.Delivered >= s.at {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.engine.KeepDelivery(ctx, t, d, givenUp...)
}

// child tells subscribers, and stands still between telling the third event and keeping that it did.
func child() {
	s, err := sqlite.Open(context.Background(), os.Getenv(childEnv), sqlite.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log := watch.New(s, watch.Default())
	room, err := subscriptions.New(quick(stuckAt{s, 3}, log))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = room.Run(context.Background())
}

func TestAKillBetweenTellingAndKeepingThatItWasToldLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rapport.db")
	open := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	e := newEndpoint(t, nil)
	s := open()
	h := houseOver(t, s)
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	h.stop()
	h.happen("a1", "a2", "a3", "a4", "a5")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	killed := exec.CommandContext(t.Context(), os.Args[0])
	killed.Env = append(os.Environ(), childEnv+"="+path)
	killed.Stderr = os.Stderr
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { return len(e.told()) >= 3 }, func() string { return "three events from the child" })
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed, and says so

	s = open()
	t.Cleanup(func() { _ = s.Close() })
	h = houseOver(t, s)
	h.hears(e, 1, 2, 3, 3, 4, 5)
}

func TestTwoServersTellEachEventOnceAndInOrder(t *testing.T) {
	url := testbed.Database(t)
	var servers []*house
	for range 2 {
		s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		servers = append(servers, houseOver(t, s))
	}
	e := newEndpoint(t, nil)
	id, _ := servers[0].subscribe(wish{endpoint: e.URL, maxCount: 4})
	servers[1].stands(id, "active")
	const half = 20
	for n := range half {
		servers[n%2].happen(fmt.Sprint("a", n))
	}
	servers[0].hears(e, upTo(half)...)
	// Whoever tells ends in order; the other one goes on where it ended.
	servers[0].stop()
	for n := range half {
		servers[n%2].happen(fmt.Sprint("b", n))
	}
	servers[1].hears(e, upTo(2*half)...)
	if n := len(e.of("handshake")); n != 1 {
		t.Errorf("%d handshakes", n)
	}
}

func TestALostLeaseEndsTheCallsOfItsServer(t *testing.T) {
	h := newHouse(t)
	begun := make(chan struct{}, 1)
	release := make(chan struct{})
	e := newEndpoint(t, func(c call) int {
		if c.kind() == "event-notification" {
			begun <- struct{}{}
			<-release
		}
		return 200
	})
	t.Cleanup(func() { close(release) })
	id, _ := h.subscribe(wish{endpoint: e.URL})
	h.stands(id, "active")
	h.happen("a1")
	<-begun
	ended := make(chan struct{})
	go func() { h.stop(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(4 * time.Second):
		t.Fatal("the room waits for an endpoint that does not answer")
	}
	if slices.Contains(e.told(), 1) {
		t.Error("the call was not cut off")
	}
}
