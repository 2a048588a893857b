package cds

import (
	"net/http"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The hooks that are answered. Each service is called after its hook.
const (
	patientView     = "patient-view"
	appointmentBook = "appointment-book"
)

// service is one entry of the discovery.
type service struct {
	Hook        string            `json:"hook"`
	ID          string            `json:"id"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Prefetch    map[string]string `json:"prefetch"`
	Usage       string            `json:"usageRequirements"`
}

// identified is how the Patient's identifiers come along, so that a patient is known whatever id the EHR gives them.
var identified = map[string]string{"patient": "Patient/{{context.patientId}}"}

// usage holds for every service.
const usage = "Answers from what was sent to Rapport before; prefetch is optional, and the Patient in it is read for its identifiers alone."

var services = []service{
	{
		patientView, patientView, "Rapport: how this patient is going",
		"The most urgent live alert about alliance, distress, adherence or function, and the fused view of the episode: at most two cards, none when there is no advice.",
		identified, usage,
	},
	{
		appointmentBook, appointmentBook, "Rapport: what to know before booking",
		"Proposals of when and how to see this patient next, and signs of drop-out: at most two cards, none when there is no advice.",
		identified, usage,
	},
}

func (s *Server) discover(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "application/json", struct {
		Services []service `json:"services"`
	}{services})
}

// serviceOf is the service that a request is for. Errors: NotFound.
func serviceOf(r *http.Request) (service, error) {
	at := slices.IndexFunc(services, func(one service) bool { return one.ID == r.PathValue("id") })
	if at < 0 {
		return service{}, fault.Newf(fault.NotFound, "not-found", "there is no such CDS service; GET %s lists them", Prefix)
	}
	return services[at], nil
}
