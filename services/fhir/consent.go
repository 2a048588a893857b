package fhir

// consent reads a Consent: whom it is about, and when it was given. What it allows is decided at the door, each time.
func (w *work) consent() {
	w.subject(w.root.Child("patient"))
	w.concept(w.root.Child("scope"))
	if start, end, dated := Interval(w.root.Child("dateTime"), w.zone); dated {
		w.effective(start, end)
	}
}
