package fhir

import (
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// observation reads an Observation: a log of home exercise, a ready-made score, what a clinician did about the alliance, or
// a plain measure.
func (w *work) observation() {
	w.subject(w.root.Child("subject"))
	w.concept(w.root.Child("code"))
	at := w.observed()
	for n := w.root.Child("derivedFrom").First(); n.Exists(); n = n.Next() {
		w.link("derivedFrom", n, "Observation")
	}
	if to := w.reference(w.root.Child("encounter"), "Encounter"); to.typ == "Encounter" {
		w.out.Encounter = to.String()
	}
	switch status := w.root.Child("status"); status.Text() {
	case "final", "amended", "corrected":
		w.observationFacts(at)
	case "entered-in-error":
		w.out.Void = true
		w.inform(status, "entered in error: what was taken from it is withdrawn")
	default:
		w.out.Void = true
		w.inform(status, "only final, amended and corrected observations are used: stored and not used")
	}
}

func (w *work) observationFacts(at time.Time) {
	if extension(w.root, ScoringRule).Exists() {
		w.inform(w.root, "it was derived by Rapport itself from an answered form, whose scores count: stored and not used")
		return
	}
	codes := tokens(w.root.Child("code"))
	if w.repair(at, codes) || w.log(at, codes) {
		return
	}
	v, kind := value(w.root)
	if key, ok := w.scoreOf(codes); ok {
		if !v.Exists() {
			w.inform(w.root, "this %s score has no value: stored and not used", key.def.ID)
			return
		}
		w.readyMade("", at, key, v, kind)
		return
	}
	w.measure(at, codes)
}

// ready is the score that a code stands for.
type ready struct {
	def   *instrument.Definition
	score *instrument.Score
	// variant in which its source computed it; empty when as the instrument has it.
	variant string
}

// scoreOf finds the score that one of the codes stands for.
func (w *work) scoreOf(codes []string) (ready, bool) {
	if w.Instruments == nil {
		return ready{}, false
	}
	for _, code := range codes {
		var variant string
		def, score, ok := w.Instruments.ByScoreCode(code)
		if sources, is := w.Instruments.(Sources); is {
			def, score, variant, ok = sources.ReadyMade(w.source, code)
		}
		if ok {
			return ready{def, def.Score(score), variant}, true
		}
	}
	return ready{}, false
}

// observed enters the effective interval and gives the moment that facts stand at: the start, or the end of a period
// that sums something up; without either the time it was issued.
func (w *work) observed() time.Time {
	for _, name := range [2]string{"effectiveDateTime", "effectiveInstant"} {
		n := w.root.Child(name)
		if from, to, ok := Interval(n, w.zone); ok {
			w.effective(from, to)
			w.dayOf(n, from)
			return from
		}
	}
	if n := w.root.Child("effectivePeriod"); n.Exists() {
		from, to := period(n, w.zone)
		w.effective(from, to)
		if last, _, ok := Interval(n.Child("end"), w.zone); ok {
			w.dayOf(n.Child("end"), last)
			return last
		}
		w.dayOf(n.Child("start"), from)
		return from
	}
	for n := w.root.Child("effectiveTiming").Child("event").First(); n.Exists(); n = n.Next() {
		w.widen(Interval(n, w.zone))
	}
	if !w.out.From.IsZero() {
		return w.out.From
	}
	issued, _, ok := Interval(w.root.Child("issued"), w.zone)
	if !ok {
		w.warn("value", w.root, "neither effective nor issued is given: the time of receipt stands in for it")
	}
	return issued
}

// dayOf enters the patient's own calendar day of a moment: as it was written, or in the zone of a date without a time
// where it was written in UTC.
func (w *work) dayOf(n tree.Node, at time.Time) {
	text := n.Text()
	w.wholeDay = len(text) == len(time.DateOnly)
	if len(text) < len(time.DateOnly) {
		return
	}
	day := text[:len(time.DateOnly)]
	if strings.HasSuffix(text, "Z") {
		day = at.In(w.zone).Format(time.DateOnly)
	}
	if day != at.UTC().Format(time.DateOnly) {
		w.day = day
	}
}

// widen makes the effective interval cover another one.
func (w *work) widen(from, to time.Time, ok bool) {
	if !ok {
		return
	}
	if w.out.From.IsZero() || from.Before(w.out.From) {
		w.out.From = from
	}
	if to.After(w.out.To) {
		w.out.To = to
	}
}

// basedOn is the first ServiceRequest it is based on.
func (w *work) basedOn() string {
	for n := w.root.Child("basedOn").First(); n.Exists(); n = n.Next() {
		if to := w.reference(n, "ServiceRequest"); to.typ == "ServiceRequest" && to.id != "" {
			return to.String()
		}
	}
	return ""
}

// readyMade reads a score that was computed elsewhere.
func (w *work) readyMade(part string, at time.Time, of ready, v tree.Node, kind string) {
	def, key := of.def, of.score
	n, _, why := w.numeric(v, kind)
	if why != "" {
		w.unused(v, "%s: not used as a %s score", why, def.ID)
		return
	}
	n, ok := def.Shifted(key, of.variant, n)
	if !ok {
		w.unused(v, "a %s score of %s cannot be converted from the variant %s: not used", key.Code, def.ID, of.variant)
		return
	}
	scores, ok := fact.External(def, key.Code, n, w.scoredBy(def))
	if !ok {
		low, high := key.Reach()
		w.unused(v, "a %s score of %s lies between %g and %g: not used", key.Code, def.ID, low, high)
		return
	}
	scores.Day, scores.Variant, w.out.Respondent = w.day, of.variant, scores.Respondent
	w.out.Clinician = w.clinician(extension(w.root, ratedClinician).Child("valueReference"), "Practitioner")
	scores.Clinician, scores.Encounter = w.out.Clinician, w.out.Encounter
	w.add(part, at, fact.Fact{Kind: fact.KindScores, Scores: scores})
}

// scoredBy is who answered what a ready-made score sums up. A clinician who performs a patient's instrument has only
// recorded it.
func (w *work) scoredBy(def *instrument.Definition) string {
	for n := w.root.Child("performer").First(); n.Exists(); n = n.Next() {
		if w.respondent(n) == carePartner {
			return carePartner
		}
	}
	return def.Respondent
}

// numeric is the number that a value holds, with its unit, or the reason why it holds none.
func (w *work) numeric(v tree.Node, kind string) (n float64, u, why string) {
	text := ""
	switch kind {
	case "Integer", "Decimal":
		text = v.Number()
	case "Quantity":
		if v.Child("comparator").Exists() {
			return 0, "", "a value with a comparator is not exact"
		}
		text, u = v.Child("value").Number(), unitOf(v)
	case "String":
		text = strings.TrimSpace(v.Text())
	case "Coding":
		text = weight(v)
	case "CodeableConcept":
		for c := v.Child("coding").First(); c.Exists() && text == ""; c = c.Next() {
			text = weight(c)
		}
	}
	n, ok := number(text)
	if !ok {
		return 0, "", "the value is no number"
	}
	return n, u, ""
}
