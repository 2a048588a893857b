package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// redisFlags are how a command reaches the streams.
type redisFlags struct {
	Redis  string `default:"redis://127.0.0.1:6379" placeholder:"URL" help:"Redis of the streams: redis://…, rediss://…, redis-sentinel://…, redis-cluster://… or embedded:PORT (${default})."`
	Tenant string `default:"default" placeholder:"NAME" help:"Tenant whose streams they are (${default})."`
}

// open dials Redis and greets it, because reading would wait for one that is not there.
func (f redisFlags) open(ctx context.Context) (redis.UniversalClient, error) {
	if !ref.ValidID(f.Tenant) {
		return nil, usageError{fmt.Errorf("--tenant %q: want 1 to 64 letters, digits, dots or hyphens", f.Tenant)}
	}
	address := f.Redis
	if port, ok := strings.CutPrefix(address, "embedded:"); ok {
		address = "redis://127.0.0.1:" + port
	}
	if address == "embedded" || address == "none" {
		return nil, usageError{fmt.Errorf("--redis %s names no port: start the server with --redis embedded:7403, and give the same here", address)}
	}
	redis.SetLogger(silent{}) // what it has to say comes back as an error
	c, err := client.Dial(address)
	if err != nil {
		return nil, usageError{fmt.Errorf("--redis: %w", err)}
	}
	if err := c.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("redis: %w", err), c.Close())
	}
	return c, nil
}

type silent struct{}

// Printf drops it.
func (silent) Printf(context.Context, string, ...any) {}

// groupFlags are about consuming as a group.
type groupFlags struct {
	Group    string `help:"Read the Redis streams as a consumer of this group." placeholder:"NAME" env:"-"`
	Consumer string `help:"Name within the group, the same after a restart (the name of this machine)." placeholder:"NAME" env:"-"`
	Refill   bool   `help:"With --group: read over gRPC what the streams no longer hold, instead of ending at the gap." env:"-"`
}

func (f groupFlags) validate() error {
	if f.Group == "" && (f.Consumer != "" || f.Refill) {
		return errors.New("--consumer and --refill go with --group")
	}
	return nil
}

// group for the cursors of the command line, which are where a new one begins.
func (c watchCmd) group(cursors []*rapportv1.Cursor) (client.Group, error) {
	g := client.Group{Tenant: c.Tenant, Name: c.Group, Consumer: c.Consumer}
	after := map[string]int64{}
	for _, at := range cursors {
		if !feed.Name(at.GetFeed()).Valid() {
			return g, usageError{fmt.Errorf("feed %q: want all, unassigned or team:ID", at.GetFeed())}
		}
		g.Feeds = append(g.Feeds, at.GetFeed())
		after[at.GetFeed()] = at.GetAfter()
	}
	g.After = func(name string) int64 { return after[name] }
	if g.Consumer == "" {
		host, err := os.Hostname()
		if err != nil {
			return g, usageError{errors.New("this machine has no name: give --consumer")}
		}
		g.Consumer = host
	}
	return g, nil
}

// consume prints what falls to this consumer until interrupted. A printed entry is acknowledged.
func (c watchCmd) consume(ctx context.Context, s streams, cursors []*rapportv1.Cursor) error {
	group, err := c.group(cursors)
	if err != nil {
		return err
	}
	streams, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer streams.Close()
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	if c.Refill {
		conn, err := c.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		group.OnGap = func(gap *client.GapError) error {
			fmt.Fprintf(s.err, "%v in Redis: reading them from %s\n", gap, c.Addr)
			return client.Refill(ctx, conn, gap, func(e *rapportv1.Event) error { return c.printWanted(s, e) })
		}
	}
	left := c.Max
	err = group.Consume(ctx, streams, client.Once(10_000, func(e client.Entry) error {
		event, err := e.Event()
		if err != nil {
			return err
		}
		if err := c.printWanted(s, event); err != nil || c.Alert && event.GetAlert() == nil {
			return err
		}
		if left--; left == 0 {
			enough()
		}
		return nil
	}))
	if ctx.Err() != nil {
		return nil
	}
	if gap, ok := errors.AsType[*client.GapError](err); ok {
		return fmt.Errorf("%w in Redis, whose earliest is %d: add --refill to read them over gRPC", err, gap.Earliest())
	}
	return err
}

// printWanted prints an event unless --alerts-only leaves it out.
func (c watchCmd) printWanted(s streams, e *rapportv1.Event) error {
	if c.Alert && e.GetAlert() == nil {
		return nil
	}
	return c.print(s, e)
}
