package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// listener keeps what a reader got, feed by feed.
type listener struct {
	name    string
	repeats bool

	mu   sync.Mutex
	got  map[string][]Entry
	seen map[string]map[int64]bool
}

func newListener(name string, repeats bool) *listener {
	return &listener{name: name, repeats: repeats, got: map[string][]Entry{}, seen: map[string]map[int64]bool{}}
}

// heard notes an event.
func (l *listener) heard(feed string, e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[feed] = append(l.got[feed], e)
	if l.seen[feed] == nil {
		l.seen[feed] = map[int64]bool{}
	}
	l.seen[feed][e.Seq] = true
}

// has counts the different numbers of a feed that were heard.
func (l *listener) has(feed string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.seen[feed]))
}

// readings of the feeds that the listener follows.
func (l *listener) readings(feeds []string) []Reading {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Reading
	for _, feed := range feeds {
		out = append(out, Reading{Reader: l.name, Feed: feed, Repeats: l.repeats, Entries: l.got[feed]})
	}
	return out
}

func entryOf(e *rapportv1.Event) Entry {
	return Entry{Seq: e.GetSeq(), TenantSeq: e.GetTenantSeq(), ID: e.GetId(), Type: e.GetType()}
}

// raised is an alert as it was told of when it was opened.
type raised struct {
	id      string
	version int64
}

// follow follows feeds over gRPC, however often the server goes away. Opened is told of every new alert of the feed all.
func follow(ctx context.Context, s *child, l *listener, feeds []string, opened func(raised)) error {
	conn, err := dial(s.grpc)
	if err != nil {
		return err
	}
	defer conn.Close()
	return client.Follow(ctx, conn, beginnings(feeds), func(e *rapportv1.Event) error {
		l.heard(e.GetFeed(), entryOf(e))
		if e.GetFeed() == all && e.GetType() == "alert.opened" {
			opened(raised{e.GetAlert().GetId(), e.GetAlert().GetVersion()})
		}
		return nil
	})
}

func beginnings(feeds []string) []*rapportv1.Cursor {
	cursors := make([]*rapportv1.Cursor, 0, len(feeds))
	for _, feed := range feeds {
		cursors = append(cursors, &rapportv1.Cursor{Feed: feed})
	}
	return cursors
}

// followRestlessly follows like a reader that itself keeps being restarted: again and again it ends, and goes on from
// the cursors that it kept, with the next of the servers.
func followRestlessly(ctx context.Context, servers []*child, l *listener, feeds []string, dice *rand.Rand) error {
	conns := make([]*grpc.ClientConn, 0, len(servers))
	for _, s := range servers {
		conn, err := dial(s.grpc)
		if err != nil {
			return err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	cursors := beginnings(feeds)
	for n := 0; ctx.Err() == nil; n++ {
		conn := conns[n%len(conns)]
		life, cancel := context.WithTimeout(ctx, time.Duration(100+dice.IntN(1500))*time.Millisecond)
		err := client.Follow(life, conn, cursors, func(e *rapportv1.Event) error {
			l.heard(e.GetFeed(), entryOf(e))
			return nil
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return ctx.Err()
}

// consume is one consumer of a Redis consumer group.
func (s *site) consume(ctx context.Context, l *listener, feeds []string, consumer string, gap func(error)) error {
	reader := redis.NewClient(&redis.Options{Addr: s.redis.Addr(), MaxRetries: -1})
	defer reader.Close()
	group := client.Group{
		Tenant: tenant, Feeds: feeds, Name: "chaos", Consumer: consumer, Block: 200 * time.Millisecond, MinIdle: 2 * time.Second,
		OnGap: func(e *client.GapError) error { gap(e); return nil },
	}
	return group.Consume(ctx, reader, func(e client.Entry) error {
		l.heard(e.Feed, Entry{Seq: e.Seq, TenantSeq: e.TenantSeq, ID: e.ID, Type: e.Type})
		return nil
	})
}

// streamOf reads the whole stream of a feed from Redis.
func (s *site) streamOf(ctx context.Context, reader *redis.Client, feed string) (Reading, error) {
	r := Reading{Reader: "the stream in Redis", Feed: feed}
	const page = 1000
	for from := "-"; ; {
		messages, err := reader.XRangeN(ctx, client.StreamKey(tenant, feed), from, "+", page).Result()
		if err != nil {
			return r, fmt.Errorf("reading the stream of %s: %w", feed, err)
		}
		for _, m := range messages {
			e, err := eventOf(feed, m)
			if err != nil {
				return r, err
			}
			r.Entries = append(r.Entries, entryOf(e))
		}
		if len(messages) < page {
			return r, nil
		}
		from = "(" + messages[len(messages)-1].ID
	}
}
