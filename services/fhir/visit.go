package fhir

import (
	"strings"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// The states of a visit.
const (
	attended         = "attended"
	missed           = "missed"
	cancelledPatient = "cancelled-patient"
	cancelledClinic  = "cancelled-clinic"
	planned          = "planned"
)

// appointment reads an Appointment as a visit.
func (w *work) appointment() {
	patient, several := w.actors()
	w.concept(w.root.Child("appointmentType"))
	from, _, timed := Interval(w.root.Child("start"), w.zone)
	to, _, ended := Interval(w.root.Child("end"), w.zone)
	if !timed {
		from, to = period(w.root.Child("requestedPeriod").At(0), w.zone)
	} else if !ended {
		to = from
	}
	w.effective(from, to)
	switch {
	case several:
		w.inform(w.root.Child("participant"), "it is for several patients: stored and not used")
		return
	case !patient.Exists():
		w.inform(w.root.Child("participant"), "no patient takes part: stored and not used")
		return
	}
	w.subject(patient.Child("actor"))
	status := w.attendance(patient)
	switch {
	case status == "":
		w.out.Void = true
		w.inform(w.root.Child("status"), "not a visit (any more, or yet): stored and not used")
	case from.IsZero():
		w.inform(w.root, "it has no time: stored and not used")
	default:
		w.add("", from, fact.Fact{Kind: fact.KindVisit, Visit: &fact.Visit{ID: w.self(), Status: status, Clinician: w.actingClinician()}})
	}
}

// actors is the participant who is the patient, and whether there are several.
func (w *work) actors() (patient tree.Node, several bool) {
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		actor := n.Child("actor")
		if !actor.Exists() || w.reference(actor, "").typ != "Patient" {
			continue
		}
		if patient.Exists() {
			return patient, true
		}
		patient = n
	}
	return patient, false
}

// attendance is the state of the visit; empty when it is none.
func (w *work) attendance(patient tree.Node) string {
	switch w.root.Child("status").Text() {
	case "fulfilled", "arrived", "checked-in":
		return attended
	case "noshow":
		return missed
	case "cancelled":
		return w.cancelledBy(patient)
	case "booked":
		if patient.Child("status").Is("declined") {
			return cancelledPatient
		}
		return planned
	default:
		return ""
	}
}

// cancelledBy tells by the reason whose cancellation it was. What is not the patient's is nobody's fault.
func (w *work) cancelledBy(patient tree.Node) string {
	reason := w.root.Child("cancelationReason")
	if !reason.Exists() {
		reason = w.root.Child("cancellationReason") // the spelling of later releases
	}
	for c := reason.Child("coding").First(); c.Exists(); c = c.Next() {
		switch code := c.Child("code").Text(); {
		case code == "pat" || strings.HasPrefix(code, "pat-"):
			return cancelledPatient
		case code != "":
			return cancelledClinic
		}
	}
	if patient.Child("status").Is("declined") {
		return cancelledPatient
	}
	w.inform(w.root, "no coded reason says who cancelled: it is counted as nobody's fault")
	return cancelledClinic
}

// actingClinician is the first clinician among the actors of an appointment.
func (w *work) actingClinician() ref.Clinician {
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		if actor := n.Child("actor"); actor.Exists() && !n.Child("status").Is("declined") {
			if c := w.clinician(actor, ""); c != "" {
				return c
			}
		}
	}
	return ""
}

// encounter reads an Encounter as a visit.
func (w *work) encounter() {
	w.subject(w.root.Child("subject"))
	for n := w.root.Child("type").First(); n.Exists(); n = n.Next() {
		w.concept(n)
	}
	if class := w.root.Child("class"); class.Exists() {
		w.coding(class)
	}
	from, to := period(w.root.Child("period"), w.zone)
	w.effective(from, to)
	status := ""
	switch w.root.Child("status").Text() {
	case "finished", "in-progress", "arrived", "triaged", "onleave":
		status = attended
	case "planned":
		status = planned
	case "cancelled":
		status = cancelledClinic
		w.inform(w.root.Child("status"), "an encounter does not say who cancelled: it is counted as nobody's fault")
	}
	switch {
	case status == "":
		w.out.Void = true
		w.inform(w.root.Child("status"), "not a visit (any more, or yet): stored and not used")
		return
	case from.IsZero():
		w.inform(w.root, "period.start is missing: stored and not used")
		return
	}
	visit := fact.Visit{ID: w.self(), Status: status, Clinician: w.attending()}
	if n := w.root.Child("appointment").At(0); n.Exists() {
		if to := w.reference(n, "Appointment"); to.typ == "Appointment" {
			visit.Appointment = to.String()
		}
	}
	w.out.Clinician = visit.Clinician
	w.add("", from, fact.Fact{Kind: fact.KindVisit, Visit: &visit})
}

// attending is the clinician of an encounter: the performer before the attender before whoever takes part.
func (w *work) attending() ref.Clinician {
	best, rank := ref.Clinician(""), 0
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		individual := n.Child("individual")
		if !individual.Exists() {
			continue
		}
		c := w.clinician(individual, "Practitioner")
		if r := participation(n.Child("type")); c != "" && r > rank {
			best, rank = c, r
		}
	}
	return best
}

func participation(types tree.Node) int {
	rank := 1
	for _, t := range tokens(types) {
		switch t[strings.LastIndexByte(t, '|')+1:] {
		case "PPRF":
			rank = max(rank, 3)
		case "ATND":
			rank = max(rank, 2)
		}
	}
	return rank
}
