package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

// bundled is a searchset as far as these tests look at one.
type bundled struct {
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource observedOne
		Search   struct{ Mode string }
	}
}

type observedOne struct {
	ResourceType, ID, Status string
	Meta                     struct{ VersionID, LastUpdated string }
	ValueInteger             *int
	DerivedFrom              []struct{ Reference string }
	Code                     struct {
		Coding []struct{ System, Code string }
	}
}

// fhir asks FHIR REST, expects a status, and gives the body.
func (c *clinic) fhir(status int, method, path, body string) []byte {
	c.t.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = "http://" + c.HTTPAddr() + "/fhir/" + path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		c.t.Fatalf("%s %s: %d %s %v, want %d", method, path, resp.StatusCode, got, err, status)
	}
	return got
}

func (c *clinic) search(query string) bundled {
	c.t.Helper()
	body := c.fhir(http.StatusOK, http.MethodGet, query, "")
	var b bundled
	if err := json.Unmarshal(body, &b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// observed are the Observations of a search, as `part status value`, without their common stem.
func (b bundled) observed() []string {
	var out []string
	for _, e := range b.Entry {
		if e.Search.Mode != "match" {
			continue
		}
		_, _, part, derived := ref.SplitDerived(e.Resource.ID)
		if !derived {
			part = e.Resource.ID
		}
		line := part + " " + e.Resource.Status
		if e.Resource.ValueInteger != nil {
			line += fmt.Sprint(" ", *e.Resource.ValueInteger)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func (b bundled) ids() []string {
	var out []string
	for _, e := range b.Entry {
		if e.Search.Mode == "match" {
			out = append(out, e.Resource.ID)
		}
	}
	slices.Sort(out)
	return out
}

const bornP1 = `{"resourceType":"Patient","id":"p1","birthDate":"1980-05-17"}`

func TestDerivedObservationsFollowTheirFormThroughAmendmentAndWithdrawal(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store = store })
		form := phq9("r1", "p1", monday, 2, 2, 1, 2, 2, 2, 2, 0, 0)
		c.send(bornP1, form)
		first := c.search("Observation?patient=p1&_count=100")
		expect(t, "at first", first.observed(), "decision-dsm final", "item-1 final", "item-2 final", "item-3 final", "item-4 final", "item-5 final", "item-6 final",
			"item-7 final", "item-8 final", "item-9 final", "panel final", "score-total final 13", "screen final")

		c.later(time.Hour)
		amended := strings.Replace(phq9("r1", "p1", monday, 2, 2, 1, 2, 2, 2, 2, -1, 1), `"completed"`, `"amended"`, 1)
		c.send(amended)
		second := c.search("Observation?patient=p1&_count=100")
		expect(t, "once amended", second.observed(), "decision-dsm amended", "item-1 amended", "item-2 amended", "item-3 amended", "item-4 amended",
			"item-5 amended", "item-6 amended", "item-7 amended", "item-8 entered-in-error", "item-9 amended", "panel amended",
			"score-total amended 16", "screen corrected")

		c.later(time.Hour)
		c.send(strings.Replace(amended, `"amended"`, `"entered-in-error"`, 1))
		third := c.search("Observation?patient=p1&_count=100")
		for _, line := range third.observed() {
			if !strings.Contains(line, " entered-in-error") {
				t.Errorf("once withdrawn: %s", line)
			}
		}
		expect(t, "ids", second.ids(), first.ids()...)
		expect(t, "ids", third.ids(), first.ids()...)

		total := first.ids()[slices.IndexFunc(first.ids(), func(id string) bool { return strings.HasSuffix(id, "-score-total") })]
		for version, want := range map[string]string{
			"": "3 entered-in-error 16 2026-03-02T11:00:00.000Z QuestionnaireResponse/r1/_history/2", "/_history/3": "3 entered-in-error 16 2026-03-02T11:00:00.000Z QuestionnaireResponse/r1/_history/2",
			"/_history/2": "2 amended 16 2026-03-02T10:00:00.000Z QuestionnaireResponse/r1/_history/2", "/_history/1": "1 final 13 2026-03-02T09:00:00.000Z QuestionnaireResponse/r1/_history/1",
		} {
			var o observedOne
			if err := json.Unmarshal(c.fhir(http.StatusOK, http.MethodGet, "Observation/"+total+version, ""), &o); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(o.Meta.VersionID, " ", o.Status, " ", *o.ValueInteger, " ", o.Meta.LastUpdated, " ", o.DerivedFrom[0].Reference)
			if got != want || o.ID != total {
				t.Errorf("version %q: %s, want %s", version, got, want)
			}
		}
		for _, nothing := range []string{total + "/_history/4", total + "x", strings.Replace(total, "score-total", "item-10", 1)} {
			c.fhir(http.StatusNotFound, http.MethodGet, "Observation/"+nothing, "")
		}
	})
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestASearchFindsObservationsThatWereSentAndThoseThatAreDerived(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store = store })
		steps := func(id string, day int, more string) string {
			return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",
				"code":"activity"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"41950-7"}]},"subject":{"reference":"Patient/p1"},
				"effectiveDateTime":"2026-03-%02d","valueQuantity":{"value":5000}%s}`, id, day, more)
		}
		c.send(bornP1, phq9("r1", "p1", monday.AddDate(0, 0, -3), 2, 2, 1, 2, 2, 2, 2, 0, 0), phq9("r2", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			phq9("r3", "p2", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0), steps("s1", 1, ""), steps("s2", 2, `,"derivedFrom":[{"reference":"QuestionnaireResponse/r1"}]`))
		all := c.search("Observation?patient=p1&_count=1000")
		if len(all.Entry) != 28 || all.Total != 28 {
			t.Fatalf("%d of %d: two forms of thirteen, and two that were sent", len(all.Entry), all.Total)
		}
		const total = "http://loinc.org|44261-6"
		for query, want := range map[string]int{
			"patient=p1&code=" + total:                                   2,
			"patient=p2&code=" + total:                                   1,
			"patient=p1,p2&code=" + total:                                3,
			"patient=p1&code=" + total + ",http://loinc.org|41950-7":     4,
			"patient=p1&category=survey":                                 26,
			"patient=p1&category=activity":                               2,
			"patient=p1&category=survey,activity":                        28,
			"patient=p1&status=final":                                    28,
			"patient=p1&status=amended":                                  0,
			"patient=p1&date=2026-02-27":                                 13,
			"patient=p1&date=ge2026-03-01":                               15,
			"patient=p1&date=2026-03-02T09:00:00Z":                       13,
			"patient=p1&category=survey&date=lt2026-03-01&code=" + total: 1,
			"derived-from=QuestionnaireResponse/r1":                      14,
			"derived-from:QuestionnaireResponse=r2":                      13,
			"patient=p2&derived-from=QuestionnaireResponse/r1":           0,
			"derived-from=QuestionnaireResponse/none":                    0,
			"derived-from=QuestionnaireResponse/r1&category=activity":    1,
			"patient=p1&code=http://loinc.org|73832-8":                   2,
			"patient=p2&code=http://loinc.org|73832-8":                   0,
			"subject=Patient/p1&code=http://loinc.org|44249-1":           2,
		} {
			if got := c.search("Observation?_count=1000&" + query); len(got.Entry) != want {
				t.Errorf("%s: %d, want %d: %v", query, len(got.Entry), want, got.observed())
			}
		}
		screen := c.search("Observation?patient=p1&code=http://loinc.org|73832-8&date=2026-03-02").Entry[0].Resource
		score := strings.TrimPrefix(screen.DerivedFrom[0].Reference, "Observation/")
		expect(t, "derived from the total", c.search("Observation?derived-from=Observation/"+score).ids(), screen.ID)
		expect(t, "by id", c.search("Observation?_id="+score+",s1,none").observed(), "s1 final", "score-total final 0")
		expect(t, "by id of another patient", c.search("Observation?patient=p2&_id="+score).observed())

		var paged []string
		pages := 0
		for next := "Observation?patient=p1&_count=7"; next != ""; pages++ {
			b := c.search(next)
			paged, next = append(paged, b.ids()...), ""
			for _, l := range b.Link {
				if l.Relation == "next" {
					next = l.URL
				}
			}
		}
		slices.Sort(paged)
		expect(t, "page by page", paged, all.ids()...)
		if pages != 4 {
			t.Errorf("%d pages", pages)
		}
	})
}

func TestASearchWithoutAPatientFindsDerivedObservations(t *testing.T) {
	c := start(t, nil)
	c.send(phq9("r1", "p1", monday, 2, 2, 1, 2, 2, 2, 2, 0, 0))
	b := c.search("Observation?code=http://loinc.org|44261-6")
	if len(b.Entry) != 1 || b.Entry[0].Search.Mode != "match" || b.Total != 1 {
		t.Errorf("%+v", b)
	}
	body := c.fhir(http.StatusOK, http.MethodGet, "Observation?code=http://loinc.org|44261-6", "")
	testbed.Valid(t, map[string][]byte{"the Bundle": body})
}

// A derived Observation that comes back, as from an EHR that keeps a copy, is not another one.
func TestACopyOfADerivedObservationDoesNotShadowIt(t *testing.T) {
	c := start(t, nil)
	c.send(phq9("r1", "p1", monday, 2, 2, 1, 2, 2, 2, 2, 0, 0))
	total := c.search("Observation?patient=p1&code=http://loinc.org|44261-6").Entry[0].Resource.ID
	copied := c.fhir(http.StatusOK, http.MethodGet, "Observation/"+total, "")
	c.send(strings.Replace(string(copied), `"valueInteger":13`, `"valueInteger":3`, 1))
	for _, query := range []string{"patient=p1&code=http://loinc.org|44261-6", "_id=" + total} {
		expect(t, query, c.search("Observation?"+query).observed(), "score-total final 13")
	}
	if again := c.fhir(http.StatusOK, http.MethodGet, "Observation/"+total, ""); string(again) != string(copied) {
		t.Errorf("%s", again)
	}
}

// What was scored by a definition that is no longer in force is told by that definition still, and what was scored anew
// by the new one.
func TestDerivedObservationsTellByWhichDefinitionTheyWereScored(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		old := by(t, store, packs(t), 0)
		old.send(bornP1, phq9("r1", "p1", monday, 2, 2, 1, 2, 2, 2, 2, 0, 0), phq9("r2", "p2", monday, 1, 1, 1, 1, 1, 1, 1, 1, 1))
		id := old.search("Observation?patient=p1&code=http://loinc.org|44261-6").Entry[0].Resource.ID
		old.end()
		c := by(t, store, second(t), time.Hour)
		before := string(c.fhir(http.StatusOK, http.MethodGet, "Observation/"+id, ""))
		c.rescore(&rapportv1.RescoreRequest{})
		after := string(c.fhir(http.StatusOK, http.MethodGet, "Observation/"+id, ""))
		first := string(c.fhir(http.StatusOK, http.MethodGet, "Observation/"+id+"/_history/1", ""))
		for what, test := range map[string]struct{ body, version, status string }{
			"before rescoring": {before, "phq-9|1.0.0", "final"}, "after it": {after, "phq-9|1.1.0", "amended"}, "the version before": {first, "phq-9|1.0.0", "final"},
		} {
			for _, want := range []string{test.version + `"`, `"status":"` + test.status + `"`, `"44261-6"`, `"valueInteger":13`} {
				if !strings.Contains(test.body, want) {
					t.Errorf("%s: %s lacks %s", what, test.body, want)
				}
			}
		}
	})
}
