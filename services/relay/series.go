package relay

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// mostSeries bounds how many feeds and how many groups the metrics name at once: those that are furthest behind.
const mostSeries = 50

var (
	feedDesc = prometheus.NewDesc("rapport_relay_feed_backlog_entries",
		"Entries that the stream of a feed lacks; the 50 feeds furthest behind.", []string{"tenant", "feed"}, nil)
	groupLabels = []string{"tenant", "feed", "group"}
	unreadDesc  = prometheus.NewDesc("rapport_relay_group_lag_entries",
		"Entries that a consumer group was not given yet; the 50 groups furthest behind.", groupLabels, nil)
	pendingDesc = prometheus.NewDesc("rapport_relay_group_pending_entries",
		"Entries that a consumer group was given and has not acknowledged; the same 50 groups.", groupLabels, nil)
	missedDesc = prometheus.NewDesc("rapport_relay_group_missed_entries",
		"Entries that went before a consumer group had handled them; the same 50 groups.", groupLabels, nil)
	groupsDesc = prometheus.NewDesc("rapport_relay_groups", "Consumer groups on all streams.", nil, nil)
	behindDesc = prometheus.NewDesc("rapport_relay_groups_behind", "Consumer groups that were not given the newest entry or have some pending.", nil, nil)
)

func describeSeries(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{feedDesc, unreadDesc, pendingDesc, missedDesc, groupsDesc, behindDesc} {
		ch <- d
	}
}

// lateFeed is a feed whose stream lacks entries.
type lateFeed struct {
	place
	lacks int64
}

// lateGroup is a group that has not handled everything.
type lateGroup struct {
	place
	group
	lag, missed int64
}

// late lists the feeds and groups of a shard that are behind, and counts all groups.
func (r *shard) late() (feeds []lateFeed, groups []lateGroup, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.leading {
		return nil, nil, 0
	}
	for p, l := range r.lines {
		if n := l.behind(); n > 0 {
			feeds = append(feeds, lateFeed{p, n})
		}
		all += len(l.groups)
		for _, g := range l.groups {
			if lag := max(0, l.top-g.delivered); lag > 0 || g.pending > 0 {
				groups = append(groups, lateGroup{p, g, lag, g.missed(l.kept)})
			}
		}
	}
	return feeds, groups, all
}

// collectSeries reads the metrics of single feeds and groups.
func (r *Relay) collectSeries(ch chan<- prometheus.Metric) {
	var feeds []lateFeed
	var groups []lateGroup
	all := 0
	for _, s := range r.shards {
		f, g, n := s.late()
		feeds, groups, all = append(feeds, f...), append(groups, g...), all+n
	}
	gauge := func(d *prometheus.Desc, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(groupsDesc, int64(all))
	gauge(behindDesc, int64(len(groups)))
	slices.SortFunc(feeds, func(a, b lateFeed) int {
		return cmp.Or(cmp.Compare(b.lacks, a.lacks), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.feed, b.feed))
	})
	for _, f := range feeds[:min(mostSeries, len(feeds))] {
		gauge(feedDesc, f.lacks, string(f.tenant), string(f.feed))
	}
	slices.SortFunc(groups, func(a, b lateGroup) int {
		return cmp.Or(cmp.Compare(b.missed+b.lag+b.pending, a.missed+a.lag+a.pending), cmp.Compare(a.tenant, b.tenant),
			cmp.Compare(a.feed, b.feed), cmp.Compare(a.name, b.name))
	})
	for _, g := range groups[:min(mostSeries, len(groups))] {
		labels := []string{string(g.tenant), string(g.feed), g.name}
		gauge(unreadDesc, g.lag, labels...)
		gauge(pendingDesc, g.pending, labels...)
		gauge(missedDesc, g.missed, labels...)
	}
}
