package catalogue

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// FuzzFolder holds that any file is taken or refused with a place for each fault, and never panics.
func FuzzFolder(f *testing.F) {
	builtin, err := instrument.Builtin()
	if err != nil {
		f.Fatal(err)
	}
	var few []instrument.Entry // all of them take too long for each input
	for _, e := range builtin.Entries() {
		if e.ID == "phq-9" || e.ID == "k10" {
			few = append(few, e)
		}
	}
	for _, name := range []string{"clinic.yaml", "mood.json", "sleep-diary.json"} {
		text, err := os.ReadFile("testdata/clinic/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, name[len(name)-4:] == "yaml")
	}
	for _, text := range []string{"instruments: {phq-9: ~}", "sources: [a]", "? [a]\n: b", "a: &x [*x]", "instruments:\n  phq-9: {scores: {total: {bands: 1}}}", "sources: {ehr: {questionnaires: {q: ~}, unnamed: ~}}"} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, isYAML bool) {
		if len(text) > 8<<10 {
			return // a form of many formulas is tried for seconds
		}
		name := "a.json"
		if isYAML {
			name = "a.yaml"
		}
		l := &loader{Catalogue: newCatalogue(), entries: few}
		err := l.read(fstest.MapFS{name: {Data: text}})
		if err == nil {
			l.settle()
			err = l.fault()
		}
		if err == nil {
			return
		}
		if fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) == 0 {
			t.Fatal(err)
		}
		for _, issue := range fault.IssuesOf(err) {
			if issue.Path == "" || issue.Text == "" {
				t.Fatalf("an issue that says nothing: %+v", issue)
			}
		}
	})
}
