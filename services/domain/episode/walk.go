package episode

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Turn is what one fact meant beyond itself.
type Turn struct {
	// Fact that brought it about.
	Fact fact.Fact
	// Breaks are ruptures that were detected with it, or closed.
	Breaks []Break
	// Dyad that was rated and in which that meant something else, Dyad.Event; nil when it did not.
	Dyad *alliance.Dyad
	// Before and After are the fused views round the fact.
	Before, After View
}

// Break is a rupture that was just detected, or just closed, as its Status says.
type Break struct {
	// Dyad it is in.
	Dyad *alliance.Dyad
	// Rupture as it stands then.
	Rupture alliance.Rupture
}

// Viewed says whether the view changed: its tier, or the rows of the table that hold.
func (t Turn) Viewed() bool {
	return t.Before.Tier != t.After.Tier || !slices.EqualFunc(t.Before.Reasons, t.After.Reasons, func(a, b Reason) bool { return a.Code == b.Code })
}

// Walked is the way of an episode through its facts.
type Walked struct {
	// State at the end; the same as Replay gives.
	State *State
	// Turns in the order of the facts.
	Turns []Turn
	// Begun is, by the code of each reason that holds at the end, the fact since which it holds without a break.
	Begun map[string]fact.Fact
}

// Walk folds all facts of a patient, given in the order of fact.Key, and tells the turns they took. Given twice, a fact
// counts once.
func (t Terms) Walk(p ref.Patient, facts []fact.Fact) Walked {
	w := Walked{State: t.New(p), Begun: map[string]fact.Fact{}}
	view := w.State.View()
	for i := range facts {
		if i > 0 && facts[i].Key() == facts[i-1].Key() {
			continue
		}
		before := w.State.Dyads
		w.State.fold(facts[i])
		turn := Turn{Fact: facts[i], Before: view, After: w.State.View(), Breaks: breaks(before, w.State.Dyads), Dyad: w.State.meant(facts[i])}
		if slices.ContainsFunc(turn.Breaks, func(b Break) bool { return b.Dyad == turn.Dyad }) {
			turn.Dyad = nil
		}
		if turn.Viewed() {
			w.begin(turn)
		}
		if turn.Dyad != nil || len(turn.Breaks) > 0 || turn.Viewed() {
			w.Turns = append(w.Turns, turn)
		}
		view = turn.After
	}
	return w
}

// meant is the dyad as it stands, when a rating has just meant something in it.
func (s *State) meant(f fact.Fact) *alliance.Dyad {
	if f.Scores == nil || f.Scores.Construct != allianceScores || !f.Scores.Any() {
		return nil
	}
	if d := s.Dyad(f.Scores); d != nil && d.Event != "" && d.Event != alliance.None {
		return d
	}
	return nil
}

// breaks are the ruptures of the dyads that were not there before, or were still open.
func breaks(before, after []*alliance.Dyad) (found []Break) {
	for _, d := range after {
		if slices.Contains(before, d) {
			continue // the fold replaces what it changes
		}
		was := slices.IndexFunc(before, func(b *alliance.Dyad) bool {
			return b.Clinician == d.Clinician && b.Rater == d.Rater && b.Instrument == d.Instrument
		})
		for _, r := range d.Ruptures() {
			if was < 0 || !slices.ContainsFunc(before[was].Ruptures(), func(b *alliance.Rupture) bool {
				return b.Kind == r.Kind && b.Onset.Equal(r.Onset) && b.Status == r.Status
			}) {
				found = append(found, Break{d, *r})
			}
		}
	}
	return found
}

// begin notes which reasons hold since a turn, and which do not any more.
func (w *Walked) begin(t Turn) {
	holds := make(map[string]bool, len(t.After.Reasons))
	for _, r := range t.After.Reasons {
		holds[r.Code] = true
		if _, known := w.Begun[r.Code]; !known {
			w.Begun[r.Code] = t.Fact
		}
	}
	for code := range w.Begun {
		if !holds[code] {
			delete(w.Begun, code)
		}
	}
}
