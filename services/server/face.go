package server

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// proxies reads the networks of proxies.
func proxies(cidrs []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range cidrs {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies %q: want networks such as 10.0.0.0/8", text)
		}
		out = append(out, network)
	}
	return out, nil
}

// openFace learns whom FHIR REST believes, and of which tenants its index of searches lacks something.
func (s *Server) openFace(ctx context.Context) (err error) {
	if s.proxies, err = proxies(s.config.TrustedProxies); err != nil {
		return err
	}
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		left, err := s.store.Unmarked(ctx, t, 1)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			s.unfilled.Store(t, true)
		}
	}
	return nil
}

// filled says whether all of a tenant is in the index of searches. Until it is, searches read on instead: they find the
// same, slower.
func (s *Server) filled(t ref.Tenant) bool {
	_, lacks := s.unfilled.Load(t)
	return !lacks
}

// fillIndex enters what was stored before the index was there. What is interrupted goes on at the next start.
func (s *Server) fillIndex(ctx context.Context) {
	s.unfilled.Range(func(key, _ any) bool {
		t, ok := key.(ref.Tenant)
		if !ok {
			return true
		}
		n, err := s.ingest.FillIndex(ctx, s.store, s.store, t)
		switch {
		case err == nil:
			s.unfilled.Delete(t)
			s.config.Log.Info("the index of searches is filled", "tenant", t, "records", n)
		case ctx.Err() == nil:
			s.config.Log.Warn("the index of searches could not be filled; it will be tried again at the next start", "tenant", t, "error", err)
		}
		return ctx.Err() == nil
	})
}
