package fhir

import (
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// BenchmarkRead is the way of one PHQ-9 response from bytes to a draft.
func BenchmarkRead(b *testing.B) {
	raw, err := os.ReadFile("tree/testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	instruments, err := instrument.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	r := Reader{Instruments: instruments, Namer: ref.Namer{Home: "ehr"}}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		doc, err := tree.Parse(raw, tree.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(doc, "ehr"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeCheckBindScore is the way of one PHQ-9 response from bytes to its scores, held against its form.
func BenchmarkDecodeCheckBindScore(b *testing.B) {
	raw, err := os.ReadFile("tree/testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	instruments, err := instrument.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	def, err := instruments.Lookup("phq-9")
	if err != nil {
		b.Fatal(err)
	}
	r, f := Reader{Instruments: instruments, Namer: ref.Namer{Home: "ehr"}}, form.Of(def)
	b.ReportAllocs()
	for b.Loop() {
		doc, err := tree.Parse(raw, tree.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		reading, err := r.Read(doc, "ehr")
		if err != nil {
			b.Fatal(err)
		}
		left, issues := f.Check(*reading.Draft, form.Policy{Enforce: true})
		if len(issues) > 0 {
			b.Fatal(issues)
		}
		answered, _ := response.Bind(def, left)
		if sheet := score.Score(def, answered); sheet.Scores[0].NotScorable != "" {
			b.Fatal(sheet.Scores[0].NotScorable)
		}
	}
}
