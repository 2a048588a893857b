package auth

import (
	"encoding/json"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// TeamMembers are the participants of a care team, with their roles; none of a team that is not known.
func TeamMembers(r store.Reader, team string) ([]access.Member, error) {
	rec, err := r.Record(ref.Resource{Type: "CareTeam", ID: team})
	if fault.Of(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var form struct {
		Participant []struct {
			Role   []concept `json:"role"`
			Member reference `json:"member"`
		} `json:"participant"`
	}
	if json.Unmarshal(rec.Raw, &form) != nil {
		return nil, nil // nobody is in a team that cannot be read
	}
	var members []access.Member
	for _, p := range form.Participant {
		m := access.Member{}
		if parts := strings.Split(p.Member.Reference, "/"); len(parts) >= 2 {
			m.Person = strings.Join(parts[len(parts)-2:], "/")
		}
		for _, role := range p.Role {
			m.Roles = append(m.Roles, codes(role.Coding)...)
			if role.Text != "" {
				m.Roles = append(m.Roles, role.Text)
			}
		}
		members = append(members, m)
	}
	return members, nil
}
