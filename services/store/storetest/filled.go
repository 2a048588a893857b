package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// Canary is a text that stands in everything that Fill writes for a patient: in a resource, a fact, a state, an alert and an
// event; and in a subscription. It stands in no column by which anything is found.
const Canary = "Canary-7f3a1c"

// Fill writes a small clinic with a row in every table of the clinical record, and returns a decision that goes on from there.
func Fill(t testing.TB, s Store, tenant ref.Tenant) (next *decision.Decision) {
	t.Helper()
	for n := range 40 {
		commit(t, s, tenant, canaries(n))
	}
	wanted := wish("s-1", "patient-000000")
	wanted.Headers = []string{"Authorization: Bearer " + Canary}
	commit(t, s, tenant, &decision.Decision{
		Subscriptions: []subscription.Subscription{wanted},
		Records:       []record.Record{second(response("r-0", 2, "patient-000000", monday))},
		Aliases:       []record.Alias{{Name: "urn:mrn|1", Patient: "patient-000000", Source: "ehr"}},
		Keys:          []record.Key{{Source: "ehr", Name: "key-1", Resource: ref.Resource{Type: "QuestionnaireResponse", ID: "r-0", Version: 2}}},
		Told:          []alert.Told{{Ration: alert.Ration{Day: 20514, Team: feed.Team("spine"), Role: "nurse"}, Count: 2}},
	})
	_, err := s.KeepDefinitions(t.Context(), tenant, []store.Definition{{ID: "phq-9", Version: "1", Hash: "h", Body: []byte(`{"id":"phq-9"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return canaries(40)
}

func second(r record.Record) record.Record {
	r.Raw = append([]byte(`{"text":"`+Canary+`",`), r.Raw[1:]...)
	return r
}

// canaries is the n-th decision of Fill.
func canaries(n int) *decision.Decision {
	d := Submission(n, 8)
	r := response(fmt.Sprintf("r-%d", n), 1, d.Records[0].Patient, monday.Add(time.Duration(n)*time.Minute))
	r = second(r)
	d.Records = append(d.Records, r)
	for i := range d.Facts {
		d.Facts[i].Scores.Instrument = Canary
	}
	d.Episodes[0].Last.ID = Canary
	a := finding(fmt.Sprintf("a-%d", n), r.Patient, judge.High, r.From)
	a.Seen, a.Feeds = Canary, []feed.Name{feed.Team("spine")}
	e := event(fmt.Sprintf("e-%d", n), feed.Team("spine"))
	e.Data = []byte(`{"seen":"` + Canary + `"}`)
	d.Alerts, d.Events = append(d.Alerts, a), append(d.Events, e)
	return d
}
