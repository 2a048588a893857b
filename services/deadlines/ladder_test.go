package deadlines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// ladders by the total that raises an alert under them: minutes after which further roles are told, and after how many an
// acknowledgement times out, or one is told again whose ladder is at an end.
var ladders = map[float64]struct {
	name    string
	rungs   []int
	timeout int
}{
	20: {"urgent", []int{1, 3, 10}, 15},
	15: {"soon", []int{10, 30}, 0},
	10: {"later", nil, 20},
}

func ladderRules() []judge.Rule {
	var rules []judge.Rule
	for total, l := range ladders {
		r := judge.Rule{
			ID: l.name, Version: "1", Title: l.name, Severity: judge.High, On: []fact.Kind{fact.KindScores}, Each: true,
			AckTimeout: time.Duration(l.timeout) * time.Minute,
			When:       func(v judge.View) (bool, error) { return *v.Fact.Scores.Scores[0].Value == total, nil },
		}
		for n, minutes := range l.rungs {
			r.Ladder = append(r.Ladder, judge.Rung{After: time.Duration(minutes) * time.Minute, Roles: []string{fmt.Sprint("role-", n)}})
		}
		rules = append(rules, r)
	}
	return rules
}

// answered is a form of a patient.
func answered(patient string, total float64, at time.Time) decision.Input {
	id := "r-" + patient
	return decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "QuestionnaireResponse", ID: id}, Source: "ehr", SourceID: id,
			Hash: [32]byte([]byte(fmt.Sprintf("%-32s", id))), Received: at, Raw: []byte(`{"resourceType":"QuestionnaireResponse"}`),
			From: at, To: at.Add(time.Second),
		},
		Subject: decision.Subject{Patient: ref.Patient(patient)},
		Facts: []fact.Fact{{ID: "f-" + id, Kind: fact.KindScores, At: at, Scores: &fact.Scores{
			Instrument: "phq-9", Version: "1", Construct: "distress", Respondent: "patient", Scores: []fact.Score{{Code: "total", Value: &total, Max: 27}},
		}}},
	}
}

func withLadders(_ *deadlines.Config, g *commit.Config) {
	g.Rules = func() ([]judge.Rule, alert.Policy) { return ladderRules(), alert.Policy{} }
}

// plan is what becomes of one patient's alert: minutes of the hour at which it is raised, acknowledged, put off, and
// resolved; -1 is never. All halves, so that people and ladder often come at the same moment.
type plan struct {
	total                     float64
	raised, acked, slept, end float64
}

// told is one line of a timeline: half minutes into the hour, and what was told.
type told struct {
	At   float64
	What string
}

// timeline is worked out from the plan and the ladder alone. Whoever acts at the moment of a step comes first.
func (p plan) timeline() []told {
	l := ladders[p.total]
	lines := []told{{p.raised, "opened"}}
	climb := func(from, until float64) {
		for n, minutes := range l.rungs {
			if at := from + float64(minutes); at < until && at <= 60 {
				lines = append(lines, told{at, fmt.Sprint("escalated ", n+1)})
			}
		}
		if len(l.rungs) > 0 {
			from += float64(l.rungs[len(l.rungs)-1])
		}
		if l.timeout == 0 {
			return
		}
		for at := from + float64(l.timeout); at < until && at <= 60; at += float64(l.timeout) {
			lines = append(lines, told{at, "paged"}) // beyond the ladder, again and again
		}
	}
	if p.acked < 0 {
		climb(p.raised, 61)
		return lines
	}
	climb(p.raised, p.acked)
	lines = append(lines, told{p.acked, "acknowledged"})
	again, what := 61.0, ""
	if l.timeout > 0 {
		again, what = p.acked+float64(l.timeout), "paged"
	}
	if p.slept >= 0 && p.slept <= again {
		lines = append(lines, told{p.slept, "snoozed"})
		again, what = p.slept+7, "woken"
	}
	until := 61.0
	if p.end >= 0 {
		until = p.end
	}
	if again < until && again <= 60 {
		lines = append(lines, told{again, what})
		climb(again, until)
	}
	if p.end >= 0 {
		lines = append(lines, told{p.end, "resolved"})
	}
	return lines
}

func randomPlan(r *rand.Rand) plan {
	half := func(from float64, minutes int) float64 { return from + float64(1+r.IntN(2*minutes))/2 }
	p := plan{total: []float64{20, 15, 10}[r.IntN(3)], raised: half(0, 20), acked: -1, slept: -1, end: -1}
	if r.IntN(3) > 0 { // a third is never acknowledged
		p.acked = half(p.raised, 15)
		if r.IntN(3) == 0 {
			p.slept = half(p.acked, 10)
		}
		if r.IntN(2) == 0 {
			p.end = half(max(p.acked, p.slept), 10)
		}
	}
	return p
}

func (p plan) commands() map[float64]alert.Verb {
	return map[float64]alert.Verb{p.acked: alert.Acknowledge, p.slept: alert.Snooze, p.end: alert.Resolve}
}

func (s *server) command(t testing.TB, patient string, verb alert.Verb, now time.Time) {
	t.Helper()
	a := alertOf(t, s.store, patient)
	_, err := s.group.Command(context.Background(), clinic, alert.Command{
		Alert: a.ID, Verb: verb, Version: a.Version, Actor: "Practitioner/1", Reason: "contacted", Until: now.Add(7 * time.Minute),
	})
	if err != nil {
		t.Errorf("%s of %s while %s: %v", verb, patient, a.Status, err)
	}
}

func alertOf(t testing.TB, s store.Store, patient string) (a alert.Alert) {
	t.Helper()
	err := s.View(t.Context(), clinic, func(r store.Reader) error {
		all, err := r.AlertsOf([]ref.Episode{ref.Episode(patient)})
		if err == nil && len(all[ref.Episode(patient)]) == 1 {
			a = all[ref.Episode(patient)][0]
		}
		return err
	})
	if err != nil || a.ID == "" {
		t.Fatalf("no alert of %s: %v", patient, err)
	}
	return a
}

// events about alerts, by patient.
func events(t testing.TB, s store.Store, name feed.Name) map[string][]feed.Event {
	t.Helper()
	found := map[string][]feed.Event{}
	for after := int64(0); ; {
		page, err := s.Since(t.Context(), feed.Cursor{Tenant: clinic, Feed: name, After: after}, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return found
		}
		for _, e := range page {
			after = e.Seq
			if e.Type != feed.Recorded && e.Type != feed.Elapsed {
				found[e.Subject] = append(found[e.Subject], e)
			}
		}
	}
}

func heard(t testing.TB, all []feed.Event) []told {
	var lines []told
	for _, e := range all {
		line := told{e.Time.Sub(monday).Minutes(), string(e.Type)[len("alert."):]}
		if e.Type == feed.Escalated {
			var data struct{ Rung int }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatal(err)
			}
			line.What += fmt.Sprint(" ", data.Rung)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestInAnHourOfAClinicThatIsLateEveryLadderIsClimbedToTheSecond(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		// Two servers sweep the same alerts, each with its own eyes.
		servers := []*server{begin(t, e, c, withLadders), begin(t, open(), c, withLadders)}
		r := rand.New(rand.NewPCG(5, 2026))
		plans := make([]plan, 90)
		for n := range plans {
			plans[n] = randomPlan(r)
		}
		for half := range 2*60 + 1 {
			minute := float64(half) / 2
			now := monday.Add(time.Duration(half) * 30 * time.Second)
			c.set(now)
			for n, p := range plans {
				name := fmt.Sprintf("p%02d", n)
				if p.raised == minute {
					servers[n%2].take(t, clinic, answered(name, p.total, now))
				}
				if verb, acts := p.commands()[minute]; acts {
					servers[n%2].command(t, name, verb, now)
				}
			}
			var sweeps sync.WaitGroup
			for _, s := range servers {
				sweeps.Go(func() {
					if _, err := s.Sweep(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
			sweeps.Wait()
		}
		for _, name := range []feed.Name{feed.All, feed.Unassigned} {
			all := events(t, e, name)
			for n, p := range plans {
				if diff := cmp.Diff(p.timeline(), heard(t, all[fmt.Sprintf("Patient/p%02d", n)])); diff != "" {
					t.Errorf("patient %d in %s, %+v (-want +got):\n%s", n, name, p, diff)
				}
			}
		}
	})
}

func TestAServerThatSleptTellsOfAllStepsThatPassedOnceAndOfNoneAfterAnAcknowledgement(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		var rests int
		s := begin(t, e, c, func(d *deadlines.Config, g *commit.Config) {
			withLadders(d, g)
			d.Pause = func(context.Context, time.Duration) { rests++ }
		})
		for n := range 45 {
			s.take(t, clinic, answered(fmt.Sprintf("p%02d", n), 20, monday))
			if n%3 == 0 {
				s.command(t, fmt.Sprintf("p%02d", n), alert.Acknowledge, monday)
			}
		}
		s.store.facts = nil
		c.set(monday.Add(14 * time.Minute)) // the acknowledgements still stand
		if n, err := s.Sweep(t.Context()); n != 30 || err != nil {
			t.Errorf("%d changed, %v", n, err)
		}
		if rests < 2 {
			t.Errorf("30 alerts in tens, and it rested %d times", rests)
		}
		all := events(t, e, feed.All)
		for n := range 45 {
			name := fmt.Sprintf("p%02d", n)
			want := []told{{0, "opened"}, {14, "escalated 3"}}
			steps, status := int64(4), alert.Open
			if n%3 == 0 {
				want[1] = told{0, "acknowledged"}
				steps, status = 2, alert.Acknowledged
			}
			if diff := cmp.Diff(want, heard(t, all["Patient/"+name])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if a := alertOf(t, e, name); a.Version != steps || int64(len(a.History)) != steps || a.Status != status {
				t.Errorf("%s is %s after %d steps of %d", name, a.Status, len(a.History), a.Version)
			}
		}
		if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept again: %d changed, %v", n, err)
		}
	})
}

func TestWhoAcknowledgesWhileTheLadderIsClimbedAlwaysWinsAndIsNotToldAfterwards(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		s, other := begin(t, e, c, withLadders), begin(t, open(), c, withLadders)
		const patients = 40
		seen := map[string]alert.Alert{}
		for n := range patients {
			name := fmt.Sprintf("p%02d", n)
			s.take(t, clinic, answered(name, 20, monday))
			seen[name] = alertOf(t, e, name)
		}
		for minute := 1; minute <= 3; minute += 2 { // the first two steps of the ladder
			c.set(monday.Add(time.Duration(minute) * time.Minute))
			var racing sync.WaitGroup
			for n, who := range []*server{s, other} {
				racing.Go(func() {
					if _, err := who.Sweep(context.Background()); err != nil {
						t.Error(err)
					}
				})
				for i := range patients / 4 {
					name := fmt.Sprintf("p%02d", (minute/2)*patients/2+n*patients/4+i)
					racing.Go(func() {
						// As it was seen when it was opened: the clock has gone on since, and nobody else has acted.
						_, err := who.group.Command(context.Background(), clinic, alert.Command{
							Alert: seen[name].ID, Verb: alert.Acknowledge, Version: seen[name].Version, Actor: "Practitioner/1", Key: name,
						})
						if err != nil {
							t.Errorf("%s: %v", name, err)
						}
					})
				}
			}
			racing.Wait()
		}
		c.set(monday.Add(12 * time.Minute))
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for whose, all := range events(t, e, feed.All) {
			taken := slices.IndexFunc(all, func(e feed.Event) bool { return e.Type == feed.Acknowledged })
			if taken != len(all)-1 || all[0].Type != feed.Opened {
				t.Errorf("%s: %v", whose, heard(t, all))
			}
		}
	})
}

func TestWhatWaitsForItsConditionIsAskedOnceTheDeadlinesBeforeItHavePassed(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		s := begin(t, e, c, func(_ *deadlines.Config, g *commit.Config) {
			g.Rules = func() ([]judge.Rule, alert.Policy) {
				return []judge.Rule{{ // it ceases with the first deadline
					ID: "held", Version: "1", Severity: judge.High, On: []fact.Kind{fact.KindScores}, HoldFor: 20 * 24 * time.Hour,
					When: func(v judge.View) (bool, error) { return v.After.Facts == 2, nil },
				}}, alert.Policy{}
			}
		})
		s.take(t, clinic, prescribed("p", monday.Add(-time.Hour)), answered("p", 20, monday))
		a := alertOf(t, e, "p")
		c.set(monday.AddDate(0, 0, 21))
		if n, err := s.group.Rouse(t.Context(), clinic, []alert.Due{{Alert: a.ID, Episode: a.Episode, At: a.Due}}); n != 0 || err != nil {
			t.Errorf("told while a deadline was still to be passed: %d, %v", n, err)
		}
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := alertOf(t, e, "p"); a.Because() != alert.Lapsed {
			t.Errorf("%s, %s", a.Status, a.Because())
		}
	})
}

func TestAnAlertThatCannotBeChangedHoldsUpNoOther(t *testing.T) {
	engines(t, func(t *testing.T, open func() engine) {
		e, c := open(), newClock(monday)
		broken := false
		s := begin(t, e, c, func(_ *deadlines.Config, g *commit.Config) {
			g.Rules = func() ([]judge.Rule, alert.Policy) {
				return []judge.Rule{{
					ID: "held", Version: "1", Severity: judge.High, On: []fact.Kind{fact.KindScores}, HoldFor: time.Hour,
					When: func(v judge.View) (bool, error) {
						if broken && (v.After.Patient == "p03" || v.After.Patient == "p17") {
							panic("a rule that cannot be")
						}
						return len(v.After.Instruments) > 0, nil
					},
				}}, alert.Policy{}
			}
		})
		for n := range 25 {
			s.take(t, clinic, answered(fmt.Sprintf("p%02d", n), 20, monday.Add(time.Duration(n)*time.Second)))
		}
		broken = true
		c.set(monday.Add(2 * time.Hour))
		n, err := s.Sweep(t.Context())
		if n != 23 || err == nil {
			t.Errorf("%d changed, %v", n, err)
		}
		for n := range 25 {
			want := alert.Open
			if n == 3 || n == 17 {
				want = alert.Waiting
			}
			if a := alertOf(t, e, fmt.Sprintf("p%02d", n)); a.Status != want {
				t.Errorf("p%02d is %s", n, a.Status)
			}
		}
	})
}
