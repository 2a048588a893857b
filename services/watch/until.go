package watch

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Until is a context for following that ends, with an Unavailable fault as its cause, when the server begins to stop.
// Call end when following is over.
func Until(ctx context.Context, stopping <-chan struct{}) (until context.Context, end func()) {
	until, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stopping:
			cancel(fault.Newf(fault.Unavailable, "transient", "the server is stopping: follow again from your last cursor"))
		case <-until.Done():
		}
	}()
	return until, func() { cancel(nil) }
}

// Ended is why following ended: that the server stops goes before what it made of the call.
func Ended(until context.Context, err error) error {
	if cause := context.Cause(until); fault.Of(cause) == fault.Unavailable {
		return cause
	}
	return err
}
