package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
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
	goal := fact.Goal{
		ID: w.self(), Lifecycle: status.Text(), Achievement: w.achievement(), Started: start,
		Code: chief(tokens(w.root.Child("description"))), Targets: w.goalTargets(start),
	}
	at, _, dated := Interval(w.root.Child("statusDate"), w.zone)
	reached := goal.Achievement == "achieved" || goal.Achievement == "sustaining"
	switch {
	case dated:
	case started && !reached:
		at = start
	default:
		at = w.out.Updated // when the start is long past, it says nothing of when the goal was reached
	}
	if reached {
		goal.Achieved = at
	}
	for _, t := range goal.Targets {
		if !t.Due.IsZero() && (goal.Due.IsZero() || t.Due.Before(goal.Due)) {
			goal.Due = t.Due
		}
	}
	w.add("", at, fact.Fact{Kind: fact.KindGoal, Goal: &goal})
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

// goalTargets are the measures of a goal, with what is to be reached and until when.
func (w *work) goalTargets(start time.Time) (targets []fact.Target) {
	for n := w.root.Child("target").First(); n.Exists() && len(targets) < fact.MaxTargets; n = n.Next() {
		t := fact.Target{Measure: chief(tokens(n.Child("measure"))), Due: w.due(n, start)}
		w.detail(n, &t)
		if t != (fact.Target{}) {
			targets = append(targets, t)
		}
	}
	return targets
}

// detail enters what is to be reached.
func (w *work) detail(n tree.Node, t *fact.Target) {
	bound := func(q tree.Node) *float64 {
		if v, ok := number(q.Child("value").Number()); ok {
			t.Unit = unitOf(q)
			return &v
		}
		return nil
	}
	if c := n.Child("detailCodeableConcept"); c.Exists() {
		t.Detail = chief(tokens(c))
	}
	if r := n.Child("detailRange"); r.Exists() {
		t.Low, t.High = bound(r.Child("low")), bound(r.Child("high"))
	}
	if v, ok := number(n.Child("detailInteger").Number()); ok {
		t.Low, t.High = &v, &v
	}
	q := n.Child("detailQuantity")
	v := bound(q)
	if v == nil {
		return
	}
	switch q.Child("comparator").Text() {
	case "<", "<=":
		t.High = v
	case ">", ">=":
		t.Low = v
	default:
		t.Low, t.High = v, v
	}
}

// due is the due date of a target; zero when it has none.
func (w *work) due(n tree.Node, start time.Time) time.Time {
	_, due, _ := Interval(n.Child("dueDate"), w.zone)
	if d := n.Child("dueDuration"); d.Exists() && !start.IsZero() {
		if days, known := daysOf(d); known {
			return bounded(start.Add(duration(days)))
		}
	}
	return due
}

// self is the resource as its source names it; empty when it has no id there.
func (w *work) self() string {
	if w.out.LogicalID == "" {
		return ""
	}
	return w.out.Type + "/" + w.out.LogicalID
}
