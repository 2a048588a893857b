package rehearse

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// ward holds what a store would hold of one patient, and judges one input after another on it.
type ward struct {
	rules    []judge.Rule
	policy   alert.Policy
	handled  time.Duration
	terms    episode.Terms
	heads    map[ref.Resource]record.Head
	names    map[string]record.Alias
	episodes map[ref.Episode]*stay
}

// stay is one episode.
type stay struct {
	state  *episode.State
	alerts []alert.Alert
	facts  []fact.Fact
}

// newWard judges with rules and a policy. Told alerts are resolved after handled has passed, where it is above zero. Budgets
// are left out: they are shared by all patients of a team, and a ward is of one.
func newWard(rules []judge.Rule, policy alert.Policy, handled time.Duration) *ward {
	policy.Budgets = nil
	return &ward{
		rules: rules, policy: policy, handled: handled,
		heads: map[ref.Resource]record.Head{}, names: map[string]record.Alias{}, episodes: map[ref.Episode]*stay{},
	}
}

func (w *ward) stay(e ref.Episode) *stay {
	s := w.episodes[e]
	if s == nil {
		s = &stay{}
		w.episodes[e] = s
	}
	return s
}

// desk at a moment, with the heads and names that inputs need.
func (w *ward) desk(now time.Time, inputs []decision.Input) *decision.Desk {
	desk := decision.NewDesk(w.rules, now).Under(w.terms).Telling(w.policy)
	needs := decision.NeedsOf(inputs)
	heads := make(map[ref.Resource]record.Head, len(needs.Resources))
	for _, r := range needs.Resources {
		if h, ok := w.heads[r]; ok {
			heads[r] = h
		}
	}
	names := make(map[string]record.Alias, len(needs.Names))
	for _, n := range needs.Names {
		if a, ok := w.names[n]; ok {
			names[n] = a
		}
	}
	desk.PutHeads(heads)
	desk.PutNames(names)
	return desk
}

// lay puts what one input needs on the desk.
func (w *ward) lay(desk *decision.Desk, in *decision.Input) bool {
	for _, e := range desk.Episodes(in) {
		if !desk.HasEpisode(e) {
			desk.PutEpisode(e, w.stay(e).state)
		}
	}
	for _, e := range desk.History(in) {
		desk.PutHistory(e, w.stay(e).facts)
	}
	return true
}

// take judges the inputs of one submission and keeps what was decided.
func (w *ward) take(now time.Time, inputs []decision.Input, together bool) ([]*decision.Decision, []decision.Receipt) {
	desk := w.desk(now, inputs)
	if together {
		made, receipts, _ := desk.DecideAll(inputs, w.lay)
		return w.keep(desk, made), receipts
	}
	var made []*decision.Decision
	var receipts []decision.Receipt
	for i := range inputs {
		w.lay(desk, &inputs[i])
		one, receipt := desk.Decide(&inputs[i])
		if one != nil {
			made = append(made, one)
		}
		receipts = append(receipts, receipt)
	}
	return w.keep(desk, made), receipts
}

// moment is the next one at which time alone changes something: a deadline of an episode, or one of its alerts.
type moment struct {
	at time.Time
	of *stay
	// alert is its index, -1 for the episode's own deadline; resolve says that somebody resolves it then.
	alert   int
	resolve bool
}

// before says whether a moment comes before another. At the same time an episode's own deadline comes first, as the condition
// of an alert that waits is judged by it.
func (m moment) before(o moment) bool {
	if o.of == nil || !m.at.Equal(o.at) {
		return o.of == nil || m.at.Before(o.at)
	}
	return m.alert < 0 && o.alert >= 0
}

// next is the first moment at or before another; false when there is none.
func (w *ward) next(until time.Time) (first moment, found bool) {
	look := func(m moment) {
		if !m.at.IsZero() && !m.at.After(until) && m.before(first) {
			first, found = m, true
		}
	}
	for _, s := range w.episodes {
		if s.state == nil {
			continue
		}
		look(moment{s.state.Deadline, s, -1, false})
		for i := range s.alerts {
			look(moment{s.alerts[i].Due, s, i, false})
			if w.handled > 0 && s.alerts[i].Status == alert.Open {
				look(moment{s.alerts[i].Since.Add(w.handled), s, i, true})
			}
		}
	}
	return first, found
}

// tick lets the next moment pass that lies at or before another; nothing when there is none.
func (w *ward) tick(until time.Time) (made []*decision.Decision, at time.Time) {
	m, found := w.next(until)
	if !found {
		return nil, time.Time{}
	}
	e := m.of.state.Episode
	desk := w.desk(m.at, nil)
	desk.PutEpisode(e, m.of.state)
	var one *decision.Decision
	if m.alert < 0 {
		if desk.TickHistory(e) {
			desk.PutHistory(e, m.of.facts)
		}
		one = desk.Tick(e)
	} else {
		one = w.rouse(desk, m)
	}
	if one == nil {
		return nil, time.Time{}
	}
	return w.keep(desk, []*decision.Decision{one}), m.at
}

// rouse does to an alert what time does, or what somebody does at that time.
func (w *ward) rouse(desk *decision.Desk, m moment) *decision.Decision {
	a, e := &m.of.alerts[m.alert], m.of.state.Episode
	desk.PutAlerts(e, m.of.alerts)
	if !m.resolve {
		if desk.DueHistory(e, a.ID) {
			desk.PutHistory(e, m.of.facts)
		}
		return desk.Rouse(e, a.ID)
	}
	made, _, err := desk.Command(e, alert.Command{
		Alert: a.ID, Verb: alert.Resolve, Version: a.Version, Actor: "Practitioner/rehearsal", Reason: "handled", At: m.at,
	})
	if err != nil {
		return nil
	}
	return made
}

// do does to an alert what somebody did, where there is such an alert and it allows it.
func (w *ward) do(e ref.Episode, c alert.Command) {
	s := w.stay(e)
	i := slices.IndexFunc(s.alerts, func(a alert.Alert) bool { return a.ID == c.Alert })
	if i < 0 || s.state == nil {
		return
	}
	c.Version = s.alerts[i].Version
	desk := w.desk(c.At, nil)
	desk.PutEpisode(e, s.state)
	desk.PutAlerts(e, s.alerts)
	if made, _, err := desk.Command(e, c); err == nil && made != nil {
		w.keep(desk, []*decision.Decision{made})
	}
}

// keep settles what the findings come to, and writes the decisions down as a store does.
func (w *ward) keep(desk *decision.Desk, made []*decision.Decision) []*decision.Decision {
	for _, e := range desk.Unalerted() {
		desk.PutAlerts(e, w.stay(e).alerts)
	}
	for _, e := range desk.Unread() {
		desk.PutHistory(e, w.stay(e).facts)
	}
	desk.Settle()
	for _, d := range made {
		w.write(d)
	}
	return made
}

func (w *ward) write(d *decision.Decision) {
	for _, r := range d.Records {
		w.heads[r.Unversioned()] = r.Head()
	}
	for _, a := range d.Aliases {
		w.names[a.Name] = a
	}
	if len(d.Superseded) > 0 {
		for _, s := range w.episodes {
			s.facts = slices.DeleteFunc(s.facts, func(f fact.Fact) bool { return slices.Contains(d.Superseded, f.Source.Unversioned()) })
		}
	}
	for _, f := range d.Facts {
		s := w.stay(f.Episode)
		at, _ := slices.BinarySearchFunc(s.facts, f.Fact, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
		s.facts = slices.Insert(s.facts, at, f.Fact)
	}
	for _, state := range d.Episodes {
		w.stay(state.Episode).state = state
	}
	for _, a := range d.Alerts {
		s := w.stay(a.Episode)
		if i := slices.IndexFunc(s.alerts, func(have alert.Alert) bool { return have.ID == a.ID }); i >= 0 {
			s.alerts[i] = a
		} else {
			s.alerts = append(s.alerts, a)
		}
	}
}
