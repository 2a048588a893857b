package relay

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Dial is a client for an address as client.Dial describes it. It connects when it is first used. Errors: Invalid.
func Dial(address string) (redis.UniversalClient, error) {
	c, err := client.Dial(address)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "value", "%s", err)
	}
	return c, nil
}

// Divert sends what the Redis library itself has to say, of which the relay says the essence, to a log at level debug.
// It holds for the whole process.
func Divert(log *slog.Logger) { redis.SetLogger(diverted{log}) }

type diverted struct{ log *slog.Logger }

func (d diverted) Printf(ctx context.Context, format string, v ...any) {
	d.log.DebugContext(ctx, "the Redis client says", "text", fmt.Sprintf(format, v...))
}
