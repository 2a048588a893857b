package postgres

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// leaseBeat is how often the connection of a lease is asked whether it still lives.
	leaseBeat = 2 * time.Second
	// leaseLimit is how long it may take to answer before the lease counts as lost.
	leaseLimit = 5 * time.Second
)

// Hold takes an advisory lock on a connection of its own. The lease is lost with the connection; a server that does
// not answer for leaseLimit counts as lost too.
func (s *Store) Hold(ctx context.Context, lease string) (context.Context, error) {
	held, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(held, s.pool.Config().ConnConfig)
	if err == nil {
		_, err = conn.Exec(held, "SELECT pg_advisory_lock($1)", leaseKey(lease))
	}
	if err != nil {
		closeConn(conn)
		leave()
		return nil, broken(err, "waiting for a lease")
	}
	go func() {
		defer leave()
		defer closeConn(conn)
		keep(held, conn)
	}()
	return held, nil
}

// keep returns when ctx ends or the connection no longer answers.
func keep(ctx context.Context, conn *pgx.Conn) {
	for alive(ctx, conn, func(*pgconn.Notification) {}) {
	}
}

// alive waits for a notification until the next beat, and then asks whether the connection still lives.
func alive(ctx context.Context, conn *pgx.Conn, heard func(*pgconn.Notification)) bool {
	beat, stop := context.WithTimeout(ctx, leaseBeat)
	n, err := conn.WaitForNotification(beat)
	over := beat.Err() != nil
	stop()
	if n != nil {
		heard(n)
		return true
	}
	if ctx.Err() != nil || conn.IsClosed() || (err != nil && !over) {
		return false
	}
	limit, stop := context.WithTimeout(ctx, leaseLimit)
	defer stop()
	return conn.Ping(limit) == nil
}

func closeConn(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	_ = conn.Close(ctx) // The server lets go of what a dead connection held.
}

// leaseKey is the number of the advisory lock.
func leaseKey(lease string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("rapport lease " + lease)) // A hash never fails.
	return int64(h.Sum64())
}
