package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// heardOf is what FHIR REST answered.
type heardOf struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request; headers are given as name, value, name, value.
func (c *clinic) ask(method, path, body string, headers ...string) heardOf {
	c.t.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = "http://" + c.HTTPAddr() + "/fhir" + path
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return heardOf{response.StatusCode, response.Header, read}
}

// must sends a request and expects a status; what is no success must be an OperationOutcome.
func (c *clinic) must(status int, method, path, body string, headers ...string) heardOf {
	c.t.Helper()
	got := c.ask(method, path, body, headers...)
	if got.status != status {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, got.status, got.body, status)
	}
	if status >= 400 && !bytes.Contains(got.body, []byte(`"resourceType":"OperationOutcome"`)) {
		c.t.Errorf("%s %s: no OperationOutcome: %s", method, path, got.body)
	}
	return got
}

// listing is a Bundle, as far as tests look at one.
type listing struct {
	Type  string
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource struct {
			ResourceType, ID, Status string
			Meta                     struct {
				VersionID string
				Tag       []struct{ Code string }
			}
		}
		Search  struct{ Mode string }
		Request struct{ Method, URL string }

		Response struct{ Status, Location, Etag string }
	}
}

func (c *clinic) list(body []byte) listing {
	c.t.Helper()
	var l listing
	if err := json.Unmarshal(body, &l); err != nil || l.Type == "" {
		c.t.Fatalf("no Bundle: %s", body)
	}
	return l
}

func (l listing) next() string {
	for _, link := range l.Link {
		if link.Relation == "next" {
			return link.URL
		}
	}
	return ""
}

// names are `Type/id` of the entries of a mode; of all when it is empty.
func (l listing) names(mode string) []string {
	out := []string{}
	for _, e := range l.Entry {
		if mode == "" || e.Search.Mode == mode {
			out = append(out, e.Resource.ResourceType+"/"+e.Resource.ID)
		}
	}
	return out
}

// leaf reads all pages of a search.
func (c *clinic) leaf(path string) []string {
	c.t.Helper()
	var out []string
	for next := path; next != ""; {
		l := c.list(c.must(200, "GET", next, "").body)
		out = append(out, l.names("match")...)
		next = l.next()
	}
	return out
}

const heartRate = `{"resourceType":"Observation","id":"hr","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},` +
	`"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-02-01","valueQuantity":{"value":72.0,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`

func TestEveryVerbIsAnsweredAsTheTablesSay(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	patch := []string{"Content-Type", "application/json-patch+json"}
	for _, step := range []struct {
		says, method, path, body string
		headers                  []string
		status                   int
		etag, contains           string
	}{
		{"an update creates", "PUT", "/Observation/hr", heartRate, nil, 201, `W/"1"`, `"value":72.0,`},
		{"a replay changes nothing", "PUT", "/Observation/hr", heartRate, nil, 200, `W/"1"`, ""},
		{"an id of another", "PUT", "/Observation/other", heartRate, nil, 400, "", "Observation.id"},
		{"no id", "PUT", "/Observation/hr", strings.Replace(heartRate, `"id":"hr",`, "", 1), nil, 400, "", ""},
		{"a version sent along is ignored", "PUT", "/Observation/hr", strings.Replace(heartRate, `"status"`, `"meta":{"versionId":"77"},"status"`, 1), nil, 200, `W/"1"`, ""},
		{"an update", "PUT", "/Observation/hr", strings.Replace(heartRate, "72.0", "73.0", 1), []string{"If-Match", `W/"1"`}, 200, `W/"2"`, `"value":73.0,`},
		{"an older version sent along is ignored", "PUT", "/Observation/hr", strings.Replace(heartRate, `"status"`, `"meta":{"versionId":"1"},"status"`, 1), nil, 200, `W/"3"`, ""},
		{"a lost race", "PUT", "/Observation/hr", heartRate, []string{"If-Match", `W/"1"`}, 412, "", "current version is 3"},
		{"a list of tags", "PUT", "/Observation/hr", strings.Replace(heartRate, "72.0", "74.0", 1), []string{"If-Match", `W/"1", "3"`}, 200, `W/"4"`, ""},
		{"a tag that is none", "PUT", "/Observation/hr", heartRate, []string{"If-Match", "4"}, 400, "", ""},
		{"only if it is new", "PUT", "/Observation/hr", heartRate, []string{"If-None-Match", "*"}, 412, "", "exists"},
		{"a patch", "PATCH", "/Observation/hr", `[{"op":"test","path":"/status","value":"final"},{"op":"replace","path":"/valueQuantity/value","value":75.10}]`, patch, 200, `W/"5"`, `75.10`},
		{"a failing test", "PATCH", "/Observation/hr", `[{"op":"test","path":"/status","value":"amended"}]`, patch, 422, "", "operation 1"},
		{"a malformed patch", "PATCH", "/Observation/hr", `{"op":"test"}`, patch, 400, "", ""},
		{"a patch with a path that leads nowhere", "PATCH", "/Observation/hr", `[{"op":"remove","path":"/note/0"}]`, patch, 422, "", ""},
		{"a patch to what is not FHIR", "PATCH", "/Observation/hr", `[{"op":"add","path":"/colour","value":"red"},{"op":"remove","path":"/code"}]`, patch, 422, "", "Observation"},
		{"a patch of another version", "PATCH", "/Observation/hr", `[{"op":"add","path":"/note","value":[{"text":"n"}]}]`, append([]string{"If-Match", `W/"1"`}, patch...), 412, "", ""},
		{"a patch to another resource", "PATCH", "/Observation/hr", `[{"op":"replace","path":"/id","value":"x"}]`, patch, 422, "", ""},
		{"a conditional patch", "PATCH", "/Observation?code=8867-4", `[{"op":"add","path":"/identifier","value":[{"system":"urn:o","value":"1"}]}]`, patch, 200, `W/"6"`, "urn:o"},
		{"a conditional patch of nothing", "PATCH", "/Observation?code=nothing", `[]`, patch, 404, "", ""},
		{"a read", "GET", "/Observation/hr", "", nil, 200, `W/"6"`, `"versionId":"6"`},
		{"a read of part", "GET", "/Observation/hr?_elements=status", "", nil, 200, `W/"6"`, "SUBSETTED"},
		{"a read of what is known", "GET", "/Observation/hr", "", []string{"If-None-Match", `W/"6"`}, 304, `W/"6"`, ""},
		{"an old version", "GET", "/Observation/hr/_history/1", "", nil, 200, `W/"1"`, `"value":72.0,`},
		{"a conditional create finds one", "POST", "/Observation", heartRate, []string{"If-None-Exist", "identifier=urn:o|1"}, 200, `W/"6"`, "urn:o"},
		{"a conditional create finds none", "POST", "/Observation", strings.Replace(heartRate, `"hr"`, `"hr2"`, 1), []string{"If-None-Exist", "identifier=urn%3Ao%7C2"}, 201, `W/"1"`, `"Observation"`},
		{"a conditional create finds several", "POST", "/Observation", heartRate, []string{"If-None-Exist", "code=8867-4"}, 412, "", "more than one"},
		{"a conditional update of one", "PUT", "/Observation?identifier=urn%3Ao%7C1", strings.Replace(heartRate, `"id":"hr",`, `"identifier":[{"system":"urn:o","value":"1"}],`, 1), nil, 200, `W/"7"`, `"id":"hr"`},
		{"a conditional update of none", "PUT", "/Observation?identifier=urn%3Ao%7C9", strings.Replace(heartRate, `"id":"hr",`, `"id":"hr9","identifier":[{"system":"urn:o","value":"9"}],`, 1), nil, 201, `W/"1"`, "hr9"},
		{"a conditional update of several", "PUT", "/Observation?code=8867-4", heartRate, nil, 412, "", ""},
		{"a conditional update of another id", "PUT", "/Observation?identifier=urn:o|9", heartRate, nil, 400, "", ""},
		{"a conditional deletion of several", "DELETE", "/Observation?code=8867-4", "", nil, 412, "", ""},
		{"a conditional deletion of one", "DELETE", "/Observation?identifier=urn:o|9", "", nil, 204, `W/"2"`, ""},
		{"a conditional deletion of none", "DELETE", "/Observation?identifier=urn:o|9", "", nil, 204, "", ""},
		{"a deletion of another version", "DELETE", "/Observation/hr", "", []string{"If-Match", `W/"1"`}, 412, "", ""},
		{"a deletion", "DELETE", "/Observation/hr", "", nil, 204, `W/"8"`, ""},
		{"a second deletion", "DELETE", "/Observation/hr", "", nil, 204, "", ""},
		{"a deletion of what never was", "DELETE", "/Observation/never", "", nil, 204, "", ""},
		{"what was deleted", "GET", "/Observation/hr", "", nil, 410, "", "deleted"},
		{"the deletion", "GET", "/Observation/hr/_history/8", "", nil, 410, "", "deleted"},
		{"what was before", "GET", "/Observation/hr/_history/7", "", nil, 200, `W/"7"`, ""},
		{"a patch of what was deleted", "PATCH", "/Observation/hr", `[]`, patch, 410, "", ""},
		{"it is not found", "GET", "/Observation?_id=hr", "", nil, 200, "", `"total":0`},
		{"an update brings it back", "PUT", "/Observation/hr", heartRate, nil, 201, `W/"9"`, ""},
		{"its history", "GET", "/Observation/hr/_history", "", nil, 200, "", `"total":9`},
		{"what the server makes cannot be sent", "PUT", "/DetectedIssue/x", `{"resourceType":"DetectedIssue","id":"x"}`, nil, 405, "", ""},
		{"a type that is not taken", "PUT", "/Medication/x", `{"resourceType":"Medication","id":"x"}`, nil, 404, "", "Medication"},
		{"validation", "POST", "/Observation/$validate", strings.Replace(heartRate, `"final"`, `"funny"`, 1), nil, 200, "", "Observation.status"},
		{"validation of what is well", "POST", "/Observation/$validate", heartRate, nil, 200, "", `"severity":"information"`},
		{"nothing was stored by it", "GET", "/Observation/hr", "", nil, 200, `W/"9"`, ""},
		{"JSON for people", "GET", "/Observation/hr?_pretty=true", "", nil, 200, "", "\n  \"resourceType\": \"Observation\""},
		{"minimal", "PUT", "/Observation/hr", strings.Replace(heartRate, "72.0", "1", 1), []string{"Prefer", "return=minimal"}, 200, `W/"10"`, ""},
	} {
		got := c.ask(step.method, step.path, step.body, step.headers...)
		if got.status != step.status || step.etag != "" && got.header.Get("ETag") != step.etag || !strings.Contains(string(got.body), step.contains) {
			t.Fatalf("%s: %s %s: %d %s %s, want %d %s %s", step.says, step.method, step.path, got.status, got.header.Get("ETag"), got.body,
				step.status, step.etag, step.contains)
		}
		if got.status >= 400 && !strings.Contains(string(got.body), `"OperationOutcome"`) {
			t.Errorf("%s: %s", step.says, got.body)
		}
	}
}

func TestADeletionTakesBackWhatFollowedFromIt(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/QuestionnaireResponse/r1", phq9("r1", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1))
	alert := c.list(c.must(200, "GET", "/DetectedIssue?patient=p1", "").body)
	total := "/Observation?patient=p1&code=44261-6"
	if l := c.list(c.must(200, "GET", total, "").body); len(l.Entry) != 1 || l.Entry[0].Resource.Status != "final" || len(alert.Entry) == 0 {
		t.Fatalf("%+v %+v", l, alert)
	}
	c.must(204, "DELETE", "/QuestionnaireResponse/r1", "")
	for _, e := range c.list(c.must(200, "GET", "/DetectedIssue?patient=p1", "").body).Entry {
		if e.Resource.Status == "final" {
			t.Errorf("%s still stands", e.Resource.ID)
		}
	}
	if l := c.list(c.must(200, "GET", total, "").body); len(l.Entry) != 1 || l.Entry[0].Resource.Status != "entered-in-error" {
		t.Errorf("%+v", l)
	}
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "Patient/p1"}) {
		if a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_OPEN {
			t.Errorf("%s is open", a.GetRule())
		}
	}
	c.must(201, "PUT", "/QuestionnaireResponse/r1", phq9("r1", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1))
	if l := c.list(c.must(200, "GET", total, "").body); len(l.Entry) != 1 || l.Entry[0].Resource.Status == "entered-in-error" {
		t.Errorf("it was brought back: %+v", l)
	}
	history := c.list(c.must(200, "GET", "/QuestionnaireResponse/r1/_history", "").body)
	var methods []string
	for _, e := range history.Entry {
		methods = append(methods, e.Request.Method)
	}
	if got := strings.Join(methods, " "); got != "PUT DELETE POST" || *history.Total != 3 {
		t.Errorf("%s", got)
	}
	// A late echo of the version that was deleted does not bring it back.
	versioned := strings.Replace(phq9("r2", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 0), `"status"`, `"meta":{"versionId":"4"},"status"`, 1)
	c.send(versioned)
	c.must(204, "DELETE", "/QuestionnaireResponse/r2", "")
	if got := c.send(versioned)[0]; got.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
		t.Errorf("%v", got)
	}
	c.must(410, "GET", "/QuestionnaireResponse/r2", "")
}

func TestOfManyWhoCreateTheSameOneDoes(t *testing.T) {
	c := start(t, nil)
	const many = 50
	statuses, locations := make([]int, many), make([]string, many)
	var callers sync.WaitGroup
	for n := range many {
		callers.Go(func() {
			body := fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"shared"}],"name":[{"family":"Synthetic-%d"}]}`, n)
			got := c.ask("POST", "/Patient", body, "If-None-Exist", "identifier=urn:mrn|shared")
			statuses[n], locations[n] = got.status, got.header.Get("Location")
		})
	}
	callers.Wait()
	slices.Sort(locations)
	created := 0
	for _, s := range statuses {
		if s == 201 {
			created++
		} else if s != 200 {
			t.Errorf("answered %d", s)
		}
	}
	if created != 1 || len(slices.Compact(locations)) != 1 {
		t.Errorf("%d created, at %v", created, locations)
	}
}

func TestOfManyWhoUpdateBySearchEveryOneIsHeard(t *testing.T) {
	c := start(t, nil)
	const many = 30
	statuses, bodies := make([]int, many), make([]string, many)
	var callers sync.WaitGroup
	for n := range many {
		callers.Go(func() {
			body := strings.NewReplacer(`"id":"hr",`, `"identifier":[{"system":"urn:o","value":"par"}],`, "72.0", fmt.Sprint(100+n)).Replace(heartRate)
			got := c.ask("PUT", "/Observation?identifier=urn:o|par", body)
			statuses[n], bodies[n] = got.status, string(got.body)
		})
	}
	callers.Wait()
	found := c.list(c.must(200, "GET", "/Observation?identifier=urn:o|par", "").body)
	if len(found.Entry) != 1 {
		t.Fatalf("%d resources", len(found.Entry))
	}
	history := string(c.must(200, "GET", "/Observation/"+found.Entry[0].Resource.ID+"/_history?_count=100", "").body)
	created := 0
	for n := range many {
		if statuses[n] == 201 {
			created++
		} else if statuses[n] != 200 {
			t.Errorf("%d: %d %s", n, statuses[n], bodies[n])
		}
		if value := fmt.Sprintf(`"value":%d,`, 100+n); !strings.Contains(bodies[n], value) || !strings.Contains(history, value) {
			t.Errorf("%d was answered %d and is not in the history", n, statuses[n])
		}
	}
	if created != 1 {
		t.Errorf("%d were created", created)
	}
}

func TestOfManyWhoChangeTheSameVersionOneDoes(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Observation/hr", heartRate)
	const many = 30
	statuses := make([]int, many)
	var callers sync.WaitGroup
	for n := range many {
		callers.Go(func() {
			body := strings.Replace(heartRate, "72.0", fmt.Sprint(100+n), 1)
			statuses[n] = c.ask("PUT", "/Observation/hr", body, "If-Match", `W/"1"`).status
		})
	}
	callers.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 412 || statuses[many-1] != 412 {
		t.Errorf("%v", statuses)
	}
	if got := c.must(200, "GET", "/Observation/hr", "").header.Get("ETag"); got != `W/"2"` {
		t.Errorf("%s", got)
	}
}

func TestATransactionDoesAllVerbsOrNone(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	c.must(201, "PUT", "/Observation/hr", heartRate)
	c.must(201, "PUT", "/Observation/old", strings.Replace(heartRate, `"hr"`, `"old"`, 1))
	patch := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL25vdGUiLCJ2YWx1ZSI6W3sidGV4dCI6Im4ifV19XQ=="}`
	entry := func(full, method, url, resource, more string) string {
		out := `{"request":{"method":"` + method + `","url":"` + url + `"` + more + `}`
		if resource != "" {
			out += `,"resource":` + resource
		}
		if full != "" {
			out += `,"fullUrl":"` + full + `"`
		}
		return out + "}"
	}
	noted := strings.NewReplacer(`"id":"hr",`, "", "Patient/p1", "urn:uuid:0f6f1d62-0d1b-4d5c-9f10-000000000001").Replace(heartRate)
	entries := []string{
		entry("", "GET", "Observation/hr", "", ""),
		entry("urn:uuid:0f6f1d62-0d1b-4d5c-9f10-000000000001", "POST", "Patient",
			`{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"1"}]}`, `,"ifNoneExist":"identifier=urn:mrn|1"`),
		entry("urn:uuid:0f6f1d62-0d1b-4d5c-9f10-000000000002", "POST", "Observation", noted, ""),
		entry("", "PUT", "Observation/by-condition", strings.NewReplacer(`"hr"`, `"by-condition"`, "Patient/p1", "Patient?identifier=urn:mrn|1").Replace(heartRate), ""),
		entry("", "PATCH", "Observation/hr", patch, `,"ifMatch":"W/\"1\""`),
		entry("", "DELETE", "Observation/old", "", ""),
	}
	bundle := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for _, bad := range []string{
		entry("", "PUT", "Observation/x", strings.NewReplacer(`"hr"`, `"x"`, "Patient/p1", "Patient?identifier=urn:mrn|none").Replace(heartRate), ""),
		entry("", "PUT", "Observation/x", strings.Replace(strings.Replace(heartRate, `"hr"`, `"x"`, 1), `"final"`, `"funny"`, 1), ""),
		entry("", "DELETE", "Observation/hr", "", `,"ifMatch":"W/\"9\""`),
		entry("", "DELETE", "Observation/hr", "", ""),
		entry("", "PATCH", "Observation/none", patch, ""),
	} {
		got := c.ask("POST", "", bundle(append(slices.Clone(entries), bad)...))
		if got.status < 400 || got.status >= 500 || !strings.Contains(string(got.body), "OperationOutcome") || !strings.Contains(string(got.body), "Bundle.entry[6]") {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
		c.must(200, "GET", "/Observation/old", "")
		c.must(404, "GET", "/Observation/by-condition", "")
	}
	got := c.list(c.must(200, "POST", "/", bundle(entries...)).body)
	var statuses []string
	for _, e := range got.Entry {
		statuses = append(statuses, e.Response.Status[:3])
	}
	if strings.Join(statuses, " ") != "200 200 201 201 200 204" || !strings.Contains(got.Entry[1].Response.Location, "/Patient/p1/") ||
		got.Entry[0].Resource.Meta.VersionID != "2" || got.Type != "transaction-response" {
		t.Fatalf("%v %+v", statuses, got.Entry)
	}
	c.must(410, "GET", "/Observation/old", "")
	for _, of := range []string{placeOf(t, got.Entry[2].Response.Location), "Observation/by-condition"} {
		if body := c.must(200, "GET", "/"+of, "").body; !strings.Contains(string(body), `"Patient/p1"`) {
			t.Errorf("%s", body)
		}
	}
	if l := c.leaf("/Observation?patient=p1&_count=1"); len(l) != 3 {
		t.Errorf("%v", l)
	}
	batch := strings.Replace(bundle(append(slices.Clone(entries[3:]), entry("", "GET", "Observation?patient=p1&_count=1", "", ""))...), "transaction", "batch", 1)
	answered := c.list(c.must(200, "POST", "", batch).body)
	statuses = nil
	for _, e := range answered.Entry {
		statuses = append(statuses, e.Response.Status[:3])
	}
	if strings.Join(statuses, " ") != "200 412 204 200" {
		t.Errorf("%v", statuses)
	}
}

func TestLeafingThroughASearchShowsOneStateWhateverIsWrittenMeanwhile(t *testing.T) {
	c := start(t, nil)
	for n := range 12 {
		day := monday.AddDate(0, 0, -n)
		c.must(201, "PUT", fmt.Sprintf("/Observation/o%02d", n), strings.NewReplacer(`"hr"`, fmt.Sprintf(`"o%02d"`, n), "2026-02-01", day.Format(time.DateOnly)).Replace(heartRate))
		c.must(201, "PUT", fmt.Sprintf("/QuestionnaireResponse/r%02d", n), phq9(fmt.Sprintf("r%02d", n), fmt.Sprint("p", n%3), day, n%2, 1, 1, 1, 1, 1, 1, 1, 0))
	}
	for _, query := range []string{"/Observation?_count=7", "/Observation?code=8867-4,44261-6&_count=5", "/Observation?patient=p1&_count=4", "/Observation?_sort=date,_id&_count=9", "/QuestionnaireResponse?_count=3"} {
		before := c.leaf(query)
		var during []string
		step := 0
		for next := query; next != ""; step++ {
			l := c.list(c.must(200, "GET", next, "").body)
			during = append(during, l.names("match")...)
			next = l.next()
			c.must(201, "PUT", fmt.Sprintf("/Observation/new%d-%d", len(query), step), strings.NewReplacer(`"hr"`, fmt.Sprintf(`"new%d-%d"`, len(query), step), "2026-02-01", "2026-02-2"+fmt.Sprint(step%8)).Replace(heartRate))
			// What was on a page to come moves to where nobody looks any more, and what was seen comes again.
			c.must(200, "PUT", "/Observation/o09", strings.NewReplacer(`"hr"`, `"o09"`, "2026-02-01", fmt.Sprintf("2026-03-01T0%d:00:00Z", step%10)).Replace(heartRate))
			c.must(200, "PUT", "/Observation/o01", strings.NewReplacer(`"hr"`, `"o01"`, "2026-02-01", fmt.Sprintf("2025-01-01T0%d:00:00Z", step%10)).Replace(heartRate))
			c.must(200, "PUT", "/QuestionnaireResponse/r08", phq9("r08", "p2", monday.Add(time.Duration(step+len(query))*time.Second), step%3, 0, 1, 1, 1, 1, 1, 1, 0))
		}
		if !slices.Equal(before, during) || step < 2 {
			t.Errorf("%s: on %d pages\n%v\nbefore\n%v", query, step, during, before)
		}
	}
}

func TestSearchLeadsOverReferencesBothWays(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", strings.Replace(patientP1, `"name"`, `"birthDate":"1980-05-01","gender":"female","name"`, 1))
	c.must(201, "PUT", "/Patient/p2", `{"resourceType":"Patient","id":"p2","name":[{"family":"Müller","given":["Zoë"]}]}`)
	c.must(201, "PUT", "/QuestionnaireResponse/r1", phq9("r1", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1))
	c.must(201, "PUT", "/QuestionnaireResponse/r2", phq9("r2", "p2", monday, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	c.must(201, "PUT", "/Observation/hr", heartRate)
	c.must(201, "PUT", "/Questionnaire/q", `{"resourceType":"Questionnaire","id":"q","url":"http://loinc.org/q/44249-1","status":"active","useContext":[{"code":{"system":"http://terminology.hl7.org/CodeSystem/usage-context-type","code":"focus"},"valueCodeableConcept":{"coding":[{"system":"urn:x","code":"sdoh"}]}}]}`)
	for query, want := range map[string]string{
		"Patient?name=mull":                            "Patient/p2",
		"Patient?family=MULLER&given=zoe":              "Patient/p2",
		"Patient?name:exact=Müller":                    "Patient/p2",
		"Patient?name:contains=ller":                   "Patient/p2",
		"Patient?birthdate=1980-05-01&name=Synthetic":  "Patient/p1",
		"Patient?birthdate=lt1990":                     "Patient/p1",
		"Patient?gender=female":                        "Patient/p1",
		"Patient?gender:not=female":                    "Patient/p2",
		"Patient?identifier=urn:mrn|1":                 "Patient/p1",
		"Patient?identifier=1":                         "Patient/p1",
		"Patient?_has:Observation:patient:code=8867-4": "Patient/p1",
		"Patient?_has:QuestionnaireResponse:subject:status=completed&birthdate:missing=true": "Patient/p2",
		"Patient?_sort=-family":                                              "Patient/p1 Patient/p2",
		"Patient?_sort=family&_count=1":                                      "Patient/p2",
		"QuestionnaireResponse?patient.identifier=urn:mrn|1":                 "QuestionnaireResponse/r1",
		"QuestionnaireResponse?subject:Patient.family=muller":                "QuestionnaireResponse/r2",
		"QuestionnaireResponse?questionnaire.context-type-value=focus$sdoh":  "QuestionnaireResponse/r1 QuestionnaireResponse/r2",
		"QuestionnaireResponse?questionnaire.context-type-value=focus$other": "",
		"QuestionnaireResponse?status=completed&patient=p1":                  "QuestionnaireResponse/r1",
		"Observation?subject.name=muller&code=44261-6&_summary=true":         "Observation/" + idOf(c, "p2", "44261-6"),
		"Observation?code-value-quantity=http://loinc.org|44261-6$gt5":       "Observation/" + idOf(c, "p1", "44261-6"),
		"Observation?code-value-quantity=http://loinc.org|8867-4$72||/min":   "Observation/hr",
		"Observation?value-quantity=72|http://unitsofmeasure.org|/min":       "Observation/hr",
		"Observation?combo-code-value-quantity=8867-4$lt72":                  "",
		"Observation?code=8867-4&_lastUpdated=ge2026-03-02":                  "Observation/hr",
		"Observation?code=8867-4&_lastUpdated=lt2026-03-02":                  "",
		"Observation?code=8867-4&category:missing=true":                      "Observation/hr",
		"Observation?code=8867-4&status:not=final":                           "",
		"Provenance?target=Observation/" + idOf(c, "p1", "44261-6"):          "Provenance/" + strings.TrimSuffix(idOf(c, "p1", "44261-6"), "score-total") + "provenance",
	} {
		got := c.list(c.must(200, "GET", "/"+query, "", "Prefer", "handling=strict").body)
		if found := strings.Join(got.names("match"), " "); found != want {
			t.Errorf("%s: %s, want %s", query, found, want)
		}
	}
	for query, want := range map[string]int{
		"Observation?code=44261-6&patient=p1&_include=Observation:patient&_include=Observation:derived-from": 2,
		"Observation?code=44261-6&_revinclude=Provenance:target":                                             2,
		"Patient?_id=p1&_revinclude=QuestionnaireResponse:subject&_revinclude=Observation:patient":           13 + 1,
		"QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire":                          1,
		"DetectedIssue?patient=p1&_revinclude=Provenance:target&_include=*":                                  3,
	} {
		got := c.list(c.must(200, "GET", "/"+query, "", "Prefer", "handling=strict").body)
		if n := len(got.names("include")); n < want || len(got.names("match")) == 0 {
			t.Errorf("%s: includes %v", query, got.names("include"))
		}
	}
	all := c.list(c.must(200, "GET", "/Patient/p1/$everything", "").body)
	types := map[string]int{}
	for _, name := range all.names("") {
		typ, _, _ := strings.Cut(name, "/")
		types[typ]++
	}
	if types["Patient"] != 1 || types["QuestionnaireResponse"] != 1 || types["Observation"] < 12 || types["DetectedIssue"] == 0 || types["Provenance"] < 2 || *all.Total != len(all.Entry) {
		t.Errorf("%v", types)
	}
	var leafed []string
	for next := "/Patient/p1/$everything?_count=4"; next != ""; {
		l := c.list(c.must(200, "GET", next, "").body)
		leafed = append(leafed, l.names("")...)
		next = l.next()
	}
	if !slices.Equal(leafed, all.names("")) {
		t.Errorf("by pages\n%v\nat once\n%v", leafed, all.names(""))
	}
	if got := c.leaf("/Patient/p1/Observation?code=8867-4"); !slices.Equal(got, []string{"Observation/hr"}) {
		t.Errorf("%v", got)
	}
}

// idOf is the id of the Observation derived for a patient under a code.
func idOf(c *clinic, patient, code string) string {
	c.t.Helper()
	l := c.list(c.must(200, "GET", "/Observation?patient="+patient+"&code="+code, "").body)
	if len(l.Entry) != 1 {
		c.t.Fatalf("%+v", l)
	}
	return l.Entry[0].Resource.ID
}

func TestHistoriesTellOfAllVersionsByPages(t *testing.T) {
	c := start(t, nil)
	put := func(id, value string) heardOf {
		return c.ask("PUT", "/Observation/"+id, strings.NewReplacer(`"hr"`, `"`+id+`"`, "72.0", value).Replace(heartRate))
	}
	for n := range 9 {
		put(fmt.Sprint("o", n%3), fmt.Sprint(n))
		c.later(time.Minute)
	}
	c.must(204, "DELETE", "/Observation/o1", "")
	for path, want := range map[string]string{
		"/Observation/o0/_history?":                             "o0/3 o0/2 o0/1",
		"/Observation/o1/_history?":                             "o1/4 o1/3 o1/2 o1/1",
		"/Observation/_history?":                                "o1/4 o2/3 o1/3 o0/3 o2/2 o1/2 o0/2 o2/1 o1/1 o0/1",
		"/_history?":                                            "o1/4 o2/3 o1/3 o0/3 o2/2 o1/2 o0/2 o2/1 o1/1 o0/1 p1/1",
		"/_history?_since=2026-03-02T09:05:00Z&":                "o1/4 o2/3 o1/3 o0/3 o2/2",
		"/Observation/o0/_history?_at=2026-03-02T09:03:30Z&":    "o0/2",
		"/Observation/_history?_since=2030&":                    "",
		"/Observation/_history?_at=eq2026-03-02T09:01:30Z&":     "o1/1 o0/1",
		"/Observation/o2/_history?_since=2026-03-02T09:08:00Z&": "o2/3",
		"/Observation/o1/_history?_at=2026&":                    "o1/4 o1/3 o1/2 o1/1",
		"/Observation/o1/_history?_at=ge2026-01-01&":            "o1/4 o1/3 o1/2 o1/1",
		"/Observation/o1/_history?_at=gt2020&":                  "o1/4 o1/3 o1/2 o1/1",
		"/Observation/o1/_history?_at=lt2030&":                  "o1/4 o1/3 o1/2 o1/1",
		"/Observation/o1/_history?_at=le2020&":                  "",
		"/Observation/o1/_history?_at=gt2026-03-02T09:07:30Z&":  "o1/4 o1/3",
		"/Observation/o1/_history?_at=lt2026-03-02T09:03:00Z&":  "o1/1",
		"/Observation/o1/_history?_at=sa2030&":                  "o1/4",
		"/Observation/_history?_at=le2026-03-02T09:01:30Z&":     "o1/1 o0/1",
	} {
		var all []string
		for next := path + "_count=2"; next != ""; {
			l := c.list(c.must(200, "GET", next, "").body)
			for _, e := range l.Entry {
				all = append(all, e.FullURL[strings.LastIndex(e.FullURL, "/")+1:]+"/"+strings.Trim(e.Response.Etag, `W/"`))
				if (e.Request.Method == "DELETE") != (e.Resource.ID == "") || e.Request.URL == "" || e.Response.Status == "" {
					t.Errorf("%s: %+v", path, e)
				}
			}
			if l.Total == nil || *l.Total != len(strings.Fields(want)) {
				t.Errorf("%s: total %v of %s", next, l.Total, want)
			}
			next = l.next()
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	first := c.list(c.must(200, "GET", "/Observation/_history?_count=4", "").body)
	put("o2", "99")
	put("o3", "98")
	second := c.list(c.must(200, "GET", first.next(), "").body)
	if got := strings.Join(second.names(""), " "); got != "Observation/o2 Observation/o1 Observation/o0 Observation/o2" {
		t.Errorf("the page after what came in meanwhile: %s", got)
	}
	c.must(404, "GET", "/Observation/none/_history", "")
	c.must(404, "GET", "/Observation/none/_history?_at=2026", "")
	c.must(400, "GET", "/_history?_count=none", "")
	c.must(400, "GET", "/_history?foo=x", "", "Prefer", "handling=strict")
	if got := c.must(200, "GET", "/_history?foo=x", "").header.Get("X-Rapport-Issue"); !strings.Contains(got, "foo is not supported") {
		t.Errorf("what was ignored: %q", got)
	}
	for query, lacks := range map[string]string{"_summary=text": `"valueQuantity"`, "_elements=code": `"valueQuantity"`, "_summary=count": `"entry"`, "_count=0": `"entry"`} {
		body := c.must(200, "GET", "/Observation/o1/_history?"+query, "", "Prefer", "handling=strict").body
		if l := c.list(body); *l.Total != 4 || bytes.Contains(body, []byte(lacks)) {
			t.Errorf("%s: %s", query, body)
		}
	}
}

func TestACompartmentHoldsWhatBelongsToOnePatientAndNothingElse(t *testing.T) {
	c := start(t, nil)
	for _, body := range []string{
		patientP1, `{"resourceType":"Patient","id":"p2"}`,
		`{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p1"}}]}`,
		`{"resourceType":"Group","id":"g2","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p2"}}]}`,
		`{"resourceType":"Practitioner","id":"d1"}`, `{"resourceType":"PractitionerRole","id":"r1"}`, heartRate,
		`{"resourceType":"Appointment","id":"v1","status":"booked","start":"2026-02-01T09:00:00Z","end":"2026-02-01T10:00:00Z","participant":[{"actor":{"reference":"Patient/p1"},"status":"accepted"}]}`,
	} {
		var head struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(body), &head); err != nil {
			t.Fatal(err)
		}
		c.must(201, "PUT", "/"+head.ResourceType+"/"+head.ID, body)
	}
	for path, want := range map[string]string{
		"p1/Group": "Group/g1", "p2/Group": "Group/g2", "p3/Group": "", "p1/Patient": "Patient/p1", "p3/Patient": "", "p1/Observation": "Observation/hr",
		"p2/Observation": "", "p1/Appointment": "Appointment/v1", "p2/Appointment": "", "p1/Provenance": "",
	} {
		if got := strings.Join(c.leaf("/Patient/"+path), " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, typ := range []string{"Practitioner", "PractitionerRole", "Questionnaire", "CodeSystem", "Medication", "metadata"} {
		c.must(404, "GET", "/Patient/p1/"+typ, "")
	}
	for query, want := range map[string]string{
		"": "Patient/p1 Observation/hr Appointment/v1", "?start=2026-02-01&end=2026-02-01": "Patient/p1 Observation/hr Appointment/v1",
		"?start=2026-02-02": "Patient/p1", "?end=2026-01-31": "Patient/p1",
	} {
		if got := strings.Join(c.leaf("/Patient/p1/$everything"+query), " "); got != want {
			t.Errorf("everything%s: %s, want %s", query, got, want)
		}
	}
}

func TestAnotherSourceMeansItsOwnIds(t *testing.T) {
	c := start(t, nil)
	lab := []string{"X-Rapport-Source", "lab"}
	got := c.must(201, "PUT", "/Observation/hr", heartRate, lab...)
	if location := got.header.Get("Location"); !strings.HasSuffix(location, "/Observation/lab.hr/_history/1") {
		t.Fatalf("%s", location)
	}
	resp, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: "lab", Items: []*rapportv1.Item{{Body: []byte(heartRate)}}})
	if err != nil || resp.GetResults()[0].GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED || resp.GetResults()[0].GetReference() != "Observation/lab.hr/_history/1" {
		t.Fatalf("the other door: %v %v", resp, err)
	}
	served := string(c.must(200, "GET", "/Observation/lab.hr", "").body)
	edited := served
	for n, headers := range [][]string{lab, nil} {
		edited = strings.Replace(served, "72.0", fmt.Sprint(80+n), 1)
		if got := c.must(200, "PUT", "/Observation/lab.hr", edited, headers...).header.Get("ETag"); got != fmt.Sprintf(`W/"%d"`, n+2) {
			t.Errorf("%s", got)
		}
	}
	c.must(201, "PUT", "/Observation/lab.hr", edited, "X-Rapport-Source", "other.x") // its own of that name
	if l := c.leaf("/Observation?patient=lab.p1"); len(l) != 1 {
		t.Errorf("%v", l)
	}
}

func TestAProxyThatIsTrustedTellsTheBase(t *testing.T) {
	for _, test := range []struct {
		trusted []string
		header  []string
		want    string
	}{
		{[]string{"127.0.0.0/8"}, []string{"X-Forwarded-Host", "ehr.example", "X-Forwarded-Proto", "https"}, "https://ehr.example/fhir/"},
		{[]string{"127.0.0.0/8"}, []string{"Forwarded", `for=192.0.2.1;proto=https;host="ehr.example:8443", for=10.0.0.1`}, "https://ehr.example:8443/fhir/"},
		{[]string{"127.0.0.0/8"}, []string{"X-Forwarded-Host", "ehr.example", "X-Forwarded-Prefix", "/rapport"}, "http://ehr.example/rapport/fhir/"},
		{[]string{"127.0.0.0/8"}, []string{"X-Forwarded-Host", "evil.example/x?"}, "http://127.0.0.1"},
		{[]string{"10.0.0.0/8"}, []string{"X-Forwarded-Host", "evil.example"}, "http://127.0.0.1"},
		{nil, []string{"Forwarded", "host=evil.example"}, "http://127.0.0.1"},
	} {
		c := start(t, func(config *server.Config) { config.TrustedProxies = test.trusted })
		got := c.must(201, "PUT", "/Observation/hr", heartRate, test.header...).header.Get("Location")
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%v: %s, want %s", test.header, got, test.want)
		}
	}
}
