package fact

import "github.com/rapport-health/rapport/services/domain/ref"

// The steps of a repair.
const (
	// RepairAcknowledged: the clinician has seen the rupture.
	RepairAcknowledged = "acknowledged"
	// RepairAttempted: the clinician has tried to mend it.
	RepairAttempted = "attempted"
)

// MaxCodes bounds the enhancers, and the eroders, of one repair.
const MaxCodes = 6

// Repair is what a clinician recorded about a rupture of the alliance.
type Repair struct {
	// Step is RepairAcknowledged or RepairAttempted.
	Step string `json:"step"`
	// Clinician whose link with the patient it is about; empty when not named.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Enhancers are what was done to strengthen the alliance, Eroders what is seen to have worn it down, as codes of
	// alliance.Enhancers and alliance.Eroders; at most MaxCodes each.
	Enhancers []string `json:"enhancers,omitempty"`
	Eroders   []string `json:"eroders,omitempty"`
}
