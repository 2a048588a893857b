package decision_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

const oneDay = 24 * time.Hour

func TestWhyAFindingIsNotTold(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  func(*judge.Rule)
		story func(t *testing.T, w *ward)
		want  string
	}{
		{"another of the rule is open", nil, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5), w.sheet("c", 7, 15))
		}, "high open, high suppressed for grouped"},
		{"another of the rule is acknowledged", nil, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
			w.ask(t, 0, alert.Acknowledge)
			w.send(w.sheet("c", 7, 15))
		}, "high acknowledged, high suppressed for grouped"},
		{"another of the rule is put off", nil, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
			w.ask(t, 0, alert.Snooze)
			w.send(w.sheet("c", 7, 15))
		}, "high snoozed, high suppressed for snoozed"},
		{"another of the rule was raised not long ago", func(r *judge.Rule) { r.CoolDown = 3 * time.Hour }, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
			w.ask(t, 0, alert.Resolve)
			w.send(w.sheet("c", 7, 15), w.sheet("d", 6, 5), w.sheet("e", 5, 15))
		}, "high resolved, high suppressed for cool-down, high open"},
		{"it has not receded far enough since", func(r *judge.Rule) { r.Clears = below(4) }, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
			w.ask(t, 0, alert.Resolve)
			w.send(w.sheet("c", 7, 15), w.sheet("d", 6, 4), w.sheet("e", 5, 15))
		}, "high resolved, high suppressed for not-cleared, high open"},
		{"it receded far enough before it was resolved", func(r *judge.Rule) { r.Clears = below(4) }, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 4), w.sheet("c", 7, 5))
			w.ask(t, 0, alert.Resolve)
			w.send(w.sheet("d", 6, 15))
		}, "high resolved, high open"},
		{"what cannot be asked hides nothing", func(r *judge.Rule) {
			r.Clears = func(judge.View) (bool, error) { return false, errors.New("no such score") }
		}, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
			w.ask(t, 0, alert.Resolve)
			w.send(w.sheet("c", 7, 15))
		}, "high resolved, high open"},
		{"it happened long ago", nil, func(_ *testing.T, w *ward) { w.send(w.sheet("a", 31*24, 15)) }, "high suppressed for back-fill"},
		{"a safety finding is told all the same", func(r *judge.Rule) {
			r.Safety, r.CoolDown, r.HoldFor, r.Clears = true, 3*time.Hour, time.Hour, below(0)
		}, func(_ *testing.T, w *ward) {
			w.policy = alert.Policy{Quiet: []alert.Quiet{{From: 0, To: 1439}}}
			w.send(w.sheet("o", 31*24, 15), w.sheet("p", 30*24, 5), w.sheet("a", 9, 15), w.sheet("b", 8, 5), w.sheet("c", 7, 15))
		}, "high open, high open, high open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(over("high", 10, judge.High, c.rule))
			c.story(t, w)
			w.stands(t, c.want)
			for _, a := range w.alerts {
				if a.Status == alert.Suppressed && a.Because() != alert.BackFill && (a.SuppressedBy == "" || !strings.Contains(a.SuppressedBecause, a.SuppressedBy)) {
					t.Errorf("%q names no alert (%q)", a.SuppressedBecause, a.SuppressedBy)
				}
			}
		})
	}
}

func TestAnAlertOfTheSameCauseHidesTheLesser(t *testing.T) {
	lesser := over("lesser", 5, judge.Moderate, func(r *judge.Rule) { r.Cause = "mood" })
	graver := over("graver", 10, judge.High, func(r *judge.Rule) { r.Cause = "mood" })
	apart := over("apart", 5, judge.Moderate, nil)
	safe := over("safe", 5, judge.Moderate, func(r *judge.Rule) { r.Cause, r.Safety = "mood", true })
	for _, c := range []struct {
		name  string
		rules []judge.Rule
		story func(t *testing.T, w *ward)
		want  string
		heard string
	}{
		{
			"found at once, the graver is told alone",
			[]judge.Rule{lesser, graver},
			func(_ *testing.T, w *ward) { w.send(w.sheet("a", 9, 15)) },
			"graver open, lesser suppressed for same-cause", "opened[unassigned] suppressed[]",
		},
		{"a graver one takes the place of the lesser, and its readers are told", []judge.Rule{lesser, graver}, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 6))
			w.send(w.sheet("b", 8, 15))
		}, "lesser suppressed for same-cause, graver open", "opened[unassigned] opened[unassigned] suppressed[unassigned]"},
		{"a lesser one that comes later is not told", []judge.Rule{graver, over("lesser", 18, judge.Moderate, func(r *judge.Rule) { r.Cause = "mood" })}, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15))
			w.send(w.sheet("b", 8, 20))
		}, "graver open, lesser suppressed for same-cause", "opened[unassigned] suppressed[]"},
		{"what somebody has in hand stays with them", []judge.Rule{lesser, graver}, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 6))
			w.ask(t, 0, alert.Acknowledge)
			w.send(w.sheet("b", 8, 15))
		}, "lesser acknowledged, graver open", ""},
		{"until the graver is resolved", []judge.Rule{lesser, graver}, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 4))
			w.ask(t, 0, alert.Resolve)
			w.send(w.sheet("c", 7, 6))
		}, "graver resolved, lesser suppressed for same-cause, lesser open", ""},
		{"another cause, or none, is told", []judge.Rule{graver, apart}, func(_ *testing.T, w *ward) { w.send(w.sheet("a", 9, 15)) }, "graver open, apart open", ""},
		{"a safety finding is told", []judge.Rule{graver, safe}, func(_ *testing.T, w *ward) { w.send(w.sheet("a", 9, 15)) }, "graver open, safe open", ""},
		{"a safety finding gives way to none", []judge.Rule{safe, graver}, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 6))
			w.send(w.sheet("b", 8, 15))
		}, "safe open, graver open", ""},
		{"nor does any to one that is not graver", []judge.Rule{lesser, over("safe", 10, judge.Moderate, func(r *judge.Rule) { r.Cause, r.Safety = "mood", true })}, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 6))
			w.send(w.sheet("b", 8, 15))
		}, "lesser open, safe open", ""},
		{"what somebody put off gives way", []judge.Rule{lesser, graver}, func(t *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 6))
			w.ask(t, 0, alert.Snooze)
			w.send(w.sheet("b", 8, 15))
		}, "lesser suppressed for same-cause, graver open", ""},
		{"when the graver was never true the lesser comes forth", []judge.Rule{lesser, graver}, func(_ *testing.T, w *ward) {
			w.send(w.sheet("a", 9, 15))
			w.send(w.sheet("a", 9, 6))
		}, "graver retracted, lesser open", "opened[unassigned] suppressed[] retracted[unassigned] opened[unassigned]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(c.rules...)
			c.story(t, w)
			w.stands(t, c.want)
			if got := w.heard(); c.heard != "" && got != c.heard {
				t.Errorf("heard: %s\n\twant: %s", got, c.heard)
			}
		})
	}
}

func TestGroupsOfTheirOwnAreNotOfTheSameCause(t *testing.T) {
	named := func(group string) func(*judge.Rule) {
		return func(r *judge.Rule) {
			r.Cause, r.Group = "mood", func(judge.View) (string, error) { return group, nil }
		}
	}
	w := newWard(over("of-a", 10, judge.High, named("a")), over("of-b", 10, judge.Moderate, named("b")), over("of-all", 10, judge.Moderate, named("")))
	w.send(w.sheet("a", 9, 15))
	w.stands(t, "of-a open, of-b open, of-all suppressed for same-cause")
	some := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
		r.Each, r.Cause = true, "mood"
		r.Group = func(v judge.View) (string, error) { return map[string]string{"fb": "b"}[v.Fact.ID], nil }
	}))
	some.send(some.sheet("a", 9, 15), some.sheet("b", 8, 15))
	some.stands(t, "high open, high open")
}

func TestAnAcknowledgementThatTimesOutBehindAGraverAlertIsNotToldAgain(t *testing.T) {
	lesser := over("lesser", 5, judge.Moderate, func(r *judge.Rule) { r.Cause, r.AckTimeout = "mood", time.Hour })
	graver := over("graver", 10, judge.High, func(r *judge.Rule) { r.Cause = "mood" })
	w := newWard(lesser, graver)
	w.send(w.sheet("a", 9, 6))
	w.ask(t, 0, alert.Acknowledge)
	w.send(w.sheet("b", 8, 15))
	w.after(time.Hour)
	w.stands(t, "lesser suppressed for same-cause, graver open")
}

func TestWhatHasToGoOnHoldingIsToldWhenItDid(t *testing.T) {
	held := over("high", 10, judge.High, func(r *judge.Rule) { r.HoldFor = 2 * oneDay })
	for _, c := range []struct {
		name  string
		story func(w *ward)
		want  string
	}{
		{"it waits", func(w *ward) { w.after(2*oneDay - time.Hour - time.Microsecond) }, "high waiting for hold-for"},
		{"it is told when the time is up", func(w *ward) { w.after(2*oneDay - time.Hour) }, "high open"},
		{"it is told once however often it is found meanwhile", func(w *ward) {
			w.after(oneDay)
			w.send(w.sheet("b", 0, 20))
			w.after(2 * oneDay)
		}, "high open"},
		{"it lapses when the condition ceased", func(w *ward) {
			w.after(oneDay)
			w.send(w.sheet("b", 0, 5))
			w.after(2 * oneDay)
		}, "high suppressed for lapsed"},
		{"it lapses when the condition ceased and came back where nobody looked", func(w *ward) {
			w.after(oneDay)
			d := w.sheet("b", 2, 5)
			rules := w.rules
			w.rules = nil // a rule that is asked at other facts only
			w.send(d)
			w.send(w.sheet("c", 1, 20))
			w.rules = rules
			w.after(2 * oneDay)
		}, "high suppressed for lapsed"},
		{"what comes back waits anew", func(w *ward) {
			w.after(oneDay)
			w.send(w.sheet("b", 2, 5))
			w.send(w.sheet("c", 0, 20))
			w.after(2*oneDay - time.Hour)
		}, "high suppressed for lapsed, high waiting for hold-for"},
		{"and is told in its time", func(w *ward) {
			w.after(oneDay)
			w.send(w.sheet("b", 2, 5))
			w.send(w.sheet("c", 0, 20))
			w.after(2 * oneDay)
		}, "high suppressed for lapsed, high open"},
		{"a correction that takes it away retracts it", func(w *ward) { w.send(w.sheet("a", 1, 5)) }, "high retracted"},
		{"a rule that is gone tells nothing", func(w *ward) { w.rules = nil; w.after(2 * oneDay) }, "high suppressed for lapsed"},
		{"what cannot be asked any more is told", func(w *ward) {
			w.rules[0].When = func(judge.View) (bool, error) { return false, errors.New("no such score") }
			w.after(2 * oneDay)
		}, "high open"},
		{"at night it waits on", func(w *ward) {
			w.policy = alert.Policy{Quiet: []alert.Quiet{{From: 10 * 60, To: 14 * 60}}}
			w.after(2 * oneDay)
		}, "high waiting for quiet-hours"},
		{"until the morning", func(w *ward) {
			w.policy = alert.Policy{Quiet: []alert.Quiet{{From: 10 * 60, To: 14 * 60}}}
			w.after(2 * oneDay)
			w.after(2 * time.Hour)
		}, "high open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(held)
			w.send(w.sheet("a", 1, 15))
			if got := w.heard(); got != "waiting[]" {
				t.Errorf("heard %s", got)
			}
			c.story(w)
			w.stands(t, c.want)
		})
	}
}

func TestARuleThatFindsAtEveryFactWaitsOnce(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) { r.HoldFor, r.Each = oneDay, true }))
	w.send(w.sheet("a", 3, 15), w.sheet("b", 2, 15))
	w.stands(t, "high waiting for hold-for, high suppressed for grouped")
	w.after(oneDay)
	w.stands(t, "high open, high suppressed for grouped")
}

func TestWhatWasGroupedBehindAnAlertThatLapsesIsToldInItsTime(t *testing.T) {
	rule := over("high", 10, judge.High, func(r *judge.Rule) { r.HoldFor, r.Each = 2*oneDay, true })
	for _, c := range []struct {
		name  string
		story func(*ward)
		want  string
	}{
		{"it went on", func(*ward) {}, "high suppressed for lapsed, high open, high suppressed for grouped"},
		{"it ceased too", func(w *ward) { w.send(w.sheet("z", 1, 5)) }, "high suppressed for lapsed, high suppressed for lapsed, high suppressed for grouped"},
		{"at night it waits on", func(w *ward) {
			w.policy = alert.Policy{Quiet: []alert.Quiet{{From: 10 * 60, To: 18 * 60}}}
		}, "high suppressed for lapsed, high waiting for quiet-hours, high suppressed for grouped"},
	} {
		w := newWard(rule)
		w.send(w.sheet("a", 0, 15))
		w.after(oneDay)
		w.send(w.sheet("b", 2, 5), w.sheet("c", 0, 15), w.sheet("d", 0, 16))
		w.stands(t, "high waiting for hold-for, high suppressed for grouped, high suppressed for grouped")
		w.after(oneDay)
		w.stands(t, "high suppressed for lapsed, high waiting for hold-for, high suppressed for grouped")
		c.story(w)
		w.after(oneDay)
		if got := w.stand(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// shifts of a team: nurses sleep from 20 to 7, physicians are told two a day, in UTC.
var shifts = alert.Policy{
	Quiet:   []alert.Quiet{{Roles: []string{"nurse"}, From: 20 * 60, To: 7 * 60}},
	Budgets: []alert.Budget{{Role: "physician", PerDay: 2}},
}

var twoMembers = []fact.Member{{Clinician: "Practitioner/n", Roles: []string{"nurse"}}, {Clinician: "Practitioner/m", Roles: []string{"physician"}}}

// each finds something at every sheet, in a group of its own.
func each(severity judge.Severity, roles ...string) judge.Rule {
	return over("each", 10, severity, func(r *judge.Rule) {
		r.Each, r.Roles = true, roles
		r.Group = func(v judge.View) (string, error) { return v.Fact.ID, nil }
	})
}

func TestAtNightNobodyIsToldWhatCanWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  judge.Rule
		wants string
	}{
		{"what can wait waits", each(judge.High, "nurse"), "each waiting for quiet-hours"},
		{"what is critical does not", each(judge.Critical, "nurse"), "each open"},
		{"who is awake is told", each(judge.High, "physician", "nurse"), "each open"},
	} {
		w := newWard(c.rule)
		w.policy, w.now = shifts, time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC)
		w.team(twoMembers...)
		w.send(w.sheet("a", 1, 15))
		w.stands(t, c.wants)
		w.after(9*time.Hour - time.Microsecond)
		w.stands(t, c.wants)
		w.after(time.Microsecond)
		w.stands(t, "each open")
		if got := w.heard(); strings.HasSuffix(c.wants, "hours") && got != "waiting[] opened[team:t]" {
			t.Errorf("heard %s", got)
		}
	}
}

func TestARoleIsToldSoManyADayAndTheRestTheNextMorning(t *testing.T) {
	w := newWard(each(judge.High, "physician"))
	w.policy = shifts
	w.team(twoMembers...)
	w.send(w.sheet("a", 5, 15), w.sheet("b", 4, 15), w.sheet("c", 3, 15))
	w.send(w.sheet("d", 2, 15))
	w.stands(t, "each open, each open, each waiting for budget, each waiting for budget")
	if got := w.rations(); got != "physician of team:t: 2" {
		t.Errorf("counted %s", got)
	}
	w.rules[0].Severity = judge.Critical
	w.send(w.sheet("e", 1, 15))
	if a := w.alerts[4]; a.Status != alert.Open || w.rations() != "physician of team:t: 2" {
		t.Errorf("what is critical is %s, counted %s", a.Status, w.rations())
	}
	w.rules[0].Severity = judge.High
	w.send(w.sheet("f", 0, 15))
	w.after(12 * time.Hour) // midnight
	w.stands(t, "each open, each open, each open, each open, each open, each waiting for budget")
	w.after(oneDay)
	w.stands(t, "each open, each open, each open, each open, each open, each open")
}

func TestWhoHasHandledTheFirstIsToldOfTheNextAsItsRecurrence(t *testing.T) {
	w := newWard(over("high", 10, judge.High, nil))
	w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
	w.ask(t, 0, alert.Resolve)
	w.send(w.sheet("c", 7, 15))
	if w.alerts[0].Follows != "" || w.alerts[1].Follows != w.alerts[0].ID {
		t.Errorf("%q follows %q", w.alerts[1].ID, w.alerts[1].Follows)
	}
}

func TestTheLadderWidensWhoIsTold(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles = []string{"nurse"}
		r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"physician"}}}
	}))
	w.policy = alert.Policy{Lead: []string{"lead"}}
	w.team(append([]fact.Member{{Clinician: "Practitioner/l", Roles: []string{"lead"}}}, twoMembers...)...)
	w.send(w.sheet("a", 1, 15))
	people := func() (found []string) {
		for _, r := range w.alerts[0].Recipients {
			found = append(found, r.Person)
		}
		return found
	}
	if got := people(); !slices.Equal(got, []string{"Practitioner/n"}) {
		t.Errorf("told: %v", got)
	}
	w.after(time.Hour)
	if got := people(); !slices.Equal(got, []string{"Practitioner/n", "Practitioner/m"}) || w.alerts[0].Rung != 1 {
		t.Errorf("told after an hour: %v, rung %d", got, w.alerts[0].Rung)
	}
	if got := w.heard(); got != "opened[team:t] escalated[team:t]" {
		t.Errorf("heard %s", got)
	}
	w.after(30 * oneDay)
	if got := w.heard(); got != "" {
		t.Errorf("beyond the ladder: %s", got)
	}
}

func TestBeyondTheLadderAnAlertIsToldAgainUntilSomebodyTakesIt(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles, r.AckTimeout = []string{"physician"}, 6*time.Hour
		r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"nurse"}}}
	}))
	w.policy = shifts // the nurse sleeps from eight, the physician does not
	w.team(twoMembers...)
	w.send(w.sheet("a", 1, 15))
	for range 14 {
		w.after(time.Hour)
	}
	if got := w.heard(); got != "opened[team:t] escalated[team:t] paged[team:t] paged[team:t]" {
		t.Errorf("heard %s", got)
	}
	w.ask(t, 0, alert.Acknowledge)
	w.after(5 * time.Hour)
	if got := w.heard(); got != "acknowledged[team:t]" {
		t.Errorf("heard %s", got)
	}
	w.after(time.Hour)
	w.ask(t, 0, alert.Reassign)
	w.events = nil
	w.after(time.Hour)
	w.after(6 * time.Hour)
	if got := w.heard(); got != "escalated[team:t] paged[team:t]" {
		t.Errorf("handed over: %s", got)
	}
}

func TestAStepOfTheLadderAtNightWaitsForTheMorningUnlessItIsCritical(t *testing.T) {
	for _, severity := range []judge.Severity{judge.High, judge.Critical} {
		w := newWard(over("high", 10, severity, func(r *judge.Rule) {
			r.Roles = []string{"physician"}
			r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"nurse"}}}
		}))
		w.policy, w.now = shifts, time.Date(2026, 3, 30, 19, 30, 0, 0, time.UTC)
		w.team(twoMembers...)
		w.send(w.sheet("a", 1, 15))
		w.after(time.Hour)
		if got := w.alerts[0].Rung == 1; got != (severity == judge.Critical) {
			t.Errorf("%s at night: rung %d, due %s", severity, w.alerts[0].Rung, w.alerts[0].Due)
		}
		w.after(11 * time.Hour)
		if w.alerts[0].Rung != 1 {
			t.Errorf("%s in the morning: rung %d", severity, w.alerts[0].Rung)
		}
	}
}

func TestAStepOfTheLadderWaitsForThoseWhomItReaches(t *testing.T) {
	evening := time.Date(2026, 3, 30, 19, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name, rung string
		members    []fact.Member
		policy     alert.Policy
		severity   judge.Severity
		rung21     int
	}{
		{"the lead who stands in sleeps", "psychologist", twoMembers, alert.Policy{Quiet: shifts.Quiet, Lead: []string{"nurse"}}, judge.High, 0},
		{"but not for what is critical", "psychologist", twoMembers, alert.Policy{Quiet: shifts.Quiet, Lead: []string{"nurse"}}, judge.Critical, 1},
		{"the role sleeps that nobody has", "nurse", []fact.Member{twoMembers[1], {Clinician: "Practitioner/l", Roles: []string{"lead"}}}, alert.Policy{Quiet: shifts.Quiet, Lead: []string{"lead"}}, judge.High, 1},
		{"who is told already is not asked", "nurse", append([]fact.Member{{Clinician: "Practitioner/l", Roles: []string{"lead"}}}, twoMembers...), alert.Policy{Quiet: shifts.Quiet}, judge.High, 0},
	} {
		w := newWard(over("high", 10, c.severity, func(r *judge.Rule) {
			r.Roles = []string{"physician"}
			r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{c.rung}}}
		}))
		w.policy, w.now = c.policy, evening
		w.team(c.members...)
		w.send(w.sheet("a", 1, 15))
		w.after(90 * time.Minute)
		if got := w.alerts[0].Rung; got != c.rung21 || got == 0 && len(w.alerts[0].Recipients) != 1 {
			t.Errorf("%s: step %d at nine in the evening, told %v", c.name, got, w.alerts[0].Recipients)
		}
		w.after(10 * time.Hour)
		if got := w.alerts[0].Rung; got != 1 {
			t.Errorf("%s: step %d in the morning", c.name, got)
		}
	}
}

func TestWhatIsGraverHidesBehindNothingLesser(t *testing.T) {
	for _, c := range []struct {
		name string
		verb alert.Verb
		want string
	}{
		{"put off", alert.Snooze, "high suppressed for same-cause, high open"},
		{"open", "", "high suppressed for same-cause, high open"},
		{"in somebody's hands", alert.Acknowledge, "high acknowledged, high open"},
		{"resolved not long ago", alert.Resolve, "high resolved, high open"},
	} {
		w := newWard(over("high", 10, judge.Moderate, func(r *judge.Rule) { r.CoolDown, r.Clears = 7*oneDay, below(1) }))
		w.send(w.sheet("a", 9, 15), w.sheet("b", 8, 5))
		if c.verb != "" {
			w.ask(t, 0, c.verb)
		}
		w.rules[0].Severity, w.rules[0].Version = judge.Critical, "2"
		w.send(w.sheet("c", 1, 15))
		if got := w.stand(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestAnAcknowledgementThatTimesOutAtNightIsToldAgainInTheMorningUnlessItIsCritical(t *testing.T) {
	for _, severity := range []judge.Severity{judge.High, judge.Critical} {
		w := newWard(over("high", 10, severity, func(r *judge.Rule) { r.Roles, r.AckTimeout = []string{"nurse"}, time.Hour }))
		w.policy, w.now = shifts, time.Date(2026, 3, 30, 19, 30, 0, 0, time.UTC)
		w.team(twoMembers...)
		w.send(w.sheet("a", 1, 15))
		w.ask(t, 0, alert.Acknowledge)
		w.after(time.Hour)
		if got := w.alerts[0].Status == alert.Open; got != (severity == judge.Critical) {
			t.Errorf("%s at night: %s, due %s", severity, w.alerts[0].Status, w.alerts[0].Due)
		}
		w.after(11 * time.Hour)
		if w.alerts[0].Status != alert.Open {
			t.Errorf("%s in the morning: %s", severity, w.alerts[0].Status)
		}
	}
}

func TestTheRolesThatHaveToAcknowledgeAreThoseThatSomebodyHas(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles, r.EachRole = []string{"nurse", "psychologist", "physician", alert.CarePartner}, true
	}))
	w.team(twoMembers...)
	w.send(w.sheet("a", 1, 15))
	if got := w.alerts[0].Missing(); !slices.Equal(got, []string{"nurse", "physician"}) || len(w.alerts[0].Recipients) != 2 {
		t.Errorf("asked of %v, told %v", got, w.alerts[0].Recipients)
	}
}

func TestTheRolesThatHaveToAcknowledgeFollowTheCareTeam(t *testing.T) {
	rule := over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles, r.EachRole, r.AckTimeout = []string{"nurse", "physician"}, true, oneDay
		r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"lead"}}}
	})
	team := func(w *ward, id string, members ...fact.Member) {
		in := &decision.Input{
			Record: recordOf("CareTeam", "t"), Subject: decision.Subject{Patient: "p"}, Changed: w.now,
			Facts: []fact.Fact{{ID: "team", Kind: fact.KindTeam, At: w.now.AddDate(0, 0, -60), Team: &fact.Team{ID: "t", Active: true, Members: members}}},
		}
		in.Record.Hash, in.Record.Received = [32]byte([]byte(fmt.Sprintf("%-32s", id))), w.now
		w.send(in)
	}
	begin := func(acked string) *ward {
		w := newWard(rule)
		w.team(twoMembers...)
		w.send(w.sheet("a", 1, 15))
		w.after(time.Minute)
		if acked != "" {
			w.as(t, 0, alert.Acknowledge, "Practitioner/n")
		}
		w.events = nil
		return w
	}
	w := begin("nurse")
	team(w, "left", twoMembers[0])
	w.stands(t, "high acknowledged")
	if a := w.alerts[0]; w.heard() != "amended[team:t]" || !a.Due.Equal(w.now.Add(oneDay)) {
		t.Errorf("due %s", a.Due)
	}
	w.after(2 * time.Hour)
	if got := w.heard(); got != "" {
		t.Errorf("after all who are there have acknowledged: %s", got)
	}
	w = begin("")
	team(w, "left", twoMembers[0])
	w.as(t, 0, alert.Acknowledge, "Practitioner/n")
	w.stands(t, "high acknowledged")
	w = begin("nurse")
	team(w, "another", twoMembers[0], fact.Member{Clinician: "Practitioner/new", Roles: []string{"physician"}})
	w.stands(t, "high open")
	w.after(time.Hour) // the step of the ladder
	w.as(t, 0, alert.Acknowledge, "Practitioner/new")
	w.stands(t, "high acknowledged")
	w = begin("nurse")
	team(w, "all gone")
	w.stands(t, "high acknowledged")
}

func TestWhoeverIsHandedAnAlertIsToldOfItFromThenOn(t *testing.T) {
	rule := over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles, r.AckTimeout = []string{"nurse"}, time.Hour
	})
	for to, want := range map[string]alert.Recipient{
		"Practitioner/m":       {Person: "Practitioner/m", Role: "physician", Team: "t", Reason: alert.ByHand},
		"Practitioner/far":     {Person: "Practitioner/far", Reason: alert.ByHand},
		"CareTeam/other":       {Person: "CareTeam/other", Team: "other", Reason: alert.ByHand},
		"PractitionerRole/far": {Person: "PractitionerRole/far", Reason: alert.ByHand},
	} {
		w := newWard(rule)
		w.policy = shifts
		w.now = time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC) // the nurse sleeps
		w.team(twoMembers...)
		w.send(w.sheet("a", 1, 15))
		w.stands(t, "high waiting for quiet-hours")
		w.do(t, 0, alert.Command{Verb: alert.Reassign, Actor: "Practitioner/n", To: to})
		w.after(9 * time.Hour)
		w.after(time.Hour)
		a := w.alerts[0]
		if a.Status != alert.Open || a.Assignee != to || !slices.Contains(a.Recipients, want) || a.Recipients[0].Person != "Practitioner/n" {
			t.Errorf("%s: %s, told %+v", to, a.Status, a.Recipients)
		}
		if slices.Contains(a.Feeds, "team:other") != (to == "CareTeam/other") {
			t.Errorf("%s: feeds %v", to, a.Feeds)
		}
	}
}

// unassigned is how it is told that nobody is assigned.
func unassigned() judge.Rule {
	return judge.Rule{
		ID: decision.NobodyAssigned, Version: "1", Title: "Nobody is assigned", Severity: judge.High, Each: true, CoolDown: 7 * oneDay,
		Roles: []string{"lead"}, Ladder: []judge.Rung{{After: 4 * time.Hour, Roles: []string{"lead"}}}, AckTimeout: oneDay,
		When: func(judge.View) (bool, error) { return false, nil },
		Describe: func(judge.View) (judge.Wording, []judge.Number, error) {
			return judge.Wording{Seen: "reached nobody"}, nil, nil
		},
		Translate: func(judge.View) (map[string]judge.Wording, error) {
			return map[string]judge.Wording{"de": {Title: "Niemand ist zuständig"}}, nil
		},
	}
}

func TestAPatientOfNobodyIsToldTheLeadOnce(t *testing.T) {
	w := newWard(each(judge.High, "nurse"), unassigned())
	w.policy = alert.Policy{Language: "de"}
	w.send(w.sheet("a", 3, 15), w.sheet("b", 2, 15))
	w.stands(t, "each open, nobody-assigned open, each open")
	if a := w.alerts[1]; a.Severity != judge.High || !slices.Equal(a.Roles, []string{"lead"}) || a.Routed != alert.ByNobody ||
		a.Seen != "reached nobody" || a.Language != "de" || len(a.Facts) != 1 || !a.Due.Equal(w.now.Add(4*time.Hour)) {
		t.Errorf("%+v", a)
	}
	if got := w.heard(); got != "opened[unassigned] opened[unassigned] opened[unassigned]" {
		t.Errorf("heard %s", got)
	}
	w.after(4 * time.Hour)
	if got := w.heard(); got != "escalated[unassigned]" {
		t.Errorf("after four hours: %s", got)
	}
	w.ask(t, 1, alert.Resolve)
	w.send(w.sheet("c", 1, 15))
	w.stands(t, "each open, nobody-assigned resolved, each open, each open")
	w.after(7 * oneDay)
	w.send(w.sheet("d", 1, 15))
	w.stands(t, "each open, nobody-assigned resolved, each open, each open, each open, nobody-assigned open")
	if w.alerts[5].Follows != w.alerts[1].ID {
		t.Errorf("it follows %q", w.alerts[5].Follows)
	}
	w.send(w.sheet("late", 20*24, 4)) // no correction takes it back
	w.team(twoMembers...)
	w.stands(t, "each open, nobody-assigned resolved, each open, each open, each open, nobody-assigned retracted")
}

func TestThatACriticalAlertReachedNobodyWaitsForNothing(t *testing.T) {
	all := alert.Policy{Quiet: []alert.Quiet{{From: 0, To: 1439}}}
	night := func(rules ...judge.Rule) *ward {
		w := newWard(append(rules, unassigned())...)
		w.policy = all
		w.send(w.sheet("a", 3, 15))
		return w
	}
	w := night(each(judge.Critical, "nurse"))
	w.stands(t, "each open, nobody-assigned open")
	if a := w.alerts[1]; a.Severity != judge.Critical {
		t.Errorf("its severity is %s", a.Severity)
	}
	w.ask(t, 1, alert.Resolve)
	w.send(w.sheet("b", 2, 15))
	w.stands(t, "each open, nobody-assigned resolved, each open, nobody-assigned open")
	safe := each(judge.High, "nurse")
	safe.Safety = true
	if w := night(safe); !w.alerts[1].Safety || w.alerts[1].Status != alert.Open {
		t.Errorf("of a safety finding: %+v", w.alerts[1])
	}
	w = newWard(each(judge.High, "nurse"), unassigned())
	w.send(w.sheet("a", 3, 15))
	w.rules[0].Severity = judge.Critical
	w.send(w.sheet("b", 2, 15))
	w.stands(t, "each open, nobody-assigned suppressed for same-cause, each open, nobody-assigned open")
}

func TestThatNobodyIsAssignedSaysNothingOfARating(t *testing.T) {
	rated := each(judge.High, "nurse")
	rated.Rated = func(judge.View) (string, error) { return "Practitioner/n", nil }
	w := newWard(rated, unassigned())
	w.send(w.sheet("a", 3, 15))
	if a := w.alerts[1]; len(a.Facts) != 0 || len(a.Sources) != 0 || strings.Contains(string(w.events[len(w.events)-1].Data), "QuestionnaireResponse") {
		t.Errorf("%+v", a)
	}
}

func TestAlertsThatReachedNobodyReachTheTeamOnceItIsKnown(t *testing.T) {
	w := newWard(each(judge.High, "nurse"))
	w.send(w.sheet("a", 3, 15), w.sheet("b", 2, 15))
	w.ask(t, 1, alert.Resolve)
	w.events = nil
	w.send(&decision.Input{
		Record: recordOf("CareTeam", "t"), Subject: decision.Subject{Patient: "p"},
		Facts: []fact.Fact{{ID: "team", Kind: fact.KindTeam, At: w.now, Team: &fact.Team{ID: "t", Active: true, Members: twoMembers}}},
	})
	if got := w.heard(); got != "amended[team:t unassigned]" {
		t.Errorf("heard %s", got)
	}
	a := w.alerts[0]
	if a.Routed != alert.ByRole || len(a.Recipients) != 1 || a.Recipients[0].Person != "Practitioner/n" || a.History[1].Reason != "care-team-known" {
		t.Errorf("%s to %v, %+v", a.Routed, a.Recipients, a.History)
	}
	w.send(&decision.Input{
		Record: recordOf("CareTeam", "u"), Subject: decision.Subject{Patient: "p"},
		Facts: []fact.Fact{{ID: "more", Kind: fact.KindTeam, At: w.now, Team: &fact.Team{ID: "u", Active: true, Members: twoMembers}}},
	})
	if got := w.heard(); got != "" {
		t.Errorf("a second team: %s", got)
	}
}

func TestAnAlertIsWithheldFromFeedsWhereAClinicianWasRated(t *testing.T) {
	w := newWard(over("high", 10, judge.High, func(r *judge.Rule) {
		r.Roles = []string{"nurse", "physician"}
		r.Rated = func(judge.View) (string, error) { return "Practitioner/n", nil }
		r.Describe = func(judge.View) (judge.Wording, []judge.Number, error) {
			return judge.Wording{Seen: "rated 3 of 7", Withheld: "a word is worth while"}, []judge.Number{{Name: "bond", Value: 3}}, nil
		}
		r.Translate = func(judge.View) (map[string]judge.Wording, error) {
			return map[string]judge.Wording{"de": {Title: "Hoch", Seen: "3 von 7", Withheld: "ein Wort lohnt"}}, nil
		}
	}))
	w.policy = alert.Policy{Language: "de-AT"}
	w.team(twoMembers...)
	w.send(w.sheet("a", 1, 15))
	a, told := w.alerts[0], string(w.events[len(w.events)-1].Data)
	if a.Seen != "rated 3 of 7" || len(a.Numbers) != 1 || len(a.Recipients) != 1 || a.Recipients[0].Person != "Practitioner/m" {
		t.Errorf("stored: %+v", a)
	}
	if strings.Contains(told, "bond") || strings.Contains(told, "3 von 7") || !strings.Contains(told, "ein Wort lohnt") || !strings.Contains(told, "Hoch") {
		t.Errorf("the feed says %s", told)
	}
}

func TestHoldingAndClearingFollowFromTheFactsHoweverTheyCame(t *testing.T) {
	rule := over("high", 10, judge.High, func(r *judge.Rule) { r.HoldFor, r.Clears = oneDay, below(4) })
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 10).Draw(t, "sheets")
		totals := make([]float64, count)
		for i := range totals {
			totals[i] = float64(rapid.IntRange(3, 15).Draw(t, "total"))
		}
		bits := rapid.SliceOfN(rapid.Bool(), count, count).Draw(t, "commit")
		sheets := func(w *ward) (all []*decision.Input) {
			for i, total := range totals {
				all = append(all, w.sheet(string(rune('a'+i)), 30*(count-i), total))
			}
			return all
		}
		together, apart := newWard(rule), newWard(rule)
		together.send(sheets(together)...)
		var group []*decision.Input
		for i, in := range sheets(apart) {
			if group = append(group, in); bits[i] {
				apart.send(group...)
				group = nil
			}
		}
		apart.send(group...)
		late := newWard(rule)
		for _, in := range slices.Backward(sheets(late)) {
			late.send(in)
		}
		told := func(w *ward) string {
			w.after(2 * oneDay)
			var open []string
			for _, a := range w.alerts {
				if a.Status == alert.Open {
					open = append(open, a.Facts[0])
				}
			}
			slices.Sort(open)
			return strings.Join(open, " ")
		}
		a, b, c := told(together), told(apart), told(late)
		if want := expected(totals); a != want || b != want || c != want {
			t.Fatalf("%v: told together of %q, apart of %q, backwards of %q, want %q", totals, a, b, c, want)
		}
	})
}

// expected is what is open of sheets thirty hours apart, worked out from the totals alone: a finding is told when its total
// and those after it up to the last one are high. Nobody resolves any, so that nothing has to clear.
func expected(totals []float64) string {
	begun := -1
	for i, total := range totals {
		if total >= 10 && (i == 0 || totals[i-1] < 10) {
			begun = i
		}
		if total < 10 {
			begun = -1
		}
	}
	if begun < 0 {
		return ""
	}
	return "f" + string(rune('a'+begun))
}
