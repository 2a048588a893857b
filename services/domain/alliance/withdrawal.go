package alliance

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Bad is the rating of a session that went badly, after which it counts how the patient behaves.
type Bad struct {
	// At is when it was rated, by which Fact.
	At   time.Time `json:"at"`
	Fact string    `json:"fact"`
	// Score rated, its Value and the Usual level, in points.
	Score string  `json:"score"`
	Value float64 `json:"value"`
	Usual float64 `json:"usual"`
	// Kept is the completion of home exercise up to then, in %; nil when not known.
	Kept *float64 `json:"kept,omitempty"`
	// Seen are the facts of visits missed since, oldest first, at most two.
	Seen []string `json:"seen,omitempty"`
}

// Until is the moment from which behaviour is no longer laid to the session.
func (b *Bad) Until() time.Time { return b.At.AddDate(0, 0, FallDays) }

// Unheard is the moment at which a patient who has said nothing since does not respond.
func (b *Bad) Unheard() time.Time { return b.At.AddDate(0, 0, UnheardDays) }

// weigh notes whether the session just rated was a bad one. With a rupture open it is already told.
func (d *Dyad) weigh(key fact.Key) {
	d.Bad = nil
	if d.Rater != Patient || d.Chart.Open() || d.Other != nil && d.Other.Status == Open {
		return
	}
	switch d.Event {
	case Strain:
		last := d.Strains[len(d.Strains)-1]
		d.Bad = &Bad{At: key.At, Fact: key.ID, Score: d.detector().Code, Value: last.Value, Usual: last.Usual}
	case Fell:
		d.badStep(key)
	}
}

func (d *Dyad) badStep(key fact.Key) {
	for i := range d.Tracks {
		t := &d.Tracks[i]
		step := d.step(t.Code)
		if step == nil || !t.Last.At.Equal(key.At) || t.Count < 2 {
			continue
		}
		if fall := t.Previous.Value - t.Last.Value; fall >= step.Bad-tolerance || fall >= step.Points-tolerance && t.Last.Band == step.Band {
			usual := t.Previous.Value
			if l := d.Levels[i]; l.Usual != nil {
				usual = *l.Usual
			}
			d.Bad = &Bad{At: key.At, Fact: key.ID, Score: t.Code, Value: t.Last.Value, Usual: usual}
		}
	}
}

// Keep notes how well home exercise was done up to a bad session, in %.
func (d *Dyad) Keep(percent float64) *Dyad {
	if d.Bad == nil {
		return d
	}
	next, bad := *d, *d.Bad
	bad.Kept = &percent
	next.Bad = &bad
	return &next
}

// Note remembers the fact of a visit missed after a bad session.
func (d *Dyad) Note(fact string) *Dyad {
	if d.Bad == nil {
		return d
	}
	next, bad := *d, *d.Bad
	bad.Seen = tail(append(slices.Clip(bad.Seen), fact), MissedVisits)
	next.Bad = &bad
	return &next
}

// DrawBack opens a rupture told by behaviour after the bad session: Behavioural or NonResponse.
func (d *Dyad) DrawBack(at time.Time, kind Event) *Dyad {
	if d.Bad == nil || d.Open() != nil {
		return d
	}
	next := *d
	next.Other = &Rupture{
		Kind: kind, Status: Open, Score: d.Bad.Score, Onset: at, Value: d.Bad.Value, Usual: d.Bad.Usual,
		Facts: append([]string{d.Bad.Fact}, d.Bad.Seen...), Session: d.Sessions,
	}
	next.Bad = nil
	return &next
}

// DrawnBack is the open rupture that behaviour tells; nil when there is none.
func (d *Dyad) DrawnBack() *Rupture {
	if d.Other != nil && (d.Other.Kind == Behavioural || d.Other.Kind == NonResponse) {
		return d.Other
	}
	return nil
}
