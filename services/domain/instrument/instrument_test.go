package instrument_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

func TestEveryBuiltInPackLoads(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.All() {
		t.Log(d.ID, d.Version, d.Hash, d.Unconfirmed, len(d.Doubts), d.Canonicals)
	}
}
