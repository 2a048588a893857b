package alert

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// transitions is the whole life: what each verb makes of each status. What is not here is refused. Acknowledging leaves the
// status as it is while the acknowledgement of a role is still missing.
var transitions = map[Verb]map[Status]Status{
	Acknowledge: {Open: Acknowledged, Snoozed: Acknowledged, Waiting: Acknowledged},
	Snooze:      {Open: Snoozed, Acknowledged: Snoozed, Snoozed: Snoozed},
	Resolve:     {Open: Resolved, Acknowledged: Resolved, Snoozed: Resolved, Waiting: Resolved},
	Reassign:    {Open: Open, Acknowledged: Open, Snoozed: Snoozed, Waiting: Waiting},
	Comment:     everywhere(Statuses[:]...),
	Feedback:    everywhere(Statuses[:]...),
	Release:     {Waiting: Open, Suppressed: Open},
	Withhold:    {Suppressed: Waiting},
	Lapse:       {Waiting: Suppressed},
	Escalate:    {Open: Open},
	Wake:        {Snoozed: Open},
	PageAgain:   {Acknowledged: Open, Open: Open},
	Absorb:      {Open: Suppressed, Acknowledged: Suppressed, Snoozed: Suppressed, Waiting: Suppressed, Suppressed: Suppressed},
	Retract: {
		Waiting: Retracted, Open: Retracted, Acknowledged: Retracted, Snoozed: Retracted, Suppressed: Retracted, Resolved: Retracted,
	},
	Amend: everywhere(Waiting, Open, Acknowledged, Snoozed, Resolved),
}

func everywhere(statuses ...Status) map[Status]Status {
	same := make(map[Status]Status, len(statuses))
	for _, s := range statuses {
		same[s] = s
	}
	return same
}

var eventTypes = map[Verb]feed.Type{
	Acknowledge: feed.Acknowledged,
	Snooze:      feed.Snoozed,
	Resolve:     feed.Resolved,
	Reassign:    feed.Reassigned,
	Comment:     feed.Commented,
	Feedback:    feed.Rated,
	Release:     feed.Opened,
	Withhold:    feed.Waiting,
	Lapse:       feed.Suppressed,
	Escalate:    feed.Escalated,
	Wake:        feed.Woken,
	PageAgain:   feed.Paged,
	Absorb:      feed.Suppressed,
	Retract:     feed.Retracted,
	Amend:       feed.Amended,
}

// Lifecycle takes one step: the alert as it becomes, and its event (nil when the command was answered before).
// Errors: Invalid for an incomplete command, Conflict when the version differs or the key was used for another command,
// Precondition when the status, or the hour, forbids it.
func Lifecycle(a Alert, c Command) (Alert, *feed.Draft, error) {
	if err := c.check(); err != nil {
		return a, nil, err
	}
	if step, used := a.keyed(c); used {
		if !step.answers(c) {
			return a, nil, fault.Newf(fault.Conflict, "duplicate", "the key was used for another command on this alert: use a new one")
		}
		return a, nil, nil
	}
	if !a.seen(c) {
		return a, nil, fault.Newf(fault.Conflict, "conflict",
			"the alert is at version %d, not %d: read it again and decide again", a.Version, c.Version)
	}
	to, ok := transitions[c.Verb][a.Status]
	if !ok {
		return a, nil, fault.Newf(fault.Precondition, "business-rule", "%s is not for an alert that is %s", c.Verb, a.Status)
	}
	asked := c.digest()
	if c.Role == "" {
		c.Role = a.roleOf(c.Actor)
	}
	next := a
	next.History = slices.Clone(a.History)
	to, err := next.change(to, c)
	if err != nil {
		return a, nil, err
	}
	next.record(to, c)
	if c.Key != "" {
		next.History[len(next.History)-1].Asked = asked
	}
	event := next.Event(eventTypes[c.Verb], c.At)
	return next, &event, nil
}

// roleOf is the role in which somebody was told of it; empty when they were not.
func (a Alert) roleOf(actor string) string {
	for _, r := range a.Recipients {
		if r.Person == actor {
			return r.Role
		}
	}
	return ""
}

// Tells says whether a person is told of it in a role.
func (a Alert) Tells(person, role string) bool {
	return slices.ContainsFunc(a.Recipients, func(r Recipient) bool { return r.Person == person && r.Role == role })
}

// keyed is the step that an actor took under the key of a command; false when there is none.
func (a Alert) keyed(c Command) (Step, bool) {
	for _, step := range a.History {
		if c.Key != "" && step.Key == c.Key && step.Actor == c.Actor {
			return step, true
		}
	}
	return Step{}, false
}

// answers says whether a step is what a command with its key asks for. Steps of earlier versions say so by their status.
func (s Step) answers(c Command) bool {
	if s.Asked == "" {
		return s.Status == transitions[c.Verb][Open]
	}
	return s.Asked == c.digest()
}

// seen says whether the caller has seen all that matters: the version, or an earlier one since when nobody did anything,
// time alone went on, and nothing of what the alert says has changed. So the wish of a person is never lost to a clock.
func (a Alert) seen(c Command) bool {
	if c.Version == a.Version || c.Version == 0 && (c.Verb == Comment || c.Verb == Feedback) {
		return true
	}
	if c.Version < 1 || c.Version > a.Version {
		return false
	}
	for _, step := range a.History {
		if step.Version > c.Version && !step.harmless(a, c) {
			return false
		}
	}
	return true
}

// harmless says whether a command may be taken that was decided before a step.
func (s Step) harmless(a Alert, c Command) bool {
	switch s.Verb {
	case Escalate, Release, Wake, PageAgain, Comment, Feedback:
		return true
	case Acknowledge: // of several roles that have to, each comes on its own
		role := c.Role
		if role == "" {
			role = a.roleOf(c.Actor)
		}
		return c.Verb == Acknowledge && len(a.EachRole) > 0 && s.Role != role
	}
	return false
}

// record is the alert one version on.
func (a *Alert) record(to Status, c Command) {
	a.Status = to
	a.Version++
	step := Step{
		Version: a.Version, Status: to, Time: c.At, Verb: c.Verb, Actor: c.Actor, Role: c.Role, Reason: c.Reason, Key: c.Key,
	}
	switch c.Verb {
	case Comment:
		step.Text = c.Note
	case Feedback:
		step.Verdict = c.Feedback
	case Reassign:
		step.To = c.To
	case Snooze:
		step.Until = c.Until
	case Escalate:
		step.Rung = a.Rung
	}
	if a.overpaged(step) {
		a.History[len(a.History)-1] = step
		return
	}
	a.History = append(a.History, step)
}

// maxPaged bounds how many times in a row it is kept that an alert was told again; beyond that only the last time is. The
// feeds hold them all.
const maxPaged = 100

// overpaged says whether a step is one of telling again too many to keep each.
func (a *Alert) overpaged(s Step) bool {
	if s.Verb != PageAgain || len(a.History) < maxPaged {
		return false
	}
	return !slices.ContainsFunc(a.History[len(a.History)-maxPaged:], func(e Step) bool { return e.Verb != PageAgain })
}

// Begin is the first step of a finding's life: open, or suppressed for a reason.
func Begin(a Alert, at time.Time, suppressedBecause string) (Alert, feed.Draft) {
	a.Opened = at
	a.SuppressedBecause = suppressedBecause
	if suppressedBecause != "" {
		return a.begin(Suppressed, feed.Suppressed, at)
	}
	a.tell(at)
	return a.begin(Open, feed.Opened, at)
}

// BeginWaiting is the first step of a finding that is held back for a reason until a moment.
func BeginWaiting(a Alert, at time.Time, because Because, until time.Time) (Alert, feed.Draft) {
	a.Opened, a.WaitingBecause, a.Due = at, because, until
	return a.begin(Waiting, feed.Waiting, at)
}

func (a Alert) begin(to Status, typ feed.Type, at time.Time) (Alert, feed.Draft) {
	if to != Open {
		a.Feeds = nil
	}
	a.History = nil
	a.record(to, Command{Actor: Service, At: at})
	return a, a.Event(typ, at)
}
