// Package episode folds facts into one state of one course of care.
package episode

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// State is everything known about one episode, folded from its facts in the order of fact.Key.
// It is kept as JSON: the names are a stored form, and Form says which one.
type State struct {
	// Form is the version of this layout; a state of another form is folded again from its facts.
	Form int `json:"form"`
	// Episode and Patient it is about.
	Episode ref.Episode `json:"episode"`
	Patient ref.Patient `json:"patient"`
	// Facts is how many were folded.
	Facts int64 `json:"facts"`
	// Last is the key of the last fact folded.
	Last fact.Key `json:"last"`
	// Deadline is the next moment at which time alone changes the state; zero when there is none.
	Deadline time.Time `json:"deadline,omitzero"`
}
