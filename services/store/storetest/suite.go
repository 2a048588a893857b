// Package storetest holds every engine of the store to the same promises, and makes stores that fail as told.
package storetest

import (
	"testing"

	"github.com/rapport-health/rapport/services/store"
)

// Store is what both engines offer.
type Store interface {
	store.Store
	store.Directory
	store.Retention
	store.Doorbell
	store.Definitions
	store.Deliveries
	store.Registrations
	store.Audit
	store.Marking
	store.Jobs
}

// Engine is how the suite gets at one.
type Engine struct {
	// Open gives a store over a fresh, empty database and closes it when the test ends.
	Open func(t testing.TB) Store
	// Another gives a further server over the database of a store from Open; nil when the engine allows but one.
	Another func(t testing.TB, of Store) Store
}

// Run holds an engine to every promise.
func Run(t *testing.T, e Engine) {
	for _, topic := range []struct {
		name     string
		promises []promise
	}{
		{"resources", resourcePromises},
		{"search", searchPromises},
		{"episodes", episodePromises},
		{"alerts", alertPromises},
		{"feeds", feedPromises},
		{"transactions", transactionPromises},
		{"writers", writerPromises},
		{"leases", leasePromises},
		{"doorbell", bellPromises},
		{"definitions", definitionPromises},
		{"clients", clientPromises},
		{"audit", auditPromises},
		{"unions", unionPromises},
		{"subscriptions", subscriptionPromises},
		{"marks", markPromises},
		{"jobs", jobPromises},
		{"odd input", oddPromises},
	} {
		t.Run(topic.name, func(t *testing.T) {
			for _, p := range topic.promises {
				t.Run(p.says, func(t *testing.T) { p.holds(t, e) })
			}
		})
	}
}

// promise is one sentence and the test of it.
type promise struct {
	says  string
	holds func(t *testing.T, e Engine)
}
