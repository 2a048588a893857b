package storetest

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

var unionPromises = []promise{
	{"all that is kept under a patient is kept under the one who is used instead, also what the same commit wrote", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second := response("r1", 1, "p1", monday), response("r1", 2, "p1", monday)
		other, elsewhere := response("r2", 1, "p2", monday), response("r3", 1, "p3", monday)
		a, b, c, x := scored("a", first, 1), scored("a", second, 2), scored("b", other, 3), scored("c", elsewhere, 4)
		commit(t, s, clinic,
			&decision.Decision{
				Records: []record.Record{first, other, elsewhere}, Facts: []decision.Fact{a, c, x},
				Aliases:  []record.Alias{{Name: "urn:mrn|1", Patient: "p1", Source: "ehr"}, {Name: "urn:mrn|3", Patient: "p3", Source: "ehr"}},
				Episodes: []*episode.State{state("p1", 1, monday), state("p2", 1, monday), state("p3", 1, monday)},
			})
		commit(t, s, "another clinic", &decision.Decision{Records: []record.Record{first}, Facts: []decision.Fact{a}})
		commit(t, s, clinic,
			&decision.Decision{
				Records: []record.Record{second}, Superseded: []ref.Resource{first.Resource}, Facts: []decision.Fact{b},
				Episodes: []*episode.State{state("p1", 2, monday)},
			},
			&decision.Decision{
				Unions: []decision.Union{{From: "p1", Into: "p2"}}, Episodes: []*episode.State{state("p2", 2, monday)},
				Aliases: []record.Alias{{Name: "Patient/p1", Patient: "p2", Source: "ehr"}},
			},
			&decision.Decision{Unions: []decision.Union{{From: "p2", Into: "p4"}}, Episodes: []*episode.State{state("p4", 2, monday)}})
		same(t, "facts", facts(t, s, clinic, "p1", "p2", "p3", "p4"), map[ref.Episode][]fact.Fact{
			"p3": {x.Fact}, "p4": {b.Fact, c.Fact},
		})
		same(t, "states", states(t, s, clinic, "p1", "p2", "p3", "p4"), map[ref.Episode]*episode.State{
			"p3": state("p3", 1, monday), "p4": state("p4", 2, monday),
		})
		same(t, "names", ask(t, s, clinic, func(r store.Reader) (map[string]record.Alias, error) {
			return r.Patients([]string{"urn:mrn|1", "Patient/p1", "urn:mrn|3"})
		}), map[string]record.Alias{
			"urn:mrn|1":  {Name: "urn:mrn|1", Patient: "p4", Source: "ehr"},
			"Patient/p1": {Name: "Patient/p1", Patient: "p4", Source: "ehr"},
			"urn:mrn|3":  {Name: "urn:mrn|3", Patient: "p3", Source: "ehr"},
		})
		for version, want := range map[int64]ref.Patient{1: "p4", 2: "p4"} {
			got := ask(t, s, clinic, func(r store.Reader) (record.Record, error) {
				return r.Record(ref.Resource{Type: first.Type, ID: "r1", Version: version})
			})
			if got.Patient != want {
				t.Errorf("version %d is about %s", version, got.Patient)
			}
		}
		for patient, want := range map[ref.Patient]int{"p1": 0, "p2": 0, "p3": 1, "p4": 2} {
			found := ask(t, s, clinic, func(r store.Reader) ([]record.Record, error) {
				return r.Search(record.Query{Type: first.Type, Patient: patient, Max: 9})
			})
			if len(found) != want {
				t.Errorf("%s has %d records, not %d", patient, len(found), want)
			}
		}
		same(t, "another tenant's facts", facts(t, s, "another clinic", "p1")["p1"], []fact.Fact{a.Fact})
	}},
	{"a union of one, or of nobody, is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, u := range []decision.Union{{From: "p1", Into: "p1"}, {From: "p1"}, {Into: "p1"}, {From: "p\x00", Into: "p1"}} {
			_, err := s.Update(t.Context(), clinic, func(tx store.Tx) error { return tx.Commit(&decision.Decision{Unions: []decision.Union{u}}) })
			failsWith(t, err, fault.Unprocessable)
		}
	}},
}
