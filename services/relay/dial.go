package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Dial is a client for `redis://[user:password@]host:port[/db]`, `rediss://` with TLS, or `unix://path`. With further
// nodes as `?addr=host:port&addr=…` it is a client of a Redis Cluster. It connects when it is first used.
// Its time-outs are short, because a cancelled context does not interrupt a read. Errors: Invalid.
func Dial(address string) (redis.UniversalClient, error) {
	const patience = 2 * time.Second
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, notAnAddress()
	}
	if parsed.Query().Has("addr") {
		o, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, notAnAddress()
		}
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout = patience, patience, patience
		o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, notAnAddress()
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = patience, patience, patience
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
	return redis.NewClient(o), nil
}

// notAnAddress withholds the address: it may hold a password.
func notAnAddress() error {
	return fault.Newf(fault.Invalid, "value", "not a Redis address; write redis://[user:password@]host:port[/db]")
}

// Divert sends what the Redis library itself has to say, of which the relay says the essence, to a log at level debug.
// It holds for the whole process.
func Divert(log *slog.Logger) { redis.SetLogger(diverted{log}) }

type diverted struct{ log *slog.Logger }

func (d diverted) Printf(ctx context.Context, format string, v ...any) {
	d.log.DebugContext(ctx, "the Redis client says", "text", fmt.Sprintf(format, v...))
}
