package fhir

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// careTeam reads a CareTeam: who cares for the patient from when on, and until when.
func (w *work) careTeam() {
	w.subject(w.root.Child("subject"))
	for n := w.root.Child("category").First(); n.Exists(); n = n.Next() {
		w.concept(n)
	}
	from, to := period(w.root.Child("period"), w.zone)
	w.effective(from, to)
	status := w.root.Child("status")
	switch {
	case status.Is("entered-in-error"):
		w.out.Void = true
		w.inform(status, "entered in error: what was taken from it is withdrawn")
	case status.Is("active") || !status.Exists():
		w.activeTeam(from, to)
	default:
		w.formerTeam(from, to)
	}
}

// activeTeam enters a team that cares for the patient, up to an end that may lie ahead.
func (w *work) activeTeam(from, to time.Time) {
	at := from
	if at.IsZero() {
		at = w.out.Updated
	}
	switch {
	case to.IsZero() || !at.IsZero() && at.Before(to):
		t := w.team(true)
		t.Until = to
		w.add("", at, fact.Fact{Kind: fact.KindTeam, Team: t})
	case at.IsZero():
		w.unused(w.root.Child("period"), "neither period.start nor meta.lastUpdated says since when: only the end of the period is used")
	}
	if !to.IsZero() {
		w.add("end", to, fact.Fact{Kind: fact.KindTeam, Team: w.team(false)})
	}
}

// formerTeam enters a team that cares no longer, or not for now.
func (w *work) formerTeam(from, to time.Time) {
	end := to
	if end.IsZero() {
		end = w.out.Updated
	}
	if !from.IsZero() && (end.IsZero() || from.Before(end)) {
		w.add("", from, fact.Fact{Kind: fact.KindTeam, Team: w.team(true)})
	}
	w.add("end", end, fact.Fact{Kind: fact.KindTeam, Team: w.team(false)})
}

// team is the membership; of an inactive team only its id.
func (w *work) team(active bool) *fact.Team {
	t := &fact.Team{Active: active}
	if w.out.LogicalID != "" {
		t.ID = ref.CareTeam(w.Namer.ID(w.source, w.out.LogicalID))
	}
	if !active {
		return t
	}
	places := map[ref.Clinician]int{}
	for n := w.root.Child("participant").First(); n.Exists(); n = n.Next() {
		if w.takesPart(n) {
			w.participant(t, n, places)
		}
	}
	return t
}

// takesPart says whether a participant is one still, and one that can be understood.
func (w *work) takesPart(n tree.Node) bool {
	if m := n.Child("modifierExtension"); m.Exists() {
		w.unused(m, "modifierExtension is not understood and may change the meaning: the participant does not count")
		return false
	}
	_, left := period(n.Child("period"), w.zone)
	return left.IsZero() || w.out.Updated.IsZero() || left.After(w.out.Updated)
}

// participant enters one member, or one team within the team. Who stands in it twice has the roles of both.
func (w *work) participant(t *fact.Team, n tree.Node, places map[ref.Clinician]int) {
	member := n.Child("member")
	if !member.Exists() {
		return
	}
	if to := w.reference(member, ""); to.typ == "CareTeam" {
		id := ref.CareTeam(w.Namer.ID(w.source, to.id))
		if to.id != "" && to.id != w.out.LogicalID && !slices.Contains(t.Within, id) {
			t.Within = append(t.Within, id)
		}
		return
	}
	from, until := period(n.Child("period"), w.zone)
	if to := w.reference(member, ""); to.typ == "RelatedPerson" {
		if person := to.String(); person != "" && len(t.Partners) < fact.MaxPeople {
			t.Partners = append(t.Partners, fact.Partner{Person: person, Roles: roles(n.Child("role")), From: from, Until: until})
		}
		return
	}
	c := w.clinician(member, "")
	if c == "" {
		return
	}
	place, known := places[c]
	if !known {
		place = len(t.Members)
		places[c] = place
		t.Members = append(t.Members, fact.Member{Clinician: c, From: from, Until: until})
	}
	m := &t.Members[place]
	if known { // a member twice is one for as long as either entry says
		m.From, m.Until = earliest(m.From, from), latestEnd(m.Until, until)
	}
	if behalf := w.onBehalfOf(n.Child("onBehalfOf")); behalf != "" {
		m.OnBehalfOf = behalf
	}
	for _, role := range roles(n.Child("role")) {
		if !slices.Contains(m.Roles, role) {
			m.Roles = append(m.Roles, role)
		}
	}
}

// onBehalfOf is whom a member stands for.
func (w *work) onBehalfOf(n tree.Node) string {
	if to := w.reference(n, "Organization"); to.typ == "Organization" || to.typ == "CareTeam" {
		return to.String()
	}
	return ""
}

// earliest of two beginnings, of which zero is open.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if b.Before(a) {
		return b
	}
	return a
}

// latestEnd of two ends, of which zero is open.
func latestEnd(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	return later(a, b)
}

// roles are the codings of the roles; a role that is only text gives its words in kebab case.
func roles(n tree.Node) []string {
	var out []string
	for concept := n.First(); concept.Exists(); concept = concept.Next() {
		before := len(out)
		for c := concept.Child("coding").First(); c.Exists(); c = c.Next() {
			if t := token(c); t != "" {
				out = append(out, t)
			}
		}
		if text := concept.Child("text").Text(); len(out) == before && text != "" {
			out = append(out, strings.ToLower(strings.Join(strings.Fields(text), "-")))
		}
	}
	return out
}
