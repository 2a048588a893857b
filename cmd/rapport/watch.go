package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// watchCmd follows feeds over gRPC, or as a consumer of a Redis group.
type watchCmd struct {
	connection
	outputFlag
	redisFlags
	Feeds []string `arg:"" optional:"" help:"Feeds: all, unassigned or team:ID, each with @N to go on after event N (default: all)."`
	Max   int      `help:"Stop after this many events; 0 goes on until interrupted (${default})." default:"0" env:"-"`
	Alert bool     `name:"alerts-only" help:"Only events about alerts." env:"-"`
	groupFlags
}

// Help shows examples.
func (watchCmd) Help() string {
	return `Prints every event of the feeds, first those that are stored and then live, without a hole. The number in
front is the cursor: go on from it with FEED@NUMBER.

With --group it reads the Redis streams instead, as one consumer of a group: what is printed is acknowledged, the group
keeps its place, and what a consumer that died held is taken over. FEED@NUMBER then is where a new group begins.

Examples:
  rapport watch
  rapport watch team:spine-team unassigned --alerts-only
  rapport watch all@1200 -o json
  rapport watch team:spine-team --group pager --redis redis://localhost:6379 --refill`
}

// Validate refuses what cannot be.
func (c watchCmd) Validate() error {
	if c.Max < 0 {
		return fmt.Errorf("--max %d: want 0 or more", c.Max)
	}
	return c.validate()
}

// Run follows until interrupted.
func (c watchCmd) Run(ctx context.Context, s streams) error {
	cursors, err := cursorsOf(c.Feeds)
	if err != nil {
		return usageError{err}
	}
	if c.Group != "" {
		return c.consume(ctx, s, cursors)
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	// Following waits for a server however long it is away; one that is not there to begin with is a wrong address.
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); status.Code(err) == codes.Unavailable {
		return err
	}
	left := c.Max
	err = client.Follow(ctx, conn, cursors, func(e *rapportv1.Event) error {
		if c.Alert && e.GetAlert() == nil {
			return nil
		}
		if err := c.print(s, e); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if ctx.Err() != nil || errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends following after --max events.
var errEnough = errors.New("enough")

func cursorsOf(feeds []string) ([]*rapportv1.Cursor, error) {
	if len(feeds) == 0 {
		feeds = []string{"all"}
	}
	cursors := make([]*rapportv1.Cursor, 0, len(feeds))
	for _, f := range feeds {
		name, number, found := strings.Cut(f, "@")
		after := int64(0)
		if found {
			var err error
			if after, err = strconv.ParseInt(number, 10, 64); err != nil || after < 0 {
				return nil, fmt.Errorf("feed %q: want FEED@NUMBER, such as all@1200", f)
			}
		}
		cursors = append(cursors, &rapportv1.Cursor{Feed: name, After: after})
	}
	return cursors, nil
}

func (c watchCmd) print(s streams, e *rapportv1.Event) error {
	if c.json() {
		return printProto(s.out, e)
	}
	what := e.GetRecorded().GetReference()
	if a := e.GetAlert(); a != nil {
		what = fmt.Sprintf("%-8s %s: %s", severityWord(a.GetSeverity()), a.GetTitle(), a.GetSeen())
	}
	_, err := fmt.Fprintf(s.out, "%s@%d  %s  %-20s %s  %s\n", e.GetFeed(), e.GetSeq(),
		e.GetTime().AsTime().Format(time.DateTime), e.GetType(), e.GetSubject(), what)
	return err
}
