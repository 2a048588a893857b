package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// manifest is what a client is told of a bulk job that is done.
type manifest struct {
	TransactionTime, Request string
	RequiresAccessToken      bool
	Output, Deleted, Error   []struct {
		Type, URL, InputURL string
		Count               int
	}
	Extension map[string]float64
}

// exchange sends one request to FHIR REST and returns its answer with the whole body.
func (c *clinic) exchange(method, path, body string, headers ...string) (*http.Response, []byte) {
	c.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "http://" + c.HTTPAddr() + "/fhir" + path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, text
}

// kickOff begins a bulk job and returns where to ask for it.
func (c *clinic) kickOff(method, path, body string, headers ...string) string {
	c.t.Helper()
	resp, text := c.exchange(method, path, body, append([]string{"Prefer", "respond-async"}, headers...)...)
	if resp.StatusCode != http.StatusAccepted || !bytes.Contains(text, []byte("OperationOutcome")) {
		c.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return resp.Header.Get("Content-Location")
}

// finished polls until a job is done.
func (c *clinic) finished(at string, headers ...string) manifest {
	c.t.Helper()
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); {
		resp, text := c.exchange(http.MethodGet, at, "", headers...)
		switch resp.StatusCode {
		case http.StatusOK:
			var m manifest
			if err := json.Unmarshal(text, &m); err != nil || m.Output == nil || m.Deleted == nil || m.Error == nil {
				c.t.Fatalf("manifest %s: %v", text, err)
			}
			return m
		case http.StatusAccepted:
			if p := resp.Header.Get("X-Progress"); p == "" || len(p) >= 100 || resp.Header.Get("Retry-After") == "" {
				c.t.Fatalf("progress %q", p)
			}
		case http.StatusTooManyRequests:
			c.later(time.Second) // the clock of the server stands, so that its patience does not grow by itself
		default:
			c.t.Fatalf("polling: %d %s", resp.StatusCode, text)
		}
	}
	c.t.Fatal("the job does not end")
	return manifest{}
}

// export begins an export and returns its lines by type and id, with its manifest.
func (c *clinic) export(path string) (map[string]map[string]string, manifest) {
	c.t.Helper()
	m := c.finished(c.kickOff(http.MethodGet, path, ""))
	lines := map[string]map[string]string{}
	for _, f := range m.Output {
		resp, text := c.exchange(http.MethodGet, f.URL, "")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/fhir+ndjson" {
			c.t.Fatalf("%s: %d %s", f.URL, resp.StatusCode, text)
		}
		if lines[f.Type] == nil {
			lines[f.Type] = map[string]string{}
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			var head struct{ ResourceType, ID string }
			if err := json.Unmarshal([]byte(line), &head); err != nil || head.ResourceType != f.Type {
				c.t.Fatalf("%s holds %s: %v", f.URL, line, err)
			}
			if lines[f.Type][head.ID] != "" {
				c.t.Errorf("%s/%s is exported twice", f.Type, head.ID)
			}
			lines[f.Type][head.ID] = strings.TrimSpace(line)
			n++
		}
		if n != f.Count {
			c.t.Errorf("%s has %d lines, and the manifest says %d", f.URL, n, f.Count)
		}
	}
	return lines, m
}

// searched are all matches of a search, by id.
func (c *clinic) searched(path string) map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for next := path; next != ""; {
		resp, text := c.exchange(http.MethodGet, next, "")
		var bundle struct {
			Link  []struct{ Relation, URL string }
			Entry []struct {
				Resource json.RawMessage
				Search   struct{ Mode string }
			}
		}
		if err := json.Unmarshal(text, &bundle); err != nil || resp.StatusCode != http.StatusOK {
			c.t.Fatalf("%s: %d %s", next, resp.StatusCode, text)
		}
		for _, e := range bundle.Entry {
			var head struct{ ID string }
			if err := json.Unmarshal(e.Resource, &head); err != nil {
				c.t.Fatal(err)
			}
			if e.Search.Mode == "match" {
				out[head.ID] = string(e.Resource)
			}
		}
		next = ""
		for _, l := range bundle.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
	}
	return out
}

func sorted[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }

// settle fills a clinic: people, forms with alerts, an amended form, a deleted one, and what is only kept.
func (c *clinic) settle() {
	c.t.Helper()
	c.send(patientP1, `{"resourceType":"Patient","id":"p2"}`, `{"resourceType":"Practitioner","id":"d1"}`,
		"{\n  \"resourceType\": \"Observation\",\n  \"id\": \"o1\", \"status\": \"final\", \"code\": {\"text\": \"two\\nlines\"},\n"+
			`  "subject": {"reference": "Patient/p2"}, "valueString": "1.0", "effectiveDateTime": "2026-02-01"}`,
		`{"resourceType":"CareTeam","id":"t1","status":"active","subject":{"reference":"Patient/p1"},"participant":[{"member":{"reference":"CareTeam/house"}}]}`,
		`{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p2"}},`+
			`{"entity":{"reference":"Patient/p1"},"inactive":true}]}`,
		phq9("f1", "p1", monday.AddDate(0, 0, -1), 3, 3, 3, 3, 3, 3, 3, 3, 3), phq9("f2", "p2", monday.AddDate(0, 0, -2), 0, 0, 0, 1, 1, 0, 0, 0, 0),
		phq9("f3", "p2", monday.AddDate(0, 0, -3), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	c.send(phq9("f2", "p2", monday.AddDate(0, 0, -2), 1, 0, 0, 1, 1, 0, 0, 0, 0))
	if resp, text := c.exchange(http.MethodDelete, "/QuestionnaireResponse/f3", ""); resp.StatusCode != http.StatusNoContent {
		c.t.Fatalf("deleting: %d %s", resp.StatusCode, text)
	}
}

func TestAnExportHoldsWhatSearchesFind(t *testing.T) {
	onBothEngines(t, exportHoldsWhatSearchesFind)
}

func exportHoldsWhatSearchesFind(t *testing.T, store string) {
	c := start(t, func(config *server.Config) { config.Store, config.Bulk.Dir = store, t.TempDir() })
	c.settle()
	lines, m := c.export("/$export")
	for _, typ := range []string{"Patient", "Practitioner", "Observation", "CareTeam", "Group", "QuestionnaireResponse", "DetectedIssue", "Task", "Flag"} {
		found := c.searched("/" + typ + "?_count=7")
		if diff := cmp.Diff(sorted(found), sorted(lines[typ])); diff != "" {
			t.Errorf("%s (-searched +exported):\n%s", typ, diff)
		}
		if len(found) == 0 {
			t.Errorf("there is no %s", typ)
		}
		for id, resource := range found {
			if lines[typ][id] != "" && compact(t, resource) != compact(t, lines[typ][id]) {
				t.Errorf("%s/%s is exported as\n%s\nand found as\n%s", typ, id, lines[typ][id], resource)
			}
		}
	}
	if n := len(lines["Provenance"]); n < 3 {
		t.Errorf("%d Provenances", n)
	}
	if m.Request != "http://"+c.HTTPAddr()+"/fhir/$export" || m.RequiresAccessToken || len(m.Error) > 0 || len(m.Deleted) > 0 {
		t.Errorf("manifest %+v", m)
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASinceOfATransactionTimeBringsWhatCameBehindIt(t *testing.T) {
	onBothEngines(t, sinceBringsWhatCameBehind)
}

func sinceBringsWhatCameBehind(t *testing.T, store string) {
	c := start(t, func(config *server.Config) { config.Store, config.Bulk.Dir = store, t.TempDir() })
	c.settle()
	_, first := c.export("/$export")
	again, second := c.export("/$export?_since=" + first.TransactionTime)
	if len(again["Provenance"]) > len(again["DetectedIssue"]) || again["Observation"] != nil || again["QuestionnaireResponse"] != nil {
		t.Errorf("nothing has changed, and there are %v", sorted(again))
	}
	// The clock has not moved: only the order of commits tells what is new.
	c.send(`{"resourceType":"Patient","id":"p3"}`, phq9("f9", "p3", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0))
	if resp, _ := c.exchange(http.MethodDelete, "/Observation/o1", ""); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("deleting: %d", resp.StatusCode)
	}
	lines, third := c.export("/$export?_since=" + second.TransactionTime)
	if got := sorted(lines["Patient"]); !slices.Equal(got, []string{"p3"}) {
		t.Errorf("patients %v", got)
	}
	if got := sorted(lines["QuestionnaireResponse"]); !slices.Equal(got, []string{"f9"}) {
		t.Errorf("forms %v", got)
	}
	if len(lines["Observation"]) < 3 {
		t.Errorf("observations %v", sorted(lines["Observation"]))
	}
	if len(third.Deleted) != 1 || third.Deleted[0].Type != "Bundle" {
		t.Fatalf("deleted %+v", third.Deleted)
	}
	_, text := c.exchange(http.MethodGet, third.Deleted[0].URL, "")
	if want := `"entry":[{"request":{"method":"DELETE","url":"Observation/o1"}}]`; !strings.Contains(string(text), want) {
		t.Errorf("deletions %s", text)
	}
	if third.TransactionTime <= second.TransactionTime || second.TransactionTime <= first.TransactionTime {
		t.Errorf("times %s, %s, %s", first.TransactionTime, second.TransactionTime, third.TransactionTime)
	}
}

func TestAnExportTellsOfOneMomentWhileOthersWrite(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1)
	var stop atomic.Bool
	var acknowledged, wrong atomic.Int64
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := int64(0); !stop.Load(); n++ {
			// Each form is followed by a correction of one that came long before.
			bodies := []*rapportv1.Item{{Body: []byte(phq9(fmt.Sprintf("n%06d", n), "p1", monday.Add(-time.Duration(n)*time.Minute), 1, 1, 1, 1, 1, 1, 1, 1, 0))}}
			if n%3 == 0 && n > 0 {
				bodies = append(bodies, &rapportv1.Item{Body: []byte(phq9(fmt.Sprintf("n%06d", n/2), "p1", monday.Add(-time.Duration(n/2)*time.Minute), 2, 2, 2, 2, 2, 2, 2, 2, 0))})
			}
			if _, err := c.ingest.Ingest(context.Background(), &rapportv1.IngestRequest{Source: "ehr", Items: bodies}); err != nil {
				wrong.Add(1)
				return
			}
			acknowledged.Store(n + 1)
		}
	})
	for acknowledged.Load() < 150 && wrong.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	before := acknowledged.Load()
	at := c.kickOff(http.MethodGet, "/$export?_type=QuestionnaireResponse,Observation,Provenance", "")
	after := acknowledged.Load()
	m := c.finished(at)
	stop.Store(true)
	writing.Wait()
	if wrong.Load() > 0 {
		t.Fatal("the writer was refused")
	}
	counts := map[string]int64{}
	forms := map[string]bool{}
	for _, f := range m.Output {
		counts[f.Type] += int64(f.Count)
		if f.Type == "QuestionnaireResponse" {
			_, text := c.exchange(http.MethodGet, f.URL, "")
			for line := range strings.Lines(string(text)) {
				var head struct{ ID string }
				if err := json.Unmarshal([]byte(line), &head); err != nil {
					t.Fatal(err)
				}
				if forms[head.ID] {
					t.Errorf("%s is there twice", head.ID)
				}
				forms[head.ID] = true
			}
		}
	}
	n := counts["QuestionnaireResponse"]
	if n < before || n > after+1 {
		t.Errorf("%d forms: %d were acknowledged before, %d after the kick-off", n, before, after)
	}
	for i := range n {
		if !forms[fmt.Sprintf("n%06d", i)] {
			t.Errorf("form %d of %d is missing", i, n)
		}
	}
	if per := counts["Observation"] / n; counts["Observation"] != per*n || counts["Provenance"] < n || per < 3 {
		t.Errorf("of %d forms there are %d Observations and %d Provenances", n, counts["Observation"], counts["Provenance"])
	}
}

func TestExportsOfPatientsAndGroups(t *testing.T) {
	c := start(t, nil)
	c.settle()
	for path, want := range map[string]struct{ patients, forms, practitioners int }{
		"/Patient/$export": {2, 2, 0},
		"/Patient/$export?_type=Patient,Practitioner":     {2, 0, 1},
		"/Patient/$export?patient=Patient/p1":             {1, 1, 0},
		"/Group/g1/$export":                               {1, 1, 0},
		"/Group/house/$export":                            {1, 1, 0},
		"/Group/t1/$export?_type=Patient":                 {1, 0, 0},
		"/Group/g1/$export?_type=Patient&patient=p2":      {1, 0, 0},
		"/$export?_type=Practitioner&_type=Patient,Group": {2, 0, 1},
	} {
		lines, _ := c.export(path)
		if len(lines["Patient"]) != want.patients || len(lines["QuestionnaireResponse"]) != want.forms || len(lines["Practitioner"]) != want.practitioners {
			t.Errorf("%s: patients %v, forms %v, practitioners %v", path, sorted(lines["Patient"]), sorted(lines["QuestionnaireResponse"]), sorted(lines["Practitioner"]))
		}
		for _, o := range lines["Observation"] {
			if strings.Contains(path, "/Group/g1") && !strings.Contains(o, `"Patient/p2"`) {
				t.Errorf("%s: %s", path, o)
			}
		}
	}
	body := `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/p2"}},` +
		`{"name":"_type","valueString":"Observation"},{"name":"_outputFormat","valueString":"ndjson"}]}`
	m := c.finished(c.kickOff(http.MethodPost, "/Patient/$export", body, "Content-Type", "application/fhir+json"))
	if len(m.Output) != 1 || m.Output[0].Type != "Observation" {
		t.Errorf("%+v", m)
	}
	m = c.finished(c.kickOff(http.MethodPost, "/$export?_type=Group", "", "Content-Type", "application/fhir+json"))
	if len(m.Output) != 1 || m.Output[0].Type != "Group" || !strings.HasSuffix(m.Request, "/$export?_type=Group") {
		t.Errorf("%+v", m)
	}
}

func TestFiltersAndElementsOfAnExport(t *testing.T) {
	c := start(t, nil)
	c.settle()
	all, _ := c.export("/$export?_type=Observation")
	for filter, search := range map[string]string{
		"Observation?code=http://loinc.org|44261-6":                                 "/Observation?code=http://loinc.org|44261-6",
		"Observation?patient=p1&date=lt2026-03-02":                                  "/Observation?patient=p1&date=lt2026-03-02",
		"Observation?category=survey&status=final,amended":                          "/Observation?category=survey&status=final,amended",
		"Observation?_lastUpdated=lt2020":                                           "/Observation?_lastUpdated=lt2020",
		"Observation?code=http://loinc.org|44261-6,Observation?patient=p2&code=x|y": "/Observation?code=http://loinc.org|44261-6",
	} {
		lines, _ := c.export("/$export?_type=Observation&_typeFilter=" + strings.NewReplacer("&", "%26", "?", "%3F", "=", "%3D", "|", "%7C").Replace(filter))
		if diff := cmp.Diff(sorted(c.searched(search)), sorted(lines["Observation"])); diff != "" {
			t.Errorf("%s (-searched +exported):\n%s", filter, diff)
		}
		if len(lines["Observation"]) >= len(all["Observation"]) {
			t.Errorf("%s selects all", filter)
		}
	}
	either, _ := c.export("/$export?_type=Observation&_typeFilter=Observation%3Fpatient%3Dp1&_typeFilter=Observation%3Fpatient%3Dp2")
	if diff := cmp.Diff(sorted(all["Observation"]), sorted(either["Observation"])); diff != "" {
		t.Errorf("one of two filters (-all +either):\n%s", diff)
	}
	lines, _ := c.export("/$export?_type=Patient,Observation&_elements=Patient.gender,Observation.code")
	for _, typ := range []string{"Patient", "Observation"} {
		for _, line := range lines[typ] {
			if strings.Contains(line, `"identifier"`) || strings.Contains(line, `"subject"`) || !strings.Contains(line, "SUBSETTED") {
				t.Errorf("too much is told: %s", line)
			}
		}
	}
	lines, _ = c.export("/$export?_type=QuestionnaireResponse&includeAssociatedData=LatestProvenanceResources")
	if len(lines["Provenance"]) < 2 || len(lines) != 2 {
		t.Errorf("with Provenance: %v", sorted(lines))
	}
}

func TestWhatAnExportDoesNotSupportIsRefusedOrToldOf(t *testing.T) {
	c := start(t, nil)
	c.settle()
	for _, path := range []string{
		"/$export?_type=Medication", "/$export?_outputFormat=application/fhir%2Bparquet", "/$export?organizeOutputBy=Patient",
		"/$export?_typeFilter=Observation%3F_sort%3Ddate", "/$export?_typeFilter=Observation%3Fno-such%3D1", "/$export?_typeFilter=nonsense",
		"/$export?_typeFilter=Observation%3Fsubject:Patient.name%3Dx", "/$export?_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal",
		"/$export?_elements=a-b", "/$export?patient=Patient/p1", "/$export?includeAssociatedData=everything", "/Patient/$export?_type=Group",
		"/Patient/$export?patient=Patient/nobody", "/Group/g1/$export?patient=Patient/p1",
	} {
		resp, text := c.exchange(http.MethodGet, path, "")
		if resp.StatusCode != http.StatusBadRequest || !bytes.Contains(text, []byte(`"OperationOutcome"`)) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
		m := c.finished(c.kickOff(http.MethodGet, path, "", "Prefer", "respond-async, handling=lenient"))
		if len(m.Error) == 0 {
			resp, text := c.exchange(http.MethodGet, path, "", "Prefer", "handling=lenient")
			t.Errorf("%s, leniently: %+v %d %s", path, m, resp.StatusCode, text)
			continue
		}
		_, text = c.exchange(http.MethodGet, m.Error[0].URL, "")
		if !bytes.Contains(text, []byte(`"OperationOutcome"`)) || !bytes.Contains(text, []byte(`"warning"`)) {
			t.Errorf("%s, leniently: %s", path, text)
		}
	}
	for path, want := range map[string]int{
		"/$export?_since=yesterday": 400, "/$export?_since=2026-03-02": 400, "/$export?_until=x": 400, "/Group/none/$export": 404,
		"/$export?_since=2026-03-02T00:00:00Z&_until=2026-03-01T00:00:00Z": 400, "/Patient/$export?patient=Group/1": 400,
		"/bulk/AAAAAAAAAAAAAAAAAAAAAAAAAA": 404, "/bulk/AAAAAAAAAAAAAAAAAAAAAAAAAA/x.ndjson": 404, "/bulk/..%2f..%2fx": 404,
	} {
		resp, text := c.exchange(http.MethodGet, path, "", "Prefer", "handling=lenient")
		if resp.StatusCode != want || !bytes.Contains(text, []byte(`"OperationOutcome"`)) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	if resp, _ := c.exchange(http.MethodPut, "/$export", ""); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
		t.Errorf("PUT: %d", resp.StatusCode)
	}
	if resp, text := c.exchange(http.MethodPost, "/$export", `{"resourceType":"Patient"}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("no Parameters: %d %s", resp.StatusCode, text)
	}
}

func TestFilesOfAnExportArePackedAndReadInParts(t *testing.T) {
	c := start(t, nil)
	c.settle()
	m := c.finished(c.kickOff(http.MethodGet, "/$export?_type=Observation", ""))
	_, whole := c.exchange(http.MethodGet, m.Output[0].URL, "")
	resp, packed := c.exchange(http.MethodGet, m.Output[0].URL, "", "Accept-Encoding", "gzip")
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v %v", resp.Header, err)
	}
	if text, err := io.ReadAll(bufio.NewReader(unpacked)); err != nil || !bytes.Equal(text, whole) || len(packed) >= len(whole) {
		t.Errorf("unpacked %d bytes of %d: %v", len(text), len(whole), err)
	}
	if resp, _ := c.exchange(http.MethodGet, m.Output[0].URL, "", "Accept-Encoding", "gzip;q=0"); resp.Header.Get("Content-Encoding") != "" {
		t.Error("it is packed although that is not taken")
	}
	resp, part := c.exchange(http.MethodGet, m.Output[0].URL, "", "Range", "bytes=10-19")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(part, whole[10:20]) {
		t.Errorf("a part: %d %q", resp.StatusCode, part)
	}
}

func TestAnExportIsDeletedOrExpiresWithItsFiles(t *testing.T) {
	dir := t.TempDir()
	c := start(t, func(config *server.Config) { config.Bulk.Dir = dir })
	c.settle()
	gone := func(at string, m manifest) {
		t.Helper()
		for _, url := range []string{at, m.Output[0].URL} {
			if resp, text := c.exchange(http.MethodGet, url, ""); resp.StatusCode != http.StatusNotFound || !bytes.Contains(text, []byte("OperationOutcome")) {
				t.Errorf("%s: %d %s", url, resp.StatusCode, text)
			}
		}
	}
	at := c.kickOff(http.MethodGet, "/$export", "")
	m := c.finished(at)
	if resp, _ := c.exchange(http.MethodDelete, at, ""); resp.StatusCode != http.StatusAccepted {
		t.Errorf("deleting: %d", resp.StatusCode)
	}
	gone(at, m)
	if resp, _ := c.exchange(http.MethodDelete, at, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("deleting again: %d", resp.StatusCode)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	at = c.kickOff(http.MethodGet, "/$export", "")
	m = c.finished(at)
	resp, _ := c.exchange(http.MethodGet, at, "")
	if expires, err := http.ParseTime(resp.Header.Get("Expires")); err != nil || expires.Before(c.now()) {
		t.Errorf("expires %v, %v", expires, err)
	}
	c.later(25 * time.Hour)
	gone(at, m)
}

func TestFilesNeedTheTokenOfWhoAskedForThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	tokens := writeTokens(t, file, "one default", "two default", "three elsewhere")
	c := start(t, func(config *server.Config) { config.Tokens = file })
	bearer := func(n int) []string { return []string{"Authorization", "Bearer " + tokens[n]} }
	if resp, _ := c.exchange(http.MethodPost, "/Patient", `{"resourceType":"Patient"}`, append(bearer(0), "Content-Type", "application/fhir+json")...); resp.StatusCode != http.StatusCreated {
		t.Fatalf("writing: %d", resp.StatusCode)
	}
	if resp, _ := c.exchange(http.MethodGet, "/$export", ""); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	at := c.kickOff(http.MethodGet, "/$export", "", bearer(0)...)
	m := c.finished(at, bearer(0)...)
	if !m.RequiresAccessToken || len(m.Output) != 1 {
		t.Fatalf("%+v", m)
	}
	for _, url := range []string{at, m.Output[0].URL} {
		for want, headers := range map[int][]string{200: bearer(0), 401: nil} {
			if resp, _ := c.exchange(http.MethodGet, url, "", headers...); resp.StatusCode != want {
				t.Errorf("%s: %d, not %d", url, resp.StatusCode, want)
			}
		}
		for _, n := range []int{1, 2} {
			if resp, _ := c.exchange(http.MethodGet, url, "", bearer(n)...); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s for another: %d", url, resp.StatusCode)
			}
			if resp, _ := c.exchange(http.MethodDelete, at, "", bearer(n)...); resp.StatusCode != http.StatusNotFound {
				t.Errorf("deleted by another: %d", resp.StatusCode)
			}
		}
	}
	other := c.finished(c.kickOff(http.MethodGet, "/$export", "", bearer(2)...), bearer(2)...)
	if len(other.Output) > 0 {
		t.Errorf("another tenant sees %+v", other)
	}
}

func TestCapabilityURLsAreSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	tokens := writeTokens(t, file, "one default")
	c := start(t, func(config *server.Config) { config.Tokens, config.Bulk.CapabilityURLs = file, true })
	bearer := []string{"Authorization", "Bearer " + tokens[0]}
	if resp, _ := c.exchange(http.MethodPost, "/Patient", `{"resourceType":"Patient"}`, append(bearer, "Content-Type", "application/fhir+json")...); resp.StatusCode != http.StatusCreated {
		t.Fatalf("writing: %d", resp.StatusCode)
	}
	m := c.finished(c.kickOff(http.MethodGet, "/$export", "", bearer...), bearer...)
	if m.RequiresAccessToken {
		t.Error("it says that the files need a token")
	}
	url := m.Output[0].URL
	if resp, text := c.exchange(http.MethodGet, url, ""); resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte("Patient")) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	parts := strings.Split(url, "/")
	parts[len(parts)-2] = strings.Repeat("A", len(parts[len(parts)-2]))
	if resp, _ := c.exchange(http.MethodGet, strings.Join(parts, "/"), ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("with a wrong secret: %d", resp.StatusCode)
	}
}

func TestAnImportScoresAllAndRaisesNothingButSafety(t *testing.T) {
	c := start(t, nil)
	yesterday := monday.AddDate(0, 0, -1)
	body := strings.Join([]string{
		patientP1, `{"resourceType":"Patient","id":"p2"}`,
		phq9("f1", "p1", yesterday, 3, 3, 3, 3, 3, 3, 3, 3, 0), "", phq9("f2", "p2", yesterday, 3, 3, 3, 3, 3, 3, 3, 3, 2), "{broken",
		phq9("f1", "p1", yesterday, 2, 3, 3, 3, 3, 3, 3, 3, 0),
	}, "\n")
	m := c.finished(c.kickOff(http.MethodPost, "/$import", body, "Content-Type", "application/fhir+ndjson"))
	want := map[string]float64{"scored": 3, "stored": 2, "unchanged": 0, "rejected": 1}
	if diff := cmp.Diff(want, m.Extension); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if o := m.Output; len(o) != 1 || o[0].Type != "OperationOutcome" || o[0].InputURL != m.Request || o[0].Count != 5 || o[0].URL != "" || m.RequiresAccessToken {
		t.Errorf("%+v", m)
	}
	_, text := c.exchange(http.MethodGet, m.Error[0].URL, "")
	if len(m.Error) != 1 || m.Error[0].Count != 1 || !bytes.Contains(text, []byte("line 6 was rejected")) {
		t.Errorf("%+v: %s", m.Error, text)
	}
	muted, raised := 0, 0
	every := []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED}
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Statuses: every}) {
		switch {
		case a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED && strings.HasPrefix(a.GetSuppressedBecause(), "back-fill"):
			muted++
		case a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_OPEN:
			raised++
		}
	}
	if muted == 0 || raised == 0 {
		t.Errorf("%d findings were recorded, and %d raised", muted, raised)
	}
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "Patient/p1"}) {
		if a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_OPEN {
			t.Errorf("%s was raised", a.GetRule())
		}
	}
	// The same once more changes nothing.
	m = c.finished(c.kickOff(http.MethodPost, "/$import", phq9("f2", "p2", yesterday, 3, 3, 3, 3, 3, 3, 3, 3, 2), "Content-Type", "application/fhir+ndjson"))
	if m.Extension["unchanged"] != 1 {
		t.Errorf("again: %v", m.Extension)
	}
}

func TestAnImportFetchesItsInputs(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(patientP1 + "\n" + phq9("f1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0) + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	ehr := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/packed.ndjson.gz":
			_, _ = w.Write(b.Bytes())
		case "/Patient.ndjson":
			fmt.Fprintln(w, `{"resourceType":"Patient","id":"p7"}`)
			fmt.Fprintln(w, `{"resourceType":"Practitioner","id":"d7"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(ehr.Close)
	parameters := func(urls ...string) string {
		text := `{"resourceType":"Parameters","parameter":[{"name":"inputFormat","valueCode":"application/fhir+ndjson"},{"name":"inputSource","valueUri":"https://ehr.example.org"}`
		for _, url := range urls {
			typ := ""
			if strings.Contains(url, "Patient") {
				typ = `{"name":"type","valueCode":"Patient"},`
			}
			text += `,{"name":"input","part":[` + typ + `{"name":"url","valueUri":"` + url + `"}]}`
		}
		return text + "]}"
	}
	json := []string{"Content-Type", "application/fhir+json"}
	c := start(t, func(config *server.Config) { config.Bulk.PrivateInputs = true })
	m := c.finished(c.kickOff(http.MethodPost, "/$import", parameters(ehr.URL+"/packed.ndjson.gz", ehr.URL+"/Patient.ndjson", ehr.URL+"/none"), json...))
	if got := m.Extension; got["scored"] != 1 || got["stored"] != 2 || got["rejected"] != 2 {
		t.Errorf("counts %v", got)
	}
	if len(m.Output) != 3 || m.Output[1].InputURL != ehr.URL+"/Patient.ndjson" || m.Output[1].Count != 1 || m.Output[1].Type != "OperationOutcome" {
		t.Errorf("%+v", m.Output)
	}
	closed := start(t, nil)
	for _, url := range []string{ehr.URL, "https://127.0.0.1/x", "https://10.1.2.3/x", "http://example.org/x", "https://[::1]/x", "file:///etc/passwd", "https://u:p@example.org/"} {
		if resp, text := closed.exchange(http.MethodPost, "/$import", parameters(url), json...); resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", url, resp.StatusCode, text)
		}
	}
	// A name that leads to this machine is found out when it is connected to.
	m = closed.finished(closed.kickOff(http.MethodPost, "/$import", parameters("https://localhost:1/x"), json...))
	_, text := closed.exchange(http.MethodGet, m.Error[0].URL, "")
	if !bytes.Contains(text, []byte("not public")) {
		t.Errorf("%s", text)
	}
	for body, contentType := range map[string]string{"": "application/fhir+ndjson", "x": "text/plain", parameters(): "application/json", `{"resourceType":"Patient"}`: "application/json"} {
		if resp, text := closed.exchange(http.MethodPost, "/$import", body, "Content-Type", contentType); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d %s", body, resp.StatusCode, text)
		}
	}
}

func TestTheCapabilityStatementTellsOfBulkData(t *testing.T) {
	c := start(t, nil)
	_, text := c.exchange(http.MethodGet, "/metadata", "")
	var s struct {
		Instantiates []string
		Rest         []struct {
			Operation []struct{ Name, Definition string }
			Resource  []struct {
				Type      string
				Operation []struct{ Name, Definition string }
			}
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, o := range s.Rest[0].Operation {
		found[o.Name] = o.Definition
	}
	for _, r := range s.Rest[0].Resource {
		for _, o := range r.Operation {
			found[r.Type+"/"+o.Name] = o.Definition
		}
	}
	for name, definition := range map[string]string{"export": "export", "Patient/export": "patient-export", "Group/export": "group-export"} {
		if found[name] != "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"+definition {
			t.Errorf("%s is %q", name, found[name])
		}
	}
	if !slices.Contains(s.Instantiates, "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data") {
		t.Errorf("instantiates %v", s.Instantiates)
	}
}

// writeTokens writes a token file of lines `name tenant`, and returns the tokens.
func writeTokens(t *testing.T, file string, clients ...string) []string {
	t.Helper()
	var tokens, lines []string
	for _, client := range clients {
		name, tenant, _ := strings.Cut(client, " ")
		token, line := auth.NewToken(name, ref.Tenant(tenant))
		tokens, lines = append(tokens, token), append(lines, line)
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return tokens
}
