package alert

import "strings"

// CarePartner is the role of somebody near to the patient, a RelatedPerson on the care team.
const CarePartner = "care-partner"

const (
	sct  = "http://snomed.info/sct|"
	nucc = "http://nucc.org/provider-taxonomy|"
)

// roles are the words of rules by the codes and words that care teams use: SNOMED CT, the NUCC provider taxonomy, and
// what people write. Nurse practitioners and physician assistants stand with the physicians: that is the work that they
// do on a primary-care team (service design).
var roles = map[string]string{
	sct + "36682004":    "physical-therapist",
	sct + "80546007":    "occupational-therapist",
	sct + "59944000":    "psychologist",
	sct + "309343006":   "physician",
	sct + "158965000":   "physician",
	sct + "62247001":    "physician",
	sct + "59058001":    "physician",
	sct + "80584001":    "physician",
	sct + "446050000":   "physician",
	sct + "224571005":   "physician",
	sct + "449161006":   "physician",
	sct + "106292003":   "nurse",
	sct + "224535009":   "nurse",
	sct + "106328005":   "social-worker",
	sct + "768820003":   "care-coordinator",
	nucc + "225100000X": "physical-therapist",
	nucc + "225X00000X": "occupational-therapist",
	nucc + "103T00000X": "psychologist",
	nucc + "103TC0700X": "psychologist",
	nucc + "207Q00000X": "physician",
	nucc + "207R00000X": "physician",
	nucc + "208100000X": "physician",
	nucc + "208D00000X": "physician",
	nucc + "2084P0800X": "physician",
	nucc + "363L00000X": "physician",
	nucc + "363A00000X": "physician",
	nucc + "163W00000X": "nurse",
	nucc + "104100000X": "social-worker",
	nucc + "1041C0700X": "social-worker",
	nucc + "172V00000X": "community-health-worker",
	nucc + "171M00000X": "care-coordinator",

	"physiotherapist":        "physical-therapist",
	"pt":                     "physical-therapist",
	"ot":                     "occupational-therapist",
	"clinical-psychologist":  "psychologist",
	"doctor":                 "physician",
	"general-practitioner":   "physician",
	"primary-care-physician": "physician",
	"primary-care-provider":  "physician",
	"nurse-practitioner":     "physician",
	"physician-assistant":    "physician",
	"registered-nurse":       "nurse",
	"rn":                     "nurse",
	"clinical-social-worker": "social-worker",
	"chw":                    "community-health-worker",
	"case-manager":           "care-coordinator",
	"care-manager":           "care-coordinator",
	"care-team-coordinator":  "care-coordinator",
	"caregiver":              CarePartner,
	"family-caregiver":       CarePartner,
}

// Role is the word that rules use for a role as a care team names it, `system|code` or a word of its own. A role that
// Rapport does not know keeps its own code, so that a clinic's rules can name it.
func Role(named string) string {
	if word, known := roles[named]; known {
		return word
	}
	return named[strings.LastIndexByte(named, '|')+1:]
}
