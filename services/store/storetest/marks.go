package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// versions lists versions as id/version@seq.
func versions(t testing.TB, s store.Store, p record.Past) []string {
	t.Helper()
	names := []string{}
	for _, k := range ask(t, s, clinic, func(r store.Reader) ([]record.Kept, error) { return r.Versions(p) }) {
		names = append(names, fmt.Sprintf("%s/%d@%d", k.ID, k.Version, k.Seq))
	}
	return names
}

// stored is a decision that stores a record, with its event.
func stored(r record.Record) *decision.Decision {
	d := happened(r.String())
	d.Records = []record.Record{r}
	return d
}

// deletion is the version that says that a record is gone.
func deletion(r record.Record) record.Record {
	return record.Record{Resource: ref.Resource{Type: r.Type, ID: r.ID, Version: r.Version + 1}, Source: r.Source, Patient: r.Patient, Received: monday, Outcome: record.Gone}
}

var markPromises = []promise{
	{"versions are listed in the order in which they were committed", func(t *testing.T, e Engine) {
		s := e.Open(t)
		a, b := response("a", 1, "p1", monday), response("b", 1, "p1", monday)
		a2 := response("a", 2, "p1", monday.AddDate(0, 0, -1))
		commit(t, s, clinic, stored(a), stored(b))
		commit(t, s, clinic, stored(a2))
		other := response("g", 1, "p1", monday)
		other.Type = "Goal"
		commit(t, s, clinic, stored(other))
		commit(t, s, clinic, stored(deletion(b)))
		all := []string{"b/2@5", "a/2@3", "b/1@2", "a/1@1"}
		same(t, "all", versions(t, s, record.Past{Type: a.Type, Max: 9}), all)
		same(t, "of one", versions(t, s, record.Past{Type: a.Type, ID: "a", Max: 9}), []string{"a/2@3", "a/1@1"})
		same(t, "since an event", versions(t, s, record.Past{Type: a.Type, Above: new(int64(2)), Max: 9}), all[:2])
		same(t, "up to an event", versions(t, s, record.Past{Type: a.Type, Upto: new(int64(3)), Max: 9}), all[1:])
		someone := response("c", 1, "p2", monday)
		commit(t, s, clinic, stored(someone))
		same(t, "of one patient", versions(t, s, record.Past{Type: a.Type, Patients: []ref.Patient{"p2", "p3"}, Max: 9}), []string{"c/1@6"})
		same(t, "of two patients", versions(t, s, record.Past{Type: a.Type, Patients: []ref.Patient{"p2", "p1"}, Upto: new(int64(6)), Max: 2}), []string{"c/1@6", "b/2@5"})
		all = append([]string{"c/1@6"}, all...)
		same(t, "types", ask(t, s, clinic, func(r store.Reader) ([]string, error) { return r.Types() }), []string{"Goal", a.Type})
		var paged []string
		p := record.Past{Type: a.Type, Max: 1}
		for range 9 {
			page := ask(t, s, clinic, func(r store.Reader) ([]record.Kept, error) { return r.Versions(p) })
			if len(page) == 0 {
				break
			}
			p.After = page[0]
			paged = append(paged, fmt.Sprintf("%s/%d@%d", page[0].ID, page[0].Version, page[0].Seq))
		}
		same(t, "by pages", paged, all)
	}},
	{"what was deleted is found by its versions alone", func(t *testing.T, e Engine) {
		s := e.Open(t)
		a := response("a", 1, "p1", monday)
		a.Marks = []record.Mark{{Key: 7}}
		commit(t, s, clinic, stored(a))
		same(t, "before", found(t, s, record.Query{Type: a.Type, Key: 7, Max: 9}), []string{"a/1"})
		commit(t, s, clinic, stored(deletion(a)))
		for _, q := range []record.Query{{Type: a.Type}, {Type: a.Type, Patient: "p1"}, {Type: a.Type, Codes: a.Codes}, {Type: a.Type, Key: 7}, {Unused: true}} {
			q.Max = 9
			same(t, fmt.Sprintf("%+v", q), found(t, s, q), []string{})
		}
		view(t, s, clinic, func(r store.Reader) error {
			_, err := r.Record(a.Unversioned())
			failsWith(t, err, fault.NotFound)
			if issues := fault.IssuesOf(err); len(issues) != 1 || issues[0].Code != "deleted" {
				t.Errorf("%v", err)
			}
			patients, err := r.PatientsAfter("", []string{a.Type}, 9)
			same(t, "patients", patients, []ref.Patient{})
			return err
		})
		same(t, "the deletion", ask(t, s, clinic, func(r store.Reader) (record.Record, error) {
			return r.Record(ref.Resource{Type: a.Type, ID: "a", Version: 2})
		}).Gone(), true)
		again := response("a", 3, "p1", monday)
		again.Marks = a.Marks
		commit(t, s, clinic, stored(again))
		same(t, "brought back", found(t, s, record.Query{Type: a.Type, Key: 7, Max: 9}), []string{"a/3"})
	}},
	{"a mark leads to its current bearers, newest first, of one tenant and type", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var all []*decision.Decision
		for n := range 9 {
			r := response(fmt.Sprint("r", n), 1, "p1", monday.AddDate(0, 0, n/2))
			r.Marks = []record.Mark{{Key: 7}, {Key: 7}, {Key: int64(n)}, {Key: 99, At: monday.Add(time.Duration(n) * time.Minute)}}
			all = append(all, stored(r))
		}
		commit(t, s, clinic, all...)
		commit(t, s, "elsewhere", stored(all[0].Records[0]))
		want := []string{"r8/1", "r6/1", "r7/1", "r4/1", "r5/1", "r2/1", "r3/1", "r0/1", "r1/1"}
		same(t, "at once", found(t, s, record.Query{Type: "QuestionnaireResponse", Key: 7, Max: 20}), want)
		same(t, "by pages", paged(t, s, record.Query{Type: "QuestionnaireResponse", Key: 7, Max: 2}), want)
		same(t, "of another type", found(t, s, record.Query{Type: "Goal", Key: 7, Max: 20}), []string{})
		same(t, "as it stood", found(t, s, record.Query{Type: "QuestionnaireResponse", Key: 7, Until: new(int64(2)), Max: 20}), []string{"r0/1", "r1/1"})
		moved := response("r8", 2, "p1", monday.AddDate(0, 0, -1))
		moved.Marks = []record.Mark{{Key: 7}}
		commit(t, s, clinic, stored(moved))
		same(t, "after one moved", found(t, s, record.Query{Type: "QuestionnaireResponse", Key: 7, Max: 20}), append(want[1:], "r8/2"))
		var ids []string
		after := record.Marked{}
		for range 9 {
			page := ask(t, s, clinic, func(r store.Reader) ([]record.Marked, error) { return r.Marked(99, after, 4) })
			for _, m := range page {
				ids = append(ids, m.ID)
				after = m
			}
		}
		same(t, "places of their own", ids, []string{"r8", "r7", "r6", "r5", "r4", "r3", "r2", "r1", "r0"})
	}},
	{"a sieve leaves out what has none of its bits, and nothing that was stored without one", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var all []*decision.Decision
		for n, sieve := range []int64{0, 1, 1 | 2, 1 | 4, 1 | 2 | 4, 1 | 1<<62} {
			r := response(fmt.Sprint("r", n), 1, "p1", monday.AddDate(0, 0, -n))
			r.Sieve = sieve
			all = append(all, stored(r))
		}
		commit(t, s, clinic, all...)
		for _, c := range []struct {
			sieves []int64
			want   []string
		}{
			{nil, []string{"r0/1", "r1/1", "r2/1", "r3/1", "r4/1", "r5/1"}},
			{[]int64{2}, []string{"r0/1", "r2/1", "r4/1"}},
			{[]int64{2 | 4}, []string{"r0/1", "r2/1", "r3/1", "r4/1"}},
			{[]int64{2, 4}, []string{"r0/1", "r4/1"}},
			{[]int64{1 << 62}, []string{"r0/1", "r5/1"}},
			{[]int64{8}, []string{"r0/1"}},
		} {
			for _, patient := range []ref.Patient{"p1", ""} {
				q := record.Query{Type: "QuestionnaireResponse", Patient: patient, Sieves: c.sieves, Max: 9}
				same(t, fmt.Sprint(patient, c.sieves), found(t, s, q), c.want)
			}
		}
	}},
	{"nothing that is stored now waits to be marked", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, stored(response("a", 1, "p1", monday)))
		left, err := s.Unmarked(t.Context(), clinic, 9)
		if err != nil || len(left) > 0 {
			t.Errorf("%d, %v", len(left), err)
		}
	}},
}
