package storetest

import (
	"slices"
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

var resourcePromises = []promise{
	{"several records are read at once, each as by itself", func(t *testing.T, e Engine) {
		s := e.Open(t)
		a, a2, b := response("a", 1, "p1", monday), response("a", 2, "p1", monday), response("b", 1, "p2", monday)
		commit(t, s, clinic, stored(a), stored(b))
		commit(t, s, clinic, stored(a2))
		commit(t, s, clinic, stored(deletion(b)))
		gone := deletion(b).Resource
		asked := []ref.Resource{a.Resource, a.Unversioned(), b.Resource, b.Unversioned(), gone, {Type: "Goal", ID: "none"}, {Type: "Go\x00al", ID: "none"}}
		var want []record.Record
		for _, name := range asked {
			err := s.View(t.Context(), clinic, func(r store.Reader) error {
				one, err := r.Record(name)
				if err == nil {
					want = append(want, one)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		found := ask(t, s, clinic, func(r store.Reader) ([]record.Record, error) { return r.Records(asked...) })
		slices.SortFunc(found, func(x, y record.Record) int {
			return slices.IndexFunc(want, func(r record.Record) bool { return r.Resource == x.Resource }) - slices.IndexFunc(want, func(r record.Record) bool { return r.Resource == y.Resource })
		})
		same(t, "records", found, want)
		same(t, "of none", ask(t, s, clinic, func(r store.Reader) ([]record.Record, error) { return r.Records() }), []record.Record(nil))
		having := func(typ string, of ...ref.Patient) []ref.Patient {
			found := ask(t, s, clinic, func(r store.Reader) ([]ref.Patient, error) { return r.Having(typ, of...) })
			slices.Sort(found)
			return found
		}
		same(t, "who has forms", having(a.Type, "p1", "p2", "p3"), []ref.Patient{"p1"})
		same(t, "who has goals", having("Goal", "p1", "p2"), []ref.Patient(nil))
		same(t, "nobody asked for", having(a.Type), []ref.Patient(nil))
	}},
	{"a record comes back as it was written", func(t *testing.T, e Engine) {
		s := e.Open(t)
		whole := response("r1", 1, "p1", monday)
		whole.Issues = []fault.Issue{fault.Warnf("value", "QuestionnaireResponse.item[2]", "out of range")}
		whole.Codes = []string{"http://loinc.org|44249-1", "|plain", "bare", "urn:x|a|b"}
		bare := record.Record{
			Resource: ref.Resource{Type: "Patient", ID: "p1", Version: 1}, Source: "rapport", Received: monday,
			Outcome: record.Stored, Stub: true, Raw: []byte("{}"),
		}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{whole, bare}})
		for _, want := range []record.Record{whole, bare} {
			read := func(r store.Reader) (record.Record, error) { return r.Record(want.Unversioned()) }
			same(t, "the current version", ask(t, s, clinic, read), want)
			read = func(r store.Reader) (record.Record, error) { return r.Record(want.Resource) }
			same(t, "the version by its number", ask(t, s, clinic, read), want)
		}
	}},
	{"a newer version becomes the current one and the older stays readable", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second := response("r1", 1, "p1", monday), response("r1", 2, "p1", monday)
		second.Codes = []string{"http://example.org/forms|gad-7"}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{first}})
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{second}})
		same(t, "current", ask(t, s, clinic, func(r store.Reader) (record.Record, error) {
			return r.Record(first.Unversioned())
		}), second)
		same(t, "first", ask(t, s, clinic, func(r store.Reader) (record.Record, error) { return r.Record(first.Resource) }), first)
		same(t, "found by the old code", found(t, s, record.Query{Type: first.Type, Codes: first.Codes, Max: 9}), []string{})
		same(t, "found by the new code", found(t, s, record.Query{Type: first.Type, Codes: second.Codes, Max: 9}), []string{"r1/2"})
		same(t, "found by patient", found(t, s, record.Query{Type: first.Type, Patient: "p1", Max: 9}), []string{"r1/2"})
	}},
	{"two versions in one commit leave the later one current", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second := response("r1", 1, "p1", monday), response("r1", 2, "p1", monday)
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{first}}, &decision.Decision{Records: []record.Record{second}})
		same(t, "found", found(t, s, record.Query{Type: first.Type, Codes: first.Codes, Max: 9}), []string{"r1/2"})
		third := response("r1", 3, "p1", monday)
		fourth := response("r1", 4, "p1", monday)
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{third, fourth}})
		same(t, "found", found(t, s, record.Query{Type: first.Type, Codes: first.Codes, Max: 9}), []string{"r1/4"})
	}},
	{"heads tell of what exists and leave out what does not", func(t *testing.T, e Engine) {
		s := e.Open(t)
		r, p := response("r1", 1, "p1", monday), response("r2", 1, "p1", monday)
		p.Type, p.Stub, p.Outcome = "Patient", true, record.Stored
		p.Issues = []fault.Issue{fault.Infof("not-found", "", "only referred to")}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{r, p}})
		got := ask(t, s, clinic, func(rd store.Reader) (map[ref.Resource]record.Head, error) {
			return rd.Heads([]ref.Resource{r.Resource, p.Unversioned(), {Type: "Patient", ID: "r1"}, {Type: "Goal", ID: "g"}, r.Unversioned()})
		})
		same(t, "heads", got, map[ref.Resource]record.Head{r.Unversioned(): r.Head(), p.Unversioned(): p.Head()})
		none := ask(t, s, clinic, func(rd store.Reader) (map[ref.Resource]record.Head, error) { return rd.Heads(nil) })
		same(t, "heads of nothing", none, map[ref.Resource]record.Head{})
	}},
	{"a resource or version that is not there is not found", func(t *testing.T, e Engine) {
		s := e.Open(t)
		r := response("r1", 1, "p1", monday)
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{r}})
		for _, missing := range []ref.Resource{{Type: r.Type, ID: "r2"}, {Type: r.Type, ID: "r1", Version: 2}, {Type: "Goal", ID: "r1"}} {
			failsWith(t, s.View(t.Context(), clinic, func(rd store.Reader) error {
				_, err := rd.Record(missing)
				return err
			}), fault.NotFound)
		}
	}},
	{"aliases lead to patients and the last word counts", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic, &decision.Decision{Aliases: []record.Alias{
			{Name: "ehr|Patient/1", Patient: "p1", Source: "ehr"}, {Name: "urn:mrn|77", Patient: "p1", Source: "ehr"},
		}}, &decision.Decision{Aliases: []record.Alias{{Name: "urn:mrn|77", Patient: "p2", Source: "lab"}}})
		commit(t, s, clinic, &decision.Decision{Aliases: []record.Alias{{Name: "ehr|Patient/1", Patient: "p3", Source: "ehr"}}})
		got := ask(t, s, clinic, func(r store.Reader) (map[string]record.Alias, error) {
			return r.Patients([]string{"urn:mrn|77", "ehr|Patient/1", "nobody"})
		})
		same(t, "aliases", got, map[string]record.Alias{
			"urn:mrn|77":    {Name: "urn:mrn|77", Patient: "p2", Source: "lab"},
			"ehr|Patient/1": {Name: "ehr|Patient/1", Patient: "p3", Source: "ehr"},
		})
	}},
	{"keys are remembered by source and cannot be used twice", func(t *testing.T, e Engine) {
		s := e.Open(t)
		k := record.Key{Source: "ehr", Name: "k1", Hash: [32]byte{1, 2}, Resource: ref.Resource{Type: "Goal", ID: "g", Version: 3}}
		commit(t, s, clinic, &decision.Decision{Keys: []record.Key{k}})
		read := func(source ref.Source) map[string]record.Key {
			return ask(t, s, clinic, func(r store.Reader) (map[string]record.Key, error) { return r.Keys(source, []string{"k1", "k2"}) })
		}
		same(t, "keys of ehr", read("ehr"), map[string]record.Key{"k1": k})
		same(t, "keys of lab", read("lab"), map[string]record.Key{})
		_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(&decision.Decision{Keys: []record.Key{k}}) })
		failsWith(t, err, fault.Unprocessable)
	}},
}
