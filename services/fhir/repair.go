package fhir

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// allianceSystem is our own for what clinicians record about the alliance.
const allianceSystem = Canonical + "/CodeSystem/alliance"

// repairSteps by the code of the Observation.
var repairSteps = map[string]string{
	allianceSystem + "|rupture-acknowledged": fact.RepairAcknowledged,
	allianceSystem + "|repair-attempt":       fact.RepairAttempted,
}

// repair reads what a clinician recorded about a rupture of the alliance; false when the codes say something else. The
// link it is about is that with the rated clinician, else with the performer.
func (w *work) repair(at time.Time, codes []string) bool {
	for _, code := range codes {
		step := repairSteps[code]
		if step == "" {
			continue
		}
		if reason := w.root.Child("dataAbsentReason"); reason.Exists() {
			w.inform(reason, "nothing is known of this repair: stored and not used")
			return true
		}
		repair := fact.Repair{Step: step, Clinician: w.clinician(extension(w.root, ratedClinician).Child("valueReference"), "Practitioner")}
		for n := w.root.Child("performer").First(); n.Exists() && repair.Clinician == ""; n = n.Next() {
			repair.Clinician = w.clinician(n, "")
		}
		w.out.Clinician = repair.Clinician
		repair.Enhancers = w.coded("enhancer", alliance.Enhancers)
		repair.Eroders = w.coded("eroder", alliance.Eroders)
		w.add("", at, fact.Fact{Kind: fact.KindRepair, Repair: &repair})
		return true
	}
	return false
}

// coded are the codes of a table that components of one code hold, each once. Those that the table lacks are kept in the
// resource and named in an issue.
func (w *work) coded(component string, table alliance.Codes) (codes []string) {
	for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
		if !slices.Contains(tokens(n.Child("code")), allianceSystem+"|"+component) {
			continue
		}
		v := n.Child("valueCodeableConcept")
		found := false
		for _, t := range tokens(v) {
			code, ours := strings.CutPrefix(t, allianceSystem+"|")
			if !ours || !table.Has(code) {
				continue
			}
			found = true
			if !slices.Contains(codes, code) && len(codes) < fact.MaxCodes {
				codes = append(codes, code)
			}
		}
		if !found {
			w.unusedCode(n, v, component)
		}
	}
	return codes
}

func (w *work) unusedCode(n, v tree.Node, component string) {
	if v.Exists() {
		n = v
	}
	w.inform(n, "no %s of %s: kept, and not used", component, allianceSystem)
}
