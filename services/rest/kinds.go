package rest

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// kind is what the server does with one resource type. The routes and the CapabilityStatement both follow it.
type kind struct {
	name string
	// sent says that clients may create, update, patch and delete it.
	sent bool
	// date is the parameter by whose interval records are kept in order; empty for a type that has none.
	date string
	// find gives the candidates of a search, from each place where there are any; none means that it cannot be searched.
	find []finder
	doc  string
}

// kinds that can be sent alone or read, in the order in which they are listed.
var kinds = []kind{
	{
		name: "QuestionnaireResponse", sent: true, date: "authored", find: []finder{findRecords},
		doc: "Scored when its questionnaire is a known instrument; otherwise stored and listed as not scored.",
	},
	{
		name: "Observation", sent: true, date: "date", find: []finder{findRecords, findDerived},
		doc: "Those that were sent: exercise logs, scores made elsewhere, and plain measurements. And those that are derived from " +
			"answered forms: panel, scores, decisions, the result of a depression screen, and items. Derived ones are made from the stored " +
			"scores when they are read and are never stored; they cannot be changed but by changing the form. Their ids stay the same " +
			"through every version of the form, and their versions bear the numbers of its versions. Both are found by every search. " +
			"The history of a derived one is read by its id; the histories of the type and of the system tell of what was sent.",
	},
	{
		name: "DetectedIssue", find: []finder{findAlerts},
		doc: "The alerts that were raised, made by the server. meta.tag tells severity and handling in Rapport's own grades.",
	},
	taskKind, flagKind,
	{name: "ServiceRequest", sent: true, find: []finder{findRecords}, doc: "Exercise prescriptions."},
	{name: "Patient", sent: true, find: []finder{findRecords}},
	{name: "CareTeam", sent: true, find: []finder{findRecords}, doc: "Decides to which feeds a patient's alerts go."},
	{
		name: "Consent", sent: true, find: []finder{findRecords},
		doc: "Those of the scope patient-privacy decide at every door who sees what of the patient, and for what purpose.",
	},
	{name: "Practitioner", sent: true, find: []finder{findRecords}},
	{name: "PractitionerRole", sent: true, find: []finder{findRecords}},
	{name: "RelatedPerson", sent: true, find: []finder{findRecords}},
	{name: "Appointment", sent: true, find: []finder{findRecords}},
	{name: "Encounter", sent: true, find: []finder{findRecords}},
	{name: "EpisodeOfCare", sent: true, find: []finder{findRecords}, doc: "When a course of care began, was paused and ended."},
	{name: "Goal", sent: true, find: []finder{findRecords}},
	{name: "Group", sent: true, find: []finder{findRecords}, doc: "Whose data is exported together: see the operation export."},
	{name: "Questionnaire", sent: true, find: []finder{findRecords}},
	{
		name: "Provenance", find: []finder{findProvenance},
		doc: "Of what the server derives: of the Observations of a form, and of each DetectedIssue. Made when it is read. A search names a " +
			"target, an entity, a patient or an id.",
	},
	{name: "CodeSystem", find: []finder{findArtefacts}, doc: ownDoc},
	{name: "SearchParameter", find: []finder{findArtefacts}, doc: ownDoc},
	{name: "StructureDefinition", find: []finder{findArtefacts}, doc: ownDoc},
}

// ownDoc is of the types of which there are but our own.
const ownDoc = "Those that Rapport defines: the id is rapport- and the last part of the canonical URL."

func kindOf(name string) (*kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, false
	}
	return &kinds[i], true
}

// params by which it can be searched, but for those that every type has.
func (k *kind) params() []search.Param {
	if k.find == nil {
		return nil
	}
	return search.Params(k.name)
}

// offered are its operations.
func (k *kind) offered() []operation {
	var out []operation
	switch k.name {
	case "QuestionnaireResponse":
		out = append(out, extract)
	case "Patient":
		out = append(out, everything)
	}
	if k.sent {
		out = append(out, validate)
	}
	return out
}

// names of the kinds that match, for people.
func names(match func(*kind) bool) string {
	var out []string
	for i := range kinds {
		if match(&kinds[i]) {
			out = append(out, kinds[i].name)
		}
	}
	return strings.Join(out, ", ")
}

// unknownKind refuses a type that the server does not work with.
func unknownKind(name string) *fault.Fault {
	return fault.Newf(fault.NotSupported, "not-supported", "%s is not a type that is taken here; those are %s",
		shown(name), names(func(k *kind) bool { return k.sent }))
}

// shown is a name from the request as it may stand in an answer: no longer than a FHIR type, and nothing but letters.
func shown(name string) string {
	letters := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, letters) {
		return "this"
	}
	return name
}
