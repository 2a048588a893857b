package rules

import (
	"math"
	"time"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
)

// enrich adds to a dyad what the rest of the state says about it.
func (v *Dyad) enrich(s *episode.State, d *alliance.Dyad) {
	if main := d.Main(); main != nil {
		v.Ceiling, v.ConstantMaximum = main.Ceiling(), main.Constant()
	}
	v.Role, v.SessionsSince = s.Role(d.Clinician), s.SessionsSince(d)
	v.Apart, v.Repair = viewApart(d), viewRepair(d)
	v.Gap = viewGap(s, d)
	for _, l := range s.Team() {
		if l.Dyad == d && l.Compared > 0 {
			v.Link = &Link{Known: true, Weak: l.Weak, Level: l.Level, Below: l.Below, Others: l.Compared}
		}
	}
}

func viewApart(d *alliance.Dyad) *Apart {
	if d.Apart() == "" {
		return nil
	}
	return &Apart{Known: true, Part: d.Other.Score, Value: d.Other.Value, Usual: d.Other.Usual}
}

// viewRepair is the rupture that the last rating repaired.
func viewRepair(d *alliance.Dyad) *Repair {
	if d.Event != alliance.Repaired || len(d.Past) == 0 {
		return nil
	}
	r := &d.Past[len(d.Past)-1]
	took := r.Until(r.Ended, r.EndedSession)
	return &Repair{Known: true, Kind: string(r.Kind), Days: whole(took.Days), Sessions: took.Sessions, Attempts: len(r.Attempts)}
}

// viewGap is that of a rater's dyad with the patient's; of the patient's own the one that lies outside what is usual, else
// that with the clinician.
func viewGap(s *episode.State, d *alliance.Dyad) *Gap {
	var found *alliance.Gap
	for _, rater := range [...]string{alliance.CarePartner, alliance.Clinician} {
		g := s.Gap(d.Clinician, rater)
		if g == nil || d.Rater != alliance.Patient && d.Rater != rater {
			continue
		}
		if found == nil || g.Wide() || !found.Wide() {
			found = g
		}
	}
	if found == nil {
		return nil
	}
	moved, _ := found.Moved()
	return &Gap{Known: true, Rater: found.Rater, Value: found.Last.Value, Moved: moved, Count: found.Count, Wide: found.Wide()}
}

// viewWithdrawal is the last rupture still open that the patient's behaviour told.
func viewWithdrawal(s *episode.State) *Withdrawal {
	var v *Withdrawal
	var onset time.Time
	for _, d := range s.Dyads {
		if r := d.DrawnBack(); r != nil && !r.Onset.Before(onset) {
			onset = r.Onset
			v = &Withdrawal{Known: true, Kind: string(r.Kind), Clinician: string(d.Clinician), Instrument: d.Instrument, Value: r.Value, Usual: r.Usual, Onset: r.Onset}
		}
	}
	return v
}

func whole(days float64) int { return int(math.Round(days)) }
