package path

import "testing"

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(typicalTotal); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluateATypicalTotal(b *testing.B) {
	e, err := Compile(typicalTotal)
	if err != nil {
		b.Fatal(err)
	}
	in := Input{Resource: read(b, moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1)), Questionnaire: readForm(b, moodForm(typicalTotal))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Evaluate(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// From the bytes of a response to its computed total.
func BenchmarkFormulasOfAResponse(b *testing.B) {
	f := load(b, moodForm(typicalTotal))
	raw := []byte(moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Evaluate(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

// With the dry run on full responses.
func BenchmarkLoad(b *testing.B) {
	raw := []byte(moodForm(typicalTotal))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(b.Context(), raw, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkModel(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if len(readModel(r4).types) < 600 {
			b.Fatal("types are missing")
		}
	}
}
