package access

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// Grants are the feeds that a principal may follow, each by name (`team:ct-1`, `unassigned`, `all`), as every team
// (`team:*`), as everything (`*`), or by role (`role:physio`: each care team in which that role is held, by the
// principal's own person where it acts for one).
type Grants []string

// Member is one participant of a care team.
type Member struct {
	// Person as a reference.
	Person string
	// Roles are the codes and texts of what they do in it.
	Roles []string
}

const rolePrefix = "role:"

// CheckGrants says what is wrong with a list of grants. Errors: Invalid.
func CheckGrants(of []string) error {
	for _, g := range of {
		role, byRole := strings.CutPrefix(g, rolePrefix)
		if byRole && role != "" && len(role) <= 64 || g == Any || g == "team:*" || feed.Name(g).Valid() {
			continue
		}
		return fault.Newf(fault.Invalid, "value", "a feed grant is a feed's name, team:*, role:ROLE or *")
	}
	return nil
}

// All says whether every feed is granted.
func (g Grants) All() bool { return slices.Contains(g, Any) || slices.Contains(g, string(feed.All)) }

// ByRole says whether some feed is granted by role, so that the members of a team must be known.
func (g Grants) ByRole() bool {
	return slices.ContainsFunc(g, func(s string) bool { return strings.HasPrefix(s, rolePrefix) })
}

// Follows says whether the principal may follow a feed. Members are those of the feed's care team, where it is one's.
func (p Principal) Follows(name feed.Name, members []Member) bool {
	team := strings.HasPrefix(string(name), "team:")
	for _, g := range p.Feeds {
		role, byRole := strings.CutPrefix(g, rolePrefix)
		switch {
		case g == Any || g == string(name), g == string(feed.All) && name != feed.Privacy, team && g == "team:*":
			return true
		case byRole && team && p.holds(role, members):
			return true
		}
	}
	return false
}

func (p Principal) holds(role string, members []Member) bool {
	return slices.ContainsFunc(members, func(m Member) bool {
		if p.Person != "" && m.Person != p.Person {
			return false
		}
		return slices.Contains(m.Roles, role)
	})
}
