// Package alerts is AlertService: subscribe, list, acknowledge, resolve.
package alerts

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
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

// ListAlerts returns a page of alerts.
func (s *Server) ListAlerts(ctx context.Context, req *rapportv1.ListAlertsRequest) (*rapportv1.ListAlertsResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	q, err := query(req)
	if err != nil {
		return nil, wire.Error(err)
	}
	size := q.Max
	q.Max++
	var found []alert.Alert
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		if q.Patient != "" {
			if q.Patient, err = store.KnownAs(r, q.Patient); err != nil {
				return err
			}
		}
		found, err = r.ListAlerts(q)
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListAlertsResponse{}
	if len(found) > size {
		found = found[:size]
		last := found[size-1]
		resp.NextPageToken = wire.PageToken(alert.Place{Severity: last.Severity, Effective: last.Effective, ID: last.ID})
	}
	for _, a := range found {
		resp.Alerts = append(resp.Alerts, wire.Alert(a))
	}
	return resp, nil
}

func query(req *rapportv1.ListAlertsRequest) (alert.Query, error) {
	q := alert.Query{Patient: ref.Patient(strings.TrimPrefix(req.GetPatient(), "Patient/")), Rule: req.GetRule()}
	var issues []fault.Issue
	var err error
	if q.Max, err = wire.PageSize(req.GetPageSize()); err != nil {
		issues = append(issues, fault.IssuesOf(err)...)
	}
	if q.After, err = wire.Place[alert.Place](req.GetPageToken()); err != nil {
		issues = append(issues, fault.IssuesOf(err)...)
	}
	for _, st := range req.GetStatuses() {
		status, ok := wire.AlertStatus(st)
		if !ok {
			issues = append(issues, fault.Errorf("value", "statuses", "%s is no status of an alert", st))
		}
		q.Statuses = append(q.Statuses, status)
	}
	if len(req.GetStatuses()) == 0 {
		q.Statuses = []alert.Status{alert.Open, alert.Acknowledged}
	}
	if len(issues) > 0 {
		return q, fault.New(fault.Invalid, issues...)
	}
	return q, nil
}

// GetAlert returns one alert.
func (s *Server) GetAlert(ctx context.Context, req *rapportv1.GetAlertRequest) (*rapportv1.GetAlertResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	var found alert.Alert
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		found, err = r.Alert(req.GetId())
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.GetAlertResponse{Alert: wire.Alert(found)}, nil
}

// Acknowledge takes an open alert.
func (s *Server) Acknowledge(ctx context.Context, req *rapportv1.AcknowledgeRequest) (*rapportv1.AcknowledgeResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Acknowledge, Version: req.GetVersion(), Actor: req.GetActor(), Key: req.GetKey(),
	})
	if err != nil {
		return nil, err
	}
	return &rapportv1.AcknowledgeResponse{Alert: after}, nil
}

// Resolve closes an alert with a reason.
func (s *Server) Resolve(ctx context.Context, req *rapportv1.ResolveRequest) (*rapportv1.ResolveResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Resolve, Version: req.GetVersion(), Actor: req.GetActor(), Reason: req.GetReason(), Key: req.GetKey(),
	})
	if err != nil {
		return nil, err
	}
	return &rapportv1.ResolveResponse{Alert: after}, nil
}

func (s *Server) command(ctx context.Context, c alert.Command) (*rapportv1.Alert, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	after, err := s.Group.Command(ctx, p.Tenant, c)
	if err != nil {
		return nil, wire.Error(err)
	}
	return wire.Alert(after), nil
}

// Subscribe replays feeds from their cursors and follows them live.
func (s *Server) Subscribe(req *rapportv1.SubscribeRequest, stream grpc.ServerStreamingServer[rapportv1.SubscribeResponse]) error {
	p, err := auth.From(stream.Context())
	if err != nil {
		return wire.Error(err)
	}
	cursors, heartbeat, err := subscription(p.Tenant, req)
	if err != nil {
		return wire.Error(err)
	}
	ctx, end := watch.Until(stream.Context(), s.Stopping)
	defer end()
	return wire.Error(watch.Ended(ctx, s.follow(ctx, cursors, heartbeat, stream)))
}

func subscription(t ref.Tenant, req *rapportv1.SubscribeRequest) ([]feed.Cursor, time.Duration, error) {
	cursors := make([]feed.Cursor, 0, len(req.GetCursors()))
	for _, c := range req.GetCursors() {
		cursors = append(cursors, feed.Cursor{Tenant: t, Feed: feed.Name(c.GetFeed()), After: c.GetAfter()})
	}
	heartbeat, err := wire.Heartbeat(req.GetHeartbeatSeconds())
	return cursors, heartbeat, err
}

func (s *Server) follow(
	ctx context.Context, cursors []feed.Cursor, heartbeat time.Duration, stream grpc.ServerStreamingServer[rapportv1.SubscribeResponse],
) error {
	for message, err := range s.Log.Follow(ctx, cursors, heartbeat) {
		if err != nil {
			return err
		}
		response, err := s.response(message)
		if err != nil {
			return err
		}
		if message.Entry != nil {
			auth.Touched(ctx, ref.Patient(strings.TrimPrefix(message.Entry.Subject, "Patient/")), "")
		}
		if err := stream.SendMsg(response); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// response is a message to a subscriber: an event is encoded once for all of them.
func (s *Server) response(m watch.Message) (any, error) {
	if m.Entry != nil {
		return m.Entry.Form(frozen)
	}
	beat := &rapportv1.Heartbeat{Time: timestamppb.New(s.Now())}
	for _, c := range m.HighWater {
		beat.HighWater = append(beat.HighWater, &rapportv1.Cursor{Feed: string(c.Feed), After: c.After})
	}
	return &rapportv1.SubscribeResponse{Message: &rapportv1.SubscribeResponse_Heartbeat{Heartbeat: beat}}, nil
}

// Ahead encodes an event before it is its turn; see watch.Config.
func Ahead(e *watch.Entry) { _, _ = e.Form(frozen) } // an error is kept in the entry, for those who send it

// frozen is an event as every subscriber gets it.
func frozen(e feed.Event) (any, error) {
	event, err := wire.Event(e)
	if err != nil {
		return nil, err
	}
	return wire.Freeze(&rapportv1.SubscribeResponse{Message: &rapportv1.SubscribeResponse_Event{Event: event}})
}
