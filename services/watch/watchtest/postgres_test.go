package watchtest_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/watch/watchtest"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }

// neighbours are two servers on one database: one has the followers, the other commits and rings the doorbell.
type neighbours struct {
	*clinicLog
	other *clinicLog
}

func (n *neighbours) Commit(t testing.TB, name feed.Name, count int) {
	t.Helper()
	n.other.Commit(t, name, count)
}

func (n *neighbours) Forget(t testing.TB) {
	t.Helper()
	if _, err := n.other.store.(*postgres.Store).Trim(context.Background(), clinic, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func openPostgres(t *testing.T, url string) *clinicLog {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	log := watch.New(s, watch.Default())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = log.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &clinicLog{store: s, log: log}
}

func TestALogThatHearsOfAnotherServersCommitsOnPostgreSQLKeepsItsPromises(t *testing.T) {
	options := watchtest.Options{Heartbeat: 250 * time.Millisecond, Patience: 20 * time.Second, Crowd: 50, Long: 1500}
	watchtest.Run(t, options, func(t *testing.T) watchtest.Subject {
		url := testbed.Database(t)
		return &neighbours{openPostgres(t, url), openPostgres(t, url)}
	})
}
