package fhir

import (
	"math"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// exerciseCodes and exerciseCategories tell an exercise prescription; a referral to somebody who will prescribe is none.
var (
	exerciseCodes = map[string]bool{
		sct + "|229065009": true, // exercise therapy
		sct + "|229095001": true, // exercise class
	}
	exerciseCategories = map[string]bool{
		activity + "|PhysicalActivity": true,
		sct + "|91251008":              true, // physical therapy procedure
		sct + "|409063005":             true, // counselling
		sct + "|409073007":             true, // education
		sct + "|386053000":             true, // evaluation
	}
	referral = map[string]bool{sct + "|390893007": true}
)

// serviceRequest reads an exercise prescription.
func (w *work) serviceRequest() {
	w.subject(w.root.Child("subject"))
	codes, categories := tokens(w.root.Child("code")), tokens(w.root.Child("category"))
	w.out.Codes = slices.Concat(codes, categories)
	s := schedule{}
	w.occurrence(&s)
	w.effective(s.from, s.until)
	if !w.exercise(codes, categories) {
		w.inform(w.root, "it prescribes no exercise: stored and not used")
		return
	}
	for n := w.root.Child("replaces").First(); n.Exists(); n = n.Next() {
		w.link("replaces", n, "ServiceRequest")
	}
	switch status := w.root.Child("status"); status.Text() {
	case "active", "on-hold", "completed", "revoked":
		w.prescription(s, status.Text())
	default:
		w.out.Void = true
		w.inform(status, "not in force by its status: stored and not used")
	}
}

// exercise says whether the request prescribes exercise to the patient.
func (w *work) exercise(codes, categories []string) bool {
	switch {
	case anyOf(codes, referral) != "":
		return false
	case anyOf(codes, exerciseCodes) != "", slices.Contains(categories, activity+"|PhysicalActivity"):
		return true
	case anyOf(categories, exerciseCategories) == "":
		return false
	}
	for n := w.root.Child("performer").First(); n.Exists(); n = n.Next() {
		if w.respondent(n) == "patient" {
			return true // done by the patient, so it is not the clinic's procedure
		}
	}
	return false
}

// prescription enters what was asked for, and what became of it.
func (w *work) prescription(s schedule, status string) {
	if no, _ := w.root.Child("doNotPerform").Bool(); no {
		w.inform(w.root.Child("doNotPerform"), "it says what not to do: stored and not used")
		return
	}
	switch intent := w.root.Child("intent"); intent.Text() {
	case "proposal", "option":
		w.inform(intent, "a proposal is not in force: stored and not used")
		return
	}
	if s.why != "" {
		w.unused(s.at, "%s: stored and not used", s.why)
		return
	}
	at := s.from
	if at.IsZero() {
		at, _, _ = Interval(w.root.Child("authoredOn"), w.zone)
	}
	if at.IsZero() {
		at = w.out.Updated
	}
	p := fact.Prescription{
		ID: w.self(), Status: "active", Sessions: s.sessions, PeriodDays: s.days, Weekdays: s.weekdays, From: at, Until: s.until,
		Dates: s.dates, Count: s.count, Dose: w.prescribed(s.minutes), Rests: w.rests(), Replaces: w.replaces(),
	}
	if p.Until.IsZero() && p.Count > 0 && !at.IsZero() {
		p.Until = bounded(at.Add(duration(math.Ceil(p.Count * p.PeriodDays / p.Sessions))))
	}
	if status == "active" {
		w.add("", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &p})
		return
	}
	// It was in force until it was changed: what was asked for before then still counts.
	stopped := p
	stopped.Status, stopped.Reason = status, w.reason(w.root)
	changed := w.changed()
	if status == "completed" && !p.Until.IsZero() && (changed.IsZero() || p.Until.Before(changed)) {
		changed = p.Until
	}
	if !at.IsZero() && at.Before(changed) {
		w.add("", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &p})
		at = changed
	}
	w.add("status", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &stopped})
}

// replaces are the prescriptions that end with this one.
func (w *work) replaces() (old []string) {
	for n := w.root.Child("replaces").First(); n.Exists() && len(old) < fact.MaxDates; n = n.Next() {
		if to := w.reference(n, "ServiceRequest"); to.typ == "ServiceRequest" && to.id != "" && to.id != w.out.LogicalID {
			old = append(old, to.String())
		}
	}
	return old
}

// rests are the stretches in which by plan nothing is asked for.
func (w *work) rests() (rests []fact.Span) {
	for x := w.root.Child("extension").First(); x.Exists() && len(rests) < fact.MaxDates; x = x.Next() {
		if !x.Child("url").Is(restPeriod) {
			continue
		}
		v, kind := value(x)
		from, until, _ := Interval(v, w.zone)
		if kind == "Period" {
			from, until = period(v, w.zone)
		}
		if from.IsZero() || !until.After(from) {
			w.inform(x, "a rest has a first and a last day: not used")
			continue
		}
		rests = append(rests, fact.Span{From: from, Until: until})
	}
	return rests
}

// prescribed is the dose of one session: by extension, by quantity, or by how long the timing says it takes.
func (w *work) prescribed(minutes float64) []fact.Part {
	dose := w.doses(w.root)
	quantity := w.root.Child("quantityQuantity")
	if ratio := w.root.Child("quantityRatio"); ratio.Exists() {
		if one, ok := number(ratio.Child("denominator").Child("value").Number()); ok && one == 1 {
			quantity = ratio.Child("numerator")
		}
	}
	if set := w.amount(nil, quantity, "Quantity"); set != nil {
		enter(&dose, "", set)
	}
	if minutes > 0 && len(dose) == 0 {
		enter(&dose, "", func(p *fact.Part) { p.Minutes = minutes })
	}
	return dose
}
