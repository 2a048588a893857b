package fhir_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/dialects/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, seed := range []string{
		`{"resourceType":"CareTeam","id":"t","subject":{"reference":"#p"},"period":{"end":"2026-01"},"participant":[{"member":{"reference":"CareTeam/u"},"role":[{"text":"PT"}]}]}`,
		`{"resourceType":"Goal","lifecycleStatus":"active","description":{"text":"x"},"subject":{"reference":"urn:uuid:1"},"startDate":"2026","target":[{"dueDuration":{"value":1,"unit":"wk"}}]}`,
		`{"resourceType":"Appointment","status":"cancelled","participant":[{"actor":{"reference":"Patient?identifier=a|b"},"status":"accepted"}],"start":"2026-01-01T00:00:00Z"}`,
		`{"resourceType":"EpisodeOfCare","status":"onhold","patient":{"reference":"Patient/1"},"statusHistory":[{"status":"active","period":{"start":"2026"}},{"status":"onhold","period":{"start":"2026-02-01"}}]}`,
		`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:app","code":"squat"}]},"subject":{"reference":"Patient/1"},"basedOn":[{"reference":"ServiceRequest/1"}],"effectiveDateTime":"2026-01-01","component":[{"code":{"coding":[{"system":"http://snomed.info/sct","code":"7771000"}]},"valueQuantity":{"value":3,"code":"{sets}"}}]}`,
		`{"resourceType":"ServiceRequest","status":"on-hold","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"229065009"}]},"subject":{"reference":"Patient/1"},"occurrenceTiming":{"event":["2026-01-01"],"repeat":{"count":3,"timeOfDay":["08:00:00"]}}}`,
		`{"resourceType":"Patient","birthDate":"2000-02-29","_birthDate":{"id":"a"}}`,
		`{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"#q","subject":{"identifier":{"system":"a","value":"b"}},"contained":[{"resourceType":"Questionnaire","id":"q","item":[{"linkId":"a","code":[{"code":"c"}]}]}],"item":[{"linkId":"a","definition":"http://loinc.org/x","answer":[{"valueQuantity":{"value":1}}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	r := newReader(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := tree.Parse(raw, tree.Limits{Values: 5_000})
		if err != nil {
			return
		}
		before := bytes.Clone(doc.Raw())
		readOne(t, r, doc)
		if b, err := fhir.ReadBundle(doc); err == nil {
			taken := b.Take("ehr", true, nil)
			targets := b.Targets(taken)
			for n, e := range b.Entries {
				if e.Resource == nil {
					continue
				}
				settled, err := e.Settled(taken[n], targets)
				if err != nil {
					t.Fatalf("what was read cannot be read once it has its id: %v", err)
				}
				readOne(t, r, settled)
			}
		}
		if !bytes.Equal(before, doc.Raw()) {
			t.Fatal("reading changed the bytes")
		}
	})
}

// readOne reads a document and checks what must hold of every reading.
func readOne(t *testing.T, r *fhir.Reader, doc *tree.Doc) {
	got, err := r.Read(doc, "ehr")
	if err != nil {
		if len(fault.IssuesOf(err)) == 0 || !fault.Any(fault.IssuesOf(err)) {
			t.Fatalf("refused without a reason: %v", err)
		}
		return
	}
	if fault.Any(got.Issues) {
		t.Fatalf("errors in a reading: %v", got.Issues)
	}
	if (len(got.Facts) > 0 || got.Draft != nil) && !got.Subject.Known() {
		t.Fatalf("facts about nobody: %+v", got)
	}
	if got.Void && len(got.Facts) > 0 {
		t.Fatalf("facts of what is void: %+v", got)
	}
	for _, f := range got.Facts {
		check(t, f)
	}
}

func check(t *testing.T, f fact.Fact) {
	set := 0
	for _, is := range []bool{f.Scores != nil, f.Exercise != nil, f.Prescription != nil, f.Visit != nil, f.Team != nil, f.Goal != nil, f.Measure != nil, f.Course != nil, f.Death != nil} {
		if is {
			set++
		}
	}
	if set != 1 || f.At.Location() != time.UTC {
		t.Fatalf("%+v", f)
	}
	if e := f.Exercise; e != nil && (len(e.Parts) > fact.MaxParts || e.Done < 0 || e.Minutes < 0 || e.Percent != nil && e.Partial) {
		t.Fatalf("a log that cannot be: %+v", e)
	}
	if v := f.Visit; v != nil && (v.Minutes < 0 || v.Late && v.Cancelled.IsZero() || len(v.Clinicians) == 1) {
		t.Fatalf("a visit that cannot be: %+v", v)
	}
	if p := f.Prescription; p != nil && (p.Sessions <= 0 || p.PeriodDays <= 0) {
		t.Fatalf("a prescription of nothing: %+v", p)
	}
}

func FuzzInterval(f *testing.F) {
	for _, seed := range []string{"2026", "2026-02", "2026-02-30", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00.123456789+05:30", "2016-12-31T23:59:60Z", "0000-01-01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := []byte(`{"a":"` + text + `"}`)
		doc, err := tree.Parse(quoted, tree.Limits{})
		if err != nil {
			return
		}
		from, to, ok := fhir.Interval(doc.Root().Child("a"), time.UTC)
		if ok && !to.After(from) {
			t.Fatalf("%q: from %v to %v", text, from, to)
		}
		if want, err := time.Parse(time.RFC3339Nano, doc.Root().Child("a").Text()); err == nil && ok && !from.Equal(want) {
			t.Fatalf("%q: %v, not %v", text, from, want)
		}
	})
}
