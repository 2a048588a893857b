package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/storetest"
	"github.com/rapport-health/rapport/services/testbed"
)

// patience is how long a test waits for what must come before it fails.
const patience = 30 * time.Second

func server(t *testing.T) *testbed.Postgres {
	t.Helper()
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// submissions is a commit of n submissions of 50 patients.
func submissions(from, n int) []*decision.Decision {
	var ds []*decision.Decision
	for i := range n {
		ds = append(ds, storetest.Submission(from+i, 50))
	}
	return ds
}

func write(t *testing.T, s store.Store, tenant ref.Tenant, ds ...*decision.Decision) error {
	t.Helper()
	_, err := s.Update(t.Context(), tenant, func(tx store.Tx) error { return tx.Commit(ds...) })
	return err
}

// eventually tries until it works.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func TestAServerKilledInMidCommitHasAllOfItOrNothing(t *testing.T) {
	p := server(t)
	s := openAt(t, p.Fresh(t))
	const each = 16
	tenants := []ref.Tenant{"north", "south", "west"}
	acknowledged := map[ref.Tenant]*atomic.Int64{}
	next := map[ref.Tenant]int{}
	for _, tenant := range tenants {
		acknowledged[tenant] = new(atomic.Int64)
	}
	for round := range 3 {
		var writers sync.WaitGroup
		enough := make(chan struct{})
		var once sync.Once
		for _, tenant := range tenants {
			from := next[tenant]
			writers.Go(func() {
				for n := from; ; n += each {
					if err := write(t, s, tenant, submissions(n, each)...); err != nil {
						if fault.Of(err) != fault.Unavailable {
							t.Errorf("a killed server gave %v", err)
						}
						return
					}
					if acknowledged[tenant].Add(each) >= int64(from+5*each) {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		<-enough
		p.Kill()
		writers.Wait()
		if err := p.Restart(); err != nil {
			t.Fatal(err)
		}
		for _, tenant := range tenants {
			there := whole(t, s, tenant, each)
			if int64(there) < acknowledged[tenant].Load() {
				t.Errorf("round %d: %d of %d acknowledged are left", round, there, acknowledged[tenant].Load())
			}
			next[tenant] = there
			acknowledged[tenant].Store(int64(there))
		}
	}
}

// whole says that commits are there as a whole or not at all, and returns how many submissions there are.
func whole(t *testing.T, s store.Store, tenant ref.Tenant, each int) int {
	t.Helper()
	var events []feed.Event
	eventually(t, "reading after the restart", func() (err error) {
		events, err = s.Since(t.Context(), feed.Cursor{Tenant: tenant, Feed: feed.All}, 1<<20)
		return err
	})
	if len(events)%each != 0 {
		t.Errorf("%d events: a commit of %d was cut", len(events), each)
	}
	err := s.View(t.Context(), tenant, func(r store.Reader) error {
		for n, e := range events {
			d := storetest.Submission(n, 50)
			heads, err := r.Heads([]ref.Resource{d.Records[0].Unversioned()})
			if err != nil {
				return err
			}
			if len(heads) != 1 || e.Seq != int64(n+1) || e.ID != d.Events[0].ID {
				return fmt.Errorf("submission %d is half there", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return len(events)
}

func TestAKilledServerTakesItsLeasesAlongAndGivesThemOutAgain(t *testing.T) {
	p := server(t)
	s := openAt(t, p.Fresh(t))
	held, err := s.Hold(t.Context(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Hold(t.Context(), "relay")
		waiting <- err
	}()
	p.Kill()
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Fatal("the owner does not know that it lost the lease")
	}
	if err := <-waiting; fault.Of(err) != fault.Unavailable {
		t.Errorf("who waited got %v", err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), "relay"); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestAServerThatStandsStillLosesItsLeasesAndTimesOut(t *testing.T) {
	p := server(t)
	s := openAt(t, p.Fresh(t))
	held, err := s.Hold(t.Context(), "relay")
	if err != nil {
		t.Fatal(err)
	}
	p.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = s.Update(ctx, "clinic", func(tx store.Tx) error { return tx.Commit(storetest.Submission(1, 1)) })
	if fault.Of(err) != fault.Unavailable {
		t.Errorf("writing: %v", err)
	}
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Error("the owner does not know that it lost the lease")
	}
	p.Resume()
	eventually(t, "writing again", func() error { return write(t, s, "clinic", storetest.Submission(2, 1)) })
}

func TestTheBellRingsForAllOnceItsConnectionIsBack(t *testing.T) {
	p := server(t)
	s := openAt(t, p.Fresh(t))
	rung := make(chan ref.Tenant, 1000)
	go func() { _ = s.Listen(t.Context(), func(tenant ref.Tenant, _ []feed.Cursor) { rung <- tenant }) }()
	wait := func(want ref.Tenant, meanwhile func()) {
		t.Helper()
		deadline := time.After(patience)
		for {
			meanwhile()
			select {
			case got := <-rung:
				if got == want {
					return
				}
			case <-time.After(100 * time.Millisecond):
			case <-deadline:
				t.Fatalf("no bell for %q", want)
			}
		}
	}
	n := 0
	commit := func() {
		n++
		if err := write(t, s, "clinic", storetest.Submission(n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	wait("clinic", commit)
	p.Kill()
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	wait("", func() {})
	eventually(t, "writing again", func() error { n++; return write(t, s, "clinic", storetest.Submission(n, 1)) })
	wait("clinic", commit)
}

func TestADeadlockIsResolvedByRunningTheWriteAgain(t *testing.T) {
	url := testbed.Database(t)
	s := openAt(t, url)
	if err := write(t, s, "clinic", storetest.Submission(1, 1)); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	do := func(statement string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	do("BEGIN")
	do("SET LOCAL deadlock_timeout = '60s'") // So that it is the store that finds out.
	do("INSERT INTO patient_alias (tenant, name, patient, source) VALUES ('clinic', 'n', 'p', 's')")
	runs := 0
	locked, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := s.Update(t.Context(), "clinic", func(tx store.Tx) error {
			if runs++; runs == 1 {
				if _, err := tx.Extents(); err != nil {
					return err
				}
				close(locked)
			}
			return tx.Commit(&decision.Decision{Aliases: []record.Alias{{Name: "n", Patient: "p2", Source: "ehr"}}})
		})
		ended <- err
	}()
	<-locked
	do("UPDATE feed SET last = last WHERE tenant = 'clinic' AND name = 'all'")
	do("COMMIT")
	// Twice, or more often: the next run may meet the other one before that has what it waits for.
	if err := <-ended; err != nil || runs < 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
	err = s.View(t.Context(), "clinic", func(r store.Reader) error {
		found, err := r.Patients([]string{"n"})
		if found["n"].Patient != "p2" {
			t.Errorf("got %+v", found)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFaultOfWriteItselfIsNotTakenForTheServers(t *testing.T) {
	s := open(t)
	mine := fault.Newf(fault.Conflict, "conflict", "somebody else acknowledged it")
	runs := 0
	_, err := s.Update(t.Context(), "clinic", func(store.Tx) error {
		runs++
		return mine
	})
	if err != error(mine) || runs != 1 { //nolint:errorlint // the very same error is what is promised
		t.Errorf("%d runs, %v", runs, err)
	}
}
