package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/testbed"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is one official example and what became of it.
type example struct {
	file, typ string
	body      []byte
	result    *rapportv1.Result
}

func TestTheOfficialExamplesAreScoredStoredOrRefusedForAReason(t *testing.T) {
	var got strings.Builder
	got.WriteString(tableHead)
	for _, p := range []struct{ name, files string }{
		{"hl7.fhir.r4.examples", "*.json"},
		{"hl7.fhir.uv.sdc", "example/*.json"},
	} {
		folder := testbed.Examples(t, p.name)
		bundles, single := examples(t, filepath.Join(folder, p.files))
		title := p.name + " " + packageVersion(t, folder)
		t.Run(p.name, func(t *testing.T) { trySingle(t, &got, title+", resources one by one", single) })
		t.Run(p.name+" in Bundles", func(t *testing.T) { tryBundles(t, &got, title+", Bundles", bundles) })
	}
	const golden = "testdata/examples.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("what becomes of the examples has changed; look at the difference, then run with -update (-want +got):\n%s", diff)
	}
}

// trySingle sends resources one by one to a fresh server, reads them back, enters what became of them, and sends all
// again.
func trySingle(t *testing.T, into *strings.Builder, title string, all []*example) {
	c := start(t, nil)
	c.sendExamples(all)
	for _, e := range all {
		explainedWell(t, e.file, e.result)
		c.readBack(t, e)
	}
	c.listsNobody()
	into.WriteString("\n" + title + "\n" + tabulate(all).String())
	again := unsent(all)
	c.sendExamples(again)
	for n, e := range again {
		replayed(t, e.file, all[n].result, e.result)
	}
}

// otherServer is an Observation that one Bundle has twice, from two servers: as sent by one source they are two
// versions of one resource, so each is news after the other.
const otherServer = "Observation/14"

// tryBundles does so with Bundles, each sent again right away, for different Bundles hold different versions of the same
// resources.
func tryBundles(t *testing.T, into *strings.Builder, title string, all []*example) {
	c := start(t, nil)
	for n := range all {
		one := all[n : n+1]
		c.sendExamples(one)
		explainedWell(t, one[0].file, one[0].result)
		again := unsent(one)
		c.sendExamples(again)
		replayed(t, one[0].file, one[0].result, again[0].result)
	}
	into.WriteString("\n" + title + "\n" + tabulate(all).String())
}

func unsent(all []*example) []*example {
	again := make([]*example, len(all))
	for n, e := range all {
		again[n] = &example{file: e.file, typ: e.typ, body: e.body}
	}
	return again
}

// listsNobody checks that people are not among what could not be used.
func (c *clinic) listsNobody() {
	c.t.Helper()
	resp, err := c.outcomes.ListUnscored(c.t.Context(), &rapportv1.ListUnscoredRequest{PageSize: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, u := range resp.GetUnscored() {
		switch typ, _, _ := strings.Cut(u.GetReference(), "/"); typ {
		case "Patient", "Practitioner", "PractitionerRole", "RelatedPerson":
			c.t.Errorf("%s, which is kept for reference, is listed as unscored", u.GetReference())
		}
	}
}

// examples are the files that hold a FHIR resource, Bundles apart.
func examples(t *testing.T, pattern string) (bundles, single []*example) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files %s: %v", pattern, err)
	}
	for _, file := range files {
		if filepath.Base(file) == "package.json" {
			continue // of npm
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := &example{file: filepath.Base(file), typ: typeOf(t, body), body: body}
		if e.typ == "Bundle" {
			bundles = append(bundles, e)
		} else {
			single = append(single, e)
		}
	}
	return bundles, single
}

func typeOf(t *testing.T, body []byte) string {
	t.Helper()
	var resource struct{ ResourceType string }
	if err := json.Unmarshal(body, &resource); err != nil {
		t.Fatal(err)
	}
	return resource.ResourceType
}

func packageVersion(t *testing.T, folder string) string {
	t.Helper()
	var about struct{ Version string }
	body, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err == nil {
		err = json.Unmarshal(body, &about)
	}
	if err != nil || about.Version == "" {
		t.Fatalf("package.json says no version: %v", err)
	}
	return about.Version
}

// sendExamples ingests over gRPC from the home source, some MiB at once, and keeps each result.
func (c *clinic) sendExamples(all []*example) {
	c.t.Helper()
	const most, items = 4 << 20, 200
	for len(all) > 0 {
		size, n := 0, 0
		var bodies []string
		for n < len(all) && n < items && (n == 0 || size+len(all[n].body) <= most) {
			bodies, size = append(bodies, string(all[n].body)), size+len(all[n].body)
			n++
		}
		results := c.send(bodies...)
		if len(results) != n {
			c.t.Fatalf("%d results for %d items", len(results), n)
		}
		for i, r := range results {
			all[i].result = r
		}
		all = all[n:]
	}
}

// explainedWell checks that a result is one of the four outcomes, that it has a reference when stored, and reasons
// when not scored, those of a refusal located.
func explainedWell(t *testing.T, name string, r *rapportv1.Result) {
	t.Helper()
	refused := r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED
	bundle := len(r.GetEntries()) > 0
	switch r.GetOutcome() {
	case rapportv1.Outcome_OUTCOME_SCORED, rapportv1.Outcome_OUTCOME_STORED, rapportv1.Outcome_OUTCOME_UNCHANGED:
		if r.GetReference() == "" && !bundle {
			t.Errorf("%s ended as %v without a reference", name, r.GetOutcome())
		}
	case rapportv1.Outcome_OUTCOME_REJECTED:
		if r.GetReference() != "" {
			t.Errorf("%s was refused and is %s", name, r.GetReference())
		}
	default:
		t.Errorf("%s ended as %v", name, r.GetOutcome())
	}
	for i, e := range r.GetEntries() {
		explainedWell(t, fmt.Sprintf("%s, entry %d", name, i), e)
	}
	if bundle {
		return // its entries say why
	}
	if len(r.GetIssues()) == 0 && (refused || r.GetOutcome() == rapportv1.Outcome_OUTCOME_STORED) {
		t.Errorf("%s ended as %v without a reason", name, r.GetOutcome())
	}
	wrong := false
	for _, i := range r.GetIssues() {
		wrong = wrong || i.GetCode() == "suppressed" || i.GetSeverity() == rapportv1.IssueSeverity_ISSUE_SEVERITY_ERROR
		if i.GetText() == "" || i.GetCode() == "" || i.GetExpression() == "" {
			t.Errorf("%s has an issue without a code, a text or a place: %v", name, i)
		}
	}
	if wrong != refused {
		t.Errorf("%s ended as %v with %v", name, r.GetOutcome(), r.GetIssues())
	}
}

// replayed checks the result of sending the same again: what was taken is unchanged, what was refused is so again.
func replayed(t *testing.T, name string, first, second *rapportv1.Result) {
	t.Helper()
	if len(first.GetEntries()) != len(second.GetEntries()) {
		t.Errorf("%s has %d entries, at first %d", name, len(second.GetEntries()), len(first.GetEntries()))
		return
	}
	twoServers := false
	for i, e := range first.GetEntries() {
		replayed(t, fmt.Sprintf("%s, entry %d", name, i), e, second.GetEntries()[i])
		twoServers = twoServers || unversioned(e) == otherServer
	}
	want := rapportv1.Outcome_OUTCOME_UNCHANGED
	switch {
	case first.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED:
		want = rapportv1.Outcome_OUTCOME_REJECTED
	case twoServers || unversioned(first) == otherServer:
		want = rapportv1.Outcome_OUTCOME_STORED
	}
	if second.GetOutcome() != want || unversioned(second) != unversioned(first) {
		t.Errorf("%s, sent again, ended as %v as %s with %v; at first as %v as %s", name, second.GetOutcome(), second.GetReference(),
			second.GetIssues(), first.GetOutcome(), first.GetReference())
	}
}

func unversioned(r *rapportv1.Result) string {
	resource, _, _ := strings.Cut(r.GetReference(), "/_history/")
	return resource
}

// readBack checks that FHIR REST gives what was sent, every number as it was written.
func (c *clinic) readBack(t *testing.T, e *example) {
	t.Helper()
	if e.result.GetReference() == "" {
		return
	}
	resp, err := http.Get("http://" + c.HTTPAddr() + "/fhir/" + e.result.GetReference())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	served, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("reading %s: %d %v", e.result.GetReference(), resp.StatusCode, err)
		return
	}
	if sent, got := unstamped(t, e.body), unstamped(t, served); !reflect.DeepEqual(sent, got) {
		t.Errorf("%s reads back with differences (-sent +served):\n%s", e.file, cmp.Diff(sent, got))
	}
}

func TestTheOfficialExampleOfHardNumbersReadsBackAsItWasWritten(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(testbed.Examples(t, "hl7.fhir.r4.examples"), "Observation-decimal.json"))
	if err != nil {
		t.Fatal(err)
	}
	// As published it is about nobody, for which it is refused.
	body = bytes.Replace(body, []byte("{"), []byte(`{"subject":{"reference":"Patient/example"},`), 1)
	e := &example{file: "Observation-decimal.json, about a patient", typ: "Observation", body: body}
	c := start(t, nil)
	c.sendExamples([]*example{e})
	if e.result.GetOutcome() != rapportv1.Outcome_OUTCOME_STORED || !bytes.Contains(body, []byte("E-245")) {
		t.Errorf("ended as %v", e.result)
	}
	c.readBack(t, e)
}

// unstamped is a resource without what a server stamps on it; numbers stay text.
func unstamped(t *testing.T, body []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var resource map[string]any
	if err := decoder.Decode(&resource); err != nil {
		t.Fatal(err)
	}
	if meta, ok := resource["meta"].(map[string]any); ok {
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		if len(meta) == 0 {
			delete(resource, "meta")
		}
	}
	return resource
}
