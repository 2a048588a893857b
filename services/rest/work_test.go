package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/testbed"
)

// raisedForWork are alerts of two patients: one taken, one of safety, one held back and one that gave way.
func raisedForWork(h *house) {
	taken := issueOf("i1", "a", judge.High, alert.Acknowledged, "silence", noon)
	taken.Assignee, taken.Due = "Practitioner/dr1", noon.AddDate(0, 0, 1)
	safety := issueOf("i2", "a", judge.Critical, alert.Open, "phq9-item-9", noon.AddDate(0, 0, -1))
	safety.Safety, safety.Feeds, safety.Roles, safety.Question = true, []feed.Name{feed.Team("north")}, []string{"psychologist"}, "Ask today."
	done := issueOf("i3", "b", judge.Critical, alert.Resolved, "phq9-item-9", noon.AddDate(0, -1, 0))
	done.Safety = true
	held := issueOf("i4", "a", judge.Moderate, alert.Waiting, "silence", noon)
	snoozed := issueOf("i5", "b", judge.Info, alert.Snoozed, "silence", noon)
	gaveWay := issueOf("i6", "b", judge.Moderate, alert.Suppressed, "silence", noon)
	gaveWay.SuppressedBecause = string(alert.SameCause)
	gaveWay.History = []alert.Step{{Version: 1, Status: alert.Open, Time: noon}, {Version: 2, Status: alert.Suppressed, Time: noon}}
	h.raise(taken, safety, done, held, snoozed, gaveWay)
}

func TestTheWorkOfAnAlertIsATaskAndASafetyAlertAFlag(t *testing.T) {
	h := newHouse(t)
	raisedForWork(h)
	for query, want := range map[string]string{
		"/Task": "i2 i3 i1 i6 i5", "/Task?patient=a": "i2 i1", "/Task?subject=Patient/b": "i3 i6 i5",
		"/Task?status=requested": "i2", "/Task?status=accepted,on-hold": "i1 i5", "/Task?status=completed": "i3", "/Task?status=cancelled": "i6",
		"/Task?owner=Practitioner/dr1": "i1", "/Task?owner:Practitioner=dr1": "i1", "/Task?owner=CareTeam/north": "i2", "/Task?owner=Practitioner/other": "", "/Task?owner=dr1": "i1", "/Task?status:not=requested,completed,cancelled": "i1 i5",
		"/Task?focus=DetectedIssue/i1": "i1", "/Task?focus=i2,DetectedIssue/i3": "i2 i3", "/Task?focus=i1&patient=b": "", "/Task?focus=DetectedIssue/i4": "",
		"/Task?priority=stat": "i2 i3", "/Task?business-status=snoozed": "i5", "/Task?code=silence&patient=a": "i1", "/Task?_id=i1,i4": "i1",
		"/Task?patient=a&status=requested&owner=CareTeam/north&focus=DetectedIssue/i2": "i2",
		"/Flag": "i2 i3", "/Flag?patient=a": "i2", "/Flag?_id=i1,i3": "i3",
		"/DetectedIssue?status=final": "i2 i3 i1 i6 i5", "/DetectedIssue?patient=a": "i2 i1",
	} {
		if got := h.bundle(h.must(200, "GET", query, "").body); strings.Join(got.ids(), " ") != want {
			t.Errorf("%s: %v, want %s", query, got.ids(), want)
		}
	}
	bodies := map[string][]byte{}
	for _, path := range []string{"/Task/i1", "/Task/i2", "/Task/i3", "/Task/i5", "/Task/i6", "/Flag/i2", "/Flag/i3", "/Task", "/Flag", "/DetectedIssue"} {
		bodies[path] = h.must(200, "GET", path, "").body
	}
	for path, wants := range map[string][]string{
		"/Task/i1": {`"focus":{"reference":"DetectedIssue/i1"}`, `"for":{"reference":"Patient/a"}`, `"owner":{"reference":"Practitioner/dr1"}`, `"restriction":{"period":{"end":"2026-03-05T12:00:00.000Z"}}`, `"status":"accepted"`, `"priority":"urgent"`},
		"/Task/i2": {`"priority":"stat"`, `"code":"psychologist"`, `"description":"Ask today."`, `"status":"requested"`},
		"/Flag/i2": {`"status":"active"`, `"code":"safety"`, `"subject":{"reference":"Patient/a"}`},
		"/Flag/i3": {`"status":"inactive"`, `"end":`},
	} {
		for _, want := range wants {
			if !strings.Contains(string(bodies[path]), want) {
				t.Errorf("%s lacks %s: %s", path, want, bodies[path])
			}
		}
	}
	testbed.Valid(t, bodies)
	h.must(304, "GET", "/Task/i1", "", "If-None-Match", `W/"1"`)
	for _, path := range []string{"/Task/i4", "/Task/none", "/Flag/i1", "/Flag/i4", "/Task/i1/_history/2"} {
		h.outcome(h.must(404, "GET", path, "").body)
	}
	h.outcome(h.must(400, "GET", "/Task?focus:Patient=x/y/z", "").body)
}

func TestTheEvidenceOfAnAlertNamesTheScoresDerivedFromItsForms(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("r1", "completed", 2, 1))
	a := issueOf("i1", "p1", judge.High, alert.Open, "phq9-item-9", noon)
	a.Sources = []ref.Resource{{Type: "QuestionnaireResponse", ID: "r1", Version: 1}, {Type: "QuestionnaireResponse", ID: "other", Version: 1}, {}}
	h.raise(a)
	body := string(h.must(200, "GET", "/DetectedIssue/i1", "").body)
	panel := "Observation/" + ref.Derived("default", a.Sources[0]) + "-panel"
	if !strings.Contains(body, `"detail":[{"reference":"`+panel+`"},{"reference":"QuestionnaireResponse/r1/_history/1"}`) {
		t.Errorf("the evidence is in %s", body)
	}
	h.must(200, "GET", "/"+panel, "")
}

func TestASubscriptionIsOfferedWhereARoomAnswersForItAndNotTakenInATransaction(t *testing.T) {
	without := newHouse(t)
	if body := string(without.must(200, "GET", "/metadata", "").body); strings.Contains(body, `"type":"Subscription"`) {
		t.Error("subscriptions are offered, and nobody answers for them")
	}
	h := newHouse(t, func(c *Config) { c.Subscriptions = true })
	body := h.must(200, "GET", "/metadata", "").body
	for _, want := range []string{
		`"type":"Subscription"`, `"valueCanonical":"https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/care-alert"`,
		`"instantiates":["http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4"]`,
		`backport-subscription-status`, `backport-subscription-events`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the statement lacks %s", want)
		}
	}
	testbed.Valid(t, map[string][]byte{"statement": body})
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Subscription"},"request":{"method":"POST","url":"Subscription"}}]}`
	if got := string(h.must(http.StatusUnprocessableEntity, "POST", "", bundle).body); !strings.Contains(got, "[base]/Subscription") {
		t.Errorf("the answer is %s", got)
	}
}

func TestAResourceIsReadForOtherRoomsAsItIsServed(t *testing.T) {
	h := newHouse(t)
	raisedForWork(h)
	config := Default()
	config.Accept, config.Store, config.Score, config.Definitions, config.Tenant = h.door, h.store, scorer{}, catalogue{}, func(*http.Request) (ref.Tenant, error) { return "default", nil }
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for of, there := range map[ref.Resource]bool{{Type: "Task", ID: "i1"}: true, {Type: "DetectedIssue", ID: "i2"}: true, {Type: "Task", ID: "i4"}: false, {Type: "Patient", ID: "none"}: false} {
		body, err := server.Resource(t.Context(), "default", of)
		if (err == nil) != there || there && !strings.Contains(string(body), `"id":"`+of.ID+`"`) {
			t.Errorf("%s: %s, %v", of, body, err)
		}
	}
	if _, err := server.Resource(t.Context(), "other", ref.Resource{Type: "Task", ID: "i1"}); err == nil {
		t.Error("another tenant reads it")
	}
}
