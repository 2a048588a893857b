package wire

import (
	"encoding/json"
	"time"

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
		out.Why = append(out.Why, &rapportv1.Reason{
			Code: r.Code, Tier: string(r.Tier), Weight: int32(r.Weight), Text: r.Text, Value: r.Value, Facts: r.Facts,
		})
	}
	bond(out, s)
	for _, p := range s.Distress() {
		out.Distress = append(out.Distress, part(p, s.Now))
	}
	out.Adherence = adherenceOf(s)
	out.Trajectories = trajectories(s)
	courseOf(out, s)
	var err error
	out.State, err = whole(s)
	return out, err
}

func part(p distress.Part, now time.Time) *rapportv1.DistressPart {
	out := &rapportv1.DistressPart{Part: p.Name, Level: p.Level, Instrument: p.Instrument, Measured: stamp(p.Measured())}
	if p.Missing() {
		return out
	}
	out.Value, out.Baseline = &p.Track.Last.Value, &p.Track.First.Value
	out.Unconfirmed = p.Track.Last.Unconfirmed
	out.AgeDays, out.Stale = int32(p.Age(now)), p.Stale(now)
	out.Outcome, out.Unresponsive = string(p.Outcome()), p.Unresponsive()
	if since, ok := p.Track.SinceFirst(); ok {
		out.Change, out.SinceFirst = string(since.Direction), Verdict(since, p.Track.First, p.Track.Last)
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
