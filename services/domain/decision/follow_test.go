package decision_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// crossing makes a rule find something when the total comes to be high, and not while it stays so.
func crossing(r *judge.Rule) {
	total := func(s *episode.State) float64 {
		i := s.Instrument("phq-9", "patient")
		if i == nil {
			return 0
		}
		track, _ := i.Track("total")
		return track.Last.Value
	}
	r.When = func(v judge.View) (bool, error) { return total(v.After) >= 10 && total(v.Before) < 10, nil }
}

func TestAnAlertFollowsWhatItSaysWhenItsBeginningIsCorrected(t *testing.T) {
	earlier := func(w *ward) { w.send(w.sheet("early", 5*24, 16)) }
	corrected := func(w *ward) {
		w.send(w.sheet("b", 2, 16))
		w.send(w.sheet("a", 24, 4))
	}
	withdrawn := func(w *ward) {
		w.send(w.sheet("b", 2, 16))
		in := w.sheet("a", 24, 4)
		in.Facts = nil
		w.send(in)
	}
	for _, c := range []struct {
		name string
		rule func(*judge.Rule)
		verb alert.Verb
		news func(*ward)
		want string
	}{
		{"an earlier form, acknowledged", nil, alert.Acknowledge, earlier, "high acknowledged"},
		{"an earlier form, put off", nil, alert.Snooze, earlier, "high snoozed"},
		{"an earlier form, resolved", nil, alert.Resolve, earlier, "high resolved"},
		{"an earlier form, still open", nil, "", earlier, "high open"},
		{"the first form corrected, acknowledged", nil, alert.Acknowledge, corrected, "high acknowledged"},
		{"the first form corrected, resolved", nil, alert.Resolve, corrected, "high resolved"},
		{"the first form withdrawn, acknowledged", nil, alert.Acknowledge, withdrawn, "high acknowledged"},
		{"a safety rule that speaks of the state", func(r *judge.Rule) { r.Safety = true }, alert.Acknowledge, earlier, "high acknowledged"},
		{"a rule that speaks of the change, and an earlier form", crossing, alert.Acknowledge, earlier, "high acknowledged"},
		{"a rule that speaks of the change, resolved", crossing, alert.Resolve, earlier, "high resolved"},
		{"a rule that speaks of the change, the first form corrected", crossing, alert.Acknowledge, corrected, "high acknowledged"},
		{"a rule that speaks of the change, the first form withdrawn", crossing, alert.Acknowledge, withdrawn, "high acknowledged"},
		{"a rule that speaks of the change, back and forth", crossing, alert.Acknowledge, func(w *ward) {
			earlier(w)
			w.send(w.sheet("early", 5*24, 4))
			earlier(w)
		}, "high acknowledged"},
		{"an earlier form after which it ceased", nil, alert.Acknowledge, func(w *ward) {
			w.send(w.sheet("pause", 48, 4))
			earlier(w)
		}, "high acknowledged, high suppressed for grouped"},
		{"no form is high any more", nil, alert.Acknowledge, func(w *ward) { w.send(w.sheet("a", 24, 4)) }, "high retracted"},
		{"every fact speaks for itself", func(r *judge.Rule) { r.Each, r.Safety = true, true }, alert.Acknowledge, earlier, "high acknowledged, high open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
				r.Roles, r.CoolDown = []string{"nurse"}, 14*oneDay
				r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"physician"}}}
				if c.rule != nil {
					c.rule(r)
				}
			}))
			w.send(w.sheet("a", 24, 16))
			id := w.alerts[0].ID
			w.after(2 * time.Hour)
			if c.verb != "" {
				w.ask(t, 0, c.verb)
			}
			rung, acks := w.alerts[0].Rung, len(w.alerts[0].AckedBy)
			c.news(w)
			w.stands(t, c.want)
			if a := w.alerts[0]; a.ID != id || a.Rung != rung || len(a.AckedBy) != acks {
				t.Errorf("it was %s at step %d with %d acknowledgements, and is %+v", id, rung, acks, a)
			}
		})
	}
}

func TestAnAlertThatFollowedIsNamedByItsNewFactAndNeverGetsTheNameOfAnother(t *testing.T) {
	w := newWard(over("high", 10, judge.High, nil))
	w.send(w.sheet("a", 24, 16))
	w.ask(t, 0, alert.Acknowledge)
	w.events = nil
	w.send(w.sheet("early", 48, 15))
	a := w.alerts[0]
	if a.Facts[0] != "fearly" || !a.Effective.Equal(w.now.Add(-2*oneDay)) || w.heard() != "amended[unassigned]" {
		t.Errorf("it stands on %v of %s", a.Facts, a.Effective)
	}
	w.ask(t, 0, alert.Resolve)
	w.send(w.sheet("between", 36, 4)) // now it began twice
	w.stands(t, "high resolved, high open")
	if w.alerts[0].ID == w.alerts[1].ID || w.alerts[1].Facts[0] != "fa" {
		t.Errorf("%+v", w.alerts)
	}
	before := w.stand()
	w.send(w.sheet("a", 24, 16)) // known already
	w.send(w.sheet("late", 72, 3))
	w.stands(t, before)
}

func TestWhatGrowsTogetherStaysWithWhoeverHasIt(t *testing.T) {
	for _, c := range []struct {
		first alert.Verb
		want  string
	}{{alert.Resolve, "high resolved, high open"}, {alert.Acknowledge, "high acknowledged, high retracted"}} {
		w := newWard(over("high", 10, judge.High, nil))
		w.send(w.sheet("a", 9, 16), w.sheet("b", 8, 4))
		w.ask(t, 0, c.first)
		w.send(w.sheet("c", 7, 16))
		w.send(w.sheet("b", 8, 15)) // it never ceased
		w.stands(t, c.want)
		w.send(w.sheet("d", 20, 3))
		w.stands(t, c.want)
	}
}

func TestAnAlertFollowsTheInstrumentItSpeaksOf(t *testing.T) {
	rule := judge.Rule{
		ID: "positive", Version: "1", Severity: judge.High, On: []fact.Kind{fact.KindScores},
		When: func(v judge.View) (bool, error) {
			i := v.After.Instrument(v.Fact.Scores.Instrument, "patient")
			if i == nil {
				return false, nil
			}
			track, _ := i.Track("total")
			return track.Last.Value >= 10, nil
		},
	}
	other := func(w *ward, id string, hours int, total float64) {
		in := w.sheet(id, hours, total)
		in.Facts[0].Scores.Instrument = "gad-7"
		w.send(in)
	}
	w := newWard(rule)
	w.send(w.sheet("a", 24, 16))
	other(w, "g", 72, 15)
	w.ask(t, 0, alert.Acknowledge)
	w.send(w.sheet("early", 120, 16))
	w.stands(t, "positive acknowledged, positive suppressed for grouped")
	if a := w.alerts[0]; a.Facts[0] != "fearly" {
		t.Errorf("it stands on %v", a.Facts)
	}
	w = newWard(rule)
	w.send(w.sheet("a", 24, 16))
	w.ask(t, 0, alert.Acknowledge)
	other(w, "g", 12, 15)
	w.send(w.sheet("b", 2, 16))
	w.send(w.sheet("a", 24, 4))
	w.stands(t, "positive acknowledged, positive suppressed for grouped")
	if a := w.alerts[0]; a.Facts[0] != "fb" {
		t.Errorf("it stands on %v", a.Facts)
	}
}

func TestAWaitingAlertThatBeganEarlierIsToldEarlier(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) { r.HoldFor = 2 * oneDay }))
	w.send(w.sheet("a", 1, 15))
	w.send(w.sheet("early", 25, 15))
	w.stands(t, "high waiting for hold-for")
	w.after(23 * time.Hour)
	w.stands(t, "high open")
}
