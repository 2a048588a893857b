package alerts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Metrics count what this server committed about alerts. Of several servers on one database each counts its own, so that
// their sum is the whole.
type Metrics struct {
	toTake      *prometheus.HistogramVec
	opened      *prometheus.CounterVec
	suppressed  *prometheus.CounterVec
	waiting     *prometheus.CounterVec
	escalations *prometheus.CounterVec
	feedback    *prometheus.CounterVec
	ended       *prometheus.CounterVec
}

// takeBuckets reach from a minute to a month, in seconds.
var takeBuckets = []float64{60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 2 * 86400, 4 * 86400, 7 * 86400, 30 * 86400}

// NewMetrics registers the metrics; a nil registry takes none of them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		toTake: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rapport_alert_acknowledge_seconds", Buckets: takeBuckets,
			Help: "Time from raising an alert until somebody first acknowledged or resolved it, by the role in which they did.",
		}, []string{"severity", "role"}),
		opened:      counter("rapport_alerts_opened_total", "Alerts that were raised.", "rule", "severity"),
		suppressed:  counter("rapport_alerts_suppressed_total", "Alerts that were found and not raised, or gave way to another, by why.", "rule", "reason"),
		waiting:     counter("rapport_alerts_waiting_total", "Alerts that were held back for a while, by why.", "rule", "reason"),
		escalations: counter("rapport_alert_escalations_total", "Escalations because nobody acknowledged in time.", "rule", "severity"),
		feedback:    counter("rapport_alert_feedback_total", "What readers said an alert was worth.", "rule", "verdict"),
		ended:       counter("rapport_alerts_ended_total", "Alerts that were resolved or retracted.", "rule", "status"),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.toTake, m.opened, m.suppressed, m.waiting, m.escalations, m.feedback, m.ended} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("alerts: registering metrics: %w", err)
		}
	}
	return m, nil
}

// Committed is how a commit is told of.
type Committed func(t ref.Tenant, moved []feed.Cursor, events ...feed.Draft)

// After tells of commits, and then counts them.
func (m *Metrics) After(tell Committed) Committed {
	return func(t ref.Tenant, moved []feed.Cursor, events ...feed.Draft) {
		tell(t, moved, events...)
		for _, e := range events {
			if strings.HasPrefix(string(e.Type), "alert.") {
				m.count(e)
			}
		}
	}
}

// told is what is counted of an alert, as it stands in an event.
type told struct {
	Severity          string `json:"severity"`
	Rule              string `json:"rule"`
	SuppressedBecause string `json:"suppressedBecause"`
	WaitingBecause    string `json:"waitingBecause"`
	History           []struct {
		Status  string    `json:"status"`
		Time    time.Time `json:"time"`
		Role    string    `json:"role"`
		Verdict string    `json:"verdict"`
	} `json:"history"`
	Roles      []string `json:"roles"`
	Recipients []struct {
		Role string `json:"role"`
	} `json:"recipients"`
}

func (m *Metrics) count(e feed.Draft) {
	var a told
	if err := json.Unmarshal(e.Data, &a); err != nil { // the house wrote it itself; a test holds that it can be read
		return
	}
	severity := strings.ToLower(strings.TrimPrefix(a.Severity, "SEVERITY_"))
	switch e.Type {
	case feed.Opened:
		m.opened.WithLabelValues(a.Rule, severity).Inc()
	case feed.Suppressed:
		reason, _, _ := strings.Cut(a.SuppressedBecause, ":")
		m.suppressed.WithLabelValues(a.Rule, reason).Inc()
	case feed.Waiting:
		m.waiting.WithLabelValues(a.Rule, a.WaitingBecause).Inc()
	case feed.Escalated:
		m.escalations.WithLabelValues(a.Rule, severity).Inc()
	case feed.Rated:
		m.feedback.WithLabelValues(a.Rule, a.verdict()).Inc()
	case feed.Acknowledged:
		m.taken(a, severity)
	case feed.Resolved:
		m.taken(a, severity)
		m.ended.WithLabelValues(a.Rule, string(alert.Resolved)).Inc()
	case feed.Retracted:
		m.ended.WithLabelValues(a.Rule, string(alert.Retracted)).Inc()
	}
}

// verdict is what the last step says it was worth.
func (a told) verdict() string {
	if len(a.History) == 0 {
		return ""
	}
	said := strings.TrimPrefix(a.History[len(a.History)-1].Verdict, "FEEDBACK_VERDICT_")
	return strings.ReplaceAll(strings.ToLower(said), "_", "-")
}

// taken notes the first time that somebody took an alert.
func (m *Metrics) taken(a told, severity string) {
	var raised time.Time
	for n, step := range a.History {
		switch step.Status {
		case alert.Open.ProtoStatus():
			if raised.IsZero() {
				raised = step.Time
			}
		case alert.Acknowledged.ProtoStatus(), alert.Resolved.ProtoStatus():
			if n == len(a.History)-1 && !raised.IsZero() {
				m.toTake.WithLabelValues(severity, a.role(step.Role)).Observe(step.Time.Sub(raised).Seconds())
			}
			return
		}
	}
}

// role is one of those that the alert is for, or `other`, so that callers cannot make labels without end.
func (a told) role(named string) string {
	known := slices.Contains(a.Roles, named)
	for _, r := range a.Recipients {
		known = known || r.Role == named
	}
	if !known {
		return "other"
	}
	return named
}
