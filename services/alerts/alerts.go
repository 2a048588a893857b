// Package alerts is AlertService: subscribe, list, count, and everything that people do with an alert.
package alerts

import (
	"context"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

// Server answers AlertService.
type Server struct {
	rapportv1.UnimplementedAlertServiceServer
	// Store is read from.
	Store store.Store
	// Group takes commands.
	Group *commit.Group
	// Log follows feeds.
	Log *watch.Log
	// Now is the clock.
	Now func() time.Time
	// Stopping ends subscriptions before the server stops.
	Stopping <-chan struct{}
}

// GetAlert returns one alert.
func (s *Server) GetAlert(ctx context.Context, req *rapportv1.GetAlertRequest) (*rapportv1.GetAlertResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	found, err := s.read(ctx, p, req.GetId())
	if err != nil {
		return nil, wire.Error(err)
	}
	told, err := tell(p, found, req.GetLanguage())
	return &rapportv1.GetAlertResponse{Alert: told}, wire.Error(err)
}

func (s *Server) read(ctx context.Context, p access.Principal, id string) (found alert.Alert, err error) {
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		found, err = r.Alert(id)
		return err
	})
	return found, err
}

// tell is an alert as a principal may read it, in a language, or in the one it is told in when none is asked for.
// Errors: NotFound when it is not for them.
func tell(p access.Principal, a alert.Alert, language string) (*rapportv1.Alert, error) {
	sight, ok := a.As(p)
	if !ok {
		return nil, notFound()
	}
	if language == "" {
		language = a.Language
	}
	return wire.Alert(sight.In(language)), nil
}

func notFound() error { return fault.Newf(fault.NotFound, "not-found", "there is no such alert") }

// lay says whether a principal acts for somebody who is not on the staff: a patient or a care partner.
func lay(p access.Principal) bool {
	return strings.HasPrefix(p.Person, "Patient/") || strings.HasPrefix(p.Person, "RelatedPerson/")
}
