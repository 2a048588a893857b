package access

import (
	"slices"
	"strings"
	"time"
)

// Consent is what a patient allows, as far as it can be decided. It is read from a FHIR Consent of the scope
// patient-privacy.
type Consent struct {
	ID string
	// Active says that its status is active.
	Active bool
	// At is its dateTime; zero when not said.
	At time.Time
	// Provision at the root.
	Provision Provision
}

// Provision permits or denies what it matches. Those within it are exceptions to it. Criteria that are empty match
// everything.
type Provision struct {
	// Denies says that its type is deny; Silent that it has none.
	Denies, Silent bool
	// From and To bound when it holds, To exclusive; zero where open.
	From, To time.Time
	// Actors are references and role codes.
	Actors []string
	// Purposes of use, labels of sensitivity and types of resource that it is about, as codes.
	Purposes, Labels, Classes []string
	// Unknown says that it bears a criterion that is not understood. A permit with one matches nothing, a deny everything
	// that its other criteria match.
	Unknown bool
	Within  []Provision
}

// Sharing is a wish to see something of a patient.
type Sharing struct {
	Purpose string
	// Actors are who wants it: the client, the person and the role.
	Actors []string
	// Type and labels of what is wanted; empty while only the patient is known.
	Type   string
	Labels []string
	At     time.Time
}

// Policy says what holds where no consent speaks.
type Policy struct {
	// Purposes that need no consent.
	Purposes []string
	// CarePartners says that people who are related to the patient need none either. The default wants one that names them.
	CarePartners bool
	// Labels that are sensitive: who is not cleared for one does not see what bears it.
	Labels []string
}

// DefaultPolicy is that of a clinic: treatment, payment and operations need no consent, all else does.
func DefaultPolicy() Policy {
	return Policy{
		Purposes: []string{
			Treatment, "ETREAT", "BTG", "CAREMGT", "COC", "CLINTRCH", "PATADMIN", "PATSFTY", "HPAYMT", "HOPERAT", "HSYSADMIN", "HQUALIMP",
			"PUBHLTH", "PATRQT", "FAMRQT",
		},
		Labels: []string{
			"R", "V", "MH", "PSY", "PSYTHPN", "SUD", "ETH", "ETHUD", "HIV", "STD", "SDV", "SEX", "BH", "42CFRPart2", "ABUSE", "TABOO",
			"VIO", "GDIS", "CELEB", "EMP",
		},
	}
}

// Permits says whether something may be shared: by the latest active consent that speaks of it, else by the policy.
func (p Policy) Permits(consents []Consent, s Sharing) bool {
	latest := -1
	for i, c := range consents {
		if c.Active && (latest < 0 || later(c, consents[latest])) {
			latest = i
		}
	}
	if latest >= 0 {
		if permits, speaks := consents[latest].Provision.decide(s); speaks {
			return permits
		}
	}
	if !p.CarePartners && slices.ContainsFunc(s.Actors, func(a string) bool { return strings.HasPrefix(a, "RelatedPerson/") }) {
		return false
	}
	return slices.Contains(p.Purposes, s.Purpose)
}

func later(a, b Consent) bool {
	if !a.At.Equal(b.At) {
		return a.At.After(b.At)
	}
	return a.ID > b.ID
}

// decide is what the provision says; speaks is false when it says nothing of it. Of several exceptions that match, one
// that denies counts.
func (v Provision) decide(s Sharing) (permits, speaks bool) {
	if !v.matches(s) {
		return false, false
	}
	for _, within := range v.Within {
		p, ok := within.decide(s)
		switch {
		case ok && !p:
			return false, true
		case ok:
			permits, speaks = true, true
		}
	}
	if speaks || v.Silent {
		return permits, speaks
	}
	return !v.Denies, true
}

func (v Provision) matches(s Sharing) bool {
	if v.Unknown && !v.Denies {
		return false
	}
	if !v.From.IsZero() && s.At.Before(v.From) || !v.To.IsZero() && !s.At.Before(v.To) {
		return false
	}
	return meets(v.Actors, s.Actors) && meets(v.Purposes, []string{s.Purpose}) && meets(v.Labels, s.Labels) && meets(v.Classes, []string{s.Type})
}

// meets says whether a criterion matches: it is empty, or shares a word with what is asked.
func meets(criterion, asked []string) bool {
	return len(criterion) == 0 || slices.ContainsFunc(asked, func(a string) bool { return a != "" && slices.Contains(criterion, a) })
}

// Sensitive says whether one of the labels keeps a principal out.
func (p Policy) Sensitive(who Principal, labels []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool { return slices.Contains(p.Labels, l) && !who.Cleared(l) })
}

// breakers are the reasons for which the glass may be broken.
var breakers = []string{"ETREAT", "BTG", "PATSFTY", "PUBHLTH"}

// MayBreak says whether a principal may break the glass for a reason: it is one that is known, and the principal may
// claim emergency treatment or the breaking of the glass as its purpose.
func (p Principal) MayBreak(reason string) bool {
	return slices.Contains(breakers, reason) && (p.MayClaim("BTG") || p.MayClaim("ETREAT"))
}
