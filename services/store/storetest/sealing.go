package storetest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Sealable is a store that can be opened with a master key.
type Sealable interface {
	Store
	store.DataKeys
}

// SealedEngine is how the suite gets at one.
type SealedEngine struct {
	// Place is a fresh, empty database.
	Place func(t testing.TB) string
	// Open opens the database at a place, with a master key or without. The caller closes it.
	Open func(t testing.TB, place string, m sealed.Master) (Sealable, error)
	// Beside opens it beside a store that is open.
	Beside func(t testing.TB, place string, m sealed.Master) (Sealable, error)
	// Exec runs a statement behind the store's back.
	Exec func(t testing.TB, place, statement string)
	// Bytes is all that lies on the disk.
	Bytes func(t testing.TB, place string) []byte
}

// MasterFile is a master key that is read from a file, with former ones before it.
func MasterFile(t testing.TB, keys ...string) sealed.Master {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte(strings.Join(keys, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := sealed.ParseMaster("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// RunSealed holds an engine to what sealing promises.
func RunSealed(t *testing.T, e SealedEngine) {
	for _, p := range []struct {
		says  string
		holds func(*testing.T, SealedEngine)
	}{
		{"nothing of a patient is found on the disk", nothingFound},
		{"plain and sealed rows are read alike, and sealing anew leaves no plain row", switchedOn},
		{"keys are rotated while others read and write", rotated},
		{"a missing or wrong master key is told at the start", lockedOut},
		{"a row that was moved, changed or taken from another tenant does not open", tampered},
		{"sealing anew undoes nothing that is written meanwhile", besideWriters},
	} {
		t.Run(p.says, func(t *testing.T) { p.holds(t, e) })
	}
}

func (e SealedEngine) open(t testing.TB, place string, m sealed.Master) Sealable {
	t.Helper()
	s, err := e.Open(t, place, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t testing.TB, s Sealable) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// holds says whether the canary is among bytes, as text or as hexadecimal.
func holds(all []byte) bool {
	return bytes.Contains(all, []byte(Canary)) || bytes.Contains(bytes.ToLower(all), []byte(hex.EncodeToString([]byte(Canary))))
}

// seen is everything of a tenant that is sealed, as it is read.
type seen struct {
	Records []record.Record
	Facts   map[ref.Episode][]fact.Fact
	States  map[ref.Episode]*episode.State
	Alerts  []alert.Alert
	Events  []feed.Event
	Wishes  []subscription.Subscription
}

func everything(t testing.TB, s store.Store, tenant ref.Tenant) (all seen) {
	t.Helper()
	view(t, s, tenant, func(r store.Reader) (err error) {
		if all.Records, err = r.Search(record.Query{Type: "QuestionnaireResponse", Max: 1000}); err != nil {
			return err
		}
		episodes, err := r.EpisodesAfter("", 1000)
		if err != nil {
			return err
		}
		if all.Facts, err = r.Facts(episodes); err != nil {
			return err
		}
		if all.States, err = r.States(episodes); err != nil {
			return err
		}
		if all.Alerts, err = r.ListAlerts(alert.Query{Max: 1000}); err != nil {
			return err
		}
		all.Wishes, err = r.ListSubscriptions()
		return err
	})
	for _, name := range []feed.Name{feed.All, feed.Team("spine")} {
		events, err := s.Since(t.Context(), feed.Cursor{Tenant: tenant, Feed: name}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all.Events = append(all.Events, events...)
	}
	return all
}

func nothingFound(t *testing.T, e SealedEngine) {
	plain := e.Place(t)
	s := e.open(t, plain, nil)
	Fill(t, s, clinic)
	want := everything(t, s, clinic)
	if !holds(e.Bytes(t, plain)) {
		t.Fatal("even without sealing the canary is not found: it was not looked for")
	}
	shut(t, s)
	if !holds(e.Bytes(t, plain)) {
		t.Fatal("even without sealing the canary is not found: it was not looked for")
	}

	place := e.Place(t)
	m := MasterFile(t, sealed.NewMaster())
	s = e.open(t, place, m)
	Fill(t, s, clinic)
	if holds(e.Bytes(t, place)) {
		t.Error("the canary lies on the disk while the store is open")
	}
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("what is read differs:\n%s", diff)
	}
	shut(t, s)
	if holds(e.Bytes(t, place)) {
		t.Error("the canary lies on the disk")
	}
}

// reseal goes on until a whole round finds nothing to do, and returns how many rows were sealed.
func reseal(t testing.TB, s store.DataKeys) (total int) {
	t.Helper()
	for {
		round := 0
		var at store.SealPlace
		for !at.Done {
			next, n, err := s.Reseal(t.Context(), at, 7)
			if err != nil {
				t.Fatal(err)
			}
			at, round = next, round+n
		}
		if total += round; round == 0 {
			return total
		}
	}
}

func switchedOn(t *testing.T, e SealedEngine) {
	place := e.Place(t)
	s := e.open(t, place, nil)
	next := Fill(t, s, clinic)
	want := everything(t, s, clinic)
	if _, _, err := s.Reseal(t.Context(), store.SealPlace{}, 10); fault.Of(err) != fault.Precondition {
		t.Errorf("sealing without a master key: %v", err)
	}
	shut(t, s)

	m := MasterFile(t, sealed.NewMaster())
	s = e.open(t, place, m)
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("plain rows are read differently:\n%s", diff)
	}
	commit(t, s, clinic, next)
	want = everything(t, s, clinic)
	if n := reseal(t, s); n < 200 {
		t.Errorf("only %d rows were sealed", n)
	}
	if n := reseal(t, s); n != 0 {
		t.Errorf("%d rows were sealed once more", n)
	}
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("what was sealed later is read differently:\n%s", diff)
	}
	shut(t, s)
}

func rotated(t *testing.T, e SealedEngine) {
	place := e.Place(t)
	first, second := sealed.NewMaster(), sealed.NewMaster()
	both := MasterFile(t, first, second)
	s := e.open(t, place, MasterFile(t, first))
	next := Fill(t, s, clinic)
	shut(t, s)
	s = e.open(t, place, both)
	want := everything(t, s, clinic)

	beside, err := e.Beside(t, place, both)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := sealed.Rotate(t.Context(), both, beside); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	keys, err := s.DataKeys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].Master != keys[1].Master || keys[0].Created.IsZero() {
		t.Fatal(keys, err)
	}
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("after the rotation the server reads differently:\n%s", diff)
	}
	if err := s.RefreshDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, s, clinic, next)
	if err := beside.RefreshDataKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = everything(t, s, clinic)
	if n := reseal(t, beside); n < 200 {
		t.Errorf("only %d rows went over to the new key", n)
	}
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("rows under the new key are read differently:\n%s", diff)
	}
	shut(t, beside)
	shut(t, s)
	s = e.open(t, place, MasterFile(t, second))
	if diff := cmp.Diff(want, everything(t, s, clinic)); diff != "" {
		t.Errorf("with the new master key alone:\n%s", diff)
	}
	if err := s.RewrapDataKey(t.Context(), store.DataKey{ID: 1, Master: "m", Wrapped: []byte("x")}, store.DataKey{ID: 1, Master: "m", Wrapped: []byte("y")}); fault.Of(err) != fault.Conflict {
		t.Errorf("a wrapping that is not the one there: %v", err)
	}
	if err := s.KeepDataKey(t.Context(), store.DataKey{ID: 2, Master: "m", Wrapped: []byte("x")}); fault.Of(err) != fault.Conflict {
		t.Errorf("a number that is taken: %v", err)
	}
	shut(t, s)
}

func lockedOut(t *testing.T, e SealedEngine) {
	place := e.Place(t)
	s := e.open(t, place, MasterFile(t, sealed.NewMaster()))
	Fill(t, s, clinic)
	shut(t, s)
	for name, test := range map[string]struct {
		m    sealed.Master
		says string
	}{"missing": {nil, "--master-key"}, "wrong": {MasterFile(t, sealed.NewMaster()), "wrong master key"}} {
		s, err := e.Open(t, place, test.m)
		if err == nil {
			shut(t, s)
		}
		if fault.Of(err) != fault.Precondition || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("a %s master key: %v", name, err)
		}
	}
}

func tampered(t *testing.T, e SealedEngine) {
	place := e.Place(t)
	m := MasterFile(t, sealed.NewMaster())
	s := e.open(t, place, m)
	Fill(t, s, clinic)
	Fill(t, s, "other")
	shut(t, s)
	for name, test := range map[string]struct {
		statement string
		read      func(store.Store) error
	}{
		"an alert in the place of another": {
			"UPDATE alert SET data = (SELECT data FROM alert WHERE tenant = 'clinic' AND id = 'a-1') WHERE tenant = 'clinic' AND id = 'a-2'",
			func(s store.Store) error {
				return s.View(t.Context(), clinic, func(r store.Reader) error { _, err := r.Alert("a-2"); return err })
			},
		},
		"a state of another tenant": {
			"UPDATE episode SET state = (SELECT state FROM episode WHERE tenant = 'other' AND id = 'patient-000001') WHERE tenant = 'clinic' AND id = 'patient-000001'",
			func(s store.Store) error {
				return s.View(t.Context(), clinic, func(r store.Reader) error {
					_, err := r.States([]ref.Episode{"patient-000001"})
					return err
				})
			},
		},
		"an earlier version in the place of the current one": {
			"UPDATE resource SET raw = (SELECT raw FROM resource WHERE tenant = 'clinic' AND id = 'r-0' AND version = 1) WHERE tenant = 'clinic' AND id = 'r-0' AND version = 2",
			func(s store.Store) error {
				return s.View(t.Context(), clinic, func(r store.Reader) error {
					_, err := r.Record(ref.Resource{Type: "QuestionnaireResponse", ID: "r-0"})
					return err
				})
			},
		},
		"an event of another feed": {
			"UPDATE event SET data = (SELECT data FROM event WHERE tenant = 'clinic' AND feed = 'all' AND seq = 2) WHERE tenant = 'clinic' AND feed = 'team:spine' AND seq = 1",
			func(s store.Store) error {
				_, err := s.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: feed.Team("spine")}, 10)
				return err
			},
		},
		"a fact under another id": {
			"UPDATE fact SET id = 'moved' || id WHERE tenant = 'other' AND episode = 'patient-000002'",
			func(s store.Store) error {
				return s.View(t.Context(), "other", func(r store.Reader) error {
					_, err := r.Facts([]ref.Episode{"patient-000002"})
					return err
				})
			},
		},
	} {
		e.Exec(t, place, test.statement)
		s := e.open(t, place, m)
		if err := test.read(s); err == nil || fault.Of(err) != fault.Internal || !strings.Contains(err.Error(), "sealed row") {
			t.Errorf("%s: %v", name, err)
		}
		shut(t, s)
	}
}

func besideWriters(t *testing.T, e SealedEngine) {
	place := e.Place(t)
	s := e.open(t, place, nil)
	Fill(t, s, clinic)
	shut(t, s)
	m := MasterFile(t, sealed.NewMaster())
	s = e.open(t, place, m)
	beside, err := e.Beside(t, place, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	counts := make([]int64, 3)
	begun := make(chan struct{}, len(counts))
	for w := range counts {
		// Each counts up a state that only it writes; none of its counts may be undone.
		p := ref.Patient(fmt.Sprintf("patient-%06d", w))
		writers.Go(func() {
			for ctx.Err() == nil {
				_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
					return tx.Commit(&decision.Decision{Episodes: []*episode.State{state(p, counts[w]+1, monday)}})
				})
				if err != nil {
					t.Error(err)
					break
				}
				if counts[w]++; counts[w] == 3 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range counts {
		<-begun
	}
	reseal(t, beside)
	stop()
	writers.Wait()
	states := ask(t, s, clinic, func(r store.Reader) (map[ref.Episode]*episode.State, error) {
		return r.States([]ref.Episode{"patient-000000", "patient-000001", "patient-000002"})
	})
	for w, n := range counts {
		if got := states[ref.Episode(fmt.Sprintf("patient-%06d", w))].Facts; got != n {
			t.Errorf("writer %d counted to %d, and %d is stored", w, n, got)
		}
	}
	shut(t, beside)
	shut(t, s)
}
