package client

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// WatchEpisode calls handle with the present state of a patient's episode and then with each state that it comes to, until
// ctx ends, handle fails or watching is impossible. After a disconnect it goes on where it was, however long the server
// is away; a state that has not changed meanwhile does not come again.
//
// Errors: ctx.Err(); what handle returned; a gRPC status of NOT_FOUND, INVALID_ARGUMENT, UNAUTHENTICATED,
// PERMISSION_DENIED or UNIMPLEMENTED.
func WatchEpisode(ctx context.Context, conn grpc.ClientConnInterface, patient string, handle func(*rapportv1.WatchEpisodeResponse) error) error {
	w := &watching{service: rapportv1.NewOutcomeServiceClient(conn), patient: patient, handle: handle}
	for {
		err := w.watch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final, ok := errors.AsType[finalError](err); ok {
			return final.cause
		}
		w.failures++
		pause(ctx, backOff(w.failures))
	}
}

// watching is one call of WatchEpisode.
type watching struct {
	service  rapportv1.OutcomeServiceClient
	patient  string
	after    int64
	handle   func(*rapportv1.WatchEpisodeResponse) error
	failures int
}

// watch goes on until the stream breaks.
func (w *watching) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(3*Heartbeat, cancel)
	defer silence.Stop()
	stream, err := w.service.WatchEpisode(ctx, &rapportv1.WatchEpisodeRequest{
		Patient: w.patient, After: w.after, HeartbeatSeconds: int32(Heartbeat / time.Second),
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
		w.failures = 0
		if message.GetEpisode() != nil {
			if err := w.handle(message); err != nil {
				return finalError{err}
			}
		}
		w.after = message.GetAfter()
	}
}
