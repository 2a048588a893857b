package simulate_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/rapport-health/rapport/services/simulate"
)

func TestALoadResponseIsAWholePHQ9OfRealisticSize(t *testing.T) {
	at := simulate.Default().Start
	positive := 0
	for seq := range 1000 {
		body := simulate.PHQ9("p0001", at, seq)
		strict(t, body)
		var r resource
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		values := r.ordinals("phq-9")
		total := *r.Item[len(r.Item)-1].Answer[0].ValueDecimal
		if len(values) != 9 || sum(values) != total || r.Subject.Reference != "Patient/p0001" || !r.Authored.Equal(at) {
			t.Fatalf("response %d: %s", seq, body)
		}
		if values[8] > 0 {
			positive++
		}
		if len(body) < 2500 || len(body) > 2750 {
			t.Fatalf("response %d has %d bytes", seq, len(body))
		}
	}
	if positive < 5 || positive > 50 {
		t.Errorf("%d of 1,000 answer item 9 above zero, want about 20", positive)
	}
}

func TestALoadResponseIsTheSameForTheSameArguments(t *testing.T) {
	at := simulate.Default().Start
	if !bytes.Equal(simulate.PHQ9("a", at, 1), simulate.PHQ9("a", at, 1)) {
		t.Error("two calls differ")
	}
	if bytes.Equal(simulate.PHQ9("a", at, 1), simulate.PHQ9("a", at, 2)) {
		t.Error("two sequence numbers give the same response")
	}
}

func TestAStrangePatientNameStaysJSON(t *testing.T) {
	strict(t, simulate.PHQ9("a\"\\\n\u00e9", simulate.Default().Start, 1))
}

func BenchmarkPHQ9(b *testing.B) {
	b.ReportAllocs()
	at := simulate.Default().Start
	for i := 0; b.Loop(); i++ {
		simulate.PHQ9("p0001", at, i)
	}
}
