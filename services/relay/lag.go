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
	// Leading is true while this server holds a lease; the rest is empty otherwise.
	Leading bool
	// Shards is how many of the leases it holds.
	Shards int
	// Connected is true while Redis does what it is asked for, by every shard that is led.
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
	lag := Lag{}
	tenants := map[ref.Tenant]*Behind{}
	for _, s := range r.shards {
		leading, connected := s.lag(tenants)
		if !leading {
			continue
		}
		lag.Connected = connected && (lag.Connected || lag.Shards == 0)
		lag.Leading = true
		lag.Shards++
	}
	for _, b := range tenants {
		sort.Slice(b.Refused, func(i, j int) bool { return b.Refused[i].Feed < b.Refused[j].Feed })
		lag.Tenants = append(lag.Tenants, *b)
	}
	sort.Slice(lag.Tenants, func(i, j int) bool { return lag.Tenants[i].Tenant < lag.Tenants[j].Tenant })
	return lag
}

// lag adds up what a shard lacks, when this server leads it.
func (r *shard) lag(tenants map[ref.Tenant]*Behind) (leading, connected bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.leading {
		return false, false
	}
	connected = r.connected
	for p, l := range r.lines {
		connected = connected && l.held.IsZero()
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
	return true, connected
}

// counts only rise.
type counts struct{ written, lost, refills, trimmed, unread prometheus.Counter }

func (c counts) all() []prometheus.Counter {
	return []prometheus.Counter{c.written, c.lost, c.refills, c.trimmed, c.unread}
}

func newCounts() counts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return counts{
		written: counter("rapport_relay_entries_written_total", "Entries appended to Redis Streams."),
		lost:    counter("rapport_relay_events_lost_total", "Events that the database forgot before Redis had them."),
		refills: counter("rapport_relay_refills_total", "Times that a stream had lost entries and was filled again."),
		trimmed: counter("rapport_relay_entries_trimmed_total", "Entries removed from Redis Streams because of their age or number."),
		unread:  counter("rapport_relay_entries_unread_total", "Entries removed that a consumer group had not handled, once for each group."),
	}
}

var (
	shardsDesc    = prometheus.NewDesc("rapport_relay_shards_led", "Shards of which this server holds the lease.", nil, nil)
	leadingDesc   = prometheus.NewDesc("rapport_relay_leading", "1 while this server holds a lease of the relay.", nil, nil)
	connectedDesc = prometheus.NewDesc("rapport_relay_connected", "1 while Redis does what it is asked for.", nil, nil)
	backlogDesc   = prometheus.NewDesc("rapport_relay_backlog_entries", "Entries that the streams lack.", []string{"tenant"}, nil)
	oldestDesc    = prometheus.NewDesc("rapport_relay_backlog_age_seconds", "Age of the oldest event that a stream lacks.", []string{"tenant"}, nil)
	refusedDesc   = prometheus.NewDesc("rapport_relay_refused_feeds", "Feeds whose stream must not be appended to.", []string{"tenant"}, nil)
)

// Describe names the metrics.
func (r *Relay) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leadingDesc, shardsDesc, connectedDesc, backlogDesc, oldestDesc, refusedDesc} {
		ch <- d
	}
	describeSeries(ch)
	for _, c := range r.counts.all() {
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
	gauge(shardsDesc, float64(lag.Shards))
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
	r.collectSeries(ch)
	for _, c := range r.counts.all() {
		c.Collect(ch)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
