package simulate

// goal of the course.
func (w *writer) goal(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Goal", "us-core-goal")
	lifecycle, achievement := "active", "in-progress"
	switch t.stage {
	case stageAchieved:
		lifecycle, achievement = "completed", "achieved"
	case stageMissedGoal:
		lifecycle, achievement = "completed", "not-achieved"
	}
	p.str("lifecycleStatus", lifecycle)
	p.concept("achievementStatus", terminology+"goal-achievement", achievement, "")
	p.open("description")
	p.str("text", "Walk for half an hour on most days")
	p.end()
	w.subject("subject", who, who.source())
	p.date("startDate", w.at(t.happened))
	p.list("target")
	p.open("")
	p.date("dueDate", w.at(t.happened+8*week))
	p.end()
	p.close()
	if t.until > 0 {
		p.date("statusDate", w.at(t.until))
	}
	p.end()
}

// prescription of home exercise: so many sessions a week, closed when the next one takes its place.
func (w *writer) prescription(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "ServiceRequest", "us-core-servicerequest")
	if t.stage == stageRaised {
		p.list("replaces")
		p.reference("", w.refer(who, kindPrescription, int(t.number)-1))
		p.close()
	}
	status := "active"
	switch t.stage {
	case stageClosed:
		status = "completed"
	case stagePaused:
		status = "on-hold"
	}
	p.str("status", status)
	p.str("intent", "order")
	p.concepts("category", [2]string{snomed, "91251008"}, [2]string{activityTemp, "PhysicalActivity"})
	p.concept("code", snomed, "229065009", "")
	w.subject("subject", who, who.source())
	p.open("occurrenceTiming")
	p.open("repeat")
	if t.until > 0 {
		p.open("boundsPeriod")
		p.time("start", w.at(t.happened))
		p.time("end", w.at(t.until))
		p.end()
	}
	if t.count == 7 {
		p.raw("frequency", `1,"period":1,"periodUnit":"d"`)
	} else {
		p.int("frequency", int(t.count))
		p.raw("period", `1,"periodUnit":"wk"`)
	}
	p.end()
	p.end()
	p.time("authoredOn", w.at(t.happened))
	p.reference("requester", "Practitioner/"+staff[who.therapist].id)
	p.list("performer")
	w.subject("", who, who.source())
	p.close()
	p.end()
}

var appointmentStatus = [...]string{
	attended: "fulfilled", missed: "noshow", cancelledByPatient: "cancelled", cancelledByClinic: "cancelled",
}

func (w *writer) appointment(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Appointment", "")
	status := "booked"
	if t.stage == stageClosed {
		status = appointmentStatus[t.came]
	}
	p.str("status", status)
	switch t.came {
	case cancelledByPatient:
		p.concept("cancelationReason", terminology+"appointment-cancellation-reason", "pat", "")
	case cancelledByClinic:
		p.concept("cancelationReason", terminology+"appointment-cancellation-reason", "prov", "")
	}
	p.time("start", w.at(t.happened))
	p.time("end", w.at(t.until))
	p.list("participant")
	p.open("")
	w.subject("actor", who, who.source())
	p.str("status", acceptance(t))
	p.end()
	p.open("")
	p.reference("actor", "Practitioner/"+staff[t.with].id)
	p.str("status", "accepted")
	p.end()
	p.close()
	p.end()
}

func acceptance(t *touch) string {
	if t.came == cancelledByPatient {
		return "declined"
	}
	return "accepted"
}

func (w *writer) encounter(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Encounter", "us-core-encounter")
	p.str("status", "finished")
	p.raw("class", `{"system":"`+terminology+`v3-ActCode","code":"AMB"}`)
	w.subject("subject", who, who.source())
	p.list("participant")
	p.open("")
	p.reference("individual", "Practitioner/"+staff[t.with].id)
	p.end()
	p.close()
	p.list("appointment")
	p.reference("", w.refer(who, kindAppointment, int(t.number)))
	p.close()
	p.open("period")
	p.time("start", w.at(t.happened))
	p.time("end", w.at(t.until))
	p.end()
	p.end()
}

// log of one home exercise session. A session that was done has the value 1, as a quantity of sessions, or as an
// integer in flowsheets; one reported as not done has the reason not-performed instead.
func (w *writer) log(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Observation", "")
	p.list("basedOn")
	p.reference("", w.refer(who, kindPrescription, int(t.dose)+1))
	p.close()
	p.str("status", "final")
	p.concepts("category", [2]string{terminology + "observation-category", "activity"}, [2]string{terminology + "observation-category", "therapy"})
	p.concept("code", adherenceCodes, "hep-session-completed", "")
	w.subject("subject", who, who.source())
	p.time("effectiveDateTime", w.at(t.happened))
	switch {
	case t.count == 0:
		p.concept("dataAbsentReason", terminology+"data-absent-reason", "not-performed", "")
	case who.dialect == flowsheet:
		p.int("valueInteger", int(t.count))
	default:
		w.quantity("valueQuantity", int(t.count), "{session}")
	}
	if who.timed && t.count > 0 {
		p.list("component")
		p.open("")
		p.concept("code", loinc, "55411-3", "")
		w.quantity("valueQuantity", 15+int(t.number*7)%20, "min")
		p.end()
		p.close()
	}
	p.end()
}

func (w *writer) quantity(key string, v int, unit string) {
	p := &w.page
	p.open(key)
	p.int("value", v)
	p.str("unit", unit)
	p.str("system", ucum)
	p.str("code", unit)
	p.end()
}

// pain at a visit, 0 to 10.
func (w *writer) pain(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Observation", "")
	p.str("status", "final")
	p.concepts("category", [2]string{terminology + "observation-category", "vital-signs"})
	p.concept("code", loinc, "72514-3", "")
	w.subject("subject", who, who.source())
	p.time("effectiveDateTime", w.at(t.happened))
	w.quantity("valueQuantity", int(t.count), "{score}")
	p.end()
}

// score writes the total of a public form as a plain Observation; a form with an item left out has none.
func (w *writer) score(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "Observation", "")
	p.str("status", formStatus(t, "final"))
	p.concepts("category", [2]string{terminology + "observation-category", "survey"})
	p.concept("code", loinc, publicForms[t.form].total, "")
	w.subject("subject", who, who.source())
	p.time("effectiveDateTime", w.at(t.happened))
	p.time("issued", w.at(t.happened))
	if t.answers.complete(t.form) {
		w.quantity("valueQuantity", t.answers.total(t.form), "{score}")
	} else {
		p.concept("dataAbsentReason", terminology+"data-absent-reason", "unknown", "")
	}
	p.end()
}

// formStatus is the status of a form or score, initial unless it was changed or withdrawn.
func formStatus(t *touch, initial string) string {
	switch t.stage {
	case stageAmended:
		return "amended"
	case stageWithdrawn:
		return "entered-in-error"
	}
	return initial
}
