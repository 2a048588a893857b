package subscriptions

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// counts are the metrics of the room.
type counts struct {
	calls  *prometheus.CounterVec
	buried prometheus.Counter
	oldest *prometheus.Desc
	states *prometheus.Desc
	open   *prometheus.Desc

	sockets *sockets

	mu sync.Mutex
	// courier that leads on this server; nil when another server leads.
	courier *courier
}

func newCounts(s *sockets) *counts {
	return &counts{
		sockets: s,
		open:    prometheus.NewDesc("rapport_subscription_websockets", "Websockets that are open on this server, by whether anything is bound over them.", []string{"bound"}, nil),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rapport_subscription_deliveries_total",
			Help: "Calls of subscribers' endpoints by what they were for and how they ended, and messages that were taken over websockets.",
		}, []string{"type", "result"}),
		buried: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rapport_subscription_dead_letters_total",
			Help: "Events that an endpoint would not take.",
		}),
		oldest: prometheus.NewDesc("rapport_subscription_oldest_undelivered_seconds",
			"Age of the oldest event that a subscriber with an endpoint was not told; 0 when all were. Only on the server that tells.", nil, nil),
		states: prometheus.NewDesc("rapport_subscriptions",
			"Subscriptions by status. Only on the server that tells.", []string{"status"}, nil),
	}
}

func (c *counts) call(told fhir.Told, a answer) {
	result := [...]string{taken: "delivered", refused: "refused", failed: "failed", gone: "gone"}[a.verdict]
	if a.failure == errForbidden.Error() {
		result = "forbidden"
	}
	c.calls.WithLabelValues(string(told), result).Inc()
}

func (c *counts) bury() { c.buried.Inc() }

// lead says whether this server tells.
func (c *counts) lead(of *courier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.courier = of
}

// Describe names the metrics.
func (c *counts) Describe(to chan<- *prometheus.Desc) {
	c.calls.Describe(to)
	c.buried.Describe(to)
	to <- c.oldest
	to <- c.states
	to <- c.open
}

// Collect gives the metrics as they are now.
func (c *counts) Collect(to chan<- prometheus.Metric) {
	c.calls.Collect(to)
	c.buried.Collect(to)
	bound, idle := c.sockets.count()
	to <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(bound), "true")
	to <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(idle), "false")
	c.mu.Lock()
	leading := c.courier
	c.mu.Unlock()
	if leading == nil {
		return
	}
	oldest, states := leading.survey()
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, leading.room.now().Sub(oldest).Seconds())
	}
	to <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
	for _, status := range subscription.Statuses() {
		to <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(states[status]), string(status))
	}
}

// survey is since when the oldest event waits, zero when none does, and how many subscriptions stand where.
func (c *courier) survey() (oldest time.Time, states map[subscription.Status]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	states = map[subscription.Status]int{}
	for _, lines := range c.lines {
		l := lines[0]
		l.mu.Lock()
		states[l.s.Status]++
		if !l.oldest.IsZero() && (oldest.IsZero() || l.oldest.Before(oldest)) {
			oldest = l.oldest
		}
		l.mu.Unlock()
	}
	return oldest, states
}
