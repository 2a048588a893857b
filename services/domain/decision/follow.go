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
		f := b.partner(b.alerts[i], u)
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

// partner is the finding that says now what an alert said. Up to the alert's own fact that is one since which the condition
// held, or one at what came in, because of which it began no more at that fact; after it the first one, for until then the condition had not
// ceased. It has no alert of its own, or one that was never told because this one was. It is nil when there is none, or when
// it is graver than what was told.
func (b *board) partner(a alert.Alert, u unsettled) *judge.Finding {
	before, after := around(a, u.findings)
	stands := b.unchanged(a, u)
	for _, f := range slices.Backward(before) {
		i := b.standing(f.ID)
		if i < 0 && (stands && (u.reason != corrected || slices.Contains(u.news, f.Fact)) || b.reaches(*f, a)) {
			return fitting(a, f)
		}
		stands = stands && (i < 0 || b.alerts[i].Status == alert.Suppressed) // else what was told in between is the reason
	}
	if n := len(before); n > 0 {
		last, reaches := before[n-1], b.reaches(*before[n-1], a)
		i := b.standing(last.ID)
		if i >= 0 && b.alerts[i].Status == alert.Suppressed && (reaches || stands && b.alerts[i].SuppressedBy == a.ID) {
			return fitting(a, last)
		}
		if reaches {
			return nil
		}
	}
	for _, f := range after {
		if i := b.standing(f.ID); i < 0 {
			return fitting(a, f)
		} else if b.alerts[i].Status != alert.Suppressed {
			break
		}
	}
	return nil
}

// unchanged says whether the fact behind an alert counts as it did: then the alert's finding is gone because of another.
func (b *board) unchanged(a alert.Alert, u unsettled) bool {
	if len(a.Facts) == 0 || slices.Contains(u.news, a.Facts[len(a.Facts)-1]) {
		return false
	}
	i := slices.IndexFunc(u.facts, func(f fact.Fact) bool { return f.ID == a.Facts[len(a.Facts)-1] })
	return i >= 0 && (u.reason != rescored || len(a.Sources) > 0 && u.facts[i].Source == a.Sources[len(a.Sources)-1])
}

// fitting is a finding that an alert may say without telling more than it told, or to whom it may not; else nil.
func fitting(a alert.Alert, f *judge.Finding) *judge.Finding {
	if f.Rule.Severity > a.Severity || f.Rated != a.Rated {
		return nil
	}
	return f
}

// around are the findings of an alert's rule and group up to the alert's fact, and those after it.
func around(a alert.Alert, findings []judge.Finding) (before, after []*judge.Finding) {
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Rule.Each || !ofSame(&a, *f):
		case !f.At.After(a.Effective):
			before = append(before, f)
		default:
			after = append(after, f)
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
	if len(before) == 0 || !b.reaches(*before[len(before)-1], a) {
		return false
	}
	i := b.standing(before[len(before)-1].ID)
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
