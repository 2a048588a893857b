package alert_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
)

func TestEachStepOfAnAlertIsAStatusOfItsIssueAndItsTask(t *testing.T) {
	waiting, _ := alert.BeginWaiting(alert.Alert{ID: "w"}, at, alert.Hold, at.Add(time.Hour))
	steps := func(a alert.Alert, commands ...alert.Command) alert.Alert {
		for _, c := range commands {
			c.Version, c.At = a.Version, at
			if c.Actor == "" {
				c.Actor = "Practitioner/1"
			}
			next, _, err := alert.Lifecycle(a, c)
			if err != nil {
				t.Fatal(err)
			}
			a = next
		}
		return a
	}
	retract := func(reason string) alert.Command {
		return alert.Command{Verb: alert.Retract, Actor: alert.Service, Reason: reason}
	}
	for name, test := range map[string]struct {
		a           alert.Alert
		raised      bool
		issue, task string
		owner       string
	}{
		"open":         {opened(""), true, "final", "requested", ""},
		"acknowledged": {steps(opened(""), alert.Command{Verb: alert.Acknowledge}), true, "final", "accepted", "Practitioner/1"},
		"snoozed":      {steps(opened(""), alert.Command{Verb: alert.Snooze, Until: at.Add(time.Hour)}), true, "final", "on-hold", ""},
		"resolved":     {steps(opened(""), alert.Command{Verb: alert.Acknowledge}, alert.Command{Verb: alert.Resolve, Reason: "contacted"}), true, "final", "completed", "Practitioner/1"},
		"amended":      {steps(opened(""), alert.Command{Verb: alert.Amend, Actor: alert.Service}), true, "amended", "requested", ""},
		"retracted":    {steps(opened(""), retract("facts-corrected")), true, "cancelled", "cancelled", ""},
		"in error":     {steps(opened(""), retract("entered-in-error")), true, "entered-in-error", "cancelled", ""},
		"suppressed":   {opened("cool-down"), false, "final", "cancelled", ""},
		"waiting":      {waiting, false, "final", "requested", ""},
		"never raised": {steps(opened("cool-down"), retract("facts-corrected")), false, "cancelled", "cancelled", ""},
		"never opened": {steps(waiting, retract("facts-corrected")), false, "cancelled", "cancelled", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.a.Raised(); got != test.raised {
				t.Errorf("raised is %t", got)
			}
			if issue, task := test.a.IssueStatus(), test.a.TaskStatus(); issue != test.issue || task != test.task {
				t.Errorf("issue %s, task %s; want %s, %s", issue, task, test.issue, test.task)
			}
			if owner := test.a.TaskOwner(); owner != test.owner {
				t.Errorf("owner %q, want %q", owner, test.owner)
			}
		})
	}
}

func TestTheMinimumOfARatedAlertHoldsNeitherNumbersNorWhatWasSeen(t *testing.T) {
	a := alert.Alert{
		Seen: "bond 3.1", Withheld: "a rating fell", Rated: "Practitioner/1", Numbers: []judge.Number{{Name: "bond", Value: 3.1}},
		Translations: map[string]judge.Wording{"de": {Seen: "Bindung 3,1", Withheld: "eine Bewertung fiel"}}, Language: "de",
		History: []alert.Step{{Verb: alert.Comment, Text: "called her"}},
	}
	m := a.Minimum()
	if m.Seen != "eine Bewertung fiel" || m.Numbers != nil || m.Translations != nil || m.Rated != "" || m.History[0].Text != "" {
		t.Errorf("the minimum is %+v", m)
	}
	if a.History[0].Text == "" || a.Numbers == nil {
		t.Error("the alert itself was changed")
	}
}
