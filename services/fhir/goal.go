package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// goal reads a Goal as a milestone.
func (w *work) goal() {
	w.subject(w.root.Child("subject"))
	w.concept(w.root.Child("description"))
	start, end, started := Interval(w.root.Child("startDate"), w.zone)
	if started {
		w.effective(start, end)
	}
	status := w.root.Child("lifecycleStatus")
	if status.Is("entered-in-error") || status.Text() == "" {
		w.out.Void = true
		w.inform(status, "not a goal (any more): what was taken from it is withdrawn")
		return
	}
	at, _, dated := Interval(w.root.Child("statusDate"), w.zone)
	switch {
	case dated:
	case started:
		at = start
	default:
		at = w.out.Updated
	}
	w.add("", at, fact.Fact{Kind: fact.KindGoal, Goal: &fact.Goal{
		ID: w.self(), Lifecycle: status.Text(), Achievement: w.achievement(), Due: w.due(start),
	}})
}

// achievement is the code of goal-achievement; empty when none is sent.
func (w *work) achievement() string {
	for c := w.root.Child("achievementStatus").Child("coding").First(); c.Exists(); c = c.Next() {
		if system := c.Child("system"); !system.Exists() || system.Is(hl7t+"goal-achievement") {
			return c.Child("code").Text()
		}
	}
	return ""
}

// due is the first due date of the targets.
func (w *work) due(start time.Time) time.Time {
	var first time.Time
	for n := w.root.Child("target").First(); n.Exists(); n = n.Next() {
		_, due, ok := Interval(n.Child("dueDate"), w.zone)
		if d := n.Child("dueDuration"); d.Exists() && !start.IsZero() {
			days, known := daysOf(d)
			due, ok = start.Add(duration(days)), known
		}
		if ok && (first.IsZero() || due.Before(first)) {
			first = due
		}
	}
	return first
}

// self is the resource as its source names it; empty when it has no id there.
func (w *work) self() string {
	if w.out.LogicalID == "" {
		return ""
	}
	return w.out.Type + "/" + w.out.LogicalID
}
