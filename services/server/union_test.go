package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

const (
	patientP2 = `{"resourceType":"Patient","id":"p2","identifier":[{"system":"urn:mrn","value":"2"}]}`
	mergedP2  = `{"resourceType":"Patient","id":"p2","active":false,"identifier":[{"system":"urn:mrn","value":"2"}],` +
		`"link":[{"other":{"reference":"Patient/p1"},"type":"replaced-by"}]}`
	mergedP1 = `{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"1"},{"system":"urn:mrn","value":"2"}],` +
		`"link":[{"other":{"reference":"Patient/p2"},"type":"replaces"}]}`
)

// stands lists a patient's alerts as `patient rule status` of what caused them.
func (c *clinic) stands(patient string) string {
	c.t.Helper()
	var lines []string
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: patient, PageSize: 100}) {
		lines = append(lines, fmt.Sprintf("%s %s %s of %s", a.GetPatient(), a.GetRule(), a.GetStatus(), strings.Join(a.GetSources(), ",")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestAMergedPatientTakesEverythingAlong(t *testing.T) {
	transaction := fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[`+
		`{"resource":%s,"request":{"method":"PUT","url":"Patient/p2"}},{"resource":%s,"request":{"method":"PUT","url":"Patient/p1"}}]}`, mergedP2, mergedP1)
	for name, links := range map[string][]string{
		"the old one says so": {mergedP2}, "the new one says so": {mergedP1}, "both do": {mergedP2, mergedP1}, "in one transaction": {transaction},
	} {
		t.Run(name, func(t *testing.T) {
			onBothEngines(t, func(t *testing.T, store string) { merged(t, store, links) })
		})
	}
}

func merged(t *testing.T, store string, links []string) {
	c := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
	ill := []int{0, 0, 1, 1, 0, 0, 0, 0, 1} // item 9 is answered
	c.send(patientP1, teamP1, phq9("r1", "p1", monday.Add(-48*time.Hour), 0, 1, 0, 0, 0, 0, 0, 0, 0))
	c.send(patientP2, phq9("r2", "p2", monday.Add(-24*time.Hour), ill...))
	if got := c.stands("Patient/p2"); strings.Count(got, "ALERT_STATUS_OPEN") != 1 || c.stands("Patient/p1") != "" {
		t.Fatalf("before: %q, %q", got, c.stands("Patient/p1"))
	}
	raised := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "Patient/p2", PageSize: 10})[0]
	for _, r := range c.send(links...) {
		if r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED {
			t.Fatalf("%v", r)
		}
	}
	now := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "Patient/p1", PageSize: 10})
	if len(now) != 1 || now[0].GetId() != raised.GetId() || now[0].GetPatient() != "Patient/p1" ||
		now[0].GetStatus() != rapportv1.AlertStatus_ALERT_STATUS_OPEN || !slices.Contains(now[0].GetFeeds(), "team:team1") {
		t.Fatalf("after: %v", now)
	}
	if got, want := c.stands("Patient/p2"), c.stands("Patient/p1"); got != want {
		t.Errorf("under the old name %q stands, not %q", got, want)
	}
	later := c.send(phq9("r3", "p2", monday.Add(-12*time.Hour), ill...), phq9("r2", "p2", monday.Add(-24*time.Hour), 0, 1, 0, 0, 0, 0, 0, 0, 0))
	for _, r := range later {
		if r.GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
			t.Errorf("%v", r)
		}
	}
	if got := c.stands("Patient/p1"); got != "Patient/p1 phq9-item-9 ALERT_STATUS_OPEN of QuestionnaireResponse/r3/_history/1" {
		t.Errorf("after a correction and news: %s", got)
	}
	first, err := c.alerts.GetAlert(t.Context(), &rapportv1.GetAlertRequest{Id: raised.GetId()})
	if err != nil || first.GetAlert().GetStatus() != rapportv1.AlertStatus_ALERT_STATUS_RETRACTED {
		t.Errorf("the alert of what was corrected: %v, %v", first, err)
	}
	for _, patient := range []string{"Patient/p1", "Patient/p2"} {
		resp, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: patient})
		if err != nil || resp.GetEpisode().GetPatient() != "Patient/p1" || resp.GetEpisode().GetFacts() != 4 {
			t.Fatalf("%s: %v, %v", patient, resp, err)
		}
	}
	for _, r := range c.send(links...) {
		if r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
			t.Errorf("sent again: %v", r)
		}
	}
}
