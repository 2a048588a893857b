package fhir

import (
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// courseStatuses are those that say something of the course of care.
var courseStatuses = map[string]bool{
	fact.CoursePlanned: true, fact.CourseWaiting: true, fact.CourseActive: true, fact.CoursePaused: true,
	fact.CourseFinished: true, fact.CourseCancelled: true,
}

// mostStatuses bounds the history of one course; what is further back is left out.
const mostStatuses = 128

// episodeOfCare reads an EpisodeOfCare: one fact for each status that it has had, with the current one last.
func (w *work) episodeOfCare() {
	w.subject(w.root.Child("patient"))
	course := fact.Course{ID: w.self(), Manager: w.clinician(w.root.Child("careManager"), "Practitioner")}
	for n := w.root.Child("type").First(); n.Exists(); n = n.Next() {
		w.concept(n)
		if code := chief(tokens(n)); code != "" && len(course.Types) < fact.MaxTargets {
			course.Types = append(course.Types, code)
		}
	}
	for n := w.root.Child("team").First(); n.Exists(); n = n.Next() {
		if to := w.reference(n, "CareTeam"); to.typ == "CareTeam" && to.id != "" && len(course.Teams) < fact.MaxPeople {
			course.Teams = append(course.Teams, ref.CareTeam(w.Namer.ID(w.source, to.id)))
		}
	}
	course.Start, course.End = period(w.root.Child("period"), w.zone)
	w.effective(course.Start, course.End)
	w.out.Clinician = course.Manager
	status := w.root.Child("status")
	if !courseStatuses[status.Text()] {
		w.out.Void = true
		w.inform(status, "not a course of care (any more): what was taken from it is withdrawn")
		return
	}
	w.statuses(course, status.Text())
}

// former is one entry of a status history.
type former struct {
	status      string
	from, until time.Time
	reason      string
}

// statuses enters the status history, and the current status from when the history leaves off.
func (w *work) statuses(course fact.Course, current string) {
	history := w.statusHistory()
	now := former{status: current, reason: w.reason(w.root)}
	if n := len(history); n > 0 && history[n-1].until.IsZero() && history[n-1].status == current {
		if now.from = history[n-1].from; now.reason == "" {
			now.reason = history[n-1].reason
		}
		history = history[:n-1]
	} else {
		now.from = w.since(course, current, history)
	}
	if len(history) == 0 && current != fact.CoursePlanned && current != fact.CourseWaiting && current != fact.CourseActive &&
		course.Start.Before(now.from) && !course.Start.IsZero() {
		history = []former{{status: fact.CourseActive, from: course.Start}} // it was before it was paused or ended
	}
	for i, h := range append(history, now) {
		c := course
		c.Status, c.Reason, c.Until = h.status, h.reason, h.until
		part := "now"
		if i < len(history) {
			part = strconv.Itoa(i)
		}
		w.add(part, h.from, fact.Fact{Kind: fact.KindCourse, Course: &c})
	}
}

// statusHistory is the status history in order of time. An entry without a beginning begins when the one before ended.
func (w *work) statusHistory() []former {
	var history []former
	for n := w.root.Child("statusHistory").First(); n.Exists(); n = n.Next() {
		h := former{status: n.Child("status").Text(), reason: w.reason(n)}
		h.from, h.until = period(n.Child("period"), w.zone)
		if h.from.IsZero() && len(history) > 0 {
			h.from = history[len(history)-1].until
		}
		if !courseStatuses[h.status] || h.from.IsZero() {
			w.inform(n, "this status has no time, or is no status of a course: not used")
			continue
		}
		history = append(history, h)
	}
	slices.SortStableFunc(history, func(a, b former) int { return a.from.Compare(b.from) })
	return history[max(0, len(history)-mostStatuses):]
}

// since is when the current status began: where it is extended to say so, where the history leaves off, with the course
// itself, or when the resource was changed.
func (w *work) since(course fact.Course, current string, history []former) time.Time {
	if at, _, ok := Interval(extension(w.root, statusDate).Child("valueDateTime"), w.zone); ok {
		return at
	}
	if n := len(history); n > 0 && !history[n-1].until.IsZero() {
		return history[n-1].until
	}
	switch current {
	case fact.CourseFinished, fact.CourseCancelled:
		if !course.End.IsZero() {
			return course.End
		}
	case fact.CourseActive, fact.CoursePlanned, fact.CourseWaiting:
		if len(history) == 0 && !course.Start.IsZero() {
			return course.Start
		}
	}
	return w.out.Updated
}

// pauseReasons are our own codes.
var pauseReasons = map[string]string{
	pauseSystem + "|" + fact.PatientChoice:  fact.PatientChoice,
	pauseSystem + "|" + fact.Medical:        fact.Medical,
	pauseSystem + "|" + fact.Administrative: fact.Administrative,
}

// reason is why something is on hold or was ended, by our extension or by the standard ones.
func (w *work) reason(n tree.Node) string {
	for _, url := range [2]string{pauseReason, sd + "request-statusReason"} {
		v, kind := value(extension(n, url))
		var codes []string
		switch kind {
		case "Code":
			codes = []string{pauseSystem + "|" + v.Text()}
		case "Coding":
			codes = []string{token(v)}
		case "CodeableConcept":
			codes = tokens(v)
		}
		for _, c := range codes {
			if own := pauseReasons[c]; own != "" {
				return own
			}
		}
		if c := slices.IndexFunc(codes, func(c string) bool { return c != "" && c[0] != '|' }); c >= 0 && kind != "Code" {
			return codes[c]
		}
	}
	return ""
}
