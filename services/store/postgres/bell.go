package postgres

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// again is how long Listen waits before it tries to connect again.
const again = 500 * time.Millisecond

// Listen calls ring after commits until ctx ends, one after the other. It returns nil when ctx ends and Unavailable
// when the store is closed.
func (s *Store) Listen(ctx context.Context, ring func(ref.Tenant, []feed.Cursor)) error {
	listening, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for first := true; ; first = false {
		s.listen(listening, first, ring)
		select {
		case <-listening.Done():
			if ctx.Err() != nil {
				return nil
			}
			return errClosed()
		case <-time.After(again):
		}
	}
}

// listen rings until the connection breaks. What was missed while there was none is made good by ringing for all.
func (s *Store) listen(ctx context.Context, first bool, ring func(ref.Tenant, []feed.Cursor)) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	defer closeConn(conn)
	if err != nil {
		return
	}
	if _, err := conn.Exec(ctx, "LISTEN rapport"); err != nil {
		return
	}
	if !first {
		ring("", nil)
	}
	for alive(ctx, conn, func(n *pgconn.Notification) { ring(readNotice(n.Payload)) }) {
	}
}

// notice is what one commit says to all servers, or a part of it.
type notice struct {
	Tenant string `json:"t"`
	// Moved are the numbers of the last events, by feed.
	Moved map[feed.Name]int64 `json:"m"`
}

// PostgreSQL takes payloads of less than 8,000 bytes; so many feeds are shorter than that, with names as long as may be.
const (
	feedsInNotice = 40
	noticeBytes   = 7_900
)

// notices tell which feeds a commit has moved; one that does not fit says so of the tenant alone.
func notices(tenant string, moved []feed.Cursor) []string {
	var out []string
	for len(moved) > 0 {
		n := min(feedsInNotice, len(moved))
		one := notice{tenant, map[feed.Name]int64{}}
		for _, c := range moved[:n] {
			one.Moved[c.Feed] = c.After
		}
		text, err := json.Marshal(one)
		if err != nil || len(text) > noticeBytes {
			return append(out, tenant)
		}
		out, moved = append(out, string(text)), moved[n:]
	}
	return out
}

// readNotice reads one. A server of an older version names the tenant alone.
func readNotice(payload string) (ref.Tenant, []feed.Cursor) {
	var n notice
	if !strings.HasPrefix(payload, "{") || json.Unmarshal([]byte(payload), &n) != nil {
		return ref.Tenant(payload), nil
	}
	moved := make([]feed.Cursor, 0, len(n.Moved))
	for name, last := range n.Moved {
		moved = append(moved, feed.Cursor{Tenant: ref.Tenant(n.Tenant), Feed: name, After: last})
	}
	return ref.Tenant(n.Tenant), moved
}
