package fhir_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestOurQuestionnairesAreValidByACheckThatIsNotOurs(t *testing.T) {
	all := map[string][]byte{}
	for _, def := range packs(t) {
		raw, err := fhir.Questionnaire(def)
		if err != nil {
			t.Fatal(err)
		}
		all[def.ID] = raw
	}
	testbed.Valid(t, all)
}
