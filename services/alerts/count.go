package alerts

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/wire"
)

// countPage is how many alerts are read at a time to work out yields.
const countPage = 1000

// CountAlerts says how many alerts there are, and what became of them.
func (s *Server) CountAlerts(ctx context.Context, req *rapportv1.CountAlertsRequest) (*rapportv1.CountAlertsResponse, error) {
	p, err := auth.From(ctx)
	if err == nil && lay(p) {
		err = fault.Newf(fault.Forbidden, "forbidden", "the caller may not count alerts")
	}
	if err != nil {
		return nil, wire.Error(err)
	}
	q, err := counted(req)
	if err != nil {
		return nil, wire.Error(err)
	}
	var tallies []alert.Tally
	yields := yields{}
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		if err := known(r, &q); err != nil {
			return err
		}
		if tallies, err = r.CountAlerts(q); err != nil || !req.GetWithYields() {
			return err
		}
		return yields.read(r, q)
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.CountAlertsResponse{Counts: wire.Tallies(tallies), Yields: yields.told()}, nil
}

func counted(req *rapportv1.CountAlertsRequest) (alert.Query, error) {
	q := alert.Query{Rule: req.GetRule()}
	var issues []fault.Issue
	var err error
	q.Patient, err = patientOf(req.GetPatient())
	issues = append(issues, fault.IssuesOf(err)...)
	q.From, q.To, err = span(req.GetFrom(), req.GetTo())
	issues = append(issues, fault.IssuesOf(err)...)
	if len(issues) > 0 {
		return q, fault.New(fault.Invalid, issues...)
	}
	return q, nil
}

// yields are what the alerts of each rule came to.
type yields map[string]*yield

type yield struct {
	*rapportv1.RuleYield
	taken []time.Duration
}

// read takes in every alert of a query, page by page.
func (y yields) read(r store.Reader, q alert.Query) error {
	for q.Max = countPage; ; {
		page, err := r.ListAlerts(q)
		if err != nil {
			return err
		}
		for i := range page {
			y.take(&page[i])
		}
		if len(page) < q.Max {
			return nil
		}
		q.After = placeOf(page[len(page)-1])
	}
}

func (y yields) take(a *alert.Alert) {
	of, ok := y[a.Rule]
	if !ok {
		of = &yield{RuleYield: &rapportv1.RuleYield{Rule: a.Rule}}
		y[a.Rule] = of
	}
	var raised, taken time.Time
	last := map[string]alert.Verdict{}
	for _, step := range a.History {
		switch {
		case raised.IsZero() && step.Status == alert.Open:
			raised = step.Time
		case step.Verb == alert.Escalate:
			of.Escalations++
		case step.Verb == alert.Feedback:
			last[step.Actor] = step.Verdict
		}
		if taken.IsZero() && (step.Status == alert.Acknowledged || step.Status == alert.Resolved) {
			taken = step.Time
		}
	}
	if !raised.IsZero() {
		of.Raised++
	}
	if a.Status == alert.Suppressed {
		of.Suppressed++
	}
	if !taken.IsZero() && !raised.IsZero() {
		of.Taken++
		of.taken = append(of.taken, taken.Sub(raised))
	}
	of.rate(last)
}

func (y *yield) rate(verdicts map[string]alert.Verdict) {
	for _, v := range verdicts {
		switch v {
		case alert.Useful:
			y.Useful++
		case alert.NotUseful:
			y.NotUseful++
		case alert.AlreadyKnown:
			y.AlreadyKnown++
		}
	}
}

// told are the yields by rule.
func (y yields) told() []*rapportv1.RuleYield {
	var out []*rapportv1.RuleYield
	for _, rule := range slices.Sorted(maps.Keys(y)) {
		of := y[rule]
		if n := len(of.taken); n > 0 {
			slices.SortFunc(of.taken, cmp.Compare)
			of.MedianSecondsToTake = new((of.taken[(n-1)/2] + of.taken[n/2]).Seconds() / 2)
		}
		out = append(out, of.RuleYield)
	}
	return out
}
