package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Why an entry goes to the dead letters.
const (
	refused    = "refused"
	unreadable = "unreadable"
)

// Letter is an entry that a group gave up.
type Letter struct {
	// ID of the letter among the dead letters.
	ID string
	// Given up at this time, by the clock of Redis, by this Consumer.
	Given    time.Time
	Consumer string
	// Reason is `refused` when it was handled in vain too often, or `unreadable` when it is no event of Rapport.
	Reason string
	// Entry that was given up, with the number of deliveries in vain; only its Seq is set when it is unreadable.
	Entry Entry
}

// bury moves an entry to the dead letters.
func (c *consumer) bury(ctx context.Context, feed string, m redis.XMessage, times int64, reason string) error {
	values := make([]any, 0, 2*len(m.Values)+8)
	values = append(values, "entry", m.ID, "deliveries", times, "consumer", c.Consumer, "reason", reason)
	for name, value := range m.Values {
		values = append(values, name, value)
	}
	var id *redis.StringCmd
	_, err := c.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		id = pipe.XAdd(ctx, &redis.XAddArgs{Stream: DeadKey(c.Tenant, feed, c.Name), Values: values})
		pipe.XAck(ctx, c.key(feed), c.Name, m.ID)
		return nil
	})
	if err != nil {
		return finalReply(err)
	}
	if c.OnDead != nil {
		c.OnDead(letterOf(id.Val(), c.Consumer, reason, times, feed, m))
	}
	return nil
}

// letterOf is a letter of an entry.
func letterOf(id, consumer, reason string, times int64, feed string, m redis.XMessage) Letter {
	e, err := read(feed, m)
	if err != nil {
		e = Entry{Feed: feed, Seq: seqOf(m.ID)}
	}
	e.Deliveries = times
	return Letter{ID: id, Given: time.UnixMilli(seqOf(id)), Consumer: consumer, Reason: reason, Entry: e}
}

// Letters returns up to max dead letters of a feed behind the id of one, oldest first; the id is empty for the oldest.
func (g Group) Letters(ctx context.Context, client redis.UniversalClient, feed, after string, max int64) ([]Letter, error) {
	start := "-"
	if after != "" {
		start = "(" + after
	}
	found, err := client.XRangeN(ctx, DeadKey(g.Tenant, feed, g.Name), start, "+", max).Result()
	if err != nil {
		return nil, err
	}
	letters := make([]Letter, len(found))
	for i, m := range found {
		letters[i] = letter(feed, m)
	}
	return letters, nil
}

// letter reads a dead letter.
func letter(feed string, m redis.XMessage) Letter {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	return letterOf(m.ID, text("consumer"), text("reason"), seqOf(text("deliveries")), feed,
		redis.XMessage{ID: text("entry"), Values: m.Values})
}

// redriver is the consumer that holds what was put back, until another claims it.
const redriver = "put-back"

// longAgo is how long what was put back has been idle, so that it is claimed at the next occasion.
const longAgo = 24 * time.Hour

// PutBack gives dead letters back to the group, whose consumers get them like entries that were stuck, as if for the first
// time. It returns how many went back, and the ids of letters whose entries are no longer in the stream: those stay among
// the dead letters; Redrive can handle them, or their data are read by their number over gRPC.
func (g Group) PutBack(ctx context.Context, client redis.UniversalClient, feed string, letters ...Letter) (back int, gone []string, err error) {
	key := StreamKey(g.Tenant, feed)
	for _, l := range letters {
		id := fmt.Sprintf("%d-0", l.Entry.Seq)
		there, err := client.XRange(ctx, key, id, id).Result()
		if err != nil {
			return back, gone, err
		}
		if len(there) == 0 {
			gone = append(gone, l.ID)
			continue
		}
		err = client.Do(ctx, "XCLAIM", key, g.Name, redriver, 0, id,
			"IDLE", longAgo.Milliseconds(), "RETRYCOUNT", 0, "FORCE", "JUSTID").Err()
		if err != nil {
			return back, gone, err
		}
		if err := client.XDel(ctx, DeadKey(g.Tenant, feed, g.Name), l.ID).Err(); err != nil {
			return back, gone, err
		}
		back++
	}
	return back, gone, nil
}

// Redrive hands the dead letters of a feed to handle, oldest first, and removes those that it takes. It stops at the
// first that handle refuses and says how many were taken.
func (g Group) Redrive(ctx context.Context, client redis.UniversalClient, feed string, handle func(Entry) error) (int, error) {
	key := DeadKey(g.Tenant, feed, g.Name)
	for taken := 0; ; {
		letters, err := client.XRangeN(ctx, key, "-", "+", 64).Result()
		if err != nil || len(letters) == 0 {
			return taken, err
		}
		for _, m := range letters {
			id := m.ID
			m.ID, _ = m.Values["entry"].(string)
			e, err := read(feed, m)
			if err == nil {
				err = handle(e)
			}
			if err != nil {
				return taken, fmt.Errorf("dead letter %s: %w", id, err)
			}
			if err := client.XDel(ctx, key, id).Err(); err != nil {
				return taken, err
			}
			taken++
		}
	}
}

// DeadList says how many dead letters a group has in a feed.
type DeadList struct {
	Feed, Group string
	Letters     int64
}

// DeadLists finds the dead letters of all feeds and groups of a tenant, by feed and group. It goes through all keys.
func DeadLists(ctx context.Context, client redis.UniversalClient, tenant string) ([]DeadList, error) {
	var mu sync.Mutex
	var lists []DeadList
	search := func(ctx context.Context, one redis.UniversalClient) error {
		found, err := deadLists(ctx, one, tenant)
		mu.Lock()
		defer mu.Unlock()
		lists = append(lists, found...)
		return err
	}
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error { return search(ctx, one) })
	} else {
		err = search(ctx, client)
	}
	slices.SortFunc(lists, func(a, b DeadList) int {
		return cmp.Or(cmp.Compare(a.Feed, b.Feed), cmp.Compare(a.Group, b.Group))
	})
	return lists, err
}

// deadLists finds those of one server.
func deadLists(ctx context.Context, one redis.UniversalClient, tenant string) ([]DeadList, error) {
	const page = 1000
	prefix, middle := "rapport:{"+tenant+"/", "}:dead:"
	seen := map[string]bool{} // a scan may name a key twice
	var lists []DeadList
	for keys := one.Scan(ctx, 0, prefix+"*"+middle+"*", page).Iterator(); ; {
		if !keys.Next(ctx) {
			return lists, keys.Err()
		}
		key := keys.Val()
		feed, group, ok := strings.Cut(strings.TrimPrefix(key, prefix), middle)
		if seen[key] || !ok {
			continue
		}
		seen[key] = true
		n, err := one.XLen(ctx, key).Result()
		if err != nil {
			return lists, err
		}
		if n > 0 {
			lists = append(lists, DeadList{Feed: feed, Group: group, Letters: n})
		}
	}
}
