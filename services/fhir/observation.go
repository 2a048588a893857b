package fhir

import (
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Codes of home exercise.
const (
	sessionCompleted  = adherenceSystem + "|hep-session-completed"
	exerciseDuration  = loinc + "|55411-3"
	activityPerformed = loinc + "|73985-4"
	activityPanel     = activity + "|PAPanel"
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
	if w.repair(at, codes) {
		return
	}
	plan := w.basedOn()
	for _, code := range codes {
		switch {
		case code == sessionCompleted:
			w.session(at, plan)
			return
		case code == exerciseDuration && plan != "":
			w.exerciseMinutes(at, plan)
			return
		case (code == activityPerformed || code == activityPanel) && plan != "":
			w.inform(w.root, "a session of exercise is counted by its duration (LOINC 55411-3) or by %s: stored and not used", sessionCompleted)
			return
		}
	}
	for _, code := range codes {
		if def, score, variant, ok := w.scoreOf(code); ok {
			w.readyMade(at, def, def.Score(score), variant)
			return
		}
	}
	w.measure(at, codes)
}

// scoreOf finds the score that a code stands for, and the variant in which it was computed.
func (w *work) scoreOf(code string) (def *instrument.Definition, score, variant string, ok bool) {
	if sources, is := w.Instruments.(Sources); is {
		return sources.ReadyMade(w.source, code)
	}
	if w.Instruments == nil {
		return nil, "", "", false
	}
	def, score, ok = w.Instruments.ByScoreCode(code)
	return def, score, "", ok
}

// observed enters the effective interval and gives the moment that facts stand at: the start, or the end of a period
// that sums something up; without either the time it was issued.
func (w *work) observed() time.Time {
	for _, name := range [2]string{"effectiveDateTime", "effectiveInstant"} {
		if from, to, ok := Interval(w.root.Child(name), w.zone); ok {
			w.effective(from, to)
			return from
		}
	}
	if n := w.root.Child("effectivePeriod"); n.Exists() {
		from, to := period(n, w.zone)
		w.effective(from, to)
		if last, _, ok := Interval(n.Child("end"), w.zone); ok {
			return last
		}
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

// mostSessions is how many sessions one log may stand for; more is a mistake of unit or of typing.
const mostSessions = 100

// session reads a log of home exercise.
func (w *work) session(at time.Time, plan string) {
	exercise := fact.Exercise{Prescription: plan, Done: 1, Minutes: w.durationComponent()}
	v, kind := value(w.root)
	reason := w.root.Child("dataAbsentReason")
	switch {
	case reason.Exists():
		if !notPerformed(reason) {
			w.inform(reason, "nothing is known of this session: stored and not used")
			return
		}
		exercise.Done = 0
	case kind == "Boolean":
		if done, _ := v.Bool(); !done {
			exercise.Done = 0
		}
	case v.Exists():
		n, u, why := w.numeric(v, kind)
		if why != "" {
			w.unused(v, "%s: not used", why)
			return
		}
		if u == "min" {
			exercise.Minutes = n
			break
		}
		exercise.Done = n
	}
	if exercise.Done < 0 || exercise.Done > mostSessions || exercise.Minutes < 0 || exercise.Minutes > 24*60 {
		w.unused(v, "sessions must be 0 to %d and minutes at most those of a day: not used", mostSessions)
		return
	}
	w.add("", at, fact.Fact{Kind: fact.KindExercise, Exercise: &exercise})
}

// notPerformed says whether a dataAbsentReason means: reported as not done.
func notPerformed(reason tree.Node) bool {
	for c := reason.Child("coding").First(); c.Exists(); c = c.Next() {
		if c.Child("code").Is("not-performed") {
			return true
		}
	}
	return false
}

// durationComponent is the minutes given as a component; 0 when none is.
func (w *work) durationComponent() float64 {
	for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
		for _, code := range tokens(n.Child("code")) {
			if code != exerciseDuration {
				continue
			}
			if minutes, u, why := w.numeric(value(n)); why == "" && u == "min" {
				return minutes
			}
		}
	}
	return 0
}

// exerciseMinutes reads the duration of a prescribed activity: one session.
func (w *work) exerciseMinutes(at time.Time, plan string) {
	if reason := w.root.Child("dataAbsentReason"); reason.Exists() {
		w.session(at, plan)
		return
	}
	v, kind := value(w.root)
	minutes, u, why := w.numeric(v, kind)
	switch {
	case why != "":
		w.unused(w.root, "%s: not used", why)
	case u != "min" || minutes < 0 || minutes > 24*60:
		w.unused(v, "a duration is given in min and is at most a day: not used")
	default:
		exercise := fact.Exercise{Prescription: plan, Done: 1, Minutes: minutes}
		if minutes == 0 {
			exercise.Done = 0
		}
		w.add("", at, fact.Fact{Kind: fact.KindExercise, Exercise: &exercise})
	}
}

// readyMade reads a score that was computed elsewhere, in a variant or, where that is empty, as the instrument has it.
func (w *work) readyMade(at time.Time, def *instrument.Definition, key *instrument.Score, variant string) {
	v, kind := value(w.root)
	if !v.Exists() {
		w.inform(w.root, "this %s score has no value: stored and not used", def.ID)
		return
	}
	n, _, why := w.numeric(v, kind)
	if why != "" {
		w.unused(v, "%s: not used as a %s score", why, def.ID)
		return
	}
	n, ok := def.Shifted(key, variant, n)
	if !ok {
		w.unused(v, "a %s score of %s cannot be converted from the variant %s: not used", key.Code, def.ID, variant)
		return
	}
	scores, ok := fact.External(def, key.Code, n, w.scoredBy(def))
	if !ok {
		low, high := key.Reach()
		w.unused(v, "a %s score of %s lies between %g and %g: not used", key.Code, def.ID, low, high)
		return
	}
	scores.Variant, w.out.Respondent = variant, scores.Respondent
	w.out.Clinician = w.clinician(extension(w.root, ratedClinician).Child("valueReference"), "Practitioner")
	scores.Clinician, scores.Encounter = w.out.Clinician, w.out.Encounter
	w.add("", at, fact.Fact{Kind: fact.KindScores, Scores: scores})
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

// measure reads any other number.
func (w *work) measure(at time.Time, codes []string) {
	code := chief(codes)
	v, kind := value(w.root)
	switch {
	case code == "":
		w.inform(w.root.Child("code"), "it has no code with a system: stored and not used")
		return
	case !v.Exists():
		w.inform(w.root, "it has no value of its own: stored and not used")
		return
	}
	n, u, why := w.numeric(v, kind)
	if why != "" {
		w.inform(v, "%s: stored and not used", why)
		return
	}
	w.add("", at, fact.Fact{Kind: fact.KindMeasure, Measure: &fact.Measure{Code: code, Value: n, Unit: u}})
}

// chief is the code a measure is known by: its LOINC code, else the first that has a system.
func chief(codes []string) string {
	first := ""
	for _, c := range codes {
		if strings.HasPrefix(c, loinc+"|") {
			return c
		}
		if first == "" && c[0] != '|' {
			first = c
		}
	}
	return first
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
