package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

var at = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func opened(because string) alert.Alert {
	a, _ := alert.Begin(alert.Alert{ID: "a", Finding: "a", Severity: judge.High, Patient: "p", Feeds: []feed.Name{"unassigned"}}, at, because)
	return a
}

// legal is the table of the design, written down a second time: from, verb, to.
var legal = map[alert.Status]map[alert.Verb]alert.Status{
	alert.Waiting: {
		alert.Acknowledge: alert.Acknowledged, alert.Resolve: alert.Resolved, alert.Reassign: alert.Waiting, alert.Comment: alert.Waiting,
		alert.Feedback: alert.Waiting, alert.Release: alert.Open, alert.Lapse: alert.Suppressed, alert.Absorb: alert.Suppressed,
		alert.Retract: alert.Retracted, alert.Amend: alert.Waiting,
	},
	alert.Open: {
		alert.Acknowledge: alert.Acknowledged, alert.Snooze: alert.Snoozed, alert.Resolve: alert.Resolved, alert.Reassign: alert.Open,
		alert.Comment: alert.Open, alert.Feedback: alert.Open, alert.Escalate: alert.Open, alert.Absorb: alert.Suppressed,
		alert.Retract: alert.Retracted, alert.Amend: alert.Open, alert.PageAgain: alert.Open,
	},
	alert.Acknowledged: {
		alert.Snooze: alert.Snoozed, alert.Resolve: alert.Resolved, alert.Reassign: alert.Open, alert.Comment: alert.Acknowledged,
		alert.Feedback: alert.Acknowledged, alert.PageAgain: alert.Open, alert.Absorb: alert.Suppressed,
		alert.Retract: alert.Retracted, alert.Amend: alert.Acknowledged,
	},
	alert.Snoozed: {
		alert.Acknowledge: alert.Acknowledged, alert.Snooze: alert.Snoozed, alert.Resolve: alert.Resolved, alert.Reassign: alert.Snoozed,
		alert.Comment: alert.Snoozed, alert.Feedback: alert.Snoozed, alert.Wake: alert.Open, alert.Absorb: alert.Suppressed,
		alert.Retract: alert.Retracted, alert.Amend: alert.Snoozed,
	},
	alert.Resolved: {
		alert.Comment: alert.Resolved, alert.Feedback: alert.Resolved, alert.Retract: alert.Retracted, alert.Amend: alert.Resolved,
	},
	alert.Suppressed: {
		alert.Comment: alert.Suppressed, alert.Feedback: alert.Suppressed, alert.Release: alert.Open, alert.Withhold: alert.Waiting,
		alert.Absorb: alert.Suppressed, alert.Retract: alert.Retracted,
	},
	alert.Retracted: {alert.Comment: alert.Retracted, alert.Feedback: alert.Retracted},
}

var verbs = []alert.Verb{
	alert.Acknowledge, alert.Snooze, alert.Resolve, alert.Reassign, alert.Comment, alert.Feedback, alert.Release, alert.Withhold, alert.Lapse,
	alert.Escalate, alert.Wake, alert.PageAgain, alert.Absorb, alert.Retract, alert.Amend,
}

// in is an alert at a status at which each verb that the status allows is also due.
func in(s alert.Status) alert.Alert {
	a := alert.Alert{
		ID: "a", Status: s, Version: 1, Severity: judge.High, Patient: "p", Since: at.Add(-time.Hour), Due: at,
		Ladder: []judge.Rung{{After: time.Hour, Roles: []string{"lead"}}}, History: []alert.Step{{Version: 1, Status: s, Time: at, Actor: alert.Service}},
	}
	return a
}

// asked is a complete command.
func asked(v alert.Verb) alert.Command {
	c := alert.Command{
		Alert: "a", Verb: v, Version: 1, Actor: "Practitioner/1", Reason: "contacted", To: "Practitioner/2", Until: at.Add(time.Hour),
		Note: "left a message", Feedback: alert.Useful, At: at,
	}
	if v.ByService() {
		c.Actor = alert.Service
	}
	return c
}

func TestEveryVerbDoesAtEveryStatusWhatTheTableSays(t *testing.T) {
	for _, s := range alert.Statuses {
		for _, v := range verbs {
			a := in(s)
			if v == alert.PageAgain {
				a.Ladder = nil // all of it was told
			}
			next, event, err := alert.Lifecycle(a, asked(v))
			to, allowed := legal[s][v]
			switch {
			case !allowed:
				if fault.Of(err) != fault.Precondition || event != nil || next.Version != 1 || next.Status != s {
					t.Errorf("%s while %s: %v, %s", v, s, err, next.Status)
				}
			case err != nil || next.Status != to || next.Version != 2 || event == nil || len(next.History) != 2 || next.History[1].Verb != v:
				t.Errorf("%s while %s: %v, %s at %d", v, s, err, next.Status, next.Version)
			}
		}
	}
}

func TestAStepLeavesTheAlertBeforeItAsItWas(t *testing.T) {
	a := opened("")
	next, _, err := alert.Lifecycle(a, alert.Command{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", At: at})
	if err != nil || len(a.History) != 1 || a.Status != alert.Open || len(next.History) != 2 {
		t.Errorf("%v: before %+v, after %+v", err, a, next)
	}
}

func TestTheSameKeyIsAnsweredAndNotRepeated(t *testing.T) {
	c := alert.Command{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", Key: "k", At: at}
	once, _, err := alert.Lifecycle(opened(""), c)
	if err != nil {
		t.Fatal(err)
	}
	twice, event, err := alert.Lifecycle(once, c)
	if err != nil || event != nil || twice.Version != once.Version {
		t.Errorf("again: %v, %v, version %d", err, event, twice.Version)
	}
	resolve := alert.Command{Verb: alert.Resolve, Version: 2, Actor: c.Actor, Reason: "contacted", Key: "k", At: at}
	if _, _, err := alert.Lifecycle(once, resolve); fault.Of(err) != fault.Conflict {
		t.Errorf("another command under the same key was taken for done: %v", err)
	}
	c.Actor = "Practitioner/2"
	if _, _, err := alert.Lifecycle(once, c); fault.Of(err) != fault.Conflict {
		t.Errorf("another's command with the same key: %v", err)
	}
}

func TestACommandSaysWhoAndAResolutionSaysWhy(t *testing.T) {
	for _, c := range []alert.Command{
		{Verb: alert.Acknowledge, Version: 1},
		{Verb: alert.Resolve, Version: 1, Actor: "Practitioner/1"},
		{Verb: alert.Acknowledge, Version: 1, Actor: "the nurse on duty"},
		{Verb: alert.Acknowledge, Version: 1, Actor: alert.Service},
		{Verb: alert.Resolve, Version: 1, Actor: "Practitioner/1", Reason: "I called her"},
		{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", Key: strings.Repeat("k", 129)},
	} {
		if _, _, err := alert.Lifecycle(opened(""), c); fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) != 1 {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestASuppressedFindingIsToldToNoTeam(t *testing.T) {
	a, event := alert.Begin(alert.Alert{ID: "a", Feeds: []feed.Name{"team:x"}}, at, "cool-down")
	if a.Status != alert.Suppressed || a.SuppressedBecause != "cool-down" || len(event.Feeds) != 0 || event.Type != feed.Suppressed {
		t.Errorf("%+v %+v", a, event)
	}
}

func TestEveryStepHasAnEventOfItsOwn(t *testing.T) {
	a, first := alert.Begin(alert.Alert{ID: "a"}, at, "")
	_, second, err := alert.Lifecycle(a, alert.Command{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", At: at})
	if err != nil || first.ID == second.ID {
		t.Errorf("%v: %s and %s", err, first.ID, second.ID)
	}
}
