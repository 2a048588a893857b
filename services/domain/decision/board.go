package decision

import (
	"math"
	"slices"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// board is where the alerts of one episode lie while it is said what becomes of them.
type board struct {
	*Desk
	dec     *Decision
	episode ref.Episode
	known   Known
	state   *episode.State
	alerts  []alert.Alert
	// reason of the steps that are taken because facts were corrected.
	reason string
}

// board lays the alerts of an episode out. What is done to them goes into the decision at once, and back to the desk by lift.
func (d *Desk) board(dec *Decision, e ref.Episode, known Known, state *episode.State) *board {
	if state == nil {
		state = d.terms.New(ref.Patient(e))
	}
	return &board{Desk: d, dec: dec, episode: e, known: known, state: state, alerts: slices.Clone(known.Alerts)}
}

// lift puts the alerts back on the desk.
func (b *board) lift() {
	b.known.Alerts = b.alerts
	b.episodes[b.episode] = b.known
}

// begin adds an alert with its first event.
func (b *board) begin(a alert.Alert, event feed.Draft) int {
	b.alerts = append(b.alerts, a)
	b.dec.Alerts = append(b.dec.Alerts, a)
	b.dec.Events = append(b.dec.Events, event)
	return len(b.alerts) - 1
}

// step takes a step of the service's own in the life of an alert, changed before as it is given; false when the table does
// not allow it: then the alert stays as it is.
func (b *board) step(i int, a alert.Alert, c alert.Command) bool {
	c.Alert, c.Version, c.Actor, c.At = a.ID, a.Version, alert.Service, b.now
	next, event, err := alert.Lifecycle(a, c)
	if err != nil {
		return false
	}
	b.alerts[i] = next
	b.dec.Alerts = append(b.dec.Alerts, next)
	b.dec.Events = append(b.dec.Events, *event)
	return true
}

// shift changes an alert without a step in its life: only when it is looked at again.
func (b *board) shift(i int, a alert.Alert) {
	b.alerts[i] = a
	b.dec.Alerts = append(b.dec.Alerts, a)
}

// rule is the rule in force under an id; nil when there is none.
func (d *Desk) rule(id string) *judge.Rule {
	for i := range d.rules {
		if d.rules[i].ID == id {
			return &d.rules[i]
		}
	}
	return nil
}

// describe lays the finding's words, numbers and sources into the alert.
func describe(a *alert.Alert, f judge.Finding) {
	w := f.Wording
	a.Title = f.Rule.Title
	if w.Title != "" {
		a.Title = w.Title
	}
	a.Seen, a.Question, a.Phrase, a.Withheld, a.Partner = w.Seen, w.Question, w.Phrase, w.Withheld, w.Partner
	a.Translations, a.Rated = f.Translations, f.Rated
	a.Facts = []string{f.Fact}
	a.Sources = nil
	if f.Source.Type != "" {
		a.Sources = []ref.Resource{f.Source}
	}
	a.Numbers = slices.DeleteFunc(slices.Clone(f.Numbers), func(n judge.Number) bool {
		return !finite(n.Value) || n.Reference != nil && !finite(*n.Reference)
	})
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// route says who is told, and where.
func (b *board) route(a *alert.Alert) {
	if a.Rule == NobodyAssigned {
		return
	}
	handed := slices.DeleteFunc(slices.Clone(a.Recipients), func(r alert.Recipient) bool { return r.Reason != alert.ByHand })
	b.routeByRole(a)
	for _, one := range handed {
		b.hand(a, one.Person)
	}
}

func (b *board) routeByRole(a *alert.Alert) {
	if len(a.Roles) == 0 {
		a.Recipients, a.Routed, a.Feeds = nil, "", b.state.Feeds()
		if slices.Equal(a.Feeds, []feed.Name{feed.Unassigned}) {
			a.Routed = alert.ByNobody
		}
		return
	}
	r := alert.Route(b.state, alert.Asked{
		Roles: a.Roles, Each: len(a.EachRole) > 0, Lead: b.policy.Lead, Rated: a.Rated, Partner: a.Partner != "",
	})
	a.Recipients, a.Routed, a.Feeds = r.Recipients, r.Reason, alert.Both(r.Feeds, r.Partners)
}

// hand tells whoever is handed an alert beside those told before.
func (b *board) hand(a *alert.Alert, to string) {
	one, name := alert.Handed(b.state, to, a.Roles)
	if name != "" {
		a.Feeds = alert.Both(a.Feeds, []feed.Name{name})
	}
	if !slices.ContainsFunc(a.Recipients, func(r alert.Recipient) bool { return r.Person == to }) {
		a.Recipients = append(slices.Clip(a.Recipients), one)
	}
}

// demand asks the acknowledgement of each role that somebody on the care team has now, where each has to acknowledge: what
// nobody can give is not waited for. What was acknowledged stays.
func (b *board) demand(a *alert.Alert) {
	asked := a.EachRole
	if rule := b.rule(a.Rule); rule != nil && rule.EachRole && a.Group != judge.NotEvaluated {
		asked = rule.Roles
	}
	if len(asked) == 0 || b.known.State == nil {
		return // nobody, or nobody knows who
	}
	staffed := alert.Staffed(b.state, asked, a.Rated)
	a.EachRole = slices.DeleteFunc(slices.Clone(asked), func(role string) bool {
		given := slices.ContainsFunc(a.AckedBy, func(k alert.Ack) bool { return k.Role == role })
		return role == alert.CarePartner || !given && !slices.Contains(staffed, role)
	})
	if len(a.EachRole) == 0 {
		a.EachRole = nil
	}
}

// complete ends the waiting for the acknowledgement of a role that nobody has any more; false when others are awaited.
func (b *board) complete(i int, a alert.Alert) bool {
	if !a.Complete() {
		return false
	}
	return b.step(i, a, alert.Command{Verb: alert.Amend, Reason: reteamed})
}

// widen tells further roles beside those told before, and returns the roles of those who are reached by it: of the people
// who are news, or else of those whom it reaches again, or the roles asked for when it reaches nobody.
func (b *board) widen(a *alert.Alert, roles []string) []string {
	r := alert.Route(b.state, alert.Asked{Roles: roles, Each: true, Lead: b.policy.Lead, Rated: a.Rated, Partner: a.Partner != ""})
	a.Feeds = alert.Both(a.Feeds, alert.Both(r.Feeds, r.Partners))
	reached := alert.Alert{Roles: roles}
	for _, one := range r.Recipients {
		if !slices.ContainsFunc(a.Recipients, func(told alert.Recipient) bool { return told.Person == one.Person }) {
			reached.Recipients = append(reached.Recipients, one)
		}
	}
	a.Recipients = append(slices.Clip(a.Recipients), reached.Recipients...)
	if len(reached.Recipients) == 0 {
		reached.Recipients = r.Recipients
	}
	return told(reached)
}

// told are the roles that an alert is told to: of the people who are told, or those asked for when nobody is.
func told(a alert.Alert) []string {
	var roles []string
	for _, r := range a.Recipients {
		if r.Role != "" && r.Role != alert.CarePartner && !slices.Contains(roles, r.Role) {
			roles = append(roles, r.Role)
		}
	}
	if len(roles) == 0 {
		return a.Roles
	}
	return roles
}
