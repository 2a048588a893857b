package rest

import (
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Alert is one alert as the caller may read it: without the patient's rating of them. Errors: NotFound.
func (v *sight) Alert(id string) (alert.Alert, error) {
	a, err := v.Reader.Alert(id)
	if err != nil {
		return a, err
	}
	shown, ok := v.shown(a)
	if !ok {
		return alert.Alert{}, fault.Newf(fault.NotFound, "not-found", "there is no such alert")
	}
	return shown, nil
}

// ListAlerts is a page of alerts as the caller may read them. One that is not for the caller keeps its place in the order,
// and counts as not raised, so that nobody is shown it and the page is as long as it was.
func (v *sight) ListAlerts(q alert.Query) ([]alert.Alert, error) {
	found, err := v.Reader.ListAlerts(q)
	for i, a := range found {
		shown, ok := v.shown(a)
		if !ok {
			shown = alert.Alert{ID: a.ID, Severity: a.Severity, Effective: a.Effective, Status: alert.Waiting}
		}
		found[i] = shown
	}
	return found, err
}

// shown is an alert as the caller may read it, in the language in which it is told, as in feeds and notifications; false when
// it is not for them. A caller of whom nothing is known is the service itself, on its own machine.
func (v *sight) shown(a alert.Alert) (alert.Alert, bool) {
	who, err := auth.From(v.r.Context())
	if err != nil {
		return alert.Sight{Alert: a}.In(a.Language).Alert, true
	}
	as, ok := a.As(who)
	return as.In(a.Language).Alert, ok
}
