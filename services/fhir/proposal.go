package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/judge"
)

// The code systems of what is proposed, and of why a card about it is put aside.
const (
	SystemModality = Canonical + "/CodeSystem/proposal-modality"
	SystemOverride = Canonical + "/CodeSystem/card-override"
)

type proposedConcept struct {
	Coding []proposedCoding `json:"coding,omitempty"`
	Text   string           `json:"text,omitempty"`
}

type proposedCoding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

type proposedReference struct {
	Reference string `json:"reference"`
}

type proposedPeriod struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

type proposedParticipant struct {
	Actor  proposedReference `json:"actor"`
	Status string            `json:"status"`
}

// ProposedRequest is a proposal as a ServiceRequest that is no order: intent proposal, status draft. Subject is a reference
// to the patient, text says the proposal in a sentence, now is when it is made.
func ProposedRequest(p judge.Proposal, subject, text string, now time.Time) []byte {
	return encode(struct {
		ResourceType string            `json:"resourceType"`
		Status       string            `json:"status"`
		Intent       string            `json:"intent"`
		Code         proposedConcept   `json:"code"`
		Subject      proposedReference `json:"subject"`
		Period       *proposedPeriod   `json:"occurrencePeriod,omitempty"`
		Authored     string            `json:"authoredOn"`
	}{"ServiceRequest", "draft", "proposal", modality(p, text), proposedReference{subject}, within(p, now), Instant(now)})
}

// ProposedAppointment is a proposal as an Appointment that is not booked: status proposed, with the patient still to be
// asked.
func ProposedAppointment(p judge.Proposal, subject, text string, now time.Time) []byte {
	var periods []proposedPeriod
	if period := within(p, now); period != nil {
		periods = append(periods, *period)
	}
	return encode(struct {
		ResourceType string                `json:"resourceType"`
		Status       string                `json:"status"`
		Service      []proposedConcept     `json:"serviceType"`
		Description  string                `json:"description"`
		Participant  []proposedParticipant `json:"participant"`
		Periods      []proposedPeriod      `json:"requestedPeriod,omitempty"`
	}{
		"Appointment", "proposed",
		[]proposedConcept{modality(p, text)},
		text,
		[]proposedParticipant{{proposedReference{subject}, "needs-action"}},
		periods,
	})
}

func modality(p judge.Proposal, text string) proposedConcept {
	c := proposedConcept{Text: text}
	if p.Modality != "" {
		c.Coding = []proposedCoding{{SystemModality, p.Modality}}
	}
	return c
}

// within is the interval of a proposal; nil when it names none.
func within(p judge.Proposal, now time.Time) *proposedPeriod {
	if p.WithinDays <= 0 {
		return nil
	}
	return &proposedPeriod{Instant(now), Instant(now.AddDate(0, 0, p.WithinDays))}
}
