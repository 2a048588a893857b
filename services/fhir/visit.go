package fhir

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

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
	if !patient.Exists() {
		w.inform(w.root.Child("participant"), "no patient takes part: stored and not used")
		return
	}
	w.subject(patient.Child("actor"))
	visit := fact.Visit{ID: w.self(), Virtual: extension(w.root, virtualService).Exists()}
	visit.Status = w.attendance(patient)
	switch {
	case several && (visit.Status == missed || visit.Status == cancelledPatient):
		w.out.Void = true
		w.unused(w.root.Child("participant"), "it is for several patients and does not say which of them stayed away: stored and "+
			"not used. Send an Appointment or Encounter for each")
		return
	case several && visit.Status != "":
		w.unused(w.root.Child("participant"), "it is for several patients: used for the first of them alone. Send an Appointment "+
			"or Encounter for each")
	}
	switch {
	case visit.Status == "":
		w.out.Void = true
		w.inform(w.root.Child("status"), "not a visit (any more, or yet): stored and not used")
		return
	case from.IsZero():
		w.inform(w.root, "it has no time: stored and not used")
		return
	}
	w.dayOf(w.root.Child("start"), from)
	visit.Day = w.day
	visit.Clinician, visit.Clinicians = who(w.actingClinicians())
	if visit.Status == cancelledPatient || visit.Status == cancelledClinic {
		w.cancellation(&visit, from, to)
	}
	w.add("", from, fact.Fact{Kind: fact.KindVisit, Visit: &visit})
}

// who is the clinician of a visit, and all of them where there are several.
func who(all []ref.Clinician) (ref.Clinician, []ref.Clinician) {
	switch len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	default:
		return all[0], all[:min(len(all), fact.MaxPeople)]
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

// blameless are reasons that begin like the patient's own and are nobody's fault: the patient died, or was given an
// earlier appointment.
var blameless = map[string]bool{"pat-dec": true, "pat-swl": true}

// cancelledBy tells by the reason whose cancellation it was. What is not the patient's is nobody's fault.
func (w *work) cancelledBy(patient tree.Node) string {
	for c := w.cancelReason().Child("coding").First(); c.Exists(); c = c.Next() {
		switch code := c.Child("code").Text(); {
		case blameless[code]:
			return cancelledClinic
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

func (w *work) cancelReason() tree.Node {
	if reason := w.root.Child("cancelationReason"); reason.Exists() {
		return reason
	}
	return w.root.Child("cancellationReason") // the spelling of later releases
}

// lateWithin is how short before its start a cancellation by the patient is late.
const lateWithin = 24 * time.Hour

// cancellation enters why and when a visit was cancelled: by the element of later releases or its extension, else by when
// the resource was last changed, unless that lies after the visit: then it may have been changed for another reason.
func (w *work) cancellation(v *fact.Visit, from, to time.Time) {
	v.Reason = chief(tokens(w.cancelReason()))
	at, _, told := Interval(extension(w.root, cancellationDate).Child("valueDateTime"), w.zone)
	if !told {
		at, _, told = Interval(w.root.Child("cancellationDate"), w.zone)
	}
	if !told {
		at = w.changed()
		told = !at.IsZero() && at.Before(later(from, to))
	}
	switch {
	case told:
		v.Cancelled = at
		v.Late = v.Status == cancelledPatient && at.After(from.Add(-lateWithin))
	case v.Status == cancelledPatient:
		w.inform(w.root, "nothing says when it was cancelled: it is not counted as late")
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// actingClinicians are the clinicians among the actors of an appointment, as they are listed.
func (w *work) actingClinicians() (found []ref.Clinician) {
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		if actor := n.Child("actor"); actor.Exists() && !n.Child("status").Is("declined") {
			if c := w.clinician(actor, ""); c != "" && !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
	}
	return found
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
	visit := fact.Visit{ID: w.self(), Status: status, Virtual: w.root.Child("class").Child("code").Is("VR")}
	w.dayOf(w.root.Child("period").Child("start"), from)
	visit.Day = w.day
	visit.Clinician, visit.Clinicians = who(w.attending())
	if n := w.root.Child("appointment").At(0); n.Exists() {
		if to := w.reference(n, "Appointment"); to.typ == "Appointment" {
			visit.Appointment = to.String()
		}
	}
	if status == cancelledClinic && visit.Appointment != "" {
		w.out.Void = true
		w.inform(w.root.Child("appointment"), "its appointment says why there was no visit: stored and not used")
		return
	}
	if status == cancelledClinic {
		w.inform(w.root.Child("status"), "an encounter does not say who cancelled: it is counted as nobody's fault")
	}
	if status == attended {
		visit.Minutes = w.length(from, to)
	}
	w.out.Clinician = visit.Clinician
	w.add("", from, fact.Fact{Kind: fact.KindVisit, Visit: &visit})
}

// length is how many minutes an encounter took; 0 when it does not say so, or says what cannot be.
func (w *work) length(from, to time.Time) float64 {
	if days, ok := daysOf(w.root.Child("length")); ok && days <= 1 {
		return math.Round(days * mostMinutes)
	}
	if start, end := w.root.Child("period").Child("start"), w.root.Child("period").Child("end"); timed(start) && timed(end) {
		if m := to.Sub(from).Truncate(time.Minute).Minutes(); m > 0 && m <= mostMinutes {
			return m
		}
	}
	return 0
}

func timed(n tree.Node) bool { return len(n.TextBytes()) > len(time.DateOnly) }

// attending are the clinicians of an encounter: the performer before the attender before whoever takes part.
func (w *work) attending() []ref.Clinician {
	type attendant struct {
		clinician ref.Clinician
		rank      int
	}
	var found []attendant
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		individual := n.Child("individual")
		if !individual.Exists() {
			continue
		}
		c, rank := w.clinician(individual, "Practitioner"), participation(n.Child("type"))
		if i := slices.IndexFunc(found, func(a attendant) bool { return a.clinician == c }); i >= 0 {
			found[i].rank = max(found[i].rank, rank)
		} else if c != "" {
			found = append(found, attendant{c, rank})
		}
	}
	slices.SortStableFunc(found, func(a, b attendant) int { return cmp.Compare(b.rank, a.rank) })
	var all []ref.Clinician
	for _, a := range found {
		all = append(all, a.clinician)
	}
	return all
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
