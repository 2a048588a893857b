package auth

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// ringed are one client and the keys that were made.
type ringed struct {
	oneClient
	keys []store.SigningKey
}

func (r *ringed) KeepSigningKey(_ context.Context, k store.SigningKey, _ time.Time) error {
	r.keys = append(r.keys, k)
	return nil
}

func (r *ringed) SigningKeys(context.Context) ([]store.SigningKey, error) { return r.keys, nil }

func newBound(t testing.TB, now func() time.Time) (*Bindings, *Issuer, *ringed) {
	t.Helper()
	s := &ringed{oneClient: oneClient{client: access.Client{ID: "ehr", Version: 1, Tenant: "clinic", Scopes: "system/*.rs", Keys: []byte(`{"keys":[]}`)}}}
	registry := NewRegistry(s, slog.New(slog.DiscardHandler))
	if err := registry.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring := NewRing(s, now)
	return NewBindings(ring, registry, now), NewIssuer(ring, registry, now), s
}

func TestABindingTokenBindsWhatItWasGivenForAsLongAsItCounts(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	b, issuer, registered := newBound(t, func() time.Time { return now })
	right := b.Of(access.Principal{Name: "ehr", Tenant: "clinic"}, "s1", "s2")
	token, err := b.Issue(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	read, err := b.Read(t.Context(), token)
	if err != nil || read.Principal.Name != "ehr" || read.Principal.Tenant != "clinic" || !slices.Equal(read.Subscriptions, []string{"s1", "s2"}) || !read.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("read is %+v, %v", read, err)
	}
	if _, ours, err := issuer.Principal(t.Context(), token); err == nil && ours {
		t.Error("it opens other doors too")
	}
	given, _, err := issuer.Issue(t.Context(), registered.client, nil)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	other, err := b.Issue(t.Context(), b.Of(read.Principal, "s3"))
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]string{
		"nothing": "", "no token": "nonsense", "one for access": given, "another's claims": parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2],
		"without a signature": parts[0] + "." + parts[1] + ".", "one that is too long": strings.Repeat("a", 17<<10) + ".b.c",
	} {
		if got, err := b.Read(t.Context(), wrong); fault.Of(err) != fault.Unauthenticated {
			t.Errorf("%s is taken for %+v, %v", name, got, err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := b.Read(t.Context(), token); fault.Of(err) != fault.Unauthenticated {
		t.Errorf("after an hour: %v", err)
	}
	now = now.Add(-time.Minute)
	for name, change := range map[string]func(*access.Client){
		"revoked": func(c *access.Client) { c.Revoked = true }, "new keys": func(c *access.Client) { c.Revoked, c.Generation = false, 1 },
	} {
		change(&registered.client)
		if err := b.clients.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Holds(read); fault.Of(err) != fault.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzABindingTokenOfAStrangerBindsNothing(f *testing.F) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	b, _, _ := newBound(f, func() time.Time { return now })
	token, err := b.Issue(f.Context(), b.Of(access.Principal{Name: "ehr", Tenant: "clinic"}, "s1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := b.Read(t.Context(), text)
		if err == nil && (read.Principal.Name != "ehr" || !slices.Equal(read.Subscriptions, []string{"s1"})) {
			t.Errorf("%q binds %+v", text, read)
		}
	})
}
