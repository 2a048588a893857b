package alerts

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

// Subscribe replays feeds from their cursors and follows them live.
func (s *Server) Subscribe(req *rapportv1.SubscribeRequest, stream grpc.ServerStreamingServer[rapportv1.SubscribeResponse]) error {
	p, err := auth.From(stream.Context())
	if err != nil {
		return wire.Error(err)
	}
	cursors, heartbeat, err := subscription(p.Tenant, req)
	if err == nil {
		err = mayFollow(p, cursors)
	}
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

// mayFollow refuses those who are not on the staff every feed but the care partner's own. Errors: Forbidden.
func mayFollow(p access.Principal, cursors []feed.Cursor) error {
	if !lay(p) {
		return nil
	}
	id, partner := strings.CutPrefix(p.Person, "RelatedPerson/")
	for _, c := range cursors {
		if !partner || c.Feed != feed.Partner(id) {
			return fault.New(fault.Forbidden, fault.Errorf("forbidden", "cursors", "the caller may not follow this feed"))
		}
	}
	return nil
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
func frozen(e feed.Event) (any, error) { return wire.FrozenEvent(e) }
