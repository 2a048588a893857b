package auth_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// tokens lets one client in, and returns its token.
func tokens(t *testing.T) (*auth.Tokens, string) {
	t.Helper()
	token, line := auth.NewToken("ehr-main", "north")
	if strings.Contains(line, token) {
		t.Fatal("the line for the file holds the token itself")
	}
	known, err := auth.ReadTokens(strings.NewReader("# clients\n\n" + line + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return known, token
}

func TestATokenNamesItsTenantAndNoOtherIsLetIn(t *testing.T) {
	known, token := tokens(t)
	for _, scheme := range []string{"Bearer ", "bearer "} {
		if p, err := known.Principal(scheme + token); err != nil || p.Tenant != "north" || p.Name != "ehr-main" {
			t.Errorf("%s: %+v, %v", scheme, p, err)
		}
	}
	for _, wrong := range []string{"", token, "Basic " + token, "Bearer", "Bearer x" + token, "Bearer " + strings.ToLower(token)} {
		if _, err := known.Principal(wrong); fault.Of(err) != fault.Unauthenticated {
			t.Errorf("%q is let in: %v", wrong, err)
		}
	}
}

func TestAFileOfTokensThatCannotBeReadSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "no token",
		"# nobody\n":                           "no token",
		"\nehr north":                          "line 2",
		"ehr north abc":                        "line 1",
		"ehr north " + strings.Repeat("g", 64): "line 1",
	} {
		if _, err := auth.ReadTokens(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTheColumnsOfALineSayWhatItsTokenMayDo(t *testing.T) {
	_, line := auth.NewToken("ehr", "north")
	token, restricted := auth.NewToken("pt-1", "north")
	known, err := auth.ReadTokens(strings.NewReader(line + "\n" + restricted +
		" scopes=system/Observation.rs,system/Patient.r feeds=team:t1,role:physio person=Practitioner/p1 role=physio purposes=TREAT,BTG labels=PSY\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := known.Principal("Bearer " + token)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Allow("Observation", access.Search) || p.Allow("Patient", access.Search) || p.Allow("Goal", access.Read) || p.Person != "Practitioner/p1" ||
		p.Role != "physio" || !p.MayClaim("BTG") || p.MayClaim("HRESCH") || !p.Cleared("PSY") || p.Cleared("R") || p.Feeds.All() {
		t.Errorf("%+v", p)
	}
	for column, want := range map[string]string{
		"scopes=all": "scopes=", "feeds=what": "feeds=", "colour=red": "not a column", "scopes=": "scopes=", "scopes=system/X.src": "scopes=",
	} {
		if _, err := auth.ReadTokens(strings.NewReader(line + " " + column)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", column, err)
		}
	}
}
