package rest

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// kind is what the server does with one resource type. The routes and the CapabilityStatement both follow it.
type kind struct {
	name string
	// created says that clients may send it.
	created bool
	// params by which it can be searched; none means that it cannot.
	params []param
	// find gives the candidates of a search, from each place where there are any.
	find []finder
	// operations that it offers.
	operations []operation
	doc        string
}

// kinds that can be sent alone or read, in the order in which they are listed.
var kinds = []kind{
	{
		name: "QuestionnaireResponse", created: true, find: []finder{findRecords}, operations: []operation{extract},
		doc: "Scored when its questionnaire is a known instrument; otherwise stored and listed as not scored.",
		params: []param{
			{name: "_id", typ: "token", definition: hl7 + "Resource-id", read: readID},
			{name: "authored", typ: "date", definition: hl7 + "QuestionnaireResponse-authored", read: readDate},
			{name: "patient", typ: "reference", definition: hl7 + "QuestionnaireResponse-patient", read: readPatient},
			{name: "questionnaire", typ: "reference", definition: hl7 + "QuestionnaireResponse-questionnaire", read: readCanonical},
			{name: "subject", typ: "reference", definition: hl7 + "QuestionnaireResponse-subject", read: readPatient},
		},
	},
	{
		name: "Observation", created: true, find: []finder{findRecords, findDerived},
		doc: "Those that were sent: exercise logs, scores made elsewhere, and plain measurements. And those that are derived from " +
			"answered forms: panel, scores, decisions, the result of a depression screen, and items. Derived ones are made from the stored " +
			"scores when they are read and are never stored; their ids stay the same through every version of the form, and their " +
			"versions bear the numbers of its versions. A search finds derived ones by patient, subject, derived-from or _id; " +
			"one that names none of these finds only those that were sent, and says so in an OperationOutcome in its Bundle.",
		params: []param{
			{name: "_id", typ: "token", definition: hl7 + "Resource-id", read: readID},
			{name: "category", typ: "token", definition: hl7 + "Observation-category", read: readToken},
			{name: "code", typ: "token", definition: hl7 + "clinical-code", read: readToken},
			{name: "date", typ: "date", definition: hl7 + "clinical-date", read: readDate},
			{name: "derived-from", typ: "reference", definition: hl7 + "Observation-derived-from", read: readSource},
			{name: "patient", typ: "reference", definition: hl7 + "clinical-patient", read: readPatient},
			{name: "status", typ: "token", definition: hl7 + "Observation-status", read: readToken},
			{name: "subject", typ: "reference", definition: hl7 + "Observation-subject", read: readPatient},
		},
	},
	{
		name: "DetectedIssue", find: []finder{findAlerts},
		doc: "The alerts that were raised, made by the server. meta.tag tells severity and handling in Rapport's own grades.",
		params: []param{
			{name: "_id", typ: "token", definition: hl7 + "Resource-id", read: readID},
			{name: "code", typ: "token", definition: hl7 + "DetectedIssue-code", read: readToken},
			{name: "identified", typ: "date", definition: hl7 + "DetectedIssue-identified", read: readDate},
			{name: "patient", typ: "reference", definition: hl7 + "clinical-patient", read: readPatient},
			{name: "severity", typ: "token", definition: own + "detectedissue-severity", read: readToken},
			{name: "status", typ: "token", definition: own + "detectedissue-status", read: readToken},
		},
	},
	taskKind, flagKind,
	{name: "ServiceRequest", created: true, doc: "Exercise prescriptions."},
	{name: "Patient", created: true},
	{name: "CareTeam", created: true, doc: "Decides to which feeds a patient's alerts go."},
	{name: "Practitioner", created: true},
	{name: "PractitionerRole", created: true},
	{name: "RelatedPerson", created: true},
	{name: "Appointment", created: true},
	{name: "Encounter", created: true},
	{name: "EpisodeOfCare", created: true, doc: "When a course of care began, was paused and ended."},
	{name: "Goal", created: true},
	{name: "Questionnaire", created: true},
	{name: "CodeSystem", doc: ownDoc},
	{name: "SearchParameter", doc: ownDoc},
	{name: "StructureDefinition", doc: ownDoc},
}

// ownDoc is of the types of which there are but our own.
const ownDoc = "Those that Rapport defines: the id is rapport- and the last part of the canonical URL."

func kindOf(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// names of the kinds that match, for people.
func names(match func(kind) bool) string {
	var out []string
	for _, k := range kinds {
		if match(k) {
			out = append(out, k.name)
		}
	}
	return strings.Join(out, ", ")
}

// unknownKind refuses a type that the server does not take alone.
func unknownKind(name string) error {
	return fault.Newf(fault.NotSupported, "not-supported", "%s is not a type that is taken here; those are %s",
		shown(name), names(func(k kind) bool { return k.created }))
}

// shown is a name from the request as it may stand in an answer: no longer than a FHIR type, and nothing but letters.
func shown(name string) string {
	letters := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, letters) {
		return "this"
	}
	return name
}
