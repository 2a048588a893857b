package decision

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Unread are the episodes whose whole history must be laid down before Settle, besides their alerts, which are: those in
// which a finding has to have cleared since an earlier one.
func (d *Desk) Unread() []ref.Episode {
	var found []ref.Episode
	for _, u := range d.unsettled {
		known, _ := d.episode(u.episode)
		if known.Complete || slices.Contains(found, u.episode) {
			continue
		}
		if slices.ContainsFunc(u.findings, func(f judge.Finding) bool { return uncleared(known.Alerts, f) >= 0 }) {
			found = append(found, u.episode)
		}
	}
	return found
}

// Rations are what is to be known of what roles were told today before anything about the episodes is told; none when no
// role has a budget.
func (d *Desk) Rations(of ...ref.Episode) []alert.Ration {
	if len(d.policy.Budgets) == 0 {
		return nil
	}
	feeds := []feed.Name{feed.Unassigned}
	for _, u := range d.unsettled {
		feeds = append(feeds, u.state.Feeds()...)
	}
	for _, e := range of {
		if known, _ := d.episode(e); known.State != nil {
			feeds = append(feeds, known.State.Feeds()...)
		}
	}
	var found []alert.Ration
	for _, budget := range d.policy.Budgets {
		for _, name := range alert.Both(feeds, nil) {
			ration := alert.Ration{Team: name, Role: budget.Role, Day: alert.DayOf(d.now, budget.Zone)}
			if _, laid := d.told[ration]; !laid && !slices.Contains(found, ration) {
				found = append(found, ration)
			}
		}
	}
	return found
}

// PutTold lays down what was read of rations; those that are absent have nothing told of them.
func (d *Desk) PutTold(of []alert.Ration, told map[alert.Ration]int64) {
	for _, ration := range of {
		d.told[ration] = told[ration]
	}
}

// DueHistory says whether Rouse needs the whole history of an episode: when the alert waits for a condition to go on holding.
func (d *Desk) DueHistory(e ref.Episode, id string) bool {
	known, _ := d.episode(e)
	i := slices.IndexFunc(known.Alerts, func(a alert.Alert) bool { return a.ID == id })
	return i >= 0 && !known.Complete && known.Alerts[i].Status == alert.Waiting && known.Alerts[i].WaitingBecause == alert.Hold
}

// Rouse does to an alert what time alone does: it opens, lapses, escalates, wakes or is told again. The alert's episode with
// its alerts, and what roles were told today, lie on the desk, and what was found before is settled. The decision is nil
// when nothing is due, or not yet because a deadline of the episode is to be passed first.
func (d *Desk) Rouse(e ref.Episode, id string) *Decision {
	known, _ := d.episode(e)
	i := slices.IndexFunc(known.Alerts, func(a alert.Alert) bool { return a.ID == id })
	if i < 0 || known.Alerts[i].Due.IsZero() || known.Alerts[i].Due.After(d.now) {
		return nil
	}
	dec := &Decision{}
	b := d.board(dec, e, known, known.State)
	switch known.Alerts[i].Status {
	case alert.Waiting:
		b.release(i)
	case alert.Open:
		b.remind(i)
	case alert.Snoozed:
		b.wake(i)
	case alert.Acknowledged:
		b.page(i)
	}
	if len(dec.Alerts) == 0 {
		return nil
	}
	b.lift()
	return dec
}

// release tells an alert that waited, unless its condition ceased to hold, or it has to wait for another reason.
func (b *board) release(i int) {
	a := b.alerts[i]
	if a.Rule == NobodyAssigned {
		a.Feeds, a.Routed = []feed.Name{feed.Unassigned}, alert.ByNobody
	}
	if a.WaitingBecause == alert.Hold {
		if _, behind := b.NextTick(b.episode); behind {
			return
		}
		if !b.held(a) {
			b.lapse(i)
			b.forth(a.ID)
			return
		}
	}
	b.demand(&a)
	if b.complete(i, a) {
		return
	}
	b.route(&a)
	if because, until := b.closed(a); because != "" {
		a.Feeds = nil
		a.WaitingBecause, a.Due = because, until
		b.shift(i, a)
		return
	}
	if b.step(i, a, alert.Command{Verb: alert.Release}) {
		b.opened(i)
	}
}

// forth brings forth what was found again, and grouped behind an alert that has lapsed, where its own condition still holds.
func (b *board) forth(lapsed string) {
	for i, a := range b.alerts {
		rule := b.rule(a.Rule)
		if rule == nil || len(a.Facts) == 0 || a.Because() != alert.Grouped || a.SuppressedBy != lapsed || !b.held(a) {
			continue
		}
		b.revive(i, judge.Finding{
			ID: a.Finding, Rule: rule, Group: a.Group, Fact: a.Facts[len(a.Facts)-1], At: a.Effective, Rated: a.Rated,
		})
	}
}

// remind tells of an alert that nobody has taken: those of the next step of its ladder, or beyond it all again.
func (b *board) remind(i int) {
	a := b.alerts[i]
	b.demand(&a)
	if b.complete(i, a) {
		return
	}
	if a.Rung < len(a.Ladder) {
		b.escalate(i)
		return
	}
	b.page(i)
}

// escalate takes the steps of the ladder that are due. At an hour at which none of those who would be reached is told, those
// who can wait are told later.
func (b *board) escalate(i int) {
	a := b.alerts[i]
	var roles []string
	for _, rung := range a.Ladder[min(a.Rung, len(a.Ladder)):] {
		if !a.Since.Add(rung.After).After(b.now) {
			roles = append(roles, rung.Roles...)
		}
	}
	b.demand(&a)
	reached := b.widen(&a, roles)
	if b.putOff(i, a, reached) {
		return
	}
	b.step(i, a, alert.Command{Verb: alert.Escalate})
}

// putOff waits with a further telling of an alert, routed for it, until one of the roles may be told; false when one may now.
func (b *board) putOff(i int, a alert.Alert, roles []string) bool {
	if a.Unmuted() {
		return false
	}
	until, because := b.policy.Opens(roles, b.now, nil)
	if because == "" {
		return false
	}
	as := b.alerts[i]
	as.Due = until
	b.shift(i, as)
	return true
}

// wake tells an alert again that somebody had put off until now.
func (b *board) wake(i int) {
	a := b.alerts[i]
	b.demand(&a)
	b.reach(&a)
	b.step(i, a, alert.Command{Verb: alert.Wake})
}

// page tells an alert again whose acknowledgement timed out, or that nobody took, unless a graver one of its cause has come up meanwhile.
func (b *board) page(i int) {
	a := b.alerts[i]
	graver := slices.IndexFunc(b.alerts, func(g alert.Alert) bool {
		return g.Live() && g.Severity > a.Severity && sameCause(a, g.Cause, g.Rule, g.Group)
	})
	if graver >= 0 && !a.Safety {
		b.step(i, a, alert.Command{Verb: alert.Absorb, Reason: string(alert.SameCause), By: b.alerts[graver].ID})
		return
	}
	b.demand(&a)
	b.reach(&a)
	if b.putOff(i, a, told(a)) {
		return
	}
	b.step(i, a, alert.Command{Verb: alert.PageAgain})
}

// reach routes an alert anew, beside those who were told before.
func (b *board) reach(a *alert.Alert) {
	before := *a
	b.route(a)
	a.Feeds = alert.Both(before.Feeds, a.Feeds)
	for _, one := range before.Recipients {
		if !slices.ContainsFunc(a.Recipients, func(r alert.Recipient) bool { return r.Person == one.Person }) {
			a.Recipients = append(a.Recipients, one)
		}
	}
}

// held says whether the condition of an alert has held in every state since its fact. A rule that cannot be evaluated, or is
// no longer the one that found it, is asked as far as it can be: one that fails holds, one that is gone does not.
func (b *board) held(a alert.Alert) bool {
	rule := b.rule(a.Rule)
	if rule == nil {
		return false
	}
	holds := true
	counts := b.since(a, func(s *episode.State, f *fact.Fact) bool {
		now, err := rule.Holds(s, f, a.Group)
		holds = now || err != nil
		return holds
	})
	return counts && holds
}

// cleared says whether, since an earlier alert and before a finding, the condition has receded so far that the same may be
// found again. A condition that cannot be evaluated hides nothing.
func (b *board) cleared(root alert.Alert, f judge.Finding) bool {
	cleared, reached := false, false
	found := b.since(root, func(s *episode.State, first *fact.Fact) bool {
		switch s.Last.ID {
		case first.ID:
			return true
		case f.Fact:
			reached = true
			return false
		}
		ok, err := f.Rule.Cleared(s, first)
		cleared = ok || err != nil
		return !cleared
	})
	return cleared || !found || !reached
}

// since folds the facts of an episode and visits each state from that of an alert's fact on, until the visitor has seen
// enough. It is false when the fact is not among those that count.
func (b *board) since(a alert.Alert, visit func(s *episode.State, first *fact.Fact) bool) bool {
	if len(a.Facts) == 0 {
		return false
	}
	return b.from(a.Facts[len(a.Facts)-1], visit)
}

// from is since, from the fact of an id on.
func (b *board) from(id string, visit func(s *episode.State, first *fact.Fact) bool) bool {
	from := slices.IndexFunc(b.known.Facts, func(f fact.Fact) bool { return f.ID == id })
	if from < 0 {
		return false
	}
	first := &b.known.Facts[from]
	s := b.terms.New(b.state.Patient)
	for i, f := range b.known.Facts {
		s = episode.Fold(s, f)
		if i >= from && !visit(s, first) {
			break
		}
	}
	return true
}
