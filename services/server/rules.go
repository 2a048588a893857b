package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/rules"
)

// rulesEvery is how often the rule files are looked at.
const rulesEvery = 2 * time.Second

// hashEvery is at every how many looks the content of the files is compared though their times have not changed: a file may
// be written twice within the grain of a clock.
const hashEvery = 15

// rulebook holds the rules in force, and takes their place when the files change. Whoever reads it once per transaction
// sees one whole set.
type rulebook struct {
	path    string
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[rules.Set]
	// asked wants the files to be read at once.
	asked chan struct{}
	// seen are the files of the last attempt, by path; it belongs to whoever follows.
	seen  map[string]stamp
	looks int

	info    *prometheus.GaugeVec
	broken  prometheus.Gauge
	loaded  prometheus.Gauge
	reloads *prometheus.CounterVec
}

// stamp is what was seen of a file.
type stamp struct {
	modified time.Time
	size     int64
	hash     string
}

// openRules reads the rules before anything is judged. A broken file keeps a server from starting.
func (s *Server) openRules(context.Context) error {
	b, err := newRulebook(s.config.Rules, s.config.Log, s.config.Now, s.config.Metrics)
	s.rules = b
	return err
}

func newRulebook(path string, log *slog.Logger, now func() time.Time, registry prometheus.Registerer) (*rulebook, error) {
	b := &rulebook{
		path: path, log: log, now: now, asked: make(chan struct{}, 1),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rapport_rules_info", Help: "1 for the version of the rules in force on this server.",
		}, []string{"version"}),
		broken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rapport_rules_broken", Help: "1 while the rule files cannot be used and an earlier set stays in force.",
		}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rapport_rules_loaded_timestamp_seconds", Help: "When the rules in force were loaded.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rapport_rules_reloads_total", Help: "Attempts to load the rules, by how they ended.",
		}, []string{"outcome"}),
	}
	for _, c := range []prometheus.Collector{b.info, b.broken, b.loaded, b.reloads} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of rules: %w", err)
		}
	}
	set, err := b.read()
	if err != nil {
		return nil, fmt.Errorf("--rules: %w", err)
	}
	b.take(set)
	return b, nil
}

// Rules in force, for one transaction, with the policy of the same set.
func (b *rulebook) Rules() ([]judge.Rule, alert.Policy) {
	set := b.current.Load()
	return set.Rules, set.Policy
}

// Version of the set in force.
func (b *rulebook) Version() string { return b.current.Load().Version }

// ReloadRules reads the rule files again soon, as a SIGHUP asks for. A broken file leaves in force what is.
func (s *Server) ReloadRules() {
	select {
	case s.rules.asked <- struct{}{}:
	default: // it is asked for already
	}
}

// RulesVersion is the version of the rules in force.
func (s *Server) RulesVersion() string { return s.rules.Version() }

func (s *Server) watchRules(ctx context.Context) {
	ticker := time.NewTicker(rulesEvery)
	defer ticker.Stop()
	s.rules.follow(ctx, ticker.C)
}

// follow looks at the files at each tick, and reads them when they changed or when it is asked to, until ctx ends.
func (b *rulebook) follow(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.asked:
			b.reload()
		case <-ticks:
			if b.path != "" && b.changed() {
				b.reload()
			}
		}
	}
}

// reload takes the files' set, or keeps the one in force when they are broken.
func (b *rulebook) reload() {
	set, err := b.read()
	switch {
	case err != nil:
		b.broken.Set(1)
		b.reloads.WithLabelValues("broken").Inc()
		b.log.Error("the rules cannot be loaded: those in force stay", "file", b.path, "version", b.Version())
		for _, issue := range fault.IssuesOf(err) {
			b.log.Error("in the rules", "place", issue.Path, "problem", issue.Text)
		}
	case set.Version == b.Version():
		b.broken.Set(0)
		b.current.Store(set)
		b.reloads.WithLabelValues("unchanged").Inc()
	default:
		was := b.Version()
		b.take(set)
		b.info.DeleteLabelValues(was)
		b.log.Info("rules loaded", "version", set.Version, "before", was, "rules", len(set.Rules))
	}
}

func (b *rulebook) take(set *rules.Set) {
	for _, issue := range set.Warnings {
		b.log.Warn("in the rules", "place", issue.Path, "notice", issue.Text)
	}
	b.current.Store(set)
	b.broken.Set(0)
	b.info.WithLabelValues(set.Version).Set(1)
	b.loaded.Set(float64(b.now().Unix()))
	b.reloads.WithLabelValues("loaded").Inc()
}

// read reads the files and remembers what it saw, whether they can be used or not.
func (b *rulebook) read() (*rules.Set, error) {
	b.seen = map[string]stamp{}
	return rules.ReadWith(b.path, func(path string) ([]byte, error) {
		raw, err := os.ReadFile(path)
		b.seen[path] = stampOf(path, raw, err)
		return raw, err
	})
}

func stampOf(path string, raw []byte, err error) (s stamp) {
	if info, failed := os.Stat(path); failed == nil {
		s.modified, s.size = info.ModTime(), info.Size()
	}
	if err == nil {
		sum := sha256.Sum256(raw)
		s.hash = hex.EncodeToString(sum[:])
	}
	return s
}

// changed says whether one of the files holds something else than at the last attempt.
func (b *rulebook) changed() bool {
	b.looks++
	thorough := b.looks%hashEvery == 0
	for path, was := range b.seen {
		var modified time.Time
		var size int64
		if info, err := os.Stat(path); err == nil {
			modified, size = info.ModTime(), info.Size()
		}
		if !thorough && modified.Equal(was.modified) && size == was.size {
			continue
		}
		raw, err := os.ReadFile(path)
		now := stampOf(path, raw, err)
		if now.hash != was.hash {
			return true
		}
		b.seen[path] = now
	}
	return false
}
