package fhir

import (
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// patientNeeded are the types that R4 lets go without a subject, though all that is taken from them is a patient's.
var patientNeeded = map[string]bool{"Encounter": true, "Observation": true, "QuestionnaireResponse": true}

// invariants checks the rules of R4 that span several elements, and that a patient is named. The kind says what the
// errors found so far amount to.
func (w *work) invariants(typ string) fault.Kind {
	switch typ {
	case "QuestionnaireResponse":
		w.itemsOrAnswers(w.root.Child("item"))
	case "Observation":
		w.valueOrReason(w.root)
		for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
			w.valueOrReason(n)
		}
	case "Appointment":
		w.timedUnlessOpen()
	}
	structural := w.errors
	if patientNeeded[typ] && !w.root.Child("subject").Exists() {
		w.fail("required", w.root, "subject is missing: name the patient it is about")
	}
	if structural == 0 {
		return fault.Unprocessable
	}
	return fault.Invalid
}

// itemsOrAnswers is qrs-1: nested items stand either below the item or below its answers.
func (w *work) itemsOrAnswers(items tree.Node) {
	for item := items.First(); item.Exists() && !w.full(); item = item.Next() {
		answers, nested := item.Child("answer"), item.Child("item")
		if answers.Exists() && nested.Exists() {
			w.fail("invariant", item, "an item must not have both answer and item (qrs-1): items below a question stand in answer.item")
		}
		w.itemsOrAnswers(nested)
		for answer := answers.First(); answer.Exists(); answer = answer.Next() {
			w.itemsOrAnswers(answer.Child("item"))
		}
	}
}

// valueOrReason is obs-6 and its like for components: a reason for absence only where there is no value.
func (w *work) valueOrReason(n tree.Node) {
	reason := n.Child("dataAbsentReason")
	if value, _ := value(n); reason.Exists() && value.Exists() {
		w.fail("invariant", reason, "dataAbsentReason must not stand beside a value (obs-6)")
	}
}

// timedUnlessOpen is app-3, kept as a warning: EHRs leave the end out.
func (w *work) timedUnlessOpen() {
	switch w.root.Child("status").Text() {
	case "proposed", "cancelled", "waitlist":
		return
	}
	if !w.root.Child("start").Exists() || !w.root.Child("end").Exists() {
		w.warn("invariant", w.root, "an appointment has start and end unless it is proposed, cancelled or on a waiting list (app-3)")
	}
}
