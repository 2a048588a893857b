package subscription_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func token(code string) subscription.Token { return subscription.Token{AnySystem: true, Code: code} }

func wish(id string, topic subscription.Topic, filters ...subscription.Filter) subscription.Subscription {
	return subscription.Subscription{ID: id, Status: subscription.Active, Topic: topic, Filters: filters}
}

func issues(tests ...subscription.Test) subscription.Filter {
	return subscription.Filter{Type: "DetectedIssue", Tests: tests}
}

func opened(id string, p ref.Patient, s judge.Severity) (alert.Alert, feed.Draft) {
	return alert.Begin(alert.Alert{ID: id, Rule: "phq9-item-9", Severity: s, Patient: p, Feeds: []feed.Name{"team:north"}}, noon, "")
}

// addressed are the feeds that each event goes to, beside those it had.
func addressed(a subscription.Audience, events []feed.Draft, records []record.Record, alerts ...alert.Alert) []string {
	a.Address(events, records, alerts)
	var out []string
	for _, e := range events {
		for _, f := range e.Feeds {
			if id, ok := f.OfSubscription(); ok {
				out = append(out, id)
			}
		}
	}
	return out
}

func TestAnAlertReachesThoseWhoseFiltersAllHold(t *testing.T) {
	patient := subscription.Test{Param: "patient", Patients: []ref.Patient{"p1"}}
	high := subscription.Test{Param: "severity", Tokens: []subscription.Token{token("high")}}
	off, failed := wish("off", subscription.CareAlert, issues()), wish("failed", subscription.CareAlert, issues())
	off.Status, failed.Status = subscription.Off, subscription.Failed
	audience := subscription.NewAudience([]subscription.Subscription{
		wish("all", subscription.CareAlert, issues()),
		wish("both", subscription.CareAlert, issues(patient), issues(high)),
		wish("either", subscription.CareAlert, issues(subscription.Test{Param: "severity", Tokens: []subscription.Token{token("low"), token("high")}})),
		wish("other-patient", subscription.CareAlert, issues(subscription.Test{Param: "patient", Patients: []ref.Patient{"p2"}})),
		wish("low", subscription.CareAlert, issues(subscription.Test{Param: "severity", Tokens: []subscription.Token{token("low")}})),
		wish("rule", subscription.CareAlert, issues(subscription.Test{Param: "code", Tokens: []subscription.Token{{System: subscription.SystemRule, Code: "phq9-item-9"}}})),
		wish("other-system", subscription.CareAlert, issues(subscription.Test{Param: "code", Tokens: []subscription.Token{{System: "http://loinc.org", Code: "phq9-item-9"}}})),
		wish("scores", subscription.Score, subscription.Filter{Type: "Observation"}),
		wish("task", subscription.Criteria, subscription.Filter{Type: "Task", Tests: []subscription.Test{
			{Param: "status", Tokens: []subscription.Token{token("requested")}}, {Param: "owner", Tokens: []subscription.Token{token("CareTeam/north")}},
		}}),
		wish("done", subscription.Criteria, subscription.Filter{Type: "Task", Tests: []subscription.Test{{Param: "status", Tokens: []subscription.Token{token("completed")}}}}),
		off, failed,
	})
	a, event := opened("a1", "p1", judge.Critical)
	got := addressed(audience, []feed.Draft{event}, nil, a)
	if want := []string{"all", "both", "either", "rule", "task", "failed"}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
	if len(a.Feeds) != 1 {
		t.Errorf("the alert itself was sent to %v", a.Feeds)
	}
}

func TestWhatWasNeverRaisedReachesNobody(t *testing.T) {
	audience := subscription.NewAudience([]subscription.Subscription{wish("all", subscription.CareAlert, issues())})
	quiet, suppressed := alert.Begin(alert.Alert{ID: "a1", Patient: "p1"}, noon, "cool-down")
	held, waiting := alert.BeginWaiting(alert.Alert{ID: "a2", Patient: "p1"}, noon, alert.QuietHours, noon.Add(time.Hour))
	if got := addressed(audience, []feed.Draft{suppressed, waiting}, nil, quiet, held); got != nil {
		t.Errorf("told of what was not raised: %v", got)
	}
	if got := addressed(audience, []feed.Draft{{Type: feed.Elapsed}}, nil); got != nil {
		t.Errorf("told of the clock: %v", got)
	}
}

func TestARecordReachesThoseWhoAskForItsTypeOrItsScores(t *testing.T) {
	form := record.Record{Resource: ref.Resource{Type: "QuestionnaireResponse", ID: "r1", Version: 2}, Patient: "p1", Codes: []string{"http://loinc.org/q/44249-1"}}
	event := feed.Draft{Type: feed.Recorded, Data: []byte(`{"reference":"QuestionnaireResponse/r1/_history/2","facts":["scores"]}`)}
	audience := subscription.NewAudience([]subscription.Subscription{
		wish("scores", subscription.Score, subscription.Filter{Type: "Observation", Tests: []subscription.Test{{Param: "patient", Patients: []ref.Patient{"p1"}}}}),
		wish("forms", subscription.Criteria, subscription.Filter{Type: "QuestionnaireResponse", Tests: []subscription.Test{{Param: "questionnaire", Tokens: []subscription.Token{token("http://loinc.org/q/44249-1")}}}}),
		wish("by-id", subscription.Criteria, subscription.Filter{Type: "QuestionnaireResponse", Tests: []subscription.Test{{Param: "_id", Tokens: []subscription.Token{token("r1")}}}}),
		wish("visits", subscription.Criteria, subscription.Filter{Type: "Encounter"}),
		wish("alerts", subscription.CareAlert, issues()),
	})
	if got, want := addressed(audience, []feed.Draft{event}, []record.Record{form}), []string{"scores", "forms", "by-id"}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
	visit := feed.Draft{Type: feed.Recorded, Data: []byte(`{"reference":"Encounter/e1/_history/1","facts":["visit"]}`)}
	records := []record.Record{{Resource: ref.Resource{Type: "Encounter", ID: "e1", Version: 1}, Patient: "p1"}}
	if got, want := addressed(audience, []feed.Draft{visit}, records), []string{"visits"}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
}

func TestAFilterFollowsAPatientWhoTurnsOutToBeAnother(t *testing.T) {
	before := wish("a", subscription.CareAlert, issues(subscription.Test{Param: "patient", Patients: []ref.Patient{"p1", "p2"}}))
	audience := subscription.NewAudience([]subscription.Subscription{before, wish("b", subscription.CareAlert, issues())})
	moved := audience.Unite("p2", "p9")
	if len(moved) != 1 || moved[0].ID != "a" || !slices.Equal(moved[0].Filters[0].Tests[0].Patients, []ref.Patient{"p1", "p9"}) {
		t.Errorf("moved are %+v", moved)
	}
	if before.Filters[0].Tests[0].Patients[1] != "p2" {
		t.Error("the subscription before was changed too")
	}
}

func TestASecretSignsUntilItsOverlapHasPassed(t *testing.T) {
	s := subscription.Subscription{Secrets: []subscription.Secret{{Key: "one"}}}
	s.Rotate("two", noon, time.Hour)
	s.Rotate("three", noon.Add(time.Minute), time.Hour)
	for at, want := range map[time.Time][]string{noon.Add(30 * time.Minute): {"three", "two"}, noon.Add(2 * time.Hour): {"three"}} {
		if got := s.Keys(at); !slices.Equal(got, want) {
			t.Errorf("at %s sign %v, want %v", at, got, want)
		}
	}
}
