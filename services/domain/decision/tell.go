package decision

import (
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
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
		if lesser.Severity < a.Severity && !lesser.Safety && sameCause(lesser, a.Cause, a.Rule, a.Group) && untaken(lesser) {
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

// NobodyAssigned is the rule of the service's own alert that a patient's alerts reach nobody.
const NobodyAssigned = "nobody-assigned"

// nobodyAgain is how long after an alert that nobody is assigned the same is not told again. The number is our own decision.
const nobodyAgain = 7 * 24 * time.Hour

// nobody tells the lead roles, where a clinic has named any, that a patient's alert reached nobody: once until it is
// resolved, and then not for some days.
func (b *board) nobody(cause alert.Alert) {
	if len(b.policy.Lead) == 0 {
		return
	}
	earlier, follows := 0, ""
	for _, a := range b.alerts {
		if a.Rule != NobodyAssigned {
			continue
		}
		if a.Live() || a.Status == alert.Waiting || b.now.Sub(a.Opened) < nobodyAgain {
			return
		}
		earlier++
		follows = a.ID
	}
	id := ref.Digest(NobodyAssigned, string(b.state.Episode), strconv.Itoa(earlier))
	a := alert.Alert{
		ID: id, Finding: id, Severity: judge.High, Rule: NobodyAssigned, RuleVersion: "1", Patient: b.state.Patient,
		Episode: b.state.Episode, Title: "Nobody is assigned", Evidence: "service design", Roles: b.policy.Lead, Follows: follows,
		Seen:     "An alert about this patient reached nobody: no care team is known, or nobody on it has a role that was asked for.",
		Question: "Who takes care of this patient, and is the care team recorded?",
		Facts:    cause.Facts, Sources: cause.Sources, Effective: cause.Effective,
		Feeds: []feed.Name{feed.Unassigned}, Routed: alert.ByNobody,
	}
	if because, until := b.closed(a); because != "" {
		b.begin(alert.BeginWaiting(a, b.now, because, until))
		return
	}
	b.opened(b.begin(alert.Begin(a, b.now, "")))
}
