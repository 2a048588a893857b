package fact

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Visit is an Appointment or an Encounter.
type Visit struct {
	// ID as its source names it, `Encounter/x` or `Appointment/x`.
	ID string `json:"id"`
	// Appointment that an Encounter fulfils, as sent; empty when none is named.
	Appointment string `json:"appointment,omitempty"`
	// Status: attended, missed, cancelled-patient, cancelled-clinic, planned.
	Status string `json:"status"`
	// Clinician seen, as sent.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Clinicians are all who were seen at a joint visit, Clinician first, at most MaxPeople; empty when there was one or
	// none.
	Clinicians []ref.Clinician `json:"clinicians,omitempty"`
	// Due is when a planned visit is to take place, while Fact.At says when it was planned. Without it the fold
	// cannot use a planned visit.
	Due time.Time `json:"due,omitzero"`
	// Cancelled is when it was cancelled; zero when it was not, or when that is not known.
	Cancelled time.Time `json:"cancelled,omitzero"`
	// Late says that the patient cancelled less than 24 hours before the start. A cancellation of which nobody knows when
	// it was made is not late.
	Late bool `json:"late,omitempty"`
	// Reason of a cancellation as `system|code`; empty when none is coded.
	Reason string `json:"reason,omitempty"`
	// Virtual says that patient and clinician met by video or telephone.
	Virtual bool `json:"virtual,omitempty"`
	// Minutes it took, as an Encounter says; 0 when not known.
	Minutes float64 `json:"minutes,omitempty"`
	// Day is the patient's own calendar day, `2006-01-02`, where it is not the UTC day of Fact.At.
	Day string `json:"day,omitempty"`
}

// Team is one care team's membership from Fact.At on.
type Team struct {
	// ID of the CareTeam in Rapport.
	ID ref.CareTeam `json:"id"`
	// Active says whether it cares for the patient now.
	Active bool `json:"active"`
	// Members with their roles.
	Members []Member `json:"members,omitempty"`
	// Within are care teams in Rapport that are themselves members: alerts go to their feeds too.
	Within []ref.CareTeam `json:"within,omitempty"`
	// Until is when an active team ends by itself, exclusive; zero is open.
	Until time.Time `json:"until,omitzero"`
	// Partners are care partners on the team, at most MaxPeople.
	Partners []Partner `json:"partners,omitempty"`
}

// Member of a care team.
type Member struct {
	Clinician ref.Clinician `json:"clinician"`
	// Roles as `system|code`, or plain text codes of the house: physical-therapist, psychologist …
	Roles []string `json:"roles,omitempty"`
	// From and Until bound the membership, Until exclusive; zero where open.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// OnBehalfOf is the organization, `Organization/x`, or the care team, `CareTeam/x`, that the member stands for, as
	// sent; empty when none is named.
	OnBehalfOf string `json:"onBehalfOf,omitempty"`
}

// Partner is somebody near to the patient who is on the care team.
type Partner struct {
	// Person as sent, `RelatedPerson/x`.
	Person string `json:"person"`
	// Roles as those of a Member.
	Roles []string `json:"roles,omitempty"`
	// From and Until bound the membership, Until exclusive; zero where open.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// The statuses of a course, those of an EpisodeOfCare.
const (
	CoursePlanned   = "planned"
	CourseWaiting   = "waitlist"
	CourseActive    = "active"
	CoursePaused    = "onhold"
	CourseFinished  = "finished"
	CourseCancelled = "cancelled"
)

// The reasons for a pause.
const (
	PatientChoice  = "patient-choice"
	Medical        = "medical"
	Administrative = "administrative"
)

// Course is the status of one course of care from Fact.At on, as an EpisodeOfCare says. One EpisodeOfCare gives a fact
// for each of its statuses; the one with the latest key counts.
type Course struct {
	// ID is the EpisodeOfCare as its source names it, `EpisodeOfCare/x`.
	ID string `json:"id"`
	// Status is one of the Course constants.
	Status string `json:"status"`
	// Until is when this status ended or is to end, exclusive, such as the planned return from a pause; zero is open.
	// From then on it is active unless a later fact says otherwise.
	Until time.Time `json:"until,omitzero"`
	// Start and End bound the whole course, End exclusive; zero where open. At End it ends by itself.
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
	// Types as `system|code`, at most MaxTargets.
	Types []string `json:"types,omitempty"`
	// Manager is the care manager, as sent; empty when not named.
	Manager ref.Clinician `json:"manager,omitempty"`
	// Teams in Rapport that look after it, at most MaxPeople.
	Teams []ref.CareTeam `json:"teams,omitempty"`
	// Reason for a pause or an end: patient-choice, medical or administrative, another reason as `system|code`, or empty
	// when none is coded.
	Reason string `json:"reason,omitempty"`
}

// Death says that the patient died at Fact.At, or was dead by then: alerts and deadlines stop.
type Death struct {
	// Dated says that Fact.At is when it happened, and not when it was heard of.
	Dated bool `json:"dated,omitempty"`
}
