package alerts

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
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/wire"
)

// usual are the statuses of alerts that want somebody.
var usual = []alert.Status{alert.Open, alert.Acknowledged, alert.Snoozed}

// ListAlerts returns a page of alerts.
func (s *Server) ListAlerts(ctx context.Context, req *rapportv1.ListAlertsRequest) (*rapportv1.ListAlertsResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	q, err := query(req)
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListAlertsResponse{}
	if !own(p, &q) {
		return resp, nil
	}
	size := q.Max
	q.Max++
	var found []alert.Alert
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		if err := known(r, &q); err != nil {
			return err
		}
		found, err = r.ListAlerts(q)
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	if len(found) > size {
		found = found[:size]
		resp.NextPageToken = wire.PageToken(placeOf(found[size-1]))
	}
	for _, a := range found {
		if told, err := tell(p, a, req.GetLanguage()); err == nil { // what is not for them is passed over
			resp.Alerts = append(resp.Alerts, told)
		}
	}
	return resp, nil
}

func placeOf(a alert.Alert) alert.Place {
	return alert.Place{Severity: a.Severity, Effective: a.Effective, ID: a.ID}
}

// own narrows a query to what somebody who is not on the staff may see; false when that is nothing.
func own(p access.Principal, q *alert.Query) bool {
	if !lay(p) {
		return true
	}
	if strings.HasPrefix(p.Person, "Patient/") || q.Recipient != "" && q.Recipient != p.Person {
		return false
	}
	q.Recipient = p.Person
	return true
}

// known puts the id under which a patient is kept in the place of the one that was asked for.
func known(r store.Reader, q *alert.Query) (err error) {
	if q.Patient != "" {
		q.Patient, err = store.KnownAs(r, q.Patient)
	}
	return err
}

// query reads the filters. Errors: Invalid with an issue for each field that cannot be.
func query(req *rapportv1.ListAlertsRequest) (alert.Query, error) {
	q := alert.Query{
		Rule: req.GetRule(), Role: req.GetRole(), Assignee: req.GetAssignee(), Recipient: req.GetRecipient(),
		Because: alert.Because(req.GetSuppressedBecause()),
	}
	var issues []fault.Issue
	note := func(err error) { issues = append(issues, fault.IssuesOf(err)...) }
	var err error
	q.Patient, err = patientOf(req.GetPatient())
	note(err)
	q.Max, err = wire.PageSize(req.GetPageSize())
	note(err)
	q.After, err = wire.Place[alert.Place](req.GetPageToken())
	note(err)
	var ok bool
	if q.AtLeast, ok = wire.Severity(req.GetMinSeverity()); !ok {
		issues = append(issues, fault.Errorf("value", "min_severity", "%s is no severity", req.GetMinSeverity()))
	}
	q.From, q.To, err = span(req.GetFrom(), req.GetTo())
	note(err)
	q.Statuses, err = statuses(req)
	note(err)
	if len(issues) > 0 {
		return q, fault.New(fault.Invalid, issues...)
	}
	return q, nil
}

func patientOf(named string) (ref.Patient, error) {
	id := strings.TrimPrefix(named, "Patient/")
	if named != "" && !ref.ValidID(id) {
		return "", fault.New(fault.Invalid, fault.Errorf("value", "patient", "name a patient as Patient/id or id"))
	}
	return ref.Patient(id), nil
}

// span is from one moment up to another; zero where open.
func span(from, to *timestamppb.Timestamp) (begin, end time.Time, err error) {
	if begin, err = moment(from, "from"); err != nil {
		return begin, end, err
	}
	if end, err = moment(to, "to"); err != nil {
		return begin, end, err
	}
	if !begin.IsZero() && !end.IsZero() && !begin.Before(end) {
		err = fault.New(fault.Invalid, fault.Errorf("value", "to", "ends before it begins"))
	}
	return begin, end, err
}

// moment is zero when none is given.
func moment(t *timestamppb.Timestamp, name string) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if t.CheckValid() != nil {
		return time.Time{}, fault.New(fault.Invalid, fault.Errorf("value", name, "no moment between the years 1 and 9999"))
	}
	return t.AsTime(), nil
}

func statuses(req *rapportv1.ListAlertsRequest) ([]alert.Status, error) {
	var found []alert.Status
	suppressed := false
	for _, st := range req.GetStatuses() {
		status, ok := wire.AlertStatus(st)
		if !ok {
			return nil, fault.New(fault.Invalid, fault.Errorf("value", "statuses", "%s is no status of an alert", st))
		}
		found = append(found, status)
		suppressed = suppressed || status == alert.Suppressed
	}
	because := req.GetSuppressedBecause() != ""
	if because && !slices.Contains(alert.Suppressions, alert.Because(req.GetSuppressedBecause())) {
		return nil, fault.New(fault.Invalid, fault.Errorf("value", "suppressed_because", "no reason of that name; there are %v", alert.Suppressions))
	}
	switch {
	case len(found) == 0 && because:
		return []alert.Status{alert.Suppressed}, nil
	case because && !suppressed:
		return nil, fault.New(fault.Invalid, fault.Errorf("value", "suppressed_because", "ask for ALERT_STATUS_SUPPRESSED too, or for no status"))
	case len(found) == 0:
		return usual, nil
	}
	return found, nil
}
