package bench

import "fmt"

// Aim is one measure of success and where it stands.
type Aim struct {
	// What is measured, on which store.
	What string `json:"what"`
	// Want and Got in words, with units.
	Want string `json:"want"`
	Got  string `json:"got"`
	// Met says whether Got reaches Want.
	Met bool `json:"met"`
}

// The aims.
const (
	wantSingle   = 2000.0 // responses/s at 128 clients on PostgreSQL
	wantRatio    = 0.5    // of the floor
	wantBulk     = 5000.0 // responses/s by streams or batches
	wantHalf     = 25.0   // ms, p99 at half of capacity
	wantScreen   = 20.0   // ms, p99 from commit to subscriber
	wantMemory   = 200.0  // MiB
	wantStart    = 300.0  // ms on SQLite
	callsPerFull = "128 clients, single calls"
)

var names = map[string]string{Postgres: "PostgreSQL", SQLite: "SQLite"}

// aims compares what was measured with what was meant.
func aims(r *Report) []Aim {
	var out []Aim
	for i := range r.Stores {
		s := &r.Stores[i]
		if s.Store == Postgres {
			out = append(out, atLeast(s, callsPerFull+", /s", wantSingle, s.capacity()))
			if floor := s.floorOf(false).PerSecond; floor > 0 {
				out = append(out, Aim{
					What: named(s, callsPerFull+", × floor"), Want: fmt.Sprintf("≥ %.1f", wantRatio),
					Got: fmt.Sprintf("%.2f", s.capacity()/floor), Met: s.capacity() >= wantRatio*floor,
				})
			}
		}
		out = append(out, atLeast(s, "best of streams and batches, /s", wantBulk, s.bulk()))
		out = append(out, atMost(s, "p99 at half of capacity", wantHalf, s.Half.Acknowledged.P99, "ms"))
		for _, screen := range s.Screens {
			worst := max(screen.CommitGRPC.P99, screen.CommitRedis.P99)
			out = append(out, atMost(s, fmt.Sprintf("commit to subscriber, p99, at %.0f/s", screen.Rate), wantScreen, worst, "ms"))
		}
		if s.PeakMemory > 0 {
			out = append(out, atMost(s, "memory of the server, peak", wantMemory, s.PeakMemory, "MiB"))
		}
		if len(s.Starts) > 0 {
			out = append(out, atMost(s, "start to ready", wantStart, median(s.Starts), "ms"))
		}
	}
	return out
}

func named(s *StoreReport, what string) string { return names[s.Store] + ": " + what }

func atLeast(s *StoreReport, what string, want, got float64) Aim {
	return Aim{named(s, what), "≥ " + grouped(want), grouped(got), got >= want}
}

func atMost(s *StoreReport, what string, want, got float64, unit string) Aim {
	return Aim{named(s, what), fmt.Sprintf("≤ %.0f %s", want, unit), fmt.Sprintf("%.1f %s", got, unit), got <= want}
}

// grouped is a whole number with its thousands parted.
func grouped(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
