// Package embedded is an in-process Redis-protocol server for laptops and demos: redis-cli and consumer groups work
// against it, and since the database is the truth its forgetting does no harm.
package embedded

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Server is a running one.
type Server struct {
	redis *miniredis.Miniredis

	mu   sync.Mutex
	last time.Time
}

// Start serves at a loopback address such as `127.0.0.1:6379`; port 0 takes a free one. An address that others could
// reach is refused, because there is no password.
func Start(address string) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("embedded redis: %s is no loopback address; it has no password, so it serves this machine only", host)
	}
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(address); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	return &Server{redis: m}, nil
}

// Address it serves at, as host:port.
func (s *Server) Address() string { return s.redis.Addr() }

// URL it serves at, as redis://host:port.
func (s *Server) URL() string { return "redis://" + s.Address() }

// Advance lets keys expire as of a moment. Nothing expires between calls, so call it at every tick of a clock.
func (s *Server) Advance(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.After(s.last) {
		s.redis.FastForward(now.Sub(s.last))
	}
	s.last = now
}

// Stop ends it and forgets everything. It may be called again.
func (s *Server) Stop() { s.redis.Close() }
