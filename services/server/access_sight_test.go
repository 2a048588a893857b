package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// pulse of a patient, with more members.
func pulse(id, patient, more string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],`+
		`"subject":{"reference":"Patient/%s"},"effectiveDateTime":"2026-03-01"%s}`, id, patient, more)
}

func consent(id, provision string) string {
	return fmt.Sprintf(`{"resourceType":"Consent","id":%q,"status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},`+
		`"category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/p1"},"dateTime":"2026-03-01","policyRule":{"text":"x"},"provision":%s}`, id, provision)
}

// full lets a caller do everything, to lay the ground.
func (g *gated) full(tenant ref.Tenant) (*backend, string) {
	g.t.Helper()
	b := g.register("full-"+string(tenant), tenant, "system/*.cruds", func(c *access.Client) {
		c.Feeds, c.Labels, c.Purposes = access.Grants{"*"}, []string{"*"}, []string{"*"}
	})
	return b, g.token(b, "system/*.cruds")
}

// put sends resources through REST.
func (g *gated) put(token string, bodies ...string) {
	g.t.Helper()
	for _, b := range bodies {
		var of struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(b), &of); err != nil {
			g.t.Fatal(err)
		}
		g.want(http.StatusCreated, "PUT", "/fhir/"+of.ResourceType+"/"+of.ID, token, b)
	}
}

// ids found by a search.
func (g *gated) ids(path, token string, headers ...string) []string {
	g.t.Helper()
	var b struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	if err := json.Unmarshal([]byte(g.want(http.StatusOK, "GET", path, token, "", headers...)), &b); err != nil {
		g.t.Fatal(err)
	}
	ids := []string{}
	for _, e := range b.Entry {
		if e.Resource.ResourceType != "OperationOutcome" {
			ids = append(ids, e.Resource.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestATenantIsThatOfTheTokenAndNeverOfTheRequest(t *testing.T) {
	g := startGated(t, nil)
	_, north := g.full("north")
	_, south := g.full("south")
	g.put(north, patientP1, pulse("o1", "p1", ""))
	if got := g.ids("/fhir/Observation?patient=p1", north); !slices.Equal(got, []string{"o1"}) {
		t.Errorf("the own tenant: %v", got)
	}
	if got := g.ids("/fhir/Observation?patient=p1", south, "X-Tenant", "north", "X-Rapport-Tenant", "north"); len(got) != 0 {
		t.Errorf("another tenant: %v", got)
	}
	g.want(http.StatusNotFound, "GET", "/fhir/Observation/o1", south, "")
	_, err := g.outcomes.GetEpisode(as(t.Context(), south, "tenant", "north"), &rapportv1.GetEpisodeRequest{Patient: "p1"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("an episode of another tenant: %v", err)
	}
}

func TestARestrictedScopeShowsWhatItsRestrictionSaysAndNoMore(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	survey := strings.Replace(pulse("o2", "p1", ""), "vital-signs", "survey", 1)
	g.put(full, patientP1, strings.NewReplacer(`"id":"p1"`, `"id":"p2"`, `"value":"1"`, `"value":"2"`).Replace(patientP1), pulse("o1", "p1", ""), survey, pulse("o3", "p2", ""))
	vitals := g.register("vitals", "default", "system/Observation.crus?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs", nil)
	token := g.token(vitals, "system/Observation.crus?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs")
	if got := g.ids("/fhir/Observation?patient=p1", token); !slices.Equal(got, []string{"o1"}) {
		t.Errorf("found %v", got)
	}
	g.want(http.StatusOK, "GET", "/fhir/Observation/o1", token, "")
	g.want(http.StatusNotFound, "GET", "/fhir/Observation/o2", token, "")
	g.want(http.StatusCreated, "POST", "/fhir/Observation", token, pulse("o4", "p1", ""))
	g.want(http.StatusForbidden, "POST", "/fhir/Observation", token, strings.Replace(survey, "o2", "o5", 1))
	if _, err := g.outcomes.ListScores(as(t.Context(), token), &rapportv1.ListScoresRequest{Patient: "p1"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("scores, which cannot be taken apart by category: %v", err)
	}
	one := g.register("one", "default", "system/Observation.rs?patient=p2", nil)
	if got := g.ids("/fhir/Observation?code=8867-4", g.token(one, "system/Observation.rs?patient=p2")); !slices.Equal(got, []string{"o3"}) {
		t.Errorf("of one patient: %v", got)
	}
}

func TestABundleDoesNotCarryWhatItsSenderMayNotSend(t *testing.T) {
	g := startGated(t, nil)
	b := g.register("b", "default", "system/Observation.cu system/Patient.cu", nil)
	token := g.token(b, "system/Observation.cu system/Patient.cu")
	bundle := func(method, address, resource string) string {
		return fmt.Sprintf(`{"resourceType":"Bundle","type":"batch","entry":[{"resource":%s,"request":{"method":%q,"url":%q}}]}`, resource, method, address)
	}
	g.want(http.StatusOK, "POST", "/fhir", token, bundle("PUT", "Patient/p1", patientP1))
	for _, closed := range []string{
		bundle("PUT", "CareTeam/team1", teamP1), bundle("DELETE", "Patient/p1", patientP1), bundle("GET", "Patient/p1", patientP1), bundle("POST", "", "{}"),
		bundle("PUT", "Patient/p1", teamP1), bundle("POST", "Patient/$everything", "{}"), bundle("GET", "http://elsewhere/Patient", "{}"),
	} {
		g.want(http.StatusForbidden, "POST", "/fhir", token, closed)
		_, err := g.ingest.Ingest(as(t.Context(), token), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(closed)}}})
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("over gRPC, %s: %v", closed, err)
		}
	}
}

func TestAConsentDecidesByPurposeAtEveryDoorAndBrokenGlassIsTold(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	g.put(full, patientP1, phq9("r1", "p1", monday.Add(-time.Hour), 3, 3, 3, 3, 3, 3, 3, 3, 0), pulse("o1", "p1", ""))
	physio := g.register("physio", "default", "system/*.rs", func(c *access.Client) {
		c.Purposes, c.Feeds, c.Person = []string{"TREAT", "HRESCH", "BTG"}, access.Grants{"*"}, "Practitioner/d1"
	})
	token := g.token(physio, "system/*.rs")
	found := func(headers ...string) bool {
		return len(g.ids("/fhir/Observation?_id=o1&patient=p1", token, headers...)) == 1
	}
	episode := func(pairs ...string) codes.Code {
		_, err := g.outcomes.GetEpisode(as(t.Context(), token, pairs...), &rapportv1.GetEpisodeRequest{Patient: "p1"})
		return status.Code(err)
	}
	check := func(what string, want bool, headers ...string) {
		t.Helper()
		if got := found(headers...); got != want {
			t.Errorf("%s, over REST: %t", what, got)
		}
		if got := episode(headers...) == codes.OK; got != want {
			t.Errorf("%s, over gRPC: %t", what, got)
		}
	}
	check("treatment without a consent", true)
	check("research without a consent", false, "X-Purpose", "HRESCH")
	g.put(full, consent("c1", `{"type":"permit","purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HRESCH"}]}`))
	check("research that is permitted", true, "X-Purpose", "HRESCH")
	g.want(http.StatusForbidden, "GET", "/fhir/Observation?patient=p1", token, "", "X-Purpose", "HMARKT")
	g.put(full, strings.Replace(consent("c2", `{"type":"deny","actor":[{"role":{"text":"x"},"reference":{"reference":"Practitioner/d1"}}]}`), `"2026-03-01"`, `"2026-03-02"`, 1))
	check("treatment by whom the patient denies it", false)
	if got := g.ids("/fhir/Observation?patient=p1", full); !slices.Contains(got, "o1") {
		t.Errorf("for another: %v", got)
	}
	g.want(http.StatusForbidden, "GET", "/fhir/Observation?patient=p1", token, "", "X-Break-Glass", "CURIOUS")
	check("by broken glass", true, "X-Break-Glass", "ETREAT")
	check("the next call", false)

	broken := 0
	for _, e := range g.audited("default") {
		if e.Broken == "ETREAT" {
			broken++
			if e.Person != "Practitioner/d1" || !slices.Contains(e.Patients, "p1") {
				t.Errorf("the audit of a broken glass: %+v", e)
			}
		}
	}
	if broken != 2 {
		t.Errorf("%d broken glasses in the audit", broken)
	}
	ctx, cancel := context.WithTimeout(as(t.Context(), full), 20*time.Second)
	defer cancel()
	told := 0
	err := client.Follow(ctx, g.conn, []*rapportv1.Cursor{{Feed: "privacy"}}, func(e *rapportv1.Event) error {
		if told++; e.GetType() != "access.break-glass" || !strings.Contains(e.GetAlert().GetTitle(), "ETREAT") {
			t.Errorf("the privacy role is told %v", e)
		}
		if told == 2 {
			return io.EOF
		}
		return nil
	})
	if told != 2 {
		t.Errorf("the privacy role was told %d times: %v", told, err)
	}
}

func TestWhatBearsALabelIsSeenByThoseWhoAreClearedForIt(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	secret := `,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]}`
	g.put(full, patientP1, pulse("o1", "p1", ""), pulse("o2", "p1", secret), phq9("r1", "p1", monday.Add(-time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	plain := g.register("plain", "default", "system/*.rs", nil)
	cleared := g.register("cleared", "default", "system/*.rs", func(c *access.Client) { c.Labels = []string{"PSY"} })
	for _, c := range []struct {
		who     *backend
		want    []string
		episode codes.Code
	}{{plain, []string{"o1"}, codes.NotFound}, {cleared, []string{"o1", "o2"}, codes.OK}} {
		token := g.token(c.who, "system/*.rs")
		if got := g.ids("/fhir/Observation?code=8867-4&patient=p1", token); !slices.Equal(got, c.want) {
			t.Errorf("%s sees %v, want %v", c.who.client.ID, got, c.want)
		}
		if _, err := g.outcomes.GetEpisode(as(t.Context(), token), &rapportv1.GetEpisodeRequest{Patient: "p1"}); status.Code(err) != c.episode {
			t.Errorf("%s asks for the episode: %v, want %v", c.who.client.ID, err, c.episode)
		}
	}
}

func TestFeedsAndAlertsAreThoseThatAreGranted(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	team := strings.Replace(teamP1, `{"member"`, `{"role":[{"coding":[{"code":"physio"}]}],"member"`, 1)
	g.put(full, patientP1, team, phq9("r1", "p1", monday, 0, 0, 1, 1, 0, 0, 0, 0, 1))
	follow := func(token, name string) codes.Code {
		ctx, cancel := context.WithTimeout(as(t.Context(), token), 10*time.Second)
		defer cancel()
		err := client.Follow(ctx, g.conn, []*rapportv1.Cursor{{Feed: name}}, func(*rapportv1.Event) error { return io.EOF })
		if errors.Is(err, io.EOF) {
			return codes.OK
		}
		return status.Code(err)
	}
	for _, c := range []struct {
		who    string
		feeds  access.Grants
		person string
		team   codes.Code
		all    codes.Code
		alerts int
	}{
		{"none", nil, "", codes.PermissionDenied, codes.PermissionDenied, 0},
		{"another", access.Grants{"team:other"}, "", codes.PermissionDenied, codes.PermissionDenied, 0},
		{"by-name", access.Grants{"team:team1"}, "", codes.OK, codes.PermissionDenied, 1},
		{"teams", access.Grants{"team:*"}, "", codes.OK, codes.PermissionDenied, 1},
		{"by-role", access.Grants{"role:physio"}, "Practitioner/d1", codes.OK, codes.PermissionDenied, 1},
		{"no-member", access.Grants{"role:physio"}, "Practitioner/d2", codes.PermissionDenied, codes.PermissionDenied, 0},
		{"another-role", access.Grants{"role:nurse"}, "Practitioner/d1", codes.PermissionDenied, codes.PermissionDenied, 0},
		{"everything", access.Grants{"*"}, "", codes.OK, codes.OK, 1},
	} {
		token := g.token(g.register(c.who, "default", "system/*.rus", func(one *access.Client) {
			one.Feeds, one.Person, one.Labels = c.feeds, c.person, []string{"*"}
		}), "system/*.rus")
		if got := follow(token, "team:team1"); got != c.team {
			t.Errorf("%s follows the team: %v, want %v", c.who, got, c.team)
		}
		if got := follow(token, "all"); got != c.all {
			t.Errorf("%s follows all: %v, want %v", c.who, got, c.all)
		}
		resp, err := g.alerts.ListAlerts(as(t.Context(), token), &rapportv1.ListAlertsRequest{Rule: "phq9-item-9"})
		if err != nil || len(resp.GetAlerts()) != c.alerts {
			t.Errorf("%s lists %d alerts, %v", c.who, len(resp.GetAlerts()), err)
		}
	}
	list, err := g.alerts.ListAlerts(as(t.Context(), full), &rapportv1.ListAlertsRequest{Rule: "phq9-item-9"})
	if err != nil || len(list.GetAlerts()) != 1 {
		t.Fatal(list, err)
	}
	take := &rapportv1.AcknowledgeRequest{Id: list.GetAlerts()[0].GetId(), Version: list.GetAlerts()[0].GetVersion(), Actor: "Practitioner/d9", Key: "k"}
	noone := g.register("no-alert", "default", "system/*.cruds", nil)
	if _, err := g.alerts.Acknowledge(as(t.Context(), g.token(noone, "system/*.cruds")), take); status.Code(err) != codes.NotFound {
		t.Errorf("an alert that the caller may not see is acknowledged: %v", err)
	}
	d1 := g.register("d1", "default", "system/*.cruds", func(c *access.Client) { c.Person, c.Feeds = "Practitioner/d1", access.Grants{"*"} })
	if _, err := g.alerts.Acknowledge(as(t.Context(), g.token(d1, "system/*.cruds")), take); status.Code(err) != codes.PermissionDenied {
		t.Errorf("in another's name: %v", err)
	}
}

func TestEveryAccessAndEveryRefusalIsAuditedAndReadAsAuditEvents(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	g.put(full, patientP1, pulse("o1", "p1", ""))
	reader := g.register("reader", "default", "system/Observation.rs", nil)
	token := g.token(reader, "system/Observation.rs")
	g.ids("/fhir/Observation?patient=p1&code=8867-4", token, "X-Request-Id", "abc")
	g.want(http.StatusOK, "GET", "/fhir/Observation/o1", token, "")
	g.want(http.StatusForbidden, "GET", "/fhir/Patient/p1", token, "")
	g.want(http.StatusForbidden, "GET", "/fhir/AuditEvent?patient=p1", token, "")
	g.want(http.StatusUnauthorized, "GET", "/fhir/Patient/p1", "nonsense", "")
	if _, err := g.outcomes.GetEpisode(as(t.Context(), token), &rapportv1.GetEpisodeRequest{Patient: "p1"}); status.Code(err) != codes.PermissionDenied {
		t.Error(err)
	}
	g.want(http.StatusOK, "GET", "/fhir/AuditEvent?patient=p1&_count=1", full, "") // its own record comes behind those before it
	find := func(match func(audit.Entry) bool) audit.Entry {
		t.Helper()
		for _, e := range append(g.audited("default"), g.audited("")...) {
			if match(e) {
				return e
			}
		}
		t.Error("an access is missing from the audit")
		return audit.Entry{}
	}
	search := find(func(e audit.Entry) bool {
		return e.Client == "reader" && e.Action == "E" && e.Method == "GET /fhir/Observation"
	})
	if search.Outcome != audit.Done || !slices.Equal(search.Patients, []ref.Patient{"p1"}) || !slices.Contains(search.Things, "Observation/o1") ||
		!strings.Contains(search.Query, "code=8867-4") || search.Purpose != "TREAT" || search.Address != "127.0.0.1" || search.Token == "" {
		t.Errorf("the search: %+v", search)
	}
	find(func(e audit.Entry) bool {
		return e.Client == "reader" && e.Interaction == "read" && e.Outcome == audit.Done
	})
	find(func(e audit.Entry) bool {
		return e.Client == "reader" && e.Outcome == audit.Refused && e.Status == "403" && e.Type == "Patient"
	})
	find(func(e audit.Entry) bool { return e.Client == "" && e.Outcome == audit.Refused && e.Status == "401" })
	find(func(e audit.Entry) bool {
		return e.Door == "grpc" && e.Status == "PermissionDenied" && strings.HasSuffix(e.Method, "GetEpisode")
	})
	find(func(e audit.Entry) bool {
		return e.Client == "full-default" && e.Action == "U" && slices.Contains(e.Patients, "p1")
	})
	find(func(e audit.Entry) bool {
		return e.Method == "POST /auth/token" && e.Client == "reader" && e.Status == "200"
	})

	page := g.want(http.StatusOK, "GET", "/fhir/AuditEvent?patient=Patient/p1&agent-name=reader&action=E", full, "")
	for _, want := range []string{"IHE.BasicAudit.PatientQuery", `"code":"IRCP"`, "urn:ietf:params:oauth:jti:" + search.Token, `"reference":"Patient/p1"`, `"110153"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the AuditEvents lack %s: %s", want, page)
		}
	}
	g.want(http.StatusBadRequest, "GET", "/fhir/AuditEvent?date=yesterday", full, "")
	var all, one struct {
		Entry []struct{ Resource struct{ ID string } }
		Link  []struct{ Relation, URL string }
	}
	next, seen := "/fhir/AuditEvent?patient=p1&_count=2&date=ge2026-03-02", []string{}
	for range 20 {
		one.Entry, one.Link = nil, nil
		if err := json.Unmarshal([]byte(g.want(http.StatusOK, "GET", next, full, "")), &one); err != nil {
			t.Fatal(err)
		}
		for _, e := range one.Entry {
			seen = append(seen, e.Resource.ID)
		}
		if len(one.Link) < 2 {
			break
		}
		next = strings.TrimPrefix(one.Link[1].URL, "http://"+g.HTTPAddr())
	}
	if err := json.Unmarshal([]byte(g.want(http.StatusOK, "GET", "/fhir/AuditEvent?patient=p1&date=ge2026-03-02", full, "")), &all); err != nil {
		t.Fatal(err)
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(seen)))
	if len(distinct) != len(seen) || len(seen) < 3 || len(all.Entry) < len(seen) {
		t.Errorf("by pages %v, at once %d", seen, len(all.Entry))
	}
	g.want(http.StatusOK, "GET", "/fhir/AuditEvent/"+seen[0], full, "")
	g.want(http.StatusNotFound, "GET", "/fhir/AuditEvent/a999999-0", full, "")
}

func TestTheAuditOfASearchNamesWhomItShowsAndNobodyElse(t *testing.T) {
	g := startGated(t, nil)
	_, token := g.full("default")
	for _, p := range []string{"p1", "p2", "p3"} {
		g.put(token, fmt.Sprintf(`{"resourceType":"Patient","id":%q}`, p), pulse("o-"+p, p, ""))
	}
	for query, want := range map[string][]ref.Patient{
		"Observation?code=8867-4&_count=1":                                  {"p1"},
		"Observation?code=8867-4&_id=o-p2&_include=Observation:patient":     {"p2"},
		"Observation?code=8867-4&_summary=count":                            nil,
		"Observation?patient=p3&_summary=count":                             {"p3"},
		"Observation?patient=p3&code=nothing":                               {"p3"},
		"Observation?patient=nobody":                                        nil,
		"Patient?_has:Observation:patient:_id=o-p1":                         {"p1"},
		"Observation?code=8867-4&patient:Patient.identifier=nobody|nothing": nil,
	} {
		var named []ref.Patient
		searches := func() (n int) {
			named = nil
			for _, e := range g.audited("default") {
				if strings.HasPrefix(e.Method, "GET /fhir/") {
					n++
					named = e.Patients
				}
			}
			return n
		}
		before := searches()
		g.want(http.StatusOK, "GET", "/fhir/"+query, token, "")
		within(t, func() bool { return searches() > before }, func() string { return query + " is not audited" })
		if !slices.Equal(named, want) {
			t.Errorf("%s names %v, want %v", query, named, want)
		}
	}
}

func TestWhoLeafsHearsNothingOfWhatTheyMayNotSee(t *testing.T) {
	g := startGated(t, nil)
	_, token := g.full("default")
	g.put(token, patientP1, `{"resourceType":"Patient","id":"p9"}`, pulse("o-9", "p9", `,"meta":{"security":[{"code":"PSY"}]}`))
	for n := range 5 {
		g.put(token, pulse(fmt.Sprintf("o-%d", n), "p1", ""))
	}
	narrow := g.token(g.register("narrow", "default", "system/*.rs", nil), "system/*.rs")
	first := "/fhir/Observation?code=8867-4&_count=2"
	next := g.next(first, narrow)
	g.want(http.StatusOK, "PUT", "/fhir/Observation/o-9", token, pulse("o-9", "p9", `,"meta":{"security":[{"code":"PSY"}]},"note":[{"text":"amended"}]`))
	if found := g.ids("/fhir/Observation?"+next, narrow); len(found) != 2 || slices.Contains(found, "o-9") {
		t.Errorf("the second page is %v", found)
	}
}
