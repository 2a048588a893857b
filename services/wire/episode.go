package wire

import (
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/distress"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Episode state in protobuf, without its alerts.
func Episode(s *episode.State) (*rapportv1.Episode, error) {
	out := &rapportv1.Episode{
		Id: string(s.Episode), Patient: s.Patient.Reference(), Facts: s.Facts, LastFact: stamp(s.Last.At), Deadline: stamp(s.Deadline),
	}
	view := s.View()
	out.View = string(view.Tier)
	for _, r := range view.Reasons {
		text := r.Text
		if r.Unconfirmed {
			text += " (unconfirmed)"
		}
		out.Reasons = append(out.Reasons, text)
	}
	bond(out, s)
	for _, p := range s.Distress() {
		out.Distress = append(out.Distress, part(p))
	}
	out.Adherence = adherenceOf(s)
	out.Trajectories = trajectories(s)
	var err error
	out.State, err = whole(s)
	return out, err
}

func part(p distress.Part) *rapportv1.DistressPart {
	out := &rapportv1.DistressPart{Part: p.Name, Level: p.Level, Instrument: p.Instrument, Measured: stamp(p.Measured())}
	if p.Missing() {
		return out
	}
	out.Value, out.Baseline = &p.Track.Last.Value, &p.Track.First.Value
	out.Unconfirmed = p.Track.Last.Unconfirmed
	if since, ok := p.Track.SinceFirst(); ok {
		out.Change, out.SinceFirst = string(since.Direction), Verdict(since, p.Track.First, p.Track.Last)
	}
	return out
}

// adherenceOf is the last closed window of home exercise, else the one under way; nil when nothing was ever asked for.
func adherenceOf(s *episode.State) *rapportv1.Adherence {
	w, closed := s.Completed()
	if !closed {
		w = s.Programme.Running(s.Now)
	}
	if w.Due == 0 && w.Done == 0 {
		return nil
	}
	out := &rapportv1.Adherence{
		WindowDays: int32(w.To - w.From), Done: w.Done, Prescribed: w.Due, Provisional: w.Provisional, LastLog: stamp(s.Programme.LastLog),
	}
	if percent, ok := w.Completion(); ok {
		out.Completion = &percent
	}
	return out
}

// whole is the state as it is stored.
func whole(s *episode.State) (*structpb.Struct, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "writing an episode state")
	}
	out := &structpb.Struct{}
	return out, fault.Wrap(fault.Internal, out.UnmarshalJSON(data), "writing an episode state")
}
