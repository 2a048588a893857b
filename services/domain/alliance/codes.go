package alliance

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Code is one thing that strengthens or wears down the alliance.
type Code struct {
	// Code, in words of the trade joined by hyphens.
	Code string
	// Text says what it stands for.
	Text string
}

// Codes are a table of them.
type Codes []Code

// Enhancers are what a clinician may have done to mend a rupture: service design after the resolution strategies of
// psychotherapy (Eubanks 2018) and what patients in physiotherapy name (Babatunde 2017).
var Enhancers = Codes{
	{"invited-feedback", "Asked the patient what had gone wrong between them."},
	{"acknowledged-own-part", "Owned the clinician's part in it."},
	{"validated-experience", "Said that the patient's reaction made sense."},
	{"clarified-misunderstanding", "Cleared up something understood differently."},
	{"explained-rationale", "Explained why the exercises or the plan were chosen."},
	{"changed-tasks", "Changed exercises, dose or treatment."},
	{"changed-goals", "Agreed on other goals."},
	{"shared-decision", "Decided on the next step together."},
	{"gave-time", "Gave more time, or a visit for talking only."},
	{"involved-care-partner", "Brought the care partner in."},
	{"aligned-team", "Settled within the team what the patient is told."},
}

// Eroders are what is seen to have worn the alliance down: service design after the same sources.
var Eroders = Codes{
	{"not-heard", "The patient did not feel heard."},
	{"disagreed-on-tasks", "The exercises or the treatment did not seem right to the patient."},
	{"disagreed-on-goals", "The goals were not the patient's own."},
	{"pain-flare", "Symptoms flared up after treatment."},
	{"pushed-too-hard", "The dose rose too fast."},
	{"no-progress", "Nothing seemed to get better."},
	{"contradictory-advice", "Members of the team said different things."},
	{"rushed-visit", "The visit was short, interrupted or late."},
	{"change-of-clinician", "A clinician left or changed."},
	{"access-or-cost", "Cost, travel or appointments stood in the way."},
	{"loss-outside-care", "A loss or strain in the patient's life took over."},
	{"trust-broken", "A promise or a confidence was broken."},
}

// Has says whether a code is in the table.
func (c Codes) Has(code string) bool {
	return slices.ContainsFunc(c, func(have Code) bool { return have.Code == code })
}

// known are the codes that are in the table, each once.
func (c Codes) known(codes []string) []string {
	var out []string
	for _, code := range codes {
		if c.Has(code) && !slices.Contains(out, code) && len(out) < fact.MaxCodes {
			out = append(out, code)
		}
	}
	return out
}
