package decision

import (
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// closed says why, and until when, nobody may be told of an alert now; because is empty when somebody may.
func (b *board) closed(a alert.Alert) (because alert.Because, until time.Time) {
	if a.Unmuted() {
		return "", time.Time{}
	}
	until, because = b.policy.Opens(told(a), b.now, func(r alert.Budget, day alert.Day) bool { return b.spent(a, r, day) })
	return because, until
}

// spent says whether a budget is used up on a day: in each of the feeds that an alert goes to.
func (b *board) spent(a alert.Alert, r alert.Budget, day alert.Day) bool {
	counted := false
	for _, name := range a.Feeds {
		if name.ForPartner() {
			continue
		}
		if b.told[alert.Ration{Team: name, Role: r.Role, Day: day}] < int64(r.PerDay) {
			return false
		}
		counted = true
	}
	return counted
}

// opened does what follows when an alert is told: it is counted, takes the place of lesser ones of its cause, and where it
// reaches nobody that is told too.
func (b *board) opened(i int) {
	a := b.alerts[i]
	b.count(a)
	for at, lesser := range b.alerts {
		of := lesser.Rule == a.Rule && lesser.Group == a.Group || sameCause(lesser, a.Cause, a.Rule, a.Group)
		if of && lesser.Severity < a.Severity && !lesser.Safety && untaken(lesser) {
			b.step(at, lesser, alert.Command{Verb: alert.Absorb, Reason: string(alert.SameCause), By: a.ID})
		}
	}
	if a.Routed == alert.ByNobody && a.Rule != NobodyAssigned {
		b.nobody(a)
	}
}

// untaken says whether an alert is one that nobody takes care of.
func untaken(a alert.Alert) bool {
	return a.Status == alert.Open || a.Status == alert.Snoozed || a.Status == alert.Waiting
}

// count adds an alert to what its roles were told today.
func (b *board) count(a alert.Alert) {
	if a.Severity >= judge.Critical {
		return
	}
	roles := told(a)
	for _, budget := range b.policy.Budgets {
		if !slices.Contains(roles, budget.Role) {
			continue
		}
		for _, name := range a.Feeds {
			if name.ForPartner() {
				continue
			}
			ration := alert.Ration{Team: name, Role: budget.Role, Day: alert.DayOf(b.now, budget.Zone)}
			b.told[ration]++
			b.dec.Told = append(b.dec.Told, alert.Told{Ration: ration, Count: b.told[ration]})
		}
	}
}

// NobodyAssigned is the id of the rule that says how it is told that a patient's alerts reach nobody. Its condition is not
// asked; without the rule, or roles in it, nobody is told.
const NobodyAssigned = "nobody-assigned"

// nobody tells the lead roles that a patient's alert reached nobody: as severe as that alert at least, once until it is
// resolved, and then not for some days, unless what reached nobody may not wait and the earlier one could.
func (b *board) nobody(cause alert.Alert) {
	rule := b.rule(NobodyAssigned)
	if rule == nil || len(rule.Roles) == 0 {
		return
	}
	a := alert.Alert{
		Severity: max(rule.Severity, cause.Severity), Safety: cause.Safety, Rule: rule.ID, RuleVersion: rule.Version,
		Patient: b.state.Patient, Episode: b.state.Episode, Evidence: rule.Evidence, Roles: rule.Roles, Ladder: rule.Ladder,
		AckTimeout: rule.AckTimeout, Proposal: rule.Proposal, Effective: cause.Effective,
		Feeds: []feed.Name{feed.Unassigned}, Routed: alert.ByNobody,
	}
	earlier, said := b.saidNobody(a, rule.CoolDown)
	if said {
		return
	}
	if len(earlier) > 0 {
		a.Follows = earlier[len(earlier)-1]
	}
	a.Finding = ref.Digest(NobodyAssigned, string(b.state.Episode), strconv.Itoa(len(earlier)))
	a.ID = b.fresh(a.Finding)
	b.speakOfNobody(&a, rule)
	if cause.Rated == "" {
		a.Facts, a.Sources = cause.Facts, cause.Sources
	}
	if because, until := b.closed(a); because != "" {
		b.begin(alert.BeginWaiting(a, b.now, because, until))
		return
	}
	b.opened(b.begin(alert.Begin(a, b.now, "")))
}

// saidNobody are the earlier alerts that nobody is assigned, and whether one of them is enough.
func (b *board) saidNobody(a alert.Alert, mute time.Duration) (earlier []string, enough bool) {
	for _, one := range b.alerts {
		if one.Rule != NobodyAssigned {
			continue
		}
		earlier = append(earlier, one.ID)
		if graver := a.Unmuted() && !one.Unmuted(); !graver {
			enough = enough || wanted(one) || !a.Unmuted() && b.now.Sub(one.Opened) < mute
		}
	}
	return earlier, enough
}

// speakOfNobody lays the words of the rule into an alert. They say nothing about the patient, and rest on no fact.
func (b *board) speakOfNobody(a *alert.Alert, rule *judge.Rule) {
	f := judge.Finding{Rule: rule}
	view := judge.View{Before: b.state, After: b.state, Fact: &fact.Fact{Kind: fact.KindClock, At: b.now, Clock: &fact.Clock{}}}
	if rule.Describe != nil {
		f.Wording, f.Numbers, _ = rule.Describe(view) // a wording that cannot be made leaves the title, which says enough
	}
	if rule.Translate != nil {
		f.Translations, _ = rule.Translate(view)
	}
	describe(a, f)
	a.Facts = nil
	if _, tag := a.Words(b.policy.Language); tag != "" {
		a.Language = tag
	}
}
