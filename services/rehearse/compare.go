package rehearse

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
)

// Comparison is what rules would have found in a history, held against what was found or what others would have found.
type Comparison struct {
	// Tried and Against name both sides.
	Tried   string `json:"tried"`
	Against string `json:"against"`
	// Since and Until bound what is counted.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Episodes and Facts that were played.
	Episodes int `json:"episodes"`
	Facts    int `json:"facts"`
	// Rules in name order.
	Rules []Ruled `json:"rules"`
	// Volumes by role and by person, in that order.
	Volumes []Load `json:"volumes"`
}

// Ruled is what one rule comes to on both sides.
type Ruled struct {
	Rule string `json:"rule"`
	// Now with the rules that are tried, Then on the other side.
	Now  Count `json:"now"`
	Then Count `json:"then"`
	// Added are alerts told now and not then, Dropped those told then and not now.
	Added   int `json:"added"`
	Dropped int `json:"dropped"`
}

// Count of what became of the findings of a rule.
type Count struct {
	// Raised alerts, and those that wait still.
	Raised  int `json:"raised"`
	Waiting int `json:"waiting,omitempty"`
	// Suppressed findings by reason.
	Suppressed map[string]int `json:"suppressed,omitempty"`
	// Retracted alerts.
	Retracted int `json:"retracted,omitempty"`
}

// Load is how many alerts somebody is told.
type Load struct {
	// Role in the words of rules, or Person as a reference in the source's own ids.
	Role   string `json:"role,omitempty"`
	Person string `json:"person,omitempty"`
	// Now and Then: alerts, the mean of a week, and the busiest week.
	Now  Weeks `json:"now"`
	Then Weeks `json:"then"`
}

// Weeks of alerts.
type Weeks struct {
	Alerts  int     `json:"alerts"`
	PerWeek float64 `json:"perWeek"`
	Busiest int     `json:"busiest"`
}

// comparison counts while a history is played.
type comparison struct {
	Comparison
	episodes int
	rules    map[string]*Ruled
	// loads hold alerts by week.
	loads map[Load]*[2]map[int]int
}

// stored names the side of what happened.
const stored = "what is stored"

func newComparison(h History) *comparison {
	c := &comparison{
		Comparison: Comparison{Tried: h.Try.Name, Against: stored, Since: h.Since, Until: h.Until},
		rules:      map[string]*Ruled{}, loads: map[Load]*[2]map[int]int{},
	}
	if h.Against != nil {
		c.Against = h.Against.Name
	}
	for _, r := range h.Try.Rules {
		c.rule(r.ID)
	}
	return c
}

func (c *comparison) rule(id string) *Ruled {
	r := c.rules[id]
	if r == nil {
		r = &Ruled{Rule: id}
		c.rules[id] = r
	}
	return r
}

// episode plays one and counts it.
func (c *comparison) episode(h History, p past) {
	c.episodes++
	c.Facts += len(p.facts)
	if p.patient == "" {
		return // it has no state: nothing was ever folded
	}
	now, then := h.play(h.Try, p), p.alerts
	if h.Against != nil {
		then = h.play(*h.Against, p)
	}
	told := [2]map[string]string{c.count(now, 0), c.count(then, 1)}
	for finding, rule := range told[0] {
		if _, both := told[1][finding]; !both {
			c.rule(rule).Added++
		}
	}
	for finding, rule := range told[1] {
		if _, both := told[0][finding]; !both {
			c.rule(rule).Dropped++
		}
	}
}

// count counts the alerts of a side, and gives the findings of those that were told, with their rules.
func (c *comparison) count(alerts []alert.Alert, side int) map[string]string {
	told := map[string]string{}
	for i := range alerts {
		a := &alerts[i]
		r := c.rule(a.Rule)
		count := [2]*Count{&r.Now, &r.Then}[side]
		opened := c.first(a, alert.Open)
		switch {
		case !opened.IsZero():
			count.Raised++
			told[a.Finding] = a.Rule
			c.load(a, opened, side)
		case a.Status == alert.Waiting && c.counts(a.Opened):
			count.Waiting++
		case a.Status == alert.Suppressed && c.counts(a.Opened):
			if count.Suppressed == nil {
				count.Suppressed = map[string]int{}
			}
			count.Suppressed[string(a.Because())]++
		}
		if a.Status == alert.Retracted && c.counts(a.Opened) {
			count.Retracted++
		}
	}
	return told
}

// first is when an alert first reached a status, where that is counted; else zero.
func (c *comparison) first(a *alert.Alert, status alert.Status) time.Time {
	for _, s := range a.History {
		if s.Status == status {
			if c.counts(s.Time) {
				return s.Time
			}
			break
		}
	}
	return time.Time{}
}

func (c *comparison) counts(at time.Time) bool { return !at.Before(c.Since) && !at.After(c.Until) }

const week = 7 * 24 * time.Hour

// load counts an alert with the roles and people who are told of it.
func (c *comparison) load(a *alert.Alert, at time.Time, side int) {
	to := map[Load]bool{}
	for _, r := range a.Recipients {
		to[Load{Role: r.Role}], to[Load{Person: r.Person}] = true, true
	}
	if len(to) == 0 {
		role := string(alert.ByNobody)
		if a.Routed == "" && len(a.Roles) > 0 { // written before alerts said who is told
			role = a.Roles[0]
		}
		to[Load{Role: role}] = true
	}
	for l := range to {
		weeks := c.loads[l]
		if weeks == nil {
			weeks = &[2]map[int]int{{}, {}}
			c.loads[l] = weeks
		}
		weeks[side][int(at.Sub(c.Since)/week)]++
	}
}

func (c *comparison) report() *Comparison {
	c.Episodes = c.episodes
	for _, id := range slices.Sorted(maps.Keys(c.rules)) {
		c.Rules = append(c.Rules, *c.rules[id])
	}
	over := max(1, c.Until.Sub(c.Since).Hours()/week.Hours())
	for l, weeks := range c.loads {
		l.Now, l.Then = weeksOf(weeks[0], over), weeksOf(weeks[1], over)
		c.Volumes = append(c.Volumes, l)
	}
	slices.SortFunc(c.Volumes, func(a, b Load) int {
		return cmp.Or(cmp.Compare(boolInt(a.Role == ""), boolInt(b.Role == "")), cmp.Compare(b.Now.Alerts, a.Now.Alerts),
			cmp.Compare(a.Role+a.Person, b.Role+b.Person))
	})
	return &c.Comparison
}

func weeksOf(alerts map[int]int, over float64) (w Weeks) {
	for _, n := range alerts {
		w.Alerts += n
		w.Busiest = max(w.Busiest, n)
	}
	w.PerWeek = float64(w.Alerts) / over
	return w
}
