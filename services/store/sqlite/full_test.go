package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/storetest"
)

func TestAFullDiskIsUnavailableUntilThereIsRoomAgain(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "clinic.db"), Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	limit := func(pages string) {
		t.Helper()
		c := <-s.writer
		if err := c.exec(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
		s.writer <- c
	}
	commit := func(n int) error {
		_, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error {
			return tx.Commit(storetest.Submission(n, 1000), storetest.Submission(n+1, 1000), storetest.Submission(n+2, 1000))
		})
		return err
	}
	if err := commit(0); err != nil {
		t.Fatal(err)
	}
	limit("1") // No fewer than it has.
	var full error
	for n := 3; full == nil && n < 3000; n += 3 {
		full = commit(n)
	}
	if fault.Of(full) != fault.Unavailable {
		t.Fatalf("got %v", full)
	}
	events, err := s.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All}, 5000)
	if err != nil || len(events)%3 != 0 {
		t.Errorf("%d events, %v: a commit was cut", len(events), err)
	}
	limit("1000000")
	if err := commit(9000); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
