package wire

import (
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// Verdict on the difference between two readings, in protobuf.
func Verdict(v trend.Verdict, from, to trend.Reading) *rapportv1.ChangeVerdict {
	out := &rapportv1.ChangeVerdict{
		Points: v.Points, Reliable: v.Reliable, Important: v.Important, Direction: string(v.Direction),
		BandFrom: from.Band, BandTo: to.Band, Band: string(v.Band), Class: string(v.Class), Index: v.Index,
		Unconfirmed: v.Unconfirmed.Any(),
	}
	for _, doubt := range []struct {
		name  string
		holds bool
	}{
		{"values", v.Unconfirmed.Values},
		{"reliable", v.Unconfirmed.Reliable},
		{"important", v.Unconfirmed.Important},
		{"class", v.Unconfirmed.Class},
	} {
		if doubt.holds {
			out.Doubts = append(out.Doubts, doubt.name)
		}
	}
	return out
}

// Statistics that differences of a score are judged by, in protobuf; nil when none is known.
func Statistics(y trend.Yardstick) *rapportv1.ChangeStatistics {
	if y.Reliable == nil && y.Important == nil && y.Cutoff == nil && !y.BySE {
		return nil
	}
	return &rapportv1.ChangeStatistics{
		Reliable: y.Reliable, ReliableUnconfirmed: y.ReliableUnconfirmed, BySe: y.BySE,
		Important: y.Important, ImportantUnconfirmed: y.ImportantUnconfirmed,
		Cutoff: y.Cutoff, CutoffUnconfirmed: y.CutoffUnconfirmed,
	}
}

// trajectories are the tracks of an episode: those of the instruments, then those of the dyads.
func trajectories(s *episode.State) []*rapportv1.Trajectory {
	var out []*rapportv1.Trajectory
	for _, i := range s.Instruments {
		for _, t := range i.Tracks {
			out = append(out, trajectory(&rapportv1.Trajectory{Instrument: i.ID, Respondent: i.Respondent}, t))
		}
	}
	for _, d := range s.Dyads {
		out = append(out, trajectoriesOf(d)...)
	}
	return out
}

func trajectoriesOf(d *alliance.Dyad) []*rapportv1.Trajectory {
	var out []*rapportv1.Trajectory
	for _, t := range d.Tracks {
		of := &rapportv1.Trajectory{Instrument: d.Instrument, Respondent: d.Rater, Clinician: string(d.Clinician)}
		out = append(out, trajectory(of, t))
	}
	return out
}

func trajectory(out *rapportv1.Trajectory, t trend.Track) *rapportv1.Trajectory {
	out.Score, out.Readings, out.First, out.Last = t.Code, int32(t.Count), reading(t.First), reading(t.Last)
	if since, ok := t.SinceFirst(); ok {
		out.SinceFirst = Verdict(since, t.First, t.Last)
	}
	if since, ok := t.SincePrevious(); ok {
		out.SincePrevious = Verdict(since, t.Previous, t.Last)
	}
	return out
}

func reading(r trend.Reading) *rapportv1.Reading {
	return &rapportv1.Reading{At: stamp(r.At), Value: r.Value, Band: r.Band, Se: r.SE, Unconfirmed: r.Unconfirmed}
}
