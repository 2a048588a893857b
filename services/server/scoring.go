package server

import (
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/scoring"
)

// Scoring is the scoring room by itself, for commands that score without a server: with what ships and what a folder adds;
// an empty path adds nothing. Errors: Invalid with every fault of the folder.
func Scoring(folder string) (*scoring.Server, error) {
	loaded, err := catalogue.Open(folder)
	if err != nil {
		return nil, err
	}
	c := Default()
	namer := ref.Namer{Home: c.Home}
	return &scoring.Server{
		Library: catalogue.NewLibrary(loaded, nil, namer, c.Now), Reader: &fhir.Reader{Instruments: loaded, Namer: namer}, Home: c.Home,
	}, nil
}

// scoring is the scoring room of the server.
func (s *Server) scoring() *scoring.Server {
	return &scoring.Server{Library: s.library, Reader: s.reader, Home: s.config.Home}
}
