package server

import (
	"context"
	"net/http"
	"path"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/rest"
	"github.com/rapport-health/rapport/services/subscriptions"
)

// openSubscriptions mounts the room of subscriptions beside FHIR REST, whose resources it sends on.
func (s *Server) openSubscriptions(mux *routes, face *rest.Server) (err error) {
	config := subscriptions.Default()
	config.Store, config.Log, config.Resources = s.store, s.log, unguarded{face}
	config.Principal, config.Base = subscriber, face.Base
	config.Bindings, config.Stopping = s.entrance.bindings, s.stopping
	config.BaseURL, config.AllowPrivate, config.Hosts = s.ownURL(), s.config.AllowPrivateWebhooks, s.config.WebhookHosts
	config.Now, config.Logger, config.Metrics = s.config.Now, s.config.Log, s.config.Metrics
	if s.subscriptions, err = subscriptions.New(config); err != nil {
		return err
	}
	mux.mount(s.subscriptions, s.subscriptions.Routes(), subscriptions.Patterns()...)
	rapportv1.RegisterSubscriptionServiceServer(s.grpc, &subscriptions.Service{Room: s.subscriptions})
	return nil
}

// subscriber is who asks. What a subscription tells is read by nobody in particular, so it takes somebody who may read
// everything to make one, to be told what it told, and to be told over a websocket.
func subscriber(r *http.Request) (access.Principal, error) {
	p, err := auth.From(r.Context())
	if err != nil || !tells(r) {
		return p, err
	}
	if p.Person != "" {
		return p, fault.Newf(fault.Forbidden, "forbidden", "a subscription tells what is kept from some persons: a client that acts for a person makes none and hears none")
	}
	if !p.AllowAll(access.Read) {
		return p, fault.Newf(fault.Forbidden, "forbidden", "a subscription is told of every patient: this needs the scope system/*.r")
	}
	return p, nil
}

// tells says whether a request makes or changes a subscription, or is answered with what one tells.
func tells(r *http.Request) bool {
	switch path.Base(r.URL.Path) {
	case "$events", "$get-ws-binding-token", path.Base(access.SocketPath):
		return true
	}
	return r.Method == http.MethodPost || r.Method == http.MethodPut
}

// unguarded reads for those who could make a subscription.
type unguarded struct{ subscriptions.Resources }

// Resource reads as nobody in particular.
func (u unguarded) Resource(ctx context.Context, t ref.Tenant, of ref.Resource) ([]byte, error) {
	return u.Resources.Resource(auth.With(ctx, access.Everything("subscriptions", t)), t, of)
}
