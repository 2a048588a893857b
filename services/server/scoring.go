package server

import (
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/scoring"
)

// Scoring is the scoring room by itself, for commands that score without a server.
func Scoring() (*scoring.Server, error) {
	instruments, err := instrument.Builtin()
	if err != nil {
		return nil, err
	}
	reader := &fhir.Reader{Instruments: instruments, Namer: ref.Namer{Home: Default().Home}}
	return &scoring.Server{Instruments: instruments, Reader: reader}, nil
}
