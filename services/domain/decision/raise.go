package decision

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// reconcile turns findings into alerts: those that are no longer found after a replay follow what says the same now or are
// retracted, those whose facts were corrected are amended, and new ones are raised, held back or suppressed. What was hidden
// behind an alert that is taken back comes forth.
func (b *board) reconcile(u unsettled) {
	found := make(map[string]judge.Finding, len(u.findings))
	for _, f := range u.findings {
		found[f.ID] = f
	}
	var gone []string
	if u.replayed {
		b.follow(u, found)
		gone = b.retract(u, found)
	}
	for _, f := range graver(u.findings) {
		if i := b.standing(f.ID); i >= 0 {
			b.amend(i, f)
		} else {
			b.raise(f)
		}
	}
	for i, a := range b.alerts {
		if f, still := found[a.Finding]; still && a.Status == alert.Suppressed && a.SuppressedBy != "" && slices.Contains(gone, a.SuppressedBy) {
			b.revive(i, f)
		}
	}
	b.reroute()
	b.redemand()
}

// reteamed is why alerts are amended of which other roles have to acknowledge, now that the care team is another one.
const reteamed = "care-team-changed"

// redemand asks of each alert the acknowledgement of those who are on the care team now, and tells them.
func (b *board) redemand() {
	for i, a := range b.alerts {
		if a.Status != alert.Open && a.Status != alert.Waiting {
			continue
		}
		before, told := a.EachRole, len(a.Recipients)
		b.demand(&a)
		if a.Status == alert.Open && len(a.Missing()) > 0 {
			b.reach(&a)
		}
		if !slices.Equal(before, a.EachRole) || len(a.Recipients) > told {
			b.step(i, a, alert.Command{Verb: alert.Amend, Reason: reteamed})
		}
	}
}

// teamed is why alerts are amended that reached nobody before their patient's care team was known.
const teamed = "care-team-known"

// reroute tells the care team, now that there is one, of the alerts that wanted somebody and reached nobody. Once each has
// reached somebody it is no longer true that nobody is assigned.
func (b *board) reroute() {
	nobody, reached := false, false
	for i, a := range b.alerts {
		if a.Routed != alert.ByNobody || !a.Live() || a.Rule == NobodyAssigned {
			continue
		}
		feeds := a.Feeds
		b.reach(&a)
		if a.Routed != alert.ByNobody || !slices.Equal(feeds, a.Feeds) {
			b.step(i, a, alert.Command{Verb: alert.Amend, Reason: teamed})
		}
		nobody, reached = nobody || a.Routed == alert.ByNobody, reached || a.Routed != alert.ByNobody
	}
	if nobody || !reached {
		return
	}
	for i, a := range b.alerts {
		if a.Rule == NobodyAssigned && wanted(a) {
			b.step(i, a, alert.Command{Verb: alert.Retract, Reason: teamed})
		}
	}
}

// graver puts, among the findings at one fact, the gravest first where they may be of one cause, so that a lesser one is not
// told first.
func graver(findings []judge.Finding) []judge.Finding {
	if !slices.ContainsFunc(findings, func(f judge.Finding) bool { return f.Rule.Cause != "" }) {
		return findings
	}
	sorted := slices.Clone(findings)
	for from := 0; from < len(sorted); {
		to := from + 1
		for to < len(sorted) && sorted[to].Fact == sorted[from].Fact {
			to++
		}
		slices.SortStableFunc(sorted[from:to], func(a, b judge.Finding) int { return cmp.Compare(b.Rule.Severity, a.Rule.Severity) })
		from = to
	}
	return sorted
}

// standing is the index of the alert made from a finding that was not retracted; -1 when there is none.
func (b *board) standing(finding string) int {
	return slices.IndexFunc(b.alerts, func(a alert.Alert) bool { return a.Finding == finding && a.Status != alert.Retracted })
}

// raise begins the life of a finding.
func (b *board) raise(f judge.Finding) {
	a := alert.Alert{
		ID: b.fresh(f.ID), Finding: f.ID, Severity: f.Rule.Severity, Rule: f.Rule.ID, RuleVersion: f.Rule.Version,
		Group: f.Group, Cause: f.Rule.Cause, Safety: f.Rule.Safety, Patient: b.state.Patient, Episode: b.state.Episode,
		Evidence: f.Rule.Evidence, Roles: f.Rule.Roles, Effective: f.At, Ladder: f.Rule.Ladder, AckTimeout: f.Rule.AckTimeout,
		Proposal: f.Rule.Proposal,
	}
	describe(&a, f)
	if _, tag := a.Words(b.policy.Language); tag != "" {
		a.Language = tag
	}
	hidden := b.hidden(f)
	if hidden.because != "" {
		a.SuppressedBy = hidden.by
		b.begin(alert.Begin(a, b.now, hidden.text()))
		return
	}
	a.Follows = b.follows(f)
	if f.Rule.EachRole {
		a.EachRole = f.Rule.Roles
	}
	b.demand(&a)
	b.route(&a)
	if because, until := b.withheld(a, f); because != "" {
		b.begin(alert.BeginWaiting(a, b.now, because, until))
		return
	}
	b.opened(b.begin(alert.Begin(a, b.now, "")))
}

// fresh is an id for an alert on a finding: the finding's own, unless an alert has had it already.
func (b *board) fresh(finding string) string {
	id := finding
	for n := 1; slices.ContainsFunc(b.alerts, func(a alert.Alert) bool { return a.ID == id }); n++ {
		id = ref.Digest("again", finding, strconv.Itoa(n))
	}
	return id
}

// follows is the resolved alert that a finding is a re-occurrence of; empty when of none.
func (b *board) follows(f judge.Finding) string {
	for i := len(b.alerts) - 1; i >= 0; i-- {
		if a := &b.alerts[i]; ofSame(a, f) && a.Status == alert.Resolved {
			return a.ID
		}
	}
	return ""
}

// ofSame says whether an alert is of the rule and group of a finding.
func ofSame(a *alert.Alert, f judge.Finding) bool { return a.Rule == f.Rule.ID && a.Group == f.Group }

// hiding is why a finding is not told, and the alert it hides behind.
type hiding struct {
	because alert.Because
	by      string
	more    string
}

func (h hiding) text() string {
	if h.more == "" {
		return string(h.because)
	}
	return string(h.because) + ": " + h.more
}

// hidden says why a finding is not raised; because is empty when it is. Safety findings always are.
func (b *board) hidden(f judge.Finding) hiding {
	if f.Rule.Safety {
		return hiding{}
	}
	if b.now.Sub(f.At) > BackfillAfter {
		return hiding{because: alert.BackFill, more: "happened more than 30 days before it was heard of"}
	}
	if b.dec.Muted {
		return hiding{because: alert.BackFill, more: "it came with a back-fill"}
	}
	for i := len(b.alerts) - 1; i >= 0; i-- {
		a := &b.alerts[i]
		if !ofSame(a, f) || a.Status == alert.Suppressed || a.Status == alert.Retracted {
			continue
		}
		switch {
		case a.Status == alert.Waiting && a.WaitingBecause == alert.Hold && !f.Rule.Each:
			// What begins to hold again has ceased meanwhile: the earlier of the two has.
			if f.At.Before(a.Effective) {
				return hiding{alert.Lapsed, a.ID, "it had ceased before alert " + a.ID}
			}
			b.lapse(i)
		case a.Severity < f.Rule.Severity: // what is graver hides behind nothing lesser
		case a.Status == alert.Snoozed:
			return hiding{alert.Asleep, a.ID, "alert " + a.ID + " of the same rule is put off"}
		case a.Live() || a.Status == alert.Waiting:
			return hiding{alert.Grouped, a.ID, "alert " + a.ID + " of the same rule is still " + string(a.Status)}
		default:
			if gap := f.At.Sub(a.Effective); gap.Abs() < f.Rule.CoolDown {
				return hiding{alert.CoolDown, a.ID, "alert " + a.ID + " of the same rule is less than " + f.Rule.CoolDown.String() + " apart"}
			}
		}
	}
	if root := uncleared(b.alerts, f); root >= 0 && !b.cleared(b.alerts[root], f) {
		return hiding{alert.NotCleared, b.alerts[root].ID, "since alert " + b.alerts[root].ID + " the condition has not receded far enough"}
	}
	if i := b.inhibitor(f); i >= 0 {
		return hiding{alert.SameCause, b.alerts[i].ID, "alert " + b.alerts[i].ID + " of the same cause is " + string(b.alerts[i].Status)}
	}
	return hiding{}
}

func (b *board) lapse(i int) {
	b.step(i, b.alerts[i], alert.Command{Verb: alert.Lapse, Reason: string(alert.Lapsed)})
}

// uncleared is the last alert after which a finding has to clear; -1 when there is none.
func uncleared(alerts []alert.Alert, f judge.Finding) int {
	if f.Rule.Clears == nil || f.Rule.Safety {
		return -1
	}
	last := -1
	for i := range alerts {
		a := &alerts[i]
		if ofSame(a, f) && a.Severity >= f.Rule.Severity && a.Status == alert.Resolved && !a.Effective.After(f.At) && (last < 0 || !a.Effective.Before(alerts[last].Effective)) {
			last = i
		}
	}
	return last
}

// inhibitor is the alert of the same cause behind which a finding hides; -1 when there is none.
func (b *board) inhibitor(f judge.Finding) int {
	return slices.IndexFunc(b.alerts, func(a alert.Alert) bool {
		awake := a.Live() || a.Status == alert.Waiting && a.WaitingBecause != alert.Hold
		return awake && a.Severity >= f.Rule.Severity && sameCause(a, f.Rule.Cause, f.Rule.ID, f.Group)
	})
}

// sameCause says whether an alert is of a cause, found by another rule, and not of another group.
func sameCause(a alert.Alert, cause, rule, group string) bool {
	return cause != "" && a.Cause == cause && a.Rule != rule && (a.Group == "" || group == "" || a.Group == group)
}

// withheld says why, and until when, an alert that is to be told has to wait; because is empty when it has not to.
func (b *board) withheld(a alert.Alert, f judge.Finding) (because alert.Because, until time.Time) {
	if f.Rule.HoldFor > 0 && !f.Rule.Safety {
		return alert.Hold, f.At.Add(f.Rule.HoldFor)
	}
	return b.closed(a)
}

// amend follows a correction that left the finding true.
func (b *board) amend(i int, f judge.Finding) {
	a := b.alerts[i]
	if !wanted(a) || len(a.Sources) == 0 || a.Sources[len(a.Sources)-1] == f.Source {
		return
	}
	b.correct(i, f)
}

// retract takes back what was found before and is not found any more, unless only the rule has changed since. It returns
// what it took back.
func (b *board) retract(u unsettled, found map[string]judge.Finding) (gone []string) {
	versions := make(map[string]string, len(b.rules))
	for i := range b.rules {
		versions[b.rules[i].ID] = b.rules[i].Version
	}
	for i, a := range b.alerts {
		if _, still := found[a.Finding]; still || a.Status == alert.Retracted {
			continue
		}
		if a.Rule == NobodyAssigned && stands(u.facts, a.Facts) {
			continue // no fact says it
		}
		if (versions[a.Rule] == a.RuleVersion || !stands(u.facts, a.Facts)) && !b.outlasts(a, u.findings) {
			if b.step(i, a, alert.Command{Verb: alert.Retract, Reason: b.reason}) {
				gone = append(gone, a.ID)
			}
		}
	}
	return gone
}

// revive judges anew what was hidden behind an alert that was taken back.
func (b *board) revive(i int, f judge.Finding) {
	a := b.alerts[i]
	if h := b.hidden(f); h.because != "" {
		if !strings.HasPrefix(a.SuppressedBecause, string(h.because)) || h.by != a.SuppressedBy {
			b.step(i, a, alert.Command{Verb: alert.Absorb, Reason: string(h.because), By: h.by})
		}
		return
	}
	a.Follows = b.follows(f)
	if f.Rule.EachRole {
		a.EachRole = f.Rule.Roles
	}
	b.demand(&a)
	b.route(&a)
	because, until := b.withheld(a, f)
	if because == alert.Hold && !until.After(b.now) {
		if !b.held(a) {
			return
		}
		because, until = b.closed(a)
	}
	if because != "" {
		a.Feeds = nil
		b.step(i, a, alert.Command{Verb: alert.Withhold, Reason: string(because), Until: until})
		return
	}
	if b.step(i, a, alert.Command{Verb: alert.Release}) {
		b.opened(i)
	}
}

// stands says whether all the facts behind an alert still count.
func stands(facts []fact.Fact, behind []string) bool {
	for _, id := range behind {
		if !slices.ContainsFunc(facts, func(f fact.Fact) bool { return f.ID == id }) {
			return false
		}
	}
	return true
}
