package storetest

import (
	"sync"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

func keep(t testing.TB, s Store, tenant ref.Tenant, of ...store.Definition) []store.Definition {
	t.Helper()
	contradicted, err := s.KeepDefinitions(t.Context(), tenant, of)
	if err != nil {
		t.Fatalf("keeping definitions: %v", err)
	}
	return contradicted
}

func kept(t testing.TB, s Store, tenant ref.Tenant, id, version string) store.Definition {
	t.Helper()
	d, err := s.KeptDefinition(t.Context(), tenant, id, version)
	if err != nil {
		t.Fatalf("reading %s %s: %v", id, version, err)
	}
	return d
}

// key is a definition.
func key(id, version, hash string) store.Definition {
	return store.Definition{ID: id, Version: version, Hash: hash, Body: []byte(`{"id":"` + id + `","is":"` + hash + `"}`)}
}

var definitionPromises = []promise{
	{"a definition is kept with its body, by tenant", func(t *testing.T, e Engine) {
		s := e.Open(t)
		all, mine := key("phq-9", "1.0.0", "a"), key("phq-9", "1.0.0", "b")
		keep(t, s, store.ServerWide, all, key("gad-7", "1.0.0", "c"))
		keep(t, s, clinic, mine)
		same(t, "of the server", kept(t, s, store.ServerWide, "phq-9", "1.0.0"), all)
		same(t, "of the tenant", kept(t, s, clinic, "phq-9", "1.0.0"), mine)
		tenants, err := s.Tenants(t.Context())
		if err != nil || len(tenants) != 0 {
			t.Errorf("tenants %v, %v", tenants, err)
		}
	}},
	{"a definition that is kept already is kept once, and a new version beside it", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, second := key("phq-9", "1.0.0", "a"), key("phq-9", "1.1.0", "b")
		for range 2 {
			same(t, "contradicted", keep(t, s, store.ServerWide, first, second), []store.Definition(nil))
		}
		same(t, "first", kept(t, s, store.ServerWide, "phq-9", "1.0.0"), first)
		same(t, "second", kept(t, s, store.ServerWide, "phq-9", "1.1.0"), second)
	}},
	{"a definition that is changed under its version is contradicted, and nothing beside it is kept", func(t *testing.T, e Engine) {
		s := e.Open(t)
		first, pain := key("phq-9", "1.0.0", "a"), key("peg", "1.0.0", "p")
		keep(t, s, store.ServerWide, first, pain)
		got := keep(t, s, store.ServerWide, key("gad-7", "1.0.0", "x"), key("phq-9", "1.0.0", "other"), key("peg", "1.0.0", "q"))
		same(t, "contradicted", got, []store.Definition{pain, first})
		same(t, "as it was", kept(t, s, store.ServerWide, "phq-9", "1.0.0"), first)
		_, err := s.KeptDefinition(t.Context(), store.ServerWide, "gad-7", "1.0.0")
		failsWith(t, err, fault.NotFound)
	}},
	{"what is not kept is not found, and what cannot be kept is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, id := range []string{"phq-9", "", "\x00"} {
			_, err := s.KeptDefinition(t.Context(), store.ServerWide, id, "1.0.0")
			failsWith(t, err, fault.NotFound)
		}
		for _, bad := range [][]store.Definition{
			{key("", "1", "a")}, {key("a", "", "a")}, {key("a", "1", "")}, {key("a\x00", "1", "a")}, {key("a", "1", "a"), key("a", "1", "a")},
		} {
			_, err := s.KeepDefinitions(t.Context(), store.ServerWide, bad)
			failsWith(t, err, fault.Unprocessable)
		}
		same(t, "none", keep(t, s, store.ServerWide), []store.Definition(nil))
	}},
	{"of servers that bring contradicting definitions at once one wins", func(t *testing.T, e Engine) {
		s := e.Open(t)
		servers := []Store{s, s}
		if e.Another != nil {
			servers[1] = e.Another(t, s)
		}
		lost := make(chan store.Definition, 8)
		var starting sync.WaitGroup
		for n := range 8 {
			starting.Go(func() {
				hash := string(rune('a' + n))
				contradicted, err := servers[n%2].KeepDefinitions(t.Context(), store.ServerWide,
					[]store.Definition{key("z", "1.0.0", "same"), key("phq-9", "1.0.0", hash)})
				if err != nil {
					t.Error(err)
				}
				for _, d := range contradicted {
					lost <- d
				}
			})
		}
		starting.Wait()
		close(lost)
		winner, losers := kept(t, s, store.ServerWide, "phq-9", "1.0.0"), 0
		for d := range lost {
			losers++
			same(t, "what the losers are told", d, winner)
		}
		if losers != 7 {
			t.Errorf("%d of 8 lost", losers)
		}
	}},
}
