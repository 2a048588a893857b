package ref_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestADerivedIdLeadsBackToItsSourceAndPart(t *testing.T) {
	form := ref.Resource{Type: "QuestionnaireResponse", ID: "r1", Version: 3}
	derived := ref.Derived("clinic", form)
	key, back, part, ok := ref.SplitDerived(derived + "-item-3")
	if !ok || back != derived || part != "item-3" || key != ref.SourceKey("clinic", "QuestionnaireResponse/r1") {
		t.Errorf("%v %s %s %v", key, back, part, ok)
	}
	if longest := derived + "-" + strings.Repeat("p", ref.MaxPart); !ref.ValidID(longest) {
		t.Errorf("%s is no FHIR id", longest)
	}
	if ref.Derived("clinic", form.Unversioned()) != derived || ref.Derived("other", form) == derived {
		t.Error("an id is the same for every version, and another tenant's is another")
	}
}

func TestWhatIsNoDerivedIdIsNotTakenForOne(t *testing.T) {
	derived := ref.Derived("clinic", ref.Resource{Type: "QuestionnaireResponse", ID: "r1"})
	for _, id := range []string{
		"", derived, derived + "-", strings.ToUpper(derived) + "-panel", derived + ".panel", derived + "-a b", "1" + derived[1:] + "-panel",
		derived + "-" + strings.Repeat("p", ref.MaxPart+1), derived[:25] + "-panel",
	} {
		if _, _, part, ok := ref.SplitDerived(id); ok {
			t.Errorf("%q was taken for %s", id, part)
		}
	}
}

// The store keeps the number with each fact, so it may never change.
func TestASourceKeyStaysWhatItWas(t *testing.T) {
	if got := ref.SourceKey("clinic", "QuestionnaireResponse/r1"); got != -1030788213071164159 {
		t.Errorf("%d", got)
	}
}
