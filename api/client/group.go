package client

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Group consumes feeds as one consumer of a Redis consumer group. The group keeps its place in Redis; an entry goes to
// one of its consumers and comes again, to any of them, until one has handled it.
type Group struct {
	// Tenant and Feeds to consume; Name of the group; Consumer within it, the same after a restart. All are required.
	Tenant         string
	Feeds          []string
	Name, Consumer string
	// Block is how long one read waits, 1 ms or more; 0 means one second. A cancelled context is noticed after it.
	Block time.Duration
	// Count is how many entries one read takes at most; 0 means 64.
	Count int64
	// MinIdle is how long an entry that was delivered may go unhandled before another consumer claims it, 1 ms or more;
	// 0 means thirty seconds. It must be longer than handling takes.
	MinIdle time.Duration
	// Deliveries is how often an entry is tried before it goes to the dead letters; 0 means 5.
	Deliveries int64
	// After is where a feed begins for a group that does not exist, or was lost with Redis: behind this number, which the
	// caller keeps. Without After it begins at the oldest entry kept, and what was handled before comes again.
	After func(feed string) int64
	// OnGap decides what to do about missing events: nil goes on behind the gap, an error ends Consume.
	// Without OnGap Consume ends with the *GapError.
	OnGap func(*GapError) error
	// OnDead is told of every entry that this consumer gives up, after it is among the dead letters. It may be nil.
	OnDead func(Letter)
}

// Consume calls handle with every entry that falls to this consumer, one after another, and acknowledges it when handle
// returns nil. An entry that handle refuses is left pending, so others go first; after MinIdle it comes again, and when
// it was tried Deliveries times it goes to the dead letters. An entry can come twice, when a consumer or Redis failed
// in between: its ID tells. What is being handled when ctx ends is handled to its end and acknowledged; what was read and
// not handled yet comes again when a consumer of the same name starts, or after MinIdle to another.
//
// Consume waits for Redis for as long as it is away. It ends with ctx.Err(), a *GapError when events are missing,
// or an error of Redis that waiting does not mend, such as a wrong password or key.
func (g Group) Consume(ctx context.Context, client redis.UniversalClient, handle func(Entry) error) error {
	if g.Tenant == "" || len(g.Feeds) == 0 || g.Name == "" || g.Consumer == "" {
		return errors.New("a group needs a tenant, feeds, a name and a consumer")
	}
	g = g.filled()
	shares := [][]string{g.Feeds}
	if _, cluster := client.(*redis.ClusterClient); cluster {
		shares = shares[:0] // streams on several nodes cannot be read together
		for _, f := range g.Feeds {
			shares = append(shares, []string{f})
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var one sync.Mutex
	var working sync.WaitGroup
	for _, feeds := range shares {
		c := newConsumer(g, client, feeds, func(e Entry) error {
			one.Lock()
			defer one.Unlock()
			return handle(e)
		})
		working.Go(func() { cancel(c.run(ctx)) })
	}
	working.Wait()
	return context.Cause(ctx)
}

func (g Group) filled() Group {
	if g.Block <= 0 {
		g.Block = time.Second
	}
	if g.Count <= 0 {
		g.Count = 64
	}
	if g.MinIdle <= 0 {
		g.MinIdle = 30 * time.Second
	}
	if g.Deliveries <= 0 {
		g.Deliveries = 5
	}
	return g
}

// consumer is one reader of some of the feeds.
type consumer struct {
	Group
	client redis.UniversalClient
	feeds  []string
	byKey  map[string]string
	handle func(Entry) error
	// ready is false until the groups exist and what was delivered before is handled.
	ready bool
	// suspect is true when the last read took all that one read may, so that the group may be far behind, or did not
	// go on from what was proven before.
	suspect bool
	// due is when stuck entries are next looked for.
	due time.Time
	// dense is the number up to which each feed was seen to be without a hole.
	dense map[string]int64
}

func newConsumer(g Group, client redis.UniversalClient, feeds []string, handle func(Entry) error) *consumer {
	c := &consumer{
		Group: g, client: client, feeds: feeds, handle: handle,
		byKey: map[string]string{}, dense: map[string]int64{},
	}
	for _, f := range feeds {
		c.byKey[StreamKey(g.Tenant, f)] = f
	}
	return c
}

func (c *consumer) key(feed string) string { return StreamKey(c.Tenant, feed) }

// run consumes until ctx ends or something final happens.
func (c *consumer) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		err := c.turn(ctx)
		if final, ok := errors.AsType[finalError](err); ok {
			return final.cause
		}
		if err == nil {
			failures = 0
			continue
		}
		c.ready = false
		failures++
		if !strings.HasPrefix(err.Error(), "NOGROUP") {
			pause(ctx, backOff(failures))
		}
	}
	return ctx.Err()
}

// turn takes what is stuck, when it is time to, and then what is new.
func (c *consumer) turn(ctx context.Context) error {
	if !c.ready {
		if err := c.begin(ctx); err != nil {
			return err
		}
	}
	now := time.Now()
	due := !now.Before(c.due)
	if due {
		c.due = now.Add(c.MinIdle)
	}
	for _, feed := range c.feeds {
		if due || c.suspect { // who is far behind may be overtaken by trimming
			if err := c.look(ctx, feed); err != nil {
				return err
			}
		}
		if due {
			if err := c.claim(ctx, feed); err != nil {
				return err
			}
		}
	}
	return c.fresh(ctx)
}

// begin creates the groups and handles again what this consumer was given before it was interrupted.
func (c *consumer) begin(ctx context.Context) error {
	for _, feed := range c.feeds {
		if err := c.create(ctx, feed); err != nil {
			return err
		}
		if err := c.own(ctx, feed); err != nil {
			return err
		}
	}
	c.ready = true
	return nil
}

// create makes the group of a feed when there is none.
func (c *consumer) create(ctx context.Context, feed string) error {
	var after int64
	if c.After != nil {
		after = c.After(feed)
	}
	err := c.client.XGroupCreateMkStream(ctx, c.key(feed), c.Name, strconv.FormatInt(after, 10)+"-0").Err()
	switch {
	case err == nil && after > 0:
		c.dense[feed] = after
	case err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP"):
		return finalReply(err)
	}
	return nil
}

// own goes once through what is pending for this consumer.
func (c *consumer) own(ctx context.Context, feed string) error {
	for after := "0"; ; {
		streams, err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: c.Name, Consumer: c.Consumer, Streams: []string{c.key(feed), after}, Count: c.Count, Block: -1,
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return finalReply(err)
		}
		if len(streams) == 0 || len(streams[0].Messages) == 0 {
			return nil
		}
		messages := streams[0].Messages
		after = messages[len(messages)-1].ID
		if err := c.again(ctx, feed, messages); err != nil {
			return err
		}
	}
}

// claim takes over what others were given and have not handled.
func (c *consumer) claim(ctx context.Context, feed string) error {
	for start := "0-0"; ; {
		messages, next, deleted, err := c.client.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
			Stream: c.key(feed), Group: c.Name, Consumer: c.Consumer, MinIdle: c.MinIdle, Start: start, Count: c.Count,
		}).Result()
		if err != nil {
			return finalReply(err)
		}
		for _, id := range deleted {
			if err := c.gap(feed, seqOf(id), seqOf(id)); err != nil {
				return err
			}
		}
		if err := c.again(ctx, feed, messages); err != nil {
			return err
		}
		if next == "0-0" || next == start {
			return nil
		}
		start = next
	}
}

// again handles entries that were delivered before. Those that were tried often enough go to the dead letters.
func (c *consumer) again(ctx context.Context, feed string, messages []redis.XMessage) error {
	if len(messages) == 0 {
		return nil
	}
	pending, err := c.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: c.key(feed), Group: c.Name, Consumer: c.Consumer,
		Start: messages[0].ID, End: messages[len(messages)-1].ID, Count: int64(len(messages)),
	}).Result()
	if err != nil {
		return finalReply(err)
	}
	tries := make(map[string]int64, len(pending))
	for _, p := range pending {
		tries[p.ID] = p.RetryCount
	}
	for _, m := range messages {
		switch {
		case len(m.Values) == 0: // trimmed before it was handled
			err = c.gap(feed, seqOf(m.ID), seqOf(m.ID))
			if err == nil {
				err = c.client.XAck(ctx, c.key(feed), c.Name, m.ID).Err()
			}
		case tries[m.ID] > c.Deliveries:
			err = c.bury(ctx, feed, m, tries[m.ID]-1, refused)
		default:
			err = c.deliver(ctx, feed, m, tries[m.ID])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fresh reads what no consumer of the group was given yet.
func (c *consumer) fresh(ctx context.Context) error {
	keys := make([]string, 0, 2*len(c.feeds))
	for _, feed := range c.feeds {
		keys = append(keys, c.key(feed))
	}
	for range c.feeds {
		keys = append(keys, ">")
	}
	streams, err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.Name, Consumer: c.Consumer, Streams: keys, Count: c.Count, Block: c.Block,
	}).Result()
	c.suspect = false
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return finalReply(err)
	}
	for _, s := range streams {
		c.suspect = c.suspect || int64(len(s.Messages)) >= c.Count
	}
	for _, s := range streams {
		if err := c.batch(ctx, c.byKey[s.Stream], s.Messages); err != nil {
			return err
		}
	}
	return nil
}

// batch handles entries that lie next to each other in a stream, and so must have numbers next to each other.
func (c *consumer) batch(ctx context.Context, feed string, messages []redis.XMessage) error {
	if len(messages) == 0 {
		return nil
	}
	for i, m := range messages {
		if i > 0 {
			if before, here := seqOf(messages[i-1].ID), seqOf(m.ID); here != before+1 {
				if err := c.gap(feed, before+1, here-1); err != nil {
					return err
				}
			}
		}
		if err := c.deliver(ctx, feed, m, 1); err != nil {
			return err
		}
	}
	first, last := seqOf(messages[0].ID), seqOf(messages[len(messages)-1].ID)
	if proven := c.dense[feed]; proven == 0 || first == proven+1 {
		c.dense[feed] = last
	} else if first > proven+1 {
		c.suspect = true
	}
	return nil
}

// deliver has one entry handled and acknowledges it. What is refused stays pending.
func (c *consumer) deliver(ctx context.Context, feed string, m redis.XMessage, times int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := read(feed, m)
	if err != nil {
		return c.bury(ctx, feed, m, times, unreadable)
	}
	e.Deliveries = max(1, times)
	if c.handle(e) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackLimit)
	defer cancel()
	return c.client.XAck(ctx, c.key(feed), c.Name, m.ID).Err()
}

// ackLimit is how long an acknowledgement may take. It is made also when the consumer was stopped meanwhile.
const ackLimit = 2 * time.Second

// finalReply marks errors of Redis that waiting does not mend.
func finalReply(err error) error {
	for _, sign := range []string{"WRONGTYPE", "NOAUTH", "WRONGPASS", "NOPERM", "ERR unknown command"} {
		if strings.HasPrefix(err.Error(), sign) {
			return finalError{err}
		}
	}
	return err
}
