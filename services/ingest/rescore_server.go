package ingest

import (
	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/wire"
)

// Rescore reads what is stored once more, and tells what it does.
func (s *Server) Rescore(req *rapportv1.RescoreRequest, stream grpc.ServerStreamingServer[rapportv1.RescoreResponse]) error {
	p, err := auth.From(stream.Context())
	if err != nil {
		return wire.Error(err)
	}
	after, err := wire.Place[ref.Patient](req.GetPageToken())
	if err != nil {
		return wire.Error(err)
	}
	wish := Rescoring{
		Types: req.GetTypes(), Instruments: req.GetInstruments(), OnlyUnscored: req.GetOnlyUnscored(), DryRun: req.GetDryRun(),
		After: after,
	}
	return wire.Error(s.Room.Rescore(stream.Context(), p.Tenant, wish, func(step Step) error {
		if err := stream.Send(stepOf(step)); err != nil {
			return err
		}
		return s.goingOn(step)
	}))
}

// goingOn ends a run between two pages when the server is to stop: from there another one goes on.
func (s *Server) goingOn(step Step) error {
	if step.Progress == nil || step.Progress.Place == "" {
		return nil
	}
	select {
	case <-s.Stopping:
		return fault.Newf(fault.Unavailable, "transient", "the server is stopping: go on from the last token")
	default:
		return nil
	}
}

func stepOf(step Step) *rapportv1.RescoreResponse {
	switch {
	case step.Change != nil:
		return &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Change{Change: changeOf(step.Change)}}
	case step.Failure != nil:
		return &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Failure{Failure: &rapportv1.RescoreFailure{
			Reference: step.Failure.Resource.String(), Issues: wire.Issues(step.Failure.Issues),
		}}}
	}
	progress := &rapportv1.RescoreProgress{
		Changed: step.Progress.Changed, Unchanged: step.Progress.Unchanged, Failed: step.Progress.Failed,
	}
	progress.Seen = progress.Changed + progress.Unchanged + progress.Failed
	if step.Progress.Place != "" {
		progress.PageToken = wire.PageToken(step.Progress.Place)
	}
	return &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Progress{Progress: progress}}
}

func changeOf(c *Change) *rapportv1.RescoreChange {
	out := &rapportv1.RescoreChange{
		Before: c.Before.String(), After: c.After.String(), Scores: wire.RescoredScores(c.Was, c.Is),
		Opened: int32(c.Opened), Retracted: int32(c.Retracted),
	}
	if c.Was != nil {
		out.Instrument, out.BeforeVersion, out.BeforeHash = c.Was.Instrument, c.Was.Version, c.Was.Hash
	}
	if c.Is != nil {
		out.Instrument, out.AfterVersion, out.AfterHash = c.Is.Instrument, c.Is.Version, c.Is.Hash
	}
	return out
}
