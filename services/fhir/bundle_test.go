package fhir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

func readBundle(t testing.TB, body string, wanted ...string) (fhir.Bundle, error) {
	t.Helper()
	doc, err := tree.Parse([]byte(body), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return fhir.ReadBundle(doc, wanted...)
}

func TestATransactionOfALaboratoryPopulationIsReadAsOneWhole(t *testing.T) {
	b, err := readBundle(t, dialect(t, "synthea-bundle.json"), "transaction", "batch")
	if err != nil {
		t.Fatal(err)
	}
	taken := b.Take("synthea", false, nil)
	targets := b.Targets(taken)
	const id = "3f0c1c5e-0000-4000-8000-00000000000"
	// The Patient has an id of its own; the others are known by their Bundle, for another one may mean others by these names.
	want := map[string]string{"urn:uuid:" + id + "1": "Patient/" + id + "1", "urn:uuid:" + id + "2": "Observation/" + taken[1].ID, "urn:uuid:" + id + "3": "Encounter/" + taken[2].ID}
	if !taken[1].Given || taken[1].ID == taken[2].ID || strings.Contains(taken[1].ID, id) {
		t.Errorf("%+v", taken)
	}
	if diff := cmp.Diff(want, targets); diff != "" {
		t.Error(diff)
	}
	var got []string
	for n, e := range b.Entries {
		if e.Method != "POST" || e.URL != e.Type() || len(e.Issues) != 0 {
			t.Errorf("%+v", e)
		}
		doc, err := e.Settled(taken[n], targets)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newReader(t).Read(doc, "synthea")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Path+" "+r.Type+" "+r.Subject.Logical+" "+r.Subject.Path+" "+facts(t, r))
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], "Bundle.entry[0] Patient "+id+"1 Bundle.entry[0].resource") ||
		!strings.HasPrefix(got[1], "Bundle.entry[1] Observation "+id+"1 Bundle.entry[1].resource.subject 2026-02-11T14:31:00Z scores") ||
		!strings.Contains(got[2], `"clinician":"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999999999"`) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestAnEntryIsKnownByItsIDOrItsFullURL(t *testing.T) {
	b, err := readBundle(t, `{"resourceType":"Bundle","type":"collection","entry":[
		{"fullUrl":"https://h.example/fhir/Patient/1","resource":{"resourceType":"Patient"}},
		{"fullUrl":"urn:uuid:7","resource":{"resourceType":"Patient","id":"own"}},
		{"fullUrl":"https://h.example/fhir/Device/1","resource":{"resourceType":"Patient"}},
		{"resource":{"resourceType":"Patient","id":"bare"}},
		{"fullUrl":"https://h.example/fhir/Patient/2"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range b.Entries {
		ids = append(ids, e.LogicalID())
	}
	if diff := cmp.Diff([]string{"1", "own", "", "bare", ""}, ids); diff != "" {
		t.Error(diff)
	}
	taken := b.Take("ehr", false, nil)
	want := map[string]string{
		"https://h.example/fhir/Patient/1": "Patient/1", "urn:uuid:7": "Patient/own", "https://h.example/fhir/Device/1": "Patient/" + taken[2].ID,
	}
	if diff := cmp.Diff(want, b.Targets(taken)); diff != "" {
		t.Error(diff)
	}
}

func TestABrokenEntrySpoilsOnlyItself(t *testing.T) {
	b, err := readBundle(t, `{"resourceType":"Bundle","type":"batch","entry":[
		{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"POST","url":"Patient"}},
		"nothing",
		{"resource":{"resourceType":"Patient"}},
		{"resource":{"resourceType":"Patient"},"request":{"method":"SEND","url":"Patient"}},
		{"request":{"method":"PUT","url":"Patient/1"}},
		{"resource":["x"],"request":{"method":"POST","url":"Patient"}},
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|b","ifMatch":"W/\"3\""}},
		{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
		{"request":{"method":"GET","url":"Patient/1"}},
		{"fullUrl":"https://h.example/Patient/1/_history/2","request":{"method":"DELETE","url":"Patient/1"}},
		{"resource":{"resourceType":"Patient","id":"a b"},"request":{"method":"POST","url":"Patient"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"", "error structure Bundle.entry[1]", "error required Bundle.entry[2]", "error code-invalid Bundle.entry[3].request.method",
		"error required Bundle.entry[4]", "error structure Bundle.entry[5].resource\nerror required Bundle.entry[5]", "",
		"error duplicate Bundle.entry[7].fullUrl", "", "warning invariant Bundle.entry[9].fullUrl", "",
	}
	var got []string
	for _, e := range b.Entries {
		got = append(got, issues(e.Issues))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := b.Entries[6]; e.IfNoneExist != "identifier=a|b" || e.IfMatch != `W/"3"` {
		t.Errorf("%+v", e)
	}
	_, err = newReader(t).Read(b.Entries[10].Resource, "ehr")
	if list := fault.IssuesOf(err); len(list) != 1 || list[0].Path != "Bundle.entry[10].resource.id" {
		t.Errorf("%v", err)
	}
}

func TestABundleOfTheWrongKindIsRefused(t *testing.T) {
	for _, c := range []struct {
		body, wanted string
		kind         fault.Kind
	}{
		{`{"resourceType":"Patient"}`, "batch", fault.Invalid},
		{`{"resourceType":"Bundle"}`, "batch", fault.Invalid},
		{`{"resourceType":"Bundle","type":"parcel"}`, "batch", fault.Invalid},
		{`{"resourceType":"Bundle","type":"batch","entry":{"a":1}}`, "batch", fault.Invalid},
		{`{"resourceType":"Bundle","type":"history"}`, "batch", fault.NotSupported},
		{`{"resourceType":"Bundle","type":"batch-response"}`, "", fault.NotSupported},
	} {
		var wanted []string
		if c.wanted != "" {
			wanted = []string{c.wanted}
		}
		if _, err := readBundle(t, c.body, wanted...); fault.Of(err) != c.kind {
			t.Errorf("%s: %v", c.body, err)
		}
	}
	for _, typ := range []string{"transaction", "batch", "collection", "history", "searchset", "message", "document"} {
		if b, err := readBundle(t, `{"resourceType":"Bundle","type":"`+typ+`"}`); err != nil || b.Type != typ || len(b.Entries) != 0 {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestVersionsOfOneResourceMayShareAFullURL(t *testing.T) {
	const entry = `{"fullUrl":"https://h.example/Patient/1","resource":{"resourceType":"Patient","id":"1"},"request":{"method":"PUT","url":"Patient/1"},"response":{"status":"200"}}`
	b, err := readBundle(t, `{"resourceType":"Bundle","type":"history","entry":[`+entry+`,`+entry+`]}`)
	if err != nil || len(b.Entries[1].Issues) != 0 {
		t.Errorf("%v %v", err, b.Entries)
	}
}

// tenThousand is a Bundle of 10,000 PHQ-9 responses.
func tenThousand(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i := range 10_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":"urn:uuid:%d","request":{"method":"POST","url":"QuestionnaireResponse"},"resource":{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"http://loinc.org/q/44249-1","authored":"2026-01-05","subject":{"reference":"Patient/%d"},"item":[`, i, i%500)
		for j := range 9 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"linkId":"%d","answer":[{"valueInteger":%d}]}`, j, (i+j)%4)
		}
		b.WriteString(`]}}`)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func TestTenThousandEntriesAreReadWhole(t *testing.T) {
	doc, err := tree.Parse(tenThousand(t), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := fhir.ReadBundle(doc, "transaction")
	if err != nil || len(b.Entries) != 10_000 || len(b.Targets(b.Take("ehr", false, nil))) != 10_000 {
		t.Fatalf("%d entries, %v", len(b.Entries), err)
	}
	r := newReader(t)
	for i, e := range b.Entries {
		got, err := r.Read(e.Resource, "ehr")
		if err != nil || got.Draft == nil || got.Subject.Logical != fmt.Sprint(i%500) {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	last := b.Entries[9_999].Resource.Root().Child("item").At(8).Path()
	if last != "Bundle.entry[9999].resource.item[8]" {
		t.Error(last)
	}
}

func BenchmarkBundleOfTenThousand(b *testing.B) {
	raw := tenThousand(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		doc, err := tree.Parse(raw, tree.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fhir.ReadBundle(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEntry compares cutting a resource out of a parsed Bundle with parsing it again.
func BenchmarkEntry(b *testing.B) {
	doc, err := tree.Parse(tenThousand(b), tree.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	n := doc.Root().Child("entry").At(5_000).Child("resource")
	b.Run("cut", func(b *testing.B) {
		for b.Loop() {
			doc.Sub(n)
		}
	})
	b.Run("parsed again", func(b *testing.B) {
		for b.Loop() {
			if _, err := tree.Parse(n.Raw(), tree.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
