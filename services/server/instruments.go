package server

import (
	"context"
	"fmt"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// openInstruments takes the instruments in force, unless one of them was changed under its version since it was in force
// in this database: then scores that carry the same name would not mean the same.
func (s *Server) openInstruments(ctx context.Context) (err error) {
	if s.catalogue = s.config.Catalogue; s.catalogue == nil {
		if s.catalogue, err = catalogue.Open(s.config.Instruments); err != nil {
			return fmt.Errorf("--instruments: %w", err)
		}
	}
	definitions, err := definitionsOf(s.catalogue.Registry())
	if err != nil {
		return err
	}
	contradicted, err := s.store.KeepDefinitions(ctx, store.ServerWide, definitions)
	if err != nil {
		return err
	}
	return changedUnderVersion(contradicted)
}

func definitionsOf(r *instrument.Registry) ([]store.Definition, error) {
	var definitions []store.Definition
	for _, d := range r.Versions() {
		body, err := d.Body()
		if err != nil {
			return nil, err
		}
		definitions = append(definitions, store.Definition{ID: d.ID, Version: d.Version, Hash: d.Hash, Body: body})
	}
	return definitions, nil
}

// changedUnderVersion names every definition that is not what it was.
func changedUnderVersion(contradicted []store.Definition) error {
	if len(contradicted) == 0 {
		return nil
	}
	issues := make([]fault.Issue, len(contradicted))
	for n, d := range contradicted {
		issues[n] = fault.Errorf("conflict", fmt.Sprintf("%s|%s", d.ID, d.Version),
			"the definition of %s was changed, but is version %s still, by which responses in this database were scored: "+
				"give the changed definition a higher version, then run `rapport rescore`", d.ID, d.Version)
	}
	return fault.New(fault.Precondition, issues...)
}

// Definition is the one by which something of a tenant was scored, if it is in force or was fetched before; else nil.
func (s *Server) Definition(t ref.Tenant, id, version string) *instrument.Definition {
	if d, err := s.catalogue.Lookup(id + "|" + version); err == nil {
		return d
	}
	for _, of := range []ref.Tenant{t, store.ServerWide} {
		if d, ok := s.former.Load(former{of, id, version}); ok {
			return d.(*instrument.Definition)
		}
	}
	return nil
}

// former names a definition that is only kept.
type former struct {
	tenant      ref.Tenant
	id, version string
}

// FetchDefinition brings one that is only kept from the store, once: of a former version, or of a form that a system of
// the tenant has sent. It is nil when it is not known.
func (s *Server) FetchDefinition(ctx context.Context, t ref.Tenant, id, version string) (*instrument.Definition, error) {
	if d := s.Definition(t, id, version); d != nil {
		return d, nil
	}
	for _, of := range []ref.Tenant{t, store.ServerWide} {
		kept, err := s.store.KeptDefinition(ctx, of, id, version)
		switch {
		case err != nil && fault.Of(err) == fault.NotFound:
			continue
		case err != nil:
			return nil, err
		}
		if d := instrument.Restore(kept.Body, kept.Hash); d != nil {
			s.former.Store(former{of, id, version}, d)
			return d, nil
		}
	}
	return nil, nil
}

// Definitions are those in force.
func (s *Server) Definitions(ref.Tenant) []*instrument.Definition { return s.catalogue.All() }
