package fhir

import (
	"math"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Code systems and extensions.
const (
	loinc = "http://loinc.org"
	sct   = "http://snomed.info/sct"
	ucum  = "http://unitsofmeasure.org"
	sd    = "http://hl7.org/fhir/StructureDefinition/"
	hl7t  = "http://terminology.hl7.org/CodeSystem/"
	// activity is the code system of the Physical Activity guide.
	activity = "http://hl7.org/fhir/us/physical-activity/CodeSystem/pa-temporary-codes"
	// adherenceSystem is our own for home exercise.
	adherenceSystem = Canonical + "/CodeSystem/adherence"
	// ratedClinician names the clinician an alliance rating is about.
	ratedClinician = Canonical + "/StructureDefinition/rated-clinician"
	// pauseSystem is our own code system of reasons for a pause, and pauseReason the extension that gives one: on an
	// EpisodeOfCare or one of its statusHistory entries, on a ServiceRequest.
	pauseSystem = Canonical + "/CodeSystem/pause-reason"
	pauseReason = Canonical + "/StructureDefinition/pause-reason"
	// statusDate is the extension that says since when a resource has its status, where R4 has no element for it.
	statusDate = Canonical + "/StructureDefinition/status-date"
	// exerciseDose is the extension that gives the dose of one exercise of a session: exercise, sets, repetitions, minutes.
	exerciseDose = Canonical + "/StructureDefinition/exercise-dose"
	// restPeriod is the extension that gives a stretch in which nothing is asked for.
	restPeriod = Canonical + "/StructureDefinition/rest-period"
	// cancellationDate and virtualService are elements of later releases as extensions.
	cancellationDate = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.cancellationDate"
	virtualService   = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService"
	// itemCode carries the code of an answered item.
	itemCode = Canonical + "/StructureDefinition/item-code"
)

// weights are the extensions that carry the number behind an answer; the newest spelling first.
var weights = map[string]bool{
	sd + "itemWeight":                 true,
	sd + "ordinalValue":               true,
	sd + "questionnaire-ordinalValue": true,
	sd + "codesystem-ordinalValue":    true,
	sd + "valueset-ordinalValue":      true,
	sd + "iso21090-CO-value":          true,
}

// token is `system|code` of a Coding; empty when it has no code.
func token(n tree.Node) string {
	code := n.Child("code").Text()
	if code == "" {
		return ""
	}
	return n.Child("system").Text() + "|" + code
}

// coding enters a Coding as a code to find the resource by.
func (w *work) coding(n tree.Node) {
	if t := token(n); t != "" {
		w.out.Codes = append(w.out.Codes, t)
	}
}

// concept enters the codings of a CodeableConcept.
func (w *work) concept(n tree.Node) {
	for c := n.Child("coding").First(); c.Exists(); c = c.Next() {
		w.coding(c)
	}
}

// tokens are the codings of CodeableConcepts: of one, or of an array of them.
func tokens(n tree.Node) []string {
	var out []string
	add := func(concept tree.Node) {
		for c := concept.Child("coding").First(); c.Exists(); c = c.Next() {
			if t := token(c); t != "" {
				out = append(out, t)
			}
		}
	}
	if n.Kind() == tree.Object {
		add(n)
		return out
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		add(c)
	}
	return out
}

// anyOf is the first token that stands in the set; empty when none does.
func anyOf(tokens []string, set map[string]bool) string {
	for _, t := range tokens {
		if set[t] {
			return t
		}
	}
	return ""
}

// weight is the number sent with an answer or its coding, as written; empty when none is.
func weight(n tree.Node) string {
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		if !weights[string(x.Child("url").TextBytes())] {
			continue
		}
		for _, key := range [2]string{"valueDecimal", "valueInteger"} {
			if v := x.Child(key).Number(); v != "" {
				return v
			}
		}
	}
	return ""
}

// extension is the first extension of a url; absent when there is none.
func extension(n tree.Node, url string) tree.Node {
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		if x.Child("url").Is(url) {
			return x
		}
	}
	return tree.Node{}
}

// number reads a decimal; ok is false for what is none or has no finite value.
func number(text string) (float64, bool) {
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// unitOf is the unit of a Quantity: its code where it has one.
func unitOf(n tree.Node) string {
	if c := n.Child("code").Text(); c != "" {
		return c
	}
	return n.Child("unit").Text()
}
