package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// again is how long Listen waits before it tries to connect again.
const again = 500 * time.Millisecond

// Listen calls ring after commits until ctx ends, one after the other. It returns nil when ctx ends and Unavailable
// when the store is closed.
func (s *Store) Listen(ctx context.Context, ring func(ref.Tenant)) error {
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
func (s *Store) listen(ctx context.Context, first bool, ring func(ref.Tenant)) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	defer closeConn(conn)
	if err != nil {
		return
	}
	if _, err := conn.Exec(ctx, "LISTEN rapport"); err != nil {
		return
	}
	if !first {
		ring("")
	}
	for alive(ctx, conn, func(n *pgconn.Notification) { ring(ref.Tenant(n.Payload)) }) {
	}
}
