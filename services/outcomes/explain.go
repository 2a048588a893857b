package outcomes

import (
	"cmp"
	"context"
	"slices"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/wire"
)

// maxExplained bounds the alerts of one explanation.
const maxExplained = 100

// Explain shows what the present view, and each alert, rest on.
func (s *Server) Explain(ctx context.Context, req *rapportv1.ExplainRequest) (*rapportv1.ExplainResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	var resp *rapportv1.ExplainResponse
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		x := explainer{r, p}
		switch of := req.GetOf().(type) {
		case *rapportv1.ExplainRequest_Patient:
			resp, err = x.patient(of.Patient)
		case *rapportv1.ExplainRequest_Alert:
			resp, err = x.alert(of.Alert)
		default:
			err = fault.New(fault.Invalid, fault.Errorf("required", "of", "name a patient or an alert"))
		}
		return err
	})
	return resp, wire.Error(err)
}

// explainer looks up what things rest on.
type explainer struct {
	store.Reader
	// asks is who is told.
	asks access.Principal
}

func (x explainer) patient(named string) (*rapportv1.ExplainResponse, error) {
	patient, err := patientOf(named)
	if err != nil {
		return nil, err
	}
	if patient, err = store.KnownAs(x, patient); err != nil {
		return nil, err
	}
	e := ref.EpisodeOf(patient)
	facts, alerts, err := x.episode(e)
	if err != nil {
		return nil, err
	}
	if len(facts) == 0 {
		if err := anything(x, e); err != nil {
			return nil, err
		}
	}
	terms, err := termsOf(x, e)
	if err != nil {
		return nil, err
	}
	walked := terms.Walk(patient, facts)
	resp := &rapportv1.ExplainResponse{Patient: patient.Reference(), View: string(walked.State.View().Tier)}
	if resp.Reasons, err = reasons(walked, facts); err != nil {
		return nil, err
	}
	live := slices.DeleteFunc(alerts, func(a alert.Alert) bool { return !a.Live() })
	slices.SortFunc(live, func(a, b alert.Alert) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.Effective.Compare(a.Effective), cmp.Compare(a.ID, b.ID))
	})
	resp.Alerts, err = x.explained(facts, live[:min(len(live), maxExplained)]...)
	return resp, err
}

func (x explainer) alert(id string) (*rapportv1.ExplainResponse, error) {
	a, err := x.Alert(id)
	if err != nil {
		return nil, err
	}
	if _, ok := a.As(x.asks); !ok {
		return nil, fault.Newf(fault.NotFound, "not-found", "there is no such alert")
	}
	facts, _, err := x.episode(a.Episode)
	if err != nil {
		return nil, err
	}
	terms, err := termsOf(x, a.Episode)
	if err != nil {
		return nil, err
	}
	resp := &rapportv1.ExplainResponse{
		Patient: a.Patient.Reference(), View: string(terms.New(a.Patient).Replay(facts).View().Tier),
	}
	resp.Alerts, err = x.explained(facts, a)
	return resp, err
}

func (x explainer) episode(e ref.Episode) ([]fact.Fact, []alert.Alert, error) {
	facts, err := x.Facts([]ref.Episode{e})
	if err != nil {
		return nil, nil, err
	}
	alerts, err := x.AlertsOf([]ref.Episode{e})
	return facts[e], alerts[e], err
}

// reasons are those that hold, each with the fact since which it does and those that it rests on now, oldest first.
func reasons(w episode.Walked, facts []fact.Fact) ([]*rapportv1.ExplainedReason, error) {
	var out []*rapportv1.ExplainedReason
	for _, r := range w.State.View().Reasons {
		one := wire.Reason(r)
		begun := w.Begun[r.Code]
		one.Since = wire.Time(begun.At)
		for _, f := range facts {
			if f.ID != begun.ID && !slices.Contains(r.Facts, f.ID) {
				continue
			}
			told, err := wire.FactEntry(f)
			if err != nil {
				return nil, err
			}
			one.Facts = append(one.Facts, told)
		}
		out = append(out, one)
	}
	return out, nil
}

func (x explainer) explained(facts []fact.Fact, alerts ...alert.Alert) ([]*rapportv1.ExplainedAlert, error) {
	var out []*rapportv1.ExplainedAlert
	for _, a := range alerts {
		sight, ok := a.As(x.asks)
		if !ok {
			continue
		}
		one := &rapportv1.ExplainedAlert{Alert: wire.Alert(sight.In(a.Language))}
		entries, stands, err := x.behind(a, facts)
		if err != nil {
			return nil, err
		}
		one.Stands = stands
		if len(sight.Facts) == 0 { // what it rests on is not for this reader
			entries = nil
		}
		for _, e := range entries {
			told, err := e.tell()
			if err != nil {
				return nil, err
			}
			one.Facts = append(one.Facts, told)
		}
		out = append(out, one)
	}
	return out, nil
}

// behind are the facts that an alert rests on, oldest first and each as it was before as it is, and whether all still count.
func (x explainer) behind(a alert.Alert, facts []fact.Fact) (entries []entry, stands bool, err error) {
	standing := map[string]bool{}
	for _, f := range facts {
		if slices.Contains(a.Facts, f.ID) {
			standing[f.ID] = true
			entries = append(entries, factEntry(f))
		}
	}
	for _, source := range a.Sources {
		taken, err := x.TakenFrom(ref.SourceKey(x.asks.Tenant, source.Unversioned().String()))
		if err != nil {
			return nil, false, err
		}
		taken = slices.DeleteFunc(taken, func(t fact.Taken) bool { return !slices.Contains(a.Facts, t.ID) })
		entries = append(entries, formerOf(taken)...)
	}
	slices.SortFunc(entries, func(p, q entry) int { return p.compare(q.spot) })
	stands = !slices.ContainsFunc(a.Facts, func(id string) bool { return !standing[id] })
	return entries, stands, nil
}
