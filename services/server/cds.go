package server

import (
	"net/http"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/cds"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// openCDS lets CDS Hooks in at its prefix.
func (s *Server) openCDS(mux *routes) error {
	c := cds.Default()
	c.Store, c.Commands = s.entrance.guard, s.group
	c.Caller = func(r *http.Request) (access.Principal, error) { return auth.From(r.Context()) }
	c.Source, c.Namer = s.config.Home, ref.Namer{Home: s.config.Home}
	c.BoardURL, c.Origins = s.config.BoardURL, s.config.Origins
	c.Now, c.Log = s.config.Now, s.config.Log
	cards, err := cds.New(c)
	if err != nil {
		return err
	}
	mux.mount(cards, cds.Routes, cds.Prefix, cds.Prefix+"/")
	return nil
}
