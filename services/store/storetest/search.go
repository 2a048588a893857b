package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// found runs a search and names what it found as id/version.
func found(t testing.TB, s store.Store, q record.Query) []string {
	t.Helper()
	page := ask(t, s, clinic, func(r store.Reader) ([]record.Record, error) { return r.Search(q) })
	names := []string{}
	for _, r := range page {
		names = append(names, fmt.Sprintf("%s/%d", r.ID, r.Version))
	}
	return names
}

var searchPromises = []promise{
	{"records come newest first, undated ones last, then by id", func(t *testing.T, e Engine) {
		s := e.Open(t)
		old, b, a, undated := response("old", 1, "p1", monday.AddDate(-1, 0, 0)), response("b", 1, "p1", monday),
			response("a", 1, "p1", monday), response("x", 1, "p1", monday)
		undated.From, undated.To = time.Time{}, time.Time{}
		other := response("other", 1, "p2", monday.AddDate(0, 1, 0))
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{old, b, undated, a, other}})
		same(t, "of the patient", found(t, s, record.Query{Type: old.Type, Patient: "p1", Max: 10}), []string{"a/1", "b/1", "old/1", "x/1"})
		same(t, "of all", found(t, s, record.Query{Type: old.Type, Max: 10}), []string{"other/1", "a/1", "b/1", "old/1", "x/1"})
		same(t, "of another type", found(t, s, record.Query{Type: "Goal", Max: 10}), []string{})
	}},
	{"a page ends once its bodies are large enough, after one record at least", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var records []record.Record
		for _, size := range []int{100, 5000, 100, 100} {
			r := response(fmt.Sprint("r", len(records)), 1, "p1", monday)
			r.Raw = []byte(`{"x":"` + filler(len(records), size) + `"}`)
			records = append(records, r)
		}
		commit(t, s, clinic, &decision.Decision{Records: records})
		for bytes, want := range map[int][]string{
			0: {"r0/1", "r1/1", "r2/1", "r3/1"}, 1: {"r0/1"}, 1000: {"r0/1", "r1/1"}, 1 << 20: {"r0/1", "r1/1", "r2/1", "r3/1"},
		} {
			same(t, fmt.Sprint("at ", bytes), found(t, s, record.Query{Type: records[0].Type, Patient: "p1", Max: 10, MaxBytes: bytes}), want)
		}
		after := record.Place{From: records[1].From, Resource: records[1].Unversioned()}
		rest := record.Query{Type: records[0].Type, After: after, Max: 10, MaxBytes: 1}
		same(t, "the next page", found(t, s, rest), []string{"r2/1"})
	}},
	{"patients with records of a type come in order, each once", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var records []record.Record
		for n, p := range []ref.Patient{"p3", "p1", "p2", "p1", "", "p10"} {
			records = append(records, response(fmt.Sprint("r", n), 1, p, monday))
		}
		goal := response("g", 1, "p0", monday)
		goal.Type = "Goal"
		moved := response("r0", 2, "p4", monday)
		commit(t, s, clinic, &decision.Decision{Records: append(records, goal)})
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{moved}})
		list := func(after ref.Patient, max int, types ...string) []ref.Patient {
			return ask(t, s, clinic, func(r store.Reader) ([]ref.Patient, error) { return r.PatientsAfter(after, types, max) })
		}
		same(t, "all", list("", 9, "QuestionnaireResponse"), []ref.Patient{"p1", "p10", "p2", "p4"})
		same(t, "of two types", list("", 9, "Goal", "QuestionnaireResponse"), []ref.Patient{"p0", "p1", "p10", "p2", "p4"})
		same(t, "first page", list("", 2, "QuestionnaireResponse"), []ref.Patient{"p1", "p10"})
		same(t, "next page", list("p10", 2, "QuestionnaireResponse"), []ref.Patient{"p2", "p4"})
		same(t, "behind the last", list("p4", 2, "QuestionnaireResponse"), []ref.Patient{})
		same(t, "of no type", list("", 9), []ref.Patient{})
	}},
	{"pages of any size follow one another without loss or repetition", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var records []record.Record
		for i := range 23 {
			r := response(fmt.Sprintf("r%02d", i), 1, ref.Patient(fmt.Sprintf("p%d", i%2)), monday.AddDate(0, 0, i/4))
			if i%5 == 0 {
				r.From, r.To = time.Time{}, time.Time{}
			}
			r.Codes = append(r.Codes, "other|phq-9")
			records = append(records, r)
		}
		commit(t, s, clinic, &decision.Decision{Records: records})
		for _, q := range []record.Query{
			{Type: "QuestionnaireResponse"},
			{Type: "QuestionnaireResponse", Patient: "p1"},
			{Type: "QuestionnaireResponse", Codes: []string{"http://example.org/forms|phq-9"}},
			{Type: "QuestionnaireResponse", Codes: []string{"|phq-9"}},
			{Type: "QuestionnaireResponse", Patient: "p0", Codes: []string{"|phq-9", "other|phq-9"}},
		} {
			q.Max = 100
			want := found(t, s, q)
			if q.Patient == "" && len(want) != len(records) {
				t.Errorf("%+v found %d records, want %d", q, len(want), len(records))
			}
			for _, size := range []int{1, 2, 5, 23} {
				q.Max = size
				same(t, fmt.Sprintf("pages of %d of %+v", size, q), paged(t, s, q), want)
			}
		}
	}},
	{"codes match with their system, in any system, or bare", func(t *testing.T, e Engine) {
		s := e.Open(t)
		coded := func(id string, codes ...string) record.Record {
			r := response(id, 1, "p1", monday)
			r.Codes = codes
			return r
		}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{
			coded("a", "sys1|c", "sys2|c"), coded("b", "sys2|c"), coded("c", "|c"), coded("d", "sys1|d"), coded("e"), coded("f", "c"),
			coded("g", "sys1|c", "sys1|c"),
		}})
		for _, c := range []struct {
			codes []string
			want  []string
		}{
			{[]string{"sys1|c"}, []string{"a/1", "g/1"}},
			{[]string{"|c"}, []string{"a/1", "b/1", "c/1", "f/1", "g/1"}},
			{[]string{"c"}, []string{"c/1", "f/1"}},
			{[]string{"sys2|c", "sys1|d"}, []string{"a/1", "b/1", "d/1"}},
			{[]string{"sys1|x"}, []string{}},
			{[]string{"|d", "sys1|d"}, []string{"d/1"}},
		} {
			for _, patient := range []ref.Patient{"", "p1"} {
				q := record.Query{Type: "QuestionnaireResponse", Codes: c.codes, Patient: patient, Max: 10}
				same(t, fmt.Sprintf("%q of patient %q", c.codes, patient), found(t, s, q), c.want)
			}
		}
	}},
	{"dates match as FHIR R4 says for ranges", func(t *testing.T, e Engine) {
		s := e.Open(t)
		march := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
		dated := func(id string, from, to time.Time) record.Record {
			r := response(id, 1, "p1", monday)
			r.From, r.To = from, to
			return r
		}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{
			dated("month", march(1), march(1).AddDate(0, 1, 0)),
			dated("day9", march(9), march(10)),
			dated("day10", march(10), march(11)),
			dated("noon10", march(10).Add(12*time.Hour), march(10).Add(12*time.Hour+time.Second)),
			dated("day11", march(11), march(12)),
			dated("since10", march(10), time.Time{}),
			dated("until10", time.Time{}, march(11)),
			dated("never", time.Time{}, time.Time{}),
		}})
		for _, c := range []struct {
			op   string
			want []string
		}{
			{"eq", []string{"day10", "noon10"}},
			{"ne", []string{"day11", "day9", "month", "since10", "until10"}},
			{"gt", []string{"day11", "month", "since10"}},
			{"lt", []string{"day9", "month", "until10"}},
			{"ge", []string{"day10", "day11", "month", "noon10", "since10"}},
			{"le", []string{"day10", "day9", "month", "noon10", "until10"}},
			{"sa", []string{"day11"}},
			{"eb", []string{"day9"}},
		} {
			q := record.Query{
				Type: "QuestionnaireResponse", Max: 20, Dates: []record.DateBound{{Op: c.op, From: march(10), To: march(11)}},
			}
			same(t, c.op+" 2026-03-10", ids(found(t, s, q)), c.want)
		}
		both := record.Query{Type: "QuestionnaireResponse", Max: 20, Dates: []record.DateBound{
			{Op: "ge", From: march(10), To: march(11)}, {Op: "lt", From: march(11), To: march(12)},
		}}
		same(t, "all of several dates", ids(found(t, s, both)), []string{"day10", "month", "noon10", "since10"})
	}},
	{"what could not be used is listed until it can be", func(t *testing.T, e Engine) {
		s := e.Open(t)
		why := []fault.Issue{fault.Errorf("not-found", "QuestionnaireResponse.questionnaire", "no such instrument")}
		unused, used, plain := response("unused", 1, "p1", monday), response("used", 1, "p1", monday), response("plain", 1, "p1", monday)
		unused.Outcome, unused.Issues = record.Stored, why
		used.Issues = why
		plain.Outcome = record.Stored
		later := response("later", 1, "p2", monday.AddDate(0, 0, 1))
		later.Type, later.Outcome, later.Issues = "Observation", record.Stored, why
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{unused, used, plain, later}})
		same(t, "unused", found(t, s, record.Query{Unused: true, Max: 9}), []string{"later/1", "unused/1"})
		same(t, "by pages", paged(t, s, record.Query{Unused: true, Max: 1}), []string{"later/1", "unused/1"})
		same(t, "of a type", found(t, s, record.Query{Unused: true, Type: "Observation", Max: 9}), []string{"later/1"})
		mended := response("unused", 2, "p1", monday)
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{mended}})
		same(t, "after it was mended", found(t, s, record.Query{Unused: true, Max: 9}), []string{"later/1"})
	}},
}

// paged reads all pages of a search.
func paged(t testing.TB, s store.Store, q record.Query) []string {
	t.Helper()
	names := []string{}
	for {
		page := ask(t, s, clinic, func(r store.Reader) ([]record.Record, error) { return r.Search(q) })
		for _, r := range page {
			names = append(names, fmt.Sprintf("%s/%d", r.ID, r.Version))
		}
		if len(page) < q.Max || len(names) > 1000 {
			return names
		}
		last := page[len(page)-1]
		q.After = record.Place{From: last.From, Resource: last.Resource}
	}
}

// ids are the names without versions, sorted.
func ids(names []string) []string {
	out := []string{}
	for _, n := range names {
		out = append(out, n[:len(n)-len("/1")])
	}
	slices.Sort(out)
	return out
}
