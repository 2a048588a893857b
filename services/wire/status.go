// Package wire turns domain values into protobuf and back, and faults into gRPC status: one table for all services.
package wire

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// codeOf is the one table from fault kinds to gRPC codes.
var codeOf = map[fault.Kind]codes.Code{
	fault.Internal:        codes.Internal,
	fault.Invalid:         codes.InvalidArgument,
	fault.Unprocessable:   codes.InvalidArgument,
	fault.NotSupported:    codes.Unimplemented,
	fault.NotFound:        codes.NotFound,
	fault.Conflict:        codes.Aborted,
	fault.Precondition:    codes.FailedPrecondition,
	fault.TooLarge:        codes.ResourceExhausted,
	fault.TooOld:          codes.OutOfRange,
	fault.Unauthenticated: codes.Unauthenticated,
	fault.Forbidden:       codes.PermissionDenied,
	fault.Unavailable:     codes.Unavailable,
	fault.Throttled:       codes.ResourceExhausted,
}

// Error is the gRPC error of a domain error: its issues as details (rapport.v1.Issue) and, for a cursor that is too old,
// the earliest that works (rapport.v1.Cursor). The text of internal errors is withheld.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return status.Error(codes.Canceled, "the caller went away")
	}
	if errors.Is(err, context.DeadlineExceeded) && fault.Of(err) == fault.Internal {
		return status.Error(codes.DeadlineExceeded, "the caller's deadline passed")
	}
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind == fault.Internal {
		return status.Error(codes.Internal, "internal error: nothing was written")
	}
	st := status.New(codeOf[f.Kind], text(f))
	var details []protoadapt.MessageV1
	for _, issue := range Issues(f.Issues) {
		details = append(details, protoadapt.MessageV1Of(issue))
	}
	if f.Kind == fault.TooOld {
		details = append(details, protoadapt.MessageV1Of(&rapportv1.Cursor{Feed: f.Feed, After: f.Earliest}))
	}
	if with, err := st.WithDetails(details...); err == nil {
		st = with
	}
	return st.Err()
}

// text is the fault in words without its cause, which may come from a library.
func text(f *fault.Fault) string {
	if f.Kind == fault.Unavailable && len(f.Issues) == 0 {
		return "unavailable: the same call may be sent again"
	}
	return fault.New(f.Kind, f.Issues...).Error()
}
