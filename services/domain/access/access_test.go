package access_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/access"
)

func scopes(t *testing.T, text string) access.Scopes {
	t.Helper()
	s, err := access.ParseScopes(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestScopesOfBothVersionsAreReadAndThoseThatAreNoneAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"system/Observation.read":  "system/Observation.rs",
		"system/*.write":           "system/*.cud",
		"user/Patient.*":           "user/Patient.cruds",
		"patient/*.rs openid":      "patient/*.rs",
		"launch/patient":           "error",
		"system/Observation.cruds": "system/Observation.cruds",
		"system/Observation.rs?category=http://x.org/c|survey&status=final": "system/Observation.rs?category=http://x.org/c|survey&status=final",
		"system/Observation.rs?category=a%20b":                              "system/Observation.rs?category=a%20b",
		"system/Observation.sr":                                             "error",
		"system/Observation.rr":                                             "error",
		"system/Observation.":                                               "error",
		"system/Observation.x":                                              "error",
		"system/observation.rs":                                             "error",
		"system/Observation.rs?name=x":                                      "error",
		"system/Observation.rs?status=":                                     "error",
		"system/Observation.rs?status=%zz":                                  "error",
	} {
		got, err := access.ParseScopes(text)
		if (err != nil) != (want == "error") || err == nil && got.String() != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestATokenGetsWhatIsBothAskedForAndRegistered(t *testing.T) {
	for _, c := range []struct{ registered, asked, want string }{
		{"system/*.cruds", "system/Observation.rs", "system/Observation.rs"},
		{"system/Observation.rs", "system/*.cruds", "system/Observation.rs"},
		{"system/Observation.rs", "system/Patient.rs", ""},
		{"user/Observation.rs", "system/Observation.rs", ""},
		{"system/Observation.r system/Observation.s", "system/Observation.rs", "system/Observation.r system/Observation.s"},
		{"system/Observation.rs?status=final", "system/Observation.rs", "system/Observation.rs?status=final"},
		{"system/Observation.rs?status=final", "system/*.r?category=survey", "system/Observation.r?category=survey&status=final"},
		{"system/Observation.rs?status=final", "system/Observation.rs?status=final", "system/Observation.rs?status=final"},
	} {
		if got := scopes(t, c.registered).Narrow(scopes(t, c.asked)).String(); got != c.want {
			t.Errorf("of %s, %s gets %q, want %q", c.registered, c.asked, got, c.want)
		}
	}
}

func TestWhatIsGrantedNeverReachesFurtherThanWhatIsRegistered(t *testing.T) {
	scope := rapid.Custom(func(t *rapid.T) access.Scope {
		s := access.Scope{
			Context: rapid.SampledFrom([]access.Context{access.System, access.User}).Draw(t, "context"),
			Type:    rapid.SampledFrom([]string{"*", "Observation", "Patient"}).Draw(t, "type"),
			Verbs:   access.Verbs(rapid.IntRange(1, int(access.AllVerbs)).Draw(t, "verbs")),
		}
		if rapid.Bool().Draw(t, "restricted") {
			s.Where = []access.Param{{Name: "status", Values: []string{rapid.SampledFrom([]string{"final", "amended"}).Draw(t, "status")}}}
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		registered := access.Scopes(rapid.SliceOfN(scope, 0, 4).Draw(t, "registered"))
		asked := access.Scopes(rapid.SliceOfN(scope, 0, 4).Draw(t, "asked"))
		granted := access.Principal{Scopes: registered.Narrow(asked)}
		for _, typ := range []string{"Observation", "Patient", "Goal"} {
			for _, status := range []string{"final", "amended"} {
				for _, verb := range []access.Verbs{access.Create, access.Read, access.Update, access.Delete, access.Search} {
					thing := access.Thing{Type: typ, Raw: []byte(`{"status":"` + status + `"}`)}
					of := func(context access.Context, s access.Scopes) bool {
						var kept access.Scopes
						for _, one := range s {
							if one.Context == context {
								kept = append(kept, one)
							}
						}
						return access.Principal{Scopes: kept}.Sees(thing, verb)
					}
					want := of(access.System, registered) && of(access.System, asked) || of(access.User, registered) && of(access.User, asked)
					if got := granted.Sees(thing, verb); got != want {
						t.Fatalf("%s %s %s: %t, want %t (granted %s)", typ, status, verb, got, want, granted.Scopes)
					}
				}
			}
		}
	})
}

func TestNobodyWithoutAScopeMayDoAnything(t *testing.T) {
	var nobody access.Principal
	for method, rule := range access.Methods {
		if rule.Decide(nobody) != rule.Open {
			t.Errorf("%s: the zero principal", method)
		}
	}
	for _, path := range []string{"/fhir", "/fhir/Patient", "/fhir/Patient/1", "/fhir/$export", "/", "/metrics", "/anything"} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", ""} {
			if access.Door(method, path).Decide(nobody) {
				t.Errorf("%s %s is open to the zero principal", method, path)
			}
		}
	}
	if (access.Rule{}).Decide(access.Principal{Tenant: "t", Scopes: scopes(t, "system/*.rs")}) || !(access.Rule{}).Decide(access.Everything("x", "t")) {
		t.Error("what has no rule is for those who may do everything")
	}
}

var day = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestTheLatestActiveConsentThatSpeaksOfItDecides(t *testing.T) {
	permit := func(purposes ...string) access.Provision { return access.Provision{Purposes: purposes} }
	deny := func(purposes ...string) access.Provision { return access.Provision{Denies: true, Purposes: purposes} }
	given := func(daysAgo int, p access.Provision) access.Consent {
		return access.Consent{ID: "c", Active: true, At: day.AddDate(0, 0, -daysAgo), Provision: p}
	}
	except := deny()
	except.Within = []access.Provision{{Purposes: []string{"TREAT"}, Actors: []string{"Practitioner/d1"}}}
	ended := deny()
	ended.To = day.AddDate(0, 0, -1)
	labelled := deny()
	labelled.Labels = []string{"PSY"}
	unknown := permit("HRESCH")
	unknown.Unknown = true
	revoked := given(1, deny())
	revoked.Active = false
	for _, c := range []struct {
		what     string
		consents []access.Consent
		sharing  access.Sharing
		want     bool
	}{
		{"treatment without a word", nil, access.Sharing{Purpose: "TREAT"}, true},
		{"research without a word", nil, access.Sharing{Purpose: "HRESCH"}, false},
		{"research that is permitted", []access.Consent{given(3, permit("HRESCH"))}, access.Sharing{Purpose: "HRESCH"}, true},
		{"research once it is denied", []access.Consent{given(3, permit("HRESCH")), given(2, deny("HRESCH"))}, access.Sharing{Purpose: "HRESCH"}, false},
		{"whatever the order", []access.Consent{given(2, deny("HRESCH")), given(3, permit("HRESCH"))}, access.Sharing{Purpose: "HRESCH"}, false},
		{"a denial of research says nothing of treatment", []access.Consent{given(2, deny("HRESCH"))}, access.Sharing{Purpose: "TREAT"}, true},
		{"everything is denied", []access.Consent{given(2, deny())}, access.Sharing{Purpose: "TREAT"}, false},
		{"but to one", []access.Consent{given(2, except)}, access.Sharing{Purpose: "TREAT", Actors: []string{"Practitioner/d1"}}, true},
		{"and no other", []access.Consent{given(2, except)}, access.Sharing{Purpose: "TREAT", Actors: []string{"Practitioner/d2"}}, false},
		{"a denial that has ended", []access.Consent{given(9, ended)}, access.Sharing{Purpose: "TREAT"}, true},
		{"a denial that is no longer active", []access.Consent{revoked}, access.Sharing{Purpose: "TREAT"}, true},
		{"what bears a label", []access.Consent{given(2, labelled)}, access.Sharing{Purpose: "TREAT", Labels: []string{"PSY"}}, false},
		{"what bears none", []access.Consent{given(2, labelled)}, access.Sharing{Purpose: "TREAT"}, true},
		{"a permit under a condition that is not understood", []access.Consent{given(2, unknown)}, access.Sharing{Purpose: "HRESCH"}, false},
		{"a care partner without a word", nil, access.Sharing{Purpose: "TREAT", Actors: []string{"RelatedPerson/r1"}}, false},
		{"a care partner who is named", []access.Consent{given(2, access.Provision{Actors: []string{"RelatedPerson/r1"}})}, access.Sharing{Purpose: "TREAT", Actors: []string{"RelatedPerson/r1"}}, true},
	} {
		c.sharing.At = day
		if got := access.DefaultPolicy().Permits(c.consents, c.sharing); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
}

func FuzzScopesAreReadOrRefusedAndReadTheSameAgain(f *testing.F) {
	for _, s := range []string{"system/*.cruds", "system/Observation.rs?category=a|b,c&status=final", "openid user/Patient.read", "system/X.rs?status=%41", "a/b?c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := access.ParseScopes(text)
		if err != nil {
			return
		}
		again, err := access.ParseScopes(first.String())
		if err != nil || again.String() != first.String() {
			t.Errorf("%q is read as %q and that as %q, %v", text, first, again, err)
		}
	})
}

func FuzzEveryPathHasARuleThatNobodyPassesUnlessItIsOpen(f *testing.F) {
	f.Add("GET", "/fhir/Patient/1/_history/2")
	f.Add("POST", "/fhir/Patient/$export")
	f.Add("", "//fhir/../metrics")
	f.Fuzz(func(t *testing.T, method, path string) {
		rule := access.Door(method, path)
		if rule.Decide(access.Principal{}) != rule.Open || rule.Open && strings.Contains(path, "Patient") {
			t.Errorf("%q %q: %+v", method, path, rule)
		}
	})
}
