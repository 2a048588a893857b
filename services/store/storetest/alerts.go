package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

func listed(t testing.TB, s store.Store, q alert.Query) []string {
	t.Helper()
	names := []string{}
	for {
		page := ask(t, s, clinic, func(r store.Reader) ([]alert.Alert, error) { return r.ListAlerts(q) })
		for _, a := range page {
			names = append(names, a.ID)
		}
		if len(page) < q.Max || len(names) > 1000 {
			return names
		}
		last := page[len(page)-1]
		q.After = alert.Place{Severity: last.Severity, Effective: last.Effective, ID: last.ID}
	}
}

var alertPromises = []promise{
	{"an alert comes back as it was written and is replaced whole", func(t *testing.T, e Engine) {
		s := e.Open(t)
		opened := finding("a1", "p1", judge.High, monday.Add(time.Nanosecond))
		opened.Numbers = []judge.Number{{Name: "phq-9 total", Value: 18, Reference: new(11.5), Unit: ""}}
		opened.Sources = []ref.Resource{{Type: "QuestionnaireResponse", ID: "r1", Version: 2}}
		commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{opened}})
		read := func(r store.Reader) (alert.Alert, error) { return r.Alert("a1") }
		same(t, "opened", ask(t, s, clinic, read), opened)
		taken := opened
		taken.Version, taken.Status = 2, alert.Acknowledged
		taken.History = append(taken.History, alert.Step{Version: 2, Status: alert.Acknowledged, Time: monday, Actor: "Practitioner/x"})
		gone := taken
		gone.Version, gone.Status = 3, alert.Resolved
		commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{taken}}, &decision.Decision{Alerts: []alert.Alert{gone}})
		same(t, "the last of several", ask(t, s, clinic, read), gone)
		failsWith(t, s.View(t.Context(), clinic, func(r store.Reader) error {
			_, err := r.Alert("a2")
			return err
		}), fault.NotFound)
	}},
	{"alerts of episodes come in the order they were opened", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second, third := finding("z", "p1", judge.Info, monday), finding("y", "p1", judge.Critical, monday.Add(time.Nanosecond)),
			finding("x", "p1", judge.High, monday.Add(time.Hour))
		other := finding("w", "p2", judge.High, monday)
		commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{third, other, first, second}})
		got := ask(t, s, clinic, func(r store.Reader) (map[ref.Episode][]alert.Alert, error) {
			return r.AlertsOf([]ref.Episode{"p2", "p1", "p3", "p1"})
		})
		same(t, "alerts", got, map[ref.Episode][]alert.Alert{"p1": {first, second, third}, "p2": {other}})
	}},
	{"a listing is most severe first, then newest, and pages of any size agree", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := &decision.Decision{}
		for i := range 24 {
			a := finding(fmt.Sprintf("a%02d", i), ref.Patient(fmt.Sprintf("p%d", i%3)), judge.Severity(1+i%4), monday.Add(time.Duration(i/8)*time.Hour))
			a.Status = []alert.Status{alert.Open, alert.Acknowledged, alert.Resolved, alert.Retracted, alert.Suppressed}[i%5]
			if i%2 == 0 {
				a.Rule = "hep-low"
			}
			d.Alerts = append(d.Alerts, a)
		}
		commit(t, s, clinic, d)
		for _, c := range []struct {
			query alert.Query
			want  func(a alert.Alert) bool
		}{
			{alert.Query{}, func(alert.Alert) bool { return true }},
			{alert.Query{Patient: "p1"}, func(a alert.Alert) bool { return a.Patient == "p1" }},
			{alert.Query{Rule: "hep-low"}, func(a alert.Alert) bool { return a.Rule == "hep-low" }},
			{alert.Query{Statuses: []alert.Status{alert.Open}}, func(a alert.Alert) bool { return a.Status == alert.Open }},
			{alert.Query{Statuses: []alert.Status{alert.Open, alert.Acknowledged}}, alert.Alert.Live},
			{
				alert.Query{Statuses: []alert.Status{alert.Open, alert.Suppressed}, Patient: "p2"},
				func(a alert.Alert) bool {
					return (a.Status == alert.Open || a.Status == alert.Suppressed) && a.Patient == "p2"
				},
			},
			{
				alert.Query{From: monday.Add(time.Hour), To: monday.Add(2 * time.Hour)},
				func(a alert.Alert) bool { return a.Effective.Equal(monday.Add(time.Hour)) },
			},
		} {
			want := []string{}
			for _, a := range inPlace(d.Alerts) {
				if c.want(a) {
					want = append(want, a.ID)
				}
			}
			for _, size := range []int{1, 3, 24, 100} {
				c.query.Max = size
				same(t, fmt.Sprintf("%+v", c.query), listed(t, s, c.query), want)
			}
		}
	}},
	{"a listing follows an alert that changes", func(t *testing.T, e Engine) {
		s := e.Open(t)
		a := finding("a1", "p1", judge.High, monday)
		commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{a}})
		open := alert.Query{Statuses: []alert.Status{alert.Open}, Max: 5}
		same(t, "open", listed(t, s, open), []string{"a1"})
		a.Status = alert.Resolved
		commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{a}})
		same(t, "still open", listed(t, s, open), []string{})
		same(t, "resolved", listed(t, s, alert.Query{Statuses: []alert.Status{alert.Resolved}, Max: 5}), []string{"a1"})
	}},
}
