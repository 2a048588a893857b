package rest

import (
	"net/http"
	"strings"
	"testing"

	conformance "github.com/rapport-health/rapport/api/fhir"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestWhatIsServedIsValidR4(t *testing.T) {
	h := newHouse(t)
	h.must(http.StatusCreated, "POST", "/Patient", bornInMay)
	h.must(http.StatusCreated, "POST", "/Observation", observation("o1", "p1", "41950-7", "2026-03-02"))
	h.take(1, form("r1", "completed", 2, 1))
	bodies := map[string][]byte{}
	for _, path := range []string{
		"/metadata", "/Observation?patient=p1", "/Observation?code=41950-7", "/Observation?patient=p1&_count=2", "/DetectedIssue", "/QuestionnaireResponse?patient=p1",
		"/CodeSystem/rapport-scores", "/CodeSystem/rapport-items", "/CodeSystem/rapport-answers", "/CodeSystem/rapport-results", "/QuestionnaireResponse/r1/$extract",
	} {
		bodies[path] = h.must(http.StatusOK, "GET", path, "").body
	}
	for _, path := range []string{"/Observation/none", "/Nothing", "/Goal?a=b", "/Observation?date=x"} {
		bodies[path] = h.do("GET", path, "").body
	}
	all, err := readArtefacts(conformance.Files)
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		bodies[name] = h.must(http.StatusOK, "GET", "/"+name, "").body
	}
	if len(bodies) < 20 {
		t.Errorf("only %d", len(bodies))
	}
	testbed.Valid(t, bodies)
}

func TestOurCodeSystemsHoldTheCodesOfDerivedObservations(t *testing.T) {
	h := newHouse(t)
	for path, code := range map[string]string{
		"scores": `"code":"phq-9-total"`, "items": `"code":"wai-sr-task-clearer"`, "score-detail": `"code":"submitted"`,
	} {
		body := string(h.must(http.StatusOK, "GET", "/CodeSystem/rapport-"+path, "").body)
		if !strings.Contains(strings.ReplaceAll(body, `": "`, `":"`), code) {
			t.Errorf("%s lacks %s: %.300s", path, code, body)
		}
	}
	h.must(http.StatusNotFound, "GET", "/CodeSystem/rapport-nothing", "")
	h.must(http.StatusMethodNotAllowed, "POST", "/CodeSystem", `{"resourceType":"CodeSystem"}`)
}
