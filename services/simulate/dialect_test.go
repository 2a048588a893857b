package simulate_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/simulate"
)

const rated = "https://github.com/rapport-health/rapport/fhir/StructureDefinition/rated-clinician"

func TestEachDialectIsWrittenItsOwnWay(t *testing.T) {
	c := simulate.Default()
	c.Patients = 240
	seen := map[string]int{}
	for _, s := range readAll(t, c) {
		for _, r := range s.resources {
			if !strings.HasPrefix(s.Note, "phq-9") {
				continue
			}
			seen[dialectOf(t, s, r)]++
		}
	}
	for _, d := range []string{"loinc", "us-core", "flowsheet", "german", "bundled"} {
		if seen[d] < 10 {
			t.Errorf("dialects: %v", seen)
			break
		}
	}
}

func dialectOf(t *testing.T, s sent, r resource) string {
	t.Helper()
	body := string(s.Body)
	switch {
	case r.ResourceType == "Observation":
		if r.Code.Coding[0].Code != "44261-6" || !strings.HasPrefix(r.Subject.Reference, "urn:uuid:") ||
			(r.ValueQuantity == nil) == (r.DataAbsentReason == nil) {
			t.Errorf("bundled: %s", body)
		}
		return "bundled"
	case r.Questionnaire == "Questionnaire/phq-9":
		last := r.Item[len(r.Item)-1]
		if !strings.Contains(body, `"valueDecimal"`) || strings.Contains(body, `"author"`) ||
			last.LinkID == "/44261-6" && last.Answer[0].ValueString == "" {
			t.Errorf("flowsheet: %s", body)
		}
		return "flowsheet"
	case strings.HasSuffix(r.Questionnaire, "mii-qst-pro-phq-9"):
		if strings.Contains(body, `"http://loinc.org"`) || r.Subject.Identifier.Value == "" || s.Source != simulate.PRO {
			t.Errorf("german: %s", body)
		}
		return "german"
	case r.Questionnaire == "http://loinc.org/q/44249-1":
		if strings.Contains(body, "ordinalValue") {
			t.Errorf("loinc: %s", body)
		}
		return "loinc"
	case r.Questionnaire == "http://hl7.org/fhir/us/core/Questionnaire/phq-9-example":
		if !strings.Contains(body, "ordinalValue") {
			t.Errorf("us-core: %s", body)
		}
		return "us-core"
	}
	return r.Questionnaire
}

func TestEveryRatingNamesItsClinicianOrItsEncounter(t *testing.T) {
	named, left := 0, 0
	for _, s := range readAll(t, simulate.Default()) {
		for _, r := range s.resources {
			if r.ResourceType != "QuestionnaireResponse" || !strings.Contains(s.Note, "rating") {
				continue
			}
			switch {
			case len(r.Extension) == 1 && r.Extension[0].URL == rated &&
				strings.HasPrefix(r.Extension[0].ValueReference.Reference, "Practitioner/"):
				named++
			case r.Encounter.Reference != "":
				left++
			default:
				t.Errorf("%s names neither", r.ID)
			}
		}
	}
	if named < 50 || left < 50 {
		t.Errorf("%d name the clinician, %d leave it to the encounter", named, left)
	}
}

func TestEveryPatientsTeamHasTheClinicTeamAsMember(t *testing.T) {
	teams := 0
	for _, s := range readAll(t, simulate.Default()) {
		for _, r := range s.resources {
			if r.ResourceType != "CareTeam" || r.Subject.Reference == "" {
				continue
			}
			teams++
			last := r.Participant[len(r.Participant)-1].Member.Reference
			if len(r.Participant) != 5 || !strings.HasPrefix(last, "CareTeam/") || !strings.HasSuffix(last, "-team") {
				t.Errorf("team: %s", s.Body)
			}
		}
	}
	if teams != 24 {
		t.Errorf("%d teams of 24 patients", teams)
	}
}

func TestAnExerciseLogSaysDoneOrNotDoneAndByWhichPrescription(t *testing.T) {
	all := readAll(t, simulate.Default())
	prescriptions := map[string]bool{}
	for _, s := range all {
		for _, r := range s.resources {
			if r.ResourceType == "ServiceRequest" {
				prescriptions["ServiceRequest/"+r.ID], prescriptions["urn:uuid:"+r.ID] = true, true
			}
		}
	}
	for _, s := range all {
		if !strings.HasPrefix(s.Note, "home exercise") {
			continue
		}
		r := s.resources[0]
		done := r.ValueQuantity != nil && r.ValueQuantity.Value == 1 && r.ValueQuantity.Code == "{session}" ||
			r.ValueInteger != nil && *r.ValueInteger == 1
		absent := r.DataAbsentReason != nil && r.DataAbsentReason.Coding[0].Code == "not-performed"
		if done == absent || done != strings.HasPrefix(s.Note, "home exercise done") {
			t.Errorf("%s: %s", s.Note, s.Body)
		}
		if len(r.BasedOn) != 1 || !prescriptions[r.BasedOn[0].Reference] {
			t.Errorf("no such prescription: %v", r.BasedOn)
		}
	}
}

func TestABundleIsATransactionWhoseEntriesNameThemselves(t *testing.T) {
	bundles := 0
	for e := range simulate.Default().Events() {
		var b resource
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatal(err)
		}
		if b.ResourceType != "Bundle" {
			continue
		}
		bundles++
		for _, entry := range b.Entry {
			var r resource
			if err := json.Unmarshal(entry.Resource, &r); err != nil {
				t.Fatal(err)
			}
			if b.Type != "transaction" || entry.Request.Method != "PUT" || entry.Request.URL != r.ResourceType+"/"+r.ID ||
				entry.FullURL != "urn:uuid:"+r.ID {
				t.Errorf("entry %s %s of %s", entry.Request.URL, entry.FullURL, r.ID)
			}
		}
	}
	if bundles < 100 {
		t.Errorf("%d bundles", bundles)
	}
}

func TestNoFormCarriesWording(t *testing.T) {
	for e := range simulate.Default().Events() {
		if strings.Contains(string(e.Body), "QuestionnaireResponse") &&
			(strings.Contains(string(e.Body), `"text"`) || strings.Contains(string(e.Body), `"display"`)) {
			t.Fatalf("%s: %s", e.Note, e.Body)
		}
	}
}
