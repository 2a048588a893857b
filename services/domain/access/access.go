// Package access says who asks, and whether they may: scopes, grants, labels, consents, and the one table of what each door wants.
package access

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Principal is an authenticated caller. What it may see and do follows from it alone, never from the request. The zero
// value may do nothing.
type Principal struct {
	// Name of the client, for logs and audit.
	Name string
	// Tenant it belongs to.
	Tenant ref.Tenant
	// Person it acts for, as a reference such as `Practitioner/p1` or `RelatedPerson/r1`; empty for a system, which sees
	// what no person is kept from.
	Person string
	// Role of the person, as care teams name it; empty when not known.
	Role string
	// Scopes of its token; none allows nothing.
	Scopes Scopes
	// Feeds that are granted to it; none grants none. See Grants.
	Feeds Grants
	// Patient is the only one that scopes of the context patient reach; empty leaves them without effect.
	Patient ref.Patient
	// Purposes of use that it may claim, as codes of v3-ActReason. An empty list means treatment alone.
	Purposes []string
	// Purpose of this call, one of Purposes; empty means treatment.
	Purpose string
	// Labels are the sensitivity labels that it is cleared for, such as `R` or `PSY`; `*` is every label.
	Labels []string
	// Broken is the reason code for which this one call breaks the glass; empty when it does not.
	Broken string
	// Token is the identifier of the token, for the audit; empty when it has none.
	Token string
}

// Treatment is the purpose of use of whoever names none.
const Treatment = "TREAT"

// Everything is a principal of a tenant that may do everything in it. It is for servers that only this machine reaches,
// and for lines of the token file that name no scopes.
func Everything(name string, tenant ref.Tenant) Principal {
	return Principal{
		Name: name, Tenant: tenant, Scopes: Scopes{{Context: System, Type: Any, Verbs: AllVerbs}}, Feeds: Grants{Any},
		Labels: []string{Any}, Purposes: []string{Any},
	}
}

// For is the purpose of use of the call.
func (p Principal) For() string {
	if p.Purpose == "" {
		return Treatment
	}
	return p.Purpose
}

// MayClaim says whether it may act for a purpose of use.
func (p Principal) MayClaim(purpose string) bool {
	if len(p.Purposes) == 0 {
		return purpose == Treatment
	}
	if purpose == Any || !purposeForm.MatchString(purpose) {
		return false // it goes into the audit, so it is a code
	}
	return slices.Contains(p.Purposes, purpose) || slices.Contains(p.Purposes, Any)
}

// Cleared says whether it may see what bears a sensitivity label.
func (p Principal) Cleared(label string) bool {
	return slices.Contains(p.Labels, label) || slices.Contains(p.Labels, Any)
}
