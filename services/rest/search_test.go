package rest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// clinic stores a handful of resources.
func clinic(h *house) {
	for _, body := range []string{
		observation("a1", "a", "44261-6", "2026-01-10"),
		observation("a2", "a", "44261-6", "2026-02-10T08:30:00Z"),
		observation("a3", "a", "70274-6", "2026-02"),
		observation("b1", "b", "44261-6", "2026-02-20T23:30:00-05:00"),
		observation("b2", "b", "70274-6", "2025"),
		`{"resourceType":"Observation","id":"n1","status":"final","code":{"coding":[{"code":"44261-6"}]},"subject":{"reference":"Patient/b"}}`,
		`{"resourceType":"QuestionnaireResponse","id":"q1","status":"completed","questionnaire":"http://loinc.org/q/44249-1|1.0","subject":{"reference":"Patient/a"},"authored":"2026-02-10"}`,
		`{"resourceType":"QuestionnaireResponse","id":"q2","status":"completed","questionnaire":"http://loinc.org/q/44249-1|2.0","subject":{"reference":"Patient/b"},"authored":"2026-02-11"}`,
	} {
		typ := "Observation"
		if strings.Contains(body, "QuestionnaireResponse") {
			typ = "QuestionnaireResponse"
		}
		h.must(201, "POST", "/"+typ, body)
	}
}

func TestSearchFindsWhatItAsksForNewestFirst(t *testing.T) {
	h := newHouse(t)
	clinic(h)
	for query, want := range map[string]string{
		"Observation":                                                          "b1 a2 a3 a1 b2 n1",
		"Observation?patient=a":                                                "a2 a3 a1",
		"Observation?patient=Patient/a":                                        "a2 a3 a1",
		"Observation?subject=Patient%2Fa":                                      "a2 a3 a1",
		"Observation?subject:Patient=a":                                        "a2 a3 a1",
		"Observation?patient=" + h.base + "/Patient/a":                         "a2 a3 a1",
		"Observation?patient=a,b":                                              "b1 a2 a3 a1 b2 n1",
		"Observation?patient=a&patient=b":                                      "",
		"Observation?patient=a,b&subject=Patient/b":                            "b1 b2 n1",
		"Observation?patient=nobody":                                           "",
		"Observation?code=44261-6":                                             "b1 a2 a1 n1",
		"Observation?code=http://loinc.org|44261-6":                            "b1 a2 a1",
		"Observation?code=http%3A%2F%2Floinc.org%7C44261-6":                    "b1 a2 a1",
		"Observation?code=|44261-6":                                            "n1",
		"Observation?code=http://loinc.org|":                                   "b1 a2 a3 a1 b2",
		"Observation?code=http://loinc.org|44261-6,70274-6":                    "b1 a2 a3 a1 b2",
		"Observation?code=44261-6&code=70274-6":                                "",
		"Observation?patient=a&code=70274-6":                                   "a3",
		"Observation?date=2026-02":                                             "b1 a2 a3",
		"Observation?date=2026-02-21":                                          "b1",
		"Observation?date=eq2026-02-10":                                        "a2",
		"Observation?date=2026-02-10T08:30Z":                                   "a2",
		"Observation?date=2026-02-10T09:30:00%2B01:00":                         "a2",
		"Observation?date=2026-02-10T09:30:00+01:00":                           "a2",
		"Observation?date=ne2026-02":                                           "a1 b2",
		"Observation?date=gt2026-02-10":                                        "b1 a3",
		"Observation?date=lt2026-02":                                           "a1 b2",
		"Observation?date=ge2026-02&date=lt2026-02-15":                         "a2 a3",
		"Observation?date=le2026-01-10":                                        "a1 b2",
		"Observation?date=sa2026-02-10":                                        "b1",
		"Observation?date=eb2026-02":                                           "a1 b2",
		"Observation?date=2026-01,2025":                                        "a1 b2",
		"Observation?date=ap2026-02-12":                                        "a2 a3",
		"Observation?_id=a2":                                                   "a2",
		"Observation?_id=a1,b1,nobody,a1":                                      "b1 a1",
		"Observation?_id=a1,b1&patient=b":                                      "b1",
		"Observation?_id=a1&_id=b1":                                            "",
		"Observation?_id=a1,a3&date=2026-01":                                   "a1",
		"Observation?patient=a&_sort=-date":                                    "a2 a3 a1",
		"Observation?patient=a&colour=red&_pretty=true":                        "a2 a3 a1",
		"Observation?patient=a&_format=json":                                   "a2 a3 a1",
		"Observation?patient=a&_count=2":                                       "a2 a3",
		"QuestionnaireResponse?questionnaire=http://loinc.org/q/44249-1":       "q2 q1",
		"QuestionnaireResponse?questionnaire=http://loinc.org/q/44249-1%7C1.0": "q1",
		"QuestionnaireResponse?questionnaire=http://loinc.org/q/69737-5":       "",
		"QuestionnaireResponse?authored=ge2026-02-11":                          "q2",
		"QuestionnaireResponse?patient=a&authored=2026-02":                     "q1",
	} {
		got := strings.Join(h.bundle(h.must(200, "GET", "/"+query, "").body).ids(), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		typ, form, _ := strings.Cut(query, "?")
		posted := h.must(200, "POST", "/"+typ+"/_search", strings.ReplaceAll(form, "+01:00", "%2B01:00"), "Content-Type", "application/x-www-form-urlencoded")
		if again := strings.Join(h.bundle(posted.body).ids(), " "); again != want {
			t.Errorf("_search of %s: %q, want %q", query, again, want)
		}
	}
}

func TestADayIsADayOfTheConfiguredZone(t *testing.T) {
	zone := time.FixedZone("UTC-5", -5*3600)
	h := newHouse(t, func(c *Config) { c.Zone = zone })
	h.must(201, "POST", "/Observation", observation("late", "a", "x", "2026-02-20T23:30:00-05:00"))
	for query, want := range map[string]int{
		"2026-02-20": 1, "2026-02-21": 0, "2026-02-21T04:30Z": 1, "2026-02-20T23:30": 1, "ge2026-02-21": 0,
	} {
		b := h.bundle(h.must(200, "GET", "/Observation?date="+query, "").body)
		if len(b.Entry) != want {
			t.Errorf("%s: %d", query, len(b.Entry))
		}
	}
}

func TestAPatientIsFoundByIdentifier(t *testing.T) {
	h := newHouse(t)
	clinic(h)
	_, err := h.store.Update(t.Context(), "default", func(tx store.Tx) error {
		return tx.Commit(aliasOf("urn:mrn|7", "a"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"urn:mrn%7C7": "a2 a3 a1", "urn:mrn|7,urn:mrn|8": "a2 a3 a1", "urn:mrn|8": "",
	} {
		if got := strings.Join(h.bundle(h.must(200, "GET", "/Observation?patient:identifier="+query, "").body).ids(), " "); got != want {
			t.Errorf("%s: %q", query, got)
		}
	}
}

func TestSelfNamesOnlyWhatCounted(t *testing.T) {
	h := newHouse(t)
	a := h.must(200, "GET", "/Observation?patient=a&colour=red&_count=5&_format=json&_sort=colour", "")
	if got := h.bundle(a.body).link("self"); got != h.base+"/Observation?_count=5&patient=a" {
		t.Errorf("%s", got)
	}
	if got := a.header.Values("X-Rapport-Issue"); len(got) != 2 || !strings.Contains(got[0]+got[1], "colour") {
		t.Errorf("%q", got)
	}
	h.must(200, "GET", "/Observation?patient=a&_sort=-date&_count=5", "", "Prefer", "handling=strict")
}

func TestTheTotalIsToldWhenItIsKnown(t *testing.T) {
	h := newHouse(t)
	clinic(h)
	for query, want := range map[string]string{
		"": "6 of 6", "?patient=a": "3 of 3", "?_count=0": "0 of 6", "?_summary=count&patient=b": "0 of 3",
		"?_count=2": "2 of 6", "?_count=2&_total=none": "2 of ?", "?_count=2&_total=accurate": "2 of 6", "?patient=a,b&_count=0": "0 of 6", "?patient=nobody": "0 of 0",
	} {
		b := h.bundle(h.must(200, "GET", "/Observation"+query, "").body)
		total := "?"
		if b.Total != nil {
			total = itoa(*b.Total)
		}
		if got := itoa(len(b.Entry)) + " of " + total; got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestATotalIsNotToldWhereItCostsTooMuchUnlessItIsAskedFor(t *testing.T) {
	h := newHouse(t)
	const all = maxTold + 20
	for n := range all {
		h.must(201, "POST", "/Observation", observation("o"+itoa(n), "a", "x", "2026-02-20"))
	}
	for query, want := range map[string]string{
		"?_count=20": itoa(all), "?_count=19": "?", "?_count=19&_total=accurate": itoa(all), "?_count=0": itoa(all), "?_count=1000&_total=none": "?",
	} {
		b := h.bundle(h.must(200, "GET", "/Observation"+query, "").body)
		total := "?"
		if b.Total != nil {
			total = itoa(*b.Total)
		}
		if total != want {
			t.Errorf("%s: %s, want %s", query, total, want)
		}
	}
	first := h.bundle(h.must(200, "GET", "/Observation?_count=19", "").body)
	if second := h.bundle(h.must(200, "GET", first.link("next"), "").body); second.Total != nil {
		t.Errorf("of the second page, whose first page did not know: %v", *second.Total)
	}
	first = h.bundle(h.must(200, "GET", "/Observation?_count=20", "").body)
	if second := h.bundle(h.must(200, "GET", first.link("next"), "").body); second.Total == nil || *second.Total != all {
		t.Errorf("of the second page: %v", second.Total)
	}
}

// follow reads all pages.
func follow(h *house, path string, more string) (ids []string, pages int) {
	for next := h.base + path; next != ""; pages++ {
		if pages > 0 {
			next += more
		}
		b := h.bundle(h.must(200, "GET", next, "").body)
		ids = append(ids, b.ids()...)
		next = b.link("next")
		if next == "" && (b.Total == nil || *b.Total != len(ids)) {
			h.Errorf("the last page says %v of %d", b.Total, len(ids))
		}
	}
	return ids, pages
}

func TestPagesHoldEverythingOnceWhateverComesInMeanwhile(t *testing.T) {
	h := newHouse(t)
	var entries []string
	for i := range 95 {
		patient := []string{"a", "b", "c"}[i%3]
		when := noon.Add(-time.Duration(i/4) * time.Hour).Format(time.RFC3339)
		entries = append(entries, entry("POST", "Observation", observation(fmt.Sprintf("o%02d", i), patient, []string{"x", "y"}[i%2], when)))
	}
	h.must(200, "POST", "", bundleOf("transaction", entries...))
	for query, want := range map[string]int{
		"_count=10": 95, "_count=7&patient=a,b": 64, "_count=1&patient=c": 31, "_count=3&code=http://loinc.org|,z": 95, "_count=4&code=x&patient=a,b,c": 48,
		"_count=10&date=2026-03-04,2026-03-03": 95, "_count=5&_id=o01,o02,o03,o90,o91,o92,o93": 7,
	} {
		ids, pages := follow(h, "/Observation?"+query, "")
		slices.Sort(ids)
		if len(ids) != want || len(slices.Compact(ids)) != want || pages < 2 {
			t.Errorf("%s: %d ids on %d pages, want %d", query, len(ids), pages, want)
		}
	}
	if ids, pages := follow(h, "/Observation?_count=10", "&_count=1000"); len(ids) != 95 || pages != 10 {
		t.Errorf("with an added _count: %d ids on %d pages", len(ids), pages)
	}
	first := h.bundle(h.must(200, "GET", "/Observation?patient=a&_count=10", "").body)
	h.must(201, "POST", "/Observation", observation("newer", "a", "x", "2026-03-04T12:00:00Z"))
	second := h.bundle(h.must(200, "GET", first.link("next"), "").body)
	if slices.Contains(second.ids(), "newer") || slices.Contains(second.ids(), first.ids()[9]) || second.ids()[0] != "o30" {
		t.Errorf("%v then %v", first.ids(), second.ids())
	}
}

func TestAPageIsBoundedByItsBytes(t *testing.T) {
	h := newHouse(t)
	part := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	big := strings.Join([]string{part, part, part}, ",")
	for i := range 8 {
		h.must(201, "POST", "/Observation", strings.Replace(observation("o"+itoa(i), "a", "x", "2026"), `"status"`, `"note":[`+big+`],"status"`, 1), "Prefer", "return=minimal")
	}
	a := h.must(200, "GET", "/Observation", "")
	if len(a.body) > pageBytes+4<<20 {
		t.Errorf("a page of %d bytes", len(a.body))
	}
	if ids, pages := follow(h, "/Observation", ""); len(ids) != 8 || pages < 2 {
		t.Errorf("%v on %d pages", ids, pages)
	}
	// The small ones of another patient are older than where the first page ends: they must wait for their turn.
	for i := range 3 {
		h.must(201, "POST", "/Observation", observation("p"+itoa(i), "b", "x", "2025"))
	}
	want := []string{"o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7", "p0", "p1", "p2"}
	if ids, _ := follow(h, "/Observation?patient=a,b", ""); !slices.Equal(ids, want) {
		t.Errorf("%v", ids)
	}
}

func TestADateStandsForTheIntervalOfItsPrecision(t *testing.T) {
	for written, want := range map[string]string{
		"2024":                           "2024-01-01T00:00:00Z 8784h0m0s",
		"2024-02":                        "2024-02-01T00:00:00Z 696h0m0s",
		"2024-02-29":                     "2024-02-29T00:00:00Z 24h0m0s",
		"2024-02-29T23:59":               "2024-02-29T23:59:00Z 1m0s",
		"2024-02-29T23:59+02:00":         "2024-02-29T21:59:00Z 1m0s",
		"2024-02-29T23:59:59":            "2024-02-29T23:59:59Z 1s",
		"2024-02-29T23:59:59-05:30":      "2024-03-01T05:29:59Z 1s",
		"2024-02-29T23:59:59.5Z":         "2024-02-29T23:59:59.5Z 100ms",
		"2024-02-29T23:59:59.123Z":       "2024-02-29T23:59:59.123Z 1ms",
		"2024-02-29T23:59:59.123 01:00":  "2024-02-29T22:59:59.123Z 1ms",
		"2024-02-29T23:59:59.123456789Z": "2024-02-29T23:59:59.123456789Z 1ns",
		"":                               "", "24": "", "2023-02-29": "", "2024-13": "", "2024-1-1": "", "2024-02-29T": "", "2024-02-29T24:00Z": "",
		"0000": "", "2024-02-29 23:59": "", "ge2024": "", "2024-02-29Z": "", "12024": "",
	} {
		from, to, ok := search.DateInterval(written, time.UTC)
		got := ""
		if ok {
			got = from.Format(time.RFC3339Nano) + " " + to.Sub(from).String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}

func issueOf(id string, patient ref.Patient, severity judge.Severity, status alert.Status, rule string, opened time.Time) alert.Alert {
	return alert.Alert{
		ID: id, Version: 1, Status: status, Severity: severity, Rule: rule, Patient: patient, Episode: ref.EpisodeOf(patient),
		Title: "t", Seen: "s", Effective: opened.Add(-time.Hour), Opened: opened,
		History: []alert.Step{{Version: 1, Status: status, Time: opened, Actor: "rapport"}},
	}
}

func TestAlertsAreServedAsDetectedIssues(t *testing.T) {
	h := newHouse(t)
	late := issueOf("i6", "a", judge.High, alert.Retracted, "silence", noon)
	late.SuppressedBecause = "cool-down"
	h.raise(
		issueOf("i1", "a", judge.High, alert.Open, "phq9-item-9", noon.AddDate(0, 0, -1)),
		issueOf("i2", "a", judge.Info, alert.Acknowledged, "silence", noon),
		issueOf("i3", "b", judge.Critical, alert.Resolved, "phq9-item-9", noon.AddDate(0, -1, 0)),
		issueOf("i4", "a", judge.High, alert.Suppressed, "phq9-item-9", noon),
		issueOf("i5", "b", judge.Moderate, alert.Retracted, "silence", noon.AddDate(0, -2, 0)), late)
	for query, want := range map[string]string{
		"": "i3 i1 i5 i2", "?patient=a": "i1 i2", "?code=phq9-item-9": "i3 i1",
		"?code=https://github.com/rapport-health/rapport/fhir/CodeSystem/alert-rule|silence": "i5 i2", "?code=http://loinc.org|silence": "",
		"?identified=2026-03-04": "i2", "?identified=lt2026-03": "i3 i5", "?identified=ge2026-02&identified=lt2026-03-04": "i3 i1",
		"?status=final": "i3 i1 i2", "?status=cancelled": "i5", "?severity=high": "i3 i1", "?severity=low,moderate": "i5 i2",
		"?_id=i1,i4,i6,i2": "i1 i2", "?_id=i1&patient=b": "", "?patient=a&identified=2026-03-03T12:00:00.000Z": "i1",
	} {
		got := h.bundle(h.must(200, "GET", "/DetectedIssue"+query, "").body)
		if strings.Join(got.ids(), " ") != want {
			t.Errorf("%s: %v, want %s", query, got.ids(), want)
		}
	}
	if ids, _ := follow(h, "/DetectedIssue?_count=1", ""); !slices.Equal(ids, []string{"i3", "i1", "i5", "i2"}) {
		t.Errorf("%v", ids)
	}
	a := h.must(200, "GET", "/DetectedIssue/i1", "")
	if a.header.Get("ETag") != `W/"1"` || !strings.Contains(string(a.body), `"phq9-item-9"`) {
		t.Errorf("%v %s", a.header, a.body)
	}
	h.must(304, "GET", "/DetectedIssue/i1", "", "If-None-Match", `W/"1"`)
	h.must(200, "GET", "/DetectedIssue/i1/_history/1", "")
	h.outcome(h.must(404, "GET", "/DetectedIssue/i1/_history/2", "").body)
	for _, hidden := range []string{"i4", "i6", "nobody"} {
		h.outcome(h.must(404, "GET", "/DetectedIssue/"+hidden, "").body)
	}
}

func TestTheOwnDateRulesAgreeWithTheStore(t *testing.T) {
	h := newHouse(t)
	dates := []string{"", "2025", "2026", "2026-02", "2026-02-10", "2026-02-10T08:30Z", "2026-02-10T08:30:00.5Z", "2026-02-11", "2026-03"}
	for i, d := range dates {
		h.must(201, "POST", "/Observation", strings.Replace(observation("o"+itoa(i), "a", "x", d), `"effectiveDateTime":"",`, "", 1))
	}
	var all []record.Record
	view := func(q record.Query) (out []record.Record) {
		q.Type, q.Max = "Observation", 100
		err := h.store.View(t.Context(), "default", func(r store.Reader) (err error) {
			out, err = r.Search(q)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	all = view(record.Query{})
	if len(all) != len(dates) {
		t.Fatalf("%d of %d", len(all), len(dates))
	}
	for _, d := range dates[1:] {
		for _, op := range search.Prefixes {
			bounds, ok := search.DateBounds(op+d, noon)
			if !ok {
				t.Fatalf("%s%s is no date", op, d)
			}
			var own, theirs []string
			for _, rec := range all {
				if !slices.ContainsFunc(bounds, func(b search.Bound) bool { return !search.Holds(b, rec.From, rec.To) }) {
					own = append(own, rec.ID)
				}
			}
			for _, rec := range view(record.Query{Dates: bounds}) {
				theirs = append(theirs, rec.ID)
			}
			if diff := cmp.Diff(theirs, own); diff != "" {
				t.Errorf("%s%s (-store +rest): %s", op, d, diff)
			}
		}
	}
}

func FuzzReadSearch(f *testing.F) {
	for _, seed := range []string{
		"patient=1&code=a|b,c&date=ge2026&date=lt2026-03-01T10:00:00Z", "code=a\\,b\\|c|\\$&_count=5", "_id=1,2&subject:Patient=3",
		"_has:Observation:patient:code=1&patient.name=x&_include=Observation:subject&_revinclude:iterate=Provenance:target&_sort=-date,code&_elements=code",
		"code-value-quantity=http://loinc.org|1$gt9.5&value-quantity=ap5||kg&_profile=http://x&name:contains=%C3%A9", "patient:identifier=a|b&questionnaire=http://x|1&authored=ap2026-02", "_page=eyJpIjoiMSIsIm4iOjEsInciOjEsInEiOjF9&_total=accurate", "date=2026-13-45&status=final",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for i := range kinds {
			k := &kinds[i]
			if k.find == nil {
				continue
			}
			q, err := readInquiry(k, values, "http://h/fhir", noon)
			if err != nil {
				continue
			}
			again, err := readInquiry(k, q.used, "http://h/fhir", q.cursor.now)
			if err != nil {
				t.Fatalf("what was used cannot be read again: %v", err)
			}
			if len(again.ignored) > 0 || len(again.conditions) != len(q.conditions) || len(again.linked) != len(q.linked) || len(again.ids) != len(q.ids) {
				t.Fatalf("what was used reads otherwise: %+v, %+v", q, again)
			}
			doc := &search.Document{Type: k.name, Root: func() tree.Node { return parsed([]byte(observation("1", "p", "a", "2026"))) }}
			q.met(&hit{place: place{id: "1"}, doc: doc, updated: func() time.Time { return noon }})
			q.keys()
			q.bundle("http://h/fhir", found{more: true, reached: place{id: "1"}})
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor{after: place{3, noon, "a"}, seen: 5, now: noon, upto: new(int64(7))}.String())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s)
		if err != nil {
			return
		}
		again, err := parseCursor(c.String())
		if err != nil || !cmp.Equal(again, c, cmp.AllowUnexported(cursor{}, place{})) {
			t.Fatalf("%+v is read as %+v, %v", c, again, err)
		}
	})
}
