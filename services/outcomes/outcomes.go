// Package outcomes is OutcomeService: how a patient is going, with the working.
package outcomes

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

// Server answers OutcomeService.
type Server struct {
	rapportv1.UnimplementedOutcomeServiceServer
	// Store is read from.
	Store store.Store
	// Log follows feeds.
	Log *watch.Log
	// Now is the clock.
	Now func() time.Time
	// Stopping ends what is watched before the server stops.
	Stopping <-chan struct{}
}

// GetEpisode returns the state of a patient, now or as of an earlier moment.
func (s *Server) GetEpisode(ctx context.Context, req *rapportv1.GetEpisodeRequest) (*rapportv1.GetEpisodeResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	patient, err := patientOf(req.GetPatient())
	if err != nil {
		return nil, wire.Error(err)
	}
	var state *episode.State
	var alerts []alert.Alert
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		if patient, err = store.KnownAs(r, patient); err != nil {
			return err
		}
		state, alerts, err = read(r, patient, req.GetAsOf())
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	out, err := told(p, state, alerts)
	return &rapportv1.GetEpisodeResponse{Episode: out}, wire.Error(err)
}

// told is a state with the alerts that still want somebody, as a principal may read them, in protobuf.
func told(p access.Principal, state *episode.State, alerts []alert.Alert) (*rapportv1.Episode, error) {
	out, err := wire.Episode(state)
	if err != nil {
		return nil, err
	}
	wire.Acknowledged(out, alerts)
	for _, a := range alerts {
		if sight, ok := a.As(p); ok && a.Live() {
			out.Alerts = append(out.Alerts, wire.Alert(sight.In(a.Language)))
		}
	}
	return out, nil
}

func patientOf(named string) (ref.Patient, error) {
	id := strings.TrimPrefix(named, "Patient/")
	if !ref.ValidID(id) {
		return "", fault.New(fault.Invalid, fault.Errorf("value", "patient", "name a patient as Patient/id or id"))
	}
	return ref.Patient(id), nil
}

func read(r store.Reader, patient ref.Patient, asOf *timestamppb.Timestamp) (*episode.State, []alert.Alert, error) {
	e := ref.EpisodeOf(patient)
	if asOf != nil {
		state, err := past(r, patient, asOf.AsTime())
		return state, nil, err
	}
	states, err := r.States([]ref.Episode{e})
	if err != nil {
		return nil, nil, err
	}
	state, ok := states[e]
	if !ok {
		return nil, nil, unknown()
	}
	if state.Form != episode.Form {
		if state, err = anew(r, state); err != nil {
			return nil, nil, err
		}
	}
	alerts, err := r.AlertsOf([]ref.Episode{e})
	return state, alerts[e], err
}

// anew folds a state that was kept in an older form, as the next fact would.
func anew(r store.Reader, stored *episode.State) (*episode.State, error) {
	facts, err := r.Facts([]ref.Episode{stored.Episode})
	if err != nil {
		return nil, err
	}
	return stored.Terms().New(stored.Patient).Replay(facts[stored.Episode]), nil
}

func unknown() error {
	return fault.Newf(fault.NotFound, "not-found", "nothing is known of this patient yet")
}

// past folds what had happened, and was known, by a moment. Of a history that was recorded afterwards nothing was known then:
// it is folded as it is known now.
func past(r store.Reader, patient ref.Patient, at time.Time) (*episode.State, error) {
	e := ref.EpisodeOf(patient)
	facts, err := r.FactsAt([]ref.Episode{e}, at)
	if err == nil && len(facts[e]) == 0 {
		facts, err = r.Facts([]ref.Episode{e})
	}
	if err != nil {
		return nil, err
	}
	known := slices.DeleteFunc(facts[e], func(f fact.Fact) bool { return f.At.After(at) })
	if len(known) == 0 {
		return nil, fault.Newf(fault.NotFound, "not-found", "nothing that happened to this patient by then is known")
	}
	terms, err := termsOf(r, e)
	if err != nil {
		return nil, err
	}
	return terms.New(patient).Replay(known), nil
}

// termsOf are those under which an episode is kept; the usual ones for one that is not.
func termsOf(r store.Reader, e ref.Episode) (terms episode.Terms, err error) {
	states, err := r.States([]ref.Episode{e})
	if now, ok := states[e]; ok {
		terms = now.Terms()
	}
	return terms, err
}

// ListScores returns a patient's score sheets, newest first.
func (s *Server) ListScores(ctx context.Context, req *rapportv1.ListScoresRequest) (*rapportv1.ListScoresResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	patient, err := patientOf(req.GetPatient())
	if err != nil {
		return nil, wire.Error(err)
	}
	size, err := wire.PageSize(req.GetPageSize())
	if err != nil {
		return nil, wire.Error(err)
	}
	after, err := wire.Place[fact.Key](req.GetPageToken())
	if err != nil {
		return nil, wire.Error(err)
	}
	var facts []fact.Fact
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) error {
		patient, err := store.KnownAs(r, patient)
		if err != nil {
			return err
		}
		e := ref.EpisodeOf(patient)
		found, err := r.Facts([]ref.Episode{e})
		facts = found[e]
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	if len(facts) == 0 {
		return nil, wire.Error(unknown())
	}
	resp := &rapportv1.ListScoresResponse{}
	var last fact.Key
	for _, f := range slices.Backward(facts) {
		switch {
		case f.Scores == nil || req.GetInstrument() != "" && f.Scores.Instrument != req.GetInstrument():
			continue
		case req.GetPageToken() != "" && f.Key().Compare(after) >= 0:
			continue
		}
		if len(resp.Sheets) == size {
			resp.NextPageToken = wire.PageToken(last)
			break
		}
		resp.Sheets = append(resp.Sheets, wire.Sheet(f))
		last = f.Key()
	}
	return resp, nil
}

// ListUnscored lists what was stored but could not be used.
func (s *Server) ListUnscored(ctx context.Context, req *rapportv1.ListUnscoredRequest) (*rapportv1.ListUnscoredResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	size, err := wire.PageSize(req.GetPageSize())
	if err != nil {
		return nil, wire.Error(err)
	}
	after, err := wire.Place[record.Place](req.GetPageToken())
	if err != nil {
		return nil, wire.Error(err)
	}
	var found []record.Record
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		found, err = r.Search(record.Query{Unused: true, After: after, Max: size + 1})
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListUnscoredResponse{}
	if len(found) > size {
		found = found[:size]
		last := found[size-1]
		resp.NextPageToken = wire.PageToken(record.Place{From: last.From, Resource: last.Resource})
	}
	for _, r := range found {
		resp.Unscored = append(resp.Unscored, &rapportv1.Unscored{
			Reference: r.String(), Source: string(r.Source), Issues: wire.Issues(r.Issues), Recorded: timestamppb.New(r.Received),
		})
	}
	return resp, nil
}
