package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// shelf is an audit that is written to memory, or fails as told.
type shelf struct {
	store.Audit
	mu     sync.Mutex
	groups [][]audit.Entry
	fails  int
}

// AppendAudit keeps the entries.
func (s *shelf) AppendAudit(_ context.Context, entries []audit.Entry) ([]audit.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		return nil, errors.New("away")
	}
	s.groups = append(s.groups, entries)
	return make([]audit.Record, len(entries)), nil
}

func (s *shelf) written() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		n += len(g)
	}
	return n
}

func newAuditor(t *testing.T, s *shelf) *Auditor {
	t.Helper()
	a, err := NewAuditor(s, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhoWaitsForTheAuditIsAnsweredAtOnceAndOthersShareAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		a := newAuditor(t, s)
		for range 100 {
			if err := a.Note(t.Context(), audit.Entry{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s.written() != 0 {
			t.Error("notes do not wait for company")
		}
		begun := time.Now()
		if err := a.Write(t.Context(), audit.Entry{}); err != nil {
			t.Fatal(err)
		}
		if time.Since(begun) != 0 || s.written() != 101 || len(s.groups) != 1 {
			t.Errorf("%d written in %d groups after %v", s.written(), len(s.groups), time.Since(begun))
		}
		if err := a.Note(t.Context(), audit.Entry{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(auditLinger)
		synctest.Wait()
		if s.written() != 102 {
			t.Errorf("%d written", s.written())
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhenTheAuditFailsWhoWaitsIsToldAndNothingElseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{fails: 3}
		a := newAuditor(t, s)
		if err := a.Note(t.Context(), audit.Entry{}); err != nil {
			t.Fatal(err)
		}
		if err := a.Write(t.Context(), audit.Entry{}); fault.Of(err) != fault.Unavailable {
			t.Errorf("who waits is told %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.written() != 1 {
			t.Errorf("%d written once it works again", s.written())
		}
		if err := a.Note(t.Context(), audit.Entry{}); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.written() != 2 {
			t.Errorf("%d written at the stop", s.written())
		}
		if err := a.Write(t.Context(), audit.Entry{}); fault.Of(err) != fault.Unavailable {
			t.Errorf("after the stop: %v", err)
		}
	})
}
