package rest

import (
	"strings"
	"testing"
)

func TestASemicolonIsPartOfAValue(t *testing.T) {
	h := newHouse(t)
	h.must(201, "PUT", "/Patient/x", `{"resourceType":"Patient","id":"x","name":[{"family":"a;b"}]}`)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for query, want := range map[string]int{"name=a;b": 1, "name=a%3Bb": 1, "name=a;c": 0, "name=a;b&_count=5": 1} {
		if got := h.bundle(h.must(200, "GET", "/Patient?"+query, "").body); len(got.Entry) != want || !strings.Contains(got.link("self"), "%3B") {
			t.Errorf("%s: %+v", query, got)
		}
		if got := h.bundle(h.must(200, "POST", "/Patient/_search", query, form...).body); len(got.Entry) != want {
			t.Errorf("%s, as a form: %+v", query, got)
		}
	}
}

func TestTheFormatInAFormIsThatOfTheURL(t *testing.T) {
	h := newHouse(t)
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/xml"}
	h.must(200, "POST", "/Patient/_search", "_format=json", form...)
	h.must(406, "POST", "/Patient/_search", "", form...)
	h.must(406, "POST", "/Patient/_search", "_format=xml", form[:2]...)
	h.must(200, "POST", "/Patient/_search?_format=json", "_format=xml", form...)
	h.must(413, "POST", "/Patient/_search", "name="+strings.Repeat("x", maxForm), form[:2]...)
	h.must(400, "POST", "/Patient/_search", "name=%zz", form[:2]...)
}

func TestWhatIsNotThereIsSaidByName(t *testing.T) {
	h := newHouse(t)
	for call, want := range map[string]int{
		"GET /Observation/_search": 405, "PUT /Observation/_search": 405, "POST /Observation/$foo": 404, "GET /Observation/$foo": 404, "POST /$foo": 404,
		"POST /Observation/1/$foo": 404, "GET /Observation/$validate": 405, "DELETE /Patient/1/$everything": 405, "POST /Observation/_history": 405,
		"DELETE /Observation/1/_history": 405, "PUT /Observation/1/_history/2": 405, "PUT /metadata": 405, "GET /Observation/1/$extract": 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		got := h.must(want, method, path, "")
		if h.outcome(got.body); want == 405 && got.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", call)
		}
	}
	if got := h.must(400, "POST", "/Observation/$validate", `{"resourceType":"Patient"}`).body; !strings.Contains(string(got), "the resourceType of the body is not Observation") {
		t.Errorf("%s", got)
	}
}

func TestAValidationSaysAgainstWhatItWasNotHeld(t *testing.T) {
	h := newHouse(t)
	const odd = "http://example.org/StructureDefinition/odd"
	sent := observation("o1", "a", "x", "2026-02-20")
	claimed := strings.Replace(sent, `"status"`, `"meta":{"profile":["`+odd+`"]},"status"`, 1)
	for name, test := range map[string]struct {
		path, body string
		warned     bool
	}{
		"no profile":                  {"", sent, false},
		"the base":                    {"?profile=http://hl7.org/fhir/StructureDefinition/Observation", sent, false},
		"one in the URL":              {"?profile=" + odd, sent, true},
		"one that it claims":          {"", claimed, true},
		"one in the Parameters":       {"", `{"resourceType":"Parameters","parameter":[{"name":"profile","valueUri":"` + odd + `"},{"name":"resource","resource":` + sent + `}]}`, true},
		"one, of what is also broken": {"?profile=" + odd, strings.Replace(sent, `"subject"`, `"focus"`, 1), true},
	} {
		got := string(h.must(200, "POST", "/Observation/$validate"+test.path, test.body).body)
		if warned := strings.Contains(got, `"warning"`) && strings.Contains(got, "not against the profile "+odd); warned != test.warned {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestACareTeamIsFoundByARoleInIt(t *testing.T) {
	h := newHouse(t)
	h.must(201, "PUT", "/CareTeam/c", `{"resourceType":"CareTeam","id":"c","subject":{"reference":"Patient/a"},"participant":[{"role":[{"coding":[{"system":"urn:x","code":"lead"}]}]}]}`)
	for query, want := range map[string]int{"role=lead": 1, "role=urn:x|lead": 1, "role=other": 0, "role:missing=true": 0, "patient=a&role=lead": 1} {
		if got := h.bundle(h.must(200, "GET", "/CareTeam?"+query, "", "Prefer", "handling=strict").body); len(got.Entry) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	h.must(200, "GET", "/SearchParameter/rapport-careteam-role", "")
}
