package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// Heartbeat is what Follow asks the server for. A server silent for three heartbeats counts as lost.
const Heartbeat = 15 * time.Second

// Follow calls handle with every event of the feeds after their cursors, each feed in order, each event once, until
// ctx ends, handle fails or following is impossible. After a disconnect it goes on behind the last event that handle
// took, however long the server is away. The cursors are moved along, so that after an error they say where to go on.
//
// Errors: ctx.Err(); what handle returned; *GapError when the server left something out; *TooOldError when a cursor is
// older than what is kept; a gRPC status of INVALID_ARGUMENT when a cursor cannot be, or UNAUTHENTICATED,
// PERMISSION_DENIED, NOT_FOUND, UNIMPLEMENTED.
func Follow(
	ctx context.Context, conn grpc.ClientConnInterface, cursors []*rapportv1.Cursor, handle func(*rapportv1.Event) error,
) error {
	f := &following{
		service: rapportv1.NewAlertServiceClient(conn),
		cursors: cursors,
		byFeed:  make(map[string]*rapportv1.Cursor, len(cursors)),
		handle:  handle,
	}
	for _, c := range cursors {
		f.byFeed[c.GetFeed()] = c
	}
	for {
		err := f.subscribe(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final, ok := errors.AsType[finalError](err); ok {
			return final.cause
		}
		f.failures++
		pause(ctx, backOff(f.failures))
	}
}

// finalError ends following; all others are tried again.
type finalError struct{ cause error }

func (e finalError) Error() string { return e.cause.Error() }

// following is one call of Follow.
type following struct {
	service  rapportv1.AlertServiceClient
	cursors  []*rapportv1.Cursor
	byFeed   map[string]*rapportv1.Cursor
	handle   func(*rapportv1.Event) error
	failures int
}

// subscribe follows until the stream breaks.
func (f *following) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(3*Heartbeat, cancel)
	defer silence.Stop()
	stream, err := f.service.Subscribe(ctx, &rapportv1.SubscribeRequest{
		Cursors:          f.cursors,
		HeartbeatSeconds: int32(Heartbeat / time.Second),
	})
	if err != nil {
		return finalStatus(err)
	}
	for {
		silence.Reset(3 * Heartbeat)
		message, err := stream.Recv()
		silence.Stop()
		if err != nil {
			return finalStatus(err)
		}
		f.failures = 0
		if err := f.take(message); err != nil {
			return err
		}
	}
}

// take handles one message.
func (f *following) take(message *rapportv1.SubscribeResponse) error {
	if e := message.GetEvent(); e != nil {
		return f.event(e)
	}
	for _, high := range message.GetHeartbeat().GetHighWater() {
		c, ok := f.byFeed[high.GetFeed()]
		if ok && high.GetAfter() > c.GetAfter() {
			return finalError{&GapError{Feed: c.GetFeed(), From: c.GetAfter() + 1, To: high.GetAfter()}}
		}
	}
	return nil
}

func (f *following) event(e *rapportv1.Event) error {
	c, ok := f.byFeed[e.GetFeed()]
	switch {
	case !ok:
		return finalError{fmt.Errorf("the server sent an event of feed %q, which is not followed", e.GetFeed())}
	case e.GetSeq() <= c.GetAfter():
		return nil
	case e.GetSeq() > c.GetAfter()+1:
		return finalError{&GapError{Feed: c.GetFeed(), From: c.GetAfter() + 1, To: e.GetSeq() - 1}}
	}
	if err := f.handle(e); err != nil {
		return finalError{err}
	}
	c.After = e.GetSeq()
	return nil
}

// finalStatus marks errors that the same call would meet again.
func finalStatus(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	switch status.Code(err) {
	case codes.OutOfRange:
		return finalError{tooOld(err)}
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.NotFound,
		codes.Unimplemented, codes.FailedPrecondition:
		return finalError{err}
	default:
		return err
	}
}
