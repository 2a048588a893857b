package server

import (
	"net/http"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/subscriptions"
)

// openSubscriptions mounts the room of subscriptions beside FHIR REST, whose resources it sends on.
func (s *Server) openSubscriptions(mux *http.ServeMux, resources subscriptions.Resources) (err error) {
	config := subscriptions.Default()
	config.Store, config.Log, config.Resources = s.store, s.log, resources
	config.Principal = principal(s.auth)
	config.BaseURL, config.AllowPrivate, config.Hosts = s.baseURL(), s.config.AllowPrivateWebhooks, s.config.WebhookHosts
	config.Now, config.Logger, config.Metrics = s.config.Now, s.config.Log, s.config.Metrics
	if s.subscriptions, err = subscriptions.New(config); err != nil {
		return err
	}
	for _, pattern := range subscriptions.Patterns() {
		mux.Handle(pattern, s.subscriptions)
	}
	rapportv1.RegisterSubscriptionServiceServer(s.grpc, &subscriptions.Service{Room: s.subscriptions})
	return nil
}

// principal is who sent an HTTP request.
func principal(a auth.Authenticator) func(*http.Request) (access.Principal, error) {
	return func(r *http.Request) (access.Principal, error) { return a.Principal(r.Header.Get("Authorization")) }
}
