package commit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/record"
)

// metrics count what was committed, by outcome, and how long and how full the transactions were.
type metrics struct {
	submissions *prometheus.CounterVec
	seconds     prometheus.Histogram
	inputs      prometheus.Histogram
	failures    prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		submissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rapport_submissions_total", Help: "Resources that reached a commit, by how they ended.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rapport_commit_seconds", Help: "Time of one transaction, reading and judging included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		inputs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rapport_commit_inputs", Help: "Submissions, commands and deadlines of one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 14),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rapport_commit_failures_total", Help: "Transactions that did not commit.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.submissions, m.seconds, m.inputs, m.failures} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("commit: registering metrics: %w", err)
		}
	}
	return m, nil
}

// group notes one transaction.
func (m *metrics) group(jobs []*job, took time.Duration, err error) {
	m.seconds.Observe(took.Seconds())
	weight := 0
	for _, j := range jobs {
		weight += j.weight()
		if err == nil {
			for i := range j.receipts {
				m.submissions.WithLabelValues(j.receipts[i].Outcome.String()).Inc()
			}
		}
	}
	m.inputs.Observe(float64(weight))
	if err != nil {
		m.failures.Inc()
	}
}

// refused notes inputs that were refused alone.
func (m *metrics) refused(n int) {
	m.submissions.WithLabelValues(record.Rejected.String()).Add(float64(n))
}
