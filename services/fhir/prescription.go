package fhir

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
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
	}
	if status == "active" {
		w.add("", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &p})
		return
	}
	// It was in force until it was changed: what was asked for before then still counts.
	changed := p
	changed.Status = status
	if !at.IsZero() && at.Before(w.out.Updated) {
		w.add("", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &p})
		at = w.out.Updated
	}
	w.add("status", at, fact.Fact{Kind: fact.KindPrescription, Prescription: &changed})
}

// schedule is how often something is to be done, or why that cannot be told.
type schedule struct {
	sessions, days float64
	weekdays       []int
	from, until    time.Time
	at             tree.Node
	why            string
}

// occurrence reads occurrence[x].
func (w *work) occurrence(s *schedule) {
	if n := w.root.Child("occurrenceDateTime"); n.Exists() {
		from, until, _ := Interval(n, w.zone)
		*s = schedule{sessions: 1, days: max(1, until.Sub(from).Hours()/24), from: from, until: until, at: n}
		return
	}
	if n := w.root.Child("occurrencePeriod"); n.Exists() {
		s.at = n
		s.from, s.until = period(n, w.zone)
		s.total(w.root.Child("quantityQuantity").Child("value"))
		return
	}
	n := w.root.Child("occurrenceTiming")
	if !n.Exists() {
		s.at, s.why = w.root, "occurrence is missing: it says how often"
		return
	}
	s.at = n
	w.timing(s, n)
}

// total spreads a number of sessions over the bounds.
func (s *schedule) total(count tree.Node) {
	n, ok := number(count.Number())
	if !ok || n <= 0 || s.from.IsZero() || s.until.IsZero() || !s.until.After(s.from) {
		s.why = "it does not say how often"
		return
	}
	s.sessions, s.days = n, s.until.Sub(s.from).Hours()/24
}

// named are the timing codes of v3-GTSAbbreviation, as sessions per days.
var named = map[string][2]float64{
	"QD": {1, 1}, "BID": {2, 1}, "TID": {3, 1}, "QID": {4, 1}, "QOD": {1, 2}, "AM": {1, 1}, "PM": {1, 1}, "BED": {1, 1},
	"Q4H": {6, 1}, "Q6H": {4, 1}, "Q8H": {3, 1}, "WK": {1, 7}, "MO": {1, 30},
}

// timing reads a Timing.
func (w *work) timing(s *schedule, n tree.Node) {
	repeat := n.Child("repeat")
	w.bounds(s, repeat)
	switch {
	case repeat.Child("frequency").Exists() || repeat.Child("period").Exists() || repeat.Child("dayOfWeek").Exists() || repeat.Child("when").Exists():
		s.repeat(repeat)
	case repeat.Child("count").Exists():
		s.total(repeat.Child("count"))
	default:
		for c := n.Child("code").Child("coding").First(); c.Exists(); c = c.Next() {
			if rate, ok := named[c.Child("code").Text()]; ok {
				s.sessions, s.days = rate[0], rate[1]
				return
			}
		}
		s.why = "it does not say how often"
	}
}

// bounds enters boundsPeriod, or boundsDuration from when it was authored.
func (w *work) bounds(s *schedule, repeat tree.Node) {
	if b := repeat.Child("boundsPeriod"); b.Exists() {
		s.from, s.until = period(b, w.zone)
		return
	}
	length := repeat.Child("boundsDuration")
	if r := repeat.Child("boundsRange"); r.Exists() {
		length = r.Child("high")
	}
	days, ok := daysOf(length)
	if !ok {
		return
	}
	if from, _, dated := Interval(w.root.Child("authoredOn"), w.zone); dated {
		s.from, s.until = from, from.Add(duration(days))
	}
}

var weekdays = map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

// repeat reads frequency, period, days of the week and times of day. Where a range is given its lower end is what is
// asked for at least.
func (s *schedule) repeat(n tree.Node) {
	frequency, asked := number(n.Child("frequency").Number())
	if !asked {
		frequency = max(1, float64(n.Child("when").Len()))
	}
	length, given := number(n.Child("period").Number())
	unit := n.Child("periodUnit").Text()
	if !given {
		length = 1
	}
	if unit == "" {
		unit = "d"
	}
	days := length * unitDays[unit]
	for d := n.Child("dayOfWeek").First(); d.Exists(); d = d.Next() {
		if day, ok := weekdays[d.Text()]; ok && !slices.Contains(s.weekdays, day) {
			s.weekdays = append(s.weekdays, day)
		}
	}
	slices.Sort(s.weekdays)
	if on := float64(len(s.weekdays)); on > 0 {
		switch {
		case days <= 1: // so often on each of these days
			frequency, days = frequency*on/max(days, 1.0/24), 7
		case days == 7: // once on each of these days, unless more is asked for
			frequency = max(frequency, on)
		}
	}
	s.sessions, s.days = frequency, days
	if days < 1 && days > 0 {
		s.sessions, s.days = frequency/days, 1
	}
	if s.days <= 0 || s.sessions <= 0 || s.sessions/s.days > mostSessions {
		s.why = "how often cannot be told from frequency, period and periodUnit"
	}
}

// unitDays are the days of a unit of time; a month counts 30, a year 365.
var unitDays = map[string]float64{
	"s": 1.0 / 86400, "min": 1.0 / 1440, "h": 1.0 / 24, "d": 1, "wk": 7, "mo": 30, "a": 365,
}

// daysOf is a Duration in days.
func daysOf(n tree.Node) (float64, bool) {
	v, ok := number(n.Child("value").Number())
	days := v * unitDays[unitOf(n)]
	return days, ok && days > 0 && days < 100*365
}

func duration(days float64) time.Duration { return time.Duration(days * float64(24*time.Hour)) }
