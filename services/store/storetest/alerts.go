package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
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

// tallied counts alerts by rule, status and reason.
func tallied(alerts []alert.Alert, which func(alert.Alert) bool) []alert.Tally {
	counts := map[alert.Tally]int64{}
	for _, a := range alerts {
		if which(a) {
			counts[alert.Tally{Rule: a.Rule, Status: a.Status, Because: a.Because()}]++
		}
	}
	tallies := []alert.Tally{}
	for t, n := range counts {
		t.Count = n
		tallies = append(tallies, t)
	}
	slices.SortFunc(tallies, func(a, b alert.Tally) int {
		return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(string(a.Status), string(b.Status)), strings.Compare(string(a.Because), string(b.Because)))
	})
	return tallies
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
			a.Status = []alert.Status{alert.Open, alert.Acknowledged, alert.Resolved, alert.Retracted, alert.Suppressed, alert.Waiting, alert.Snoozed}[i%7]
			switch a.Status {
			case alert.Suppressed:
				a.SuppressedBecause = []string{"grouped: alert x", "cool-down"}[i%2]
			case alert.Waiting:
				a.WaitingBecause = alert.QuietHours
			}
			a.Roles = [][]string{nil, {"nurse"}, {"physician", "nurse"}, {"nurse-lead", "physician"}}[i/6]
			a.Recipients = []alert.Recipient{{Person: fmt.Sprint("Practitioner/", i%4), Role: "nurse"}, {Person: "Practitioner/11", Role: "nurse"}}
			a.Assignee = []string{"", "Practitioner/1", "Practitioner/2"}[i%3]
			a.Cause = []string{"", "hep"}[i/12]
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
			{alert.Query{Statuses: []alert.Status{alert.Open, alert.Acknowledged, alert.Snoozed}}, alert.Alert.Live},
			{alert.Query{Statuses: []alert.Status{alert.Waiting}}, func(a alert.Alert) bool { return a.Status == alert.Waiting }},
			{alert.Query{Because: alert.Grouped}, func(a alert.Alert) bool { return a.Because() == alert.Grouped }},
			{alert.Query{Because: alert.QuietHours}, func(a alert.Alert) bool { return a.Because() == alert.QuietHours }},
			{alert.Query{AtLeast: judge.High}, func(a alert.Alert) bool { return a.Severity >= judge.High }},
			{alert.Query{Role: "nurse"}, func(a alert.Alert) bool { return slices.Contains(a.Roles, "nurse") }},
			{alert.Query{Recipient: "Practitioner/1"}, func(a alert.Alert) bool { return a.Recipients[0].Person == "Practitioner/1" }},
			{alert.Query{Assignee: "Practitioner/1", Cause: "hep"}, func(a alert.Alert) bool { return a.Assignee == "Practitioner/1" && a.Cause == "hep" }},
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
			if len(want) == 0 {
				t.Errorf("nothing to look for: %+v", c.query)
			}
			same(t, fmt.Sprintf("counts of %+v", c.query), ask(t, s, clinic, func(r store.Reader) ([]alert.Tally, error) { return r.CountAlerts(c.query) }),
				tallied(d.Alerts, c.want))
			for _, size := range []int{1, 3, 24, 100} {
				c.query.Max = size
				same(t, fmt.Sprintf("%+v", c.query), listed(t, s, c.query), want)
			}
		}
	}},
	{"what is due comes in the order of time, until it is no longer", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := &decision.Decision{}
		for i := range 9 {
			a := finding(fmt.Sprint("a", i), ref.Patient(fmt.Sprint("p", i%2)), judge.High, monday)
			if i%3 > 0 {
				a.Due = monday.Add(time.Duration(8-i) * time.Minute)
			}
			d.Alerts = append(d.Alerts, a)
		}
		commit(t, s, clinic, d)
		commit(t, s, "another clinic", &decision.Decision{Alerts: d.Alerts[8:]})
		due := func(at time.Time, max int) []alert.Due {
			return ask(t, s, clinic, func(r store.Reader) ([]alert.Due, error) { return r.DueAlerts(at, max) })
		}
		of := func(i int) alert.Due {
			return alert.Due{Alert: d.Alerts[i].ID, Episode: d.Alerts[i].Episode, At: d.Alerts[i].Due}
		}
		same(t, "due", due(monday.Add(4*time.Minute), 9), []alert.Due{of(8), of(7), of(5), of(4)})
		same(t, "the first of them", due(monday.Add(time.Hour), 2), []alert.Due{of(8), of(7)})
		same(t, "before any", len(due(monday.Add(-time.Microsecond), 9)), 0)
		d.Alerts[8].Due, d.Alerts[7].Due = time.Time{}, monday.Add(time.Hour)
		commit(t, s, clinic, &decision.Decision{Alerts: d.Alerts[7:]})
		same(t, "after a change", due(monday.Add(4*time.Minute), 9), []alert.Due{of(5), of(4)})
	}},
	{"what a role of a team was told on a day is counted, and forgotten a week later", func(t *testing.T, e Engine) {
		s := e.Open(t)
		nurse := alert.Ration{Team: "team:a", Role: "nurse", Day: 20_000}
		others := []alert.Ration{{Team: "team:b", Role: "nurse", Day: 20_000}, {Team: "team:a", Role: "lead", Day: 20_000}, {Team: "team:a", Role: "nurse", Day: 20_001}}
		told := func() map[alert.Ration]int64 {
			return ask(t, s, clinic, func(r store.Reader) (map[alert.Ration]int64, error) { return r.Told(append(others, nurse)) })
		}
		same(t, "nothing yet", told(), map[alert.Ration]int64{})
		commit(t, s, clinic, &decision.Decision{Told: []alert.Told{{Ration: nurse, Count: 1}, {Ration: others[0], Count: 5}}},
			&decision.Decision{Told: []alert.Told{{Ration: nurse, Count: 2}}})
		commit(t, s, "another clinic", &decision.Decision{Told: []alert.Told{{Ration: others[1], Count: 9}}})
		same(t, "counted", told(), map[alert.Ration]int64{nurse: 2, others[0]: 5})
		commit(t, s, clinic, &decision.Decision{Told: []alert.Told{{Ration: nurse, Count: 3}}})
		commit(t, s, clinic, &decision.Decision{Told: []alert.Told{{Ration: alert.Ration{Team: "team:a", Role: "nurse", Day: 20_007}, Count: 1}}})
		same(t, "counted on", told(), map[alert.Ration]int64{nurse: 3, others[0]: 5})
		commit(t, s, clinic, &decision.Decision{Told: []alert.Told{{Ration: alert.Ration{Team: "team:a", Role: "nurse", Day: 20_008}, Count: 1}}})
		same(t, "a week later", told(), map[alert.Ration]int64{})
	}},
	{"care partners read in their feeds what is meant for them", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := happened("e1", feed.Team("x"), feed.Partner("r1"))
		d.Events[0].Partner = json.RawMessage(`{"seen":"for you"}`)
		commit(t, s, clinic, d)
		for name, want := range map[feed.Name]string{feed.All: `{"n":"e1"}`, feed.Team("x"): `{"n":"e1"}`, feed.Partner("r1"): `{"seen":"for you"}`} {
			same(t, string(name), string(since(t, s, feed.Cursor{Tenant: clinic, Feed: name}, 5)[0].Data), want)
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
