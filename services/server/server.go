package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rapport-health/rapport/services/bulk"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/ingest"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/relay/embedded"
	"github.com/rapport-health/rapport/services/rest"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/subscriptions"
	"github.com/rapport-health/rapport/services/watch"
)

// engine is a store with everything both engines offer beside it.
type engine interface {
	store.Store
	store.Directory
	store.Retention
	store.Doorbell
	store.Definitions
	store.Deliveries
	store.Registrations
	store.Audit
	store.Marking
	store.Jobs
	store.DataKeys
}

// Server is one Rapport process: New wires and binds, Start runs, Stop ends.
type Server struct {
	config    Config
	entrance  entrance
	store     engine
	log       *watch.Log
	rules     *rulebook
	group     *commit.Group
	ingest    *ingest.Ingest
	catalogue *catalogue.Catalogue
	library   *catalogue.Library
	// former holds definitions that are only kept, by former.
	former    sync.Map
	reader    *fhir.Reader
	scheduler *deadlines.Scheduler
	embedded  *embedded.Server
	relay     *relay.Relay
	// subscriptions tells FHIR subscribers.
	subscriptions *subscriptions.Room
	grpc          *grpc.Server
	health        *health.Server
	http          *http.Server
	bulk          *bulk.Room
	// commits of this server, by which bulk jobs see whether others work.
	commits commits
	face    *rest.Server
	// routes are all that is answered over HTTP.
	routes    routes
	listeners struct{ grpc, http net.Listener }

	// proxies are believed, and unfilled holds the tenants of which not all is in the index of searches yet.
	proxies  []netip.Prefix
	unfilled sync.Map

	stopping chan struct{}
	running  sync.WaitGroup
	// undo holds what must be ended, in the order it was begun; Stop goes through it backwards.
	undo    []undo
	stopped sync.Once
	failed  error
}

type undo struct {
	what string
	do   func(context.Context) error
}

func (s *Server) later(what string, do func(context.Context) error) {
	s.undo = append(s.undo, undo{what, do})
}

// New opens the store, loads instruments and rules, wires the rooms and binds the addresses. When it fails it leaves
// nothing open. Errors say which setting is wrong.
func New(ctx context.Context, c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	now := c.Now
	c.Now = func() time.Time { return now().UTC().Truncate(time.Microsecond) } // what both engines can keep
	s := &Server{config: c, stopping: make(chan struct{})}
	for _, step := range []func(context.Context) error{
		s.bind, s.openStore, s.openWatch, s.openAccess, s.openRules, s.openCommit, s.openRedis, s.openInstruments, s.openRooms, s.openFace, s.openGRPC, s.openHTTP,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

// Start runs everything that goes on by itself, and serves.
func (s *Server) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.later("background work", func(bound context.Context) error {
		cancel()
		return within(bound, s.running.Wait)
	})
	s.running.Go(func() { s.listenForCommits(ctx) })
	s.running.Go(func() { s.fillIndex(ctx) })
	s.running.Go(func() { s.scheduler.Run(ctx) })
	s.running.Go(func() { s.trim(ctx) })
	s.running.Go(func() { s.watchRules(ctx) })
	s.running.Go(func() { _ = s.subscriptions.Run(ctx) }) // it ends with ctx, and says nothing else
	s.running.Go(func() { s.keepAccess(ctx) })
	s.running.Go(func() { s.bulk.Run(ctx) })
	s.running.Go(func() { s.followKeys(ctx) })
	if s.embedded != nil {
		s.running.Go(func() { s.tick(ctx) })
	}
	if s.relay != nil {
		s.running.Go(func() { s.runRelay(ctx) })
	}
	s.serve()
}

func (s *Server) serve() {
	var doors sync.WaitGroup
	doors.Go(func() {
		if err := s.grpc.Serve(s.listeners.grpc); err != nil {
			s.config.Log.Error("gRPC ended", "error", err)
		}
	})
	doors.Go(func() {
		if err := s.serveHTTP(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.Error("HTTP ended", "error", err)
		}
	})
	s.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	for service := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	s.later("doors", func(ctx context.Context) error {
		s.health.Shutdown()
		close(s.stopping)
		// Half of what time is left belongs to the rooms behind the doors, which commit what came in.
		if until, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(until)/2))
			defer cancel()
		}
		var closing sync.WaitGroup
		closing.Go(func() { s.stopHTTP(ctx) })
		closing.Go(func() { s.stopGRPC(ctx) })
		closing.Wait()
		doors.Wait()
		if within(ctx, s.subscriptions.Hangup) != nil {
			s.config.Log.Warn("websockets were cut off")
		}
		return nil
	})
}

// stopHTTP waits for requests to end, as long as the caller has time, and then cuts them off: a client that does not
// finish sending must not keep the others' work from being finished.
func (s *Server) stopHTTP(ctx context.Context) {
	if s.http.Shutdown(ctx) == nil {
		return
	}
	s.config.Log.Warn("HTTP requests were cut off, unanswered")
	_ = s.http.Close() // The listeners are closed already; connections give no error that anybody could act on.
}

// stopGRPC waits for calls to end, as long as the caller has time, and then cuts them off.
func (s *Server) stopGRPC(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		s.config.Log.Warn("gRPC calls were cut off, unanswered")
		s.grpc.Stop() // GracefulStop goes on waiting for handlers, which may wait for a store that does not answer
	}
}

// Stop ends everything in the reverse order of its beginning: first the doors, then what was still to be committed,
// then the background, then the store. It may be called more than once. Within Config.Drain everything that was
// received is committed and answered; what takes longer is cut off, and its callers know that they were not answered.
func (s *Server) Stop(ctx context.Context) error {
	s.stopped.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, s.config.Drain)
		defer cancel()
		for i := len(s.undo) - 1; i >= 0; i-- {
			if err := s.undo[i].do(ctx); err != nil {
				s.failed = errors.Join(s.failed, fmt.Errorf("stopping %s: %w", s.undo[i].what, err))
			}
		}
	})
	return s.failed
}

// within waits for something to end, as long as ctx does not.
func within(ctx context.Context, wait func()) error {
	ended := make(chan struct{})
	go func() {
		wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		select {
		case <-ended:
			return nil
		default:
			return ctx.Err()
		}
	}
}

// Addr is the gRPC address that is listened on.
func (s *Server) Addr() string { return s.listeners.grpc.Addr().String() }

// HTTPAddr is the HTTP address that is listened on.
func (s *Server) HTTPAddr() string { return s.listeners.http.Addr().String() }

// RedisAddr is the address of the embedded Redis; empty when another one is used.
func (s *Server) RedisAddr() string {
	if s.embedded == nil {
		return ""
	}
	return s.embedded.Address()
}

// Sweep passes the deadlines that lie at or before now, at once, and returns how many episodes moved.
func (s *Server) Sweep(ctx context.Context) (int, error) { return s.scheduler.Sweep(ctx) }

// listenForCommits rings the watch log for the commits of other servers.
func (s *Server) listenForCommits(ctx context.Context) {
	if err := s.log.Run(ctx); err != nil && ctx.Err() == nil {
		s.config.Log.Error("listening for commits of other servers ended", "error", err)
	}
}

func (s *Server) runRelay(ctx context.Context) {
	if err := s.relay.Run(ctx); err != nil && ctx.Err() == nil {
		s.config.Log.Error("the relay ended", "error", err)
	}
}

// tickEvery is how often the embedded Redis is told the time, for keys that expire.
const tickEvery = time.Second

func (s *Server) tick(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		s.embedded.Advance(s.config.Now())
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// trimEvery is how often old feed events are forgotten.
const trimEvery = time.Hour

// trim forgets old events until ctx ends.
func (s *Server) trim(ctx context.Context) {
	if s.config.Retention == 0 {
		return
	}
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		if err := s.Trim(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("old events could not be forgotten; it will be tried again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Trim forgets the events older than Config.Retention, at once.
func (s *Server) Trim(ctx context.Context) error {
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return err
	}
	before := s.config.Now().Add(-s.config.Retention)
	for _, t := range tenants {
		if _, err := s.store.Trim(ctx, t, before); err != nil {
			return err
		}
	}
	return nil
}
