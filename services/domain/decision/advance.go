package decision

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// BackfillAfter is how old a finding may be, when it is first heard of, to be raised as an alert.
// Older ones are stored as suppressed: they are history, not news. Safety findings are raised whatever their age. The
// number is our own decision.
const BackfillAfter = 30 * 24 * time.Hour

// late says whether one of the facts does not come after all that was folded, so that only a replay puts it in its place.
func (k Known) late(terms episode.Terms, facts []fact.Fact) bool {
	if k.State == nil {
		return false
	}
	if !k.State.Current(terms) {
		return true
	}
	for _, f := range facts {
		if f.Key().Compare(k.State.Last) <= 0 {
			return true
		}
	}
	return false
}

// advance carries facts, and the end of those of taken resources, through fold, judgement and life into the decision.
func (d *Desk) advance(dec *Decision, patient ref.Patient, taken []ref.Resource, facts []fact.Fact) {
	e := ref.EpisodeOf(patient)
	known, _ := d.episode(e)
	facts = slices.SortedFunc(slices.Values(facts), func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	var findings []judge.Finding
	_, held := d.held[e]
	delete(d.held, e)
	replayed := held || len(taken) > 0 || known.late(d.terms, facts)
	if replayed {
		known.Superseded = append(slices.Clip(known.Superseded), taken...)
		known.Facts = merge(without(known.Facts, taken), facts)
		known.State, findings = d.replayAll(patient, known.Facts)
	} else {
		known.State, findings = d.fold(patient, known.State, facts)
		known.Facts = merge(known.Facts, facts)
	}
	d.episodes[e] = known
	dec.Episodes = append(dec.Episodes, known.State)
	if replayed || len(findings) > 0 {
		d.unsettled = append(d.unsettled, unsettled{dec, e, known.State, known.Facts, findings, replayed, corrected, ""})
	}
}

// Why alerts are amended or taken back.
const (
	// corrected: their facts were corrected where they came from.
	corrected = "facts-corrected"
	// rescored: their facts were taken anew from what had come.
	rescored = "rescored"
	// united: their patient turned out to be another one.
	united = "patients-united"
)

// held is an episode whose facts were taken anew, with the decision that is to tell what becomes of it.
type held struct {
	decision *Decision
	patient  ref.Patient
}

// hold lays facts into an episode, and takes back those of taken resources, without folding it yet.
func (d *Desk) hold(dec *Decision, patient ref.Patient, taken []ref.Resource, facts []fact.Fact) {
	e := ref.EpisodeOf(patient)
	known, _ := d.episode(e)
	known.Superseded = append(slices.Clip(known.Superseded), taken...)
	known.Facts = merge(without(known.Facts, taken), facts)
	d.episodes[e] = known
	d.held[e] = held{dec, patient}
}

// refold folds each held episode once, however many of its facts were taken anew. A state that holds some of them by the
// old definition and some by the new one would be compared with itself, and raise alerts that were never true.
func (d *Desk) refold() {
	for _, e := range slices.Sorted(maps.Keys(d.held)) {
		h := d.held[e]
		known, _ := d.episode(e)
		var findings []judge.Finding
		known.State, findings = d.replayAll(h.patient, known.Facts)
		d.episodes[e] = known
		h.decision.Episodes = append(h.decision.Episodes, known.State)
		d.unsettled = append(d.unsettled, unsettled{h.decision, e, known.State, known.Facts, findings, true, rescored, ""})
	}
	clear(d.held)
}

// unsettled are the findings of one advance of an episode, whose alerts may not be on the desk yet.
type unsettled struct {
	decision *Decision
	episode  ref.Episode
	state    *episode.State
	facts    []fact.Fact
	findings []judge.Finding
	replayed bool
	// reason of the steps that alerts take because of it.
	reason string
	// from is the episode whose alerts move here, because its patient is this one; empty when none do.
	from ref.Episode
}

// Settle says of every finding so far what becomes of it, and adds that to its decision. The alerts of the episodes named
// by Unalerted lie on the desk.
func (d *Desk) Settle() {
	for _, u := range d.unsettled {
		if u.from != "" {
			d.moveAlerts(u)
		}
		known, _ := d.episode(u.episode)
		known.Alerts = d.reconcile(u, known.Alerts)
		d.episodes[u.episode] = known
	}
	d.unsettled = nil
}

func (d *Desk) fold(patient ref.Patient, state *episode.State, facts []fact.Fact) (*episode.State, []judge.Finding) {
	if state == nil {
		state = d.terms.New(patient)
	}
	var findings []judge.Finding
	for _, f := range facts {
		after := episode.Fold(state, f)
		findings = append(findings, judge.Judge(d.rules, state, after, f)...)
		state = after
	}
	return state, findings
}

func (d *Desk) replayAll(patient ref.Patient, facts []fact.Fact) (*episode.State, []judge.Finding) {
	return d.fold(patient, nil, facts)
}

// reconcile turns findings into alerts: new ones are raised or suppressed, those whose facts were corrected are amended,
// and after a replay those that are no longer found are retracted.
func (d *Desk) reconcile(u unsettled, known []alert.Alert) []alert.Alert {
	alerts := slices.Clone(known)
	found := make(map[string]bool, len(u.findings))
	for _, f := range u.findings {
		found[f.ID] = true
		if i := standing(alerts, f.ID); i >= 0 {
			d.amend(u, alerts, i, f)
			continue
		}
		alerts = append(alerts, d.raise(u.decision, u.state, alerts, f))
	}
	if u.replayed {
		d.retract(u, alerts, found)
	}
	return alerts
}

// standing is the index of the alert made from a finding that was not retracted; -1 when there is none.
func standing(alerts []alert.Alert, finding string) int {
	return slices.IndexFunc(alerts, func(a alert.Alert) bool { return a.Finding == finding && a.Status != alert.Retracted })
}

// raise begins the life of a finding.
func (d *Desk) raise(dec *Decision, state *episode.State, alerts []alert.Alert, f judge.Finding) alert.Alert {
	a := alert.Alert{
		ID: f.ID, Finding: f.ID, Severity: f.Rule.Severity, Rule: f.Rule.ID, RuleVersion: f.Rule.Version,
		Group: f.Group, Safety: f.Rule.Safety, Patient: state.Patient, Episode: state.Episode, Title: f.Rule.Title,
		Evidence: f.Rule.Evidence, Roles: f.Rule.Roles, Feeds: state.Feeds(), Effective: f.At,
	}
	if n := times(alerts, f.ID); n > 0 {
		a.ID = ref.Digest("again", f.ID, strconv.Itoa(n))
	}
	describe(&a, f)
	a, event := alert.Begin(a, d.now, d.suppressed(alerts, f))
	dec.Alerts = append(dec.Alerts, a)
	dec.Events = append(dec.Events, event)
	return a
}

func times(alerts []alert.Alert, finding string) int {
	n := 0
	for _, a := range alerts {
		if a.Finding == finding {
			n++
		}
	}
	return n
}

// describe lays the finding's words, numbers and sources into the alert.
func describe(a *alert.Alert, f judge.Finding) {
	a.Seen, a.Question, a.Phrase = f.Wording.Seen, f.Wording.Question, f.Wording.Phrase
	a.Facts = []string{f.Fact}
	a.Sources = nil
	if f.Source.Type != "" {
		a.Sources = []ref.Resource{f.Source}
	}
	a.Numbers = slices.DeleteFunc(slices.Clone(f.Numbers), func(n judge.Number) bool {
		return !finite(n.Value) || n.Reference != nil && !finite(*n.Reference)
	})
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// suppressed says why a finding is not raised; empty when it is. Safety findings always are.
func (d *Desk) suppressed(alerts []alert.Alert, f judge.Finding) string {
	if f.Rule.Safety {
		return ""
	}
	if d.now.Sub(f.At) > BackfillAfter {
		return "back-fill: happened more than 30 days before it was heard of"
	}
	for i := len(alerts) - 1; i >= 0; i-- {
		a := &alerts[i]
		if a.Rule != f.Rule.ID || a.Group != f.Group || a.Status == alert.Suppressed || a.Status == alert.Retracted {
			continue
		}
		if a.Live() {
			return "grouped: alert " + a.ID + " of the same rule is still " + string(a.Status)
		}
		if gap := f.At.Sub(a.Effective); gap.Abs() < f.Rule.CoolDown {
			return "cool-down: alert " + a.ID + " of the same rule is less than " + f.Rule.CoolDown.String() + " apart"
		}
	}
	return ""
}

// amend follows a correction that left the finding true.
func (d *Desk) amend(u unsettled, alerts []alert.Alert, i int, f judge.Finding) {
	a := alerts[i]
	if !a.Live() || len(a.Sources) == 0 || a.Sources[len(a.Sources)-1] == f.Source {
		return
	}
	describe(&a, f)
	d.step(u, alerts, i, a, alert.Amend)
}

// retract takes back what was found before and is not found any more, unless only the rule has changed since.
func (d *Desk) retract(u unsettled, alerts []alert.Alert, found map[string]bool) {
	versions := make(map[string]string, len(d.rules))
	for i := range d.rules {
		versions[d.rules[i].ID] = d.rules[i].Version
	}
	for i, a := range alerts {
		if found[a.Finding] || a.Status == alert.Retracted {
			continue
		}
		if versions[a.Rule] == a.RuleVersion || !stands(u.facts, a.Facts) {
			d.step(u, alerts, i, a, alert.Retract)
		}
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

func (d *Desk) step(u unsettled, alerts []alert.Alert, i int, a alert.Alert, verb alert.Verb) {
	next, event, err := alert.Lifecycle(a, alert.Command{
		Alert: a.ID, Verb: verb, Version: a.Version, Actor: alert.Service, Reason: u.reason, At: d.now,
	})
	if err != nil {
		return // the table does not allow it: the alert stays as it is
	}
	alerts[i] = next
	u.decision.Alerts = append(u.decision.Alerts, next)
	u.decision.Events = append(u.decision.Events, *event)
}

// merge puts facts into key order; of two with the same id the later one in the arguments wins.
func merge(facts, more []fact.Fact) []fact.Fact {
	if len(more) == 0 {
		return facts
	}
	merged := make([]fact.Fact, 0, len(facts)+len(more))
	merged = append(append(merged, facts...), more...)
	slices.SortStableFunc(merged, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	return merged
}

// without leaves out the facts of the given resources.
func without(facts []fact.Fact, of []ref.Resource) []fact.Fact {
	if len(of) == 0 {
		return facts
	}
	return slices.DeleteFunc(slices.Clone(facts), func(f fact.Fact) bool {
		return slices.Contains(of, f.Source.Unversioned())
	})
}
