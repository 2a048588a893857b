package subscriptions

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestWhatAClientSaysOverAWebsocket(t *testing.T) {
	for text, want := range map[string]spoken{
		"bind 7x3":                 {"bind", "7x3"},
		" bind-with-token a.b.c\n": {"bind-with-token", "a.b.c"},
		`{"type":"bind-with-token","payload":{"token":"a.b.c"}}`: {"bind-with-token", "a.b.c"},
		`{"type":"ping"}`: {"ping", ""},
		"ping":            {"ping", ""},
	} {
		if got, err := readSpoken(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "bind", "bind a b", "bind a/b", "unbind a", "BIND a", `{"type":"bind"}`, `{"type":7}`, "{", `["ping"]`, "ping a", "bind-with-token"} {
		if got, err := readSpoken(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzWhatIsSaidIsOneOfThreeThings(f *testing.F) {
	for _, text := range []string{"bind 7x3", "bind-with-token a.b.c", `{"type":"bind-with-token","payload":{"token":"a"}}`, "ping", "{"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		said, err := readSpoken(text)
		switch {
		case err != nil:
			if said != (spoken{}) {
				t.Errorf("%q is refused and taken for %v", text, said)
			}
		case said.verb == "bind" && ref.ValidID(said.what), said.verb == "ping" && said.what == "", said.verb == "bind-with-token" && strings.TrimSpace(said.what) != "":
		default:
			t.Errorf("%q is taken for %v", text, said)
		}
	})
}
