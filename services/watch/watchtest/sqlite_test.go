package watchtest_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/watch/watchtest"
)

const clinic = ref.Tenant("clinic")

// clinicLog is a Log over a real database.
type clinicLog struct {
	store store.Store
	log   *watch.Log
	// bare keeps the drafts from the Log, so that followers read the store.
	bare bool
	made atomic.Int64
}

// onSQLite is a Log over a database in one file.
type onSQLite struct{ *clinicLog }

func openSQLite(t testing.TB, config watch.Config) *onSQLite {
	t.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "clinic.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &onSQLite{&clinicLog{store: s, log: watch.New(s, config)}}
}

func (s *clinicLog) Tenant() ref.Tenant { return clinic }

func (s *clinicLog) Follow(ctx context.Context, cursors []feed.Cursor, every time.Duration) iter.Seq2[watchtest.Message, error] {
	return func(yield func(watchtest.Message, error) bool) {
		for m, err := range s.log.Follow(ctx, cursors, every) {
			out := watchtest.Message{HighWater: m.HighWater}
			if m.Entry != nil {
				out.Event = &m.Entry.Event
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

func (s *clinicLog) write(t testing.TB, name feed.Name, n int) ([]feed.Cursor, []feed.Draft) {
	t.Helper()
	drafts := make([]feed.Draft, n)
	for i := range drafts {
		id := s.made.Add(1)
		drafts[i] = feed.Draft{
			Feeds: []feed.Name{name}, ID: fmt.Sprintf("e%d", id), Type: feed.Opened, Time: time.Now(),
			Subject: "Patient/p1", Data: fmt.Appendf(nil, `{"id":"a%d"}`, id),
		}
	}
	moved, err := s.store.Update(context.Background(), clinic, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Events: drafts})
	})
	if err != nil {
		t.Fatal(err)
	}
	return moved, drafts
}

func (s *clinicLog) Commit(t testing.TB, name feed.Name, n int) {
	t.Helper()
	moved, drafts := s.write(t, name, n)
	if s.bare {
		drafts = nil
	}
	s.log.Moved(clinic, moved, drafts...)
}

func (s *onSQLite) CommitQuietly(t testing.TB, name feed.Name, n int) {
	t.Helper()
	s.write(t, name, n)
}

func (s *onSQLite) Forget(t testing.TB) {
	t.Helper()
	if _, err := s.store.(*sqlite.Store).Trim(context.Background(), clinic, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func TestALogOverSQLiteKeepsItsPromises(t *testing.T) {
	for name, bare := range map[string]bool{"told with the drafts": false, "told without": true} {
		t.Run(name, func(t *testing.T) {
			watchtest.Run(t, watchtest.Default(), func(t *testing.T) watchtest.Subject {
				s := openSQLite(t, watch.Default())
				s.bare = bare
				return s
			})
		})
	}
}

func TestALogWithHardlyAnyMemoryKeepsItsPromisesToo(t *testing.T) {
	config := watch.Default()
	config.TailEvents, config.TailBytes, config.Page = 3, 900, 2
	options := watchtest.Default()
	options.Long = 500
	watchtest.Run(t, options, func(t *testing.T) watchtest.Subject { return openSQLite(t, config) })
}

func TestWhatIsToldWithTheDraftsIsWhatTheStoreHolds(t *testing.T) {
	s := openSQLite(t, watch.Default())
	team := feed.Team("north")
	drafts := []feed.Draft{
		{ID: "a", Type: feed.Recorded, Time: time.Now(), Data: []byte(`{"reference":"Patient/p1"}`)},
		{Feeds: []feed.Name{team, feed.All, team}, ID: "b", Type: feed.Opened, Time: time.Now(), Subject: "Patient/p1", Data: []byte(`{}`)},
		{Feeds: []feed.Name{feed.Unassigned}, ID: "c", Type: feed.Opened, Time: time.Now(), Data: []byte(`{}`)},
		{Feeds: []feed.Name{feed.Unassigned, team}, ID: "d", Type: feed.Opened, Time: time.Now(), Data: []byte(`{}`)},
		{
			Feeds: []feed.Name{feed.Partner("r1"), team}, ID: "e", Type: feed.Opened, Time: time.Now(), Data: []byte(`{"seen":"all of it"}`),
			Partner: []byte(`{"seen":"in other words"}`),
		},
		{Feeds: []feed.Name{feed.Partner("r1")}, ID: "f", Type: feed.Opened, Time: time.Now(), Data: []byte(`{"seen":"all of it"}`)},
	}
	s.Commit(t, team, 2)
	moved, err := s.store.Update(t.Context(), clinic, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Events: drafts[:2]}, &decision.Decision{Events: drafts[2:]})
	})
	if err != nil {
		t.Fatal(err)
	}
	s.log.Moved(clinic, moved, drafts...)
	for _, name := range []feed.Name{feed.All, team, feed.Unassigned, feed.Partner("r1")} {
		at := feed.Cursor{Tenant: clinic, Feed: name}
		want, err := s.store.Since(t.Context(), at, 100)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.log.Since(t.Context(), at, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("feed %s in memory is not the feed in the store (-store +memory):\n%s", name, diff)
		}
		for _, e := range got {
			if name.ForPartner() && strings.Contains(string(e.Data), "all of it") {
				t.Errorf("the care partner reads %s", e.Data)
			}
		}
	}
}

// restarted is a Log whose database is closed and opened again under it.
type restarted struct {
	*onSQLite
	path string
	// end ends the followers, as the end of a server does.
	end     context.CancelFunc
	serving context.Context
}

func (r *restarted) open(t testing.TB) {
	t.Helper()
	s, err := sqlite.Open(context.Background(), r.path, sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	r.store, r.log = s, watch.New(s, watch.Default())
	r.serving, r.end = context.WithCancel(context.Background())
}

func (r *restarted) Restart(t testing.TB) {
	t.Helper()
	r.end()
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t)
}

func (r *restarted) Follow(ctx context.Context, cursors []feed.Cursor, every time.Duration) iter.Seq2[watchtest.Message, error] {
	both, cancel := context.WithCancel(ctx)
	context.AfterFunc(r.serving, cancel)
	return r.onSQLite.Follow(both, cursors, every)
}

func TestALogThatIsRestartedKeepsItsPromises(t *testing.T) {
	watchtest.Run(t, watchtest.Default(), func(t *testing.T) watchtest.Subject {
		r := &restarted{onSQLite: &onSQLite{&clinicLog{}}, path: filepath.Join(t.TempDir(), "clinic.db")}
		r.open(t)
		t.Cleanup(func() {
			r.end()
			if err := r.store.Close(); err != nil {
				t.Error(err)
			}
		})
		return r
	})
}
