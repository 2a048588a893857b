package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// sentAs is an entry of a Bundle; more are further members of its request, each with a comma before it.
func sentAs(full, method, url, resource, more string) string {
	out := `{"request":{"method":"` + method + `","url":"` + url + `"` + more + `}`
	if resource != "" {
		out += `,"resource":` + resource
	}
	if full != "" {
		out += `,"fullUrl":"` + full + `"`
	}
	return out + "}"
}

func bundleOf(typ string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + typ + `","entry":[` + strings.Join(entries, ",") + `]}`
}

func patientWith(mrn string) string {
	return `{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"` + mrn + `"}]}`
}

// placeOf is `Type/id` in a Location.
func placeOf(t *testing.T, location string) string {
	t.Helper()
	_, path, ok := strings.Cut(location, "/fhir/")
	name, _, versioned := strings.Cut(path, "/_history/")
	if !ok || !versioned {
		t.Fatalf("no place of a version: %q", location)
	}
	return name
}

const someone = "urn:uuid:88888888-0000-4000-8000-000000000001"

// rate is an Observation without an id about somebody.
func rate(about string, perMinute float64) string {
	return strings.NewReplacer(`"id":"hr",`, "", "Patient/p1", about, "72.0", fmt.Sprint(perMinute)).Replace(heartRate)
}

func TestAUrnLinksWithinItsBundleAndNamesNobodyBeyondIt(t *testing.T) {
	for name, second := range map[string]string{
		"a POST":                           sentAs(someone, "POST", "Patient", patientWith("B"), ""),
		"a conditional POST":               sentAs(someone, "POST", "Patient", patientWith("B"), `,"ifNoneExist":"identifier=urn:mrn|B"`),
		"a conditional PUT":                sentAs(someone, "PUT", "Patient?identifier=urn:mrn|B", patientWith("B"), ""),
		"a POST that says the same as one": sentAs(someone, "POST", "Patient", `{"resourceType":"Patient","gender":"other"}`, ""),
	} {
		for _, typ := range []string{"transaction", "batch"} {
			t.Run(name+" in a "+typ, func(t *testing.T) {
				c := start(t, nil)
				body := patientWith("A")
				if strings.Contains(second, "gender") {
					body = `{"resourceType":"Patient","gender":"other"}`
				}
				one := bundleOf(typ, sentAs(someone, "POST", "Patient", body, ""), sentAs("", "POST", "Observation", rate(someone, 70), ""))
				first := c.list(c.must(200, "POST", "", one).body)
				if again := c.list(c.must(200, "POST", "", one).body); again.Entry[0].Response.Location != first.Entry[0].Response.Location || again.Entry[0].Response.Status[:3] != "200" {
					t.Errorf("the same Bundle once more: %+v, at first %+v", again.Entry[0], first.Entry[0])
				}
				if r := c.send(one)[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED || !strings.HasSuffix(first.Entry[0].Response.Location, r.GetEntries()[0].GetReference()) {
					t.Errorf("the same Bundle through the other door: %v", r)
				}
				other := c.list(c.must(200, "POST", "", bundleOf(typ, second, sentAs("", "POST", "Observation", rate(someone, 71), ""))).body)
				a, b := placeOf(t, first.Entry[0].Response.Location), placeOf(t, other.Entry[0].Response.Location)
				if a == b || other.Entry[0].Response.Status[:3] != "201" || other.Entry[0].Response.Etag != `W/"1"` {
					t.Fatalf("%s was taken for %s: %+v", b, a, other.Entry[0])
				}
				if got := c.must(200, "GET", "/"+a, ""); got.header.Get("ETag") != `W/"1"` {
					t.Errorf("the first one is at %s: %s", got.header.Get("ETag"), got.body)
				}
				if typ == "batch" && strings.Contains(name, "conditional") {
					return // what comes alone is not linked with its neighbours
				}
				for _, of := range []string{a, b} {
					if found := c.leaf("/Observation?patient=" + of); len(found) != 1 {
						t.Errorf("about %s: %v", of, found)
					}
				}
			})
		}
	}
}

func TestACreateGivesTheIdAndChangesNothing(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	c.must(201, "PUT", "/Observation/hr", heartRate)
	other := strings.Replace(heartRate, "72.0", "99.0", 1)
	places := map[string]bool{"Observation/hr": true}
	for n, body := range []string{other, strings.Replace(heartRate, "72.0", "98.0", 1)} {
		got := c.must(201, "POST", "/Observation", body)
		place := placeOf(t, got.header.Get("Location"))
		if places[place] || got.header.Get("ETag") != `W/"1"` {
			t.Errorf("%d was put at %s, %s", n, place, got.header.Get("ETag"))
		}
		places[place] = true
		if again := c.must(200, "POST", "/Observation", body); again.header.Get("Location") != got.header.Get("Location") {
			t.Errorf("a replay was answered %s", again.header.Get("Location"))
		}
		c.must(200, "PUT", "/"+place, strings.NewReplacer(`"hr"`, `"`+strings.TrimPrefix(place, "Observation/")+`"`, "72.0", "60.5").Replace(heartRate))
		if late := c.must(200, "POST", "/Observation", body); !strings.Contains(string(late.body), "60.5") {
			t.Errorf("a late replay took an update back: %s", late.body)
		}
	}
	for _, typ := range []string{"transaction", "batch"} {
		body := strings.Replace(heartRate, "72.0", "97.0", 1)
		got := c.list(c.must(200, "POST", "", bundleOf(typ, sentAs("", "POST", "Observation", body, ""))).body)
		if place := placeOf(t, got.Entry[0].Response.Location); place == "Observation/hr" {
			t.Errorf("a %s: %s", typ, place)
		}
	}
	if got := c.must(200, "GET", "/Observation/hr", ""); got.header.Get("ETag") != `W/"1"` {
		t.Errorf("it was changed: %s", got.body)
	}
	// What came under the source's own id is known again when it is sent to be created.
	if got := c.must(200, "POST", "/Observation", heartRate); placeOf(t, got.header.Get("Location")) != "Observation/hr" {
		t.Errorf("%s", got.header.Get("Location"))
	}
}

func TestEntriesThatAreCreatedAreReferredToByTheNamesTheyCallThemselves(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	named := strings.Replace(patientWith("new"), `"identifier"`, `"id":"p1","identifier"`, 1)
	linked := strings.Replace(rate("Patient/p1", 71), `"status"`,
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"`+someone+`\">who</a><img alt='' src='`+someone+`'/></div>"},`+
			`"extension":[{"url":"urn:x","valueAttachment":{"url":"`+someone+`"}}],"identifier":[{"system":"urn:ietf:rfc:3986","value":"`+someone+`"}],"status"`, 1)
	got := c.list(c.must(200, "POST", "", bundleOf("transaction", sentAs(someone, "POST", "Patient", named, ""), sentAs("", "POST", "Observation", linked, ""))).body)
	who := placeOf(t, got.Entry[0].Response.Location)
	if who == "Patient/p1" {
		t.Fatal("it took the place of another")
	}
	body := string(c.must(200, "GET", "/"+placeOf(t, got.Entry[1].Response.Location), "").body)
	for _, want := range []string{`"reference":"` + who + `"`, `href=\"` + who + `\"`, `src='` + who + `'`, `"valueAttachment":{"url":"` + who + `"}`, `"value":"` + someone + `"`} {
		if !strings.Contains(body, want) {
			t.Errorf("without %s: %s", want, body)
		}
	}
}

func TestWhoMayOnlyCreateChangesNothing(t *testing.T) {
	g := startGated(t, nil)
	_, everything := g.full("default")
	g.want(http.StatusCreated, "PUT", "/fhir/Patient/p1", everything, patientP1)
	g.want(http.StatusCreated, "PUT", "/fhir/Observation/hr", everything, heartRate)
	only := func(id, scope string) string { return g.token(g.register(id, "default", scope, nil), scope) }
	token := only("creator", "system/Observation.c")
	other := strings.Replace(heartRate, "72.0", "99.0", 1)
	g.want(http.StatusCreated, "POST", "/fhir/Observation", token, other)
	for _, typ := range []string{"transaction", "batch"} {
		g.want(http.StatusOK, "POST", "/fhir", token, bundleOf(typ, sentAs("", "POST", "Observation", other, "")))
	}
	if code, body, header := g.over("GET", "/fhir/Observation/hr", everything, ""); code != 200 || header.Get("ETag") != `W/"1"` {
		t.Errorf("%d %s", code, body)
	}
	// The door that keeps ids can overwrite by any of them, so it wants both.
	for scope, want := range map[string]codes.Code{"system/Observation.c": codes.PermissionDenied, "system/Observation.cu": codes.OK} {
		_, err := g.ingest.Ingest(as(t.Context(), only("grpc-"+scope[19:], scope)), &rapportv1.IngestRequest{
			Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(bundleOf("transaction", sentAs("", "POST", "Observation", other, "")))}},
		})
		if status.Code(err) != want {
			t.Errorf("%s where ids are kept: %v", scope, err)
		}
	}
}

func TestATransactionOfWhichSomethingCannotBeDoneStoresNothing(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	c.must(201, "PUT", "/Observation/here", strings.Replace(heartRate, `"hr"`, `"here"`, 1))
	write := sentAs("", "PUT", "Observation/hr", heartRate, "")
	for _, test := range []struct {
		says, entry string
		status      int
		code        string
	}{
		{"what is not there is read", sentAs("", "GET", "Patient/nobody", "", ""), 404, "not-found"},
		{"a parameter is bad", sentAs("", "GET", "Observation?date=soon", "", ""), 400, "value"},
		{"there is no such type", sentAs("", "GET", "Foo/1", "", ""), 404, "not-supported"},
		{"a PUT without the id", sentAs("", "PUT", "Patient/zz7", patientWith("zz7"), ""), 400, "value"},
		{"a type that is not taken", sentAs("", "POST", "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/p1"}}`, ""), 422, "not-supported"},
		{"a type that is not taken, by PUT", sentAs("", "PUT", "Medication/1", `{"resourceType":"Medication","id":"1"}`, ""), 422, "not-supported"},
		{"a conditional reference to no type", sentAs("", "POST", "Observation", rate("Foo?identifier=x", 1), ""), 400, "value"},
		{"a conditional reference to a type of which there is none", sentAs("", "POST", "Observation", rate("Device?identifier=x", 1), ""), 412, "not-found"},
		{"an update by search to the id of another", sentAs("", "PUT", "Observation?identifier=urn:o|9", strings.Replace(heartRate, `"hr"`, `"here"`, 1), ""), 409, "duplicate"},
	} {
		got := c.ask("POST", "", bundleOf("transaction", write, test.entry))
		if got.status != test.status || !strings.Contains(string(got.body), `"code":"`+test.code+`"`) || !strings.Contains(string(got.body), "Bundle.entry[1]") {
			t.Errorf("%s: %d %s", test.says, got.status, got.body)
		}
		c.must(404, "GET", "/Observation/hr", "")
	}
	deleted := bundleOf("transaction", sentAs("", "DELETE", "Observation/here", "", ""), sentAs("", "GET", "Observation/here", "", ""))
	c.must(410, "POST", "", deleted)
	c.must(200, "GET", "/Observation/here", "")
	got := c.list(c.must(200, "POST", "", bundleOf("transaction", write, sentAs("", "GET", "Observation/hr", "", ""), sentAs("", "GET", "Observation?_id=hr", "", ""))).body)
	if got.Entry[1].Resource.ID != "hr" || got.Entry[1].Response.Status[:3] != "200" || got.Entry[2].Response.Status[:3] != "200" {
		t.Errorf("what the transaction writes is there when it reads: %+v", got.Entry)
	}
	nameless := bundleOf("batch", sentAs(someone, "PUT", "Patient/zz7", patientWith("zz7"), ""))
	if r := c.send(nameless)[0]; r.GetEntries()[0].GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED {
		t.Errorf("a PUT without the id through the other door: %v", r)
	}
	for _, refused := range []string{
		sentAs("", "PUT", "Patient/zz7", patientWith("zz7"), ""),
		sentAs("", "POST", "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/p1"}}`, ""),
	} {
		if got := c.list(c.must(200, "POST", "", bundleOf("batch", refused)).body); got.Entry[0].Response.Status[0] != '4' {
			t.Errorf("in a batch: %+v", got.Entry[0].Response)
		}
	}
}

func TestAnUpdateBySearchThatFindsNothingTakesNobodysPlace(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Observation/hr", heartRate)
	c.must(409, "PUT", "/Observation?identifier=urn:o|9", strings.Replace(heartRate, "72.0", "99.0", 1))
	if got := c.must(200, "GET", "/Observation/hr", ""); got.header.Get("ETag") != `W/"1"` {
		t.Errorf("%s", got.body)
	}
}

func TestABatchMayAskForAllThatCanBeAskedForByItself(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/QuestionnaireResponse/r1", phq9("r1", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1))
	form := phq9("r2", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1)
	parameters := `{"resourceType":"Parameters","parameter":[{"name":"questionnaire-response","resource":` + form + `}]}`
	entries := []string{
		sentAs("", "POST", "QuestionnaireResponse/$extract", parameters, ""),
		sentAs("", "POST", "QuestionnaireResponse/r1/$extract", "", ""),
		sentAs("", "POST", "Patient/$validate", patientP1, ""),
		sentAs("", "POST", "Patient/$validate", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":`+patientP1+`}]}`, ""),
		sentAs("", "GET", "Patient/p1/$everything", "", ""),
		sentAs("", "GET", "AuditEvent?_count=1", "", ""),
		sentAs("", "GET", "Subscription", "", ""),
		sentAs("", "GET", "$export?_type=Patient", "", ""),
		sentAs("", "GET", "metadata", "", ""),
	}
	got := c.list(c.must(200, "POST", "", bundleOf("batch", entries...)).body)
	for n, e := range got.Entry {
		if e.Response.Status[0] != '2' {
			t.Errorf("%s: %+v", entries[n], e.Response)
		}
	}
	outside := c.list(c.must(200, "POST", "", bundleOf("batch", sentAs("", "GET", "../healthz", "", ""), sentAs("", "GET", "http://elsewhere.example/fhir/Patient/p1", "", ""))).body)
	for _, e := range outside.Entry {
		if e.Response.Status[0] != '4' {
			t.Errorf("%+v", e.Response)
		}
	}
}

func TestAReferenceToAnotherServerIsNobodyHere(t *testing.T) {
	c := start(t, func(config *server.Config) {
		config.Bases = map[ref.Source][]string{"ehr": {"https://ehr.example.org/fhir"}}
	})
	c.must(201, "PUT", "/Patient/p1", patientP1)
	form := func(id, about string) string {
		return strings.Replace(phq9(id, "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1), `"Patient/p1"`, `"`+about+`"`, 1)
	}
	got := c.must(201, "PUT", "/QuestionnaireResponse/astray", form("astray", "http://some-other-ehr.org/fhir/Patient/p1"))
	if got.header.Get("X-Rapport-Outcome") != "stored" || !strings.Contains(strings.Join(got.header.Values("X-Rapport-Issue"), "\n"), "leads to another server") {
		t.Errorf("%v", got.header)
	}
	c.must(200, "GET", "/QuestionnaireResponse/astray", "")
	for _, query := range []string{"/QuestionnaireResponse?patient=p1", "/QuestionnaireResponse?subject=Patient/p1", "/Observation?patient=p1", "/DetectedIssue?patient=p1"} {
		if found := c.leaf(query); len(found) != 0 {
			t.Errorf("%s: %v", query, found)
		}
	}
	for n, base := range []string{"http://" + c.HTTPAddr() + "/fhir", "https://ehr.example.org/fhir"} {
		id := fmt.Sprint("here", n)
		c.must(201, "PUT", "/QuestionnaireResponse/"+id, form(id, base+"/Patient/p1"))
		if found := c.leaf("/QuestionnaireResponse?patient=p1"); !slices.Contains(found, "QuestionnaireResponse/"+id) {
			t.Errorf("below %s: %v", base, found)
		}
	}
	// Where nothing is known of the source, every base is its own.
	open := start(t, nil)
	open.send(form("r1", "https://any.example/fhir/Patient/p1"))
	open.must(201, "PUT", "/QuestionnaireResponse/r2", form("r2", "https://other.example/fhir/Patient/p1"))
	if found := open.leaf("/QuestionnaireResponse?patient=p1"); len(found) != 2 {
		t.Errorf("%v", found)
	}
	patched := open.must(200, "PATCH", "/QuestionnaireResponse/r1", `[{"op":"add","path":"/language","value":"en"}]`, "Content-Type", "application/json-patch+json")
	if patched.header.Get("X-Rapport-Outcome") != "scored" {
		t.Errorf("a patch of something else took the patient away: %v", patched.header)
	}
}

func TestAPatchMayPassThroughWhatIsNotFHIR(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Observation/hr", heartRate)
	patch := func(status int, body string) string {
		t.Helper()
		return string(c.must(status, "PATCH", "/Observation/hr", body, "Content-Type", "application/json-patch+json").body)
	}
	if got := patch(200, `[{"op":"add","path":"/note","value":[]},{"op":"add","path":"/note/-","value":{"text":"hi"}}]`); !strings.Contains(got, `"note":[{"text":"hi"}]`) {
		t.Errorf("%s", got)
	}
	whole := strings.Replace(heartRate, "72.0", "73.0", 1)
	if got := patch(200, `[{"op":"replace","path":"","value":`+whole+`}]`); !strings.Contains(got, `73.0`) || strings.Contains(got, "note") {
		t.Errorf("%s", got)
	}
	for _, body := range []string{
		`[{"op":"add","path":"/note","value":null}]`, `[{"op":"add","path":"/note","value":[]}]`, `[{"op":"replace","path":"/status","value":""}]`,
		`[{"op":"replace","path":"","value":null}]`, `[{"op":"remove","path":""}]`, `[{"op":"replace","path":"","value":` + patientP1 + `}]`,
	} {
		if got := patch(422, body); !strings.Contains(got, "OperationOutcome") {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestOfManyWhoPatchOneResourceEveryOneDoes(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Observation/hr", strings.Replace(heartRate, `"status"`, `"note":[{"text":"first"}],"status"`, 1))
	const many = 40
	statuses := make([]int, many)
	var callers sync.WaitGroup
	for n := range many {
		callers.Go(func() {
			body := fmt.Sprintf(`[{"op":"add","path":"/note/-","value":{"text":"note-%d."}}]`, n)
			statuses[n] = c.ask("PATCH", "/Observation/hr", body, "Content-Type", "application/json-patch+json").status
		})
	}
	callers.Wait()
	got := c.must(200, "GET", "/Observation/hr", "")
	for n, status := range statuses {
		if status != 200 || !strings.Contains(string(got.body), fmt.Sprintf("note-%d.", n)) {
			t.Errorf("%d was answered %d", n, status)
		}
	}
	if want := fmt.Sprintf(`W/"%d"`, many+1); got.header.Get("ETag") != want {
		t.Errorf("%s, want %s", got.header.Get("ETag"), want)
	}
}

func TestAStringIsNoLongerThanFHIRAllows(t *testing.T) {
	c := start(t, nil)
	long := func(n int) string {
		return strings.Replace(heartRate, `"status"`, `"note":[{"text":"`+strings.Repeat("e", n)+`"}],"status"`, 1)
	}
	c.must(201, "PUT", "/Observation/hr", long(1<<20))
	got := c.must(400, "PUT", "/Observation/hr", long(1<<20+1))
	if !strings.Contains(string(got.body), `"too-long"`) || !strings.Contains(string(got.body), "Observation.note[0].text") {
		t.Errorf("%s", got.body)
	}
	data := base64.StdEncoding.EncodeToString(make([]byte, 1<<20))
	c.must(201, "PUT", "/Observation/with", strings.Replace(heartRate, `"id":"hr"`,
		`"id":"with","extension":[{"url":"urn:x","valueAttachment":{"contentType":"image/png","data":"`+data+`"}}]`, 1))
}

func TestWhatIsKeptThroughTheOtherDoorIsThePatientsAndCanBeDeleted(t *testing.T) {
	c := start(t, nil)
	condition := `{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"}}`
	c.send(patientP1, bundleOf("transaction", sentAs("", "PUT", "Condition/c1", condition, "")))
	c.must(200, "GET", "/Condition/c1", "")
	for _, patient := range []string{"p1", "p2"} {
		if patient == "p2" {
			c.must(201, "PUT", "/Patient/p2", strings.NewReplacer(`"p1"`, `"p2"`, `"value":"1"`, `"value":"2"`).Replace(patientP1))
		}
		body := string(c.must(200, "GET", "/Patient/"+patient+"/$everything", "").body)
		if strings.Contains(body, `"Condition"`) != (patient == "p1") {
			t.Errorf("of %s: %s", patient, body)
		}
	}
	c.must(204, "DELETE", "/Condition/c1", "")
	c.must(410, "GET", "/Condition/c1", "")
	c.must(204, "DELETE", "/Condition/c1", "")
	c.must(404, "DELETE", "/Condition/never", "")
	if body := string(c.must(200, "GET", "/Patient/p1/$everything", "").body); strings.Contains(body, `"Condition"`) {
		t.Errorf("%s", body)
	}
}
