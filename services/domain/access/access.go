// Package access says who asks.
package access

import "github.com/rapport-health/rapport/services/domain/ref"

// Principal is an authenticated caller. What it may see and do follows from it alone, never from the request.
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
}
