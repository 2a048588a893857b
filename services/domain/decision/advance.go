package decision

import (
	"maps"
	"slices"
	"time"

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
	if replayed || len(findings) > 0 || slices.ContainsFunc(facts, func(f fact.Fact) bool { return f.Team != nil }) {
		d.unsettled = append(d.unsettled, unsettled{dec, e, known.State, known.Facts, findings, replayed, corrected, "", ids(facts)})
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
		d.unsettled = append(d.unsettled, unsettled{h.decision, e, known.State, known.Facts, findings, true, rescored, "", nil})
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
	// news are the ids of the facts that came or were corrected; unknown where they were rescored.
	news []string
}

func ids(facts []fact.Fact) []string {
	all := make([]string, len(facts))
	for i := range facts {
		all[i] = facts[i].ID
	}
	return all
}

// Settle says of every finding so far what becomes of it, and adds that to its decision. The alerts of the episodes named
// by Unalerted lie on the desk.
func (d *Desk) Settle() {
	for _, u := range d.unsettled {
		if u.from != "" {
			d.moveAlerts(u)
		}
		known, _ := d.episode(u.episode)
		b := d.board(u.decision, u.episode, known, u.state)
		b.reason = u.reason
		b.reconcile(u)
		b.lift()
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
