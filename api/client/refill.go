package client

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// TooOldError says that events are no longer kept by the server either. Its gRPC status is OUT_OF_RANGE.
type TooOldError struct {
	// Feed that was asked for.
	Feed string
	// Earliest is the lowest cursor that works: the events up to this number are gone.
	Earliest int64
	cause    error
}

// Error names the feed and the cursor.
func (e *TooOldError) Error() string {
	return fmt.Sprintf("feed %s: the events up to %d are no longer kept", e.Feed, e.Earliest)
}

// Unwrap is the gRPC status.
func (e *TooOldError) Unwrap() error { return e.cause }

// tooOld names the earliest cursor of a status when it does.
func tooOld(err error) error {
	for _, detail := range status.Convert(err).Details() {
		if c, ok := detail.(*rapportv1.Cursor); ok {
			return &TooOldError{Feed: c.GetFeed(), Earliest: c.GetAfter(), cause: err}
		}
	}
	return err
}

// errFilled ends following at the end of a gap.
var errFilled = errors.New("filled")

// Refill calls handle with the events of a gap, in order, read over gRPC from the database; it is what an OnGap is made of.
// Errors: those of Follow; *TooOldError when the database does not keep the first of them any longer either. Then the rest
// can be had with the same gap from Earliest+1 on.
func Refill(ctx context.Context, conn grpc.ClientConnInterface, gap *GapError, handle func(*rapportv1.Event) error) error {
	if gap.To < gap.From {
		return nil
	}
	cursor := []*rapportv1.Cursor{{Feed: gap.Feed, After: gap.From - 1}}
	err := Follow(ctx, conn, cursor, func(e *rapportv1.Event) error {
		if err := handle(e); err != nil {
			return err
		}
		if e.GetSeq() >= gap.To {
			return errFilled
		}
		return nil
	})
	if errors.Is(err, errFilled) {
		return nil
	}
	return err
}
