// Package simulate makes synthetic rehabilitation clinics whose truth is known, as a stream of FHIR R4 resources in the order in which they are sent.
//
// A patient passes three rooms of this house: a course (plain data: how alliance, distress, adherence and attendance
// go), the post (when each thing is sent, how often, how late), and the writer (the FHIR of one EHR dialect).
// Everything follows from the seed, so the same clinic always sends the same bytes.
package simulate

import (
	"iter"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// The sources of a clinic.
const (
	// EHR is the home source: registrations, visits and prescriptions of most patients, and the forms of most.
	EHR ref.Source = "ehr"
	// PRO is a server for patient-reported outcomes beside the EHR: it knows patients only by their record number.
	PRO ref.Source = "pro"
	// Annex is a second site with a system of its own, which sends transaction Bundles.
	Annex ref.Source = "annex"
)

// The limits of Validate.
const (
	MaxPatients = 1_000_000
	MaxWeeks    = 260
)

// Clinic is a synthetic clinic. The zero value is empty; Default is the one of the demo.
type Clinic struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Patients admitted, 0 to MaxPatients.
	Patients int
	// Weeks for which it is watched, 0 to MaxWeeks. Courses are paced to end with it; what would be sent later is not sent.
	Weeks int
	// Start is the day on which it opens, at midnight in its zone; the zone is that of every time written.
	Start time.Time
	// Cast says who takes which course: patient i takes Cast[i mod len]. Empty is the usual mixture.
	Cast []Archetype
	// Lifelike people differ in their usual level, and their ratings wobble by as much as the error of measurement of the
	// form (0.2 points of the WAI-SR mean); some ruptures are shallow, and what follows them is skipped and sent late like anything else. Otherwise, as in the demo,
	// every course shows plainly what it is.
	Lifelike bool
}

// Event is one submission: a resource or a transaction Bundle as an EHR sends it.
type Event struct {
	// At is when it is sent.
	At time.Time
	// Source that sends it.
	Source ref.Source
	// Patient it is about, as PatientTruth.Patient names it; empty for what belongs to the whole clinic.
	Patient string
	// Note says what it is, such as `phq-9 intake` or `appointment booked, again`.
	Note string
	// Body is the JSON. It is the receiver's to keep.
	Body []byte
}

// Default is the clinic of the demo: 24 patients over 12 weeks, from a Monday.
func Default() Clinic {
	return Clinic{Seed: 1, Patients: 24, Weeks: 12, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.FixedZone("", -5*60*60))}
}

// Validate says what cannot be simulated, as a fault of kind Invalid.
func (c Clinic) Validate() error {
	var issues []fault.Issue
	if c.Patients < 0 || c.Patients > MaxPatients {
		issues = append(issues, fault.Errorf("value", "Patients", "must be 0 to %d", MaxPatients))
	}
	if c.Weeks < 0 || c.Weeks > MaxWeeks {
		issues = append(issues, fault.Errorf("value", "Weeks", "must be 0 to %d", MaxWeeks))
	}
	if c.Start.IsZero() {
		issues = append(issues, fault.Errorf("required", "Start", "the clinic needs a day to open on"))
	}
	for _, a := range c.Cast {
		if !slices.Contains(Archetypes(), a) {
			issues = append(issues, fault.Errorf("value", "Cast", "no such archetype"))
			break
		}
	}
	if issues != nil {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// Events streams all that the clinic sends, in order of sending. Memory stays bounded however many patients there
// are: time is cut into windows that hold a million sendings, and each window lives through all courses again.
// An invalid clinic sends nothing.
func (c Clinic) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if c.Validate() != nil || c.Patients == 0 || c.Weeks == 0 {
			return
		}
		w := newWriter(c)
		for _, e := range w.clinicWide() {
			if !yield(e) {
				return
			}
		}
		var touches []touch
		for win := range c.windows() {
			touches = c.collect(touches[:0], win)
			slices.SortFunc(touches, touch.compare)
			for i := range touches {
				if !yield(w.event(&touches[i])) {
					return
				}
			}
		}
	}
}

// Panels streams the same events, but panel by panel: so many patients as make up one window, in order of sending, then
// the next. Each course is lived once, so a million patients take time in proportion; in Events they take its square.
// What the panels have in common comes first. Episodes share nothing, so a receiver ends up with the same.
func (c Clinic) Panels() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if c.Validate() != nil || c.Patients == 0 || c.Weeks == 0 {
			return
		}
		w := newWriter(c)
		for _, e := range w.clinicWide() {
			if !yield(e) {
				return
			}
		}
		var one course
		var touches, sent []touch
		flush := func() bool {
			slices.SortFunc(touches, touch.compare)
			for i := range touches {
				if !yield(w.event(&touches[i])) {
					return false
				}
			}
			touches = touches[:0]
			return true
		}
		for who := range c.people() {
			live(&one, c, who)
			sent = post(sent[:0], c, &one)
			if len(touches)+len(sent) > panelSize && !flush() {
				return
			}
			touches = append(touches, sent...)
		}
		flush()
	}
}

// panelSize is about how many sendings of a panel are held at once.
const panelSize = 1 << 18

// Story is one patient from the first sending to the last.
type Story struct {
	PatientTruth
	// Attended are the times of the attended visits, in order.
	Attended []time.Time
	// Events are all that is sent about the patient, in order of sending. They are good until the next story.
	Events []Event
}

// Stories streams the patients from one index up to another, exclusive, each with all that is sent about them.
func (c Clinic) Stories(from, to int) iter.Seq[Story] {
	return func(yield func(Story) bool) {
		if c.Validate() != nil || c.Weeks == 0 {
			return
		}
		w := newWriter(c)
		var one course
		var sent []touch
		var story Story
		for index := max(0, from); index < min(to, c.Patients); index++ {
			live(&one, c, *w.person(index))
			sent = post(sent[:0], c, &one)
			story = Story{PatientTruth: c.truth(&one, sent), Attended: story.Attended[:0], Events: story.Events[:0]}
			for _, v := range one.visits {
				if v.came == attended {
					story.Attended = append(story.Attended, c.time(v.at))
				}
			}
			slices.SortFunc(sent, touch.compare)
			for i := range sent {
				story.Events = append(story.Events, w.event(&sent[i]))
			}
			if !yield(story) {
				return
			}
		}
	}
}

// Clinicians is how many of the staff see patients.
func (c Clinic) Clinicians() int {
	seen := map[uint8]bool{}
	for who := range c.people() {
		seen[who.therapist] = true
		if who.dyads {
			seen[who.mind] = true
		}
	}
	return len(seen)
}

// windowSize is about how many sendings are held at once; each takes 44 bytes.
const windowSize = 1 << 20

// window is a half-open stretch of time.
type window struct{ from, to moment }

// windows cuts the weeks into equal stretches that each hold about windowSize sendings.
func (c Clinic) windows() iter.Seq[window] {
	return func(yield func(window) bool) {
		expected := int64(c.Patients) * int64(11*c.Weeks+10)
		n := expected/windowSize + 1
		end := int64(c.end())
		for i := range n {
			if !yield(window{moment(end * i / n), moment(end * (i + 1) / n)}) {
				return
			}
		}
	}
}

// collect appends what all patients send within the window.
func (c Clinic) collect(touches []touch, win window) []touch {
	var one course
	var sent []touch
	for who := range c.people() {
		live(&one, c, who)
		sent = post(sent[:0], c, &one)
		for _, t := range sent {
			if win.from <= t.sent && t.sent < win.to {
				touches = append(touches, t)
			}
		}
	}
	return touches
}

// moment is a time in seconds after midnight of the day on which the clinic opens.
type moment int32

const (
	minute moment = 60
	hour          = 60 * minute
	day           = 24 * hour
	week          = 7 * day
)

// end is when the clinic is watched no longer.
func (c Clinic) end() moment { return moment(c.Weeks) * week }

// midnight of the day on which the clinic opens.
func (c Clinic) midnight() time.Time {
	y, m, d := c.Start.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, c.Start.Location())
}

// weekday of a day counted from the opening.
func (c Clinic) weekday(d int) time.Weekday {
	return time.Weekday((int(c.Start.Weekday()) + d) % 7)
}
