package rehearse

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/simulate"
)

// The families: what a rule is about, by the forms after which it is judged.
const (
	familyAlliance  = "alliance"
	familyDistress  = "distress"
	familyBehaviour = "behaviour"
)

// familyOf a rule: alliance when it is judged after forms about the alliance, distress after forms about distress or
// beliefs, and otherwise behaviour: visits, exercise, silence, time.
func familyOf(r *judge.Rule) string {
	onScores := len(r.On) == 0 || slices.Contains(r.On, fact.KindScores)
	switch {
	case onScores && slices.Contains(r.Constructs, "alliance"):
		return familyAlliance
	case onScores && len(r.Constructs) > 0:
		return familyDistress
	}
	return familyBehaviour
}

// target is one kind of trouble that should be found.
type target struct {
	name   string
	family string
	// of says when the trouble of a patient begins; false when there is none of it.
	of func(*course) (begins, bool)
	// sessions and days within which it must be found; 0 is no limit.
	sessions, days int
}

// begins is a trouble's beginning.
type begins struct {
	at time.Time
	// session of the beginning; 0 when it is none of a session.
	session int
	// until is when it is too late; zero is never.
	until time.Time
}

// targets are all of them.
var targets = []target{
	{name: "rupture unrepaired", family: familyAlliance, sessions: 2, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.Rupture, func(r *simulate.Rupture) bool { return !r.Repaired })
	}},
	{name: "rupture unrepaired, wai-sr", family: familyAlliance, sessions: 2, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.Rupture, func(r *simulate.Rupture) bool { return !r.Repaired && p.truth.AllianceForm == "wai-sr" })
	}},
	{name: "rupture unrepaired, srs", family: familyAlliance, sessions: 2, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.Rupture, func(r *simulate.Rupture) bool { return !r.Repaired && p.truth.AllianceForm == "srs" })
	}},
	{name: "rupture repaired", family: familyAlliance, sessions: 2, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.Rupture, func(r *simulate.Rupture) bool { return r.Repaired })
	}},
	{name: "gradual decline", family: familyAlliance, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.Decline, func(*simulate.Rupture) bool { return true })
	}},
	{name: "weak link", family: familyAlliance, of: func(p *course) (begins, bool) {
		return begins{}, p.truth.WeakLink != nil
	}},
	{name: "part that slips", family: familyAlliance, sessions: 4, of: func(p *course) (begins, bool) {
		return rupture(p, p.truth.PartSlip, func(*simulate.Rupture) bool { return true })
	}},
	{name: "worsening distress", family: familyDistress, days: 28, of: func(p *course) (begins, bool) {
		if p.truth.Worsening == nil {
			return begins{}, false
		}
		return begins{at: p.truth.Worsening.At}, true
	}},
	{name: "severe at intake", family: familyDistress, of: func(p *course) (begins, bool) {
		return begins{}, p.truth.SevereAtIntake
	}},
	{name: "phq-9 item 9", family: familyDistress, days: 7, of: func(p *course) (begins, bool) {
		if p.truth.ItemNine == nil {
			return begins{}, false
		}
		return begins{at: p.truth.ItemNine.At}, true
	}},
	{name: "care partner sees more", family: familyDistress, days: 28, of: func(p *course) (begins, bool) {
		if p.truth.PartnerWorry == nil {
			return begins{}, false
		}
		return begins{at: p.truth.PartnerWorry.At}, true
	}},
	{name: "drop-out", family: familyBehaviour, of: func(p *course) (begins, bool) {
		return begins{at: p.truth.FadingFrom, until: p.truth.LastVisit}, !p.truth.SilentFrom.IsZero()
	}},
	{name: "hep lapse", family: familyBehaviour, days: 28, of: func(p *course) (begins, bool) {
		if p.truth.Lapse == nil {
			return begins{}, false
		}
		return begins{at: p.truth.Lapse.From}, true
	}},
	{name: "stagnation", family: familyBehaviour, days: 84, of: func(p *course) (begins, bool) {
		if p.truth.Stall == nil {
			return begins{}, false
		}
		return begins{at: p.truth.Stall.From}, true
	}},
}

func rupture(_ *course, r *simulate.Rupture, counts func(*simulate.Rupture) bool) (begins, bool) {
	if r == nil || !counts(r) {
		return begins{}, false
	}
	return begins{at: r.At, session: r.Session}, true
}

// free says whether a patient has nothing that an alert of a family could rightly be about. Only such patients count for
// specificity: who has another trouble of the family is neither right nor wrong to alert.
func free(p *course, family string) bool {
	t := &p.truth
	switch family {
	case familyAlliance:
		return t.Rupture == nil && t.Decline == nil && t.WeakLink == nil && t.PartSlip == nil
	case familyDistress:
		return t.Worsening == nil && !t.SevereAtIntake && t.ItemNine == nil && t.PartnerWorry == nil
	}
	// The exercise of these people does suffer, whatever else is wrong.
	return t.SilentFrom.IsZero() && t.Lapse == nil && t.Stall == nil && !t.NeverLogs && t.Rupture == nil && t.Decline == nil && t.Worsening == nil && !t.SevereAtIntake
}

// found says whether an alert finds the trouble: not before it begins, and not too late.
func (t *target) found(p *course, b begins, alert raised) bool {
	switch {
	case alert.at.Before(b.at),
		!b.until.IsZero() && !alert.at.Before(b.until),
		t.sessions > 0 && p.session(alert.at)-b.session > t.sessions,
		t.days > 0 && alert.at.After(b.at.AddDate(0, 0, t.days)):
		return false
	}
	return true
}
