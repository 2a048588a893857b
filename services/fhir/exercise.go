package fhir

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Codes of home exercise.
const (
	sessionCompleted   = adherenceSystem + "|hep-session-completed"
	exerciseCompleted  = adherenceSystem + "|hep-exercise-completed"
	adherencePercent   = adherenceSystem + "|hep-adherence-percent"
	sessionsDone       = adherenceSystem + "|hep-sessions-done"
	sessionsPrescribed = adherenceSystem + "|hep-sessions-prescribed"
	exerciseSets       = adherenceSystem + "|hep-sets"
	exerciseReps       = adherenceSystem + "|hep-repetitions"
	exerciseDuration   = loinc + "|55411-3"
	activityPerformed  = loinc + "|73985-4"
	activityPanel      = activity + "|PAPanel"
)

// Bounds of one log; more is a mistake of unit or of typing.
const (
	mostSessions = 100
	mostMinutes  = 24 * 60
	mostSets     = 100
	mostReps     = 10_000
	mostPercent  = 1000
)

// log reads an Observation that logs home exercise; false when it does not.
func (w *work) log(at time.Time, codes []string) bool {
	plan := w.basedOn()
	for _, code := range codes {
		switch {
		case code == sessionCompleted:
			w.session(at, plan)
			return true
		case code == exerciseCompleted:
			w.partial(at, plan, codes)
			return true
		case code == adherencePercent:
			w.rate(at, plan)
			return true
		case code == exerciseDuration && plan != "":
			w.exerciseMinutes(at, plan)
			return true
		case (code == activityPerformed || code == activityPanel) && plan != "":
			w.performed(at, plan)
			return true
		}
	}
	if plan != "" && w.dosed() {
		w.partial(at, plan, codes)
		return true
	}
	return false
}

// enterLog adds a log, with what the effective time tells of it.
func (w *work) enterLog(at time.Time, e fact.Exercise) {
	e.Day, e.WholeDay = w.day, w.wholeDay
	if from, to := w.out.From, w.out.To; e.From.IsZero() && !from.IsZero() && to.Sub(from) > 25*time.Hour {
		e.From, e.Until = from, to
	}
	w.add("", at, fact.Fact{Kind: fact.KindExercise, Exercise: &e})
}

// session reads a log of whole sessions.
func (w *work) session(at time.Time, plan string) {
	parts, minutes := w.dose("")
	e := fact.Exercise{Prescription: plan, Done: 1, Minutes: minutes, Parts: parts}
	v, kind := value(w.root)
	reason := w.root.Child("dataAbsentReason")
	switch {
	case reason.Exists():
		if !notPerformed(reason) {
			w.inform(reason, "nothing is known of this session: stored and not used")
			return
		}
		e.Done = 0
	case kind == "Boolean":
		if done, _ := v.Bool(); !done {
			e.Done = 0
		}
	case v.Exists():
		n, u, why := w.numeric(v, kind)
		if why != "" {
			w.unused(v, "%s: not used", why)
			return
		}
		if m, ok := inMinutes(n, u); ok {
			e.Minutes = m
			break
		}
		e.Done = n
	}
	if e.Done < 0 || e.Done > mostSessions || e.Minutes < 0 || e.Minutes > mostMinutes {
		w.unused(v, "sessions must be 0 to %d and minutes at most those of a day: not used", mostSessions)
		return
	}
	w.enterLog(at, e)
}

// exerciseMinutes reads the duration of a prescribed activity: one session.
func (w *work) exerciseMinutes(at time.Time, plan string) {
	if reason := w.root.Child("dataAbsentReason"); reason.Exists() {
		w.session(at, plan)
		return
	}
	v, kind := value(w.root)
	n, u, why := w.numeric(v, kind)
	minutes, timed := inMinutes(n, u)
	switch {
	case why != "":
		w.unused(w.root, "%s: not used", why)
	case !timed || minutes < 0 || minutes > mostMinutes:
		w.unused(v, "a duration is given in s, min or h and is at most a day: not used")
	default:
		e := fact.Exercise{Prescription: plan, Done: 1, Minutes: minutes}
		if minutes == 0 {
			e.Done = 0
		}
		w.enterLog(at, e)
	}
}

// performed reads the kind of a prescribed activity, which is a session where its duration stands beside it.
func (w *work) performed(at time.Time, plan string) {
	parts, minutes := w.dose("")
	if minutes <= 0 {
		w.inform(w.root, "a session of exercise is counted by its duration (LOINC 55411-3) or by %s: stored and not used", sessionCompleted)
		return
	}
	e := fact.Exercise{Prescription: plan, Done: 1, Minutes: minutes, Parts: parts}
	if v, kind := value(w.root); kind == "CodeableConcept" {
		if name := chief(tokens(v)); name != "" && len(parts) < fact.MaxParts {
			e.Parts = append(e.Parts, fact.Part{Name: name, Minutes: minutes})
		}
	}
	w.enterLog(at, e)
}

// partial reads a log of single exercises, of which several make up a session.
func (w *work) partial(at time.Time, plan string, codes []string) {
	name := chief(slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return strings.HasPrefix(c, adherenceSystem+"|") }))
	v, kind := value(w.root)
	if kind == "CodeableConcept" && name == "" {
		name, v = chief(tokens(v)), tree.Node{}
	}
	parts, minutes := w.dose(name)
	if minutes > 0 {
		enter(&parts, name, func(p *fact.Part) { p.Minutes = minutes })
	}
	if !w.partialValue(&parts, name, v, kind) {
		return
	}
	if len(parts) == 0 {
		parts = []fact.Part{{Name: name}}
	}
	w.enterLog(at, fact.Exercise{Prescription: plan, Partial: true, Parts: parts})
}

// partialValue enters the value of a single exercise; false when it cannot be used.
func (w *work) partialValue(parts *[]fact.Part, name string, v tree.Node, kind string) bool {
	reason := w.root.Child("dataAbsentReason")
	switch {
	case reason.Exists() && !notPerformed(reason):
		w.inform(reason, "nothing is known of this exercise: stored and not used")
		return false
	case reason.Exists():
		enter(parts, name, func(p *fact.Part) { p.Missed = true })
	case kind == "Boolean":
		if done, _ := v.Bool(); !done {
			enter(parts, name, func(p *fact.Part) { p.Missed = true })
		}
	case v.Exists():
		set := w.amount(nil, v, kind)
		if set == nil {
			w.unused(v, "an exercise is counted in {sets}, {reps} or min, or as sets x repetitions such as 3x10: not used")
			return false
		}
		enter(parts, name, set)
	}
	return true
}

// rate reads a completion worked out elsewhere.
func (w *work) rate(at time.Time, plan string) {
	e := fact.Exercise{Prescription: plan}
	for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
		count, _, why := w.numeric(value(n))
		if why != "" || count < 0 || count > mostReps {
			continue
		}
		switch codes := tokens(n.Child("code")); {
		case slices.Contains(codes, sessionsDone):
			e.Done = count
		case slices.Contains(codes, sessionsPrescribed):
			e.Due = count
		}
	}
	v, kind := value(w.root)
	percent, u, why := w.numeric(v, kind)
	switch {
	case v.Exists() && why == "" && u == "1":
		percent *= 100
	case v.Exists() && why == "":
	case !v.Exists() && e.Due > 0 && !w.root.Child("dataAbsentReason").Exists():
		percent = 100 * e.Done / e.Due
	default:
		w.inform(w.root, "it gives no rate: stored and not used")
		return
	}
	if percent < 0 || percent > mostPercent || u != "" && u != "%" && u != "1" {
		w.unused(v, "a completion is given in %% and lies between 0 and %d: not used", mostPercent)
		return
	}
	e.Percent = &percent
	if w.root.Child("effectivePeriod").Exists() {
		e.From, e.Until = w.out.From, w.out.To
	}
	w.enterLog(at, e)
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

// dose is what extensions and components say of sets, repetitions and minutes, by exercise, and the minutes of all
// together. Doses that name no exercise are of the one called name.
func (w *work) dose(name string) (parts []fact.Part, minutes float64) {
	parts = w.doses(w.root)
	for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
		v, kind := value(n)
		codes := tokens(n.Child("code"))
		if slices.Contains(codes, exerciseDuration) {
			if x, u, why := w.numeric(v, kind); why == "" {
				if m, ok := inMinutes(x, u); ok && m >= 0 && m <= mostMinutes {
					minutes = m
				}
			}
			continue
		}
		of := chief(codes)
		if strings.HasPrefix(of, adherenceSystem+"|") {
			of = name
		}
		switch done, answered := v.Bool(); {
		case kind == "Boolean" && answered && of != "":
			enter(&parts, of, func(p *fact.Part) { p.Missed = !done })
		case !v.Exists() && notPerformed(n.Child("dataAbsentReason")):
			enter(&parts, of, func(p *fact.Part) { p.Missed = true })
		default:
			if set := w.amount(codes, v, kind); set != nil {
				enter(&parts, of, set)
			}
		}
	}
	return parts, minutes
}

// enter changes the part of a name, which it adds when there is room.
func enter(parts *[]fact.Part, name string, change func(*fact.Part)) {
	i := slices.IndexFunc(*parts, func(p fact.Part) bool { return p.Name == name })
	if i < 0 {
		if len(*parts) == fact.MaxParts {
			return
		}
		i = len(*parts)
		*parts = append(*parts, fact.Part{Name: name})
	}
	change(&(*parts)[i])
}

// dosed says whether the value, or a component, counts sets or repetitions.
func (w *work) dosed() bool {
	counts := func(n tree.Node) bool {
		v, kind := value(n)
		if kind != "Quantity" {
			return anyOf(tokens(n.Child("code")), map[string]bool{exerciseSets: true, exerciseReps: true}) != ""
		}
		return sets[unitOf(v)] || reps[unitOf(v)]
	}
	if counts(w.root) || extension(w.root, exerciseDose).Exists() {
		return true
	}
	for n := w.root.Child("component").First(); n.Exists(); n = n.Next() {
		if counts(n) {
			return true
		}
	}
	return false
}

// Units of a dose: UCUM has them as annotations only.
var (
	sets = map[string]bool{"{set}": true, "{sets}": true}
	reps = map[string]bool{"{rep}": true, "{reps}": true, "{repetition}": true, "{repetitions}": true}
)

// amount is what a value says of the dose of an exercise, by the code that stands with it or by its unit; nil when
// it says nothing, or nothing that can be.
func (w *work) amount(codes []string, v tree.Node, kind string) func(*fact.Part) {
	if kind == "String" {
		if s, r, ok := setsByReps(v.Text()); ok {
			return func(p *fact.Part) { p.Sets, p.Reps = s, r }
		}
	}
	n, u, why := w.numeric(v, kind)
	if why != "" || n < 0 {
		return nil
	}
	m, timed := inMinutes(n, u)
	switch {
	case (slices.Contains(codes, exerciseSets) || sets[u]) && n <= mostSets:
		return func(p *fact.Part) { p.Sets = n }
	case (slices.Contains(codes, exerciseReps) || reps[u]) && n <= mostReps:
		return func(p *fact.Part) { p.Reps = n }
	case timed && m <= mostMinutes:
		return func(p *fact.Part) { p.Minutes = m }
	default:
		return nil
	}
}

// setsByReps reads sets x repetitions, such as 3x10.
func setsByReps(text string) (float64, float64, bool) {
	before, after, ok := strings.Cut(strings.ReplaceAll(strings.ToLower(text), "×", "x"), "x")
	if !ok {
		return 0, 0, false
	}
	s, err := strconv.ParseUint(strings.TrimSpace(before), 10, 16)
	r, err2 := strconv.ParseUint(strings.TrimSpace(after), 10, 16)
	if err != nil || err2 != nil || s > mostSets || r > mostReps {
		return 0, 0, false
	}
	return float64(s), float64(r), true
}

// doses are the extensions that say what one session, or one log, holds.
func (w *work) doses(n tree.Node) (parts []fact.Part) {
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		if !x.Child("url").Is(exerciseDose) || len(parts) == fact.MaxParts {
			continue
		}
		part := fact.Part{Name: doseOf(x)}
		for _, field := range []struct {
			url  string
			most float64
			into *float64
		}{{"sets", mostSets, &part.Sets}, {"repetitions", mostReps, &part.Reps}, {"minutes", mostMinutes, &part.Minutes}} {
			if v, _, why := w.numeric(value(extension(x, field.url))); why == "" && v >= 0 && v <= field.most {
				*field.into = v
			}
		}
		if part != (fact.Part{}) {
			parts = append(parts, part)
		}
	}
	return parts
}

// doseOf is the exercise that a dose is of.
func doseOf(x tree.Node) string {
	v, kind := value(extension(x, "exercise"))
	if kind == "Coding" {
		return token(v)
	}
	return chief(tokens(v))
}

// inMinutes is a duration in minutes; false when the unit is none of time.
func inMinutes(n float64, unit string) (float64, bool) {
	per, ok := map[string]float64{"s": 1.0 / 60, "min": 1, "h": 60}[unit]
	return n * per, ok
}
