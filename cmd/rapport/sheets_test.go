package main

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

func TestEveryInstrumentHasAScoringSheet(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range r.All() {
		said := []string{def.ID + "  version " + def.Version, "ITEMS", "SOURCES"}
		for i := range def.Scores {
			said = append(said, "SCORE "+def.Scores[i].Code)
		}
		rapport(t, "instruments", def.ID).want(t, exitDone, said...)
	}
}
