package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

func states(t testing.TB, s store.Store, tenant ref.Tenant, of ...ref.Episode) map[ref.Episode]*episode.State {
	t.Helper()
	return ask(t, s, tenant, func(r store.Reader) (map[ref.Episode]*episode.State, error) { return r.States(of) })
}

func facts(t testing.TB, s store.Store, tenant ref.Tenant, of ...ref.Episode) map[ref.Episode][]fact.Fact {
	t.Helper()
	return ask(t, s, tenant, func(r store.Reader) (map[ref.Episode][]fact.Fact, error) { return r.Facts(of) })
}

var episodePromises = []promise{
	{"states come back as they were written, and only those that exist", func(t *testing.T, e Engine) {
		s := e.Open(t)
		one, two := state("p1", 3, monday.Add(time.Nanosecond)), state("p2", 1, time.Time{})
		one.Last = fact.Key{At: monday.Add(7 * time.Nanosecond), ID: "f"}
		commit(t, s, clinic, &decision.Decision{Episodes: []*episode.State{one, two}})
		same(t, "states", states(t, s, clinic, "p1", "p2", "p3", "p1"), map[ref.Episode]*episode.State{"p1": one, "p2": two})
		same(t, "states of none", states(t, s, clinic), map[ref.Episode]*episode.State{})
	}},
	{"of several states of one episode the last counts", func(t *testing.T, e Engine) {
		s := e.Open(t)
		commit(t, s, clinic,
			&decision.Decision{Episodes: []*episode.State{state("p1", 1, monday)}},
			&decision.Decision{Episodes: []*episode.State{state("p2", 1, monday), state("p1", 2, time.Time{})}})
		same(t, "p1", states(t, s, clinic, "p1")["p1"], state("p1", 2, time.Time{}))
		same(t, "due", due(t, s, monday, 9), []ref.Episode{"p2"})
		commit(t, s, clinic, &decision.Decision{Episodes: []*episode.State{state("p1", 3, monday)}})
		same(t, "p1 later", states(t, s, clinic, "p1")["p1"], state("p1", 3, monday))
	}},
	{"facts come in the order of their keys whatever the order of arrival", func(t *testing.T, e Engine) {
		s := e.Open(t)
		late, early, tie := response("late", 1, "p1", monday.Add(time.Nanosecond)), response("early", 1, "p1", monday), response("tie", 1, "p1", monday)
		a, b, c := scored("fa", late, 1), scored("fb", early, 2), scored("fc", tie, 3)
		clock := decision.Fact{Episode: "p1", Fact: fact.Fact{ID: "clock", Kind: fact.KindClock, At: monday.AddDate(0, 0, 7), Recorded: monday, Clock: &fact.Clock{}}}
		other := scored("fd", response("other", 1, "p2", monday), 4)
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{clock, a, c}})
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{other, b}})
		same(t, "facts", facts(t, s, clinic, "p1", "p2", "p3", "p1"), map[ref.Episode][]fact.Fact{
			"p1": {b.Fact, c.Fact, a.Fact, clock.Fact}, "p2": {other.Fact},
		})
	}},
	{"a page of facts goes on where the one before ended", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var all []fact.Fact
		for n := range 9 {
			r := response(fmt.Sprint("r", n), 1, "p1", monday)
			f := scored(fmt.Sprint("f", n), r, float64(n))
			f.At = monday.Add(time.Duration(n/3) * time.Hour) // three of each moment
			if n%4 == 3 {
				f.Fact = fact.Fact{ID: f.ID, Kind: fact.KindClock, At: f.At, Recorded: monday, Clock: &fact.Clock{}}
			}
			commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{f}})
			all = append(all, f.Fact)
		}
		r := response("gone", 1, "p1", monday)
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{scored("gone", r, 1)}})
		commit(t, s, clinic, &decision.Decision{Superseded: []ref.Resource{r.Resource}})
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{scored("other", response("o", 1, "p2", monday), 4)}})
		read := func(q fact.Page) (found []fact.Fact) {
			for q.Max = 2; ; {
				page := ask(t, s, clinic, func(r store.Reader) ([]fact.Fact, error) { return r.FactsBy("p1", q) })
				if len(page) == 0 {
					return found
				}
				found = append(found, page...)
				after := page[len(page)-1].Key()
				q.After = &after
			}
		}
		only := func(keep func(fact.Fact) bool) (found []fact.Fact) {
			for _, f := range all {
				if keep(f) {
					found = append(found, f)
				}
			}
			return found
		}
		same(t, "oldest first", read(fact.Page{}), all)
		newest := slices.Clone(all)
		slices.Reverse(newest)
		same(t, "newest first", read(fact.Page{Newest: true}), newest)
		same(t, "clocks", read(fact.Page{Kinds: []fact.Kind{fact.KindClock}}), only(func(f fact.Fact) bool { return f.Clock != nil }))
		same(t, "an hour", read(fact.Page{Kinds: []fact.Kind{fact.KindScores, fact.KindVisit}, From: monday.Add(time.Hour), Until: monday.Add(2 * time.Hour)}),
			only(func(f fact.Fact) bool { return f.Scores != nil && f.At.Equal(monday.Add(time.Hour)) }))
	}},
	{"facts at a moment are those that counted then, as they were known then", func(t *testing.T, e Engine) {
		s := e.Open(t)
		hour := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Hour) }
		at := func(id string, version int64, heard int, value float64) (record.Record, decision.Fact) {
			r := response(id, version, "p1", monday)
			r.Received = hour(heard)
			return r, scored("f-"+id, r, value)
		}
		r1, f1 := at("r1", 1, 0, 1)
		r2, f2 := at("r1", 2, 2, 2)
		gone, _ := at("r1", 3, 4, 0)
		b1, g1 := at("r10", 1, 1, 9)
		clock := decision.Fact{Episode: "p1", Fact: fact.Fact{ID: "clock", Kind: fact.KindClock, At: hour(3), Recorded: hour(3), Clock: &fact.Clock{}}}
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{r1}, Facts: []decision.Fact{f1}})
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{b1}, Facts: []decision.Fact{g1}})
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{r2}, Superseded: []ref.Resource{r1.Resource}, Facts: []decision.Fact{f2}})
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{clock}})
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{gone}, Superseded: []ref.Resource{r1.Resource}})
		for _, test := range []struct {
			at   int
			want []fact.Fact
		}{
			{-1, nil},
			{0, []fact.Fact{f1.Fact}},
			{1, []fact.Fact{f1.Fact, g1.Fact}},
			{2, []fact.Fact{f2.Fact, g1.Fact}},
			{3, []fact.Fact{f2.Fact, g1.Fact, clock.Fact}},
			{4, []fact.Fact{g1.Fact, clock.Fact}},
		} {
			got := ask(t, s, clinic, func(r store.Reader) (map[ref.Episode][]fact.Fact, error) {
				return r.FactsAt([]ref.Episode{"p1", "p2", "p1"}, hour(test.at))
			})
			same(t, fmt.Sprintf("at hour %d", test.at), got["p1"], test.want)
		}
	}},
	{"superseded facts no longer count, also within one commit", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second, third := response("r1", 1, "p1", monday), response("r1", 2, "p1", monday), response("r1", 3, "p1", monday)
		bystander := scored("fx", response("r10", 1, "p1", monday), 9)
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{scored("f", first, 1), scored("g", first, 1), bystander}})
		commit(t, s, clinic, &decision.Decision{Superseded: []ref.Resource{first.Unversioned()}, Facts: []decision.Fact{scored("f", second, 2)}})
		same(t, "after a correction", facts(t, s, clinic, "p1")["p1"], []fact.Fact{scored("f", second, 2).Fact, bystander.Fact})
		moved := response("r1", 4, "p2", monday)
		commit(t, s, clinic,
			&decision.Decision{Superseded: []ref.Resource{third.Resource}, Facts: []decision.Fact{scored("f", third, 3)}},
			&decision.Decision{Superseded: []ref.Resource{moved.Resource}, Facts: []decision.Fact{scored("f", moved, 4)}})
		same(t, "after it moved to another patient", facts(t, s, clinic, "p1", "p2"), map[ref.Episode][]fact.Fact{
			"p1": {bystander.Fact}, "p2": {scored("f", moved, 4).Fact},
		})
	}},
	{"every fact ever taken can be read, with whether it counts still", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var versions []record.Record
		for v := range int64(10) {
			versions = append(versions, response("r1", v+1, "p1", monday.Add(time.Duration(-v)*time.Hour)))
		}
		first, second, tenth := scored("f", versions[0], 1), scored("f", versions[1], 2), scored("f", versions[9], 10)
		moved := scored("f", response("r1", 11, "p2", monday), 11)
		measure := decision.Fact{Episode: "p1", Fact: fact.Fact{
			ID: "m", Kind: fact.KindMeasure, At: monday, Source: versions[1].Resource, Measure: &fact.Measure{Code: "a|b", Value: 1},
		}}
		bystander := scored("x", response("r10", 1, "p1", monday), 9)
		source := []ref.Resource{versions[0].Unversioned()}
		commit(t, s, clinic, &decision.Decision{Facts: []decision.Fact{first, bystander}})
		commit(t, s, clinic, &decision.Decision{Superseded: source, Facts: []decision.Fact{second, measure}})
		commit(t, s, clinic, &decision.Decision{Superseded: source})
		commit(t, s, clinic, &decision.Decision{Superseded: source, Facts: []decision.Fact{tenth}})
		commit(t, s, "another", &decision.Decision{Facts: []decision.Fact{scored("f", versions[0], 7)}})
		same(t, "from the resource", takenFrom(t, s, clinic, source[0]), []fact.Taken{
			{Fact: first.Fact, Episode: "p1", Superseded: true},
			{Fact: second.Fact, Episode: "p1", Superseded: true},
			{Fact: measure.Fact, Episode: "p1", Superseded: true},
			{Fact: tenth.Fact, Episode: "p1"},
		})
		same(t, "in the episode", takenIn(t, s, "p1", fact.KindScores), []fact.Taken{
			{Fact: first.Fact, Episode: "p1", Superseded: true},
			{Fact: second.Fact, Episode: "p1", Superseded: true},
			{Fact: tenth.Fact, Episode: "p1"},
			{Fact: bystander.Fact, Episode: "p1"},
		})
		commit(t, s, clinic, &decision.Decision{Superseded: source, Facts: []decision.Fact{moved}})
		same(t, "once it is another patient's", takenFrom(t, s, clinic, source[0])[4], fact.Taken{Fact: moved.Fact, Episode: "p2"})
		same(t, "in the other episode", takenIn(t, s, "p2", fact.KindScores), []fact.Taken{{Fact: moved.Fact, Episode: "p2"}})
		same(t, "from nothing", takenFrom(t, s, clinic, ref.Resource{Type: "QuestionnaireResponse", ID: "none"}), []fact.Taken(nil))
		same(t, "of another kind", takenIn(t, s, "p2", fact.KindVisit), []fact.Taken(nil))
	}},
	{"due episodes come earliest first and none before its time", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var all []*episode.State
		for i, after := range []time.Duration{0, 3 * time.Minute, -time.Hour, time.Microsecond, 20 * time.Minute, -3 * time.Minute} {
			all = append(all, state(ref.Patient(fmt.Sprintf("p%d", i)), 1, monday.Add(after)))
		}
		all = append(all, state("undated", 1, time.Time{}), state("a", 1, monday), state("old", 1, time.Date(1969, 7, 20, 20, 17, 0, 0, time.UTC)))
		commit(t, s, clinic, &decision.Decision{Episodes: all})
		same(t, "now", due(t, s, monday, 99), []ref.Episode{"old", "p2", "p5", "a", "p0"})
		same(t, "the first two", due(t, s, monday, 2), []ref.Episode{"old", "p2"})
		same(t, "a moment later", due(t, s, monday.Add(time.Microsecond), 99), []ref.Episode{"old", "p2", "p5", "a", "p0", "p3"})
		same(t, "long ago", due(t, s, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), 9), []ref.Episode{})
		same(t, "much later", due(t, s, monday.AddDate(1, 0, 0), 99), []ref.Episode{"old", "p2", "p5", "a", "p0", "p3", "p1", "p4"})
	}},
	{"what was taken from several resources is read at once", func(t *testing.T, e Engine) {
		s := e.Open(t)
		one, two := Submission(1, 1), Submission(2, 1)
		commit(t, s, clinic, one)
		commit(t, s, clinic, two)
		var keys []int64
		var want []fact.Taken
		for _, d := range []*decision.Decision{two, one} {
			source := d.Facts[0].Source
			keys = append(keys, ref.SourceKey(clinic, source.Unversioned().String()))
			want = append(takenFrom(t, s, clinic, source), want...)
		}
		same(t, "of two", ask(t, s, clinic, func(r store.Reader) ([]fact.Taken, error) { return r.TakenFrom(keys...) }), want)
		same(t, "of none", ask(t, s, clinic, func(r store.Reader) ([]fact.Taken, error) { return r.TakenFrom() }), []fact.Taken(nil))
	}},
	{"episodes can be walked through in order", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var want []ref.Episode
		d := &decision.Decision{}
		for _, p := range []ref.Patient{"B", "a", "a.1", "a-1", "b", "zz"} {
			d.Episodes = append(d.Episodes, state(p, 1, time.Time{}))
		}
		commit(t, s, clinic, d)
		want = []ref.Episode{"B", "a", "a-1", "a.1", "b", "zz"}
		var got []ref.Episode
		for after := ref.Episode(""); ; {
			page := ask(t, s, clinic, func(r store.Reader) ([]ref.Episode, error) { return r.EpisodesAfter(after, 4) })
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1]
		}
		same(t, "episodes in byte order", got, want)
	}},
	{"a fact that is there already is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		r := response("r1", 1, "p1", monday)
		d := &decision.Decision{Facts: []decision.Fact{scored("f", r, 1)}}
		commit(t, s, clinic, d)
		refused(t, s, d)
		same(t, "facts", len(facts(t, s, clinic, "p1")["p1"]), 1)
	}},
	{"records, facts and states of one submission are written together", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := Submission(1, 10)
		commit(t, s, clinic, d)
		same(t, "record", ask(t, s, clinic, func(r store.Reader) (record.Record, error) {
			return r.Record(d.Records[0].Resource)
		}), d.Records[0])
		same(t, "state", states(t, s, clinic, d.Episodes[0].Episode)[d.Episodes[0].Episode], d.Episodes[0])
		same(t, "facts", facts(t, s, clinic, d.Episodes[0].Episode)[d.Episodes[0].Episode], []fact.Fact{d.Facts[0].Fact})
	}},
}

func due(t testing.TB, s store.Store, at time.Time, max int) []ref.Episode {
	t.Helper()
	return ask(t, s, clinic, func(r store.Reader) ([]ref.Episode, error) { return r.Due(at, max) })
}

func takenFrom(t testing.TB, s store.Store, tenant ref.Tenant, source ref.Resource) []fact.Taken {
	t.Helper()
	key := ref.SourceKey(tenant, source.Unversioned().String())
	return ask(t, s, tenant, func(r store.Reader) ([]fact.Taken, error) { return r.TakenFrom(key) })
}

func takenIn(t testing.TB, s store.Store, of ref.Episode, kind fact.Kind) []fact.Taken {
	t.Helper()
	return ask(t, s, clinic, func(r store.Reader) ([]fact.Taken, error) { return r.TakenIn(of, kind) })
}
