package relay

import (
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Lag says how far the relay of this server is behind.
type Lag struct {
	// Leading is true while this server holds the lease; the rest is empty otherwise.
	Leading bool
	// Connected is true while Redis does what it is asked for.
	Connected bool
	// Tenants in order.
	Tenants []Behind
}

// Behind is how far one tenant's streams are behind its feeds.
type Behind struct {
	// Tenant it is.
	Tenant ref.Tenant
	// Entries that the streams lack, over all feeds. While Redis could not be asked yet it is all that is kept.
	Entries int64
	// Oldest is when the oldest event was committed that is known to be lacking; zero when nothing lacks.
	Oldest time.Time
	// Refused names the feeds that are not relayed, with the reason, in order.
	Refused []Refusal
}

// Refusal is a feed whose stream must not be appended to.
type Refusal struct {
	Feed   feed.Name
	Reason string
}

// Lag of this moment.
func (r *Relay) Lag() Lag {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.leading {
		return Lag{}
	}
	tenants := map[ref.Tenant]*Behind{}
	for p, l := range r.lines {
		b := tenants[p.tenant]
		if b == nil {
			b = &Behind{Tenant: p.tenant}
			tenants[p.tenant] = b
		}
		if l.refused != "" {
			b.Refused = append(b.Refused, Refusal{p.feed, l.refused})
		}
		n := l.behind()
		b.Entries += n
		if n > 0 && !l.oldest.IsZero() && (b.Oldest.IsZero() || l.oldest.Before(b.Oldest)) {
			b.Oldest = l.oldest
		}
	}
	lag := Lag{Leading: true, Connected: r.connected}
	for _, b := range tenants {
		sort.Slice(b.Refused, func(i, j int) bool { return b.Refused[i].Feed < b.Refused[j].Feed })
		lag.Tenants = append(lag.Tenants, *b)
	}
	sort.Slice(lag.Tenants, func(i, j int) bool { return lag.Tenants[i].Tenant < lag.Tenants[j].Tenant })
	return lag
}

// counts only rise.
type counts struct{ written, lost, refills prometheus.Counter }

func newCounts() counts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return counts{
		written: counter("rapport_relay_entries_written_total", "Entries appended to Redis Streams."),
		lost:    counter("rapport_relay_events_lost_total", "Events that the database forgot before Redis had them."),
		refills: counter("rapport_relay_refills_total", "Times that a stream had lost entries and was filled again."),
	}
}

var (
	leadingDesc   = prometheus.NewDesc("rapport_relay_leading", "1 while this server holds the relay's lease.", nil, nil)
	connectedDesc = prometheus.NewDesc("rapport_relay_connected", "1 while Redis does what it is asked for.", nil, nil)
	backlogDesc   = prometheus.NewDesc("rapport_relay_backlog_entries", "Entries that the streams lack.", []string{"tenant"}, nil)
	oldestDesc    = prometheus.NewDesc("rapport_relay_backlog_age_seconds", "Age of the oldest event that a stream lacks.", []string{"tenant"}, nil)
	refusedDesc   = prometheus.NewDesc("rapport_relay_refused_feeds", "Feeds whose stream must not be appended to.", []string{"tenant"}, nil)
)

// Describe names the metrics.
func (r *Relay) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leadingDesc, connectedDesc, backlogDesc, oldestDesc, refusedDesc} {
		ch <- d
	}
	for _, c := range []prometheus.Counter{r.counts.written, r.counts.lost, r.counts.refills} {
		c.Describe(ch)
	}
}

// Collect reads the metrics.
func (r *Relay) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	lag := r.Lag()
	gauge(leadingDesc, truth(lag.Leading))
	gauge(connectedDesc, truth(lag.Connected))
	for _, b := range lag.Tenants {
		tenant := string(b.Tenant)
		gauge(backlogDesc, float64(b.Entries), tenant)
		gauge(refusedDesc, float64(len(b.Refused)), tenant)
		age := 0.0
		if !b.Oldest.IsZero() {
			age = max(0, r.config.Now().Sub(b.Oldest).Seconds())
		}
		gauge(oldestDesc, age, tenant)
	}
	for _, c := range []prometheus.Counter{r.counts.written, r.counts.lost, r.counts.refills} {
		c.Collect(ch)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
