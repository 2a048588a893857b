package fhir

import (
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
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
