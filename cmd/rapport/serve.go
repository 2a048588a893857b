package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// serveCmd runs the server.
type serveCmd struct {
	Config     configPath `placeholder:"FILE" help:"YAML file with these flags as keys, such as 'listen: 127.0.0.1:7401'. Flags and RAPPORT_* variables win over it."`
	Listen     string     `default:"127.0.0.1:7401" placeholder:"HOST:PORT" help:"gRPC address (${default})."`
	HTTPListen string     `name:"http-listen" default:"127.0.0.1:7402" placeholder:"HOST:PORT" help:"FHIR REST and metrics address (${default})."`
	Store      string     `default:"sqlite:rapport.db" placeholder:"URL" help:"sqlite:PATH or postgres://… (${default})."`
	sealFlags
	Redis string `default:"embedded" placeholder:"URL" help:"embedded, embedded:PORT, redis://…, rediss://…, redis-sentinel://…, redis-cluster://… or none (${default})."`
	streamFlags
	HomeSource string   `name:"home-source" default:"ehr" placeholder:"NAME" help:"Source whose own resource ids are kept (${default})."`
	Tenant     string   `default:"default" placeholder:"NAME" help:"Tenant of callers without tokens (${default})."`
	Proxies    []string `name:"trusted-proxies" placeholder:"CIDR" help:"Networks of proxies whose Forwarded and X-Forwarded headers say where FHIR clients reach this server; they count while --base-url is not set."`
	SourceBase []string `name:"source-base" placeholder:"SOURCE=URL" help:"FHIR server of a source, such as ehr=https://ehr.example.org/fhir: absolute references below it mean that source's resources, and others lead elsewhere."`
	BaseURL    string   `name:"base-url" placeholder:"URL" help:"Where FHIR clients reach this server from outside, such as https://rapport.example.org/fhir."`
	cardFlags
	Rules       string `placeholder:"FILE" help:"YAML file that extends the default rules."`
	Instruments string `placeholder:"DIR" help:"Folder of instruments, FHIR Questionnaires, overlays and source maps that are added to what ships; read at the start."`
	TLSCert     string `name:"tls-cert" placeholder:"FILE" help:"PEM certificate."`
	TLSKey      string `name:"tls-key" placeholder:"FILE" help:"PEM key."`
	Tokens      string `placeholder:"FILE" help:"Bearer tokens that are let in; see 'rapport token'."`
	accessFlags
	webhookFlags
	Retention time.Duration `default:"2160h" help:"How long feed events are kept for replay; 0 for ever (${default})."`
	CourseGap int           `default:"180" placeholder:"DAYS" help:"Days without care that end a course, where no EpisodeOfCare says so (${default})."`
	Zone      []string      `placeholder:"NAME,…" help:"Time zone of the clinic's days, such as Europe/Berlin; with 2026-07-01=America/Chicago another one counts from a day on. Without it days are those of UTC where a time is written in UTC."`
	Sweep     time.Duration `default:"30s" help:"How often passed deadlines are looked for (${default})."`
	Drain     time.Duration `default:"20s" help:"How long a graceful stop may take (${default})."`
	MaxConns  int           `name:"max-conns" default:"0" help:"Most connections to PostgreSQL; 0 chooses."`
	GroupSize int           `name:"group-size" default:"256" help:"Most submissions per transaction (${default})."`
	Linger    time.Duration `default:"0s" help:"How long a transaction waits for company (${default})."`
	bulkFlags
	Pprof    string `name:"pprof" hidden:"" env:"-" help:"Loopback address for Go profiles."`
	LogLevel string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error (${default})."`
}

// Help shows examples.
func (serveCmd) Help() string {
	return `Examples:
  rapport serve
  rapport serve --store postgres://rapport@localhost/rapport --redis redis://localhost:6379/0
  RAPPORT_STORE=sqlite:/var/lib/rapport/rapport.db rapport serve --config rapport.yaml

Without --tokens, --clients or --issuer everybody who reaches the address is let in, so only loopback addresses are taken.`
}

func (c serveCmd) config(log *slog.Logger) server.Config {
	s := server.Default()
	s.Listen, s.HTTPListen, s.Store, s.Redis, s.Streams = c.Listen, c.HTTPListen, c.Store, c.Redis, c.streams()
	s.Home, s.Tenant, s.BaseURL = ref.Source(c.HomeSource), ref.Tenant(c.Tenant), c.BaseURL
	s.TrustedProxies, s.Bases = c.Proxies, c.bases()
	s.Rules, s.Instruments = c.Rules, c.Instruments
	s.MasterKey, s.BoardURL, s.Origins = c.MasterKey, c.BoardURL, c.CDSOrigin
	s.TLSCert, s.TLSKey, s.Tokens = c.TLSCert, c.TLSKey, c.Tokens
	s.CourseGap, s.Zones = c.CourseGap, c.Zone
	s.AllowPrivateWebhooks, s.WebhookHosts = c.AllowPrivateWebhooks, c.WebhookHosts
	s.Access = c.access(s.Access)
	s.Retention, s.Sweep, s.Drain = c.Retention, c.Sweep, c.Drain
	s.Bulk = c.bulk()
	s.MaxConns, s.GroupSize, s.Linger = c.MaxConns, c.GroupSize, c.Linger
	s.Log, s.Version = log, version
	s.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// bases are the FHIR servers of sources; what is no SOURCE=URL is left to Validate.
func (c serveCmd) bases() map[ref.Source][]string {
	bases := map[ref.Source][]string{}
	for _, one := range c.SourceBase {
		source, base, _ := strings.Cut(one, "=")
		bases[ref.Source(source)] = append(bases[ref.Source(source)], base)
	}
	return bases
}

// The garbage collector's settings, unless GOGC and GOMEMLIMIT say otherwise: what a submission leaves behind is short-lived
// and the lasting heap small, so collecting at four times its size saves a tenth of the processor; beyond the limit, as with
// many large Bundles at once, it collects as often as it must.
const (
	collectAt   = 300
	memoryLimit = 512 << 20
)

func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Run serves until it is told to stop, and then drains.
func (c serveCmd) Run(ctx context.Context, s streams) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return usageError{err}
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
	tune()
	begun := time.Now()
	config := c.config(log)
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	running, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	if err := profiles(ctx, c.Pprof); err != nil {
		return errors.Join(err, running.Stop(context.WithoutCancel(ctx)))
	}
	running.Start()
	defer reloading(running)()
	log.Info("ready", "grpc", running.Addr(), "http", running.HTTPAddr(), "redis", running.RedisAddr(),
		"version", version, "after", time.Since(begun).Round(time.Millisecond))
	<-ctx.Done()
	log.Info("stopping: what was received is being committed", "at_most", config.Drain)
	if err := running.Stop(context.Background()); err != nil {
		return fmt.Errorf("not everything ended in time: %w", err)
	}
	log.Info("stopped")
	return nil
}

// reloading reads the rules again at each SIGHUP, until what it returns is called.
func reloading(running *server.Server) (stop func()) {
	hup, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hup:
				running.ReloadRules()
			case <-ended:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hup)
		close(ended)
	}
}
