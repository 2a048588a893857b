package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// policy is what a file says of how a clinic wants to be told.
type policy struct {
	alert.Policy
	// said are the fields that were given: the others stay as the base has them.
	said    []string
	version string
}

// leadRoles stands in a rule for the roles that the policy names under the same word.
const leadRoles = "lead-roles"

// addressed is a rule with the lead roles of a policy in the place of the word for them.
func addressed(r judge.Rule, lead []string) judge.Rule {
	named := func(roles []string) []string {
		i := slices.Index(roles, leadRoles)
		if i < 0 {
			return roles
		}
		var all []string
		for _, role := range slices.Concat(roles[:i], lead, roles[i+1:]) {
			if !slices.Contains(all, role) {
				all = append(all, role)
			}
		}
		return all
	}
	r.Roles, r.Ladder = named(r.Roles), slices.Clone(r.Ladder)
	for i := range r.Ladder {
		r.Ladder[i].Roles = named(r.Ladder[i].Roles)
	}
	return r
}

// weekdays as a policy writes them.
var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// policy reads quiet hours, budgets, lead roles and the language.
func (l *loader) policy(n *yaml.Node) *policy {
	p := &policy{version: version(n)}
	var zone *time.Location
	readers := map[string]func(*yaml.Node){
		"zone":        func(n *yaml.Node) { zone = l.zone(n) },
		"language":    func(n *yaml.Node) { p.Language = l.language(n) },
		"lead-roles":  func(n *yaml.Node) { p.Lead = l.roles(n) },
		"quiet-hours": func(n *yaml.Node) { p.Quiet = l.quiet(n) },
		"budgets":     func(n *yaml.Node) { p.Budgets = l.budgets(n) },
	}
	l.fields(n, readers)
	p.said = l.keys(n)
	for i := range p.Quiet {
		if p.Quiet[i].Zone == nil {
			p.Quiet[i].Zone = zone
		}
	}
	for i := range p.Budgets {
		if p.Budgets[i].Zone == nil {
			p.Budgets[i].Zone = zone
		}
	}
	return p
}

func (l *loader) keys(n *yaml.Node) (keys []string) {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
	}
	return keys
}

// over lays what was said over a base.
func (p *policy) over(base alert.Policy) alert.Policy {
	if p == nil {
		return base
	}
	if slices.Contains(p.said, "language") {
		base.Language = p.Language
	}
	if slices.Contains(p.said, "lead-roles") {
		base.Lead = p.Lead
	}
	if slices.Contains(p.said, "quiet-hours") {
		base.Quiet = p.Quiet
	}
	if slices.Contains(p.said, "budgets") {
		base.Budgets = p.Budgets
	}
	return base
}

func (l *loader) zone(n *yaml.Node) *time.Location {
	name := l.scalar(n)
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		l.fail(l.at(n), "unknown time zone '%s': want a name such as Europe/Berlin", name)
		return nil
	}
	return zone
}

func (l *loader) language(n *yaml.Node) string {
	tag := l.scalar(n)
	if !tagForm.MatchString(tag) {
		l.fail(l.at(n), "a language is a tag such as de or pt-BR")
	}
	if tag == english {
		return ""
	}
	return tag
}

func (l *loader) quiet(n *yaml.Node) (hours []alert.Quiet) {
	for _, item := range l.list(n) {
		var q alert.Quiet
		l.fields(item, map[string]func(*yaml.Node){
			"roles": func(n *yaml.Node) { q.Roles = l.roles(n) },
			"from":  func(n *yaml.Node) { q.From = l.clock(n) },
			"to":    func(n *yaml.Node) { q.To = l.clock(n) },
			"days": func(n *yaml.Node) {
				for _, day := range l.someOf(n, "day", weekdays) {
					q.Days = append(q.Days, time.Weekday(slices.Index(weekdays, day)))
				}
			},
			"zone": func(n *yaml.Node) { q.Zone = l.zone(n) },
		}, "from", "to")
		if q.From == q.To && len(item.Content) > 0 {
			l.fail(l.at(item), "quiet hours from and to the same moment: give the days on which nobody is there as two stretches")
		}
		hours = append(hours, q)
	}
	return hours
}

var clockForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

// clock reads a time of day, in minutes after midnight.
func (l *loader) clock(n *yaml.Node) int {
	m := clockForm.FindStringSubmatch(l.scalar(n))
	if m == nil {
		l.fail(l.at(n), `a time of day was expected, such as "19:30"`)
		return 0
	}
	hours, _ := strconv.Atoi(m[1]) // the form allows digits only
	minutes, _ := strconv.Atoi(m[2])
	return 60*hours + minutes
}

func (l *loader) budgets(n *yaml.Node) (budgets []alert.Budget) {
	var seen []string
	for _, item := range l.list(n) {
		var b alert.Budget
		l.fields(item, map[string]func(*yaml.Node){
			"role":    func(n *yaml.Node) { b.Role = l.oneOf(n, "role", slices.Concat(roles, l.own)) },
			"per-day": func(n *yaml.Node) { b.PerDay = l.count(n, 1, 1000) },
			"zone":    func(n *yaml.Node) { b.Zone = l.zone(n) },
		}, "role", "per-day")
		if slices.Contains(seen, b.Role) {
			l.fail(l.at(item), "a second budget of the role '%s'", b.Role)
		}
		seen = append(seen, b.Role)
		budgets = append(budgets, b)
	}
	return budgets
}

// policyVersion is a digest of a policy in all its parts.
func policyVersion(versions []string) string {
	return ref.Digest("policy", strings.Join(versions, " "))
}
