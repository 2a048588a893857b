package wire

import (
	"slices"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
)

// bond enters everything that the alliance is.
func bond(out *rapportv1.Episode, s *episode.State) {
	for _, d := range s.Dyads {
		out.Dyads = append(out.Dyads, dyad(s, d))
	}
	for i := range s.Gaps {
		out.AllianceGaps = append(out.AllianceGaps, gap(s, &s.Gaps[i]))
	}
	for _, l := range s.Team() {
		out.Team = append(out.Team, link(s, l))
	}
}

func dyad(s *episode.State, d *alliance.Dyad) *rapportv1.Dyad {
	out := &rapportv1.Dyad{
		Clinician: string(d.Clinician), Rater: d.Rater, Instrument: d.Instrument, Sessions: int32(d.Sessions),
		Last: map[string]float64{}, Usual: d.Chart.Usual, Event: string(d.Event), RuptureOpen: d.Chart.Open(), LastRated: stamp(d.Rated),
		Role: s.Role(d.Clinician), Left: stamp(d.Left), SessionsSince: int32(s.SessionsSince(d)),
		RupturesClosed: int32(d.Closed), StrainCount: int32(d.StrainCount), EventUnconfirmed: d.Unconfirmed(),
	}
	for _, t := range d.Tracks {
		out.Last[t.Code] = t.Last.Value
		out.Unconfirmed = out.Unconfirmed || t.Last.Unconfirmed
	}
	if change, ok := d.Change(); ok {
		out.Change = &change
	}
	if main := d.Main(); main != nil {
		out.Ceiling, out.ConstantMaximum = main.Ceiling(), main.Constant()
	}
	for i := range d.Levels {
		out.Levels = append(out.Levels, level(&d.Levels[i], d.Tracks[i].Last.Value))
	}
	for _, r := range d.Ruptures() {
		out.Ruptures = append(out.Ruptures, rupture(r))
	}
	for _, x := range d.Strains {
		out.Strains = append(out.Strains, &rapportv1.AllianceStrain{Time: stamp(x.At), Value: x.Value, Usual: x.Usual, Fact: x.Fact})
	}
	return out
}

func level(l *alliance.Level, last float64) *rapportv1.AllianceLevel {
	out := &rapportv1.AllianceLevel{
		Code: l.Code, Last: last, Usual: l.Usual, Lower: l.Lower, Ceiling: l.Ceiling(), ConstantMaximum: l.Constant(),
	}
	if fall, ok := l.Fall(last); ok {
		out.Change = new(-fall)
	}
	return out
}

func rupture(r *alliance.Rupture) *rapportv1.Rupture {
	out := &rapportv1.Rupture{
		Kind: string(r.Kind), Status: string(r.Status), Stage: r.Stage(), Score: r.Score, Onset: stamp(r.Onset),
		Value: r.Value, Usual: r.Usual, Facts: r.Facts, Since: r.Since, Because: r.Because,
	}
	if m := r.Acknowledged; m != nil {
		out.Acknowledged = step(r, m.At, m.Session, m.Fact)
	}
	for _, a := range r.Attempts {
		out.Attempts = append(out.Attempts, &rapportv1.RepairAttempt{
			Step: step(r, a.At, a.Session, a.Fact), Enhancers: a.Enhancers, Eroders: a.Eroders,
		})
	}
	if !r.Ended.IsZero() {
		out.Ended = step(r, r.Ended, r.EndedSession, "")
	}
	return out
}

func step(r *alliance.Rupture, at time.Time, session int, by string) *rapportv1.RuptureStep {
	took := r.Until(at, session)
	return &rapportv1.RuptureStep{Time: stamp(at), Days: took.Days, Sessions: int32(took.Sessions), ToldBy: by}
}

func gap(s *episode.State, g *alliance.Gap) *rapportv1.AllianceGap {
	out := &rapportv1.AllianceGap{
		Clinician: string(g.Clinician), Rater: g.Rater, Value: g.Last.Value, Time: stamp(g.Last.At), Readings: int32(g.Count),
		Wide: g.Wide(), Parts: map[string]float64{},
	}
	if moved, ok := g.Moved(); ok {
		out.Moved = &moved
	}
	for _, own := range s.Dyads {
		for _, theirs := range s.Dyads {
			if own.Clinician != g.Clinician || theirs.Rater != g.Rater {
				continue
			}
			for _, part := range alliance.Parts {
				if value, ok := alliance.Between(own, theirs, part); ok {
					out.Parts[part] = value
				}
			}
		}
	}
	return out
}

func link(s *episode.State, l alliance.Link) *rapportv1.TeamLink {
	out := &rapportv1.TeamLink{
		Clinician: string(l.Clinician), Role: s.Role(l.Clinician), Instrument: l.Dyad.Instrument, Sessions: int32(l.Dyad.Sessions),
		Level: l.Level, Least: l.Least, Most: l.Most, Trend: string(l.Trend), Weak: l.Weak, RuptureOpen: l.Dyad.Open() != nil,
	}
	if l.Compared > 0 {
		out.Below = &l.Below
	}
	return out
}

// Acknowledged enters into the ruptures of an episode when their alerts were acknowledged, where no clinician has recorded
// it otherwise. An alert belongs to a rupture when one fact is behind both.
func Acknowledged(e *rapportv1.Episode, alerts []alert.Alert) {
	for _, d := range e.GetDyads() {
		for _, r := range d.GetRuptures() {
			if r.GetAcknowledged() == nil {
				r.Acknowledged = acknowledgement(r, alerts)
			}
			if r.GetStage() == "detected" && r.GetAcknowledged() != nil {
				r.Stage = "acknowledged"
			}
		}
	}
}

func acknowledgement(r *rapportv1.Rupture, alerts []alert.Alert) *rapportv1.RuptureStep {
	for _, a := range alerts {
		if !strings.HasPrefix(a.Rule, "alliance-") || !slices.ContainsFunc(a.Facts, func(f string) bool { return slices.Contains(r.GetFacts(), f) }) {
			continue
		}
		for _, s := range a.History {
			if s.Status == alert.Acknowledged {
				return &rapportv1.RuptureStep{Time: stamp(s.Time), Days: max(0, s.Time.Sub(r.GetOnset().AsTime()).Hours()/24), ToldBy: a.ID}
			}
		}
	}
	return nil
}
