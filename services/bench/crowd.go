package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// crowd is many watchers, each with a connection and a stream of its own.
type crowd struct {
	conns []*grpc.ClientConn
	// came counts alerts that were opened, over all watchers; news is signalled now and then.
	came atomic.Int64
	news chan struct{}
	// watching ends when all have ended.
	watching sync.WaitGroup

	mu sync.Mutex
	// lag of every alert at every watcher, from the server's stamp; counted only while timed.
	lag   []time.Duration
	timed bool
}

// gather lets n watchers follow, watcher i the feed that feedOf names, from where that feed ends now. It returns when
// all are there.
func gather(ctx context.Context, s *site, n int, feedOf func(i int) string, fail context.CancelCauseFunc) (*crowd, error) {
	c := &crowd{news: make(chan struct{}, 1)}
	ends := map[string]int64{}
	for i := range n {
		feed := feedOf(i)
		if _, known := ends[feed]; known {
			continue
		}
		last, err := s.db.last(ctx, feed)
		if err != nil {
			return c, err
		}
		ends[feed] = last
	}
	arrived := make(chan struct{}, n)
	for i := range n {
		conn, err := dial(s.server.grpc)
		if err != nil {
			return c, err
		}
		c.conns = append(c.conns, conn)
		feed := feedOf(i)
		c.watching.Go(func() {
			err := c.watch(ctx, conn, &rapportv1.Cursor{Feed: feed, After: ends[feed]}, arrived)
			if ctx.Err() == nil {
				fail(fmt.Errorf("a watcher gave up: %w", err))
			}
		})
	}
	for range n {
		select {
		case <-arrived:
		case <-ctx.Done():
			return c, context.Cause(ctx)
		}
	}
	return c, nil
}

// subscribeMethod is AlertService.Subscribe on the wire.
const subscribeMethod = "/rapport.v1.AlertService/Subscribe"

// open subscribes to one feed.
func subscribe(ctx context.Context, conn *grpc.ClientConn, from *rapportv1.Cursor) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, subscribeMethod, grpc.ForceCodecV2(unread{}), grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	err = stream.SendMsg(&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{from}, HeartbeatSeconds: 1})
	return stream, errors.Join(err, stream.CloseSend())
}

// watch is one watcher. It is there once it has heard its first heartbeat, and it ends with an error only.
func (c *crowd) watch(ctx context.Context, conn *grpc.ClientConn, from *rapportv1.Cursor, arrived chan<- struct{}) error {
	stream, err := subscribe(ctx, conn, from)
	if err != nil {
		return err
	}
	seq, there := from.GetAfter(), false
	var message frame
	for {
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		now := time.Now()
		g, err := glance(message.bytes)
		if err != nil {
			return err
		}
		if !there {
			there = true
			arrived <- struct{}{}
		}
		if !g.event {
			continue
		}
		if seq++; g.seq != seq {
			return fmt.Errorf("feed %s: number %d came where %d was due", from.GetFeed(), g.seq, seq)
		}
		if g.typ == "alert.opened" {
			c.heard(now.Sub(g.at))
		}
	}
}

func (c *crowd) heard(lag time.Duration) {
	c.mu.Lock()
	if c.timed {
		c.lag = append(c.lag, lag)
	}
	c.mu.Unlock()
	c.came.Add(1)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// time begins to keep the lags.
func (c *crowd) time() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timed, c.lag = true, c.lag[:0]
}

// lags are those that were kept.
func (c *crowd) lags() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lag)
}

// await waits until so many alerts have come in all.
func (c *crowd) await(ctx context.Context, many int64) error {
	ctx, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	for c.came.Load() < many {
		select {
		case <-c.news:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d alerts reached the watchers: %w", c.came.Load(), many, context.Cause(ctx))
		}
	}
	return nil
}

// close sends everybody home.
func (c *crowd) close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	c.watching.Wait()
	return errors.Join(errs...)
}
