package bench

import (
	"slices"
	"time"
)

// Latency is how long something took, in milliseconds.
type Latency struct {
	// Samples is how many were measured; the rest is zero when none were.
	Samples int `json:"samples"`
	// P50 and P99 are percentiles: so many of a hundred took at most as long.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	// Max is the longest.
	Max float64 `json:"max_ms"`
}

// latencyOf sorts the samples and reads their percentiles by nearest rank.
func latencyOf(samples []time.Duration) Latency {
	if len(samples) == 0 {
		return Latency{}
	}
	slices.Sort(samples)
	return Latency{
		Samples: len(samples), P50: milliseconds(rank(samples, 50)), P99: milliseconds(rank(samples, 99)),
		Max: milliseconds(samples[len(samples)-1]),
	}
}

// rank is the smallest sample that percent of a hundred samples do not exceed.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// perSecond is a rate; 0 when nothing took no time.
func perSecond(n int, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
