package simulate

// The code systems and canonicals written.
const (
	canonical      = "https://github.com/rapport-health/rapport/fhir"
	ratedClinician = canonical + "/StructureDefinition/rated-clinician"
	adherenceCodes = canonical + "/CodeSystem/adherence"
	recordNumbers  = "https://clinic.example.org/record-number"

	loinc        = "http://loinc.org"
	snomed       = "http://snomed.info/sct"
	ucum         = "http://unitsofmeasure.org"
	terminology  = "http://terminology.hl7.org/CodeSystem/"
	usCoreBase   = "http://hl7.org/fhir/us/core/StructureDefinition/"
	ordinalValue = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
	activityTemp = "http://hl7.org/fhir/us/physical-activity/CodeSystem/pa-temporary-codes"
)

// frequencyAnswers are the LOINC answers of the PHQ family, 0 to 3.
var frequencyAnswers = [4]string{"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"}

// difficultyAnswers are those of the unscored PHQ-9 item, 0 to 3.
var difficultyAnswers = [4]string{"LA6572-7", "LA6573-5", "LA6575-0", "LA6574-3"}

// public is a form with published link ids.
type public struct {
	// questionnaire by dialect and style.
	loincForm, usCoreForm, relative, germanForm string
	// numeric, coded and german are the link ids of the items in printed order.
	numeric, coded, german []string
	// totals are the link ids of the total in the same three styles, total its LOINC code.
	numericTotal, codedTotal, germanTotal string
	total                                 string
}

var publicForms = map[instrument]*public{
	phq9: {
		loincForm:  "http://loinc.org/q/44249-1",
		usCoreForm: "http://hl7.org/fhir/us/core/Questionnaire/phq-9-example",
		relative:   "Questionnaire/phq-9",
		germanForm: "https://www.medizininformatik-initiative.de/fhir/ext/modul-pro/Questionnaire/mii-qst-pro-phq-9",
		numeric:    []string{"14363", "14364", "14365", "14366", "14367", "14368", "14369", "14370", "14371"},
		coded: []string{
			"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8",
		},
		german: []string{
			"phq-phq9-q01", "phq-phq9-q02", "phq-phq9-q03", "phq-phq9-q04", "phq-phq9-q05",
			"phq-phq9-q06", "phq-phq9-q07", "phq-phq9-q08", "phq-phq9-q09",
		},
		numericTotal: "14372", codedTotal: "/44261-6", germanTotal: "phq-phq9-score-total", total: "44261-6",
	},
	gad7: {
		loincForm:  "http://loinc.org/q/69737-5",
		usCoreForm: "http://loinc.org/q/69737-5",
		relative:   "Questionnaire/gad-7",
		germanForm: "http://loinc.org/q/69737-5",
		numeric:    []string{"57541", "57542", "57543", "57544", "57545", "57546", "57547"},
		coded: []string{
			"/69725-0", "/68509-9", "/69733-4", "/69734-2", "/69735-9", "/69689-8", "/69736-7",
		},
		german:       []string{"57541", "57542", "57543", "57544", "57545", "57546", "57547"},
		numericTotal: "58628", codedTotal: "/70274-6", germanTotal: "58628", total: "70274-6",
	},
}
