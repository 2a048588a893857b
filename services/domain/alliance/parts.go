package alliance

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/fact"
)

func (d *Dyad) parting() *Parting {
	for i := range partings {
		if partings[i].Instrument == d.Instrument {
			return &partings[i]
		}
	}
	return nil
}

// part looks whether one part has come apart from the others: it lies low for the second time in a row while another
// one holds, and the whole is not ruptured.
func (d *Dyad) part(key fact.Key) {
	p := d.parting()
	if p == nil || d.Rater != Patient {
		return
	}
	lowest, deepest := -1, 0.0
	holds := false
	for i := range d.Levels {
		l := &d.Levels[i]
		if !slices.Contains(p.Parts, l.Code) || !d.Tracks[i].Last.At.Equal(key.At) {
			continue
		}
		points, known := l.Fall(d.Tracks[i].Last.Value)
		fall := points / l.items()
		if !known || fall < p.Fall-tolerance || l.Low > p.Confirm {
			l.Low = 0 // lower for longer: that is the usual level by now
		} else {
			l.Low++
		}
		holds = holds || known && fall < p.Fine-tolerance
		if l.Low >= p.Confirm && fall > deepest {
			lowest, deepest = i, fall
		}
	}
	if lowest >= 0 && holds && d.Open() == nil {
		d.comeApart(key, lowest, p.Confirm)
	}
}

func (d *Dyad) comeApart(key fact.Key, part, confirmed int) {
	l := &d.Levels[part]
	d.Other = &Rupture{
		Kind: Parted, Status: Open, Score: l.Code, Onset: key.At, Value: d.Tracks[part].Last.Value, Usual: *l.Usual,
		Facts: slices.Clone(tail(d.Facts, confirmed)), Session: d.Sessions,
	}
	d.Event = Parted
}

// Apart is the part that has come apart from the others, while it is; empty otherwise.
func (d *Dyad) Apart() string {
	if d.Other != nil && d.Other.Kind == Parted {
		return d.Other.Score
	}
	return ""
}
