package alert

import "time"

// Policy is how a clinic wants to be told, whatever the rule. Nothing in it holds back a critical or a safety finding.
type Policy struct {
	// Quiet hours in which roles are not told.
	Quiet []Quiet
	// Budgets of alerts a day.
	Budgets []Budget
	// Lead are the roles that stand in for a role nobody on the care team has, first choice first.
	Lead []string
	// Language is the BCP 47 tag of the wording that is told first; empty is that of the rules.
	Language string
}

// Quiet is a time of day in which a role is not told.
type Quiet struct {
	// Roles it is for; empty means all.
	Roles []string
	// From and To are minutes after local midnight, 0 to 1439; From above To runs over midnight.
	From, To int
	// Days of the week it begins on; empty means every day.
	Days []time.Weekday
	// Zone of the clinic; nil is UTC.
	Zone *time.Location
}

// Budget is how many alerts that are not critical a role of one care team is told in a day.
type Budget struct {
	// Role it is for.
	Role string
	// PerDay alerts, at least 1; what comes beyond waits for the next day.
	PerDay int
	// Zone whose midnight begins the day; nil is UTC.
	Zone *time.Location
}
