package episode

import (
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// The members of what the alliance is kept in, as in stored.go.

func dyadMembers(c *coder, d *alliance.Dyad) {
	text(c, "clinician", &d.Clinician, omit)
	text(c, "rater", &d.Rater, keep)
	text(c, "instrument", &d.Instrument, keep)
	text(c, "version", &d.Version, omit)
	whole(c, "sessions", &d.Sessions, keep)
	c.moment("rated", &d.Rated, keep)
	text(c, "fact", &d.Fact, omit)
	c.moment("left", &d.Left, omit)
	text(c, "event", &d.Event, keep)
	list(c, "facts", &d.Facts, word)
	list(c, "tracks", &d.Tracks, objects(trackMembers))
	list(c, "levels", &d.Levels, objects(levelMembers))
	if !c.writing || len(d.Chart.Base) > 0 || d.Chart.Rupture != nil || d.Chart.Usual != nil {
		inner(c, "chart", &d.Chart, objects(chartMembers))
	}
	pointer(c, "other", &d.Other, ruptureMembers)
	pointer(c, "bad", &d.Bad, badMembers)
	whole(c, "strainCount", &d.StrainCount, omit)
	list(c, "strains", &d.Strains, objects(strainedMembers))
	list(c, "past", &d.Past, objects(ruptureMembers))
	whole(c, "closed", &d.Closed, omit)
}

func levelMembers(c *coder, l *alliance.Level) {
	text(c, "code", &l.Code, keep)
	c.float("min", &l.Min, omit)
	c.float("max", &l.Max, omit)
	list(c, "base", &l.Base, value)
	list(c, "held", &l.Held, value)
	c.optional("usual", &l.Usual)
	c.optional("lower", &l.Lower)
	whole(c, "top", &l.Top, omit)
	whole(c, "low", &l.Low, omit)
}

func chartMembers(c *coder, ch *alliance.Chart) {
	list(c, "base", &ch.Base, value)
	pointer(c, "rupture", &ch.Rupture, ruptureMembers)
	c.optional("usual", &ch.Usual)
}

func ruptureMembers(c *coder, r *alliance.Rupture) {
	text(c, "kind", &r.Kind, keep)
	text(c, "status", &r.Status, keep)
	text(c, "score", &r.Score, omit)
	c.moment("onset", &r.Onset, keep)
	c.float("value", &r.Value, keep)
	c.float("usual", &r.Usual, keep)
	list(c, "facts", &r.Facts, word)
	whole(c, "session", &r.Session, omit)
	list(c, "since", &r.Since, value)
	pointer(c, "acknowledged", &r.Acknowledged, momentMembers)
	list(c, "attempts", &r.Attempts, objects(attemptMembers))
	c.moment("ended", &r.Ended, omit)
	whole(c, "endedSession", &r.EndedSession, omit)
	text(c, "because", &r.Because, omit)
}

func momentMembers(c *coder, m *alliance.Moment) {
	c.moment("at", &m.At, keep)
	whole(c, "session", &m.Session, omit)
	text(c, "fact", &m.Fact, keep)
}

func attemptMembers(c *coder, a *alliance.Attempt) {
	momentMembers(c, &a.Moment)
	list(c, "enhancers", &a.Enhancers, word)
	list(c, "eroders", &a.Eroders, word)
}

func badMembers(c *coder, b *alliance.Bad) {
	c.moment("at", &b.At, keep)
	text(c, "fact", &b.Fact, keep)
	text(c, "score", &b.Score, keep)
	c.float("value", &b.Value, keep)
	c.float("usual", &b.Usual, keep)
	c.optional("kept", &b.Kept)
	list(c, "seen", &b.Seen, word)
}

func strainedMembers(c *coder, s *alliance.Strained) {
	c.moment("at", &s.At, keep)
	text(c, "fact", &s.Fact, keep)
	c.float("value", &s.Value, keep)
	c.float("usual", &s.Usual, keep)
}

func gapMembers(c *coder, g *alliance.Gap) {
	text(c, "clinician", &g.Clinician, omit)
	text(c, "rater", &g.Rater, keep)
	whole(c, "count", &g.Count, keep)
	inner(c, "first", &g.First, objects(readingMembers))
	if !c.writing || g.Previous != (trend.Reading{}) {
		inner(c, "previous", &g.Previous, objects(readingMembers))
	}
	inner(c, "last", &g.Last, objects(readingMembers))
	whole(c, "outside", &g.Outside, omit)
}

func memberMembers(c *coder, m *Member) {
	text(c, "clinician", &m.Clinician, keep)
	text(c, "team", &m.Team, keep)
	list(c, "roles", &m.Roles, word)
}

func partnerMembers(c *coder, p *Partner) {
	text(c, "person", &p.Person, keep)
	text(c, "team", &p.Team, keep)
}

// pointer is an object that may not be there.
func pointer[T any](c *coder, name string, x **T, members func(*coder, *T)) {
	if !c.writing || *x != nil {
		inner(c, name, x, refs(members))
	}
}
