package bench

import "fmt"

// Work is what one kind of request came to in some time.
type Work struct {
	// Kind in words.
	Kind string `json:"kind"`
	// Answered as they should, and Errors: everything else.
	Answered int `json:"answered"`
	Errors   int `json:"errors"`
	// PerSecond were answered.
	PerSecond float64 `json:"per_second"`
	// Latency from when a request was due to its last byte.
	Latency Latency `json:"latency"`
}

// Window is a part of the run.
type Window struct {
	// Until is when it ended, in seconds since the beginning, and Seconds how long it lasted.
	Until   float64 `json:"until_seconds"`
	Seconds float64 `json:"seconds"`
	// Work by kind, in a fixed order.
	Work []Work `json:"work"`
	// Holding is what the server held on average.
	Holding Holding `json:"held"`
	// Database is its size at the end, in MiB.
	Database float64 `json:"database_mib"`
}

// perSecond is the rate of requests of the mix; exports are none.
func (w *Window) perSecond() (sum float64) {
	for kind, work := range w.Work {
		if kindOfWork(kind) != exports {
			sum += work.PerSecond
		}
	}
	return sum
}

func (w *Window) errors() (sum int) {
	for _, work := range w.Work {
		sum += work.Errors
	}
	return sum
}

// The bounds of flat memory and of a kept rate.
const (
	// mostGrowth is by how much the last third of the run may hold more than the second, the first being for warming up.
	mostGrowth = 0.10
	// slack is how many more goroutines or files, and MiB, make no growth: connections come and go.
	slack    = 20
	slackMiB = 8
	// leastKept is which share of the rate asked must be answered.
	leastKept = 0.99
)

// aims hold what was found against what was meant.
func (s *MixedOfStore) aims() []Aim {
	none := func(what string, n int) Aim { return Aim{what, "0", grouped(float64(n)), n == 0} }
	flat := func(what, unit string, slack float64, of func(Holding) float64) Aim {
		before, after := of(s.Thirds[1]), of(s.Thirds[2])
		return Aim{
			What: what + ", last third : second third", Want: fmt.Sprintf("≤ +%.0f %%", 100*mostGrowth),
			Got: fmt.Sprintf("%.0f : %.0f%s", after, before, unit), Met: before > 0 && after <= max(before*(1+mostGrowth), before+slack),
		}
	}
	kept := s.Whole.perSecond()
	return []Aim{
		none("errors", s.Errors),
		none("events left out, doubled or streams broken", s.Followed.Gaps+s.Followed.Doubled+s.Followed.Broken),
		{"responses acknowledged : stored", "the same", fmt.Sprintf("%d : %d", s.Acknowledged, s.Stored), s.Acknowledged == s.Stored},
		none("responses missing in the exports, or twice", s.Exports.Missing+s.Exports.Twice),
		{
			"requests/s kept up", fmt.Sprintf("≥ %.0f", leastKept*s.Asked), fmt.Sprintf("%.0f", kept),
			kept >= leastKept*s.Asked && s.MostWaiting < mostUnderWay,
		},
		flat("resident memory", " MiB", slackMiB, func(h Holding) float64 { return h.Resident }),
		flat("heap", " MiB", slackMiB, func(h Holding) float64 { return h.Heap }),
		flat("goroutines", "", slack, func(h Holding) float64 { return h.Goroutines }),
		flat("open files", "", slack, func(h Holding) float64 { return h.Files }),
	}
}
