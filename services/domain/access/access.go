// Package access says who asks.
package access

import "github.com/rapport-health/rapport/services/domain/ref"

// Principal is an authenticated caller. What it may see and do follows from it alone, never from the request.
type Principal struct {
	// Name of the client, for logs and audit.
	Name string
	// Tenant it belongs to.
	Tenant ref.Tenant
}
