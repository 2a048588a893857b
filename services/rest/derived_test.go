package rest

import (
	"net/http"
	"strings"
	"testing"
)

func TestWhatIsDerivedIsFoundAsWhatWasSent(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("r1", "completed", 2, 1))
	h.must(http.StatusCreated, "POST", "/Observation", observation("o1", "p1", "41950-7", "2026-03-02"))
	for query, want := range map[string]int{
		"": 5, "?code=55758-7": 1, "?code=http://loinc.org|55758-7": 1, "?date=2026": 5, "?category=survey": 4, "?status=final&category=survey": 4,
		"?patient=p1": 5, "?_id=o1": 1, "?code=55758-7&value-quantity=3": 1, "?value-quantity=gt3&category=survey": 0, "?value-quantity=3": 1,
		"?combo-code-value-quantity=http://loinc.org|55758-7$ge3": 1, "?code-value-quantity=http://loinc.org|55758-7$3||{score}": 1,
		"?code-value-quantity=http://loinc.org|55758-7$lt3": 0, "?has-member:missing=false": 1, "?device:missing=false": 4,
		"?code=55758-7&patient.name=none": 0, "?_has:Provenance:target:entity=QuestionnaireResponse/r1": 4,
	} {
		b := h.bundle(h.must(http.StatusOK, "GET", "/Observation"+query, "", "Prefer", "handling=strict").body)
		if len(b.Entry) != want || *b.Total != want {
			t.Errorf("%q: %v", query, b.ids())
		}
	}
	for _, count := range []string{"1", "2", "3"} {
		if ids, _ := follow(h, "/Observation?_count="+count, ""); len(ids) != 5 {
			t.Errorf("by %s: %v", count, ids)
		}
	}
}

func TestWhatSomethingIsDerivedFromIsNamedByAReference(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("r1", "completed", 2, 1))
	for query, want := range map[string]int{
		"derived-from=QuestionnaireResponse/r1":                            4,
		"derived-from=" + h.base + "/QuestionnaireResponse/r1":             4,
		"derived-from:QuestionnaireResponse=r1":                            4,
		"derived-from:QuestionnaireResponse=QuestionnaireResponse/r1":      4,
		"derived-from=QuestionnaireResponse/none,QuestionnaireResponse/r1": 4,
		"derived-from=Observation/none":                                    0,
		"patient=p1&derived-from=QuestionnaireResponse/none":               0,
	} {
		if got := h.bundle(h.must(http.StatusOK, "GET", "/Observation?"+query, "").body); len(got.Entry) != want {
			t.Errorf("%s: %v", query, got.ids())
		}
	}
	for _, query := range []string{
		"derived-from=Patient/p1", "derived-from:Observation=QuestionnaireResponse/r1",
		"derived-from=QuestionnaireResponse/", "derived-from=", "derived-from.colour=x",
	} {
		h.outcome(h.must(http.StatusBadRequest, "GET", "/Observation?"+query, "").body)
	}
}

// A form that is corrected to be another patient's takes what is derived from it along.
func TestWhatIsDerivedIsFoundWithThePatientOfTheNewestVersion(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("r1", "completed", 2, 1))
	h.take(2, strings.Replace(form("r1", "amended", 2, 2), "Patient/p1", "Patient/p2", 1))
	before, after := "/Observation?patient=p1", "/Observation?patient=p2"
	if got := h.bundle(h.must(http.StatusOK, "GET", before, "").body); len(got.Entry) != 0 {
		t.Errorf("left behind: %v", got.ids())
	}
	got := h.bundle(h.must(http.StatusOK, "GET", after, "").body)
	if len(got.Entry) != 4 || got.Entry[0].Resource.Status != "amended" {
		t.Fatalf("%+v", got.Entry)
	}
	first := string(h.must(http.StatusOK, "GET", "/Observation/"+got.Entry[0].Resource.ID+"/_history/1", "").body)
	if !strings.Contains(first, `"Patient/p1"`) {
		t.Errorf("the first version was of another patient: %s", first)
	}
}

func TestADerivedObservationIsReadWithItsVersionAndOnlyWhenItIsNew(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("r1", "in-progress", 2, 1))
	h.take(2, form("r1", "completed", 2, 1))
	id := h.bundle(h.must(http.StatusOK, "GET", "/Observation?patient=p1", "").body).ids()[0]
	a := h.must(http.StatusOK, "GET", "/Observation/"+id, "")
	if a.header.Get("ETag") != `W/"2"` || a.header.Get("Last-Modified") == "" {
		t.Errorf("%v", a.header)
	}
	h.must(http.StatusNotModified, "GET", "/Observation/"+id, "", "If-None-Match", `W/"2"`)
	h.outcome(h.must(http.StatusNotFound, "GET", "/Observation/"+id+"/_history/1", "").body)
}

func TestADefinitionThatIsNoLongerInForceIsFetched(t *testing.T) {
	fetches := 0
	h := newHouse(t, func(c *Config) { c.Definitions = catalogue{away: "phq-2", fetches: &fetches} })
	h.take(1, form("r1", "completed", 2, 1))
	h.take(1, form("r2", "completed", 2, 2))
	for _, path := range []string{"/Observation?patient=p1&code=http://loinc.org|55758-7", "/QuestionnaireResponse/r1/$extract"} {
		before := fetches
		body := string(h.must(http.StatusOK, "GET", path, "").body)
		if !strings.Contains(body, `"55758-7"`) || fetches != before+1 {
			t.Errorf("%s fetched %d times: %s", path, fetches-before, body)
		}
	}
}
