package alert

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Reason says why somebody is told.
type Reason string

// The reasons.
const (
	// ByRole: the person has a role that was asked for.
	ByRole Reason = "role"
	// ByLead: nobody who may be told has one of the roles; the person leads.
	ByLead Reason = "lead"
	// ByNobody: the patient has no team, or nobody on it has one of the roles or leads.
	ByNobody Reason = "unassigned"
	// ByHand: the person, or the care team, was handed the alert by somebody.
	ByHand Reason = "assigned"
)

// Recipient is a person who is told. The JSON names are a stored form.
type Recipient struct {
	// Person as a reference in its source's own ids: `Practitioner/p1`, or `RelatedPerson/r1` for a care partner. It may be a
	// `CareTeam/t1` that was handed the alert.
	Person string `json:"person"`
	// Role it is told in, in the words of rules; empty for one that was handed the alert and is not on the care team.
	Role string `json:"role"`
	// Team on which the person has the role.
	Team ref.CareTeam `json:"team,omitempty"`
	// Reason it is told for: ByRole, ByLead or ByHand.
	Reason Reason `json:"reason"`
}

// Asked says whom to look for.
type Asked struct {
	// Roles in the words of rules, first choice first.
	Roles []string
	// Each asks for everybody who has any of the roles, instead of those who have the first role that anybody has.
	Each bool
	// Lead are the roles that stand in where nobody has any of Roles, first choice first.
	Lead []string
	// Rated is the clinician whose rating by the patient lies behind it, who is never told; empty when none does.
	Rated string
	// Partner says that there is a text for care partners. Without one none is told, whatever the roles.
	Partner bool
}

// Routing is who is told, and where.
type Routing struct {
	// Recipients in the order of the roles, then of the team; none when Reason is ByNobody and no care partner is told.
	Recipients []Recipient
	// Feeds of the clinicians in name order: those of the patient's teams, and feed.Unassigned when Reason is ByNobody.
	Feeds []feed.Name
	// Partners are the feeds of the care partners who are told, in name order. They get the text for care partners alone.
	Partners []feed.Name
	// Reason the clinicians are told for.
	Reason Reason
}

// Route finds who on the patient's care teams is told. Care partners are told beside the clinicians, never in their place.
func Route(s *episode.State, asked Asked) Routing {
	r := Routing{Feeds: s.Feeds(), Reason: ByRole}
	r.Recipients = clinicians(s, asked.Roles, asked.Rated, asked.Each, ByRole)
	if len(r.Recipients) == 0 {
		r.Reason = ByLead
		r.Recipients = clinicians(s, asked.Lead, asked.Rated, false, ByLead)
	}
	if len(r.Recipients) == 0 {
		r.Reason = ByNobody
		r.Feeds = Both(r.Feeds, []feed.Name{feed.Unassigned})
	}
	if asked.Partner && slices.Contains(asked.Roles, CarePartner) {
		r.partners(s)
	}
	return r
}

// clinicians are the members with the first of the roles that anybody but the rated clinician has, or with each of them.
// Nobody is told twice: the first role counts.
func clinicians(s *episode.State, roles []string, rated string, each bool, reason Reason) (found []Recipient) {
	told := map[ref.Clinician]bool{ref.Clinician(rated): true}
	for _, role := range roles {
		for _, m := range s.Members {
			if told[m.Clinician] || !has(m, role) {
				continue
			}
			told[m.Clinician] = true
			found = append(found, Recipient{string(m.Clinician), role, m.Team, reason})
		}
		if len(found) > 0 && !each {
			return found
		}
	}
	return found
}

func has(m episode.Member, role string) bool {
	return slices.ContainsFunc(m.Roles, func(named string) bool { return Role(named) == role })
}

func (r *Routing) partners(s *episode.State) {
	for _, p := range s.Partners {
		name := feed.Partner(strings.TrimPrefix(p.Person, "RelatedPerson/"))
		if !name.Valid() || slices.Contains(r.Partners, name) {
			continue
		}
		r.Partners = append(r.Partners, name)
		r.Recipients = append(r.Recipients, Recipient{p.Person, CarePartner, p.Team, ByRole})
	}
	slices.Sort(r.Partners)
}

// Handed is who is told because an alert was handed to a reference, in the role that they have on the patient's care team,
// one of those given if they have any of them; and the feed to tell it in, which is empty but for a care team.
func Handed(s *episode.State, to string, roles []string) (Recipient, feed.Name) {
	r := Recipient{Person: to, Reason: ByHand}
	if id, is := strings.CutPrefix(to, "CareTeam/"); is {
		r.Team = ref.CareTeam(id)
		if name := feed.Team(id); name.Valid() {
			return r, name
		}
		return r, ""
	}
	for _, m := range s.Members {
		if string(m.Clinician) != to {
			continue
		}
		for _, named := range m.Roles {
			if role := Role(named); r.Role == "" || slices.Contains(roles, role) && !slices.Contains(roles, r.Role) {
				r.Role, r.Team = role, m.Team
			}
		}
	}
	return r, ""
}

// Staffed are those of the roles that somebody has who may be told: everybody but the rated clinician, each person in the
// first of the roles that they have.
func Staffed(s *episode.State, roles []string, rated string) (found []string) {
	for _, r := range clinicians(s, roles, rated, true, ByRole) {
		if !slices.Contains(found, r.Role) {
			found = append(found, r.Role)
		}
	}
	return found
}

// Both are the feeds of either list, in name order.
func Both(a, b []feed.Name) []feed.Name {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(all)
}
