package rest

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
)

func TestTheRatedClinicianReadsAnAlertWithoutTheRating(t *testing.T) {
	rated := issueOf("i1", "p1", judge.High, alert.Open, "alliance-drop", noon)
	rated.Rated, rated.Seen, rated.Withheld = "Practitioner/d1", "The alliance fell to 20.", "The alliance has changed."
	rated.Numbers = []judge.Number{{Name: "alliance", Value: 20}}
	for person, want := range map[string]struct {
		seen string
		ok   bool
	}{
		"": {"The alliance fell to 20.", true}, "Practitioner/d2": {"The alliance fell to 20.", true},
		"Practitioner/d1": {"The alliance has changed.", true}, "Patient/p1": {"", false}, "RelatedPerson/r1": {"", false},
	} {
		who := access.Everything("ehr", "default")
		who.Person = person
		r := httptest.NewRequest("GET", "/fhir/DetectedIssue/i1", nil)
		v := &sight{call: &call{r: r.WithContext(auth.With(r.Context(), who))}}
		shown, ok := v.shown(rated)
		if ok != want.ok || shown.Seen != want.seen || (person == "Practitioner/d1") != (ok && len(shown.Numbers) == 0) {
			t.Errorf("%q reads %q (%v), %v", person, shown.Seen, shown.Numbers, ok)
		}
	}
}

func TestAnAlertIsServedInTheLanguageInWhichItIsTold(t *testing.T) {
	told := issueOf("i1", "p1", judge.High, alert.Open, "alliance-drop", noon)
	told.Language, told.Translations = "de", map[string]judge.Wording{"de": {Title: "Ein Gespräch wert", Seen: "Das Bündnis fiel."}}
	for _, who := range []context.Context{t.Context(), auth.With(t.Context(), access.Everything("ehr", "default"))} {
		v := &sight{call: &call{r: httptest.NewRequest("GET", "/fhir/DetectedIssue/i1", nil).WithContext(who)}}
		if shown, ok := v.shown(told); !ok || shown.Title != "Ein Gespräch wert" || shown.Seen != "Das Bündnis fiel." {
			t.Errorf("it is %q: %q", shown.Title, shown.Seen)
		}
	}
}
