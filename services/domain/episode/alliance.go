package episode

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Member is a clinician on a care team of the patient.
type Member struct {
	// Clinician who is the member, of which Team.
	Clinician ref.Clinician `json:"clinician"`
	Team      ref.CareTeam  `json:"team"`
	// Roles as the team names them, at most four.
	Roles []string `json:"roles,omitempty"`
}

// Partner is a care partner on a care team of the patient.
type Partner struct {
	// Person as sent, `RelatedPerson/x`, who is on which Team.
	Person string       `json:"person"`
	Team   ref.CareTeam `json:"team"`
}

// maxRoles bounds the roles of one member.
const maxRoles = 4

// Team is the matrix of the patient's alliance with each clinician.
func (s *State) Team() []alliance.Link { return alliance.Team(s.Dyads) }

// WeakLink is the link of the team that lies farthest below the others; false when none is weak.
func (s *State) WeakLink() (weakest alliance.Link, found bool) {
	for _, l := range s.Team() {
		if l.Weak && (!found || l.Below > weakest.Below) {
			weakest, found = l, true
		}
	}
	return weakest, found
}

// Gap between the patient's view of a dyad and that of another rater; nil when the two were never compared.
func (s *State) Gap(clinician ref.Clinician, rater string) *alliance.Gap {
	for i := range s.Gaps {
		if s.Gaps[i].Clinician == clinician && s.Gaps[i].Rater == rater {
			return &s.Gaps[i]
		}
	}
	return nil
}

// Role of a clinician: the code of the first role on a care team; empty when not known.
func (s *State) Role(clinician ref.Clinician) string {
	for _, m := range s.Members {
		if m.Clinician == clinician && len(m.Roles) > 0 {
			return m.Roles[0][strings.LastIndexByte(m.Roles[0], '|')+1:]
		}
	}
	return ""
}

// SessionsSince is how many visits with the clinician of a dyad, or with anybody where it names none, have been attended
// since its last rating, as far as visits are remembered. The day of the rating does not count.
func (s *State) SessionsSince(d *alliance.Dyad) int {
	return s.visitsWith(d, d.Rated, adherence.DateOf(s.Now), attended)
}

// visitsWith counts visits on days after that of a moment, up to a last day.
func (s *State) visitsWith(d *alliance.Dyad, after time.Time, last adherence.Date, statuses ...string) (n int) {
	for _, v := range s.Visits.Recent {
		on := adherence.DateOf(v.At)
		if on > adherence.DateOf(after) && on <= last && v.with(d.Clinician) && slices.Contains(statuses, v.Status) {
			n++
		}
	}
	return n
}

// with says whether a visit was with a clinician, alone or jointly. Where one of the two is not named it may have been.
func (v Visit) with(c ref.Clinician) bool {
	return c == "" || v.Clinician == "" || v.Clinician == c || slices.Contains(v.Clinicians, c)
}

func (s *State) takeAlliance(key fact.Key, sheet *fact.Scores) {
	was := s.Dyad(sheet)
	if was == nil {
		was = &alliance.Dyad{Clinician: s.Clinician(sheet), Rater: sheet.Respondent, Instrument: sheet.Instrument, Rated: key.At}
	}
	d := was.Rate(key, sheet)
	if d.Sessions > was.Sessions {
		d.Fact = key.ID
	}
	if w, ok := s.Completed(); ok && d.Bad != nil {
		if percent, known := w.Completion(); known {
			d = d.Keep(percent)
		}
	}
	s.Dyads = put(s.Dyads, d, maxDyads,
		func(have *alliance.Dyad) bool { return have.Same(d.Clinician, sheet) },
		func(have *alliance.Dyad) time.Time { return have.Rated })
	if d.Sessions == was.Sessions {
		return
	}
	s.compare(key.At, d)
	s.handOver(key.At, d)
}

// compare follows the gaps between raters that a rating moves.
func (s *State) compare(at time.Time, d *alliance.Dyad) {
	for _, other := range s.Dyads {
		own, theirs := d, other
		if d.Rater != patient {
			own, theirs = other, d
		}
		value, ok := alliance.Between(own, theirs, alliance.Total)
		if !ok {
			continue
		}
		gap := alliance.Gap{Clinician: own.Clinician, Rater: theirs.Rater}
		if was := s.Gap(gap.Clinician, gap.Rater); was != nil {
			gap = *was
		}
		s.Gaps = put(s.Gaps, gap.Follow(at, value), maxDyads,
			func(have alliance.Gap) bool { return have.Clinician == gap.Clinician && have.Rater == gap.Rater },
			func(have alliance.Gap) time.Time { return have.Last.At })
	}
}

// handOver closes what is open with a clinician in whose place another one is rated by now.
func (s *State) handOver(at time.Time, d *alliance.Dyad) {
	s.change(func(from *alliance.Dyad) *alliance.Dyad {
		if !d.HandedOver(from) || s.otherRole(d.Clinician, from.Clinician) {
			return from
		}
		return from.Leave(at, alliance.ClinicianLeft)
	})
}

// otherRole says that two clinicians are known to have different roles, so that one does not stand in for the other.
func (s *State) otherRole(a, b ref.Clinician) bool {
	one, other := s.Role(a), s.Role(b)
	return one != "" && other != "" && one != other
}

// change puts other dyads in the place of those that there were.
func (s *State) change(to func(*alliance.Dyad) *alliance.Dyad) {
	copied := false
	for i, d := range s.Dyads {
		next := to(d)
		if next == d {
			continue
		}
		if !copied {
			s.Dyads, copied = slices.Clone(s.Dyads), true
		}
		s.Dyads[i] = next
	}
}

// takeRepair lays what a clinician recorded to the ruptures of that clinician that are open, else to those of the team
// as a whole, else to those closed last without repair.
func (s *State) takeRepair(key fact.Key, told *fact.Repair) {
	who := []ref.Clinician{told.Clinician}
	if told.Clinician != "" {
		who = append(who, "")
	}
	for _, open := range []bool{true, false} {
		for _, clinician := range who {
			if s.record(key, told, clinician, open) {
				return
			}
		}
	}
}

func (s *State) record(key fact.Key, told *fact.Repair, clinician ref.Clinician, open bool) (any bool) {
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		if told.Clinician != "" && d.Clinician != clinician || (d.Open() != nil) != open {
			return d
		}
		next, recorded := d.Record(key, told)
		any = any || recorded
		return next
	})
	return any
}

// takeMembers follows who is on a team. With those who are on none any more the alliance ends.
func (s *State) takeMembers(at time.Time, t *fact.Team) {
	var now []Member
	for _, m := range s.Members {
		if m.Team != t.ID {
			now = append(now, m)
		}
	}
	for _, m := range t.Members {
		if t.Active && m.Clinician != "" && (m.Until.IsZero() || m.Until.After(at)) {
			now = append(now, Member{m.Clinician, t.ID, slices.Clone(m.Roles[:min(len(m.Roles), maxRoles)])})
		}
	}
	was := s.Members
	s.Members = now[max(0, len(now)-maxMembers):]
	for _, m := range was {
		if m.Team == t.ID && !slices.ContainsFunc(now, func(have Member) bool { return have.Clinician == m.Clinician }) {
			s.depart(at, m.Clinician)
		}
	}
	s.takePartners(at, t)
}

// takePartners follows which care partners are on a team.
func (s *State) takePartners(at time.Time, t *fact.Team) {
	var now []Partner
	for _, p := range s.Partners {
		if p.Team != t.ID {
			now = append(now, p)
		}
	}
	for _, p := range t.Partners {
		if t.Active && p.Person != "" && (p.Until.IsZero() || p.Until.After(at)) {
			now = append(now, Partner{p.Person, t.ID})
		}
	}
	s.Partners = now[max(0, len(now)-maxPartners):]
}

func (s *State) depart(at time.Time, clinician ref.Clinician) {
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		if d.Clinician != clinician || !d.Left.IsZero() {
			return d
		}
		return d.Leave(at, alliance.ClinicianLeft)
	})
}

// endAlliance closes everything that is open with the course of care.
func (s *State) endAlliance(at time.Time) {
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		if d.Open() == nil && d.Bad == nil {
			return d
		}
		return d.Leave(at, alliance.CourseEnded)
	})
}

// heedVisit looks whether the patient draws back after a bad session: misses visits, or comes and rates no more.
func (s *State) heedVisit(key fact.Key, v *fact.Visit) {
	today := adherence.DateOf(key.At)
	if s.Paused() || s.Over() {
		return
	}
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		if d.Bad == nil || key.At.After(d.Bad.Until()) || !key.At.After(d.Bad.At) || !(Visit{Clinician: v.Clinician, Clinicians: v.Clinicians}).with(d.Clinician) {
			return d
		}
		switch v.Status {
		case missed, cancelledByPatient:
			d = d.Note(key.ID)
			if s.visitsWith(d, d.Bad.At, today, missed, cancelledByPatient) >= alliance.MissedVisits {
				return d.DrawBack(key.At, alliance.Behavioural)
			}
		case attended:
			if s.visitsWith(d, d.Bad.At, today-1, attended) >= alliance.UnratedVisits {
				return d.DrawBack(key.At, alliance.NonResponse)
			}
		}
		return d
	})
}

// heedTime lets time go by up to each moment at which it alone shows that the patient draws back after a bad session: a
// window of home exercise closes, or nothing was heard for too long. So it does not matter whether the clock looked in.
func (s *State) heedTime(to time.Time) {
	for {
		next := s.nextHeed()
		if next.IsZero() || next.After(to) {
			return
		}
		closed := s.Programme.Closed
		s.Programme = s.Programme.Pass(s.Now, next)
		s.Now = next
		if s.Programme.Closed != closed {
			s.heedWindow()
		}
		s.heedSilence()
	}
}

// nextHeed is the first such moment ahead; zero when there is none.
func (s *State) nextHeed() (next time.Time) {
	for _, d := range s.Dyads {
		if d.Bad == nil {
			continue
		}
		for _, t := range [...]time.Time{s.unheard(d), s.lapseable(d)} {
			if !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// unheard is when a dyad's patient will not have been heard of for too long; zero when that is past, or will not be.
func (s *State) unheard(d *alliance.Dyad) time.Time {
	if d.Bad == nil || s.Heard.After(d.Bad.At) || s.Paused() || s.Over() {
		return time.Time{}
	}
	if t := d.Bad.Unheard(); t.After(s.Now) && s.caredAt(t) {
		return t
	}
	return time.Time{}
}

// lapseable is when the next window closes that may show a lapse; zero when none does in time.
func (s *State) lapseable(d *alliance.Dyad) time.Time {
	if d.Bad.Kept == nil || *d.Bad.Kept < alliance.KeptFrom || s.Paused() || s.Over() {
		return time.Time{}
	}
	if t := s.Programme.NextClose(s.Now); t.After(s.Now) && !t.After(d.Bad.Until()) {
		return t
	}
	return time.Time{}
}

func (s *State) heedWindow() {
	percent, known := s.Programme.Closed.Completion()
	if !known || s.Paused() || s.Over() || percent >= alliance.LapsedBelow {
		return
	}
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		b := d.Bad
		if b == nil || b.Kept == nil || *b.Kept < alliance.KeptFrom || s.Now.After(b.Until()) || s.Now.Before(b.At.AddDate(0, 0, alliance.LapseDays)) {
			return d
		}
		return d.DrawBack(s.Now, alliance.Behavioural)
	})
}

func (s *State) heedSilence() {
	s.change(func(d *alliance.Dyad) *alliance.Dyad {
		if d.Bad == nil || s.Paused() || s.Over() || !d.Bad.Unheard().Equal(s.Now) || s.Heard.After(d.Bad.At) || !s.caredAt(s.Now) {
			return d
		}
		return d.DrawBack(s.Now, alliance.NonResponse)
	})
}

// meetAlliance makes the moment at which a patient will not have responded the deadline when it is the first.
func (s *State) meetAlliance() {
	for _, d := range s.Dyads {
		if d.Bad != nil {
			s.meet(s.unheard(d))
			s.meet(s.lapseable(d))
		}
	}
}

// The readings of the fused view.
var (
	withdrawn = reading{
		value: func(s *State) (float64, bool) {
			return s.dyadsThat(func(d *alliance.Dyad) bool { return d.DrawnBack() != nil })
		},
		facts: openedBy(func(d *alliance.Dyad) bool { return d.DrawnBack() != nil }),
	}
	divided = reading{
		value: func(s *State) (float64, bool) {
			return s.dyadsThat(func(d *alliance.Dyad) bool { return d.Apart() != "" })
		},
		facts: openedBy(func(d *alliance.Dyad) bool { return d.Apart() != "" }),
	}
	weakest = reading{
		value: func(s *State) (float64, bool) {
			l, found := s.WeakLink()
			return l.Below, found
		},
		facts: func(s *State) []string {
			l, _ := s.WeakLink()
			return l.Dyad.Facts
		},
	}
	estranged = reading{value: wideGaps, facts: gapFacts}
)

func (s *State) dyadsThat(which func(*alliance.Dyad) bool) (float64, bool) {
	n := 0
	for _, d := range s.Dyads {
		if which(d) {
			n++
		}
	}
	return counted(n)
}

// openedBy are the facts that opened the other ruptures of some dyads.
func openedBy(which func(*alliance.Dyad) bool) func(*State) []string {
	return func(s *State) (ids []string) {
		for _, d := range s.Dyads {
			if which(d) {
				ids = append(ids, d.Other.Facts...)
			}
		}
		return ids
	}
}

func wideGaps(s *State) (float64, bool) {
	n := 0
	for i := range s.Gaps {
		if s.Gaps[i].Wide() {
			n++
		}
	}
	return counted(n)
}

// gapFacts are the last ratings on both sides of the wide gaps.
func gapFacts(s *State) (ids []string) {
	for i := range s.Gaps {
		g := &s.Gaps[i]
		for _, d := range s.Dyads {
			if g.Wide() && d.Clinician == g.Clinician && (d.Rater == patient || d.Rater == g.Rater) {
				ids = append(ids, d.Fact)
			}
		}
	}
	return ids
}
