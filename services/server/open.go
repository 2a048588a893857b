package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/alerts"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/bulk"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/ingest"
	"github.com/rapport-health/rapport/services/outcomes"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/relay/embedded"
	"github.com/rapport-health/rapport/services/rest"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

func readTokens(path string) (*auth.Tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--tokens: %w", err)
	}
	defer f.Close()
	tokens, err := auth.ReadTokens(f)
	if err != nil {
		return nil, fmt.Errorf("--tokens %s: %w", path, err)
	}
	return tokens, nil
}

// bind takes the addresses first of all, so that a server that cannot have them leaves nothing behind.
func (s *Server) bind(context.Context) (err error) {
	if s.listeners.grpc, err = net.Listen("tcp", s.config.Listen); err != nil {
		return taken("listen", s.config.Listen, err)
	}
	s.later("the gRPC address", closing(s.listeners.grpc))
	if s.listeners.http, err = net.Listen("tcp", s.config.HTTPListen); err != nil {
		return taken("http-listen", s.config.HTTPListen, err)
	}
	s.later("the HTTP address", closing(s.listeners.http))
	return nil
}

func taken(setting, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--%s %s: something listens there already, perhaps another rapport: stop it, or choose another address", setting, address)
	}
	return fmt.Errorf("--%s %s: %w", setting, address, err)
}

func (s *Server) openStore(ctx context.Context) (err error) {
	s.store, err = OpenStore(ctx, s.config.Store, s.config.MaxConns, s.config.MasterKey)
	if err != nil {
		return err
	}
	s.later("the store", func(ctx context.Context) error {
		var closed error
		if err := within(ctx, func() { closed = s.store.Close() }); err != nil {
			return err
		}
		return closed
	})
	return nil
}

// OpenStore opens and migrates the store that a `sqlite:path` or `postgres://` URL names. One that is sealed needs its master
// key, as Config.MasterKey names it.
func OpenStore(ctx context.Context, named string, maxConns int, masterKey ...string) (engine, error) {
	kind, place, err := storeOf(named)
	if err != nil {
		return nil, err
	}
	master, err := masterOf(masterKey)
	if err != nil {
		return nil, err
	}
	if kind == "sqlite" {
		opened, err := sqlite.Open(ctx, place, sqlite.Options{Migrate: true, Master: master})
		if err != nil {
			return nil, fmt.Errorf("--store %s: %w", named, err)
		}
		return opened, nil
	}
	opened, err := postgres.Open(ctx, place, postgres.Options{Migrate: true, Connections: maxConns, Master: master})
	if err != nil {
		return nil, fmt.Errorf("--store postgres: %w", err)
	}
	return opened, nil
}

func (s *Server) openWatch(context.Context) error {
	config := watch.Default()
	config.Log = s.config.Log
	config.Ahead = alerts.Ahead
	s.log = watch.New(s.store, config)
	return nil
}

func (s *Server) openCommit(context.Context) (err error) {
	config := commit.Default()
	config.Store, config.Now, config.Log = s.store, s.config.Now, s.config.Log
	config.Rules = s.rules.Rules
	config.Terms = episode.Terms{GapDays: s.config.CourseGap}
	counted, err := alerts.NewMetrics(s.config.Metrics)
	if err != nil {
		return err
	}
	config.Committed = counted.After(s.commits.counted(s.log.Moved))
	config.Metrics = s.config.Metrics
	config.MaxInputs, config.Linger = s.config.GroupSize, s.config.Linger
	s.group, err = commit.New(config)
	if err != nil {
		return err
	}
	s.later("group commit", s.group.Stop)
	s.scheduler, err = deadlines.New(deadlines.Config{
		Store: s.store, Directory: s.store, Group: s.group, Now: s.config.Now, Every: s.config.Sweep, Log: s.config.Log,
		Batch: 100, PerSecond: 1000, Pause: deadlines.Pause,
	})
	return err
}

// embeddedEntries is how many entries a stream of the embedded Redis keeps: it shares the memory of this process.
const embeddedEntries = 10_000

func (s *Server) openRedis(context.Context) error {
	address := s.config.Redis
	if address == "none" {
		return nil
	}
	streams := s.config.Streams
	if strings.HasPrefix(address, "embedded") {
		if err := s.startRedis(address); err != nil {
			return err
		}
		address, streams = s.embedded.URL(), streams.embedded()
	}
	config := streams.relay()
	config.Log, config.Now, config.Metrics = s.config.Log, s.config.Now, s.config.Metrics
	client, err := relay.Dial(address)
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	relay.Divert(s.config.Log)
	s.later("the Redis client", func(context.Context) error { return client.Close() })
	s.relay, err = relay.New(s.store, s.log, client, config)
	return err
}

// startRedis starts the Redis in this process, on `embedded:PORT` or a free port.
func (s *Server) startRedis(address string) (err error) {
	_, port, given := strings.Cut(address, ":")
	if !given {
		port = "0"
	}
	if s.embedded, err = embedded.Start(net.JoinHostPort("127.0.0.1", port)); err != nil {
		return fmt.Errorf("--redis %s: %w", address, err)
	}
	s.later("the embedded Redis", func(context.Context) error { s.embedded.Stop(); return nil })
	return nil
}

func (s *Server) openRooms(context.Context) (err error) {
	namer := ref.Namer{Home: s.config.Home}
	s.library = catalogue.NewLibrary(s.catalogue, s.store, namer, s.config.Now)
	zones, err := zonesOf(s.config.Zones)
	if err != nil {
		return err
	}
	s.reader = &fhir.Reader{Instruments: s.catalogue, Namer: namer, Zones: zones}
	s.ingest, err = ingest.New(ingest.Config{
		Bases: s.config.Bases,
		Group: s.group, Store: s.store, Reader: s.reader, Library: s.library, Namer: namer, Now: s.config.Now, Log: s.config.Log,
	})
	return err
}

// maxMessage is the largest gRPC message: a full batch and its envelope.
const maxMessage = ingest.MaxBundle + 1<<20

func (s *Server) openGRPC(context.Context) (err error) {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.Codec()), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(s.recoverUnary, s.entrance.gate.Unary),
		grpc.ChainStreamInterceptor(s.recoverStream, s.entrance.gate.Stream),
		grpc.InTapHandle(s.entrance.gate.Tap),
	}
	certificate, err := s.tls()
	if err != nil {
		return err
	}
	if certificate != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(certificate)))
	}
	s.grpc = grpc.NewServer(options...)
	s.health = health.NewServer()
	s.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	rapportv1.RegisterIngestServiceServer(s.grpc, &ingest.Server{Room: s.ingest, Stopping: s.stopping})
	rapportv1.RegisterAlertServiceServer(s.grpc, &alerts.Server{
		Store: s.entrance.guard, Group: s.group, Log: s.log, Now: s.config.Now, Stopping: s.stopping,
	})
	rapportv1.RegisterScoringServiceServer(s.grpc, s.scoring())
	rapportv1.RegisterOutcomeServiceServer(s.grpc, &outcomes.Server{
		Store: s.entrance.guard, Log: s.log, Now: s.config.Now, Stopping: s.stopping,
	})
	return nil
}

func closing(l net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// Patience is how long the HTTP door waits for a client that is slow, or only pretends to send.
type Patience struct {
	// Header and Body of a request must have come, and Reply must have gone, within these.
	Header, Body, Reply time.Duration
	// Idle is how long a connection is kept without a request.
	Idle time.Duration
}

// defaultPatience is that of a clinic.
func defaultPatience() Patience {
	return Patience{Header: 10 * time.Second, Body: 2 * time.Minute, Reply: 3 * time.Minute, Idle: 2 * time.Minute}
}

func (s *Server) openHTTP(context.Context) (err error) {
	certificate, err := s.tls()
	if err != nil {
		return err
	}
	mux := &s.routes
	face, err := rest.New(rest.Config{
		Whole: func() http.Handler { return mux },
		Store: s.entrance.guard, Accept: audited{s.ingest}, Elsewhere: []fhir.ResourceCapability{auth.AuditCapability()}, Score: s.scoring(), Definitions: s,
		Tenant: auth.TenantOf, Source: s.config.Home, Namer: ref.Namer{Home: s.config.Home}, BaseURL: s.baseURL(),
		ByHost: s.config.BaseURL == "", Bases: s.config.Bases, TokenPath: access.TokenPath,
		Now: s.config.Now, Log: s.config.Log, Version: s.config.Version, Rules: s.rules.Version,
		Zone: s.reader.Zones.At(s.config.Now()), Subscriptions: true,
		Proxies: s.proxies, OwnFormat: ownFormat, Guarded: s.config.knowsCallers(), Filled: s.filled, Operations: bulk.Operations(), Instantiates: []string{bulk.Instantiates},
	})
	if err != nil {
		return err
	}
	s.face = face
	if err := s.openSubscriptions(mux, face); err != nil {
		return err
	}
	if err := s.openBulk(mux, face); err != nil {
		return err
	}
	mux.mount(face.Inside(), nil, rest.Prefix, rest.Prefix+"/", "/") // RESTRoutes tells what it answers
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{}))
	s.doors(mux)
	mux.HandleFunc("GET /healthz", s.healthz)
	if err := s.openCDS(mux); err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: s.entrance.gate.HTTP(face.Front(mux)), TLSConfig: certificate, ReadHeaderTimeout: s.config.Patience.Header, ReadTimeout: s.config.Patience.Body,
		WriteTimeout: s.config.Patience.Reply, IdleTimeout: s.config.Patience.Idle,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelInfo),
	}
	return nil
}

func (s *Server) baseURL() string {
	if s.config.BaseURL != "" || len(s.proxies) > 0 {
		return s.config.BaseURL // the requests themselves tell, where there are proxies
	}
	return s.ownURL()
}

// ownURL is where clients reach FHIR REST, as far as that is known without a request.
func (s *Server) ownURL() string {
	if s.config.BaseURL != "" {
		return s.config.BaseURL
	}
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	address := s.HTTPAddr()
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		address = net.JoinHostPort("localhost", port)
		s.config.Log.Warn("links lead to localhost: say with --base-url where clients reach FHIR REST")
	}
	return scheme + "://" + address + "/fhir"
}

func (s *Server) serveHTTP() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listeners.http, "", "")
	}
	return s.http.Serve(s.listeners.http)
}

// healthz answers 200 while the store answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if _, err := s.store.Tenants(r.Context()); err != nil {
		http.Error(w, "the store is away", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
