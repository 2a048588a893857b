package client

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// seqOf is the event number of an entry id.
func seqOf(id string) int64 {
	n, _, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// gap asks what to do about missing events.
func (c *consumer) gap(feed string, from, to int64) error {
	missing := &GapError{Feed: feed, From: from, To: to}
	if c.OnGap == nil {
		return finalError{missing}
	}
	if err := c.OnGap(missing); err != nil {
		return finalError{err}
	}
	return nil
}

// look proves that nothing is missing in a feed: that nothing was trimmed which the group was not given yet, and that
// the stream has no hole above what was proven before. Consumers that share a group each see a part of the entries,
// so this looks at the stream: as ids are numbers without holes, its length says whether it has one.
func (c *consumer) look(ctx context.Context, feed string) error {
	key := c.key(feed)
	var length *redis.IntCmd
	var oldest, newest *redis.XMessageSliceCmd
	_, err := c.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		length = pipe.XLen(ctx, key)
		oldest = pipe.XRangeN(ctx, key, "-", "+", 1)
		newest = pipe.XRevRangeN(ctx, key, "+", "-", 1)
		return nil
	})
	if err != nil {
		return finalReply(err)
	}
	if len(oldest.Val()) == 0 || len(newest.Val()) == 0 {
		return nil
	}
	first, last := seqOf(oldest.Val()[0].ID), seqOf(newest.Val()[0].ID)
	given, err := c.given(ctx, feed)
	if err != nil {
		return err
	}
	begun := given
	if begun == 0 { // the group is new, or was lost with Redis
		begun = c.dense[feed]
	}
	if begun > 0 && first > begun+1 {
		if err := c.gap(feed, begun+1, first-1); err != nil {
			return err
		}
	}
	if length.Val() != last-first+1 {
		proven := c.dense[feed]
		if proven == 0 {
			proven = given
		}
		if err := c.search(ctx, feed, max(proven, first-1), last); err != nil {
			return err
		}
	}
	c.dense[feed] = max(c.dense[feed], last)
	return nil
}

// given is the number of the last entry that the group was given; 0 when it was given none.
func (c *consumer) given(ctx context.Context, feed string) (int64, error) {
	groups, err := c.client.XInfoGroups(ctx, c.key(feed)).Result()
	if err != nil {
		return 0, finalReply(err)
	}
	for _, g := range groups {
		if g.Name == c.Name {
			return seqOf(g.LastDeliveredID), nil
		}
	}
	return 0, errors.New("NOGROUP the consumer group is gone")
}

// search goes through the entries after a number to find the holes.
func (c *consumer) search(ctx context.Context, feed string, after, last int64) error {
	for after < last {
		page, err := c.client.XRangeN(ctx, c.key(feed), strconv.FormatInt(after+1, 10)+"-0", "+", 500).Result()
		if err != nil {
			return finalReply(err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, m := range page {
			if seq := seqOf(m.ID); seq > after+1 {
				if err := c.gap(feed, after+1, seq-1); err != nil {
					return err
				}
			}
			after = seqOf(m.ID)
		}
	}
	return nil
}
