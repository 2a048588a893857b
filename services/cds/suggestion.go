package cds

import (
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// suggestion is what may be done about a card.
type suggestion struct {
	Label         string   `json:"label"`
	UUID          string   `json:"uuid"`
	IsRecommended bool     `json:"isRecommended"`
	Actions       []action `json:"actions"`
}

type action struct {
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Resource    json.RawMessage `json:"resource"`
}

// propose is the alert's proposal as a suggestion: a request that is no order, or an appointment that is not booked.
func (s *Server) propose(a *asked, of alert.Sight) suggestion {
	p, now := of.Proposal, s.config.Now()
	subject := "Patient/" + a.local
	make := fhir.ProposedRequest
	if a.hook == appointmentBook {
		make = fhir.ProposedAppointment
	}
	text := proposalText(p)
	id, _ := uuidOf(suggestionID(of.ID))
	return suggestion{
		Label: summary(text, ""), UUID: id, IsRecommended: true,
		Actions: []action{{"create", "Proposes, and orders nothing: " + text, make(*p, subject, text, now)}},
	}
}

func suggestionID(alert string) string { return ref.Digest("suggestion", alert) }

// modalities in words.
var modalities = map[string]string{
	"telephone": "a telephone call", "in-person": "a visit in person", "joint-visit": "a joint visit", "video": "a video visit",
}

// proposalText is a proposal in a sentence.
func proposalText(p *judge.Proposal) string {
	if p.Text != "" {
		return p.Text
	}
	what, known := modalities[p.Modality]
	if !known {
		what = strings.TrimSpace("a contact " + p.Modality)
	}
	switch p.WithinDays {
	case 0:
		return "Plan " + what
	case 1:
		return "Plan " + what + " within a day"
	default:
		return "Plan " + what + " within " + strconv.Itoa(p.WithinDays) + " days"
	}
}

// coder writes digests as ref.Digest does: 16 bytes in 26 small letters and digits.
var coder = base32.StdEncoding.WithPadding(base32.NoPadding)

// uuidOf is a digest of 16 bytes in the form of a UUID, so that a card needs no table to lead back to its alert; false for
// an id that is no such digest.
func uuidOf(digest string) (string, bool) {
	b, err := coder.DecodeString(strings.ToUpper(digest))
	if err != nil || len(b) != 16 || strings.ToLower(coder.EncodeToString(b)) != digest {
		return "", false
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], true
}

// digestOf is the digest that a UUID stands for; false for what is no UUID.
func digestOf(uuid string) (string, bool) {
	if !instanceForm.MatchString(uuid) {
		return "", false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return "", false
	}
	return strings.ToLower(coder.EncodeToString(b)), true
}
