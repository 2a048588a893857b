package alert_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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
	alert.Open: {
		alert.Acknowledge: alert.Acknowledged, alert.Resolve: alert.Resolved, alert.Retract: alert.Retracted, alert.Amend: alert.Open,
	},
	alert.Acknowledged: {alert.Resolve: alert.Resolved, alert.Retract: alert.Retracted, alert.Amend: alert.Acknowledged},
	alert.Resolved:     {alert.Retract: alert.Retracted},
	alert.Suppressed:   {alert.Retract: alert.Retracted},
}

func TestNoCommandLeadsOutsideTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		because := rapid.SampledFrom([]string{"", "cool-down"}).Draw(t, "because")
		a := opened(because)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			c := alert.Command{
				Alert: "a", Actor: "Practitioner/1", Reason: "contacted", At: at,
				Verb:    rapid.SampledFrom([]alert.Verb{alert.Acknowledge, alert.Resolve, alert.Retract, alert.Amend}).Draw(t, "verb"),
				Version: a.Version + int64(rapid.IntRange(-1, 1).Draw(t, "off")),
			}
			next, event, err := alert.Lifecycle(a, c)
			to, allowed := legal[a.Status][c.Verb]
			switch {
			case c.Version != a.Version:
				if fault.Of(err) != fault.Conflict {
					t.Fatalf("a command on another version: %v", err)
				}
			case !allowed:
				if fault.Of(err) != fault.Precondition || event != nil || next.Version != a.Version {
					t.Fatalf("%s while %s: %v", c.Verb, a.Status, err)
				}
			default:
				if err != nil || next.Status != to || next.Version != a.Version+1 || event == nil || int64(len(next.History)) != next.Version {
					t.Fatalf("%s while %s: %v, %s at %d", c.Verb, a.Status, err, next.Status, next.Version)
				}
				a = next
			}
		}
	})
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
