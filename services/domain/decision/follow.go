package decision

import (
	"cmp"
	"slices"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// follow gives alerts whose finding is gone the finding that says the same now: what began to hold earlier than was known,
// or later. Whoever has such an alert in hand, or has handled it, has it still, and nobody is paged about it again. A rule
// that finds something at every fact speaks of each on its own: there nothing takes the place of what is gone.
func (b *board) follow(u unsettled, found map[string]judge.Finding) {
	for _, i := range b.adrift(found) {
		f := b.partner(b.alerts[i], u.findings)
		if f == nil {
			continue
		}
		if hidden := b.standing(f.ID); hidden >= 0 {
			b.step(hidden, b.alerts[hidden], alert.Command{Verb: alert.Retract, Reason: b.reason})
		}
		b.correct(i, *f)
	}
}

// adrift are the alerts whose finding is gone: first those that somebody may have in hand.
func (b *board) adrift(found map[string]judge.Finding) (all []int) {
	for i, a := range b.alerts {
		if _, still := found[a.Finding]; !still && (wanted(a) || a.Status == alert.Resolved) {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(i, j int) int { return cmp.Compare(grip(b.alerts[i]), grip(b.alerts[j])) })
	return all
}

// grip orders alerts: those that were told and are not closed, then those that wait, then those that were handled.
func grip(a alert.Alert) int {
	switch {
	case a.Live():
		return 0
	case a.Status == alert.Waiting:
		return 1
	}
	return 2
}

// wanted says whether an alert wants somebody, or is going to.
func wanted(a alert.Alert) bool { return a.Live() || a.Status == alert.Waiting }

// partner is the finding that says now what an alert said: the one since which the condition held up to the alert's own fact,
// or else the first one after it, for until then the condition had not ceased. It is nil when there is none that has no
// alert of its own, or when it is graver than what was told. An alert of the first that was never told, because this one
// was, has no alert of its own to be.
func (b *board) partner(a alert.Alert, findings []judge.Finding) *judge.Finding {
	before, after := around(a, findings)
	one, hidden := after, false
	if before != nil && b.reaches(*before, a) {
		one, hidden = before, true
	}
	if one == nil || one.Rule.Severity > a.Severity || one.Rated != a.Rated {
		return nil
	}
	if i := b.standing(one.ID); i >= 0 && (!hidden || b.alerts[i].Status != alert.Suppressed) {
		return nil
	}
	return one
}

// around are the last finding of an alert's rule and group up to the alert's fact, and the first one after it.
func around(a alert.Alert, findings []judge.Finding) (before, after *judge.Finding) {
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Rule.Each || !ofSame(&a, *f):
		case !f.At.After(a.Effective):
			before = f
		case after == nil:
			after = f
		}
	}
	return before, after
}

// reaches says whether the condition of a finding has held without a break up to an alert's fact, or to when it happened.
func (b *board) reaches(f judge.Finding, a alert.Alert) bool {
	holds := false
	own := ""
	if len(a.Facts) > 0 {
		own = a.Facts[len(a.Facts)-1]
	}
	b.from(f.Fact, func(s *episode.State, first *fact.Fact) bool {
		if s.Last.At.After(a.Effective) {
			return false
		}
		now, err := f.Rule.Holds(s, first, f.Group)
		holds = now || err != nil
		return holds && s.Last.ID != own
	})
	return holds
}

// outlasts says whether an alert whose finding is gone stays as it is: what it says is part of what an earlier finding says,
// whose own alert is closed or was never told. Taking it back would leave nobody with what is still true; and what was
// handled was true.
func (b *board) outlasts(a alert.Alert, findings []judge.Finding) bool {
	if !wanted(a) && a.Status != alert.Resolved {
		return false
	}
	before, _ := around(a, findings)
	if before == nil || !b.reaches(*before, a) {
		return false
	}
	i := b.standing(before.ID)
	return i >= 0 && (a.Status == alert.Resolved || !wanted(b.alerts[i]))
}

// correct has an alert say what a finding says now.
func (b *board) correct(i int, f judge.Finding) {
	a := b.alerts[i]
	a.Finding, a.RuleVersion, a.Effective = f.ID, f.Rule.Version, f.At
	describe(&a, f)
	if a.Status == alert.Waiting && a.WaitingBecause == alert.Hold {
		a.Due = f.At.Add(f.Rule.HoldFor)
	}
	b.step(i, a, alert.Command{Verb: alert.Amend, Reason: b.reason})
}
