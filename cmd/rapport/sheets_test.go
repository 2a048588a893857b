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
		said := []string{def.Title, "Items", "Sources"}
		for i := range def.Scores {
			said = append(said, "Score "+def.Scores[i].Code)
		}
		rapport(t, "instruments", def.ID).want(t, exitDone, said...)
	}
}
