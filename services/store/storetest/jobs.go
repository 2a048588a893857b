package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// job is one that was asked for on Monday.
func job(id string) store.Job {
	return store.Job{Tenant: clinic, ID: id, Kind: "export", Created: monday, Data: []byte(`{"of":"` + id + `"}`)}
}

func keptJob(t testing.TB, s Store, id string) store.Job {
	t.Helper()
	j, err := s.KeptJob(t.Context(), clinic, id)
	if err != nil {
		t.Fatalf("reading job %s: %v", id, err)
	}
	return j
}

func addJob(t testing.TB, s Store, j store.Job) store.Job {
	t.Helper()
	if err := s.AddJob(t.Context(), j, 100); err != nil {
		t.Fatalf("adding job %s: %v", j.ID, err)
	}
	return keptJob(t, s, j.ID)
}

var jobPromises = []promise{
	{"a job is kept as it was given, by tenant, until it is dropped", func(t *testing.T, e Engine) {
		s := e.Open(t)
		want := job("a")
		want.Expires = monday.Add(time.Hour)
		if err := s.AddJob(t.Context(), want, 1); err != nil {
			t.Fatal(err)
		}
		want.Version = 1
		same(t, "as kept", keptJob(t, s, "a"), want)
		_, err := s.KeptJob(t.Context(), "other", "a")
		failsWith(t, err, fault.NotFound)
		failsWith(t, s.DropJob(t.Context(), "other", "a"), fault.NotFound)
		if err := s.DropJob(t.Context(), clinic, "a"); err != nil {
			t.Fatal(err)
		}
		_, err = s.KeptJob(t.Context(), clinic, "a")
		failsWith(t, err, fault.NotFound)
		failsWith(t, s.DropJob(t.Context(), clinic, "a"), fault.NotFound)
		_, err = s.PutJob(t.Context(), want)
		failsWith(t, err, fault.NotFound)
	}},
	{"a job is written only by who knows its newest version", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first := addJob(t, s, job("a"))
		next := first
		next.Data, next.Done, next.Expires = []byte(`{}`), true, monday.Add(time.Hour)
		written, err := s.PutJob(t.Context(), next)
		if err != nil || written.Version != 2 {
			t.Fatalf("version %d, %v", written.Version, err)
		}
		same(t, "as kept", keptJob(t, s, "a"), written)
		_, err = s.PutJob(t.Context(), first)
		failsWith(t, err, fault.Conflict)
		same(t, "as before", keptJob(t, s, "a"), written)
	}},
	{"jobs are listed in the order they were created, of all tenants", func(t *testing.T, e Engine) {
		s := e.Open(t)
		second, first, done := job("b"), job("z"), job("d")
		second.Created, second.Tenant = monday.Add(time.Second), "other"
		done.Done = true
		for _, j := range []store.Job{second, first, done} {
			if err := s.AddJob(t.Context(), j, 100); err != nil {
				t.Fatal(err)
			}
		}
		for want, is := range map[string]bool{"z b ": false, "d ": true} {
			found, err := s.JobsKept(t.Context(), is)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, j := range found {
				got += j.ID + " "
			}
			same(t, "jobs", got, want)
		}
	}},
	{"a tenant has no more jobs of a kind under way than it may, whoever asks at once", func(t *testing.T, e Engine) {
		s := e.Open(t)
		servers := []Store{s, s}
		if e.Another != nil {
			servers[1] = e.Another(t, s)
		}
		results := make(chan error, 8)
		var asking sync.WaitGroup
		for n := range 8 {
			asking.Go(func() { results <- servers[n%2].AddJob(t.Context(), job(string(rune('a'+n))), 3) })
		}
		asking.Wait()
		close(results)
		refused := 0
		for err := range results {
			if err != nil {
				failsWith(t, err, fault.Precondition)
				refused++
			}
		}
		same(t, "refused", refused, 5)
		other, done := job("other"), job("done")
		other.Kind, done.Done = "import", true
		addJob(t, s, done)
		if err := s.AddJob(t.Context(), other, 1); err != nil {
			t.Errorf("a job of another kind: %v", err)
		}
		elsewhere := job("elsewhere")
		elsewhere.Tenant = "other"
		if err := s.AddJob(t.Context(), elsewhere, 1); err != nil {
			t.Errorf("a job of another tenant: %v", err)
		}
	}},
	{"a job that is there is not added again, and what cannot be kept is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		addJob(t, s, job("a"))
		failsWith(t, s.AddJob(t.Context(), job("a"), 100), fault.Conflict)
		for _, id := range []string{"", "a\x00"} {
			failsWith(t, s.AddJob(t.Context(), job(id), 100), fault.Unprocessable)
			_, err := s.KeptJob(t.Context(), clinic, id)
			failsWith(t, err, fault.NotFound)
		}
	}},
	{"a moment leads to the number of its event, to the millisecond", func(t *testing.T, e Engine) {
		s := e.Open(t)
		at, err := s.KeepMoment(t.Context(), clinic, monday.Add(1500*time.Microsecond), 7)
		if err != nil || !at.Equal(monday.Add(time.Millisecond)) {
			t.Fatalf("%v %v", at, err)
		}
		for _, c := range []struct {
			tenant ref.Tenant
			at     time.Time
			there  bool
		}{{clinic, at, true}, {"other", at, false}, {clinic, at.Add(time.Millisecond), false}, {clinic, at.Add(time.Microsecond), false}} {
			seq, ok, err := s.KeptMoment(t.Context(), c.tenant, c.at)
			if err != nil || ok != c.there || ok && seq != 7 {
				t.Errorf("%s at %v: %d %t %v", c.tenant, c.at, seq, ok, err)
			}
		}
	}},
	{"no two moments are the same, and none goes back, whoever keeps them", func(t *testing.T, e Engine) {
		s := e.Open(t)
		servers := []Store{s, s}
		if e.Another != nil {
			servers[1] = e.Another(t, s)
		}
		moments := make(chan time.Time, 20)
		var keeping sync.WaitGroup
		for n := range 20 {
			keeping.Go(func() {
				at, err := servers[n%2].KeepMoment(t.Context(), clinic, monday, int64(n))
				if err != nil {
					t.Error(err)
				}
				moments <- at
			})
		}
		keeping.Wait()
		close(moments)
		seen := map[time.Time]bool{}
		for at := range moments {
			if seen[at] || at.Before(monday) || at.After(monday.Add(19*time.Millisecond)) {
				t.Errorf("moment %v", at)
			}
			seen[at] = true
		}
	}},
}
