package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// change makes of an alert what a verb asks, besides the status, and returns the status it goes to. The alert keeps nothing
// of its slices in common with the one it was copied from.
func (a *Alert) change(to Status, c Command) (Status, error) {
	switch c.Verb {
	case Acknowledge:
		return a.acknowledge(to, c)
	case Snooze:
		return to, a.snooze(c)
	case Reassign:
		a.reassign(c)
	case Comment, Feedback:
		return to, a.remark(c)
	case Release, Wake, PageAgain:
		return to, a.again(c)
	case Escalate:
		return to, a.escalate(c)
	case Withhold:
		a.SuppressedBecause, a.SuppressedBy, a.AckedBy = "", "", nil
		a.WaitingBecause, a.Due = Because(c.Reason), c.Until
	case Lapse, Absorb:
		a.Due, a.WaitingBecause, a.SuppressedBy = time.Time{}, "", c.By
		a.SuppressedBecause = c.because()
	case Amend:
		return a.complete(to, c), nil
	case Resolve, Retract:
		a.Due, a.WaitingBecause = time.Time{}, ""
	}
	return to, nil
}

// because is the reason of a suppression, with the alert it gives way to.
func (c Command) because() string {
	if c.By == "" {
		return c.Reason
	}
	return c.Reason + ": alert " + c.By
}

// acknowledge notes who has taken it. While a role is missing it stays as it is, and the ladder goes on.
func (a *Alert) acknowledge(to Status, c Command) (Status, error) {
	if err := a.counts(c); err != nil {
		return to, err
	}
	a.Assignee = c.Actor
	a.AckedBy = append(slices.Clone(a.AckedBy), Ack{Actor: c.Actor, Role: c.Role, Time: c.At})
	if len(a.Missing()) > 0 {
		return a.Status, nil
	}
	a.taken(c.At)
	return to, nil
}

// Complete says whether all that has to acknowledge has, though it stands as if somebody was missing: whoever it was has left
// the care team.
func (a Alert) Complete() bool {
	return (a.Status == Open || a.Status == Waiting) && len(a.AckedBy) > 0 && len(a.Missing()) == 0
}

// complete is the status of one that is amended.
func (a *Alert) complete(to Status, c Command) Status {
	if !a.Complete() {
		return to
	}
	a.taken(c.At)
	return Acknowledged
}

// taken begins the time for which an acknowledgement stands.
func (a *Alert) taken(at time.Time) {
	a.Due, a.WaitingBecause = time.Time{}, ""
	if a.AckTimeout > 0 {
		a.Due = at.Add(a.AckTimeout)
	}
}

// counts refuses, where each role has to acknowledge, an acknowledgement that is given already, and one for a second role by
// a person who was not told in it. Somebody without any of the roles may say once that they have it in hand too: that
// stands in for nobody.
func (a *Alert) counts(c Command) error {
	if len(a.EachRole) == 0 {
		return nil
	}
	given := slices.ContainsFunc(a.AckedBy, func(k Ack) bool { return k.Actor == c.Actor })
	if slices.Contains(a.EachRole, c.Role) {
		given = given && !a.Tells(c.Actor, c.Role) || slices.ContainsFunc(a.AckedBy, func(k Ack) bool { return k.Role == c.Role })
	}
	if !given {
		return nil
	}
	return fault.Newf(fault.Precondition, "business-rule",
		"each of its roles has to acknowledge it, and these have not yet: %s", strings.Join(a.Missing(), ", "))
}

func (a *Alert) snooze(c Command) error {
	most := SnoozeMost
	if a.Unmuted() {
		most = SnoozeUrgent
	}
	if c.Until.Sub(c.At) > most {
		return fault.New(fault.Invalid, fault.Errorf("value", "until", "this alert can be put off by %s at most", most))
	}
	a.Due = c.Until
	return nil
}

// reassign hands it over: to one who has not taken it yet.
func (a *Alert) reassign(c Command) {
	a.Assignee = c.To
	if a.Status == Open || a.Status == Acknowledged {
		a.tell(c.At)
	}
}

// remark refuses a comment or a feedback on an alert that has had enough of them.
func (a *Alert) remark(c Command) error {
	said := 0
	for _, step := range a.History {
		if step.Verb == c.Verb {
			said++
		}
	}
	if said >= maxRemarks {
		return fault.Newf(fault.Precondition, "too-costly", "an alert takes %d remarks of a kind at most", maxRemarks)
	}
	return nil
}

// again tells it as one that nobody has taken. One that was told all up its ladder stays there, with what was acknowledged.
func (a *Alert) again(c Command) error {
	if a.Status == Open && a.Rung < len(a.Ladder) {
		return fault.Newf(fault.Precondition, "business-rule", "the next step of its ladder tells it again")
	}
	if a.Status != Suppressed && (a.Due.IsZero() || c.At.Before(a.Due)) {
		return fault.Newf(fault.Precondition, "business-rule", "%s is not due yet", c.Verb)
	}
	if a.Status == Open {
		a.climb(c.At)
		return nil
	}
	a.WaitingBecause, a.SuppressedBecause, a.SuppressedBy = "", "", ""
	taken := a.AckedBy
	a.tell(c.At)
	if a.Status == Waiting {
		a.AckedBy = taken // whoever took it before it was told need not be asked again
	}
	return nil
}

// tell begins the ladder: nobody has it now.
func (a *Alert) tell(at time.Time) {
	a.Since, a.Rung, a.AckedBy = at, 0, nil
	a.climb(at)
}

// climb sets when it is told next: at the next step of the ladder, and beyond the last one, or without any, again and again
// as long after it was told as an acknowledgement may stand.
func (a *Alert) climb(told time.Time) {
	a.Due = time.Time{}
	switch {
	case a.Rung < len(a.Ladder):
		a.Due = a.Since.Add(a.Ladder[a.Rung].After)
	case a.AckTimeout > 0:
		a.Due = told.Add(a.AckTimeout)
	}
}

// escalate takes every step of the ladder whose moment has come. Each is recorded; only the last is told.
func (a *Alert) escalate(c Command) error {
	begun := a.Rung
	a.Roles = slices.Clone(a.Roles)
	for a.Rung < len(a.Ladder) && !a.Since.Add(a.Ladder[a.Rung].After).After(c.At) {
		if a.Rung > begun {
			a.record(a.Status, c)
		}
		for _, role := range a.Ladder[a.Rung].Roles {
			if !slices.Contains(a.Roles, role) {
				a.Roles = append(a.Roles, role)
			}
		}
		a.Rung++
	}
	if a.Rung == begun {
		return fault.Newf(fault.Precondition, "business-rule", "no step of the ladder is due yet")
	}
	a.climb(c.At)
	return nil
}
