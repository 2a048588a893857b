package simulate

import "time"

// episode of care: active from admission on, on hold during an agreed pause.
func (w *writer) episode(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "EpisodeOfCare", "")
	status := "active"
	if t.stage == stagePaused {
		status = "onhold"
	}
	p.str("status", status)
	if t.stage != stageNone {
		p.list("statusHistory")
		w.stay("active", w.at(t.happened), w.at(t.until))
		if t.stage == stageResumed {
			w.stay("onhold", w.at(t.until), w.at(t.written))
		}
		p.close()
	}
	w.subject("patient", who, who.source())
	p.open("period")
	p.time("start", w.at(t.happened))
	p.end()
	p.reference("careManager", "Practitioner/"+staff[who.coordinator].id)
	p.end()
}

// stay writes one entry of a status history.
func (w *writer) stay(status string, from, until time.Time) {
	p := &w.page
	p.open("")
	p.str("status", status)
	p.open("period")
	p.time("start", from)
	p.time("end", until)
	p.end()
	p.end()
}
