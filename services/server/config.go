// Package server wires the rooms together: it alone knows them all.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/cds"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Config of a server. Default gives the embedded form on loopback.
type Config struct {
	// Listen is the gRPC address, host:port; port 0 takes a free one.
	Listen string
	// HTTPListen is the address of FHIR REST and metrics.
	HTTPListen string
	// Store is `sqlite:path` or a `postgres://` URL.
	Store string
	// MasterKey is `file:PATH`, `env:NAME` or `exec:COMMAND`: what is stored is sealed under keys that it wraps. Empty seals
	// nothing.
	MasterKey string
	// Redis is `embedded`, `embedded:port`, `none`, or an address as client.Dial takes it.
	Redis string
	// Streams is what Redis keeps.
	Streams Streams
	// Home is the source whose logical ids are kept.
	Home ref.Source
	// Bases are the absolute URLs of the FHIR servers of sources: an absolute reference below one of them means the source's own
	// resource of that id. Through FHIR REST all others but our own lead elsewhere; through gRPC they do so for a source that is
	// named here, and for any other source every base is its own.
	Bases map[ref.Source][]string
	// Tenant of callers without tokens, on loopback.
	Tenant ref.Tenant
	// BaseURL is where clients reach FHIR REST from outside, without a slash at the end; empty takes it from HTTPListen.
	BaseURL string
	// BoardURL is where people reach the board, to which CDS cards lead, such as https://rapport.example.org; empty: cards have
	// no link. Origins of browsers that may call CDS services, such as https://ehr.example.org.
	BoardURL string
	Origins  []string
	// TrustedProxies are the networks, as CIDRs, of proxies whose Forwarded and X-Forwarded-* headers say where clients
	// reach FHIR REST; they count only while BaseURL is empty.
	TrustedProxies []string
	// Instruments is a folder of packs, FHIR Questionnaires, overlays and source maps that are added to what ships; empty
	// for that alone. It is read at the start.
	Instruments string
	// Catalogue, where it is not nil, stands in for what ships and for the folder.
	Catalogue *catalogue.Catalogue
	// Rules is a YAML file that extends the default rules; empty for the defaults alone.
	Rules string
	// CourseGap is how many days without care end a course of care, 30 to 3650.
	CourseGap int
	// Zones are the time zones of the clinic's days, such as `Europe/Berlin`; `2026-07-01=America/Chicago` counts from a
	// day on. None is UTC.
	Zones []string
	// TLSCert and TLSKey are PEM files; both or none.
	TLSCert, TLSKey string
	// Tokens is a file of `name tenant sha256-hex` lines; without it, Access.Registered and Access.Issuer everybody is let
	// in, on loopback only.
	Tokens string
	// AllowPrivateWebhooks lets the endpoints of FHIR subscriptions lie on private and loopback addresses, without TLS too.
	AllowPrivateWebhooks bool
	// WebhookHosts are the only hosts on which they may lie, as `host` or `*.domain`; none means any.
	WebhookHosts []string
	// Access says who else is let in, and how much at once.
	Access Access
	// Patience of the HTTP door.
	Patience Patience
	// Retention is how long feed events are kept for replay; 0 keeps them for ever.
	Retention time.Duration
	// Sweep is how long the scheduler waits between two looks at passed deadlines.
	Sweep time.Duration
	// Drain bounds a graceful stop.
	Drain time.Duration
	// MaxConns bounds the connections to PostgreSQL; 0 leaves it to the engine.
	MaxConns int
	// GroupSize and Linger tune group commit: at most so many submissions per transaction, waiting so long for company.
	GroupSize int
	Linger    time.Duration
	// Bulk is how much goes out and in at once.
	Bulk Bulk
	// Now is the clock of everything that is stored, judged or shown.
	Now func() time.Time
	// Log takes what an operator may want to know. It never holds patient data.
	Log *slog.Logger
	// Metrics is where the rooms register theirs.
	Metrics *prometheus.Registry
	// Version of the binary.
	Version string
}

// Default is the embedded form: SQLite beside the caller, Redis in the process, loopback only.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:7401", HTTPListen: "127.0.0.1:7402", Store: "sqlite:rapport.db", Redis: "embedded", Streams: defaultStreams(),
		Home: "ehr", Tenant: "default", Retention: 90 * 24 * time.Hour, Sweep: 30 * time.Second, Drain: 20 * time.Second,
		Access: DefaultAccess(), Patience: defaultPatience(), CourseGap: episode.GapDays, GroupSize: 256, Bulk: DefaultBulk(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Version: "dev",
	}
}

// Validate names everything that is wrong, and refuses to be reachable from outside without TLS and tokens.
func (c Config) Validate() error {
	var wrong []error
	for _, a := range []struct{ flag, address string }{{"listen", c.Listen}, {"http-listen", c.HTTPListen}} {
		host, _, err := net.SplitHostPort(a.address)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--%s %q: want host:port, such as 127.0.0.1:7401", a.flag, a.address))
			continue
		}
		if !loopback(host) && (c.TLSCert == "" || !c.knowsCallers()) {
			wrong = append(wrong, fmt.Errorf("--%s %q is reachable from other machines: that needs --tls-cert, --tls-key and --tokens, --clients or --issuer", a.flag, a.address))
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong = append(wrong, errors.New("--tls-cert and --tls-key go together"))
	}
	if err := c.validateAccess(); err != nil {
		wrong = append(wrong, err)
	}
	if _, _, err := storeOf(c.Store); err != nil {
		wrong = append(wrong, err)
	}
	if err := sealed.CheckMaster(c.MasterKey); err != nil {
		wrong = append(wrong, fmt.Errorf("--master-key: %w", err))
	}
	if err := checkRedis(c.Redis); err != nil {
		wrong = append(wrong, err)
	}
	if err := c.Streams.validate(); err != nil {
		wrong = append(wrong, err)
	}
	if err := cds.CheckBoard(c.BoardURL); err != nil {
		wrong = append(wrong, fmt.Errorf("--board-url: %w", err))
	}
	if err := cds.CheckOrigins(c.Origins); err != nil {
		wrong = append(wrong, fmt.Errorf("--cds-origin: %w", err))
	}
	if !ref.ValidSource(string(c.Home)) {
		wrong = append(wrong, fmt.Errorf("--home-source %q: want 1 to 64 letters, digits, dots or hyphens", c.Home))
	}
	if !ref.ValidID(string(c.Tenant)) {
		wrong = append(wrong, fmt.Errorf("--tenant %q: want 1 to 64 letters, digits, dots or hyphens", c.Tenant))
	}
	for source, bases := range c.Bases {
		for _, base := range bases {
			if u, err := url.Parse(base); err != nil || !ref.ValidSource(string(source)) || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				wrong = append(wrong, fmt.Errorf("--source-base %s=%s: want the name of a source and an absolute URL, such as ehr=https://ehr.example.org/fhir", source, base))
			}
		}
	}
	if _, err := proxies(c.TrustedProxies); err != nil {
		wrong = append(wrong, err)
	}
	if c.Retention < 0 || c.Sweep <= 0 || c.Drain <= 0 || c.GroupSize < 1 || c.Linger < 0 {
		wrong = append(wrong, errors.New("--retention must not be negative; --sweep, --drain and --group-size must be above zero"))
	}
	if c.CourseGap < 30 || c.CourseGap > 3650 {
		wrong = append(wrong, fmt.Errorf("--course-gap %d: want 30 to 3650 days", c.CourseGap))
	}
	if _, err := zonesOf(c.Zones); err != nil {
		wrong = append(wrong, err)
	}
	wrong = append(wrong, c.Bulk.validate())
	if c.Now == nil || c.Log == nil || c.Metrics == nil {
		wrong = append(wrong, errors.New("server: Now, Log and Metrics are required"))
	}
	return errors.Join(wrong...)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// storeOf splits `engine:place`.
func storeOf(s string) (engine, place string, err error) {
	switch {
	case strings.HasPrefix(s, "sqlite:") && len(s) > len("sqlite:"):
		return "sqlite", strings.TrimPrefix(s, "sqlite:"), nil
	case strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://"):
		if _, err := url.Parse(s); err != nil {
			return "", "", errors.New("--store: the PostgreSQL URL cannot be read: want postgres://user:password@host:5432/database")
		}
		return "postgres", s, nil
	}
	return "", "", errors.New("--store: want sqlite:PATH or postgres://user:password@host:5432/database")
}

func checkRedis(s string) error {
	if s == "none" || s == "embedded" || strings.HasPrefix(s, "embedded:") {
		return nil
	}
	c, err := client.Dial(s)
	if err != nil {
		return fmt.Errorf("--redis: want embedded, embedded:PORT, none or an address: %w", err)
	}
	return c.Close()
}
