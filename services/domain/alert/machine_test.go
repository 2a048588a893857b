package alert_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// pages are the events that tell people of an alert which nobody has.
var pages = []feed.Type{feed.Opened, feed.Escalated, feed.Woken, feed.Paged}

// life is one alert in the hands of people and of the clock, who take turns at random, with what must be true of it kept
// beside it in another way.
type life struct {
	a   alert.Alert
	now time.Time
	// quiet is until when nobody may be paged: somebody has it. Zero while nobody has; forever when it has no timeout.
	taken bool
	until time.Time
	// told is when the ladder began, and rungs how many of its steps were told.
	told  time.Time
	rungs int
}

const (
	rungMinutes = 10
	rungCount   = 3
	timeout     = 25 * time.Minute
)

func newLife(t *rapid.T) *life {
	a := alert.Alert{ID: "a", Finding: "a", Severity: judge.High, Patient: "p", Roles: []string{"nurse"}, Feeds: []feed.Name{"unassigned"}}
	for n := range rungCount {
		a.Ladder = append(a.Ladder, judge.Rung{After: time.Duration(n+1) * rungMinutes * time.Minute, Roles: []string{"lead", "physician", "chief"}[n : n+1]})
	}
	if rapid.Bool().Draw(t, "times out") {
		a.AckTimeout = timeout
	}
	l := &life{now: at}
	switch rapid.SampledFrom([]string{"open", "waits", "hidden"}).Draw(t, "begins") {
	case "open":
		l.a, _ = alert.Begin(a, at, "")
		l.told = at
	case "waits":
		l.a, _ = alert.BeginWaiting(a, at, alert.Hold, at.Add(15*time.Minute))
	default:
		l.a, _ = alert.Begin(a, at, "cool-down")
	}
	return l
}

// due is what the service would do now.
func (l *life) due() (alert.Verb, bool) {
	if l.a.Due.IsZero() || l.a.Due.After(l.now) {
		return "", false
	}
	verb, ok := map[alert.Status]alert.Verb{
		alert.Waiting: alert.Release, alert.Open: alert.Escalate, alert.Snoozed: alert.Wake, alert.Acknowledged: alert.PageAgain,
	}[l.a.Status]
	if l.a.Status == alert.Open && l.a.Rung == len(l.a.Ladder) {
		verb = alert.PageAgain
	}
	return verb, ok
}

func (l *life) try(t *rapid.T, c alert.Command) {
	before := l.a
	c.Alert, c.At = "a", l.now
	next, event, err := alert.Lifecycle(before, c)
	to, allowed := legal[before.Status][c.Verb]
	if err != nil {
		if next.Version != before.Version || next.Status != before.Status || event != nil {
			t.Fatalf("a refused %s changed %s at %d to %s at %d", c.Verb, before.Status, before.Version, next.Status, next.Version)
		}
		if kind := fault.Of(err); kind != fault.Conflict && kind != fault.Precondition {
			t.Fatalf("%s while %s: %v", c.Verb, before.Status, err)
		}
		return
	}
	if !allowed || next.Status != to {
		t.Fatalf("%s leads from %s to %s", c.Verb, before.Status, next.Status)
	}
	if int64(len(next.History)) != next.Version || next.Version <= before.Version || next.History[len(next.History)-1].Status != to {
		t.Fatalf("%s leaves %d steps at version %d", c.Verb, len(next.History), next.Version)
	}
	if over := to == alert.Resolved || to == alert.Retracted || to == alert.Suppressed; over && !next.Due.IsZero() {
		t.Fatalf("%s at %s: %s will be woken", c.Verb, to, next.Due)
	}
	l.page(t, before, next, c, event)
	l.a = next
}

// page holds each event to what may be told when.
func (l *life) page(t *rapid.T, before, next alert.Alert, c alert.Command, event *feed.Draft) {
	if slices.Contains(pages, event.Type) {
		if l.taken && l.now.Before(l.until) {
			t.Fatalf("%s at %s, and somebody has it until %s", event.Type, l.now, l.until)
		}
		l.taken = false
	}
	switch c.Verb {
	case alert.Acknowledge:
		l.taken, l.until = true, l.now.AddDate(9, 0, 0)
		if next.AckTimeout > 0 {
			l.until = l.now.Add(timeout)
		}
	case alert.Snooze:
		l.taken, l.until = true, c.Until
	case alert.Reassign:
		if before.Status != alert.Snoozed {
			l.taken = false
		}
		if next.Status == alert.Open {
			l.told, l.rungs = l.now, 0
		}
	case alert.Absorb: // it gave way to another, and nobody has it any more
		l.taken = false
	case alert.PageAgain:
		if before.Status == alert.Open {
			if l.rungs < rungCount || next.AckTimeout == 0 || !next.Due.Equal(l.now.Add(timeout)) || next.Rung != rungCount {
				t.Fatalf("told again at step %d, and then at %s", next.Rung, next.Due)
			}
			break
		}
		l.told, l.rungs = l.now, 0
	case alert.Release, alert.Wake:
		l.told, l.rungs = l.now, 0
	case alert.Escalate:
		passed := int(l.now.Sub(l.told) / (rungMinutes * time.Minute))
		if next.Rung != min(passed, rungCount) || next.Rung <= l.rungs || next.Version-before.Version != int64(next.Rung-l.rungs) {
			t.Fatalf("%s after it was told it stands at step %d, after %d", l.now.Sub(l.told), next.Rung, l.rungs)
		}
		l.rungs = next.Rung
	}
}

func TestWhateverPeopleAndTheClockDoNobodyIsPagedAboutWhatSomebodyHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		seen := []int64{l.a.Version}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			l.now = l.now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "minutes")) * time.Minute)
			if rapid.Bool().Draw(t, "clock") {
				if verb, due := l.due(); due {
					l.try(t, alert.Command{Verb: verb, Version: l.a.Version, Actor: alert.Service})
				}
			} else {
				c := asked(rapid.SampledFrom(verbs).Draw(t, "verb"))
				c.Until = l.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "until")) * time.Minute)
				// People act on what they have seen, which may have changed since.
				c.Version = seen[rapid.IntRange(max(0, len(seen)-4), len(seen)-1).Draw(t, "seen")]
				l.try(t, c)
			}
			seen = append(seen, l.a.Version)
		}
	})
}

func TestAStepThatComesTooEarlyIsRefused(t *testing.T) {
	for _, c := range []struct {
		status alert.Status
		verb   alert.Verb
	}{{alert.Waiting, alert.Release}, {alert.Open, alert.Escalate}, {alert.Snoozed, alert.Wake}, {alert.Acknowledged, alert.PageAgain}} {
		early := asked(c.verb)
		early.At = at.Add(-time.Microsecond)
		if _, _, err := alert.Lifecycle(in(c.status), early); fault.Of(err) != fault.Precondition {
			t.Errorf("%s a microsecond early: %v", c.verb, err)
		}
		if _, _, err := alert.Lifecycle(in(c.status), asked(c.verb)); err != nil {
			t.Errorf("%s in time: %v", c.verb, err)
		}
	}
}

// take runs commands, each at the version that the one before left, and fails when one is refused.
func take(t *testing.T, a alert.Alert, commands ...alert.Command) alert.Alert {
	t.Helper()
	for _, c := range commands {
		c.Version = a.Version
		next, event, err := alert.Lifecycle(a, c)
		if err != nil || event == nil {
			t.Fatalf("%s: %v", c.Verb, err)
		}
		a = next
	}
	return a
}

func TestAnAcknowledgementLosesAgainstPeopleAndNeverAgainstTheClock(t *testing.T) {
	for verb, harmless := range map[alert.Verb]bool{
		alert.Escalate: true, alert.Comment: true, alert.Feedback: true, alert.Amend: false, alert.Reassign: false,
	} {
		after := take(t, in(alert.Open), asked(verb))
		for _, wish := range []alert.Verb{alert.Acknowledge, alert.Resolve, alert.Snooze} {
			c := asked(wish) // as it was decided upon version 1
			_, _, err := alert.Lifecycle(after, c)
			if harmless != (err == nil) || !harmless && fault.Of(err) != fault.Conflict {
				t.Errorf("%s, decided before %s: %v", wish, verb, err)
			}
		}
	}
	taken := take(t, in(alert.Open), asked(alert.Acknowledge))
	if _, _, err := alert.Lifecycle(taken, asked(alert.Resolve)); fault.Of(err) != fault.Conflict {
		t.Errorf("resolved by one who did not see that another has it: %v", err)
	}
	for _, version := range []int64{0, 3, -1} {
		c := asked(alert.Acknowledge)
		c.Version = version
		if _, _, err := alert.Lifecycle(in(alert.Open), c); fault.Of(err) != fault.Conflict {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if taken.Assignee != "Practitioner/1" || len(taken.AckedBy) != 1 {
		t.Errorf("taken by %q: %v", taken.Assignee, taken.AckedBy)
	}
}

func TestWhereEachRoleHasToAcknowledgeTheLadderGoesOnForThoseMissing(t *testing.T) {
	a := in(alert.Open)
	a.Roles, a.EachRole = []string{"nurse", "physician"}, []string{"nurse", "physician"}
	a.Recipients = []alert.Recipient{{Person: "Practitioner/9", Role: "physician"}}
	nurse := alert.Command{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", Role: "nurse", At: at}
	half := take(t, a, nurse)
	if half.Status != alert.Open || !slices.Equal(half.Missing(), []string{"physician"}) || !half.Due.Equal(a.Due) {
		t.Fatalf("%s, missing %v, due %s", half.Status, half.Missing(), half.Due)
	}
	up := take(t, half, asked(alert.Escalate))
	if up.Rung != 1 || !slices.Equal(up.Roles, []string{"nurse", "physician", "lead"}) {
		t.Errorf("rung %d, roles %v", up.Rung, up.Roles)
	}
	for _, wrong := range []string{"nurse", "lead", ""} {
		c := asked(alert.Acknowledge)
		c.Version, c.Role = up.Version, wrong
		if _, _, err := alert.Lifecycle(up, c); fault.Of(err) != fault.Precondition {
			t.Errorf("acknowledged as %q: %v", wrong, err)
		}
	}
	other := alert.Command{Verb: alert.Acknowledge, Actor: "Practitioner/8", At: at}
	beside := take(t, up, other)
	if beside.Status != alert.Open || !slices.Equal(beside.Missing(), []string{"physician"}) || beside.Assignee != "Practitioner/8" {
		t.Errorf("somebody of no role took it: %s, missing %v", beside.Status, beside.Missing())
	}
	for _, second := range []alert.Command{other, {Verb: alert.Acknowledge, Actor: "Practitioner/1", Role: "physician", At: at}} {
		second.Version = beside.Version
		if _, _, err := alert.Lifecycle(beside, second); fault.Of(err) != fault.Precondition {
			t.Errorf("%s again, as %q: %v", second.Actor, second.Role, err)
		}
	}
	// The physician saw it before the nurse took it, and is known by the role in which she is told.
	both, _, err := alert.Lifecycle(up, alert.Command{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/9", At: at})
	if err != nil || both.Status != alert.Acknowledged || !both.Due.IsZero() || both.History[len(both.History)-1].Role != "physician" {
		t.Errorf("%v: %s, due %s", err, both.Status, both.Due)
	}
}

func TestAnAlertThatNobodyTakesIsToldAgainAndAgainAndItsHistoryStaysSmall(t *testing.T) {
	a := in(alert.Open)
	a.Ladder, a.AckTimeout = nil, time.Hour
	for n := range 300 {
		page := asked(alert.PageAgain)
		page.At = at.Add(time.Duration(n) * time.Hour)
		a = take(t, a, page)
		if !a.Due.Equal(page.At.Add(time.Hour)) || a.Version != int64(n+2) {
			t.Fatalf("told %d times: due %s, version %d", n, a.Due, a.Version)
		}
	}
	if last := a.History[len(a.History)-1]; len(a.History) != 101 || last.Version != a.Version {
		t.Errorf("%d steps, the last %+v", len(a.History), last)
	}
	taken := asked(alert.Acknowledge) // as it was seen at first
	if next, _, err := alert.Lifecycle(a, taken); err != nil || next.Status != alert.Acknowledged {
		t.Errorf("%s, %v", next.Status, err)
	}
	handed := in(alert.Acknowledged)
	handed.Ladder, handed.AckTimeout = nil, time.Hour
	if next := take(t, handed, asked(alert.Reassign)); !next.Due.Equal(at.Add(time.Hour)) {
		t.Errorf("handed over it is due %s", next.Due)
	}
}

func TestWhoTookAnAlertWhileItWaitedIsNotAskedAgainWhenItOpens(t *testing.T) {
	a := in(alert.Waiting)
	a.Roles, a.EachRole = []string{"nurse", "physician"}, []string{"nurse", "physician"}
	nurse := asked(alert.Acknowledge)
	nurse.Role = "nurse"
	half := take(t, a, nurse)
	if half.Status != alert.Waiting || !half.Due.Equal(a.Due) {
		t.Fatalf("%s, due %s", half.Status, half.Due)
	}
	if told := take(t, half, asked(alert.Release)); told.Status != alert.Open || !slices.Equal(told.Missing(), []string{"physician"}) {
		t.Errorf("%s, missing %v", told.Status, told.Missing())
	}
}

func TestWhoeverIsHandedAnAlertIsPagedAnew(t *testing.T) {
	a := take(t, in(alert.Open), asked(alert.Escalate), asked(alert.Acknowledge))
	over := asked(alert.Reassign)
	over.At = at.Add(5 * time.Minute)
	handed := take(t, a, over)
	if handed.Status != alert.Open || handed.Assignee != "Practitioner/2" || handed.Rung != 0 || len(handed.AckedBy) != 0 || !handed.Due.Equal(over.At.Add(time.Hour)) {
		t.Errorf("%s, by %s, rung %d, due %s", handed.Status, handed.Assignee, handed.Rung, handed.Due)
	}
	if asleep := take(t, in(alert.Snoozed), over); asleep.Status != alert.Snoozed || !asleep.Due.Equal(at) {
		t.Errorf("handed over asleep: %s, due %s", asleep.Status, asleep.Due)
	}
}

func TestAnAlertIsHandedToWhoCanTakeIt(t *testing.T) {
	for to, ok := range map[string]bool{
		"Practitioner/2": true, "PractitionerRole/2": true, "CareTeam/2": true,
		"Patient/2": false, "RelatedPerson/2": false, "Organization/2": false, "Practitioner/": false, "": false,
	} {
		c := asked(alert.Reassign)
		c.To = to
		if _, _, err := alert.Lifecycle(in(alert.Open), c); ok != (err == nil) || !ok && (fault.Of(err) != fault.Invalid || fault.IssuesOf(err)[0].Path != "to") {
			t.Errorf("to %q: %v", to, err)
		}
	}
}

func TestWhatIsUrgentIsPutOffForADayAtMost(t *testing.T) {
	for _, c := range []struct {
		change func(*alert.Alert)
		hours  int
		ok     bool
	}{
		{func(*alert.Alert) {}, 30 * 24, true},
		{func(*alert.Alert) {}, 30*24 + 1, false},
		{func(a *alert.Alert) { a.Severity = judge.Critical }, 24, true},
		{func(a *alert.Alert) { a.Severity = judge.Critical }, 25, false},
		{func(a *alert.Alert) { a.Safety = true }, 25, false},
	} {
		a := in(alert.Open)
		c.change(&a)
		snooze := asked(alert.Snooze)
		snooze.Until = at.Add(time.Duration(c.hours) * time.Hour)
		next, _, err := alert.Lifecycle(a, snooze)
		if c.ok != (err == nil) || !c.ok && fault.Of(err) != fault.Invalid || c.ok && !next.Due.Equal(snooze.Until) {
			t.Errorf("severity %s, safety %t, for %d h: %v", a.Severity, a.Safety, c.hours, err)
		}
	}
}

func TestStepsOfTheLadderThatPassedMeanwhileAreToldOnce(t *testing.T) {
	a := in(alert.Open)
	a.Ladder = []judge.Rung{
		{After: time.Minute, Roles: []string{"lead"}},
		{After: 2 * time.Minute, Roles: []string{"lead", "physician"}},
		{After: 2 * time.Minute, Roles: []string{"nurse"}},
		{After: 3 * time.Hour, Roles: []string{"chief"}},
	}
	next, event, err := alert.Lifecycle(a, asked(alert.Escalate))
	if err != nil || event.Type != feed.Escalated {
		t.Fatal(err)
	}
	var rungs []int
	for _, s := range next.History[1:] {
		rungs = append(rungs, s.Rung)
	}
	if !slices.Equal(rungs, []int{1, 2, 3}) || !slices.Equal(next.Roles, []string{"lead", "physician", "nurse"}) || !next.Due.Equal(a.Since.Add(3*time.Hour)) {
		t.Errorf("steps %v, roles %v, due %s", rungs, next.Roles, next.Due)
	}
}

func TestTheTextOfACommentStandsInNoFeed(t *testing.T) {
	_, event, err := alert.Lifecycle(in(alert.Open), asked(alert.Comment))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(event.Data); !strings.Contains(text, `"verb":"comment"`) || strings.Contains(text, "left a message") {
		t.Errorf("the feed says %s", text)
	}
}
